package audit

import (
	"crypto/sha256"
	"fmt"
	"hash"

	"github.com/ostiary/ostiary"
)

// BreakError says where a chain is broken: at the first row that does not follow from the row before it. It is
// ostiary.ErrCorrupt.
type BreakError struct {
	Place         // of the row
	Before Place  // the last row that was in order; zero where there is none
	Reason string // what is wrong with it
}

// Error says where the chain is broken, and why.
func (b *BreakError) Error() string {
	if b.Before == (Place{}) {
		return fmt.Sprintf("the audit is broken at its first row, of revision %d (%s): %s", b.Revision, b.Kind, b.Reason)
	}
	return fmt.Sprintf("the audit is broken at the row of revision %d (%s), after that of revision %d: %s", b.Revision, b.Kind, b.Before.Revision, b.Reason)
}

// Is makes a break ostiary.ErrCorrupt.
func (b *BreakError) Is(target error) bool { return target == ostiary.ErrCorrupt }

// Chain verifies rows one after another. The zero value begins with the first row that is kept.
type Chain struct {
	head  Head
	rows  uint64
	begun bool
	sum   hash.Hash
	// unconfirmed is the beginning of a chain whose rows before it were deleted, until a row says so.
	unconfirmed *Head
}

// After returns a chain that goes on after a head that was verified before.
func After(h Head) *Chain { return &Chain{head: h, begun: true} }

// Head returns the last row that was verified, and false where there is none.
func (c *Chain) Head() (Head, bool) { return c.head, c.begun }

// Rows returns how many rows were verified.
func (c *Chain) Rows() uint64 { return c.rows }

// Add verifies the next row. The error is a *BreakError, or nil.
func (c *Chain) Add(key, value []byte) (Entry, error) {
	place, err := PlaceOf(key)
	if err != nil {
		return Entry{}, c.broken(Place{}, "its key cannot be read")
	}
	e, err := Decode(key, value)
	switch {
	case err != nil:
		return e, c.broken(place, "it cannot be read")
	case !c.begun && place.Kind != Beginning:
		return e, c.broken(place, "what is kept does not begin with it: rows before it are gone")
	case c.begun && place.Kind == Beginning:
		return e, c.broken(place, "a beginning lies behind other rows")
	case c.begun && !c.head.less(place):
		return e, c.broken(place, "it lies before the row before it")
	case e.Trimmed:
		if len(value) != 2+len(Hash{}) {
			return e, c.broken(place, "it cannot be read")
		}
		c.unconfirmed = &Head{place, e.Hash}
	default:
		if want := c.hash(key, value); want != e.Hash {
			return e, c.broken(place, "its hash does not follow from it and the row before it: one of them was altered, or rows between them are gone")
		}
	}
	c.confirm(&e)
	c.head, c.begun = Head{place, e.Hash}, true
	c.rows++
	return e, nil
}

func (p Place) less(q Place) bool {
	return p.Revision < q.Revision || p.Revision == q.Revision && p.Kind < q.Kind
}

func (c *Chain) hash(key, value []byte) (h Hash) {
	if c.sum == nil {
		c.sum = sha256.New()
	}
	c.sum.Reset()
	c.sum.Write(c.head.Hash[:]) // zero before the first
	c.sum.Write(key)
	c.sum.Write(value[:len(value)-len(h)])
	c.sum.Sum(h[:0])
	return h
}

// confirm takes what a row says of the beginning.
func (c *Chain) confirm(e *Entry) {
	if c.unconfirmed == nil {
		return
	}
	if e.Kind == Restored && e.Begins == c.unconfirmed.Revision && e.BeganWith == c.unconfirmed.Hash {
		c.unconfirmed = nil
		return
	}
	for _, i := range e.Items {
		if i.Kind != RowsDeleted {
			continue
		}
		if last, err := ParseHead(i.Name); err == nil && last.Revision == c.unconfirmed.Revision && last.Hash == c.unconfirmed.Hash {
			c.unconfirmed = nil
			return
		}
	}
}

// End says whether the rows that were added are a whole chain: one that begins after rows that were deleted holds a
// row that says so. The error is a *BreakError.
func (c *Chain) End() error {
	if c.unconfirmed != nil {
		return &BreakError{Place: c.unconfirmed.Place, Reason: "rows before it are gone, and no row says that they were deleted as the retention has it"}
	}
	return nil
}

func (c *Chain) broken(p Place, reason string) error {
	return &BreakError{Place: p, Before: c.head.Place, Reason: reason}
}
