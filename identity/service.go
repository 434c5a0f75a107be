package identity

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Options configures New. The zero value is ready for use.
type Options struct {
	// Keys are the operator's keys for personal data. Nil: there are none.
	Keys *Keys
	// JudgeModel is asked when a store gets its first organization. It returns an error where the store's
	// model lets people around the gate, and otherwise what must hold for its judgement to stay true.
	// Nil: there are no models.
	JudgeModel func(ctx context.Context, v View, store string) ([]ostiary.Precondition, error)
	// JudgeMapping is asked when the mapping of a store is to change. It returns an error where the store's
	// model does not fit, and otherwise what must hold for its judgement to stay true. Nil: there are no models.
	JudgeMapping func(ctx context.Context, v View, store string, m *gate.Mapping) ([]ostiary.Precondition, error)
	// LookUpTXT returns the TXT records of a name that ends in a dot. Nil: the resolver of this machine.
	LookUpTXT func(ctx context.Context, name string) ([]string, error)
	// AuditRetention is how long audit rows are kept. Zero means 90 days.
	AuditRetention time.Duration
	// AuditRows is about how many audit rows of a store are kept. Zero means 1,000,000.
	AuditRows int
}

// Service changes and reads what a cluster knows of organizations and the people in them. Make one with New.
type Service struct {
	backend Backend
	options Options
	secrets atomic.Pointer[secrets] // nil until they are first needed
	turns   [64]sync.Mutex          // of resources, by their hash; held while one is changed
	seed    maphash.Seed
	auditor *auditor
	guards  guardTurns
	uses    tokenUses
	// requests are those that left no audit row.
	requests requestLog
	// collected is where collectSessions goes on: a *sessionCursor for each store.
	collected sync.Map
	signers   signers
}

// New returns a service over a backend.
func New(b Backend, o Options) *Service {
	return &Service{backend: mappedBackend{b}, options: o, seed: maphash.MakeSeed(), auditor: newAuditor(o.AuditRetention, o.AuditRows)}
}

// maxProposals bounds how often a change is computed again because what it rests on has moved.
const maxProposals = 100

// change computes a mutation in a linearizable view and commits it, and computes it again where what it
// rests on has moved. Where build leaves the mutation empty, nothing is committed, and the receipt names the
// view's revision. The audit row that the context asks for (about) is part of the mutation.
func (s *Service) change(ctx context.Context, build func(v View, m *ostiary.Mutation) error) (ostiary.Receipt, error) {
	principal, ok := ostiary.PrincipalOf(ctx)
	if !ok {
		return ostiary.Receipt{}, errors.New("change what is known of people: nobody is named who asks for it")
	}
	request := requestOf(ctx)
	for range maxProposals {
		m := &ostiary.Mutation{TimeNanos: s.backend.Now(), Principal: principal, RequestID: request.id()}
		receipt, err := s.propose(ctx, m, build)
		var moved *ostiary.PreconditionError
		if !errors.As(err, &moved) {
			if err == nil {
				err = s.catchUp(ctx, m, receipt)
			}
			request.note(receipt, err)
			return receipt, err
		}
		if err := ctx.Err(); err != nil {
			return ostiary.Receipt{}, err
		}
	}
	return ostiary.Receipt{}, fmt.Errorf("what the change rests on has moved %d times: %w", maxProposals, ostiary.ErrUnavailable)
}

func (s *Service) propose(
	ctx context.Context, m *ostiary.Mutation, build func(v View, m *ostiary.Mutation) error,
) (ostiary.Receipt, error) {
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return ostiary.Receipt{}, err
	}
	defer v.Close()
	if err := build(v, m); err != nil {
		return ostiary.Receipt{}, err
	}
	if len(m.Filters)+len(m.Tuples)+len(m.Documents) == 0 {
		return ostiary.Receipt{Revision: v.Revision(), TimeNanos: m.TimeNanos}, nil
	}
	if err := restOnQuota(v, m); err != nil {
		return ostiary.Receipt{}, err
	}
	if err := s.auditor.join(ctx, v, m); err != nil {
		return ostiary.Receipt{}, err
	}
	if err := inModelNames(v, m); err != nil {
		return ostiary.Receipt{}, err
	}
	return s.backend.Propose(ctx, m)
}

// turn waits until no other change of a resource is under way on this node. It spares computing changes
// again; that none is lost is for preconditions to see to.
func (s *Service) turn(parts ...string) (end func()) {
	mu := &s.turns[maphash.String(s.seed, strings.Join(parts, "/"))%uint64(len(s.turns))]
	mu.Lock()
	return mu.Unlock
}

// newID draws an id: a letter that says of what, and a ULID in lower case. Ids come in the order of their times.
func newID(kind string, nowNanos int64) (string, error) {
	id, err := newULID(nowNanos)
	if err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return kind + strings.ToLower(id.String()), nil
}

// newULID draws a ULID whose first random bits are the nanoseconds, so that those of one millisecond are in
// order too.
func newULID(nowNanos int64) (ulid.ULID, error) {
	nowNanos = max(nowNanos, 0)
	id, err := ulid.New(uint64(nowNanos/int64(time.Millisecond)), rand.Reader)
	binary.BigEndian.PutUint32(id[6:], uint32(nowNanos%int64(time.Millisecond))<<12|uint32(id[9])<<4|uint32(id[8])&15)
	return id, err
}

// The letters of ids.
const (
	kindOrganization = "o"
	kindConnection   = "c"
	kindUser         = "u"
	kindGroup        = "g"
	kindRole         = "r"
	kindEntitlement  = "e"
)

const idBytes = 1 + ulid.EncodedSize

// hasKind reports whether an id is one of ours of a kind.
func hasKind(id, kind string) bool { return len(id) == idBytes && strings.HasPrefix(id, kind) }

func notFound(what, id string) error {
	return fmt.Errorf("%s %.100q: %w", what, id, ostiary.ErrNotFound)
}

// inputError is the error of input that cannot be. It is ErrTupleInvalid, whose text it leaves out: most of
// such input is no tuple.
type inputError string

func (e inputError) Error() string        { return string(e) }
func (e inputError) Is(target error) bool { return target == ostiary.ErrTupleInvalid }

func invalid(format string, args ...any) error { return inputError(fmt.Sprintf(format, args...)) }

// Commit commits a mutation that another package computes, as one of this package's: audited, and computed again
// where what it rests on has moved. The store exists in the view.
func (s *Service) Commit(
	ctx context.Context, store, action, resource string, build func(v View, m *ostiary.Mutation) error,
) (ostiary.Receipt, error) {
	return s.change(about(ctx, &audit{store: store, resource: resource, action: action}), func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		return build(v, m)
	})
}

// ReadStore runs f over this node's newest view, where the store exists in it.
func (s *Service) ReadStore(ctx context.Context, store string, f func(v View) error) error {
	return s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		return f(v)
	})
}
