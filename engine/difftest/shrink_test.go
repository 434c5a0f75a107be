package difftest

import (
	"slices"

	"github.com/ostiary/ostiary/dsl/model"
)

// shrink makes c smaller while fails holds, until no single step makes it smaller. rapid shrinks its own
// cases; this is for the soak.
func shrink(c testCase, fails func(testCase) bool) testCase {
	for progress := true; progress; {
		progress = false
		for _, step := range []func(testCase) []testCase{withoutTuple, withoutRestriction, withoutRelation, withoutID, withSmallerRewrite} {
			for again := true; again; {
				again = false
				for _, smaller := range step(c) {
					if consistent(smaller.model) && fails(smaller) {
						c, again, progress = smaller, true, true
						break
					}
				}
			}
		}
	}
	return c
}

func withoutTuple(c testCase) []testCase {
	var all []testCase
	for i := range c.tuples {
		all = append(all, c.withTuples(slices.Delete(slices.Clone(c.tuples), i, i+1)))
	}
	return all
}

func withoutID(c testCase) []testCase {
	var all []testCase
	for typ, ids := range c.ids {
		if len(ids) > 0 {
			smaller := c
			smaller.ids = map[string][]string{}
			for t, kept := range c.ids {
				smaller.ids[t] = kept
			}
			smaller.ids[typ] = ids[:len(ids)-1]
			all = append(all, smaller)
		}
	}
	return all
}

// edit returns c with each relation of the model replaced in turn by each of its alternatives; a nil
// relation is left out.
func edit(c testCase, alternatives func(*model.Relation) []*model.Relation) []testCase {
	var all []testCase
	for i, t := range c.model.Types {
		for j, r := range t.Relations {
			for _, alternative := range alternatives(r) {
				var types []*model.Type
				for k, u := range c.model.Types {
					relations := slices.Clone(u.Relations)
					switch {
					case k == i && alternative == nil:
						relations = slices.Delete(relations, j, j+1)
					case k == i:
						relations[j] = alternative
					}
					types = append(types, &model.Type{Name: u.Name, Relations: relations})
				}
				smaller := c
				smaller.model = model.New(c.model.Schema, types, c.model.Conditions)
				all = append(all, smaller)
			}
		}
	}
	return all
}

func withoutRelation(c testCase) []testCase {
	return edit(c, func(*model.Relation) []*model.Relation { return []*model.Relation{nil} })
}

func withoutRestriction(c testCase) []testCase {
	return edit(c, func(r *model.Relation) []*model.Relation {
		var all []*model.Relation
		for i := range r.Restrictions {
			if len(r.Restrictions) > 1 {
				all = append(all, &model.Relation{Name: r.Name, Rewrite: r.Rewrite, Restrictions: slices.Delete(slices.Clone(r.Restrictions), i, i+1)})
			}
		}
		return all
	})
}

func withSmallerRewrite(c testCase) []testCase {
	return edit(c, func(r *model.Relation) []*model.Relation {
		var all []*model.Relation
		for _, w := range smallerRewrites(r.Rewrite) {
			smaller := &model.Relation{Name: r.Name, Rewrite: w}
			if hasDirect(w) {
				smaller.Restrictions = r.Restrictions
			}
			all = append(all, smaller)
		}
		return all
	})
}

// smallerRewrites returns the parts of w, and w with one part left out or made smaller.
func smallerRewrites(w model.Rewrite) []model.Rewrite {
	var all []model.Rewrite
	switch w := w.(type) {
	case model.Union:
		all = append(all, w.Children...)
		for _, children := range smallerLists(w.Children) {
			all = append(all, model.Union{Children: children})
		}
	case model.Intersection:
		all = append(all, w.Children...)
		for _, children := range smallerLists(w.Children) {
			all = append(all, model.Intersection{Children: children})
		}
	case model.Difference:
		all = append(all, w.Base, w.Subtract)
		for _, base := range smallerRewrites(w.Base) {
			all = append(all, model.Difference{Base: base, Subtract: w.Subtract})
		}
		for _, subtract := range smallerRewrites(w.Subtract) {
			all = append(all, model.Difference{Base: w.Base, Subtract: subtract})
		}
	}
	return all
}

func smallerLists(children []model.Rewrite) [][]model.Rewrite {
	var all [][]model.Rewrite
	for i, c := range children {
		if len(children) > 2 {
			all = append(all, slices.Delete(slices.Clone(children), i, i+1))
		}
		for _, smaller := range smallerRewrites(c) {
			list := slices.Clone(children)
			list[i] = smaller
			all = append(all, list)
		}
	}
	return all
}

// consistent reports whether every name in m resolves.
func consistent(m *model.Model) bool {
	for _, t := range m.Types {
		for _, r := range t.Relations {
			for _, restriction := range r.Restrictions {
				if restriction.Relation != "" && m.Relation(restriction.Type, restriction.Relation) == nil {
					return false
				}
			}
			if !resolves(m, t, r.Rewrite) {
				return false
			}
		}
	}
	return true
}

func resolves(m *model.Model, t *model.Type, w model.Rewrite) bool {
	all := func(children ...model.Rewrite) bool {
		return !slices.ContainsFunc(children, func(c model.Rewrite) bool { return !resolves(m, t, c) })
	}
	switch w := w.(type) {
	case model.ComputedUserset:
		return t.Relation(w.Relation) != nil
	case model.TupleToUserset:
		tupleset := t.Relation(w.Tupleset)
		return tupleset != nil && tupleset.Rewrite == model.Rewrite(model.Direct{}) &&
			slices.ContainsFunc(tupleset.Restrictions, func(r model.Restriction) bool { return m.Relation(r.Type, w.Computed) != nil })
	case model.Union:
		return all(w.Children...)
	case model.Intersection:
		return all(w.Children...)
	case model.Difference:
		return all(w.Base, w.Subtract)
	}
	return true
}
