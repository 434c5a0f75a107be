package storage

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// mutation is one mutation while it is applied. Its rows go to a batch of its own, which joins the
// batch of the entries when the mutation is accepted and is dropped when it is refused.
type mutation struct {
	*ostiary.Mutation
	applier  *applier
	revision ostiary.Revision
	stamp    int64
	batch    *pebble.Batch
	spilled  bool   // some rows that waited are in the batch
	sequence uint32 // of the next row of the changelog
	changed  bool
	filtered filterSet           // its filters that have taken effect
	key      []byte              // scratch
	repeats  *ostiary.Remembered // what came with the same idempotency key before
	kept     []byte              // scratch for keys of the history
	value    []byte              // scratch
}

// apply returns nil when the mutation is accepted, a *refusal, or a failure of the database.
func (m *mutation) apply() error {
	o := &m.applier.overlay
	o.begin()
	m.applier.counts.begin()
	o.absence.begin(m.revision)
	if err := m.validate(); err != nil {
		return refuse(err)
	}
	if err := m.recall(); err != nil || m.repeats != nil {
		return err
	}
	for i := range m.Preconditions {
		if err := m.judge(i); err != nil {
			return err
		}
	}
	m.beginAudit()
	for i := range m.Filters {
		if err := m.deleteFiltered(i); err != nil {
			return err
		}
	}
	for i := range m.Tuples {
		if err := m.changeTuple(&m.Tuples[i]); err != nil {
			return err
		}
	}
	if err := m.writeTuples(); err != nil {
		return err
	}
	if err := m.judgeQuotas(); err != nil {
		return err
	}
	if err := m.changeDocuments(); err != nil {
		return err
	}
	if err := m.stageQuotas(); err != nil {
		return err
	}
	if err := m.collect(); err != nil {
		return err
	}
	if err := m.trimAudit(); err != nil {
		return err
	}
	if err := m.stampRevision(); err != nil {
		return err
	}
	if err := m.remember(); err != nil {
		return err
	}
	if err := m.writeWaiting(); err != nil {
		return err
	}
	if err := m.writeAudit(); err != nil {
		return err
	}
	if err := m.join(); err != nil {
		return err
	}
	o.accept()
	m.applier.counts.accept()
	return nil
}

// join adds the mutation's rows to those of the entries before it.
func (m *mutation) join() error {
	if a := m.applier; a.batch.Empty() {
		a.batch, m.batch = m.batch, a.batch // saves the copy of a large filter delete
		return nil
	}
	return m.applier.batch.Apply(m.batch, nil)
}

// changeTuple stages one tuple change and writes its rows of the changelog.
func (m *mutation) changeTuple(c *ostiary.TupleChange) error {
	cell, err := m.applier.overlay.stage(c.Store, c.Tuple, &m.filtered, m.seenAbsent(c))
	if err != nil {
		return err
	}
	place := grantOf(cell.staged.grants, c.Grant.Owner)
	switch c.Op {
	case ostiary.TupleCreate:
		if place >= 0 && cell.staged.grants[place].Live(m.stamp) {
			return m.createAgain(c, cell.staged.grants[place])
		}
		return m.grant(cell, c)
	case ostiary.TupleTouch:
		if place >= 0 && sameGrant(cell.staged.grants[place], c.Grant) {
			return nil
		}
		return m.grant(cell, c)
	case ostiary.TupleDelete:
		return m.delete(cell, c, place)
	case ostiary.TupleRelease:
		if place < 0 {
			return nil
		}
		return m.revoke(cell, place)
	}
	return refuse(fmt.Errorf("tuple change of %q: its operation %d is unknown: %w", c.Tuple, c.Op, errInvalid))
}

// seenAbsent returns the revision at which the proposer saw that the tuple of c was absent, or zero.
func (m *mutation) seenAbsent(c *ostiary.TupleChange) ostiary.Revision {
	if m.Observed >= m.revision || c.Op != ostiary.TupleCreate && c.Op != ostiary.TupleTouch {
		return 0
	}
	return m.Observed
}

// createAgain judges the creation of a grant that is there.
func (m *mutation) createAgain(c *ostiary.TupleChange, old ostiary.Grant) error {
	switch {
	case !sameGrant(old, c.Grant):
		return refuse(&ostiary.TupleError{
			Tuple: c.Tuple, Part: "tuple", Err: ostiary.ErrConflict,
			Reason: "exists with another condition, context or expiry",
		})
	case c.IfExists:
		return nil
	}
	return refuse(&ostiary.TupleError{Tuple: c.Tuple, Part: "tuple", Err: ostiary.ErrTupleExists})
}

func sameGrant(a, b ostiary.Grant) bool {
	return a.Owner == b.Owner && a.Condition == b.Condition && a.ExpiryNanos == b.ExpiryNanos &&
		bytes.Equal(a.Context, b.Context)
}

// grant adds or replaces the grant of c. A tuple of which no grant lives is created anew.
func (m *mutation) grant(cell *tupleCell, c *ostiary.TupleChange) error {
	if !cell.staged.live(m.stamp) {
		cell.staged.created, cell.staged.createdNanos = m.revision, m.stamp
	}
	cell.staged.grants = withGrant(cell.staged.grants, c.Grant)
	return m.log(cell.store, ostiary.ChangeWrite, cell.tuple, c.Grant)
}

// delete judges a deletion by an owner whose grant is at place, or not there.
func (m *mutation) delete(cell *tupleCell, c *ostiary.TupleChange, place int) error {
	var others []string
	own := false
	for i, g := range cell.staged.grants {
		switch {
		case !g.Live(m.stamp):
		case i == place:
			own = true
		default:
			others = append(others, g.Owner)
		}
	}
	switch {
	case len(others) > 0:
		return refuse(&ostiary.TupleError{
			Tuple: c.Tuple, Part: "tuple", Err: ostiary.ErrTupleOwned,
			Reason: "is also granted by owner " + strings.Join(others, ", ") + ", which must release it first",
		})
	case own:
		return m.revoke(cell, place)
	case c.IfMissing:
		return nil
	}
	return refuse(&ostiary.TupleError{Tuple: c.Tuple, Part: "tuple", Err: ostiary.ErrTupleMissing})
}

// revoke removes the grant at place.
func (m *mutation) revoke(cell *tupleCell, place int) error {
	g := cell.staged.grants[place]
	cell.staged.grants = withoutGrant(cell.staged.grants, place)
	return m.log(cell.store, ostiary.ChangeDelete, cell.tuple, g)
}

// log writes a row of the changelog.
func (m *mutation) log(store string, op ostiary.ChangeOp, t ostiary.Tuple, g ostiary.Grant) error {
	m.changed = true
	m.key = appendChangelogKey(m.key[:0], store, m.revision, m.sequence)
	m.value = appendChangeValue(m.value[:0], &change{op: op, tuple: t, grant: g, timeNanos: m.stamp, principal: m.Principal})
	m.sequence++
	m.auditTuple(op, &t, &g)
	return m.setLater(m.key, m.value)
}

// writeTuples writes the rows of every tuple that the mutation has staged: those of the tuple table in the
// order of their keys, then those of the reverse table in the order of theirs. Neighbours cost Pebble's
// memtable less than strangers: a tenth of the whole (go test ./storage -bench Apply/tuples=100).
func (m *mutation) writeTuples() error {
	cells := m.applier.overlay.touched
	slices.SortFunc(cells, func(a, b *tupleCell) int { return strings.Compare(a.key, b.key) })
	for _, c := range cells {
		if err := m.writeTuple(c.store, c.tuple, c.before, c.accepted, c.staged, inReverses); err != nil {
			return err
		}
	}
	reverses := m.applier.overlay.reverses[:0]
	memory := m.applier.overlay.memory[:0]
	for _, c := range cells {
		if !sameState(c.accepted, c.staged) {
			from := len(memory)
			memory = appendReverseKey(memory, c.store, c.tuple)
			reverses = append(reverses, reverseCell{memory[from:], c})
		}
	}
	m.applier.overlay.reverses, m.applier.overlay.memory = reverses, memory
	slices.SortFunc(reverses, func(a, b reverseCell) int { return bytes.Compare(a.key, b.key) })
	for _, r := range reverses {
		m.value = m.value[:0]
		if r.cell.staged.present() {
			m.value = appendTupleValue(m.value, r.cell.staged)
		}
		if err := m.set(r.key); err != nil {
			return err
		}
	}
	return nil
}

// sameState reports whether two states of a tuple have the same rows.
func sameState(a, b tupleState) bool {
	return a.created == b.created && slices.EqualFunc(a.grants, b.grants, sameGrant) || !a.present() && !b.present()
}

// tables is a set of those tables that hold a row for a tuple or its grants.
type tables uint8

const (
	noTables   tables = 0
	inTuples   tables = 1
	inReverses tables = 2
	inOwners   tables = 4
)

// writeTuple writes the rows that take a tuple from one state to another, except those of the tables
// skip, which the caller sees to, and keeps what was there before the mutation.
func (m *mutation) writeTuple(store string, t ostiary.Tuple, before, from, to tupleState, skip tables) error {
	if sameState(from, to) {
		return nil
	}
	m.applier.raise(store, t, m.revision)
	m.count(store, from, to)
	if err := m.keep(store, t, before); err != nil {
		return err
	}
	m.value = m.value[:0]
	if to.present() {
		m.value = appendTupleValue(m.value, to)
	}
	if skip&inTuples == 0 {
		if err := m.put(appendTupleKey(m.key[:0], store, t)); err != nil {
			return err
		}
		if to.present() {
			m.applier.overlay.absence.written(m.key, m.revision)
		}
	}
	if skip&inReverses == 0 {
		if err := m.put(appendReverseKey(m.key[:0], store, t)); err != nil {
			return err
		}
	}
	if skip&inOwners != 0 {
		return nil
	}
	return m.writeOwners(store, t, from.grants, to.grants)
}

// put is set of a key that was appended to m.key.
func (m *mutation) put(key []byte) error {
	m.key = key
	return m.set(key)
}

// set sets key to m.value, or deletes it when that is empty.
func (m *mutation) set(key []byte) error {
	if len(m.value) == 0 {
		return m.batch.Delete(key, nil)
	}
	return m.batch.Set(key, m.value, nil)
}

// hasOwnerRow reports whether a grant of an owner has a row in the owner table. One of Write has none:
// nearly every tuple has such a grant, so the table would hold every tuple a third time, at a third of
// what it costs to apply one (go test ./storage -bench Apply).
func hasOwnerRow(owner string) bool { return owner != ostiary.OwnerAPI }

func (m *mutation) writeOwners(store string, t ostiary.Tuple, from, to []ostiary.Grant) error {
	for _, g := range from {
		if !hasOwnerRow(g.Owner) || grantOf(to, g.Owner) >= 0 {
			continue
		}
		m.key = appendOwnerKey(m.key[:0], store, g.Owner, t)
		if err := m.batch.Delete(m.key, nil); err != nil {
			return err
		}
	}
	for _, g := range to {
		if !hasOwnerRow(g.Owner) || grantOf(from, g.Owner) >= 0 {
			continue
		}
		m.key = appendOwnerKey(m.key[:0], store, g.Owner, t)
		if err := m.batch.Set(m.key, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// changeDocuments changes the documents in the order of their keys, and each in that of its changes: a look next
// to the one before costs less, and rows in order cost Pebble less.
func (m *mutation) changeDocuments() error {
	order := make([]int, len(m.Documents))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		a, b := &m.Documents[i].Key, &m.Documents[j].Key
		if c := strings.Compare(a.Collection, b.Collection); c != 0 {
			return c
		}
		return cmp.Or(strings.Compare(a.Key, b.Key), i-j)
	})
	for _, i := range order {
		if err := m.changeDocument(&m.Documents[i]); err != nil {
			return err
		}
	}
	return nil
}

func (m *mutation) changeDocument(c *ostiary.DocumentChange) error {
	// Most documents that are written and are not known yet are new, most that are deleted are not.
	cell, err := m.applier.overlay.stageDocument(c.Key, c.Delete)
	if err != nil {
		return err
	}
	if c.Delete && !cell.staged.exists {
		return nil
	}
	err = m.keepDocument(c.Key, cell)
	if !cell.accepted.inBatch {
		cell.accepted.body = nil
	}
	if err != nil {
		return err
	}
	m.key = appendDocumentKey(m.key[:0], c.Key)
	if c.Delete {
		m.changed = true
		cell.staged = documentState{}
		m.auditDocument(c)
		return m.deleteLater(m.key)
	}
	m.changed = true
	cell.staged = documentState{exists: true, version: m.revision, inBatch: true, body: c.Body}
	m.value = appendDocumentValue(m.value[:0], m.revision, c.Body)
	m.auditDocument(c)
	return m.setLater(m.key, m.value)
}
