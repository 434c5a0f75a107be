package storage

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// edgeCache keeps the packed tuples of objects and subjects over all views. It is exact: it answers as
// the database would at the revision of the view, or not at all.
//
// An entry that was read at revision L serves a view at s if and only if the last change of its object
// or subject is at or below both. Proof: between L and s nothing changed then. What is needed for it:
//
//   - A cell is raised before the picture with the change is published (cells), so whoever has a view at
//     s or an entry that was read at L finds the cells raised for all changes up to s and L.
//   - So the view is taken, and the entry got, before the cell is read.
//   - Views at past revisions take no part: their pictures hold what their revision does not. So does
//     no time: tuples with an expiry are entries' odd tuples, whose grants are judged by the reader.
//   - The whole key is compared on every hit; hashes only lead to it.
//
// Nothing depends on what it was given being found.
type edgeCache struct {
	*cells
	entries *entries

	hits, misses, changed atomic.Uint64 // added to when a reader ends
}

// packed is the tuples of one object or subject. The set's label is the prefix of their keys.
type packed struct {
	set      edges.Set
	hash     uint64 // of the label
	revision uint64 // at which it was read
}

const (
	packedBytes = int64(unsafe.Sizeof(packed{}))
	// maxEntryBytes bounds an entry: what is larger is read each time that it is asked for.
	maxEntryBytes = 1 << 20
	// cellBytes is the size of a cell, and maxCells bounds their number, so that they stay in the cache of
	// a core: half a MiB. With 1,000 changes a second a cell is raised without need every 30 seconds.
	cellBytes = 8
	maxCells  = 1 << 16
)

// newEdgeCache returns a cache that takes at most so many bytes of memory. cells is how many cells it
// has; zero means as many as suit it.
func newEdgeCache(bytes int64, cells int, base uint64) *edgeCache {
	if cells == 0 {
		cells = min(maxCells, 1<<bits.Len64(uint64(bytes)/(16*cellBytes)))
	}
	return &edgeCache{cells: newCells(cells, base), entries: newEntries(bytes - int64(cells)*cellBytes)}
}

// cost is the memory that p takes beside its slot.
func (p *packed) cost() int64 {
	return packedBytes + int64(textBytes(p.set.Size())+p.set.Bytes())
}

// newPacked returns an entry and memory for n bytes of its set. Small ones lie behind it in one piece: who
// finds the entry finds them in the next line of memory, which is fetched with it.
func newPacked(n int) (*packed, []byte) {
	switch textBytes(n) {
	case 32:
		x := new(struct {
			packed
			text [32]byte
		})
		return &x.packed, x.text[:0]
	case 64:
		x := new(struct {
			packed
			text [64]byte
		})
		return &x.packed, x.text[:0]
	case 96:
		x := new(struct {
			packed
			text [96]byte
		})
		return &x.packed, x.text[:0]
	case 128:
		x := new(struct {
			packed
			text [128]byte
		})
		return &x.packed, x.text[:0]
	case 192:
		x := new(struct {
			packed
			text [192]byte
		})
		return &x.packed, x.text[:0]
	}
	return new(packed), make([]byte, 0, n)
}

// textBytes returns what the allocator takes for n bytes of text: behind an entry, or roughly.
func textBytes(n int) int {
	switch {
	case n <= 128:
		return max((n+31)&^31, 32)
	case n <= 192:
		return 192
	}
	return n + n/8 // sizes of the allocator are no further apart
}

// get returns the entry with a label if it tells what a view at revision s shows. owner is the hash of
// the object or subject. changed says that there is one that does not.
func (c *edgeCache) get(label []byte, hash, owner, s uint64) (p *packed, changed bool) {
	p = c.entries.get(label, hash)
	if p == nil {
		return nil, false
	}
	if c.last(owner) > min(p.revision, s) {
		return nil, true
	}
	return p, false
}

// put offers an entry. One that no view could use any more is not kept.
func (c *edgeCache) put(p *packed, owner uint64) {
	if c.last(owner) <= p.revision {
		c.entries.put(p)
	}
}

// raise notes that a tuple changes at a revision.
func (c *edgeCache) raise(scratch []byte, store string, t ostiary.Tuple, revision ostiary.Revision) []byte {
	first := len(store) + 2
	scratch = appendObjectPrefix(scratch[:0], store, t.Object)
	c.cells.raise(hashKey(scratch, first, hashFirst(scratch[:first])), uint64(revision))
	scratch = appendSubjectPrefix(scratch[:0], store, t.Subject)
	c.cells.raise(hashKey(scratch, first, hashFirst(scratch[:first])), uint64(revision))
	return scratch
}

// CacheStats counts what a cache of edges was asked and what it holds.
type CacheStats struct {
	Hits    uint64
	Misses  uint64 // questions that the cache held nothing for
	Changed uint64 // questions about what may have changed since the cache read it
	Bytes   int64  // of memory, all in all
	Entries int64
}

// CacheStats returns what has happened to the cache of edges, without what readers that are still open
// have done. Without a cache all is zero.
func (s *Store) CacheStats() CacheStats {
	c := s.cache
	if c == nil {
		return CacheStats{}
	}
	bytes, count := c.entries.size()
	return CacheStats{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Changed: c.changed.Load(),
		Bytes: bytes + int64(len(c.list))*cellBytes, Entries: count,
	}
}

// use is what a reader did with the cache.
type use struct{ hits, misses, changed uint64 }

func (c *edgeCache) note(u use) {
	c.hits.Add(u.hits)
	c.misses.Add(u.misses)
	c.changed.Add(u.changed)
}
