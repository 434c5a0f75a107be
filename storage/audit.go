package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

// auditor writes the rows of the audit. The chain begins with the first mutation that needs release
// ostiary.ReleaseAudit, so that all nodes begin alike, and what came before is not in it.
type auditor struct {
	audit.Recorder
	head    audit.Head
	begun   bool
	entry   audit.Entry // scratch
	records bool        // the mutation that is applied will have a row
}

// load reads where the chain ends.
func (a *auditor) load(r pebble.Reader) (err error) {
	a.head, a.begun, err = auditHead(r, appendAuditEnd(nil))
	return err
}

func appendAuditEnd(dst []byte) []byte { return append(dst, audit.Table+1) }

// auditHead returns the last row below a key.
func auditHead(r pebble.Reader, upper []byte) (h audit.Head, found bool, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{audit.Table}, UpperBound: upper})
	if err != nil {
		return h, false, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	if !it.Last() {
		return h, false, readError(it.Error())
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return h, false, readError(err)
	}
	if h.Place, err = audit.PlaceOf(it.Key()); err != nil {
		return h, false, err
	}
	hash, ok := audit.HashOf(value)
	h.Hash = hash
	return h, ok, keyError("audit", it.Key(), ok)
}

// beginAudit is called before a mutation changes anything.
func (m *mutation) beginAudit() {
	a := &m.applier.audit
	if a.records = a.begun || m.MinVersion >= ostiary.ReleaseAudit; a.records {
		a.Begin()
	}
}

// auditTuple notes a change of a grant, whose row of the changelog is m.key and m.value.
func (m *mutation) auditTuple(op ostiary.ChangeOp, t *ostiary.Tuple, g *ostiary.Grant) {
	if a := &m.applier.audit; a.records {
		a.Tuple(op, t, g, m.key, m.value)
	}
}

// auditDocument notes a change of a document, whose row is m.key and, where it is put, m.value. Of what must be
// destroyed one day not even a digest stays.
func (m *mutation) auditDocument(c *ostiary.DocumentChange) {
	a := &m.applier.audit
	if !a.records {
		return
	}
	value := m.value
	if c.Delete || strings.HasPrefix(c.Key.Collection, ostiary.ShredPrefix) {
		value = nil
	}
	a.Document(&c.Key, c.Delete, m.key, value)
}

// writeAudit writes the row of the mutation, which is accepted, where it changed something.
func (m *mutation) writeAudit() error {
	a := &m.applier.audit
	if !a.records || !m.changed {
		return nil
	}
	head := a.head
	if !a.begun {
		key, value, hash := audit.First(m.revision)
		if err := m.batch.Set(key, value, nil); err != nil {
			return err
		}
		head = audit.Head{Place: audit.Place{Revision: m.revision, Kind: audit.Beginning}, Hash: hash}
	}
	a.entry = audit.Entry{
		Place: audit.Place{Revision: m.revision, Kind: audit.Change}, TimeNanos: m.stamp, Principal: m.Principal,
		RequestID: m.RequestID, Method: m.Method, Origin: m.Origin, Store: m.Store,
	}
	key, value, hash := a.Row(head.Hash, &a.entry)
	if err := m.batch.Set(key, value, nil); err != nil {
		return err
	}
	a.head, a.begun = audit.Head{Place: a.entry.Place, Hash: hash}, true
	return nil
}

// AuditRows yields the rows of the audit after a place, oldest first, or newest first and before it; the zero place
// stands for either end. The slices are valid until the next row. The sequence ends after it has yielded an error.
func (v *View) AuditRows(ctx context.Context, from audit.Place, newestFirst bool) iter.Seq2[audit.Row, error] {
	return func(yield func(audit.Row, error) bool) {
		more := true
		err := v.scanAudit(ctx, from, newestFirst, func(r audit.Row) bool {
			more = yield(r, nil)
			return more
		})
		if err != nil && more {
			yield(audit.Row{}, fmt.Errorf("read the audit from revision %d: %w", from.Revision, err))
		}
	}
}

func (v *View) scanAudit(ctx context.Context, from audit.Place, newestFirst bool, yield func(audit.Row) bool) (err error) {
	lower, upper := []byte{audit.Table}, audit.AppendKey(nil, audit.Place{Revision: v.Revision() + 1})
	if from != (audit.Place{}) {
		if newestFirst {
			upper = audit.AppendKey(nil, from)
		} else {
			lower = append(audit.AppendKey(nil, from), 0) // the smallest key above it
		}
	}
	if string(lower) >= string(upper) {
		return nil
	}
	it, err := v.shared.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	first, next := it.First, it.Next
	if newestFirst {
		first, next = it.Last, it.Prev
	}
	rows := 0
	for ok := first(); ok; ok = next() {
		if err := checkContext(ctx, rows); err != nil {
			return err
		}
		rows++
		value, err := it.ValueAndErr()
		if err != nil {
			return readError(err)
		}
		if !yield(audit.Row{Key: it.Key(), Value: value}) {
			return nil
		}
	}
	return readError(it.Error())
}

// AuditHead returns the newest row of the audit, and false where there is none.
func (v *View) AuditHead() (audit.Head, bool, error) {
	h, found, err := auditHead(v.shared.snap, audit.AppendKey(nil, audit.Place{Revision: v.Revision() + 1}))
	if err != nil {
		return h, false, fmt.Errorf("read the head of the audit: %w", err)
	}
	return h, found, nil
}

// AuditAt returns the row at a place, and false where there is none.
func (v *View) AuditAt(p audit.Place) (row audit.Row, found bool, err error) {
	key := audit.AppendKey(nil, p)
	value, closer, err := v.shared.snap.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return row, false, nil
	}
	if err != nil {
		return row, false, fmt.Errorf("read the row of the audit at revision %d: %w", p.Revision, readError(err))
	}
	row = audit.Row{Key: key, Value: append([]byte(nil), value...)}
	return row, true, closer.Close()
}

// verifyAudit checks that the rows of the audit form a chain.
func verifyAudit(ctx context.Context, r pebble.Reader) error {
	var chain audit.Chain
	err := eachRow(ctx, r, audit.Table, func(key, value []byte) error {
		_, err := chain.Add(key, value)
		return err
	})
	if err != nil {
		return err
	}
	return chain.End()
}
