package difftest

import (
	"context"
	"math/rand/v2"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	packed "github.com/ostiary/ostiary/engine/edges"
)

// opening is a reader over tuples in memory that packs them as unhelpfully as its contract allows: at
// random, groups are open and hold a part, sets are cut, tuples that hold always are among the odd ones,
// and expired ones that nothing else shows beside them.
type opening struct {
	*engine.Memory
	all    []ostiary.Edge
	random *rand.Rand
}

func newOpening(all []ostiary.Edge, seed uint64) *opening {
	return &opening{engine.NewMemory(all), all, rand.New(rand.NewPCG(seed, 7))}
}

// openingNow is the time of its questions.
const openingNow = 1000

func (*opening) NowNanos() int64 { return openingNow }

// group is how the tuples with one head are packed.
type group struct {
	builder *packed.Builder
	number  int
	open    bool
	dropped bool
}

func (o *opening) group(b *packed.Builder, head string) group {
	g := group{builder: b}
	switch o.random.IntN(6) {
	case 0:
		g.dropped = true
		b.Cut()
		return g
	case 1, 2:
		g.open = true
	}
	g.number = b.Group([]byte(head))
	if g.open {
		b.Open(g.number)
	}
	return g
}

func (o *opening) add(g group, id string, e ostiary.Edge) {
	if g.dropped || g.open && o.random.IntN(2) == 0 {
		return
	}
	stored := ostiary.StoredTuple{Tuple: e.Tuple, Grants: e.Conditions}
	switch {
	case len(e.Conditions) > 0:
	case o.random.IntN(3) == 0:
		stored.Grants = []ostiary.Grant{
			{Owner: "a", ExpiryNanos: openingNow - 1, Condition: "gone"}, {Owner: "b", ExpiryNanos: openingNow + 1},
		}
	default:
		g.builder.Add(g.number, []byte(id))
		return
	}
	g.builder.AddOdd(g.number, stored)
}

// addExpired adds a tuple like e that is no more, and sorts after e.
func (o *opening) addExpired(g group, e ostiary.Edge) {
	if !g.dropped && o.random.IntN(3) == 0 {
		g.builder.AddOdd(g.number, ostiary.StoredTuple{
			Tuple: e.Tuple, Grants: []ostiary.Grant{{Owner: "a", ExpiryNanos: openingNow}},
		})
	}
}

func (o *opening) ObjectEdges(ctx context.Context, object ostiary.ObjectRef) (*packed.Set, error) {
	var b packed.Builder
	groups := map[string]group{}
	last := map[string]ostiary.Edge{}
	relations := map[string]bool{}
	for _, e := range o.all {
		relations[e.Relation] = relations[e.Relation] || e.Object == object
	}
	for relation, has := range relations {
		if !has {
			continue
		}
		for e := range o.Subjects(ctx, object, relation) {
			head := packed.HeadOf(e.Relation, e.Subject)
			g, ok := groups[head]
			if !ok {
				g = o.group(&b, head)
				groups[head] = g
			}
			o.add(g, e.Subject.ID, e)
			last[head] = e
		}
	}
	for head, e := range last {
		if !e.Subject.IsWildcard() {
			e.Subject.ID += "~expired"
			o.addExpired(groups[head], e)
		}
	}
	return b.Set(), nil
}

func (o *opening) SubjectEdges(
	ctx context.Context, subject ostiary.SubjectRef, objectType, relation string, _ int,
) (packed.Group, error) {
	var b packed.Builder
	head := packed.HeadObjects(objectType, relation)
	g := o.group(&b, head)
	for e := range o.Objects(ctx, subject, objectType, relation) {
		o.add(g, e.Object.ID, e)
	}
	e := ostiary.Edge{Tuple: ostiary.Tuple{
		Object: ostiary.ObjectRef{Type: objectType, ID: "~expired"}, Relation: relation, Subject: subject,
	}}
	o.addExpired(g, e)
	return b.Set().Find(head), nil
}

func (o *opening) SubjectSet(_ context.Context, subject ostiary.SubjectRef) (*packed.Set, error) {
	var b packed.Builder
	groups := map[string]group{}
	last := map[string]ostiary.Edge{}
	for _, e := range o.all {
		if e.Subject != subject {
			continue
		}
		head := packed.HeadObjects(e.Object.Type, e.Relation)
		g, ok := groups[head]
		if !ok {
			g = o.group(&b, head)
			groups[head] = g
		}
		o.add(g, e.Object.ID, e)
		last[head] = e
	}
	for head, e := range last {
		e.Object.ID += "~expired"
		o.addExpired(groups[head], e)
	}
	return b.Set(), nil
}
