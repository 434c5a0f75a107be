package api

import (
	"context"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/access"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// maxRequestRate bounds the rate of one store.
const maxRequestRate = 1_000_000

// rated are the methods whose requests count for the rate of their store, and are refused above it: those that ask and
// read, and those that give. What takes something away is none of them, nor what an administrator does, nor what tells
// of a rate, nor ReadChanges, by which applications learn of what was taken away: a rate must never keep a door open.
var rated = func() map[string]bool {
	methods := map[string]bool{
		openfgav1.OpenFGAService_Write_FullMethodName:                    true, // but see takesAway
		openfgav1.OpenFGAService_WriteAssertions_FullMethodName:          true,
		ostiaryv1.IdentityService_AddMember_FullMethodName:               true,
		ostiaryv1.SessionService_CreateSession_FullMethodName:            true,
		ostiaryv1.SessionService_CreateSessionFromIDToken_FullMethodName: true,
		ostiaryv1.SessionService_TouchSession_FullMethodName:             true,
	}
	for method, needed := range rights {
		if needed.role == access.Reader {
			methods[method] = true
		}
	}
	delete(methods, ostiaryv1.StoreAdminService_GetStoreQuota_FullMethodName)
	delete(methods, openfgav1.OpenFGAService_ReadChanges_FullMethodName)
	return methods
}()

// takesAway reports whether a request of a method that is rated takes tuples away. One that also writes some does: were
// it refused, what it takes away would stay.
func takesAway(req any) bool {
	w, ok := req.(*openfgav1.WriteRequest)
	return ok && len(w.GetDeletes().GetTupleKeys()) > 0
}

// throttleStore refuses a request that its caller may make, where the store that it names gets more than it may. The
// requests of callers without the right do not count: nobody uses up the rate of a store that is not theirs.
func (s *Server) throttleStore(ctx context.Context, c *call, method string, req any) error {
	store := storeIn(req)
	if store == "" || !rated[method] || takesAway(req) {
		return nil
	}
	perSecond, err := s.rateOf(ctx, store)
	if err != nil || perSecond <= 0 {
		return err
	}
	wait := s.storeRequests.TakeAt(store, 1, float64(perSecond), s.backend.Now())
	if wait == 0 {
		return nil
	}
	s.storeTooOften.Add(1)
	c.retryAfter = wait
	return refuse(codes.ResourceExhausted, "more than the %d requests a second that the store may get from one node: wait as long as %s says, "+
		"or have an administrator of the cluster allow more with 'ostiary store quota set STORE --rate'", perSecond, headerRetry)
}

// rateOf returns how many requests a second a store may get, and zero or a negative number where it may get any number.
// Most stores have no rate: they cost no view, but one request may pass before a rate that is new is noticed, by the view
// that it takes. A refusal is by what the newest view shows. What keeps it from knowing is the handler's to say, and the
// error is that of a request which has ended.
func (s *Server) rateOf(ctx context.Context, store string) (perSecond int, err error) {
	if f, known := s.stores.newestOf(store); known && f.rate == 0 && s.limits.MaxStoreRequestRate <= 0 {
		return 0, nil
	}
	v, err := s.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return 0, ctx.Err()
	}
	defer v.Close()
	f, err := s.facts(v, store)
	switch {
	case err != nil:
		return 0, nil
	case f.rate > 0:
		return int(f.rate), nil
	}
	return s.limits.MaxStoreRequestRate, nil
}

// rateIn returns the rate that a store has of its own, and zero where it has none.
func rateIn(v View, store string) (uint32, error) {
	d, there, err := v.Document(ostiary.DocumentKey{Collection: ostiary.CollectionRates, Key: store})
	if err != nil || !there {
		return 0, err
	}
	return ostiary.RateOf(d)
}
