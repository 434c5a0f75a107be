package edges

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
)

// Builder makes Sets, one after another. The zero value is ready for use; it serves one goroutine.
//
// Within a group ids are added in ascending order. Groups may take turns, as the usersets of a relation
// do, which lie sorted by type and id.
type Builder struct {
	heads []building
	text  []byte // ids, one after another
	rows  []row
	odd   []oddRow
	last  int // the group of the last row
	cut   bool
}

type building struct {
	head string
	rows int // plain ones
	ids  int // their bytes
	odd  int
	open bool
	to   int // its place among the sorted groups
}

type row struct {
	group      int
	start, end int // of the id in text
}

type oddRow struct {
	group int
	tuple ostiary.StoredTuple
}

// Reset forgets everything, and keeps memory for the next Set.
func (b *Builder) Reset() {
	clear(b.odd)
	b.heads, b.text, b.rows, b.odd = b.heads[:0], b.text[:0], b.rows[:0], b.odd[:0]
	b.last, b.cut = 0, false
}

// Group returns the number of the group with a head, for Add, AddOdd and Open. It begins one that is new.
// head may lie in memory that changes later.
func (b *Builder) Group(head []byte) int {
	if b.last < len(b.heads) && b.heads[b.last].head == string(head) {
		return b.last
	}
	for i := range b.heads {
		if b.heads[i].head == string(head) {
			b.last = i
			return i
		}
	}
	b.heads = append(b.heads, building{head: string(head)})
	b.last = len(b.heads) - 1
	return b.last
}

// Add adds a tuple that holds always and without condition.
func (b *Builder) Add(group int, id []byte) {
	start := len(b.text)
	b.text = append(b.text, id...)
	b.rows = append(b.rows, row{group: group, start: start, end: len(b.text)})
	b.heads[group].rows++
	b.heads[group].ids += len(id)
}

// AddOdd adds a tuple that has conditions or an expiry.
func (b *Builder) AddOdd(group int, t ostiary.StoredTuple) {
	b.odd = append(b.odd, oddRow{group: group, tuple: t})
	b.heads[group].odd++
}

// Rows returns the number of tuples of a group so far.
func (b *Builder) Rows(group int) int { return b.heads[group].rows + b.heads[group].odd }

// Len returns the number of tuples so far.
func (b *Builder) Len() int { return len(b.rows) + len(b.odd) }

// Groups returns the number of groups so far.
func (b *Builder) Groups() int { return len(b.heads) }

// Open notes that a group may have more tuples than were added.
func (b *Builder) Open(group int) { b.heads[group].open = true }

// Cut notes that there may be groups of which no tuple was added.
func (b *Builder) Cut() { b.cut = true }

// Set returns what was added. The builder must be Reset before it is used again.
func (b *Builder) Set() *Set {
	order := make([]int, len(b.heads))
	size := len(b.text)
	for i := range order {
		order[i] = i
		size += len(b.heads[i].head)
	}
	slices.SortFunc(order, func(x, y int) int { return strings.Compare(b.heads[x].head, b.heads[y].head) })
	s := &Set{groups: make([]group, len(order)), ends: make([]uint32, len(b.rows)), cut: b.cut}
	text := make([]byte, size)
	at, first, odd := uint32(0), uint32(0), uint32(0)
	for to, i := range order {
		h := &b.heads[i]
		h.to = to
		g := &s.groups[to]
		g.head = at
		at += uint32(copy(text[at:], h.head))
		g.headEnd, g.ids = at, at
		at += uint32(h.ids)
		g.first, g.last = first, first+uint32(h.rows)
		g.oddFirst, g.oddTo = odd, odd+uint32(h.odd)
		g.open = h.open
		first, odd = g.last, g.oddTo
		h.ids = int(g.ids)    // where its next id goes
		h.rows = int(g.first) // and its next row
	}
	for _, r := range b.rows {
		h := &b.heads[r.group]
		h.ids += copy(text[h.ids:], b.text[r.start:r.end])
		s.ends[h.rows] = uint32(h.ids)
		h.rows++
	}
	s.text = string(text)
	s.odd = b.packOdd()
	return s
}

func (b *Builder) packOdd() []ostiary.StoredTuple {
	if len(b.odd) == 0 {
		return nil
	}
	slices.SortStableFunc(b.odd, func(x, y oddRow) int { return cmp.Compare(b.heads[x.group].to, b.heads[y.group].to) })
	odd := make([]ostiary.StoredTuple, len(b.odd))
	for i := range b.odd {
		odd[i] = b.odd[i].tuple
	}
	return odd
}
