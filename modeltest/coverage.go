package modeltest

import (
	"context"
	"slices"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
)

// Coverage says which relations and rewrites of a model the tests touched.
//
// A relation is touched when a question asks for it, or the explanation of an answer leads through it. A
// rewrite is touched when such an explanation follows it: a type restriction when it shows a tuple of
// that form, a computed userset when it shows the other relation, a tuple-to-userset when it shows a
// tuple that leads on. An explanation of a denial shows every branch that was tried, one of an
// allowance the one path that allowed.
type Coverage struct {
	Relations        int `json:"relations"`
	TouchedRelations int `json:"touched_relations"`
	Rewrites         int `json:"rewrites"`
	TouchedRewrites  int `json:"touched_rewrites"`
	// Untouched are the relations that are untouched, or have untouched rewrites, in the model's order.
	Untouched []Untouched `json:"untouched"`
}

// Untouched is a relation with what no test touched.
type Untouched struct {
	Relation string `json:"relation"` // "doc#viewer"
	// Whole is set when no test touched the relation at all; Rewrites then holds all that it has.
	Whole    bool     `json:"whole"`
	Rewrites []string `json:"rewrites"` // as the DSL has them: "[group#member]", "editor", "viewer from parent"
}

// coverage collects what was touched.
type coverage struct {
	model   *model.Model
	touched map[touch]bool
}

// touch is a relation, or one of its rewrites.
type touch struct{ typ, relation, rewrite string }

func newCoverage(m *model.Model) *coverage {
	return &coverage{model: m, touched: map[touch]bool{}}
}

func (c *coverage) relation(typ, relation string) { c.touched[touch{typ, relation, ""}] = true }

// note marks what an explanation leads through.
func (c *coverage) note(ctx context.Context, x *engine.Explanation, r engine.Reader) {
	c.walk(ctx, x, touch{}, r)
}

// walk goes down an explanation; at is the relation whose rewrite is being explained.
func (c *coverage) walk(ctx context.Context, x *engine.Explanation, at touch, r engine.Reader) {
	switch x.Kind {
	case engine.KindRelation:
		object, err := ostiary.ParseObject(x.Object)
		if err != nil {
			return
		}
		at = touch{typ: object.Type, relation: x.Relation}
		c.touched[at] = true
	case engine.KindComputed:
		for _, child := range x.Children {
			if child.Kind == engine.KindRelation {
				c.touched[touch{at.typ, at.relation, child.Relation}] = true
			}
		}
	case engine.KindTuple:
		c.tuple(ctx, x, at, r)
	}
	for _, child := range x.Children {
		c.walk(ctx, child, at, r)
	}
}

// tuple marks the rewrite that a tuple was followed for.
func (c *coverage) tuple(ctx context.Context, x *engine.Explanation, at touch, r engine.Reader) {
	t, err := ostiary.ParseTuple(x.Tuple)
	if err != nil {
		return
	}
	if t.Relation != at.relation { // of a tupleset, which is never the relation itself
		for _, child := range x.Children {
			c.touched[touch{at.typ, at.relation, child.Relation + " from " + t.Relation}] = true
		}
		c.relation(at.typ, t.Relation)
	}
	e, found, err := r.Has(ctx, t)
	if err != nil || !found {
		return
	}
	form := model.Restriction{Type: t.Subject.Type, Relation: t.Subject.Relation, Wildcard: t.Subject.IsWildcard()}
	if len(e.Conditions) > 0 {
		form.Condition = e.Conditions[0].Condition
	}
	c.touched[touch{at.typ, t.Relation, "[" + form.String() + "]"}] = true
}

// result sums up.
func (c *coverage) result() Coverage {
	out := Coverage{Untouched: []Untouched{}}
	for _, t := range c.model.Types {
		for _, r := range t.Relations {
			out.Relations++
			whole := !c.touched[touch{t.Name, r.Name, ""}]
			if !whole {
				out.TouchedRelations++
			}
			missing := []string{}
			for _, rewrite := range rewritesOf(r) {
				out.Rewrites++
				if c.touched[touch{t.Name, r.Name, rewrite}] {
					out.TouchedRewrites++
				} else {
					missing = append(missing, rewrite)
				}
			}
			if whole || len(missing) > 0 {
				out.Untouched = append(out.Untouched, Untouched{Relation: t.Name + "#" + r.Name, Whole: whole, Rewrites: missing})
			}
		}
	}
	return out
}

// rewritesOf returns the leaves of a relation's rewrite as the DSL has them, each once. Type
// restrictions count one by one.
func rewritesOf(r *model.Relation) []string {
	var out []string
	add := func(text string) {
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	var walk func(model.Rewrite)
	walk = func(rewrite model.Rewrite) {
		switch rewrite := rewrite.(type) {
		case model.Direct:
			for _, restriction := range r.Restrictions {
				add("[" + restriction.String() + "]")
			}
		case model.ComputedUserset:
			add(rewrite.Relation)
		case model.TupleToUserset:
			add(rewrite.Computed + " from " + rewrite.Tupleset)
		case model.Union:
			for _, child := range rewrite.Children {
				walk(child)
			}
		case model.Intersection:
			for _, child := range rewrite.Children {
				walk(child)
			}
		case model.Difference:
			walk(rewrite.Base)
			walk(rewrite.Subtract)
		}
	}
	walk(r.Rewrite)
	return out
}
