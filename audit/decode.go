package audit

import (
	"encoding/binary"
	"fmt"

	"github.com/ostiary/ostiary"
)

// Decode returns what a row says. It does not verify the hash: Chain does. The error is ostiary.ErrCorrupt.
func Decode(key, value []byte) (Entry, error) {
	place, err := PlaceOf(key)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Place: place}
	d := decoder{rest: value}
	if d.byte() != form {
		d.bad = true
	}
	switch place.Kind {
	case Beginning:
		reason := d.byte()
		e.Trimmed = reason == reasonTrimmed
		d.bad = d.bad || reason != reasonFirst && !e.Trimmed
	case Change:
		d.change(&e)
	case Restored:
		e.From, e.To = ostiary.ClusterID(d.take(16)), ostiary.ClusterID(d.take(16))
		e.Newest, e.Dropped = ostiary.Revision(d.uvarint()), d.hash()
		e.Begins, e.BeganWith = ostiary.Revision(d.uvarint()), d.hash()
	}
	e.Hash = d.hash()
	if d.bad || len(d.rest) > 0 {
		return Entry{}, fmt.Errorf("decode audit row at revision %d: %w", place.Revision, ostiary.ErrCorrupt)
	}
	return e, nil
}

type decoder struct {
	rest []byte
	bad  bool
}

// take returns n bytes, zeros after a fault.
func (d *decoder) take(n int) []byte {
	if d.bad || n > len(d.rest) {
		d.bad = true
		return make([]byte, min(n, 32))
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte { return d.take(1)[0] }
func (d *decoder) hash() Hash { return Hash(d.take(32)) }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if d.bad || n <= 0 || n > 1 && d.rest[n-1] == 0 {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) text() string {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return ""
	}
	return string(d.take(int(n)))
}

func (d *decoder) change(e *Entry) {
	e.TimeNanos = int64(binary.BigEndian.Uint64(d.take(8)))
	e.Principal = ostiary.Principal{Kind: d.text(), Name: d.text()}
	e.RequestID, e.Method, e.Origin, e.Store = d.text(), d.text(), d.text(), d.text()
	e.Digest = d.hash()
	e.Counts = Counts{d.uvarint(), d.uvarint(), d.uvarint(), d.uvarint()}
	n := d.uvarint()
	if n > MaxItems+1 { // with one that says that rows were deleted
		d.bad = true
	}
	for i := uint64(0); i < n && !d.bad; i++ {
		item := Item{Kind: ItemKind(d.byte()), Name: d.text(), Owner: d.text(), Condition: d.text()}
		switch item.Kind {
		case TupleWritten, TupleDeleted, DocumentPut, DocumentDeleted, RowsDeleted:
		default:
			d.bad = true
		}
		e.Items = append(e.Items, item)
	}
}
