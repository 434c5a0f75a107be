package edges

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary"
)

// shape is the heads of the groups of a set, in the order of the groups, and where it is cut. It is
// immutable.
type shape struct {
	heads []string
	signs []uint64       // of the heads
	index map[string]int // only with many heads
	cut   bool
	cutAt string // with cut
}

// lacks reports whether there may be a group with a head that the shape does not have.
func (s *shape) lacks(head string) bool { return s.cut && head >= s.cutAt }

// few is how many heads are looked through one by one: faster than a map for most objects.
const few = 8

func (s *shape) find(head string) int {
	if s.index != nil {
		if i, ok := s.index[head]; ok {
			return i
		}
		return -1
	}
	sign := signOf(head)
	for i, other := range s.signs {
		if other == sign && s.heads[i] == head {
			return i
		}
	}
	return -1
}

// signOf returns a number by which most heads of a set differ: where they begin, and how long they are.
func signOf(head string) uint64 {
	sign := uint64(len(head)) * 0x9e3779b97f4a7c15
	if len(head) < 8 {
		for i := range len(head) {
			sign ^= uint64(head[i]) << (8 * i)
		}
		return sign
	}
	_ = head[7]
	return sign ^ (uint64(head[0]) | uint64(head[1])<<8 | uint64(head[2])<<16 | uint64(head[3])<<24 |
		uint64(head[4])<<32 | uint64(head[5])<<40 | uint64(head[6])<<48 | uint64(head[7])<<56)
}

// findObjects is find for a head of HeadObjects, which it does not make.
func (s *shape) findObjects(objectType, relation string) int {
	n := len(objectType)
	for i, h := range s.heads {
		if len(h) == n+1+len(relation) && h[n+1:] == relation && h[n] == end[0] && h[:n] == objectType {
			return i
		}
	}
	return -1
}

// findOf is find for a head of HeadOf, which it does not make.
func (s *shape) findOf(relation string, subject ostiary.SubjectRef) int {
	mark, tail := markPlain[0], 0
	switch {
	case subject.IsWildcard():
		mark = markWildcard[0]
	case subject.IsUserset():
		mark, tail = markUserset[0], 1+len(subject.Relation)
	}
	at := len(relation) + 2 // where the type begins
	to := at + len(subject.Type)
	for i, h := range s.heads {
		if len(h) == to+tail && h[:at-2] == relation && h[at-2] == end[0] && h[at-1] == mark && h[at:to] == subject.Type &&
			(tail == 0 || h[to] == end[0] && h[to+1:] == subject.Relation) {
			return i
		}
	}
	return -1
}

func newShape(b *Builder) *shape {
	s := &shape{heads: make([]string, len(b.groups)), signs: make([]uint64, len(b.groups)), cut: b.cut, cutAt: string(b.cutAt)}
	text := string(b.heads)
	for i := range b.groups {
		s.heads[i] = text[b.groups[i].head:b.groups[i].headEnd]
		s.signs[i] = signOf(s.heads[i])
	}
	if len(s.heads) > few {
		s.index = make(map[string]int, len(s.heads))
		for i, h := range s.heads {
			s.index[h] = i
		}
	}
	return s
}

// Shapes is a dictionary of the heads that many sets have in common, so that the sets hold them once.
// The zero value is ready for use; it is safe for concurrent use.
type Shapes struct {
	known atomic.Pointer[map[string]*shape] // never changed in place
	mu    sync.Mutex                        // held to replace known
}

// maxShapes bounds a dictionary. A model makes a few for each type, but whoever may write tuples can
// make as many as there are choices of relations. A full dictionary is begun anew; sets keep their
// shapes.
const maxShapes = 2048

// of returns the shape of what b has.
func (d *Shapes) of(b *Builder) *shape {
	if len(b.groups) == 0 && !b.cut {
		return nil
	}
	if d == nil || len(b.groups) > 2*few {
		return newShape(b)
	}
	b.name = append(b.name[:0], 0)
	if b.cut {
		b.name[0] = 1
	}
	b.name = append(binary.AppendUvarint(b.name, uint64(len(b.cutAt))), b.cutAt...)
	b.name = append(b.name, b.heads...)
	if known := d.known.Load(); known != nil {
		if s, ok := (*known)[string(b.name)]; ok {
			return s
		}
	}
	return d.add(b)
}

func (d *Shapes) add(b *Builder) *shape {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := map[string]*shape{}
	if known := d.known.Load(); known != nil && len(*known) < maxShapes {
		for name, s := range *known {
			next[name] = s
		}
	}
	s, ok := next[string(b.name)]
	if !ok {
		s = newShape(b)
		next[string(b.name)] = s
	}
	d.known.Store(&next)
	return s
}
