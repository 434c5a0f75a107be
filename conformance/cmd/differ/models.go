package main

import (
	"math/rand/v2"
	"slices"

	"github.com/ostiary/ostiary/dsl/model"
)

// weights says how often a rewrite is of a kind.
type weights struct {
	direct, computed, ttu           int
	union, intersection, difference int
	depth, types, relations         int
}

// mixes are the kinds of models that are drawn.
var mixes = []weights{
	{direct: 5, computed: 2, ttu: 2, union: 3, intersection: 1, difference: 1, depth: 2, types: 3, relations: 3},
	{direct: 5, computed: 2, ttu: 2, union: 1, depth: 1, types: 3, relations: 3},
	{direct: 4, computed: 2, ttu: 2, union: 2, intersection: 2, difference: 2, depth: 2, types: 2, relations: 4},
	{direct: 5, computed: 2, ttu: 1, union: 1, intersection: 1, difference: 4, depth: 2, types: 1, relations: 4},
	{direct: 6, computed: 1, ttu: 3, union: 4, depth: 1, types: 2, relations: 2},
}

// sketch is a model being drawn: names first, then the rewrites that use them.
type sketch struct {
	*rand.Rand
	weights
	conditions []condition
	types      []*model.Type
}

// drawModel draws a model. Many are refused by a server: for a relation that nobody can have, or a
// computed cycle. That is a question as well.
func drawModel(r *rand.Rand, withConditions bool) *model.Model {
	sk := &sketch{Rand: r, weights: mixes[r.IntN(len(mixes))]}
	if withConditions && r.IntN(3) > 0 {
		for _, i := range r.Perm(len(conditions))[:1+r.IntN(2)] {
			sk.conditions = append(sk.conditions, conditions[i])
		}
	}
	for i := range 1 + r.IntN(sk.weights.types) {
		t := &model.Type{Name: []string{"group", "folder", "doc"}[i]}
		for j := range 1 + r.IntN(sk.relations) {
			t.Relations = append(t.Relations, &model.Relation{Name: string(rune('a' + j))})
		}
		for j := range r.IntN(3) {
			t.Relations = append(t.Relations, &model.Relation{Name: string(rune('p' + j))})
		}
		sk.types = append(sk.types, t)
	}
	for _, t := range sk.types {
		for _, relation := range t.Relations {
			if isTupleset(relation) {
				relation.Rewrite, relation.Restrictions = model.Direct{}, sk.parents()
			}
		}
	}
	for _, t := range sk.types {
		for _, relation := range t.Relations {
			if !isTupleset(relation) {
				relation.Rewrite = sk.rewrite(t, sk.depth)
				if hasDirect(relation.Rewrite) {
					relation.Restrictions = sk.restrictions()
				}
			}
		}
	}
	types := append([]*model.Type{{Name: "user"}}, sk.types...)
	var used []*model.Condition
	for _, c := range sk.conditions {
		used = append(used, c.model())
	}
	return model.New(model.Schema11, types, used)
}

func isTupleset(r *model.Relation) bool { return r.Name >= "p" }

func (sk *sketch) anyType() *model.Type { return sk.types[sk.IntN(len(sk.types))] }

func (sk *sketch) anyRelation(t *model.Type) string {
	return t.Relations[sk.IntN(len(t.Relations))].Name
}

func (sk *sketch) anyCondition(oneIn int) string {
	if len(sk.conditions) == 0 || sk.IntN(oneIn) > 0 {
		return ""
	}
	return sk.conditions[sk.IntN(len(sk.conditions))].name
}

func (sk *sketch) parents() []model.Restriction {
	list := []model.Restriction{{Type: sk.anyType().Name, Condition: sk.anyCondition(6)}}
	if other := sk.anyType().Name; other != list[0].Type {
		list = append(list, model.Restriction{Type: other})
	}
	return list
}

func (sk *sketch) restrictions() []model.Restriction {
	var list []model.Restriction
	for range 1 + sk.IntN(4) {
		var r model.Restriction
		switch t := sk.anyType(); sk.IntN(8) {
		case 0, 1, 2:
			r = model.Restriction{Type: "user"}
		case 3:
			r = model.Restriction{Type: "user", Wildcard: true}
		case 4:
			r = model.Restriction{Type: t.Name}
		case 5:
			r = model.Restriction{Type: t.Name, Wildcard: sk.IntN(3) == 0}
		default:
			r = model.Restriction{Type: t.Name, Relation: sk.anyRelation(t)}
		}
		r.Condition = sk.anyCondition(3)
		if !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	return list
}

func (sk *sketch) rewrite(t *model.Type, depth int) model.Rewrite {
	w := sk.weights
	if depth == 0 {
		w.union, w.intersection, w.difference = 0, 0, 0
	}
	n := sk.IntN(w.direct + w.computed + w.ttu + w.union + w.intersection + w.difference)
	take := func(weight int) bool { n -= weight; return n < 0 }
	switch {
	case take(w.direct):
		return model.Direct{}
	case take(w.computed):
		return model.ComputedUserset{Relation: sk.anyRelation(t)}
	case take(w.ttu):
		return sk.tupleToUserset(t)
	case take(w.union):
		return model.Union{Children: sk.rewrites(t, depth-1)}
	case take(w.intersection):
		return model.Intersection{Children: sk.rewrites(t, depth-1)}
	default:
		return model.Difference{Base: sk.rewrite(t, depth-1), Subtract: sk.rewrite(t, depth-1)}
	}
}

func (sk *sketch) rewrites(t *model.Type, depth int) []model.Rewrite {
	list := []model.Rewrite{sk.rewrite(t, depth), sk.rewrite(t, depth)}
	if sk.IntN(3) == 0 {
		list = append(list, sk.rewrite(t, depth))
	}
	return list
}

// tupleToUserset follows a tupleset of t; where t has none, it is a direct leaf.
func (sk *sketch) tupleToUserset(t *model.Type) model.Rewrite {
	var tuplesets []*model.Relation
	for _, r := range t.Relations {
		if isTupleset(r) {
			tuplesets = append(tuplesets, r)
		}
	}
	if len(tuplesets) == 0 {
		return model.Direct{}
	}
	tupleset := tuplesets[sk.IntN(len(tuplesets))]
	target := tupleset.Restrictions[sk.IntN(len(tupleset.Restrictions))].Type
	i := slices.IndexFunc(sk.types, func(u *model.Type) bool { return u.Name == target })
	return model.TupleToUserset{Tupleset: tupleset.Name, Computed: sk.anyRelation(sk.types[i])}
}

func hasDirect(w model.Rewrite) bool {
	return anyPart(w, func(w model.Rewrite) bool { return w == model.Rewrite(model.Direct{}) })
}

// anyPart reports whether w or a part of it is as is asks. Unions and intersections are not compared.
func anyPart(w model.Rewrite, is func(model.Rewrite) bool) bool {
	below := func(parts ...model.Rewrite) bool {
		return slices.ContainsFunc(parts, func(p model.Rewrite) bool { return anyPart(p, is) })
	}
	switch w := w.(type) {
	case model.Union:
		return below(w.Children...)
	case model.Intersection:
		return below(w.Children...)
	case model.Difference:
		return is(w) || below(w.Base, w.Subtract)
	}
	return is(w)
}
