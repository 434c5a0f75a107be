package storage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// Bounds of what is remembered of idempotency keys. They are part of what an entry means: they never
// change without a new ostiary.Mutation.MinVersion.
const (
	// maxRemembered is how many keys are remembered at most.
	maxRemembered = 1_000_000
	// rememberedNanos is how long a key is remembered at least, by the stamps of the log, as long as there
	// are not more.
	rememberedNanos = 24 * 60 * 60 * 1_000_000_000
	// maxForgotten is how many keys may be forgotten for one that is new.
	maxForgotten = 4
)

// memory is what is remembered of idempotency keys. A key is forgotten when a new one comes and it is too
// old, or they are too many; the oldest goes first. What is forgotten depends on the log alone, never on
// where batches are cut.
type memory struct {
	db    *pebble.DB
	count uint64                        // of the keys remembered; read at the first use
	known bool                          // count was read
	batch map[string]ostiary.Remembered // rows that the entries of the batch have written
	order []rememberedAt                // the same, in the order of their revisions
	// low is a revision below which everything that is remembered was deleted, in the batch or before.
	low    ostiary.Revision
	oldest *rememberedAt // nil until it is looked for

	// Tests lower these.
	max uint64
	age int64
}

// rememberedAt is a row of the table recent: what was remembered at a revision.
type rememberedAt struct {
	revision ostiary.Revision
	stamp    int64
	row      []byte // key of the row in the table of remembered keys
}

func (o *memory) init(db *pebble.DB) {
	*o = memory{db: db, batch: map[string]ostiary.Remembered{}, max: maxRemembered, age: rememberedNanos}
}

// committed is called when the database shows the batch.
func (o *memory) committed() {
	clear(o.batch)
	o.order = o.order[:0]
}

// validateIdempotencyKey refuses a key that ostiary.Mutation.Once did not make, and one that an older
// release would pass over.
func (m *mutation) validateIdempotencyKey() error {
	if m.IdempotencyKey == "" {
		return nil
	}
	_, _, ok := ostiary.CutIdempotencyKey(m.IdempotencyKey)
	whole := m.Principal.Kind + m.Principal.Name
	if !ok || m.MinVersion < ostiary.ReleaseIdempotency || strings.IndexByte(whole, separator) >= 0 {
		return fmt.Errorf("idempotency key %q of principal %q: one of them cannot be stored, or the minimum version %d is below %d: %w",
			m.IdempotencyKey, whole, m.MinVersion, ostiary.ReleaseIdempotency, errInvalid)
	}
	return nil
}

// recall sets m.repeats where the mutation's idempotency key is known, and refuses it where another request
// had the key.
func (m *mutation) recall() error {
	if m.IdempotencyKey == "" {
		return nil
	}
	key, digest, _ := ostiary.CutIdempotencyKey(m.IdempotencyKey)
	known, ok, err := m.applier.memory.find(appendRememberedKey(nil, m.Principal, key))
	if err != nil {
		return fmt.Errorf("look for idempotency key %q: %w", key, err)
	}
	if ok && known.Digest != digest {
		return refuse(fmt.Errorf("idempotency key %q came with another request at revision %d: %w", key, known.Receipt.Revision, ostiary.ErrConflict))
	}
	if ok {
		m.repeats = &known
	}
	return nil
}

func (o *memory) find(row []byte) (ostiary.Remembered, bool, error) {
	known, ok := o.batch[string(row)]
	if !ok {
		var err error
		if known, ok, err = readRemembered(o.db, row); err != nil {
			return known, false, err
		}
	}
	return known, ok && known.Receipt.Revision >= o.low, nil
}

// remember notes what becomes of the mutation, which is accepted, and forgets what is too old.
func (m *mutation) remember() error {
	if m.IdempotencyKey == "" {
		return nil
	}
	o := &m.applier.memory
	if err := o.load(); err != nil {
		return err
	}
	key, digest, _ := ostiary.CutIdempotencyKey(m.IdempotencyKey)
	known := ostiary.Remembered{
		Receipt: ostiary.Receipt{Revision: m.revision, Changed: m.changed, TimeNanos: m.stamp, Repeated: true}, Digest: digest,
	}
	if len(m.Documents) > 0 {
		known.Document = m.Documents[0].Key
	}
	row := appendRememberedKey(nil, m.Principal, key)
	if err := m.batch.Set(row, appendRememberedValue(m.value[:0], known), nil); err != nil {
		return err
	}
	m.key = appendRecentKey(m.key[:0], m.revision)
	m.value = appendRecentValue(m.value[:0], m.stamp, row)
	if err := m.batch.Set(m.key, m.value, nil); err != nil {
		return err
	}
	o.count++
	o.batch[string(row)] = known
	o.order = append(o.order, rememberedAt{revision: m.revision, stamp: m.stamp, row: row})
	if err := m.forget(); err != nil {
		return fmt.Errorf("forget idempotency keys: %w", err)
	}
	return m.batch.Set(metaKeys, binary.BigEndian.AppendUint64(nil, o.count), nil)
}

func (o *memory) load() error {
	if o.known {
		return nil
	}
	count, err := readRememberedCount(o.db)
	o.count, o.known = count, err == nil
	return err
}

// forget deletes the oldest keys that need not be remembered any more, the new one never.
func (m *mutation) forget() error {
	o := &m.applier.memory
	for range maxForgotten {
		if err := o.lookForOldest(); err != nil {
			return err
		}
		if old := o.oldest; old == nil || old.revision == m.revision || o.count <= o.max && m.stamp-old.stamp < o.age {
			return nil
		}
		m.key = appendRecentKey(m.key[:0], o.oldest.revision)
		if err := errors.Join(m.batch.Delete(m.key, nil), m.batch.Delete(o.oldest.row, nil)); err != nil {
			return err
		}
		o.low, o.oldest = o.oldest.revision+1, nil
		o.count--
	}
	return nil
}

// lookForOldest finds the oldest key: in the database, which holds older ones than the batch does.
func (o *memory) lookForOldest() (err error) {
	if o.oldest != nil {
		return nil
	}
	it, err := o.db.NewIter(&pebble.IterOptions{LowerBound: appendRecentKey(nil, o.low), UpperBound: []byte{tableRecent + 1}})
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	if it.First() {
		value, err := it.ValueAndErr()
		if err != nil {
			return readError(err)
		}
		old, err := decodeRecent(it.Key(), value)
		o.oldest = &old
		return err
	}
	for i := range o.order {
		if o.order[i].revision >= o.low {
			old := o.order[i]
			o.oldest = &old
			break
		}
	}
	return readError(it.Error())
}

// Remembered returns what became of the first mutation of a principal with an idempotency key, and false
// where none is remembered at the view's revision.
func (v *View) Remembered(p ostiary.Principal, key string) (ostiary.Remembered, bool, error) {
	known, ok, err := readRemembered(v.shared.snap, appendRememberedKey(nil, p, key))
	if err != nil {
		return known, false, fmt.Errorf("look for idempotency key %q: %w", key, err)
	}
	return known, ok && known.Receipt.Revision <= v.Revision(), nil
}

// appendRememberedKey: kind of the principal, its name, the key.
func appendRememberedKey(dst []byte, p ostiary.Principal, key string) []byte {
	return append(appendPart(appendPart(append(dst, tableOnce), p.Kind), p.Name), key...)
}

func appendRecentKey(dst []byte, r ostiary.Revision) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tableRecent), uint64(r))
}

// appendRecentValue: the stamp, then the row of the remembered key without its table.
func appendRecentValue(dst []byte, stamp int64, row []byte) []byte {
	return append(binary.BigEndian.AppendUint64(dst, uint64(stamp)), row[1:]...)
}

func decodeRecent(key, value []byte) (rememberedAt, error) {
	if len(key) != 9 || len(value) < 8+3 {
		return rememberedAt{}, fmt.Errorf("decode recent row %x: %w", key, ostiary.ErrCorrupt)
	}
	return rememberedAt{
		revision: ostiary.Revision(binary.BigEndian.Uint64(key[1:])),
		stamp:    int64(binary.BigEndian.Uint64(value)),
		row:      append([]byte{tableOnce}, value[8:]...),
	}, nil
}

// rememberedChanged is the flag of a mutation that changed something.
const rememberedChanged byte = 0x10

func appendRememberedValue(dst []byte, known ostiary.Remembered) []byte {
	first := valueVersion
	if known.Receipt.Changed {
		first |= rememberedChanged
	}
	dst = binary.BigEndian.AppendUint64(append(dst, first), uint64(known.Receipt.Revision))
	dst = binary.BigEndian.AppendUint64(dst, uint64(known.Receipt.TimeNanos))
	dst = append(append(dst, known.Digest...), known.Document.Collection...)
	if known.Document == (ostiary.DocumentKey{}) {
		return dst
	}
	return append(append(dst, separator), known.Document.Key...)
}

// rememberedBytes is what a value has before the document: version, revision, stamp, digest.
const rememberedBytes = 1 + 8 + 8 + 16

func decodeRememberedValue(key, value []byte) (known ostiary.Remembered, err error) {
	if len(value) < rememberedBytes || value[0]&^rememberedChanged != valueVersion {
		return known, fmt.Errorf("decode remembered row %.400x: %w", key, ostiary.ErrCorrupt)
	}
	known.Receipt = ostiary.Receipt{
		Revision: ostiary.Revision(binary.BigEndian.Uint64(value[1:])), TimeNanos: int64(binary.BigEndian.Uint64(value[9:])),
		Changed: value[0]&rememberedChanged != 0, Repeated: true,
	}
	known.Digest = string(value[17:rememberedBytes])
	if rest := value[rememberedBytes:]; len(rest) > 0 {
		collection, name, ok := bytes.Cut(rest, []byte{separator})
		if !ok {
			return known, fmt.Errorf("decode remembered row %.400x: its document has no key: %w", key, ostiary.ErrCorrupt)
		}
		known.Document = ostiary.DocumentKey{Collection: string(collection), Key: string(name)}
	}
	return known, nil
}

func readRemembered(r pebble.Reader, row []byte) (known ostiary.Remembered, ok bool, err error) {
	value, closer, err := r.Get(row)
	if errors.Is(err, pebble.ErrNotFound) {
		return known, false, nil
	}
	if err != nil {
		return known, false, readError(err)
	}
	known, err = decodeRememberedValue(row, value)
	return known, err == nil, errors.Join(err, closer.Close())
}

func readRememberedCount(r pebble.Reader) (uint64, error) {
	value, ok, err := readMeta(r, metaKeys, 8)
	if err != nil || !ok {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}

// verifyRemembered checks that both tables of idempotency keys tell the same.
func verifyRemembered(ctx context.Context, r pebble.Reader) error {
	rows := 0
	err := eachRow(ctx, r, tableRecent, func(key, value []byte) error {
		rows++
		at, err := decodeRecent(key, value)
		if err != nil {
			return err
		}
		known, ok, err := readRemembered(r, at.row)
		if err == nil && (!ok || known.Receipt.Revision != at.revision || known.Receipt.TimeNanos != at.stamp) {
			err = fmt.Errorf("recent row %x has no idempotency key that fits it: %w", key, ostiary.ErrCorrupt)
		}
		return err
	})
	if err == nil {
		err = demandCount(ctx, r, tableOnce, rows)
	}
	if err != nil {
		return err
	}
	count, err := readRememberedCount(r)
	if err == nil && count != uint64(rows) {
		err = fmt.Errorf("%d idempotency keys are counted and %d are there: %w", count, rows, ostiary.ErrCorrupt)
	}
	return err
}
