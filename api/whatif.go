package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
)

// whatIf is a change of tuples that is thought through and not made: what they would be.
type whatIf struct {
	*question
	grants map[ostiary.Tuple]*ostiary.StoredTuple // as they would be; without grants: gone
	edges  map[ostiary.Tuple]bool                 // whether each counts before
}

// maxWhatIf bounds the tuples of a change that is thought through.
const maxWhatIf = 100_000

func (q *question) whatIf() *whatIf {
	return &whatIf{question: q, grants: map[ostiary.Tuple]*ostiary.StoredTuple{}, edges: map[ostiary.Tuple]bool{}}
}

// load reads a tuple, unless it is known.
func (w *whatIf) load(ctx context.Context, t ostiary.Tuple) (*ostiary.StoredTuple, error) {
	if known := w.grants[t]; known != nil {
		return known, nil
	}
	if len(w.grants) >= maxWhatIf {
		return nil, refuse(codes.ResourceExhausted, "the change is one of more than %d tuples", maxWhatIf)
	}
	found := &ostiary.StoredTuple{Tuple: t}
	err := w.view.LookUp(ctx, w.store, []ostiary.Tuple{t}, func(_ int, stored ostiary.StoredTuple) bool {
		found.Grants = slices.Clone(stored.Grants)
		return true
	})
	if err != nil {
		return nil, err
	}
	w.keep(found)
	return found, nil
}

// keep notes a tuple as it is.
func (w *whatIf) keep(t *ostiary.StoredTuple) {
	_, w.edges[t.Tuple] = t.Edge(w.nowNanos)
	w.grants[t.Tuple] = t
}

// grant adds a grant to a tuple, in the place of its owner's.
func (w *whatIf) grant(ctx context.Context, t ostiary.Tuple, g ostiary.Grant) error {
	stored, err := w.load(ctx, t)
	if err != nil {
		return err
	}
	stored.Grants = append(slices.DeleteFunc(stored.Grants, func(x ostiary.Grant) bool { return x.Owner == g.Owner }), g)
	return nil
}

// remove takes the grants of an owner from a tuple; an empty owner stands for everybody.
func (w *whatIf) remove(ctx context.Context, t ostiary.Tuple, owner string) error {
	stored, err := w.load(ctx, t)
	if err != nil {
		return err
	}
	stored.Grants = slices.DeleteFunc(stored.Grants, func(x ostiary.Grant) bool { return owner == "" || x.Owner == owner })
	return nil
}

// removeAll takes away what a filter selects: with an owner, only that owner's grants.
func (w *whatIf) removeAll(ctx context.Context, f ostiary.Filter) error {
	for stored, err := range w.view.Tuples(ctx, f, nil) {
		if err != nil {
			return err
		}
		if w.grants[stored.Tuple] == nil {
			if len(w.grants) >= maxWhatIf {
				return refuse(codes.ResourceExhausted, "the change is one of more than %d tuples", maxWhatIf)
			}
			stored.Grants = slices.Clone(stored.Grants)
			w.keep(&stored)
		}
		if err := w.remove(ctx, stored.Tuple, f.Owner); err != nil {
			return err
		}
	}
	return nil
}

// apply thinks a mutation through.
func (w *whatIf) apply(ctx context.Context, m *ostiary.Mutation) error {
	for _, f := range m.Filters {
		if f.Filter.Store != w.store {
			continue
		}
		if err := w.removeAll(ctx, f.Filter); err != nil {
			return err
		}
	}
	for _, c := range m.Tuples {
		var err error
		switch {
		case c.Store != w.store:
		case c.Op == ostiary.TupleCreate, c.Op == ostiary.TupleTouch:
			err = w.grant(ctx, c.Tuple, c.Grant)
		default:
			err = w.remove(ctx, c.Tuple, c.Grant.Owner)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// change returns the tuples that come or count otherwise, and those that go. They are those that the change is about,
// and differ or not.
func (w *whatIf) change() (put []ostiary.Edge, gone []ostiary.Tuple) {
	for _, t := range slices.SortedFunc(maps.Keys(w.grants), ostiary.Tuple.Compare) {
		edge, live := w.grants[t].Edge(w.nowNanos)
		switch {
		case live:
			put = append(put, edge)
		case w.edges[t]:
			gone = append(gone, t)
		}
	}
	return put, gone
}

// sessionsEnded returns the sessions of which the change takes the person away, sorted.
func (w *whatIf) sessionsEnded(gone []ostiary.Tuple) []string {
	var ended []string
	for _, t := range gone {
		if w.gated && t.Object.Type == w.names.Session.Type && t.Subject.Type == w.names.User {
			ended = append(ended, t.Object.String())
		}
	}
	slices.Sort(ended)
	return slices.Compact(ended)
}

// tuples yields those of the question's store that count.
func (q *question) tuples(ctx context.Context) func(yield func(ostiary.Tuple, error) bool) {
	return func(yield func(ostiary.Tuple, error) bool) {
		for stored, err := range q.view.Tuples(ctx, ostiary.Filter{Store: q.store}, nil) {
			if err == nil {
				if _, live := stored.Edge(q.nowNanos); !live {
					continue
				}
			}
			if !yield(stored.Tuple, err) {
				return
			}
		}
	}
}

// belongsByID reports whether the id of an object says to which organization it belongs, and tuples do not.
func (q *question) belongsByID(o ostiary.ObjectRef) bool {
	return o.Type == q.names.Organization.Type || q.names.IsWithin(o.Type) && strings.Contains(o.ID, "/")
}

// passes reports whether a gate lets a subject's relation to an object count.
func (q *question) passes(ctx context.Context, g identity.Gate, o ostiary.ObjectRef) (bool, error) {
	if g.IsOpen() {
		return true, nil
	}
	closed, err := q.closes(ctx, g, o)
	return !closed, err
}

// allowedTo returns the objects to which a person has a relation in a world, behind a gate. It is false where the
// engine cannot tell.
func (s *Server) allowedTo(
	ctx context.Context, q *question, w engine.World, g identity.Gate, r engine.RelationRef, person ostiary.SubjectRef, values map[string]any,
) (map[ostiary.ObjectRef]bool, bool, error) {
	allowed := map[ostiary.ObjectRef]bool{}
	if w.Plan.Model().Relation(r.Type, r.Relation) == nil || g.Deleted || g.Waiting {
		return allowed, true, nil
	}
	list, err := s.engine.ListObjects(ctx, w.Plan, w.Reader, engine.ListObjectsQuery{Type: r.Type, Relation: r.Relation, Subject: person, Context: values})
	if errors.Is(err, ostiary.ErrConditionUndecided) || errors.Is(err, ostiary.ErrDepthExceeded) || errors.Is(err, ostiary.ErrTooBroad) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("list what %s has: %w", person, err)
	}
	list, err = q.passingObjects(ctx, g, list)
	for _, o := range list {
		allowed[o] = true
	}
	return allowed, true, err
}
