package storage

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
)

// The tables. A key begins with the byte of its table. docs/format/keys.md draws every key.
const (
	tableChangelog byte = 'c'
	tableDocument  byte = 'd'
	tableEarlier   byte = 'e' // history of documents
	tableReversed  byte = 'g' // history of the reverse table
	tableHistory   byte = 'h' // history of the tuple table
	tableCollected byte = 'k' // how far the changelog of a store was collected
	tableOnce      byte = 'i' // what is remembered of idempotency keys
	tableRecent    byte = 'j' // the same, by the revision
	tableMeta      byte = 'm'
	tableCount     byte = 'n' // how many tuples a store with a quota has
	tableOwner     byte = 'o'
	tableReverse   byte = 'r'
	tableStamp     byte = 's'
	tableTuple     byte = 't'
	tableEnded     byte = 'x' // history of documents, by the revision that ended it
)

// The kinds of a subject, in the order in which they lie in the tuple table.
const (
	kindWildcard byte = 1
	kindUserset  byte = 2
	kindObject   byte = 3
)

// separator ends every string that another part follows. No part may hold it (invariant V1 of the
// root package; Apply refuses what does), so no id can forge another key, and the order of keys is
// the order of their parts.
const separator byte = 0

func appendPart(dst []byte, part string) []byte {
	return append(append(dst, part...), separator)
}

func appendStorePrefix(dst []byte, table byte, store string) []byte {
	return appendPart(append(dst, table), store)
}

func kindOf(s ostiary.SubjectRef) byte {
	switch {
	case s.IsWildcard():
		return kindWildcard
	case s.IsUserset():
		return kindUserset
	}
	return kindObject
}

// appendSubject appends the kind of s and its parts, without a separator after the last.
func appendSubject(dst []byte, s ostiary.SubjectRef) []byte {
	kind := kindOf(s)
	dst = append(dst, kind)
	dst = append(dst, s.Type...)
	if kind == kindWildcard {
		return dst
	}
	dst = append(append(dst, separator), s.ID...)
	if kind == kindUserset {
		dst = append(append(dst, separator), s.Relation...)
	}
	return dst
}

// appendTupleSuffix appends what follows the store in the key of a tuple. The owner table and the
// changelog hold it too.
func appendTupleSuffix(dst []byte, t ostiary.Tuple) []byte {
	dst = appendPart(dst, t.Object.Type)
	dst = appendPart(dst, t.Object.ID)
	dst = appendPart(dst, t.Relation)
	return appendSubject(dst, t.Subject)
}

// appendTupleKey: store, object type, object id, relation, subject.
func appendTupleKey(dst []byte, store string, t ostiary.Tuple) []byte {
	return appendTupleSuffix(appendStorePrefix(dst, tableTuple, store), t)
}

// appendReverseKey: store, subject, object type, relation, object id.
func appendReverseKey(dst []byte, store string, t ostiary.Tuple) []byte {
	dst = appendSubjectPrefix(dst, store, t.Subject)
	dst = appendPart(dst, t.Object.Type)
	dst = appendPart(dst, t.Relation)
	return append(dst, t.Object.ID...)
}

// appendOwnerKey: store, owner, then the tuple as in its own key.
func appendOwnerKey(dst []byte, store, owner string, t ostiary.Tuple) []byte {
	return appendTupleSuffix(appendOwnerPrefix(dst, store, owner), t)
}

// appendChangelogKey: store, revision, sequence.
func appendChangelogKey(dst []byte, store string, r ostiary.Revision, sequence uint32) []byte {
	dst = appendStorePrefix(dst, tableChangelog, store)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r))
	return binary.BigEndian.AppendUint32(dst, sequence)
}

// appendDocumentKey: collection, key.
func appendDocumentKey(dst []byte, k ostiary.DocumentKey) []byte {
	return append(appendCollectionPrefix(dst, k.Collection), k.Key...)
}

// appendObjectPrefix begins the keys of every tuple of an object, or of a type when its id is empty.
func appendObjectPrefix(dst []byte, store string, o ostiary.ObjectRef) []byte {
	dst = appendPart(appendStorePrefix(dst, tableTuple, store), o.Type)
	if o.ID == "" {
		return dst
	}
	return appendPart(dst, o.ID)
}

// appendSubjectPrefix begins the reverse keys of every tuple of exactly one subject.
func appendSubjectPrefix(dst []byte, store string, s ostiary.SubjectRef) []byte {
	return append(appendSubject(appendStorePrefix(dst, tableReverse, store), s), separator)
}

// appendUsersetsPrefix begins the reverse keys of every tuple whose subject is a userset of one object.
func appendUsersetsPrefix(dst []byte, store string, o ostiary.ObjectRef) []byte {
	dst = append(appendStorePrefix(dst, tableReverse, store), kindUserset)
	return appendPart(appendPart(dst, o.Type), o.ID)
}

// appendOwnerPrefix begins the owner keys of one owner.
func appendOwnerPrefix(dst []byte, store, owner string) []byte {
	return appendPart(appendStorePrefix(dst, tableOwner, store), owner)
}

func appendCollectionPrefix(dst []byte, collection string) []byte {
	return appendPart(append(dst, tableDocument), collection)
}

// prefixEnd returns the smallest key above every key that begins with prefix. A prefix of ours ends
// with a separator or a kind, never with 0xff alone.
func prefixEnd(prefix []byte) []byte {
	end := slices.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// parts takes the strings of a key apart. Its methods report false at the first part that is missing
// or empty, which no key of ours holds.
type parts struct{ rest string }

func (p *parts) next() (string, bool) {
	i := strings.IndexByte(p.rest, separator)
	if i <= 0 {
		return "", false
	}
	part := p.rest[:i]
	p.rest = p.rest[i+1:]
	return part, true
}

// last returns what is left as the last string.
func (p *parts) last() (string, bool) {
	part := p.rest
	p.rest = ""
	return part, part != "" && strings.IndexByte(part, separator) < 0
}

// table consumes the table byte and the store or collection that follows it.
func (p *parts) table(table byte) (string, bool) {
	if p.rest == "" || p.rest[0] != table {
		return "", false
	}
	p.rest = p.rest[1:]
	return p.next()
}

// subject consumes a subject. more says that other parts follow it.
func (p *parts) subject(more bool) (s ostiary.SubjectRef, ok bool) {
	if p.rest == "" {
		return s, false
	}
	kind := p.rest[0]
	p.rest = p.rest[1:]
	field := func(final bool) (string, bool) {
		if final && !more {
			return p.last()
		}
		return p.next()
	}
	if s.Type, ok = field(kind == kindWildcard); !ok {
		return s, false
	}
	switch kind {
	case kindWildcard:
		s.ID = ostiary.Wildcard
		return s, true
	case kindObject:
		s.ID, ok = field(true)
		return s, ok && s.ID != ostiary.Wildcard // a wildcard has a kind of its own
	case kindUserset:
		if s.ID, ok = field(false); !ok {
			return s, false
		}
		s.Relation, ok = field(true)
		return s, ok
	}
	return s, false
}

func (p *parts) tuple() (t ostiary.Tuple, ok bool) {
	if t.Object.Type, ok = p.next(); !ok {
		return t, false
	}
	if t.Object.ID, ok = p.next(); !ok {
		return t, false
	}
	if t.Relation, ok = p.next(); !ok {
		return t, false
	}
	t.Subject, ok = p.subject(false)
	return t, ok
}

func decodeTupleKey(key []byte) (store string, t ostiary.Tuple, err error) {
	p := parts{string(key)}
	store, ok := p.table(tableTuple)
	if ok {
		t, ok = p.tuple()
	}
	return store, t, keyError("tuple", key, ok)
}

func decodeReverseKey(key []byte) (store string, t ostiary.Tuple, err error) {
	p := parts{string(key)}
	store, ok := p.table(tableReverse)
	if ok {
		t.Subject, ok = p.subject(true)
	}
	if ok {
		t.Object.Type, ok = p.next()
	}
	if ok {
		t.Relation, ok = p.next()
	}
	if ok {
		t.Object.ID, ok = p.last()
	}
	return store, t, keyError("reverse", key, ok)
}

func decodeOwnerKey(key []byte) (store, owner string, t ostiary.Tuple, err error) {
	p := parts{string(key)}
	store, ok := p.table(tableOwner)
	if ok {
		owner, ok = p.next()
	}
	if ok {
		t, ok = p.tuple()
	}
	return store, owner, t, keyError("owner", key, ok)
}

func decodeChangelogKey(key []byte) (store string, r ostiary.Revision, sequence uint32, err error) {
	p := parts{string(key)}
	store, ok := p.table(tableChangelog)
	if !ok || len(p.rest) != 12 {
		return store, 0, 0, keyError("changelog", key, false)
	}
	tail := key[len(key)-12:]
	return store, ostiary.Revision(binary.BigEndian.Uint64(tail)), binary.BigEndian.Uint32(tail[8:]), nil
}

func decodeDocumentKey(key []byte) (k ostiary.DocumentKey, err error) {
	p := parts{string(key)}
	collection, ok := p.table(tableDocument)
	k.Collection = collection
	if ok {
		k.Key, ok = p.last()
	}
	return k, keyError("document", key, ok)
}

// keyError returns nil when ok, and otherwise an error that is ostiary.ErrCorrupt.
func keyError(table string, key []byte, ok bool) error {
	if ok {
		return nil
	}
	return fmt.Errorf("decode %s key %.400x: %w", table, key, ostiary.ErrCorrupt)
}
