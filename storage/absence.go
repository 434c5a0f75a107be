package storage

import (
	"hash/maphash"

	"github.com/ostiary/ostiary"
)

// absenceCells is how many cells an absence has: 512 KiB of revisions. One write in so many between a
// proposer's look and the application costs a read that could have been spared.
const absenceCells = 1 << 16

// absence knows of many tuples, without reading, that nobody has written them since a revision. One
// that a proposer saw absent at that revision is then still absent (ostiary.Mutation.Observed).
//
// Each key of the tuple table falls into a cell by its hash, and a cell holds the newest revision at
// which a row of it was written. Of what came before its first mutation an absence knows nothing. So two
// nodes, or one before and after a restart, may differ in what they read, and never in what they find.
// It belongs to the goroutine that applies.
type absence struct {
	cells []ostiary.Revision // nil before the first mutation; a power of two
	since ostiary.Revision   // of the first mutation: the oldest look that can be trusted
	seed  maphash.Seed

	// Tests lower size, and count what was trusted.
	size    int
	trusted int
}

// begin is called with the revision of every mutation before it is judged.
func (a *absence) begin(r ostiary.Revision) {
	if a.cells != nil {
		return
	}
	if a.size == 0 {
		a.size = absenceCells
	}
	a.cells, a.since, a.seed = make([]ostiary.Revision, a.size), r, maphash.MakeSeed()
}

func (a *absence) cell(key []byte) *ostiary.Revision {
	return &a.cells[maphash.Bytes(a.seed, key)&uint64(len(a.cells)-1)]
}

// written notes that a row of the tuple table is written at a revision.
func (a *absence) written(key []byte, r ostiary.Revision) { *a.cell(key) = r }

// holds reports whether a tuple that was absent at revision seen is known to be absent still. A look at
// no revision, or from the time before the first mutation, is not trusted.
func (a *absence) holds(key []byte, seen ostiary.Revision) bool {
	if seen == 0 || seen < a.since || *a.cell(key) > seen {
		return false
	}
	a.trusted++
	return true
}
