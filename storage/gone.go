package storage

import (
	"bytes"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// gone holds the keys of one table that a filter delete removes beside those of the range that it reads,
// until all are known. Rows that lie together, with none between them that stays, are then deleted as a
// range: who reads the object or the subject later would otherwise pass a tombstone for each (go test
// ./storage -bench Revoked).
type gone struct {
	keys  [][]byte
	chunk []byte // where the next keys lie
}

// The first keys have minGoneChunk bytes allocated for them, and each time twice as many, up to goneChunk.
const (
	minGoneChunk = 1 << 10
	goneChunk    = 64 << 10
)

func (g *gone) add(key []byte) {
	if len(key) > cap(g.chunk)-len(g.chunk) {
		g.chunk = make([]byte, 0, max(minGoneChunk, min(2*cap(g.chunk), goneChunk), len(key)))
	}
	at := len(g.chunk)
	g.chunk = append(g.chunk, key...)
	g.keys = append(g.keys, g.chunk[at:len(g.chunk):len(g.chunk)])
}

// delete deletes the keys. The database shows the state before the mutation, so a row in it that is not
// among the keys stays.
func (g *gone) delete(m *mutation) (err error) {
	if len(g.keys) == 0 {
		return nil
	}
	slices.SortFunc(g.keys, bytes.Compare)
	it, err := m.applier.overlay.db.NewIter(nil)
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	for keys := g.keys; len(keys) > 0; {
		prefix, n := readTogether(keys[0]), 1
		for n < len(keys) && bytes.HasPrefix(keys[n], prefix) {
			n++
		}
		if err := m.deleteTogether(keys[:n], it); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// readTogether returns the part of a key of the tuple or the reverse table that says of which object or
// subject it is. No question about another one comes near.
func readTogether(key []byte) []byte {
	parts := 3 // store, type, id
	if key[0] == tableReverse {
		switch key[bytes.IndexByte(key, separator)+1] {
		case kindWildcard:
			parts = 2
		case kindUserset:
			parts = 4
		}
	}
	end := 0
	for range parts {
		end += bytes.IndexByte(key[end:], separator) + 1
	}
	return key[:end]
}

// deleteTogether deletes keys of one object or subject: as ranges where enough of them follow each other. Where
// rows that stay lie between nearly all of them, it deletes ever more keys without looking for a range, for a
// look costs as much as some deletions (go test ./gtr -bench Revocation): up to blindRuns ranges' worth.
func (m *mutation) deleteTogether(keys [][]byte, it *pebble.Iterator) error {
	blind, enough := 0, m.applier.minRangeDelete
	for len(keys) > 0 {
		n := len(keys)
		if n >= enough {
			n = inRow(keys, it)
			if err := it.Error(); err != nil {
				return readError(err)
			}
		}
		if n >= enough {
			blind = 0
			if err := m.batch.DeleteRange(keys[0], append(slices.Clone(keys[n-1]), 0), nil); err != nil {
				return err
			}
			keys = keys[n:]
			continue
		}
		blind = min(2*blind+1, blindRuns*enough)
		n = min(n+blind, len(keys))
		for _, key := range keys[:n] {
			if err := m.batch.Delete(key, nil); err != nil {
				return err
			}
		}
		keys = keys[n:]
	}
	return nil
}

// blindRuns times minRangeDelete bounds how many keys are deleted without looking.
const blindRuns = 2

// inRow returns how many of the keys, the first of which are one at least, have no row between them that stays.
func inRow(keys [][]byte, it *pebble.Iterator) int {
	there := it.SeekGE(keys[0])
	for i, key := range keys {
		if there {
			switch bytes.Compare(it.Key(), key) {
			case -1:
				return i
			case 0:
				there = it.Next()
			}
		}
	}
	return len(keys)
}
