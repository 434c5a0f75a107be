package storage

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
)

// rows are rows of a mutation that wait for its end, to be written in the order of their keys: Pebble then sorts a
// large batch in one pass, and finds the place of a row of a small one next to the row before (go test ./gtr
// -bench Revocation). They are of the tables of which no mutation deletes a range, so that it does not matter
// whether they are written before or after the rows of the others.
type rows struct {
	tables [len(waitingTables)][]waiting
	chunks [][]byte // where keys and values lie, each value behind its key
	bytes  int      // what they will take in a batch
}

// waitingTables are the tables whose rows wait, in the order of their keys.
const waitingTables = "cdeghx"

// waiting is a row, whose key is at an offset of a chunk. Later rows lie behind earlier ones.
type waiting struct {
	chunk, offset int32
	key, value    int32 // lengths; value is noValue for a row that is to be deleted
}

const (
	noValue = -1

	minRowChunk = 4 << 10
	maxRowChunk = 256 << 10
	// maxKeptRows bounds, with maxRowChunk, the memory that is kept for the next mutation.
	maxKeptRows = 4 << 10
	// maxWaitingBytes bounds what waits.
	maxWaitingBytes = 64 << 20
	// rowOverhead bounds what a row takes in a batch beside its key and value.
	rowOverhead = 1 + 2*5
	// reorderBytes is how large a batch is whose rows are all put in order. Pebble puts those in order itself that
	// are half as large as a memtable.
	reorderBytes = 1 << 20
)

// add adds a row, with the length of its value or noValue.
func (r *rows) add(key, value []byte, length int) {
	last := len(r.chunks) - 1
	if last < 0 || len(key)+len(value) > cap(r.chunks[last])-len(r.chunks[last]) {
		size := minRowChunk
		if last >= 0 {
			size = min(2*cap(r.chunks[last]), maxRowChunk)
		}
		r.chunks = append(r.chunks, make([]byte, 0, max(size, len(key)+len(value))))
		last++
	}
	w := waiting{chunk: int32(last), offset: int32(len(r.chunks[last])), key: int32(len(key)), value: int32(length)}
	r.chunks[last] = append(append(r.chunks[last], key...), value...)
	table := strings.IndexByte(waitingTables, key[0])
	r.tables[table] = append(r.tables[table], w)
	r.bytes += len(key) + len(value) + rowOverhead
}

func (r *rows) key(w waiting) []byte { return r.chunks[w.chunk][w.offset:][:w.key] }

// sort brings the rows of each table into the order of their keys, and those of one key into that of their times.
func (r *rows) sort() {
	for _, table := range r.tables {
		slices.SortFunc(table, func(a, b waiting) int {
			if c := bytes.Compare(r.key(a), r.key(b)); c != 0 {
				return c
			}
			return cmp.Or(int(a.chunk-b.chunk), int(a.offset-b.offset))
		})
	}
}

// write writes the rows of some of waitingTables.
func (r *rows) write(b *pebble.Batch, tables string) error {
	for i := range tables {
		for _, w := range r.tables[strings.IndexByte(waitingTables, tables[i])] {
			var err error
			if w.value == noValue {
				err = b.Delete(r.key(w), nil)
			} else {
				err = b.Set(r.key(w), r.chunks[w.chunk][w.offset+w.key:][:w.value], nil)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// clear forgets the rows, and keeps some memory for the next.
func (r *rows) clear() {
	for i := range r.tables {
		if r.tables[i] = r.tables[i][:0]; cap(r.tables[i]) > maxKeptRows {
			r.tables[i] = nil
		}
	}
	if last := len(r.chunks) - 1; last >= 0 && cap(r.chunks[last]) <= maxRowChunk {
		r.chunks = append(r.chunks[:0], r.chunks[last][:0])
	} else {
		r.chunks = nil
	}
	r.bytes = 0
}

// setLater sets a row at the end of the mutation.
func (m *mutation) setLater(key, value []byte) error {
	m.applier.waiting.add(key, value, len(value))
	return m.makeRoom()
}

// deleteLater deletes a row at the end of the mutation.
func (m *mutation) deleteLater(key []byte) error {
	m.applier.waiting.add(key, nil, noValue)
	return m.makeRoom()
}

// makeRoom lets no more rows wait than there is memory for.
func (m *mutation) makeRoom() error {
	if m.applier.waiting.bytes < m.applier.maxWaitingBytes {
		return nil
	}
	m.spilled = true
	return m.writeWaiting()
}

// writeWaiting makes the rows that wait part of the mutation's batch: a large one is made anew, so that the rows
// that did not wait stand where they belong, and it is not copied each time it doubles. Not so where some rows of
// the tables that wait are among them: one that comes later must stay behind.
func (m *mutation) writeWaiting() error {
	r := &m.applier.waiting
	r.sort()
	if m.spilled || r.bytes < m.applier.reorderBytes || r.bytes < m.batch.Len() {
		err := r.write(m.batch, waitingTables)
		r.clear()
		return err
	}
	others := m.batch
	defer func() { _ = others.Close() }() // frees memory
	m.batch = m.applier.overlay.db.NewBatch()
	if err := m.batch.SetRepr(make([]byte, batchrepr.HeaderLen, batchrepr.HeaderLen+r.bytes+others.Len())); err != nil {
		return err
	}
	first, last := waitingTables[:len(waitingTables)-1], waitingTables[len(waitingTables)-1:]
	if err := r.write(m.batch, first); err != nil {
		return err
	}
	if err := m.batch.Apply(others, nil); err != nil {
		return err
	}
	err := r.write(m.batch, last)
	r.clear()
	return err
}
