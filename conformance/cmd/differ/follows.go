package main

import (
	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/dsl/model"
)

// follows reports whether OpenFGA allows what the oracle denies, and what the oracle allows as soon as a
// recursive "a from p" holds for every type that p leads to, whether or not the model says so of it.
func follows(s state, q question, ours, theirs answer) bool {
	followed := state{model: followedModel(s.model), tuples: s.tuples, beside: s.beside}
	return misreads(s, q, ours, theirs, func(contextual []*openfgav1.TupleKey) (state, []*openfgav1.TupleKey) {
		return followed, contextual
	})
}

// followedModel adds "a from p" to relation a of each type that p leads to from a type whose own a holds
// "a from p".
func followedModel(m *model.Model) *model.Model {
	type place struct{ typ, relation, tupleset string }
	todo := []place{}
	for _, t := range m.Types {
		for _, r := range t.Relations {
			for _, tupleset := range recursiveFrom(r.Name, r.Rewrite) {
				todo = append(todo, place{t.Name, r.Name, tupleset})
			}
		}
	}
	added := map[place]bool{}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		if added[p] {
			continue
		}
		added[p] = true
		if through := m.Relation(p.typ, p.tupleset); through != nil {
			for _, r := range through.Restrictions {
				if m.Relation(r.Type, p.relation) != nil && m.Relation(r.Type, p.tupleset) != nil {
					todo = append(todo, place{r.Type, p.relation, p.tupleset})
				}
			}
		}
	}
	types := make([]*model.Type, len(m.Types))
	for i, t := range m.Types {
		types[i] = &model.Type{Name: t.Name}
		for _, r := range t.Relations {
			widened := *r
			for p := range added {
				if p.typ == t.Name && p.relation == r.Name {
					widened.Rewrite = model.Union{Children: []model.Rewrite{
						widened.Rewrite, model.TupleToUserset{Tupleset: p.tupleset, Computed: r.Name},
					}}
				}
			}
			types[i].Relations = append(types[i].Relations, &widened)
		}
	}
	return model.New(m.Schema, types, m.Conditions)
}

// recursiveFrom returns the tuplesets by which a rewrite of a relation refers to that relation again.
func recursiveFrom(relation string, rw model.Rewrite) []string {
	var found []string
	each := func(children ...model.Rewrite) {
		for _, child := range children {
			found = append(found, recursiveFrom(relation, child)...)
		}
	}
	switch rw := rw.(type) {
	case model.TupleToUserset:
		if rw.Computed == relation {
			found = append(found, rw.Tupleset)
		}
	case model.Union:
		each(rw.Children...)
	case model.Intersection:
		each(rw.Children...)
	case model.Difference:
		each(rw.Base, rw.Subtract)
	}
	return found
}
