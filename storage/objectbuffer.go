package storage

import (
	"context"
	"sort"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

const (
	// readerObjects is how many objects a Reader remembers.
	readerObjects = 8
	// objectRows is how many rows of an object a Reader reads at once. Reading one more row costs
	// about a fiftieth of a seek.
	objectRows = 64
)

// objectBuffer holds the first rows of one object in the tuple table, all relations together.
type objectBuffer struct {
	prefix []byte // of the keys of the object; empty: the buffer holds nothing
	end    []byte // scratch: the end of prefix
	data   []byte // keys and values, one after another
	rows   []bufferedRow
	whole  bool // every row of the object is here
	pins   int  // sequences that are reading rows, which must stay meanwhile
}

// bufferedRow says where a row lies in data.
type bufferedRow struct{ key, value, end int }

func (b *objectBuffer) key(i int) []byte   { return b.data[b.rows[i].key:b.rows[i].value] }
func (b *objectBuffer) value(i int) []byte { return b.data[b.rows[i].value:b.rows[i].end] }

// knows reports whether every row of the object that lies below key is in the buffer, and the row at
// key too where there is one.
func (b *objectBuffer) knows(key []byte) bool {
	return b.whole || len(b.rows) > 0 && string(key) <= string(b.key(len(b.rows)-1))
}

// search returns the place of the first row at or above key.
func (b *objectBuffer) search(key []byte) int {
	return sort.Search(len(b.rows), func(i int) bool { return string(b.key(i)) >= string(key) })
}

// object returns the buffer of an object, and reads it where the reader does not remember it. The
// buffer is valid until the next question, and longer while it is pinned.
func (r *Reader) object(ctx context.Context, o ostiary.ObjectRef) (*objectBuffer, error) {
	r.lower = appendObjectPrefix(r.lower[:0], r.store, o)
	for i := range r.objects {
		if b := &r.objects[i]; len(b.prefix) > 0 && string(b.prefix) == string(r.lower) {
			return b, nil
		}
	}
	b := r.free()
	if err := r.fill(ctx, b); err != nil {
		b.prefix = b.prefix[:0]
		return nil, err
	}
	return b, nil
}

// free returns a buffer that no sequence is reading: one of the reader's, in turn, or a new one that
// is forgotten after the question.
func (r *Reader) free() *objectBuffer {
	for range r.objects {
		b := &r.objects[r.victim]
		r.victim = (r.victim + 1) % len(r.objects)
		if b.pins == 0 {
			return b
		}
	}
	return &objectBuffer{}
}

// fill reads the object whose prefix is in r.lower.
func (r *Reader) fill(ctx context.Context, b *objectBuffer) error {
	b.prefix = append(b.prefix[:0], r.lower...)
	b.end = append(b.end[:0], r.lower...)
	b.end[len(b.end)-1] = separator + 1
	b.data, b.rows, b.whole = b.data[:0], b.rows[:0], false
	it, err := r.iterator(ctx)
	if err != nil {
		return err
	}
	defer r.giveBack(it)
	r.stats.Seeks++
	state := it.SeekGEWithLimit(b.prefix, b.end)
	for state == pebble.IterValid && len(b.rows) < objectRows {
		r.stats.Keys++
		value, err := it.ValueAndErr()
		if err != nil {
			return readError(err)
		}
		b.add(it.Key(), value)
		state = it.NextWithLimit(b.end)
	}
	b.whole = state != pebble.IterValid
	return readError(it.Error())
}

func (b *objectBuffer) add(key, value []byte) {
	row := bufferedRow{key: len(b.data)}
	b.data = append(b.data, key...)
	row.value = len(b.data)
	b.data = append(b.data, value...)
	row.end = len(b.data)
	b.rows = append(b.rows, row)
}
