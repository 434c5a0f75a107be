package readertest

import (
	"slices"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/edges"
)

// packed compares the groups that a reader gives for a tuple and its neighbours with plain filtering. A
// group that is not open holds exactly what was filtered, an open one nothing else.
func packed(t *testing.T, r engine.Reader, all []ostiary.Edge) {
	t.Helper()
	filter := func(keep func(ostiary.Edge) bool) (out []ostiary.Edge) {
		for _, e := range all {
			if keep(e) {
				out = append(out, e)
			}
		}
		slices.SortFunc(out, byTuple)
		return out
	}
	for _, e := range all {
		for _, like := range neighbours(e.Tuple) {
			set, err := r.ObjectEdges(t.Context(), like.Object)
			if err != nil {
				t.Errorf("ObjectEdges %s: %v", like.Object, err)
				continue
			}
			shape := func(s ostiary.SubjectRef) ostiary.SubjectRef {
				if !s.IsWildcard() {
					s.ID = ""
				}
				return s
			}
			g := set.Find(edges.HeadOf(like.Relation, like.Subject))
			got := unpack(r, g, func(id string) ostiary.Tuple {
				out := like
				out.Subject.ID = id
				return out
			})
			slices.SortFunc(got, byTuple)
			holds(t, "ObjectEdges "+like.String(), got, g.Open, filter(func(e ostiary.Edge) bool {
				return e.Object == like.Object && e.Relation == like.Relation && shape(e.Subject) == shape(like.Subject)
			}))
			whole, err := r.SubjectSet(t.Context(), like.Subject)
			if err != nil {
				t.Errorf("SubjectSet %s: %v", like.Subject, err)
				continue
			}
			subjectGroup(t, "SubjectSet", r, like, whole.FindObjects(like.Object.Type, like.Relation), filter)
			for _, limit := range []int{1, 1000} {
				g, err := r.SubjectEdges(t.Context(), like.Subject, like.Object.Type, like.Relation, limit)
				if err != nil {
					t.Errorf("SubjectEdges %s: %v", like, err)
					continue
				}
				subjectGroup(t, "SubjectEdges", r, like, g, filter)
			}
		}
	}
}

// subjectGroup compares the tuples that join the subject of a tuple to objects like its own.
func subjectGroup(
	t *testing.T, name string, r engine.Reader, like ostiary.Tuple, g edges.Group, filter func(func(ostiary.Edge) bool) []ostiary.Edge,
) {
	t.Helper()
	got := unpack(r, g, func(id string) ostiary.Tuple {
		out := like
		out.Object.ID = id
		return out
	})
	slices.SortFunc(got, byTuple)
	holds(t, name+" "+like.String(), got, g.Open, filter(func(e ostiary.Edge) bool {
		return e.Subject == like.Subject && e.Relation == like.Relation && e.Object.Type == like.Object.Type
	}))
}

func byTuple(a, b ostiary.Edge) int { return a.Tuple.Compare(b.Tuple) }

func unpack(r engine.Reader, g edges.Group, tuple func(id string) ostiary.Tuple) []ostiary.Edge {
	var out []ostiary.Edge
	for id := range g.IDs() {
		out = append(out, ostiary.Edge{Tuple: tuple(id)})
	}
	for _, o := range g.Odd() {
		if e, live := o.Edge(r.NowNanos()); live {
			out = append(out, e)
		}
	}
	return out
}

func holds(t *testing.T, name string, got []ostiary.Edge, open bool, want []ostiary.Edge) {
	t.Helper()
	if open {
		want = slices.DeleteFunc(want, func(e ostiary.Edge) bool {
			return !slices.ContainsFunc(got, func(g ostiary.Edge) bool { return g.Tuple == e.Tuple })
		})
	}
	if !slices.EqualFunc(got, want, sameEdge) {
		t.Errorf("%s (open: %v):\n got %v\nwant %v", name, open, got, want)
	}
}
