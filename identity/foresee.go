package identity

import (
	"context"
	"errors"

	"github.com/ostiary/ostiary"
)

// Foresee returns the mutation by which do would begin, judged in one view, and proposes nothing. It is nil where do
// would change nothing; the error is that of do where do refuses. do gets a service of its own and calls one method.
func (s *Service) Foresee(ctx context.Context, v View, nowNanos int64, do func(*Service) error) (*ostiary.Mutation, error) {
	f := &foreseeing{view: v, nowNanos: nowNanos}
	shadow := New(f, s.options)
	x, err := shadow.storedSecret(ctx, ostiary.Freshness{})
	if err != nil {
		return nil, err
	}
	if x == nil { // nothing is sealed yet, so any will do
		secret := drawSecret()
		shadow.secrets.Store(&secrets{wrap: newAEAD(secret[:keyBytes]), hash: secret[keyBytes:]})
	}
	if err = do(shadow); f.mutation != nil {
		return f.mutation, nil
	}
	return nil, err
}

// foreseeing is a backend that shows one view and takes no mutation but notes the first.
type foreseeing struct {
	view     View
	nowNanos int64
	mutation *ostiary.Mutation
}

var errForeseen = errors.New("noted, and not proposed")

// Propose notes m.
func (f *foreseeing) Propose(_ context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	if f.mutation == nil {
		f.mutation = m
	}
	return ostiary.Receipt{}, errForeseen
}

// View returns the view, which its owner closes.
func (f *foreseeing) View(context.Context, ostiary.Freshness) (View, error) {
	return keptView{f.view}, nil
}

// Now is the time of the view.
func (f *foreseeing) Now() int64 { return f.nowNanos }

type keptView struct{ View }

func (keptView) Close() {}
