package storage

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
)

const (
	// minRangeDelete is how many rows of a covered range are worth a range tombstone. Fewer are
	// deleted one by one, for each range tombstone costs every later read of its memtable.
	minRangeDelete = 64
	// maxFilterExamined bounds the rows that one filter delete reads. A filter that is much wider
	// than what it matches is refused, so that no entry of the log holds up the node.
	maxFilterExamined = 8 * ostiary.MaxFilterRows
)

// filterDelete is the work of one filter of a mutation.
type filterDelete struct {
	*mutation
	scan    scan
	max     int
	matched int
	covered [][]byte // the first rows of a covered range, deleted at the end
	// The rows of tables that it does not read, where many of an object or of a subject may go; deleted
	// at the end too.
	goneTuples, goneReverses gone
	err                      error
}

// deleteFiltered deletes what the i-th filter matches. The batch was cut before this mutation, so
// the database shows the state before it, from which the effects of earlier filters are taken off.
func (m *mutation) deleteFiltered(i int) error {
	f := &m.Filters[i]
	if m.filtered.has(f.Filter) {
		return nil // nothing is left of what it matches
	}
	d := &filterDelete{mutation: m, scan: planScan(f.Filter), max: ostiary.MaxFilterRows}
	if f.Max != 0 && int(f.Max) < d.max {
		d.max = int(f.Max)
	}
	examined := 0
	err := scanTuples(context.Background(), m.applier.overlay.db, d.scan.all(), nil, func(t ostiary.StoredTuple) bool {
		if examined++; examined > maxFilterExamined {
			return false
		}
		return d.tuple(t)
	})
	switch {
	case err != nil:
		return err
	case d.err != nil:
		return d.err
	case examined > maxFilterExamined:
		return refuse(fmt.Errorf("filter delete %d reads more than %d tuples: narrow the filter: %w", i, maxFilterExamined, ostiary.ErrTooBroad))
	case d.matched > ostiary.MaxFilterRows:
		return refuse(fmt.Errorf("filter delete %d matches more than %d tuples, and at most %d may go: %w", i, ostiary.MaxFilterRows, d.max, ostiary.ErrTooBroad))
	case d.matched > d.max:
		return refuse(fmt.Errorf("filter delete %d matches %d tuples, and at most %d may go: %w", i, d.matched, d.max, ostiary.ErrTooBroad))
	}
	if err := d.deleteCovered(); err != nil {
		return err
	}
	if err := d.goneReverses.delete(m); err != nil {
		return err
	}
	if err := d.goneTuples.delete(m); err != nil {
		return err
	}
	m.filtered.add(f.Filter)
	return nil
}

// tuple deletes one tuple where it matches, and reports whether to go on.
func (d *filterDelete) tuple(t ostiary.StoredTuple) bool {
	f := &d.scan.filter
	before := tupleState{grants: t.Grants, created: t.Created, createdNanos: t.CreatedNanos}
	t.Grants = d.filtered.leaves(f.Store, t.Tuple, t.Grants)
	left, removed := withoutFiltered(f, t)
	if len(removed) == 0 {
		return true
	}
	if d.matched++; d.matched > d.max {
		return d.matched <= ostiary.MaxFilterRows // only to count
	}
	skip := noTables
	if d.scan.covered {
		skip = d.scan.reads()
		if len(d.covered) < d.applier.minRangeDelete {
			d.covered = append(d.covered, d.scan.key(t.Tuple))
		}
	}
	if len(left) == 0 {
		skip |= d.leave(t.Tuple, skip)
	}
	from, to := before, before
	from.grants, to.grants = t.Grants, left
	if d.err = d.writeTuple(f.Store, t.Tuple, before, from, to, skip); d.err != nil {
		return false
	}
	for _, g := range removed {
		if d.err = d.log(f.Store, ostiary.ChangeDelete, t.Tuple, g); d.err != nil {
			return false
		}
	}
	return true
}

// leave notes rows of a tuple that is deleted, to be deleted with others, and returns their tables. A
// filter by subject takes few tuples of an object, one by object few of a subject: they are not noted.
func (d *filterDelete) leave(t ostiary.Tuple, skip tables) tables {
	f, noted := &d.scan.filter, noTables
	if skip&inTuples == 0 && f.Subject == (ostiary.SubjectRef{}) {
		d.key = appendTupleKey(d.key[:0], f.Store, t)
		d.goneTuples.add(d.key)
		noted |= inTuples
	}
	if skip&inReverses == 0 && f.Object.ID == "" {
		d.key = appendReverseKey(d.key[:0], f.Store, t)
		d.goneReverses.add(d.key)
		noted |= inReverses
	}
	return noted
}

// deleteCovered deletes the rows of a table all of whose rows in the range matched.
func (d *filterDelete) deleteCovered() error {
	if !d.scan.covered {
		return nil
	}
	if d.matched >= d.applier.minRangeDelete {
		return d.batch.DeleteRange(d.scan.lower, d.scan.upper, nil)
	}
	for _, key := range d.covered {
		if err := d.batch.Delete(key, nil); err != nil {
			return err
		}
	}
	return nil
}
