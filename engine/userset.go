package engine

import "maps"

// userSet is a set of subjects of one shape: a level for each subject that is named, and one for the
// rest, which is every subject that is not. The wildcard itself belongs to the rest: it matches the
// same tuples as a user whom no tuple names. A userSet is immutable once made; maps are shared.
//
// A name stays even where its level is no, since below a "but not" it may be needed again.
type userSet struct {
	named map[string]level
	rest  level
}

func (s userSet) get(id string) level {
	if l, ok := s.named[id]; ok {
		return l
	}
	return s.rest
}

func (s userSet) empty() bool { return len(s.named) == 0 && s.rest == no }

func (s userSet) doubtful() bool {
	if s.rest == maybe {
		return true
	}
	for _, l := range s.named {
		if l == maybe {
			return true
		}
	}
	return false
}

// each returns the set with f applied to every level.
func (s userSet) each(f func(level) level) userSet {
	out := userSet{rest: f(s.rest), named: make(map[string]level, len(s.named))}
	for id, l := range s.named {
		out.named[id] = f(l)
	}
	return out
}

// combine applies f, which is associative and commutative, to the levels of every subject.
func combine(sets []userSet, f func(a, b level) level) userSet {
	out := userSet{rest: sets[0].rest, named: maps.Clone(sets[0].named)}
	for _, s := range sets[1:] {
		if out.named == nil {
			out.named = make(map[string]level, len(s.named))
		}
		for id, l := range out.named {
			if _, named := s.named[id]; !named {
				out.named[id] = f(l, s.rest)
			}
		}
		for id, l := range s.named {
			out.named[id] = f(out.get(id), l)
		}
		out.rest = f(out.rest, s.rest)
	}
	return out
}

// The methods of algebra.

func (*users) bottom() userSet { return userSet{} }

func (*users) cap(s userSet, l level) userSet {
	if l == yes {
		return s
	}
	return s.each(func(m level) level { return min(l, m) })
}

// or leaves out empty sets first: mostly one is left, which is then shared and not copied.
func (*users) or(sets []userSet) userSet {
	some := sets[:0:0]
	for _, s := range sets {
		if !s.empty() {
			some = append(some, s)
		}
	}
	switch len(some) {
	case 0:
		return userSet{}
	case 1:
		return some[0]
	}
	return union(some)
}

// union is combine with max. Most sets have no rest, and then a member costs one step however many
// sets there are.
func union(sets []userSet) userSet {
	out := userSet{named: maps.Clone(sets[0].named), rest: sets[0].rest}
	if out.named == nil {
		out.named = map[string]level{}
	}
	for _, s := range sets[1:] {
		if out.rest != no || s.rest != no {
			return combine(sets, func(a, b level) level { return max(a, b) })
		}
		for id, l := range s.named {
			if have, ok := out.named[id]; !ok || have < l {
				out.named[id] = l
			}
		}
	}
	return out
}

func (*users) and(sets []userSet) userSet {
	return combine(sets, func(a, b level) level { return min(a, b) })
}

func (*users) butNot(base, subtract userSet) userSet {
	if subtract.empty() || base.empty() && len(subtract.named) == 0 {
		return base
	}
	return combine([]userSet{base, subtract.each(level.not)}, func(a, b level) level { return min(a, b) })
}

func (*users) equal(a, b userSet) bool { return a.rest == b.rest && maps.Equal(a.named, b.named) }

func (*users) project(s userSet, w world) userSet {
	if w == exact || !s.doubtful() {
		return s
	}
	return s.each(w.project)
}

func (*users) between(low, high userSet) userSet {
	out := userSet{rest: between(low.rest, high.rest), named: map[string]level{}}
	for _, s := range []userSet{low, high} {
		for id := range s.named {
			out.named[id] = between(low.get(id), high.get(id))
		}
	}
	return out
}
