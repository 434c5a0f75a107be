package engine

import "reflect"

// userSet is a set of subjects of one shape: a level for each subject that is named, and one for the
// rest, which is every subject that is not. The wildcard itself belongs to the rest: it matches the
// same tuples as a user whom no tuple names. A userSet is immutable once made; maps are shared.
//
// A name stays even where its level is no, since below a "but not" it may be needed again.
type userSet struct {
	named  map[string]level
	rest   level
	maybes int // how many of named are maybe
}

func (s userSet) get(id string) level {
	if l, ok := s.named[id]; ok {
		return l
	}
	return s.rest
}

func (s userSet) empty() bool { return len(s.named) == 0 && s.rest == no }

func (s userSet) doubtful() bool { return s.rest == maybe || s.maybes > 0 }

// put sets the level of a subject in a set that is being made, and reports whether the question may go
// on. The functions below stop where it may not, and then their results have no meaning.
func (u *users) put(s *userSet, id string, l level) bool {
	if s.named == nil {
		s.named = map[string]level{}
	}
	before, known := s.named[id]
	s.named[id] = l
	if before == maybe {
		s.maybes--
	}
	if l == maybe {
		s.maybes++
	}
	if known {
		return u.step()
	}
	return u.grow()
}

// clone returns a copy that may be changed.
func (u *users) clone(s userSet) userSet { return u.each(s, func(l level) level { return l }) }

// each returns the set with f applied to every level.
func (u *users) each(s userSet, f func(level) level) userSet {
	out := userSet{rest: f(s.rest), named: make(map[string]level, len(s.named))}
	for id, l := range s.named {
		if !u.put(&out, id, f(l)) {
			break
		}
	}
	return out
}

// combine applies f, which is associative and commutative, to the levels of every subject.
func (u *users) combine(sets []userSet, f func(a, b level) level) userSet {
	out := u.clone(sets[0])
	for _, s := range sets[1:] {
		for id, l := range out.named {
			if _, named := s.named[id]; !named && !u.put(&out, id, f(l, s.rest)) {
				return out
			}
		}
		for id, l := range s.named {
			if !u.put(&out, id, f(out.get(id), l)) {
				return out
			}
		}
		out.rest = f(out.rest, s.rest)
	}
	return out
}

// The methods of algebra.

func (*users) bottom() userSet { return userSet{} }

func (u *users) cap(s userSet, l level) userSet {
	if l == yes {
		return s
	}
	return u.each(s, func(m level) level { return min(l, m) })
}

// or leaves out empty sets and repetitions first: mostly one is left, which is then shared and not copied.
func (u *users) or(sets []userSet) userSet {
	type identity struct {
		named uintptr
		rest  level
	}
	some, seen := sets[:0:0], map[identity]bool{}
	for _, s := range sets {
		i := identity{reflect.ValueOf(s.named).Pointer(), s.rest}
		if !s.empty() && !seen[i] {
			seen[i] = true
			some = append(some, s)
		}
	}
	switch len(some) {
	case 0:
		return userSet{}
	case 1:
		return some[0]
	}
	return u.union(some)
}

// union is combine with max. Most sets have no rest, and then a member costs one step however many
// sets there are, and the largest set is copied only once another has something to add to it.
func (u *users) union(sets []userSet) userSet {
	largest := 0
	for i, s := range sets {
		if s.rest != no {
			return u.combine(sets, func(a, b level) level { return max(a, b) })
		}
		if len(s.named) > len(sets[largest].named) {
			largest = i
		}
	}
	out, shared := sets[largest], true
	for i, s := range sets {
		if i == largest {
			continue
		}
		for id, l := range s.named {
			if have, ok := out.named[id]; ok && have >= l {
				if !u.step() {
					return out
				}
				continue
			}
			if shared {
				out, shared = u.clone(out), false
			}
			if !u.put(&out, id, l) {
				return out
			}
		}
	}
	return out
}

func (u *users) and(sets []userSet) userSet {
	return u.combine(sets, func(a, b level) level { return min(a, b) })
}

func (u *users) butNot(base, subtract userSet) userSet {
	if subtract.empty() || base.empty() && len(subtract.named) == 0 {
		return base
	}
	return u.combine([]userSet{base, u.each(subtract, level.not)}, func(a, b level) level { return min(a, b) })
}

func (u *users) equal(a, b userSet) bool {
	if a.rest != b.rest || len(a.named) != len(b.named) {
		return false
	}
	for id, l := range a.named {
		if m, ok := b.named[id]; !ok || l != m {
			return false
		}
		if !u.step() {
			break
		}
	}
	return true
}

func (u *users) project(s userSet, w world) userSet {
	if w == exact || !s.doubtful() {
		return s
	}
	return u.each(s, w.project)
}

func (u *users) between(low, high userSet) userSet {
	out := userSet{rest: between(low.rest, high.rest), named: map[string]level{}}
	for _, s := range []userSet{low, high} {
		for id := range s.named {
			if !u.put(&out, id, between(low.get(id), high.get(id))) {
				return out
			}
		}
	}
	return out
}
