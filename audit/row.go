package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	"github.com/ostiary/ostiary"
)

// Table is the first byte of the key of a row.
const Table byte = 'a'

// keyBytes is the length of a key: the table, the revision, the kind.
const keyBytes = 1 + 8 + 1

// form is the version of a value.
const form byte = 1

// Reasons of a beginning.
const (
	reasonFirst   byte = 1
	reasonTrimmed byte = 2
)

// AppendKey appends the key of the row at a place. Keys order as places do.
func AppendKey(dst []byte, p Place) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, Table), uint64(p.Revision))
	return append(dst, byte(p.Kind))
}

// PlaceOf is the inverse of AppendKey.
func PlaceOf(key []byte) (Place, error) {
	if len(key) != keyBytes || key[0] != Table || Kind(key[keyBytes-1]) > Restored {
		return Place{}, fmt.Errorf("decode audit key %.100x: %w", key, ostiary.ErrCorrupt)
	}
	return Place{ostiary.Revision(binary.BigEndian.Uint64(key[1:])), Kind(key[keyBytes-1])}, nil
}

// HashOf returns the hash that the value of a row ends with.
func HashOf(value []byte) (h Hash, ok bool) {
	if len(value) < len(h) {
		return h, false
	}
	return Hash(value[len(value)-len(h):]), true
}

// seal appends the hash of a row to its value.
func seal(sum hash.Hash, previous Hash, key, value []byte) ([]byte, Hash) {
	sum.Reset()
	sum.Write(previous[:])
	sum.Write(key)
	sum.Write(value)
	var h Hash
	sum.Sum(h[:0])
	return append(value, h[:]...), h
}

// First returns the row that begins a chain at a revision.
func First(r ostiary.Revision) (key, value []byte, h Hash) {
	key = AppendKey(nil, Place{r, Beginning})
	value, h = seal(sha256.New(), Hash{}, key, []byte{form, reasonFirst})
	return key, value, h
}

// Trimmed returns the row that takes the place of rows that were deleted, the last of which is given.
func Trimmed(last Head) (key, value []byte) {
	return AppendKey(nil, Place{last.Revision, Beginning}), append([]byte{form, reasonTrimmed}, last.Hash[:]...)
}

// RestoredRow returns the row of e, which is Restored, after one with a hash.
func RestoredRow(previous Hash, e *Entry) (key, value []byte, h Hash) {
	key = AppendKey(nil, e.Place)
	value = append(append([]byte{form}, e.From[:]...), e.To[:]...)
	value = binary.AppendUvarint(value, uint64(e.Newest))
	value = append(value, e.Dropped[:]...)
	value = binary.AppendUvarint(value, uint64(e.Begins))
	value = append(value, e.BeganWith[:]...)
	value, h = seal(sha256.New(), previous, key, value)
	return key, value, h
}

// Recorder gathers what a mutation changes for its row. The zero value is ready.
type Recorder struct {
	digest, sum hash.Hash
	items       []byte
	listed      uint64
	counts      Counts
	key, value  []byte
}

// Begin forgets what was gathered.
func (r *Recorder) Begin() {
	if r.digest == nil {
		r.digest, r.sum = sha256.New(), sha256.New()
	}
	r.digest.Reset()
	r.items, r.listed, r.counts = r.items[:0], 0, Counts{}
}

// piece adds a row that the mutation writes to the digest; one that it deletes has no value.
func (r *Recorder) piece(key, value []byte) {
	r.value = binary.AppendUvarint(r.value[:0], uint64(len(key)))
	r.value = append(r.value, key...)
	r.value = binary.AppendUvarint(r.value, uint64(len(value)))
	r.digest.Write(r.value)
	r.digest.Write(value)
}

// room reports whether another item may be listed, of which the parts have a length.
func (r *Recorder) room(bytes int) bool {
	if r.listed == MaxItems || len(r.items)+bytes+8 > MaxItemBytes {
		return false
	}
	r.listed++
	return true
}

// Tuple notes the change of a grant, given its row of the changelog.
func (r *Recorder) Tuple(op ostiary.ChangeOp, t *ostiary.Tuple, g *ostiary.Grant, key, value []byte) {
	kind := TupleWritten
	if op == ostiary.ChangeDelete {
		kind = TupleDeleted
		r.counts.TuplesDeleted++
	} else {
		r.counts.TuplesWritten++
	}
	r.piece(key, value)
	size := len(t.Object.Type) + len(t.Object.ID) + len(t.Relation) + len(t.Subject.Type) + len(t.Subject.ID) + 4
	if t.Subject.Relation != "" {
		size += len(t.Subject.Relation) + 1
	}
	owner := g.Owner
	if owner == ostiary.OwnerAPI {
		owner = ""
	}
	if !r.room(size + len(owner) + len(g.Condition)) {
		return
	}
	b := binary.AppendUvarint(append(r.items, byte(kind)), uint64(size))
	b = append(append(append(b, t.Object.Type...), ':'), t.Object.ID...)
	b = append(append(append(b, '#'), t.Relation...), '@')
	b = append(append(append(b, t.Subject.Type...), ':'), t.Subject.ID...)
	if t.Subject.Relation != "" {
		b = append(append(b, '#'), t.Subject.Relation...)
	}
	r.items = appendText(appendText(b, owner), g.Condition)
}

// Document notes that a document was put or deleted, given its row, which has no value where it is deleted, or where
// it must leave nothing.
func (r *Recorder) Document(k *ostiary.DocumentKey, deleted bool, key, value []byte) {
	kind := DocumentPut
	if deleted {
		kind = DocumentDeleted
		r.counts.DocumentsDeleted++
	} else {
		r.counts.DocumentsPut++
	}
	r.piece(key, value)
	size := len(k.Collection) + 1 + len(k.Key)
	if !r.room(size) {
		return
	}
	b := binary.AppendUvarint(append(r.items, byte(kind)), uint64(size))
	b = append(append(append(b, k.Collection...), '/'), k.Key...)
	r.items = append(b, 0, 0)
}

// Deleted notes that rows of the audit were deleted, the last of which is given.
func (r *Recorder) Deleted(last Head) {
	r.listed++
	b := appendText(append(r.items, byte(RowsDeleted)), last.String())
	r.items = append(b, 0, 0)
}

// Row returns the row of what was gathered, after a row with a hash. Of the entry only what the request says
// counts. The slices are valid until the next call of any method.
func (r *Recorder) Row(previous Hash, e *Entry) (key, value []byte, h Hash) {
	r.key = AppendKey(r.key[:0], e.Place)
	b := binary.BigEndian.AppendUint64(append(r.value[:0], form), uint64(e.TimeNanos))
	for _, text := range [...]string{e.Principal.Kind, e.Principal.Name, e.RequestID, e.Method, e.Origin, e.Store} {
		b = appendText(b, text)
	}
	b = r.digest.Sum(b)
	for _, n := range [...]uint64{r.counts.TuplesWritten, r.counts.TuplesDeleted, r.counts.DocumentsPut, r.counts.DocumentsDeleted, r.listed} {
		b = binary.AppendUvarint(b, n)
	}
	r.value, h = seal(r.sum, previous, r.key, append(b, r.items...))
	return r.key, r.value, h
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// Row is a row as it is stored, which Chain verifies.
type Row struct{ Key, Value []byte }
