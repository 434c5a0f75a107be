package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary"
)

// Command codec, versions 1 and 2. docs/format/command.md draws the bytes. The encoding is permanent: fields
// are never reordered or renumbered; a change makes version 3, and this file keeps reading the others.
//
// Strings that repeat within a command (store ids, types, relations, owners) are written once and then
// named by number: a write of 100 tuples names its store once. A word is a uvarint: 2n+1 followed by
// nothing is the n-th word seen so far, 2n followed by n bytes is a new word of that length.

// The first byte of every command. Version 2 is version 1 with what the audit says of the call after the idempotency
// key, and is written where there is something to say, by mutations that need release ostiary.ReleaseAudit alone.
const (
	codecVersion  = 1
	codecWithCall = 2
)

// stampOffset is where the 8 bytes of the stamp lie, so that the leader can set them in place.
const stampOffset = 1

var (
	errTruncated = errors.New("command ends early")
	errTrailing  = errors.New("command has bytes after its end")
)

// What a command and a tuple change in it usually take at most. An encoding may be longer.
const (
	commandBytes     = 192
	tupleChangeBytes = 64
)

// newCommand returns the encoding of m.
func newCommand(m *ostiary.Mutation) []byte {
	return appendCommand(make([]byte, 0, commandBytes+tupleChangeBytes*len(m.Tuples)), m)
}

// appendCommand appends the encoding of m to dst. It cannot fail.
func appendCommand(dst []byte, m *ostiary.Mutation) []byte {
	e := encoder{buf: dst, words: map[string]uint64{}}
	called := m.Method != "" || m.Origin != "" || m.Store != ""
	e.byte(codecVersion + bit(called, codecWithCall-codecVersion))
	e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(m.TimeNanos))
	e.text(m.Principal.Kind)
	e.text(m.Principal.Name)
	e.text(m.RequestID)
	e.text(m.IdempotencyKey)
	if called {
		e.text(m.Method)
		e.text(m.Origin)
		e.text(m.Store)
	}
	e.uint(uint64(m.MinVersion))
	e.uint(uint64(m.Observed))
	e.uint(uint64(len(m.Preconditions)))
	for i := range m.Preconditions {
		e.precondition(&m.Preconditions[i])
	}
	e.uint(uint64(len(m.Filters)))
	for i := range m.Filters {
		e.filter(&m.Filters[i].Filter)
		e.uint(uint64(m.Filters[i].Max))
	}
	e.uint(uint64(len(m.Tuples)))
	for i := range m.Tuples {
		e.tupleChange(&m.Tuples[i])
	}
	e.uint(uint64(len(m.Documents)))
	for i := range m.Documents {
		d := &m.Documents[i]
		e.byte(bit(d.Delete, 1))
		e.documentKey(d.Key)
		e.bytes(d.Body)
	}
	e.uint(uint64(len(m.Outbox)))
	for i := range m.Outbox {
		e.word(m.Outbox[i].Kind)
		e.bytes(m.Outbox[i].Args)
	}
	return e.buf
}

// setStamp overwrites the stamp of an encoded command.
func setStamp(command []byte, nanos int64) {
	binary.BigEndian.PutUint64(command[stampOffset:], uint64(nanos))
}

// decodeCommand is the inverse of appendCommand. The mutation shares no memory with command. The
// error is ErrCorrupt.
func decodeCommand(command []byte) (*ostiary.Mutation, error) {
	d := decoder{rest: command, whole: string(command)}
	version := d.byte()
	if d.err == nil && version != codecVersion && version != codecWithCall {
		return nil, fmt.Errorf("decode command: version %d is not known to this release (it knows up to %d); upgrade this node: %w",
			version, codecWithCall, ostiary.ErrCorrupt)
	}
	m := &ostiary.Mutation{TimeNanos: int64(d.fixed64())}
	m.Principal = ostiary.Principal{Kind: d.text(), Name: d.text()}
	m.RequestID = d.text()
	m.IdempotencyKey = d.text()
	if version == codecWithCall {
		m.Method, m.Origin, m.Store = d.text(), d.text(), d.text()
	}
	m.MinVersion = d.uint32()
	m.Observed = ostiary.Revision(d.uint())
	m.Preconditions = list(&d, (*decoder).precondition)
	m.Filters = list(&d, func(d *decoder) ostiary.FilterDelete {
		return ostiary.FilterDelete{Filter: d.filter(), Max: d.uint32()}
	})
	m.Tuples = list(&d, (*decoder).tupleChange)
	m.Documents = list(&d, func(d *decoder) ostiary.DocumentChange {
		return ostiary.DocumentChange{Delete: d.flags(1)&1 != 0, Key: d.documentKey(), Body: d.bytes()}
	})
	m.Outbox = list(&d, func(d *decoder) ostiary.OutboxRule {
		return ostiary.OutboxRule{Kind: d.word(), Args: d.bytes()}
	})
	if d.err == nil && len(d.rest) > 0 {
		d.err = errTrailing
	}
	if d.err != nil {
		return nil, fmt.Errorf("decode command of %d bytes: %w: %w", len(command), d.err, ostiary.ErrCorrupt)
	}
	return m, nil
}

type encoder struct {
	buf   []byte
	words map[string]uint64
}

func bit(on bool, value byte) byte {
	if on {
		return value
	}
	return 0
}

func (e *encoder) byte(b byte)   { e.buf = append(e.buf, b) }
func (e *encoder) uint(n uint64) { e.buf = binary.AppendUvarint(e.buf, n) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.buf = append(e.buf, s...)
}

func (e *encoder) bytes(b []byte) {
	e.uint(uint64(len(b)))
	e.buf = append(e.buf, b...)
}

func (e *encoder) word(s string) {
	if n, seen := e.words[s]; seen {
		e.uint(2*n + 1)
		return
	}
	e.words[s] = uint64(len(e.words))
	e.uint(2 * uint64(len(s)))
	e.buf = append(e.buf, s...)
}

func (e *encoder) object(o ostiary.ObjectRef) {
	e.word(o.Type)
	e.text(o.ID)
}

func (e *encoder) subject(s ostiary.SubjectRef) {
	e.word(s.Type)
	e.text(s.ID)
	e.word(s.Relation)
}

func (e *encoder) tuple(t ostiary.Tuple) {
	e.object(t.Object)
	e.word(t.Relation)
	e.subject(t.Subject)
}

func (e *encoder) documentKey(k ostiary.DocumentKey) {
	e.word(k.Collection)
	e.text(k.Key)
}

func (e *encoder) filter(f *ostiary.Filter) {
	e.word(f.Store)
	e.object(f.Object)
	e.subject(f.Subject)
	e.word(f.Owner)
	e.word(f.Relation)
	e.word(f.ObjectType)
}

// Every precondition carries every field: they are rare, and one shape is easier to keep for ever
// than four.
func (e *encoder) precondition(p *ostiary.Precondition) {
	e.byte(byte(p.Kind))
	e.documentKey(p.Document)
	e.uint(uint64(p.Version))
	e.word(p.Store)
	e.tuple(p.Tuple)
	e.filter(&p.Filter)
}

func (e *encoder) tupleChange(c *ostiary.TupleChange) {
	e.byte(byte(c.Op))
	e.byte(bit(c.IfExists, 1) | bit(c.IfMissing, 2))
	e.word(c.Store)
	e.tuple(c.Tuple)
	e.word(c.Grant.Owner)
	e.word(c.Grant.Condition)
	e.bytes(c.Grant.Context)
	e.buf = binary.AppendVarint(e.buf, c.Grant.ExpiryNanos)
}

// decoder reads what encoder wrote. After the first error every call returns the zero value.
type decoder struct {
	rest  []byte
	whole string // what rest is the end of, for strings to lie in; without it each is a copy
	words []string
	err   error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail(errTruncated)
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) fixed64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.fail(errTruncated)
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) uint32() uint32 {
	n := d.uint()
	if n > 1<<32-1 {
		d.fail(fmt.Errorf("number %d does not fit 32 bits", n))
		return 0
	}
	return uint32(n)
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.fail(errTruncated)
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// flags reads a byte of flags; a flag outside known came from a newer release.
func (d *decoder) flags(known byte) byte {
	b := d.byte()
	if b&^known != 0 {
		d.fail(fmt.Errorf("flags %#x are not known", b&^known))
		return 0
	}
	return b
}

func (d *decoder) text() string { return d.string(d.uint()) }

// string reads n bytes. One copy of a command serves all its strings.
func (d *decoder) string(n uint64) string {
	b := d.take(n)
	if d.whole == "" {
		return string(b)
	}
	end := len(d.whole) - len(d.rest)
	return d.whole[end-len(b) : end]
}

func (d *decoder) bytes() []byte {
	if b := d.take(d.uint()); len(b) > 0 {
		return append([]byte(nil), b...)
	}
	return nil
}

func (d *decoder) word() string {
	n := d.uint()
	if d.err != nil {
		return ""
	}
	if n%2 == 1 {
		if n/2 >= uint64(len(d.words)) {
			d.fail(fmt.Errorf("word %d is not defined", n/2))
			return ""
		}
		return d.words[n/2]
	}
	s := d.string(n / 2)
	d.words = append(d.words, s)
	return s
}

func (d *decoder) object() ostiary.ObjectRef {
	return ostiary.ObjectRef{Type: d.word(), ID: d.text()}
}

func (d *decoder) subject() ostiary.SubjectRef {
	return ostiary.SubjectRef{Type: d.word(), ID: d.text(), Relation: d.word()}
}

func (d *decoder) tuple() ostiary.Tuple {
	return ostiary.Tuple{Object: d.object(), Relation: d.word(), Subject: d.subject()}
}

func (d *decoder) documentKey() ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: d.word(), Key: d.text()}
}

func (d *decoder) filter() ostiary.Filter {
	return ostiary.Filter{
		Store: d.word(), Object: d.object(), Subject: d.subject(),
		Owner: d.word(), Relation: d.word(), ObjectType: d.word(),
	}
}

func (d *decoder) precondition() ostiary.Precondition {
	return ostiary.Precondition{
		Kind: ostiary.PreconditionKind(d.byte()), Document: d.documentKey(), Version: ostiary.Revision(d.uint()),
		Store: d.word(), Tuple: d.tuple(), Filter: d.filter(),
	}
}

func (d *decoder) tupleChange() ostiary.TupleChange {
	c := ostiary.TupleChange{Op: ostiary.TupleOp(d.byte())}
	flags := d.flags(3)
	c.IfExists, c.IfMissing = flags&1 != 0, flags&2 != 0
	c.Store = d.word()
	c.Tuple = d.tuple()
	c.Grant = ostiary.Grant{Owner: d.word(), Condition: d.word(), Context: d.bytes(), ExpiryNanos: d.int()}
	return c
}

// list reads a count and that many elements. The count is not trusted: an element takes at least one
// byte, so memory grows with the bytes that are really there.
func list[T any](d *decoder, element func(*decoder) T) []T {
	n := d.uint()
	if n > uint64(len(d.rest)) {
		d.fail(errTruncated)
		return nil
	}
	if n == 0 || d.err != nil {
		return nil
	}
	out := make([]T, 0, min(n, 1024))
	for i := uint64(0); i < n && d.err == nil; i++ {
		out = append(out, element(d))
	}
	if d.err != nil {
		return nil
	}
	return out
}
