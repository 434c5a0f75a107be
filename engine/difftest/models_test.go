package difftest

import (
	"fmt"

	"github.com/ostiary/ostiary/dsl/model"
)

// weights says how often a rewrite is of a kind. A leaf is taken when nothing else is left.
type weights struct {
	direct, computed, ttu           int // leaves
	union, intersection, difference int
	depth                           int  // most operators one inside another
	types, relations                int  // most of each
	strict                          bool // only what the DSL can say: one [...] a relation, and it stands first
}

var families = []family{
	{name: "general", objects: [2]int{2, 3}, tuples: 24, misfits: true,
		model: randomModel(weights{direct: 4, computed: 2, ttu: 2, union: 3, intersection: 1, difference: 1, depth: 2, types: 3, relations: 4})},
	{name: "general strict", objects: [2]int{2, 4}, tuples: 24, misfits: true,
		model: randomModel(weights{direct: 4, computed: 2, ttu: 2, union: 3, intersection: 2, difference: 2, depth: 3, types: 4, relations: 3, strict: true})},
	{name: "one type", objects: [2]int{2, 4}, tuples: 16,
		model: randomModel(weights{direct: 3, computed: 2, ttu: 2, union: 2, intersection: 2, difference: 2, depth: 2, types: 1, relations: 3})},
	{name: "recursion through exclusion", objects: [2]int{2, 3}, tuples: 16,
		model: randomModel(weights{direct: 4, computed: 3, ttu: 1, union: 1, intersection: 1, difference: 5, depth: 2, types: 1, relations: 4})},
	{name: "exclusion inside exclusion", objects: [2]int{2, 3}, tuples: 12,
		model: randomModel(weights{direct: 3, computed: 4, ttu: 3, union: 1, intersection: 1, difference: 10, depth: 3, types: 1, relations: 3})},
	{name: "nested groups", objects: [2]int{3, 5}, tuples: 24, misfits: true, model: groupModel},
	{name: "hierarchy", objects: [2]int{2, 4}, tuples: 24, model: hierarchyModel},
	{name: "intersection of recursive relations", objects: [2]int{2, 4}, tuples: 24, model: intersectionModel},
}

// monotone makes models without "but not".
var monotone = family{name: "without exclusion", objects: [2]int{2, 3}, tuples: 20,
	model: randomModel(weights{direct: 4, computed: 2, ttu: 2, union: 3, intersection: 2, depth: 3, types: 3, relations: 3})}

// chains makes few relations and many objects, so that paths get longer than the depth limit.
var chains = family{name: "chains", objects: [2]int{20, 32}, chained: true, model: func(s source) *model.Model {
	if s.intn(2) == 0 {
		return groupModel(s)
	}
	return hierarchyModel(s)
}}

// sketch is a model being made: the names that rewrites may use are fixed before the rewrites.
type sketch struct {
	source
	weights
	types []*model.Type
}

const conditionName = "office_hours"

// newModel adds the type user, and the condition where it is used.
func newModel(types []*model.Type) *model.Model {
	types = append([]*model.Type{{Name: "user"}}, types...)
	var conditions []*model.Condition
	for _, t := range types {
		for _, r := range t.Relations {
			for _, restriction := range r.Restrictions {
				if restriction.Condition != "" {
					conditions = []*model.Condition{{Name: conditionName, Expression: "hour < 17",
						Parameters: []model.Parameter{{Name: "hour", Type: model.ParameterType{Name: "int"}}}}}
				}
			}
		}
	}
	return model.New(model.Schema11, types, conditions)
}

// randomModel makes models of which only names and weights are given.
func randomModel(w weights) func(source) *model.Model {
	return func(s source) *model.Model {
		sk := &sketch{source: s, weights: w}
		for i := range 1 + s.intn(w.types) {
			t := &model.Type{Name: []string{"group", "folder", "doc", "org"}[i]}
			for j := range 1 + s.intn(w.relations) {
				t.Relations = append(t.Relations, &model.Relation{Name: string(rune('a' + j))})
			}
			for j := range s.intn(3) {
				t.Relations = append(t.Relations, &model.Relation{Name: string(rune('p' + j))})
			}
			sk.types = append(sk.types, t)
		}
		for _, t := range sk.types {
			for _, r := range t.Relations {
				if isTupleset(r) {
					r.Rewrite = model.Direct{}
					r.Restrictions = sk.plainRestrictions()
				}
			}
		}
		for _, t := range sk.types {
			for _, r := range t.Relations {
				if !isTupleset(r) {
					r.Rewrite = sk.rewrite(t, w.depth, true)
					if hasDirect(r.Rewrite) {
						r.Restrictions = sk.restrictions()
					}
				}
			}
		}
		return newModel(sk.types)
	}
}

func isTupleset(r *model.Relation) bool { return r.Name >= "p" }

// plainRestrictions are those of a tupleset: one or two types, and sometimes what the DSL refuses.
func (sk *sketch) plainRestrictions() []model.Restriction {
	list := []model.Restriction{{Type: sk.anyType().Name}}
	if other := sk.anyType().Name; other != list[0].Type {
		list = append(list, model.Restriction{Type: other})
	}
	if !sk.strict && sk.intn(8) == 7 {
		t := sk.anyType()
		list = append(list, model.Restriction{Type: t.Name, Relation: sk.anyRelation(t).Name}, model.Restriction{Type: t.Name, Wildcard: true})
	}
	return list
}

func (sk *sketch) restrictions() []model.Restriction {
	var list []model.Restriction
	seen := map[model.Restriction]bool{}
	for range 1 + sk.intn(4) {
		var r model.Restriction
		switch t := sk.anyType(); sk.intn(8) {
		case 0, 1:
			r = model.Restriction{Type: "user"}
		case 2:
			r = model.Restriction{Type: "user", Wildcard: true}
		case 3:
			r = model.Restriction{Type: t.Name}
		case 4:
			r = model.Restriction{Type: t.Name, Wildcard: true}
		default:
			r = model.Restriction{Type: t.Name, Relation: sk.anyRelation(t).Name}
		}
		if sk.intn(16) == 15 {
			r.Condition = conditionName
		}
		if !seen[r] {
			seen[r] = true
			list = append(list, r)
		}
	}
	return list
}

func (sk *sketch) anyType() *model.Type { return sk.types[sk.intn(len(sk.types))] }

func (sk *sketch) anyRelation(t *model.Type) *model.Relation {
	return t.Relations[sk.intn(len(t.Relations))]
}

// rewrite makes a rewrite of a relation of t. first says that it stands where the DSL has its [...].
func (sk *sketch) rewrite(t *model.Type, depth int, first bool) model.Rewrite {
	w := sk.weights
	if depth == 0 {
		w.union, w.intersection, w.difference = 0, 0, 0
	}
	if sk.strict && !first {
		w.direct = 0
	}
	n := sk.intn(w.direct + w.computed + w.ttu + w.union + w.intersection + w.difference)
	for _, choice := range []struct {
		weight int
		make   func() model.Rewrite
	}{
		{w.direct, func() model.Rewrite { return model.Direct{} }},
		{w.computed, func() model.Rewrite { return model.ComputedUserset{Relation: sk.anyRelation(t).Name} }},
		{w.ttu, func() model.Rewrite { return sk.tupleToUserset(t, first) }},
		{w.union, func() model.Rewrite { return model.Union{Children: sk.rewrites(t, depth-1, first)} }},
		{w.intersection, func() model.Rewrite { return model.Intersection{Children: sk.rewrites(t, depth-1, first)} }},
		{w.difference, func() model.Rewrite {
			return model.Difference{Base: sk.rewrite(t, depth-1, first), Subtract: sk.rewrite(t, depth-1, false)}
		}},
	} {
		if n < choice.weight {
			return choice.make()
		}
		n -= choice.weight
	}
	panic("the weights of leaves are zero")
}

func (sk *sketch) rewrites(t *model.Type, depth int, first bool) []model.Rewrite {
	var list []model.Rewrite
	for i := range 2 + sk.intn(2) {
		list = append(list, sk.rewrite(t, depth, first && i == 0))
	}
	return list
}

// tupleToUserset follows a tupleset of t, or is a plainer leaf where t has none.
func (sk *sketch) tupleToUserset(t *model.Type, first bool) model.Rewrite {
	var tuplesets []*model.Relation
	for _, r := range t.Relations {
		if isTupleset(r) {
			tuplesets = append(tuplesets, r)
		}
	}
	if len(tuplesets) == 0 {
		return model.ComputedUserset{Relation: sk.anyRelation(t).Name}
	}
	tupleset := tuplesets[sk.intn(len(tuplesets))]
	target := tupleset.Restrictions[sk.intn(len(tupleset.Restrictions))].Type
	for _, u := range sk.types {
		if u.Name == target {
			return model.TupleToUserset{Tupleset: tupleset.Name, Computed: sk.anyRelation(u).Name}
		}
	}
	panic(fmt.Sprintf("no type %s", target))
}

func hasDirect(w model.Rewrite) bool {
	switch w := w.(type) {
	case model.Direct:
		return true
	case model.Union:
		return anyHasDirect(w.Children)
	case model.Intersection:
		return anyHasDirect(w.Children)
	case model.Difference:
		return hasDirect(w.Base) || hasDirect(w.Subtract)
	}
	return false
}

func anyHasDirect(children []model.Rewrite) bool {
	for _, c := range children {
		if hasDirect(c) {
			return true
		}
	}
	return false
}

// The models below are of one kind each, with the details left to chance.

var (
	user     = model.Restriction{Type: "user"}
	everyone = model.Restriction{Type: "user", Wildcard: true}
	this     = model.Direct{}
)

func usersetOf(typ, relation string) model.Restriction {
	return model.Restriction{Type: typ, Relation: relation}
}

func computed(relation string) model.Rewrite { return model.ComputedUserset{Relation: relation} }

func from(relation, tupleset string) model.Rewrite {
	return model.TupleToUserset{Tupleset: tupleset, Computed: relation}
}

func union(children ...model.Rewrite) model.Rewrite { return model.Union{Children: children} }

func intersection(children ...model.Rewrite) model.Rewrite {
	return model.Intersection{Children: children}
}

func difference(base, subtract model.Rewrite) model.Rewrite {
	return model.Difference{Base: base, Subtract: subtract}
}

// oneOf returns one of the choices.
func oneOf[T interface{}](s source, choices ...T) T { return choices[s.intn(len(choices))] }

// sometimes returns the list with or without one more.
func sometimes[T interface{}](s source, list []T, more T) []T {
	if s.intn(2) == 1 {
		return append(list, more)
	}
	return list
}

// groupModel nests groups in groups: mostly rings and diamonds with so few of them.
func groupModel(s source) *model.Model {
	members := sometimes(s, sometimes(s, []model.Restriction{user, usersetOf("group", "member")}, usersetOf("group", "admin")), everyone)
	group := &model.Type{Name: "group", Relations: []*model.Relation{
		{Name: "member", Restrictions: members, Rewrite: oneOf[model.Rewrite](s, this, union(this, computed("admin")))},
		{Name: "admin", Restrictions: sometimes(s, []model.Restriction{user}, usersetOf("group", "member")), Rewrite: this},
	}}
	doc := &model.Type{Name: "doc", Relations: []*model.Relation{
		{Name: "viewer", Restrictions: sometimes(s, []model.Restriction{user, usersetOf("group", "member")}, usersetOf("doc", "viewer")), Rewrite: this},
	}}
	return newModel([]*model.Type{group, doc})
}

// hierarchyModel takes away on the way down, with "but not" above or below the recursion.
func hierarchyModel(s source) *model.Model {
	inherited := union(this, from("viewer", "parent"))
	folder := &model.Type{Name: "folder", Relations: []*model.Relation{
		{Name: "parent", Restrictions: []model.Restriction{{Type: "folder"}}, Rewrite: this},
		{Name: "blocked", Restrictions: sometimes(s, []model.Restriction{user, usersetOf("folder", "viewer")}, everyone),
			Rewrite: oneOf[model.Rewrite](s, this, union(this, from("blocked", "parent")), difference(this, computed("owner")))},
		{Name: "owner", Restrictions: []model.Restriction{user}, Rewrite: oneOf[model.Rewrite](s, this, union(this, from("owner", "parent")))},
		{Name: "viewer", Restrictions: sometimes(s, []model.Restriction{user, usersetOf("folder", "viewer")}, everyone),
			Rewrite: oneOf(s,
				difference(inherited, computed("blocked")),
				union(difference(inherited, computed("blocked")), computed("owner")),
				union(this, difference(from("viewer", "parent"), computed("blocked"))),
				difference(inherited, from("blocked", "parent")))},
	}}
	doc := &model.Type{Name: "doc", Relations: []*model.Relation{
		{Name: "parent", Restrictions: []model.Restriction{{Type: "folder"}}, Rewrite: this},
		{Name: "viewer", Restrictions: []model.Restriction{user, usersetOf("folder", "viewer")},
			Rewrite: oneOf(s, inherited, difference(inherited, from("blocked", "parent")))},
	}}
	return newModel([]*model.Type{folder, doc})
}

// intersectionModel meets two recursive relations, which may need each other.
func intersectionModel(s source) *model.Model {
	recursive := func(name string) *model.Relation {
		return &model.Relation{Name: name,
			Restrictions: sometimes(s, sometimes(s, []model.Restriction{user, usersetOf("folder", name)}, usersetOf("folder", "both")), everyone),
			Rewrite: oneOf(s,
				union(this, from(name, "parent")),
				union(this, from("both", "parent")),
				union(this, computed("both")),
				union(this, intersection(from("a", "parent"), from("b", "parent"))),
				intersection(union(this, from(name, "parent")), union(computed("both"), computed("open"))))}
	}
	folder := &model.Type{Name: "folder", Relations: []*model.Relation{
		{Name: "parent", Restrictions: []model.Restriction{{Type: "folder"}}, Rewrite: this},
		{Name: "open", Restrictions: []model.Restriction{user, everyone}, Rewrite: this},
		recursive("a"),
		recursive("b"),
		{Name: "both", Restrictions: []model.Restriction{user},
			Rewrite: oneOf(s, intersection(computed("a"), computed("b")), union(this, intersection(computed("a"), computed("b"))),
				intersection(computed("a"), from("both", "parent")), intersection(computed("a"), union(computed("b"), from("both", "parent"))))},
	}}
	if both := folder.Relations[4]; !hasDirect(both.Rewrite) {
		both.Restrictions = nil
	}
	return newModel([]*model.Type{folder})
}
