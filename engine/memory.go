package engine

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sort"
	"sync"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// Memory is a Reader over tuples held in memory, for tests, contextual tuples and what-if questions.
// It is immutable and, unlike other readers, may serve any number of goroutines at once.
type Memory struct {
	forward []ostiary.Edge // by ostiary.Tuple.Compare
	reverse []ostiary.Edge // by compareReverse

	// What was packed already: by ostiary.ObjectRef, by arrival, and by ostiary.SubjectRef.
	objects, subjects, subjectSets sync.Map
}

// NewMemory returns a reader over the given tuples. Of tuples that are given twice the first counts.
func NewMemory(edges []ostiary.Edge) *Memory {
	m := &Memory{forward: slices.Clone(edges)}
	slices.SortStableFunc(m.forward, func(a, b ostiary.Edge) int { return a.Tuple.Compare(b.Tuple) })
	m.forward = slices.CompactFunc(m.forward, func(a, b ostiary.Edge) bool { return a.Tuple == b.Tuple })
	m.reverse = slices.Clone(m.forward)
	slices.SortFunc(m.reverse, func(a, b ostiary.Edge) int { return compareReverse(a.Tuple, b.Tuple) })
	return m
}

// Len returns the number of tuples.
func (m *Memory) Len() int { return len(m.forward) }

// compareReverse orders tuples by subject, object type, relation and object id.
func compareReverse(a, b ostiary.Tuple) int {
	if c := compareSubjects(a.Subject, b.Subject); c != 0 {
		return c
	}
	return cmp.Or(
		cmp.Compare(a.Object.Type, b.Object.Type),
		cmp.Compare(a.Relation, b.Relation),
		cmp.Compare(a.Object.ID, b.Object.ID))
}

// compareSubjects orders subjects as the tuple table does: wildcards, usersets, objects.
func compareSubjects(a, b ostiary.SubjectRef) int {
	return ostiary.Tuple{Subject: a}.Compare(ostiary.Tuple{Subject: b})
}

// compareRelation orders a tuple against a relation of an object.
func compareRelation(t *ostiary.Tuple, object ostiary.ObjectRef, relation string) int {
	if c := cmp.Compare(t.Object.Type, object.Type); c != 0 {
		return c
	}
	if c := cmp.Compare(t.Object.ID, object.ID); c != 0 {
		return c
	}
	return cmp.Compare(t.Relation, relation)
}

// Has implements Reader.
func (m *Memory) Has(_ context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error) {
	i := sort.Search(len(m.forward), func(i int) bool {
		e := &m.forward[i].Tuple
		if c := compareRelation(e, t.Object, t.Relation); c != 0 {
			return c > 0
		}
		return compareSubjects(e.Subject, t.Subject) >= 0
	})
	if i == len(m.forward) || m.forward[i].Tuple != t {
		return ostiary.Edge{}, false, nil
	}
	return m.forward[i], true, nil
}

// Subjects implements Reader.
func (m *Memory) Subjects(_ context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return m.scan(object, relation, func(ostiary.SubjectRef) bool { return true })
}

// Usersets implements Reader.
func (m *Memory) Usersets(_ context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return m.scan(object, relation, isSet)
}

// isSet reports whether a subject may hold others: a wildcard or a userset.
func isSet(s ostiary.SubjectRef) bool { return s.IsWildcard() || s.IsUserset() }

// scan yields the tuples of a relation as long as want holds for their subjects.
func (m *Memory) scan(object ostiary.ObjectRef, relation string, want func(ostiary.SubjectRef) bool) iter.Seq2[ostiary.Edge, error] {
	return func(yield func(ostiary.Edge, error) bool) {
		i := sort.Search(len(m.forward), func(i int) bool {
			return compareRelation(&m.forward[i].Tuple, object, relation) >= 0
		})
		for ; i < len(m.forward); i++ {
			e := m.forward[i]
			if e.Object != object || e.Relation != relation || !want(e.Subject) || !yield(e, nil) {
				return
			}
		}
	}
}

// Objects implements Reader.
func (m *Memory) Objects(_ context.Context, subject ostiary.SubjectRef, objectType, relation string) iter.Seq2[ostiary.Edge, error] {
	return func(yield func(ostiary.Edge, error) bool) {
		first := ostiary.Tuple{Object: ostiary.ObjectRef{Type: objectType}, Relation: relation, Subject: subject}
		i := sort.Search(len(m.reverse), func(i int) bool { return compareReverse(m.reverse[i].Tuple, first) >= 0 })
		for ; i < len(m.reverse); i++ {
			e := m.reverse[i]
			if e.Subject != subject || e.Object.Type != objectType || e.Relation != relation || !yield(e, nil) {
				return
			}
		}
	}
}

// ObjectEdges implements Reader.
func (m *Memory) ObjectEdges(_ context.Context, object ostiary.ObjectRef) (*edges.Set, error) {
	if set, ok := m.objects.Load(object); ok {
		return set.(*edges.Set), nil
	}
	i := sort.Search(len(m.forward), func(i int) bool { return compareRelation(&m.forward[i].Tuple, object, "") >= 0 })
	var b edges.Builder
	if i == len(m.forward) || m.forward[i].Object != object {
		return b.Set(), nil // whoever asks chooses what is not there: it is not kept
	}
	for ; i < len(m.forward) && m.forward[i].Object == object; i++ {
		e := &m.forward[i]
		add(&b, edges.HeadOf(e.Relation, e.Subject), e.Subject.ID, e)
	}
	set := b.Set()
	m.objects.Store(object, set)
	return set, nil
}

// SubjectEdges implements Reader.
func (m *Memory) SubjectEdges(
	ctx context.Context, subject ostiary.SubjectRef, objectType, relation string, _ int,
) (edges.Group, error) {
	key := arrival{subject, objectType, relation}
	if g, ok := m.subjects.Load(key); ok {
		return g.(edges.Group), nil
	}
	var b edges.Builder
	head := edges.HeadObjects(objectType, relation)
	for e := range m.Objects(ctx, subject, objectType, relation) {
		add(&b, head, e.Object.ID, &e)
	}
	g := b.Set().Find(head)
	if !g.Empty() {
		m.subjects.Store(key, g)
	}
	return g, nil
}

// SubjectSet implements Reader.
func (m *Memory) SubjectSet(_ context.Context, subject ostiary.SubjectRef) (*edges.Set, error) {
	if set, ok := m.subjectSets.Load(subject); ok {
		return set.(*edges.Set), nil
	}
	var b edges.Builder
	of := m.of(subject)
	if len(of) == 0 {
		return b.Set(), nil // as in ObjectEdges
	}
	for i := range of {
		add(&b, edges.HeadObjects(of[i].Object.Type, of[i].Relation), of[i].Object.ID, &of[i])
	}
	set := b.Set()
	m.subjectSets.Store(subject, set)
	return set, nil
}

// of returns the tuples of a subject.
func (m *Memory) of(subject ostiary.SubjectRef) []ostiary.Edge {
	from := sort.Search(len(m.reverse), func(i int) bool { return compareSubjects(m.reverse[i].Subject, subject) >= 0 })
	to := from
	for to < len(m.reverse) && m.reverse[to].Subject == subject {
		to++
	}
	return m.reverse[from:to]
}

func add(b *edges.Builder, head, id string, e *ostiary.Edge) {
	g := b.Group([]byte(head))
	if len(e.Conditions) == 0 {
		b.Add(g, []byte(id))
	} else {
		b.AddOdd(g, ostiary.StoredTuple{Tuple: e.Tuple, Grants: e.Conditions})
	}
}

// NowNanos implements Reader. Edges have no expiry, so no time matters.
func (m *Memory) NowNanos() int64 { return 0 }

// holds reports whether m has a tuple of an object.
func (m *Memory) holds(object ostiary.ObjectRef) bool {
	i := sort.Search(len(m.forward), func(i int) bool { return compareRelation(&m.forward[i].Tuple, object, "") >= 0 })
	return i < len(m.forward) && m.forward[i].Object == object
}
