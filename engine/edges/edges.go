// Package edges packs the tuples of one object, or of one subject, into one immutable block that
// evaluation walks without copying a string.
//
// A Set holds groups: the tuples that differ in one id alone. For an object a group is all tuples of a
// relation whose subjects are of one shape ("viewer" to plain users, "viewer" to "group#member"); for a
// subject it is all tuples of one relation to objects of one type. What names a group is its head; a
// plan makes the heads that it asks for once, with the functions below.
//
// # Not here
//
// Where tuples come from and how long a Set is true (package storage), what they mean (package engine).
package edges

import (
	"iter"

	"github.com/ostiary/ostiary"
)

// Heads are texts. Parts end with NUL, which no name may hold, and the marks stand where the kinds of
// subjects stand in order: wildcards, usersets, plain subjects.
const (
	end          = "\x00"
	markWildcard = "\x01"
	markUserset  = "\x02"
	markPlain    = "\x03"
)

// HeadPlain names, among the tuples of an object, those of relation to plain subjects of a type.
func HeadPlain(relation, subjectType string) string {
	return relation + end + markPlain + subjectType
}

// HeadWildcard names the tuple of relation to the wildcard of a type; its only id is ostiary.Wildcard.
func HeadWildcard(relation, subjectType string) string {
	return relation + end + markWildcard + subjectType
}

// HeadUserset names the tuples of relation to usersets "subjectType:id#subjectRelation".
func HeadUserset(relation, subjectType, subjectRelation string) string {
	return relation + end + markUserset + subjectType + end + subjectRelation
}

// HeadOf returns the head of the tuples of an object with this relation and subjects of the shape of s.
func HeadOf(relation string, s ostiary.SubjectRef) string {
	switch {
	case s.IsWildcard():
		return HeadWildcard(relation, s.Type)
	case s.IsUserset():
		return HeadUserset(relation, s.Type, s.Relation)
	}
	return HeadPlain(relation, s.Type)
}

// HeadObjects names, among the tuples of a subject, those of relation to objects of a type.
func HeadObjects(objectType, relation string) string { return objectType + end + relation }

// Set is the tuples of one object or one subject. It is immutable, may be shared by any number of
// goroutines, and the strings that it gives out may be kept; each keeps the whole Set in memory. The
// zero value holds nothing and is whole.
//
// A Set is two pieces of memory, whatever it holds, since caches hold many: this struct, and data. Data
// is the label, then numbers of 2 or 4 bytes, then the ids one after another. The numbers are, for each
// group, how many ids there are up to its last one, then a zero, then for each id where it ends: the id
// of the i-th row lies between the i-th number behind the counts and the next.
type Set struct {
	shape *shape // nil: no groups
	data  string
	odd   *oddTuples
	open  uint32 // see openBit
	label uint32 // how much of data it is
	text  uint32 // where the ids begin in data
	wide  bool   // numbers take 4 bytes
}

// openBit is the bit that says that a group is open. Groups from the 31st on share one: that a group is
// open is never wrong.
func openBit(group int) uint32 { return 1 << min(group, 31) }

// oddTuples is the tuples with conditions or an expiry, by group.
type oddTuples struct {
	tuples []ostiary.StoredTuple
	ends   []uint32 // of the groups, in tuples
}

// Group is the tuples of a Set that share a head.
//
// Those that hold always and without condition are its ids, in order and without duplicates. The others
// — with conditions, or an expiry — are its odd tuples, in the order of their ids. An open group may
// have tuples besides, of either kind.
//
// A Group is four fields in four words, since the compiler keeps no more than that in registers: what is
// found for every group that a question looks at would else be copied from stack to stack.
type Group struct {
	set   *Set // nil: there is no tuple
	rows  rows
	index int32 // of the group in set
	Open  bool
}

// rows are those of a group that are plain.
type rows struct {
	at uint32 // the number in data at which the first id begins
	n  int32
}

// Find returns the group with a head. One that is not there is empty, and open if the Set is cut before
// it.
func (s *Set) Find(head string) Group {
	if s.shape == nil {
		return Group{}
	}
	if i := s.shape.find(head); i >= 0 {
		return s.group(i)
	}
	return Group{Open: s.shape.lacks(head)}
}

// FindObjects is Find for HeadObjects(objectType, relation), without making it.
func (s *Set) FindObjects(objectType, relation string) Group {
	if s.shape == nil {
		return Group{}
	}
	if i := s.shape.findObjects(objectType, relation); i >= 0 {
		return s.group(i)
	}
	return Group{Open: s.shape.cut && s.shape.lacks(HeadObjects(objectType, relation))}
}

// FindOf is Find for HeadOf(relation, subject), without making it.
func (s *Set) FindOf(relation string, subject ostiary.SubjectRef) Group {
	if s.shape == nil {
		return Group{}
	}
	if i := s.shape.findOf(relation, subject); i >= 0 {
		return s.group(i)
	}
	return Group{Open: s.shape.cut && s.shape.lacks(HeadOf(relation, subject))}
}

func (s *Set) group(i int) Group {
	width := uint32(2)
	if s.wide {
		width = 4
	}
	first, groups := uint32(0), uint32(len(s.shape.heads))
	if i > 0 {
		first = number(s.data, s.label+width*uint32(i-1), s.wide)
	}
	last := number(s.data, s.label+width*uint32(i), s.wide)
	return Group{
		set: s, rows: rows{at: s.label + width*(groups+first), n: int32(last - first)},
		index: int32(i), Open: s.open&openBit(i) != 0,
	}
}

func number(data string, at uint32, wide bool) uint32 {
	if wide {
		_ = data[at+3]
		return uint32(data[at]) | uint32(data[at+1])<<8 | uint32(data[at+2])<<16 | uint32(data[at+3])<<24
	}
	_ = data[at+1]
	return uint32(data[at]) | uint32(data[at+1])<<8
}

// Cut reports whether the Set may lack whole groups.
func (s *Set) Cut() bool { return s.shape != nil && s.shape.cut }

// Label returns what the Set was labelled with.
func (s *Set) Label() string { return s.data[:s.label] }

// Len returns the number of tuples that s holds.
func (s *Set) Len() int {
	n := 0
	if s.shape != nil && len(s.shape.heads) > 0 {
		width := uint32(2)
		if s.wide {
			width = 4
		}
		n = int(number(s.data, s.label+width*uint32(len(s.shape.heads)-1), s.wide))
	}
	if s.odd != nil {
		n += len(s.odd.tuples)
	}
	return n
}

// Size returns what Builder.Size returned for s.
func (s *Set) Size() int { return len(s.data) }

// Bytes returns the memory that s takes beside the struct itself and Size bytes, odd tuples roughly, and
// without what it shares with others by Builder.Shapes.
func (s *Set) Bytes() int {
	n := 0
	if s.shape != nil && len(s.shape.heads) > 2*few {
		for _, h := range s.shape.heads {
			n += headBytes + len(h)
		}
	}
	if s.odd == nil {
		return n
	}
	for i := range s.odd.tuples {
		t := &s.odd.tuples[i]
		n += oddBytes + len(t.Object.Type) + len(t.Object.ID) + len(t.Relation) + len(t.Subject.Type) + len(t.Subject.ID)
		for _, g := range t.Grants {
			n += grantBytes + len(g.Owner) + len(g.Condition) + len(g.Context)
		}
	}
	return n + oddBytes + 4*len(s.odd.ends)
}

const (
	headBytes  = 72 // in a shape of its own, with its place in the map
	oddBytes   = 192
	grantBytes = 96
)

// Len returns the number of ids.
func (g Group) Len() int { return int(g.rows.n) }

// ID returns the i-th id, from 0 to Len() - 1.
func (g Group) ID(i int) string {
	if uint(i) >= uint(g.rows.n) {
		panic("edges: there is no such id in the group")
	}
	s := g.set
	if s.wide {
		at := g.rows.at + 4*uint32(i)
		return s.data[s.text+number(s.data, at, true) : s.text+number(s.data, at+4, true)]
	}
	at := g.rows.at + 2*uint32(i)
	return s.data[s.text+number(s.data, at, false) : s.text+number(s.data, at+2, false)]
}

// linear is how many ids are compared one by one: faster than halving.
const linear = 8

// Has reports whether id is among the ids.
func (g Group) Has(id string) bool {
	n := g.Len()
	if n <= linear {
		for i := range n {
			if g.ID(i) == id {
				return true
			}
		}
		return false
	}
	lo, hi := 0, n
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); g.ID(mid) < id {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < n && g.ID(lo) == id
}

// IDs yields the ids.
func (g Group) IDs() iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range g.Len() {
			if !yield(g.ID(i)) {
				return
			}
		}
	}
}

// Odd returns the tuples with conditions or an expiry. It must not be changed.
func (g Group) Odd() []ostiary.StoredTuple {
	if g.set == nil || g.set.odd == nil {
		return nil
	}
	o, from := g.set.odd, uint32(0)
	if g.index > 0 {
		from = o.ends[g.index-1]
	}
	return o.tuples[from:o.ends[g.index]]
}

// Empty reports whether g has no tuple and will have none.
func (g Group) Empty() bool { return g.rows.n == 0 && !g.Open && len(g.Odd()) == 0 }
