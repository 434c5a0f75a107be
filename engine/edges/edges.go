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
	"slices"
	"strings"

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
// goroutines, and the strings that it gives out may be kept. The zero value holds nothing and is whole.
type Set struct {
	text   string // heads and ids, one after another
	groups []group
	ends   []uint32 // of the ids in text; an id begins where the one before it in its group ends
	odd    []ostiary.StoredTuple
	cut    bool
}

// group is a range of ends and of odd. Groups are sorted by head.
type group struct {
	head, headEnd   uint32 // in text; the first id begins at ids
	ids             uint32
	first, last     uint32 // in ends
	oddFirst, oddTo uint32
	open            bool
}

// Group is the tuples of a Set that share a head.
//
// Those that hold always and without condition are its ids, in order and without duplicates. The others
// — with conditions, or an expiry — are its odd tuples, in the order of their ids. An open group may
// have tuples besides, of either kind.
type Group struct {
	set   *Set
	first uint32
	last  uint32
	start uint32
	odd   []ostiary.StoredTuple
	Open  bool
}

// few is how many groups are looked through one by one: faster than halving for most objects.
const few = 8

// Find returns the group with a head. One that is not there is empty, and open if the Set is cut.
func (s *Set) Find(head string) Group {
	if len(s.groups) <= few {
		for i := range s.groups {
			if g := &s.groups[i]; s.text[g.head:g.headEnd] == head {
				return s.group(g)
			}
		}
		return Group{Open: s.cut}
	}
	i, found := slices.BinarySearchFunc(s.groups, head, func(g group, head string) int {
		return strings.Compare(s.text[g.head:g.headEnd], head)
	})
	if !found {
		return Group{Open: s.cut}
	}
	return s.group(&s.groups[i])
}

func (s *Set) group(g *group) Group {
	return Group{
		set: s, first: g.first, last: g.last, start: g.ids,
		odd: s.odd[g.oddFirst:g.oddTo], Open: g.open,
	}
}

// Cut reports whether the Set may lack whole groups.
func (s *Set) Cut() bool { return s.cut }

// Len returns the number of tuples that s holds.
func (s *Set) Len() int { return len(s.ends) + len(s.odd) }

// Bytes returns the memory that s takes, odd tuples roughly.
func (s *Set) Bytes() int {
	n := setBytes + len(s.text) + groupBytes*cap(s.groups) + 4*cap(s.ends)
	for i := range s.odd {
		n += oddBytes
		for _, g := range s.odd[i].Grants {
			n += grantBytes + len(g.Context)
		}
	}
	return n
}

const (
	setBytes   = 96
	groupBytes = 32
	oddBytes   = 192
	grantBytes = 80
)

// Len returns the number of ids.
func (g Group) Len() int { return int(g.last - g.first) }

// ID returns the i-th id.
func (g Group) ID(i int) string {
	at := g.first + uint32(i)
	from := g.start
	if i > 0 {
		from = g.set.ends[at-1]
	}
	return g.set.text[from:g.set.ends[at]]
}

// Has reports whether id is among the ids.
func (g Group) Has(id string) bool {
	n := g.Len()
	if n <= few {
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
func (g Group) Odd() []ostiary.StoredTuple { return g.odd }

// Empty reports whether g has no tuple and will have none.
func (g Group) Empty() bool { return g.last == g.first && len(g.odd) == 0 && !g.Open }
