package engine

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
)

// Plan is a model made ready for evaluation. Compile it once per model and keep it: what it learns of
// subject shapes stays in it, up to a bound. A Plan may be shared by any number of goroutines.
type Plan struct {
	model     *model.Model
	relations []*relation
	byName    map[relationName]*relation

	mu struct {
		sync.RWMutex
		shapes map[shape]*shapePlan
		parts  int // of all shapes
	}

	programs programs
}

// relationName names a relation of a type: group, member.
type relationName struct{ typ, relation string }

// relation is one relation of the model, before any subject shape is known, or a part of one.
type relation struct {
	relationName
	index   int // in Plan.relations
	first   int // index of the first relation of the type, which stands for the type
	def     *model.Relation
	rewrite model.Rewrite // of def, with parts taken out
	// part: this is not the relation itself but a part of its rewrite that has a set of its own. It
	// reads the tuples of the relation; it cannot be asked for.
	part bool
	// allowed is what def says of the subjects of tuples, by subject shape.
	allowed []allowance
}

// partReference stands in a rewrite where a part was taken out.
type partReference struct {
	model.Rewrite // the part, which also makes this a Rewrite
	relation      *relation
}

// takeOut returns rw with every "but not" on a subtracted side made a part. The well-founded model of
// a rewrite must not depend on whether its parts have names: "a but not (b but not a)" is undefined
// where the operand in parentheses, were it a relation, would wait for a and a for it. Evaluated in
// place, the two negations would cancel out.
func (p *Plan) takeOut(rel *relation, rw model.Rewrite, subtracted bool) model.Rewrite {
	all := func(children []model.Rewrite) []model.Rewrite {
		out := make([]model.Rewrite, len(children))
		for i, child := range children {
			out[i] = p.takeOut(rel, child, subtracted)
		}
		return out
	}
	switch rw := rw.(type) {
	case model.Union:
		return model.Union{Children: all(rw.Children)}
	case model.Intersection:
		return model.Intersection{Children: all(rw.Children)}
	case model.Difference:
		out := model.Difference{
			Base:     p.takeOut(rel, rw.Base, false),
			Subtract: p.takeOut(rel, rw.Subtract, true),
		}
		if !subtracted {
			return out
		}
		part := &relation{relationName: rel.relationName, index: len(p.relations), first: rel.first, def: rel.def, rewrite: out, part: true, allowed: rel.allowed}
		p.relations = append(p.relations, part)
		return partReference{Rewrite: out, relation: part}
	}
	return rw
}

// shape is what the plan needs to know of a subject: "user", "user:*" or "group#member".
type shape struct {
	typ      string
	relation string
	wildcard bool
}

func shapeOf(s ostiary.SubjectRef) shape {
	return shape{typ: s.Type, relation: s.Relation, wildcard: s.IsWildcard()}
}

// Compile prepares a model for evaluation. The work for a subject shape is done when it is first asked
// for, so Compile itself is cheap.
func Compile(m *model.Model) *Plan {
	p := &Plan{model: m, byName: map[relationName]*relation{}}
	p.mu.shapes = map[shape]*shapePlan{}
	for _, t := range m.Types {
		first := len(p.relations)
		for _, r := range t.Relations {
			name := relationName{typ: t.Name, relation: r.Name}
			if _, taken := p.byName[name]; taken {
				continue
			}
			rel := &relation{relationName: name, index: len(p.relations), first: first, def: r, allowed: allowances(r.Restrictions)}
			p.relations = append(p.relations, rel)
			p.byName[name] = rel
		}
	}
	for _, rel := range slices.Clone(p.relations) {
		rel.rewrite = p.takeOut(rel, rel.def.Rewrite, false)
	}
	return p
}

// Model returns the model that p was compiled from.
func (p *Plan) Model() *model.Model { return p.model }

// relation returns the relation of that name, or an error that is ostiary.ErrTupleInvalid.
func (p *Plan) relation(typ, name string) (*relation, error) {
	if rel := p.byName[relationName{typ: typ, relation: name}]; rel != nil {
		return rel, nil
	}
	if err := p.checkType("object", typ); err != nil {
		return nil, err
	}
	return nil, &ostiary.TupleError{
		Part: "relation", Text: name, Err: ostiary.ErrTupleInvalid,
		Reason: fmt.Sprintf("is not a relation of type %q in the model", typ),
	}
}

func (p *Plan) checkType(part, typ string) error {
	if p.model.Type(typ) != nil {
		return nil
	}
	return &ostiary.TupleError{Part: part, Text: typ, Reason: "is not a type of the model", Err: ostiary.ErrTupleInvalid}
}

// shapeFor checks that a subject shape exists in the model and returns the plan for it.
func (p *Plan) shapeFor(s shape) (*shapePlan, error) {
	if err := p.checkType("user", s.typ); err != nil {
		return nil, err
	}
	if s.relation != "" {
		if _, err := p.relation(s.typ, s.relation); err != nil {
			return nil, err
		}
	}
	p.mu.RLock()
	sp := p.mu.shapes[s]
	p.mu.RUnlock()
	if sp != nil {
		return sp, nil
	}
	// Two goroutines may compile the same shape at once; the results are equal and the first stays.
	sp = compileShape(p, s)
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.mu.shapes[s]; first != nil {
		return first, nil
	}
	p.keep(s, sp)
	return sp, nil
}

// maxShapeParts bounds what a Plan keeps of the subject shapes that it was asked for: some tens of
// megabytes. Whoever asks chooses the shapes, and every relation of the model makes one.
const maxShapeParts = 200_000

// keep keeps the plan for a shape, and drops any others when there are too many. p.mu is held.
func (p *Plan) keep(s shape, sp *shapePlan) {
	for other, old := range p.mu.shapes {
		if p.mu.parts+sp.parts <= maxShapeParts {
			break
		}
		delete(p.mu.shapes, other)
		p.mu.parts -= old.parts
	}
	p.mu.shapes[s] = sp
	p.mu.parts += sp.parts
}

// shapePlan is the plan for one subject shape. Relations that a subject of this shape can never have
// are not in it.
type shapePlan struct {
	shape shape
	nodes []*node // by relation.index; nil where the shape cannot reach
	// components are the strongly connected components, by node.component.
	components [][]*node
	parts      int   // a measure of its size
	followers  []int // by slot
}

func (sp *shapePlan) node(rel *relation) *node { return sp.nodes[rel.index] }

// node is one relation as seen by one subject shape.
type node struct {
	rel  *relation
	expr *expr // nil when nothing but reflexive can hold
	// reflexive: the shape is a userset of this very relation, so the subject "o#r" is in it for its
	// own object o, whatever the rewrite says.
	reflexive bool
	// component numbers the strongly connected components of the relations so that a node refers
	// only to its own component and to lower ones.
	component int
	recursive bool // the component refers to itself
	negative  bool // and does so on the subtracted side of a "but not"
	floods    bool // and does so by unions alone
	// walkable: it can be found from the subject, since nothing but tuples, usersets and unions of
	// relations of the same object make it.
	walkable bool
	side     atomic.Pointer[sidePlan]
	cost     int
}

// probe reports whether a node is settled by exact reads alone, so that keeping its value in a table
// would cost more than finding it again.
func (n *node) probe() bool {
	return n.expr == nil || n.expr.kind == exprDirect && len(n.expr.usersets) == 0
}

// The cost classes that order the operands of a rewrite: reads that each find one tuple, then reads of
// a bounded number of steps, then recursion.
const (
	costProbe     = 1
	costHop       = 16
	costRecursive = 4096
	costMax       = 1 << 20
)

type exprKind uint8

const (
	exprDirect exprKind = iota
	exprComputed
	exprTTU
	exprUnion
	exprIntersection
	exprDifference
)

// expr is a rewrite for one subject shape: dead branches cut, unions and intersections flattened and
// ordered by cost.
type expr struct {
	kind exprKind
	rel  *relation // the relation whose rewrite this is part of
	cost int
	// inside: some reference below leads back into the node's own component.
	inside bool

	// exprDirect: which tuples may name the subject itself, and which usersets may hold it.
	self         restriction // of the subject's own shape
	selfHead     string      // of the group that such tuples are in, among those of the object
	wildcard     restriction // of "type:*", for a plain subject
	wildcardHead string
	usersets     []target

	// exprComputed: one target, no restriction. exprTTU: the targets by type of the object found.
	tupleset string
	targets  []target

	// exprUnion, exprIntersection: all of them. exprDifference: base and subtract.
	operands []*expr
}

// parts counts what x is made of.
func (x *expr) parts() int {
	if x == nil {
		return 0
	}
	n := 1 + len(x.usersets) + len(x.targets)
	for _, operand := range x.operands {
		n += operand.parts()
	}
	return n
}

// target is a relation that a tuple can lead to, and what such a tuple must look like.
type target struct {
	node *node
	restriction
	head string // of the group that such tuples are in, among those of the object
}

// find returns the target of a type and relation, or nil. There are few, so it scans.
func find(targets []target, typ, relation string) *target {
	for i := range targets {
		if t := &targets[i]; t.node.rel.typ == typ && t.node.rel.relation == relation {
			return t
		}
	}
	return nil
}

// findType returns the target of a type, or nil.
func findType(targets []target, typ string) *target {
	for i := range targets {
		if targets[i].node.rel.typ == typ {
			return &targets[i]
		}
	}
	return nil
}

// restriction is what the type restrictions of a relation say of one subject shape: whether a tuple
// may have it without a condition, and with which conditions. The zero value allows none.
type restriction struct {
	plain      bool
	conditions []string
}

func (r restriction) any() bool { return r.plain || len(r.conditions) > 0 }

// fits reports whether a tuple of that shape may be there. Tuples that an older model allowed may not.
func (r restriction) fits(e ostiary.Edge) bool {
	if len(e.Conditions) == 0 {
		return r.plain
	}
	return slices.ContainsFunc(e.Conditions, func(g ostiary.Grant) bool {
		return slices.Contains(r.conditions, g.Condition)
	})
}

// allowance is what the type restrictions of a relation say of one subject shape.
type allowance struct {
	shape
	restriction
}

// plainObject: the tuples are those that a tuple-to-userset can follow.
func (a allowance) plainObject() bool { return a.shape.relation == "" && !a.wildcard }

// allowances sums up type restrictions by subject shape, in the order of the model.
func allowances(restrictions []model.Restriction) []allowance {
	var all []allowance
	at := map[shape]int{}
	for _, r := range restrictions {
		s := shape{typ: r.Type, relation: r.Relation, wildcard: r.Wildcard}
		i, known := at[s]
		if !known {
			i = len(all)
			at[s] = i
			all = append(all, allowance{shape: s})
		}
		if r.Condition == "" {
			all[i].plain = true
		} else {
			all[i].conditions = append(all[i].conditions, r.Condition)
		}
	}
	return all
}

// allowedFor returns what the type restrictions of a relation say of one subject shape.
func (r *relation) allowedFor(s shape) restriction {
	for i := range r.allowed {
		if r.allowed[i].shape == s {
			return r.allowed[i].restriction
		}
	}
	return restriction{}
}

// tuplesetOf returns what may stand in the tupleset of a tuple-to-userset of a relation.
func (p *Plan) tuplesetOf(rel *relation, ttu model.TupleToUserset) []allowance {
	if tupleset := p.byName[relationName{typ: rel.typ, relation: ttu.Tupleset}]; tupleset != nil {
		return tupleset.allowed
	}
	return nil
}
