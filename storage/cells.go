package storage

import (
	"hash/maphash"
	"sync/atomic"
)

// cells tell, for every object and subject, a revision at or above that of its last change. Each hash
// has one cell, which it shares with others: a change of one counts as a change of all.
//
// Invariant: before a picture at revision s is published, the cell of everything that changed up to s
// and after the picture before it is raised to the revision of its change or higher.
type cells struct {
	list []atomic.Uint64 // a power of two of them
	base atomic.Uint64   // every cell counts as at least that
}

// newCells returns n cells, a power of two, for a database at revision base: of what changed before
// nothing is known.
func newCells(n int, base uint64) *cells {
	c := &cells{list: make([]atomic.Uint64, n)}
	c.floor(base)
	return c
}

// floor raises every cell, for a database that was replaced by one at a revision.
func (c *cells) floor(revision uint64) { c.base.Store(revision) }

// raise notes that what has a hash changes at a revision. It is called by one goroutine.
func (c *cells) raise(hash, revision uint64) {
	cell := &c.list[hash&uint64(len(c.list)-1)]
	if cell.Load() < revision {
		cell.Store(revision)
	}
}

// last returns a revision at or above that of the last change of what has a hash.
func (c *cells) last(hash uint64) uint64 {
	return max(c.base.Load(), c.list[hash&uint64(len(c.list)-1)].Load())
}

// hashSeed makes hashes that clients cannot foresee.
var hashSeed = maphash.MakeSeed()

// hashKey hashes the prefix of the keys of an object or a subject, whose first part, up to the end of its
// store, has a hash already: most have it in common.
func hashKey(key []byte, first int, firstHash uint64) uint64 {
	return firstHash ^ maphash.Bytes(hashSeed, key[first:])
}

// hashFirst hashes the first part of a key.
func hashFirst(first []byte) uint64 { return maphash.Bytes(hashSeed, first) }
