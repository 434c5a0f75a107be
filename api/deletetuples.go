package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

const (
	// maxCounted is how many tuples a filter may select to be counted. Beyond, an error says "more than".
	maxCounted = 8 * ostiary.MaxFilterRows
	// sampleTuples is how many tuples a dry run shows.
	sampleTuples = 10
	// maxTuplePreconditions bounds those of one request.
	maxTuplePreconditions = 100
)

// tupleService answers ostiary.v1.TupleService.
type tupleService struct {
	ostiaryv1.UnsafeTupleServiceServer
	server *Server
}

// DeleteTuples deletes what a filter selects.
func (i *tupleService) DeleteTuples(ctx context.Context, req *ostiaryv1.DeleteTuplesRequest) (*ostiaryv1.DeleteTuplesResponse, error) {
	s := i.server
	d, err := newDeletion(req)
	if err != nil {
		return nil, err
	}
	changed := false
	err = s.doOnce(ctx, req, func(o *once) error {
		return s.change(ctx, req.GetStoreId(), func(v View, _ ostiary.Document) (*ostiary.Mutation, error) {
			if err := s.judgeDeletion(ctx, v, d); err != nil || req.GetDryRun() {
				return nil, err
			}
			m, err := s.newMutation(ctx)
			if err != nil {
				return nil, err
			}
			d.join(m)
			o.mark(m)
			changed = true
			return m, nil
		})
	})
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.DeleteTuplesResponse{Count: uint64(d.found.count), Kept: uint64(d.found.kept)}
	if req.GetDryRun() {
		for _, t := range d.found.sample {
			resp.Sample = append(resp.Sample, &ostiaryv1.TupleKey{User: t.Subject.String(), Relation: t.Relation, Object: t.Object.String()})
		}
		return resp, nil
	}
	if !changed {
		resp.Kept = 0 // a repetition: what stayed then is not known
	}
	resp.Count, err = s.deletedAt(ctx, req.GetStoreId(), callOf(ctx).revision)
	return resp, err
}

// deletedAt returns how many tuples were deleted at a revision, which is that of a deletion; 0 where it is so old
// that the changelog no longer tells.
func (s *Server) deletedAt(ctx context.Context, store string, r ostiary.Revision) (uint64, error) {
	v, err := s.backend.View(ctx, ostiary.Freshness{AtLeast: r})
	if err != nil {
		return 0, err
	}
	defer v.Close()
	n, err := v.CountChanges(store, r)
	if errors.Is(err, ostiary.ErrRevisionGone) {
		return 0, nil
	}
	return uint64(n), err
}

// deletion is a DeleteTuples whose fields were found in order.
type deletion struct {
	store         string
	filters       []ostiary.Filter // that of the request, and those of dependants
	keep          bool             // what others grant too stays
	max           int
	preconditions []ostiary.Precondition
	found         foundTuples
}

// foundTuples is what a deletion finds in a view.
type foundTuples struct {
	count, kept int
	others      bool // somebody else has a grant of some of them, which may have expired
	sample      []ostiary.Tuple
}

func newDeletion(req *ostiaryv1.DeleteTuplesRequest) (*deletion, error) {
	d := &deletion{store: req.GetStoreId(), keep: req.GetKeepOthers() || req.GetFilter().GetOwner() != "", max: int(req.GetMax())}
	f, err := tupleFilter(d.store, req.GetFilter())
	if err != nil {
		return nil, err
	}
	d.filters = []ostiary.Filter{f}
	if req.GetIncludeDependants() {
		if f.Object.ID == "" || f.Relation != "" {
			return nil, refuse(codes.InvalidArgument, "include_dependants needs a filter for one whole object, such as \"doc:readme\", without a relation")
		}
		plain := ostiary.SubjectRef{Type: f.Object.Type, ID: f.Object.ID}
		usersets := plain
		usersets.Relation = ostiary.AnyRelation
		d.filters = append(d.filters, ostiary.Filter{Store: d.store, Subject: plain}, ostiary.Filter{Store: d.store, Subject: usersets})
	}
	switch {
	case d.max > ostiary.MaxFilterRows:
		return nil, refuse(codes.InvalidArgument, "max %d is above %d", d.max, ostiary.MaxFilterRows)
	case d.max == 0:
		d.max = ostiary.MaxFilterRows
	}
	if n := len(req.GetPreconditions()); n > maxTuplePreconditions {
		return nil, refuse(codes.InvalidArgument, "%d preconditions are given, and %d may be", n, maxTuplePreconditions)
	}
	for n, p := range req.GetPreconditions() {
		precondition, err := tuplePrecondition(d.store, p)
		if err != nil {
			return nil, refuse(codes.InvalidArgument, "precondition %d: %v", n, err)
		}
		d.preconditions = append(d.preconditions, precondition)
	}
	return d, nil
}

// tupleFilter parses a filter.
func tupleFilter(store string, wire *ostiaryv1.TupleFilter) (ostiary.Filter, error) {
	f := ostiary.Filter{Store: store, Owner: wire.GetOwner(), Relation: wire.GetRelation(), ObjectType: wire.GetObjectType()}
	named := 0
	for _, text := range []string{wire.GetObject(), wire.GetUser(), wire.GetOwner()} {
		if text != "" {
			named++
		}
	}
	var err error
	switch {
	case named != 1:
		return f, refuse(codes.InvalidArgument, "a filter names exactly one of object, user and owner, and this one %d", named)
	case wire.GetObject() != "" && f.ObjectType != "":
		return f, refuse(codes.InvalidArgument, "object_type narrows a filter for a user or an owner: leave it out with an object")
	case f.Owner != "" && f.Owner != ostiary.OwnerAPI:
		return f, refuse(codes.InvalidArgument, "the tuples of owner %.200q are its own to delete: a filter may name %q", f.Owner, ostiary.OwnerAPI)
	case wire.GetUser() != "":
		f.Subject, err = parseSubject(wire.GetUser())
	case strings.HasSuffix(wire.GetObject(), ":"):
		f.Object, err = parseObject(wire.GetObject() + "x")
		f.Object.ID = ""
	case wire.GetObject() != "":
		f.Object, err = parseObject(wire.GetObject())
	}
	if err == nil && f.Relation != "" {
		err = parseRelation(f.Relation)
	}
	if err == nil && f.ObjectType != "" {
		if _, err = parseObject(f.ObjectType + ":x"); err != nil {
			err = malformed("invalid 'object_type' field format")
		}
	}
	return f, err
}

func tuplePrecondition(store string, wire *ostiaryv1.TuplePrecondition) (p ostiary.Precondition, err error) {
	p.Store = store
	switch {
	case wire.GetPresent() != nil:
		p.Kind = ostiary.TuplePresent
		p.Tuple, err = parseTuple(wire.GetPresent())
	case wire.GetAbsent() != nil:
		p.Kind = ostiary.TupleAbsent
		p.Tuple, err = parseTuple(wire.GetAbsent())
	case wire.GetMatchesNothing() != nil:
		p.Kind, p.Store = ostiary.FilterMatchesNothing, ""
		p.Filter, err = tupleFilter(store, wire.GetMatchesNothing())
	default:
		err = errors.New("it sets none of present, absent and matches_nothing")
	}
	return p, err
}

// join makes the deletion part of a mutation. Where nobody else was seen to grant what matches, nobody may when
// it takes effect: then whole ranges go. Otherwise the grants of Write alone go, and the tuples of others stay.
func (d *deletion) join(m *ostiary.Mutation) {
	m.Preconditions = append(m.Preconditions, d.preconditions...)
	for _, f := range d.filters {
		if !d.keep {
			m.RestOnOwner(f, ostiary.OwnerAPI)
		}
		if d.keep || d.found.others {
			f.Owner = ostiary.OwnerAPI
			m.MinVersion = max(m.MinVersion, ostiary.ReleaseFilters)
		}
		m.Filters = append(m.Filters, ostiary.FilterDelete{Filter: f, Max: uint32(d.max)})
		if f.Subject.Relation == ostiary.AnyRelation {
			m.MinVersion = max(m.MinVersion, ostiary.ReleaseFilters)
		}
	}
}

// judgeDeletion looks at what a deletion finds in a view, and refuses what would be refused when it takes effect.
func (s *Server) judgeDeletion(ctx context.Context, v View, d *deletion) error {
	facts, err := s.facts(v, d.store)
	if err != nil {
		return err
	}
	if f := &d.filters[0]; f.Relation != "" {
		t := ostiary.Tuple{Object: ostiary.ObjectRef{Type: f.Object.Type + f.ObjectType, ID: f.Object.ID}, Relation: f.Relation}
		if fault := managedTuple(&facts.mapping.Names, t); fault != nil {
			if on, _, err := identity.HasOrganizations(v, d.store); on || err != nil {
				return orElse(err, refuse(codes.InvalidArgument, "%v", fault))
			}
		}
	}
	if err := judgePreconditions(ctx, v, d.preconditions, s.backend.Now()); err != nil {
		return err
	}
	return d.look(ctx, v, s.backend.Now())
}

func orElse(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// judgePreconditions says which precondition does not hold in a view.
func judgePreconditions(ctx context.Context, v View, all []ostiary.Precondition, nowNanos int64) error {
	for i, p := range all {
		live := ""
		var err error
		if p.Kind == ostiary.FilterMatchesNothing {
			live, err = firstLive(ctx, v, p.Filter, nowNanos)
		} else {
			err = v.LookUp(ctx, p.Store, []ostiary.Tuple{p.Tuple}, func(_ int, t ostiary.StoredTuple) bool {
				if _, is := t.Edge(nowNanos); is {
					live = t.Tuple.String()
				}
				return true
			})
		}
		if err != nil {
			return err
		}
		switch {
		case p.Kind == ostiary.TuplePresent && live == "":
			return refuse(codes.FailedPrecondition, "precondition %d: tuple '%s' is not there", i, p.Tuple)
		case p.Kind != ostiary.TuplePresent && live != "":
			return refuse(codes.FailedPrecondition, "precondition %d: tuple '%s' is there", i, live)
		}
	}
	return nil
}

// firstLive returns a tuple that matches a filter and has not expired, or nothing.
func firstLive(ctx context.Context, v View, f ostiary.Filter, nowNanos int64) (string, error) {
	for t, err := range v.Tuples(ctx, f, nil) {
		if err != nil {
			return "", err
		}
		for _, g := range t.Grants {
			if g.Live(nowNanos) && (f.Owner == "" || f.Owner == g.Owner) {
				return t.Tuple.String(), nil
			}
		}
	}
	return "", nil
}

// look counts what the deletion finds in a view.
func (d *deletion) look(ctx context.Context, v View, nowNanos int64) error {
	found := foundTuples{}
	rows, owned := 0, 0
	var first ostiary.StoredTuple // that somebody else grants
	for i, f := range d.filters {
		for t, err := range v.Tuples(ctx, f, nil) {
			switch {
			case err != nil:
				return err
			case i > 0 && t.Object == d.filters[0].Object:
				continue // the first filter has found it
			}
			if rows++; rows > maxCounted {
				return refuse(codes.ResourceExhausted, "the filter selects more than %d tuples, and at most %d may go at once: narrow it", maxCounted, d.max)
			}
			own, others := false, false
			for _, g := range t.Grants {
				own = own || g.Owner == ostiary.OwnerAPI
				found.others = found.others || g.Owner != ostiary.OwnerAPI
				others = others || g.Owner != ostiary.OwnerAPI && g.Live(nowNanos)
			}
			if others {
				if owned++; owned == 1 {
					first = t
				}
			}
			if own {
				if found.count++; len(found.sample) < sampleTuples {
					found.sample = append(found.sample, t.Tuple)
				}
			}
		}
	}
	found.kept = owned
	d.found = found
	switch {
	case owned > 0 && !d.keep:
		return &refusal{code: codes.FailedPrecondition, cause: ostiary.ErrTupleOwned, text: fmt.Sprintf(
			"%d of the tuples that match are also granted by others than Write, such as '%s' by %s: narrow the filter, or let them stay with keep_others",
			owned, first.Tuple, otherOwners(first, nowNanos))}
	case found.count > d.max:
		return refuse(codes.ResourceExhausted, "the filter selects %d tuples, and at most %d may go: narrow it", found.count, d.max)
	}
	return nil
}

// otherOwners names who grants a tuple beside Write.
func otherOwners(t ostiary.StoredTuple, nowNanos int64) string {
	var owners []string
	for _, g := range t.Grants {
		if g.Owner != ostiary.OwnerAPI && g.Live(nowNanos) {
			owners = append(owners, g.Owner)
		}
	}
	return strings.Join(owners, ", ")
}
