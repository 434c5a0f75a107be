package edges

import (
	"bytes"
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/ostiary/ostiary"
)

// Builder makes Sets, one after another. The zero value is ready for use; it serves one goroutine.
//
// Within a group ids are added in ascending order. Groups may take turns, as the usersets of a relation
// do, which lie sorted by type and id.
type Builder struct {
	// Shapes holds the heads that many sets have in common. Nil: each set has its own.
	Shapes *Shapes

	heads  []byte // each behind its length
	groups []building
	text   []byte // ids, one after another
	rows   []row
	odd    []oddRow
	last   int  // the group of the last Group
	turns  bool // a group has been added to again after another one
	open   uint32
	cut    bool
	cutAt  []byte
	name   []byte // scratch: of the shape
}

type building struct {
	head       int // where it begins in heads
	headEnd    int
	rows       int // plain ones
	odd        int
	text, next int // of Set, with turns
}

type row struct {
	group int32
	end   int32 // of the id in text
}

type oddRow struct {
	group int
	tuple ostiary.StoredTuple
}

// Reset forgets everything, and keeps memory for the next Set.
func (b *Builder) Reset() {
	clear(b.odd)
	b.heads, b.groups, b.text, b.rows, b.odd = b.heads[:0], b.groups[:0], b.text[:0], b.rows[:0], b.odd[:0]
	b.last, b.turns, b.open, b.cut, b.cutAt = 0, false, 0, false, b.cutAt[:0]
}

// Group returns the number of the group with a head, for Add, AddOdd and Open. It begins one that is new.
// head may lie in memory that changes later.
func (b *Builder) Group(head []byte) int {
	if b.last < len(b.groups) && bytes.Equal(b.head(b.last), head) {
		return b.last
	}
	for i := len(b.groups) - 1; i >= 0; i-- {
		if bytes.Equal(b.head(i), head) {
			b.last = i
			return i
		}
	}
	b.heads = binary.AppendUvarint(b.heads, uint64(len(head)))
	g := building{head: len(b.heads)}
	b.heads = append(b.heads, head...)
	g.headEnd = len(b.heads)
	b.groups = append(b.groups, g)
	b.last = len(b.groups) - 1
	return b.last
}

func (b *Builder) head(i int) []byte { return b.heads[b.groups[i].head:b.groups[i].headEnd] }

// Add adds a tuple that holds always and without condition.
func (b *Builder) Add(group int, id []byte) {
	b.text = append(b.text, id...)
	if n := len(b.rows); n > 0 && int(b.rows[n-1].group) > group {
		b.turns = true
	}
	b.rows = append(b.rows, row{group: int32(group), end: int32(len(b.text))})
	b.groups[group].rows++
}

// AddOdd adds a tuple that has conditions or an expiry.
func (b *Builder) AddOdd(group int, t ostiary.StoredTuple) {
	b.odd = append(b.odd, oddRow{group: group, tuple: t})
	b.groups[group].odd++
}

// Rows returns the number of tuples of a group so far.
func (b *Builder) Rows(group int) int { return b.groups[group].rows + b.groups[group].odd }

// Len returns the number of tuples so far.
func (b *Builder) Len() int { return len(b.rows) + len(b.odd) }

// Groups returns the number of groups so far.
func (b *Builder) Groups() int { return len(b.groups) }

// Open notes that a group may have more tuples than were added.
func (b *Builder) Open(group int) { b.open |= openBit(group) }

// OpenAll notes that for every group whose head begins with a prefix.
func (b *Builder) OpenAll(prefix []byte) {
	for i := range b.groups {
		if bytes.HasPrefix(b.head(i), prefix) {
			b.Open(i)
		}
	}
}

// Bytes returns the memory that b keeps.
func (b *Builder) Bytes() int {
	return cap(b.heads) + cap(b.text) + 48*cap(b.groups) + 8*cap(b.rows) + oddBytes*cap(b.odd)
}

// Cut notes that there may be groups of which no tuple was added.
func (b *Builder) Cut() { b.CutAt(nil) }

// CutAt notes that there may be groups of which no tuple was added, with heads that begin with head or
// come after it.
func (b *Builder) CutAt(head []byte) {
	if !b.cut || bytes.Compare(head, b.cutAt) < 0 {
		b.cut, b.cutAt = true, append(b.cutAt[:0], head...)
	}
}

// Set returns what was added. The builder must be Reset before it is used again.
func (b *Builder) Set() *Set {
	s := &Set{}
	b.Pack(s, nil)
	return s
}

// Pack makes s the set of what was added, with a label: bytes that s keeps for its owner. s is not
// touched afterwards. The builder must be Reset before it is used again.
func (b *Builder) Pack(s *Set, label []byte) { b.PackIn(s, label, make([]byte, 0, b.Size(label))) }

// Size returns how many bytes Pack would need for a set with a label, beside the Set itself and odd tuples.
func (b *Builder) Size(label []byte) int {
	return len(label) + (len(b.groups)+1+len(b.rows))*b.width() + len(b.text)
}

// width is how many bytes a number takes.
func (b *Builder) width() int {
	if len(b.text) > math.MaxUint16 || len(b.rows) > math.MaxUint16 {
		return 4
	}
	return 2
}

// PackIn is Pack in memory that is empty, has room for Size bytes, and belongs to s from then on.
func (b *Builder) PackIn(s *Set, label, memory []byte) {
	*s = Set{shape: b.Shapes.of(b), open: b.open, label: uint32(len(label)), wide: b.width() == 4}
	if b.turns {
		b.sort()
	}
	data := append(memory, label...)
	number := func(n int) {
		data = append(data, byte(n), byte(n>>8))
		if s.wide {
			data = append(data, byte(n>>16), byte(n>>24))
		}
	}
	rows := 0
	for i := range b.groups {
		rows += b.groups[i].rows
		number(rows)
	}
	number(0)
	for i := range b.rows {
		number(int(b.rows[i].end))
	}
	s.text = uint32(len(data))
	data = append(data, b.text...)
	s.data = unsafe.String(unsafe.SliceData(data), len(data)) // nobody writes to it any more
	s.odd = b.packOdd()
}

// sort puts rows that were added by turns behind one another by group.
func (b *Builder) sort() {
	text, rows := make([]byte, len(b.text)), make([]row, len(b.rows))
	start := 0
	for i := range b.rows { // first the bytes of each group
		b.groups[b.rows[i].group].text += int(b.rows[i].end) - start
		start = int(b.rows[i].end)
	}
	at, next := 0, 0
	for i := range b.groups {
		g := &b.groups[i]
		size := g.text
		g.text, g.next = at, next
		at, next = at+size, next+g.rows
	}
	start = 0
	for i := range b.rows {
		g := &b.groups[b.rows[i].group]
		g.text += copy(text[g.text:], b.text[start:b.rows[i].end])
		rows[g.next] = row{group: b.rows[i].group, end: int32(g.text)}
		g.next++
		start = int(b.rows[i].end)
	}
	b.text, b.rows = text, rows
}

func (b *Builder) packOdd() *oddTuples {
	if len(b.odd) == 0 {
		return nil
	}
	o := &oddTuples{tuples: make([]ostiary.StoredTuple, len(b.odd)), ends: make([]uint32, len(b.groups))}
	at := 0
	for i := range b.groups { // where the next tuple of the group goes; its end in the end
		o.ends[i] = uint32(at)
		at += b.groups[i].odd
	}
	for i := range b.odd {
		end := &o.ends[b.odd[i].group]
		o.tuples[*end] = b.odd[i].tuple
		*end++
	}
	return o
}
