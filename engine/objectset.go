package engine

import (
	"hash/maphash"
	"math/bits"
	"slices"
)

// Lists of objects number the ids of a type as they meet them, so that sets are tables of levels and
// joining them compares no text.

// universe numbers the ids of the objects of one type.
type universe struct {
	ids    []string
	leads  []uint64 // the leading bytes of ids, for sorting
	hashes []uint32 // of ids
	table  []uint32 // by hash: a number and one, or zero
}

// textSeed is that of all hashes of ids, and leadSeeds of those of short ones: whoever chooses ids does not
// know which of them collide.
var (
	textSeed  = maphash.MakeSeed()
	leadSeeds = [2]uint64{maphash.String(textSeed, "a"), maphash.String(textSeed, "b") | 1}
)

// hashText returns the hash of an id, given its leading bytes, which are all of a short one.
func hashText(id string, leading uint64) uint32 {
	if len(id) > 8 {
		return uint32(maphash.String(textSeed, id))
	}
	high, low := bits.Mul64(leading^leadSeeds[0], leadSeeds[1])
	return uint32(high ^ low)
}

// number returns the number of an id, a new one for a new id.
func (u *universe) number(id string) uint32 {
	if 2*(len(u.ids)+1) > len(u.table) {
		u.grow(2 * len(u.table))
	}
	leading := leadingBytes(id)
	hash := hashText(id, leading)
	mask := uint32(len(u.table) - 1)
	at := hash & mask
	for ; u.table[at] != 0; at = (at + 1) & mask {
		n := u.table[at] - 1
		if u.leads[n] == leading && len(u.ids[n]) == len(id) && (len(id) <= 8 || u.ids[n] == id) {
			return n
		}
	}
	u.ids, u.leads, u.hashes = append(u.ids, id), append(u.leads, leading), append(u.hashes, hash)
	u.table[at] = uint32(len(u.ids))
	return uint32(len(u.ids) - 1)
}

// reset forgets all, and keeps memory for the next list.
func (u *universe) reset() {
	if cap(u.ids) > 16*maxPooledEntries {
		*u = universe{}
		return
	}
	clear(u.ids)
	clear(u.table)
	u.ids, u.leads, u.hashes = u.ids[:0], u.leads[:0], u.hashes[:0]
}

// expect makes room for more ids.
func (u *universe) expect(n int) {
	size := max(64, len(u.table))
	for size < 2*(len(u.ids)+n) {
		size *= 2
	}
	if size > len(u.table) {
		u.grow(size)
	}
}

func (u *universe) grow(size int) {
	u.table = make([]uint32, max(64, size))
	mask := uint32(len(u.table) - 1)
	for n, hash := range u.hashes {
		at := hash & mask
		for u.table[at] != 0 {
			at = (at + 1) & mask
		}
		u.table[at] = uint32(n + 1)
	}
}

// objectSet holds objects of one type, by their numbers, each with maybe or yes. No is absent. Once
// finished it does not change, and may be shared. Nil is empty.
type objectSet struct {
	pages   []*page
	members []uint32 // in the order in which they came
	maybes  int      // how many of them are maybe
	pool    *setPool
}

// setPool makes the sets of a list out of those of the one before.
type setPool struct {
	sets  []*objectSet
	used  int     // of sets
	pages []*page // wiped
}

// maxPooledSets and maxPooledPages bound the memory that is kept for the next list.
const (
	maxPooledSets  = 64
	maxPooledPages = 1024
)

// set returns an empty set.
func (p *setPool) set() *objectSet {
	if p.used == len(p.sets) {
		p.sets = append(p.sets, &objectSet{pool: p})
	}
	p.used++
	return p.sets[p.used-1]
}

func (p *setPool) page() *page {
	if n := len(p.pages); n > 0 {
		last := p.pages[n-1]
		p.pages = p.pages[:n-1]
		return last
	}
	return new(page)
}

func (p *setPool) reset() {
	for _, s := range p.sets[:p.used] {
		for i, old := range s.pages {
			if old != nil && len(p.pages) < maxPooledPages {
				*old = page{}
				p.pages = append(p.pages, old)
			}
			s.pages[i] = nil
		}
		s.pages, s.members, s.maybes = emptied(s.pages), s.members[:0], 0
		if cap(s.members) > 16*maxPooledEntries {
			s.members = nil
		}
	}
	if len(p.sets) > maxPooledSets {
		clear(p.sets[maxPooledSets:])
		p.sets = p.sets[:maxPooledSets]
	}
	p.used = 0
}

// page holds the levels of some consecutive numbers.
type page [1 << pageBits]level

const pageBits = 8

func (s *objectSet) len() int {
	if s == nil {
		return 0
	}
	return len(s.members)
}

// doubtful reports whether some objects are in s perhaps only.
func (s *objectSet) doubtful() bool { return s != nil && s.maybes > 0 }

// all returns the numbers of the objects in s.
func (s *objectSet) all() []uint32 {
	if s == nil {
		return nil
	}
	return s.members
}

func (s *objectSet) level(id uint32) level {
	if s == nil || int(id>>pageBits) >= len(s.pages) {
		return no
	}
	p := s.pages[id>>pageBits]
	if p == nil {
		return no
	}
	return p[id%(1<<pageBits)]
}

// at returns where the level of an object is kept.
func (s *objectSet) at(id uint32) *level {
	i := int(id >> pageBits)
	for i >= len(s.pages) {
		s.pages = append(s.pages, nil)
	}
	if s.pages[i] == nil {
		s.pages[i] = s.pool.page()
	}
	return &s.pages[i][id%(1<<pageBits)]
}

// raise lifts the level of an object in a set that is being made, and says whether that changed it.
func (l *listing) raise(s *objectSet, id uint32, to level) bool {
	at := s.at(id)
	if to <= *at {
		l.step()
		return false
	}
	switch {
	case *at == maybe:
		s.maybes--
	case to == maybe:
		s.maybes++
	}
	if *at == no {
		s.members = append(s.members, id)
		l.grow()
	}
	*at = to
	return true
}

// cut takes down the level of an object in a set that is being made. Where that is no, compact must follow.
func (s *objectSet) cut(id uint32, to level) {
	at := s.at(id)
	if *at == maybe {
		s.maybes--
	}
	if to == maybe {
		s.maybes++
	}
	*at = to
}

// compact forgets members whose level is no.
func (s *objectSet) compact() {
	s.members = slices.DeleteFunc(s.members, func(id uint32) bool { return s.level(id) == no })
}

// project reads a set in a world; see world.
func (l *listing) project(s *objectSet, w world) *objectSet {
	if w == exact {
		return s
	}
	out := l.made.set()
	for _, id := range s.all() {
		l.raise(out, id, w.project(s.level(id)))
		if l.err != nil {
			break
		}
	}
	return out
}

// union returns the union of sets. The largest is copied only once another has something to add.
func (l *listing) union(sets []*objectSet) *objectSet {
	largest := 0
	for i, s := range sets {
		if s.len() > sets[largest].len() {
			largest = i
		}
	}
	out, shared := sets[largest], true
	for i, s := range sets {
		if i == largest {
			continue
		}
		for _, id := range s.all() {
			level := s.level(id)
			if shared && level > out.level(id) {
				out, shared = l.clone(out), false
			}
			if !shared {
				l.raise(out, id, level)
			} else {
				l.step()
			}
			if l.err != nil {
				return out
			}
		}
	}
	return out
}

// clone returns a copy that may be changed.
func (l *listing) clone(s *objectSet) *objectSet {
	out := l.made.set()
	if s.len() == 0 || !l.growMany(s.len()) {
		return out
	}
	out.members, out.maybes = append(out.members, s.members...), s.maybes
	for _, p := range s.pages {
		if p != nil {
			copied := l.made.page()
			*copied = *p
			p = copied
		}
		out.pages = append(out.pages, p)
	}
	return out
}
