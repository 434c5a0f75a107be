package engine

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"github.com/ostiary/ostiary/dsl/model"
)

// RelationRef names a relation of a type.
type RelationRef struct{ Type, Relation string }

// String returns "type#relation".
func (r RelationRef) String() string { return r.Type + "#" + r.Relation }

func compareRelationRefs(a, b RelationRef) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Relation, b.Relation))
}

// dependence says how what is known of one relation comes into others, in either of two models. What is subtracted
// counts like what is added.
type dependence struct {
	computed  map[RelationRef][]RelationRef // on the same object
	usersets  map[RelationRef][]RelationRef // by tuples that name the userset
	followers map[RelationRef][]follower    // by tuples that name the object
	tuplesets map[RelationRef][]follower    // of a tupleset: the relations of the same object that follow it
	all       map[RelationRef]bool
	negative  bool // some relation depends on itself through a subtracted side
}

// follower is a relation that takes computed of the objects that its tupleset names.
type follower struct {
	RelationRef
	tupleset, computed string
}

func dependenceOf(models ...*model.Model) *dependence {
	d := &dependence{computed: map[RelationRef][]RelationRef{}, usersets: map[RelationRef][]RelationRef{},
		followers: map[RelationRef][]follower{}, tuplesets: map[RelationRef][]follower{}, all: map[RelationRef]bool{}}
	for _, m := range models {
		for _, t := range m.Types {
			for _, r := range t.Relations {
				to := RelationRef{t.Name, r.Name}
				d.all[to] = true
				for _, allowed := range r.Restrictions {
					if allowed.Relation != "" {
						from := RelationRef{allowed.Type, allowed.Relation}
						d.usersets[from] = append(d.usersets[from], to)
					}
				}
				d.rewrite(m, to, r.Rewrite)
			}
		}
	}
	for _, m := range models {
		for _, t := range m.Types {
			for _, r := range t.Relations {
				d.negative = d.negative || d.subtractsItself(m, RelationRef{t.Name, r.Name}, r.Rewrite)
			}
		}
	}
	return d
}

func (d *dependence) rewrite(m *model.Model, to RelationRef, rw model.Rewrite) {
	switch rw := rw.(type) {
	case model.ComputedUserset:
		from := RelationRef{to.Type, rw.Relation}
		d.computed[from] = append(d.computed[from], to)
	case model.TupleToUserset:
		f := follower{to, rw.Tupleset, rw.Computed}
		at := RelationRef{to.Type, rw.Tupleset}
		d.tuplesets[at] = append(d.tuplesets[at], f)
		if tupleset := m.Relation(to.Type, rw.Tupleset); tupleset != nil {
			for _, allowed := range tupleset.Restrictions {
				from := RelationRef{allowed.Type, rw.Computed}
				d.followers[from] = append(d.followers[from], f)
			}
		}
	case model.Union:
		for _, child := range rw.Children {
			d.rewrite(m, to, child)
		}
	case model.Intersection:
		for _, child := range rw.Children {
			d.rewrite(m, to, child)
		}
	case model.Difference:
		d.rewrite(m, to, rw.Base)
		d.rewrite(m, to, rw.Subtract)
	}
}

// into calls f for each relation that one comes into.
func (d *dependence) into(from RelationRef, f func(RelationRef)) {
	for _, to := range d.computed[from] {
		f(to)
	}
	for _, to := range d.usersets[from] {
		f(to)
	}
	for _, to := range d.followers[from] {
		f(to.RelationRef)
	}
	for _, to := range d.tuplesets[from] {
		f(to.RelationRef)
	}
}

// above returns the relations that some come into, and these.
func (d *dependence) above(some ...RelationRef) map[RelationRef]bool {
	found := map[RelationRef]bool{}
	for len(some) > 0 {
		from := some[len(some)-1]
		some = some[:len(some)-1]
		if !found[from] {
			found[from] = true
			d.into(from, func(to RelationRef) { some = append(some, to) })
		}
	}
	return found
}

// below returns the relations that come into some of those asked for.
func (d *dependence) below(asked []RelationRef) map[RelationRef]bool {
	wanted := map[RelationRef]bool{}
	for r := range d.all {
		above := d.above(r)
		if slices.ContainsFunc(asked, func(a RelationRef) bool { return above[a] }) {
			wanted[r] = true
		}
	}
	return wanted
}

// subtractsItself reports whether what a rewrite subtracts depends on the relation whose rewrite it is.
func (d *dependence) subtractsItself(m *model.Model, r RelationRef, rw model.Rewrite) bool {
	some := func(children []model.Rewrite) bool {
		return slices.ContainsFunc(children, func(child model.Rewrite) bool { return d.subtractsItself(m, r, child) })
	}
	switch rw := rw.(type) {
	case model.Union:
		return some(rw.Children)
	case model.Intersection:
		return some(rw.Children)
	case model.Difference:
		subtracted := &dependence{computed: map[RelationRef][]RelationRef{}, usersets: map[RelationRef][]RelationRef{},
			followers: map[RelationRef][]follower{}, tuplesets: map[RelationRef][]follower{}}
		subtracted.rewrite(m, r, rw.Subtract)
		if hasDirect(rw.Subtract) { // it holds usersets, any of which may lead back
			for from, to := range d.usersets {
				if slices.Contains(to, r) {
					subtracted.usersets[from] = []RelationRef{r}
				}
			}
		}
		above := d.above(r)
		for _, from := range slices.Concat(slices.Collect(maps.Keys(subtracted.computed)), slices.Collect(maps.Keys(subtracted.followers)),
			slices.Collect(maps.Keys(subtracted.tuplesets)), slices.Collect(maps.Keys(subtracted.usersets))) {
			if above[from] {
				return true
			}
		}
		return some([]model.Rewrite{rw.Base, rw.Subtract})
	}
	return false
}

func hasDirect(rw model.Rewrite) bool {
	switch rw := rw.(type) {
	case model.Direct:
		return true
	case model.Union:
		return slices.ContainsFunc(rw.Children, hasDirect)
	case model.Intersection:
		return slices.ContainsFunc(rw.Children, hasDirect)
	case model.Difference:
		return hasDirect(rw.Base) || hasDirect(rw.Subtract)
	}
	return false
}

// tops returns the relations that come into no other.
func (d *dependence) tops() []RelationRef {
	var tops []RelationRef
	for r := range d.all {
		used := false
		d.into(r, func(to RelationRef) { used = used || to != r })
		if !used {
			tops = append(tops, r)
		}
	}
	if len(tops) == 0 { // all go round in circles
		tops = slices.Collect(maps.Keys(d.all))
	}
	slices.SortFunc(tops, compareRelationRefs)
	return tops
}

// redefined returns the relations that two models say differently.
func redefined(before, after *model.Model, all map[RelationRef]bool) []RelationRef {
	var differ []RelationRef
	for r := range all {
		a, b := before.Relation(r.Type, r.Relation), after.Relation(r.Type, r.Relation)
		if a == nil || b == nil || !reflect.DeepEqual(a.Rewrite, b.Rewrite) || !reflect.DeepEqual(a.Restrictions, b.Restrictions) ||
			slices.ContainsFunc(a.Restrictions, func(x model.Restriction) bool { return !sameCondition(before, after, x.Condition) }) {
			differ = append(differ, r)
		}
	}
	return differ
}

func sameCondition(before, after *model.Model, name string) bool {
	a, b := before.Condition(name), after.Condition(name)
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.Expression == b.Expression && reflect.DeepEqual(a.Parameters, b.Parameters)
}
