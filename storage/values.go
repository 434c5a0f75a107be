package storage

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
)

// The first byte of every value: the version of its form in the low four bits, flags above.
const (
	valueVersion byte = 1
	valueMask    byte = 0x0f
	// valuePlain: a tuple has one grant, of owner "api", without condition, context or expiry.
	// Nearly all tuples are such, and spend 10 to 18 bytes on their value.
	valuePlain byte = 0x10
)

// Flags of a grant.
const (
	grantCondition byte = 1
	grantContext   byte = 2
	grantExpiry    byte = 4
	grantFlags          = grantCondition | grantContext | grantExpiry
)

func isPlain(grants []ostiary.Grant) bool {
	if len(grants) != 1 {
		return false
	}
	g := &grants[0]
	return g.Owner == ostiary.OwnerAPI && g.Condition == "" && len(g.Context) == 0 && g.ExpiryNanos == 0
}

// tupleState is what the tuple table says of one tuple. Without grants the tuple is absent. Its
// slices are never changed in place, so a copy of the struct is a copy of the state.
type tupleState struct {
	grants       []ostiary.Grant // sorted by owner, one per owner
	created      ostiary.Revision
	createdNanos int64
}

func (s tupleState) present() bool { return len(s.grants) > 0 }

// live reports whether a grant has not expired at a time.
func (s tupleState) live(nowNanos int64) bool {
	return slices.ContainsFunc(s.grants, func(g ostiary.Grant) bool { return g.Live(nowNanos) })
}

func (s tupleState) stored(t ostiary.Tuple) ostiary.StoredTuple {
	return ostiary.StoredTuple{Tuple: t, Grants: s.grants, Created: s.created, CreatedNanos: s.createdNanos}
}

// appendTupleValue appends the value of the tuple and reverse tables.
func appendTupleValue(dst []byte, s tupleState) []byte {
	plain := isPlain(s.grants)
	first := valueVersion
	if plain {
		first |= valuePlain
	}
	dst = append(dst, first)
	dst = binary.AppendUvarint(dst, uint64(s.created))
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.createdNanos))
	if plain {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(s.grants)))
	for _, g := range s.grants {
		dst = appendGrant(dst, g)
	}
	return dst
}

func appendGrant(dst []byte, g ostiary.Grant) []byte {
	dst = appendText(dst, g.Owner)
	var flags byte
	if g.Condition != "" {
		flags |= grantCondition
	}
	if len(g.Context) > 0 {
		flags |= grantContext
	}
	if g.ExpiryNanos != 0 {
		flags |= grantExpiry
	}
	dst = append(dst, flags)
	if g.Condition != "" {
		dst = appendText(dst, g.Condition)
	}
	if len(g.Context) > 0 {
		dst = append(binary.AppendUvarint(dst, uint64(len(g.Context))), g.Context...)
	}
	if g.ExpiryNanos != 0 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(g.ExpiryNanos))
	}
	return dst
}

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// plainGrants is what every plain value decodes to. Nobody changes a decoded slice in place.
var plainGrants = []ostiary.Grant{{Owner: ostiary.OwnerAPI}}

// decodeTupleValue is the inverse of appendTupleValue and takes nothing that appendTupleValue would
// not have written. The error is ostiary.ErrCorrupt and names key.
func decodeTupleValue(key, value []byte) (tupleState, error) {
	d := decoder{rest: value}
	first := d.byte()
	s := tupleState{created: ostiary.Revision(d.uvarint()), createdNanos: d.int64()}
	switch first {
	case valueVersion | valuePlain:
		s.grants = plainGrants
	case valueVersion:
		n := d.uvarint()
		if n == 0 || n > uint64(len(d.rest)) {
			d.bad = true
			break
		}
		s.grants = make([]ostiary.Grant, 0, n)
		for range n {
			g := d.grant()
			if last := len(s.grants) - 1; last >= 0 && s.grants[last].Owner >= g.Owner {
				d.bad = true
			}
			s.grants = append(s.grants, g)
		}
		if isPlain(s.grants) {
			d.bad = true
		}
	default:
		d.bad = true
	}
	return s, d.finish("tuple", key)
}

// valueIsPlain reports, without decoding further, that a value is a whole plain one: the tuple holds
// now, always and without condition.
func valueIsPlain(value []byte) bool {
	if len(value) < 10 || value[0] != valueVersion|valuePlain {
		return false
	}
	n := 1
	for n < len(value) && value[n] >= 0x80 {
		n++
	}
	return n+1+8 == len(value) && n < binary.MaxVarintLen64 && (n == 1 || value[n] != 0)
}

// change is a row of the changelog without its place in it.
type change struct {
	op        ostiary.ChangeOp
	tuple     ostiary.Tuple
	grant     ostiary.Grant
	timeNanos int64
	principal ostiary.Principal
}

// appendChangeValue appends the value of the changelog table.
func appendChangeValue(dst []byte, c *change) []byte {
	dst = append(dst, valueVersion, byte(c.op))
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.timeNanos))
	dst = appendText(dst, c.principal.Kind)
	dst = appendText(dst, c.principal.Name)
	dst = appendGrant(dst, c.grant)
	return appendTupleSuffix(dst, c.tuple)
}

func decodeChangeValue(key, value []byte) (change, error) {
	d := decoder{rest: value}
	if d.byte() != valueVersion {
		d.bad = true
	}
	c := change{op: ostiary.ChangeOp(d.byte()), timeNanos: d.int64()}
	if c.op != ostiary.ChangeWrite && c.op != ostiary.ChangeDelete {
		d.bad = true
	}
	c.principal.Kind, c.principal.Name = d.text(), d.text()
	c.grant = d.grant()
	p := parts{string(d.rest)}
	d.rest = nil
	tuple, ok := p.tuple()
	c.tuple = tuple
	d.bad = d.bad || !ok
	return c, d.finish("changelog", key)
}

// appendDocumentValue appends the value of the document table.
func appendDocumentValue(dst []byte, version ostiary.Revision, body []byte) []byte {
	dst = binary.AppendUvarint(append(dst, valueVersion), uint64(version))
	return append(dst, body...)
}

// decodeDocumentValue returns a body that lies in value.
func decodeDocumentValue(key, value []byte) (version ostiary.Revision, body []byte, err error) {
	d := decoder{rest: value}
	if d.byte() != valueVersion {
		d.bad = true
	}
	version = ostiary.Revision(d.uvarint())
	body, d.rest = d.rest, nil
	return version, body, d.finish("document", key)
}

// decoder reads a value from its front. After a fault it is bad and returns zeros.
type decoder struct {
	rest []byte
	bad  bool
}

func (d *decoder) take(n uint64) []byte {
	if d.bad || n > uint64(len(d.rest)) {
		d.bad = true
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) byte() byte {
	b := d.take(1)
	if b == nil {
		return 0
	}
	return b[0]
}

// uvarint refuses a number that is written longer than it need be, so that a value has one form.
func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if d.bad || n <= 0 || (n > 1 && d.rest[n-1] == 0) {
		d.bad = true
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *decoder) int64() int64 {
	b := d.take(8)
	if b == nil {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b))
}

func (d *decoder) text() string { return string(d.take(d.uvarint())) }

func (d *decoder) grant() ostiary.Grant {
	g := ostiary.Grant{Owner: d.text()}
	flags := d.byte()
	if g.Owner == "" || flags&^grantFlags != 0 {
		d.bad = true
	}
	if flags&grantCondition != 0 {
		g.Condition = d.text()
		d.bad = d.bad || g.Condition == ""
	}
	if flags&grantContext != 0 {
		g.Context = append([]byte(nil), d.take(d.uvarint())...)
		d.bad = d.bad || len(g.Context) == 0
	}
	if flags&grantExpiry != 0 {
		g.ExpiryNanos = d.int64()
		d.bad = d.bad || g.ExpiryNanos == 0
	}
	return g
}

// finish demands that nothing is left.
func (d *decoder) finish(table string, key []byte) error {
	if !d.bad && len(d.rest) == 0 {
		return nil
	}
	return fmt.Errorf("decode value of %s key %.400x: %w", table, key, ostiary.ErrCorrupt)
}
