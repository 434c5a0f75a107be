package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

// auditTrimKey is the document whose change deletes the oldest rows of the audit. Its body is a version and the
// revision below which they are deleted.
var auditTrimKey = ostiary.DocumentKey{Collection: "history", Key: "audit"}

const auditTrimVersion = 1

// AuditTrim returns a change that deletes the rows of the audit below a revision. What is left begins with the hash of
// the last of them, and the row of the change names it, so that it stays verifiable. It stands alone in a mutation.
func AuditTrim(below ostiary.Revision) ostiary.DocumentChange {
	return ostiary.DocumentChange{Key: auditTrimKey, Body: binary.BigEndian.AppendUint64([]byte{auditTrimVersion}, uint64(below))}
}

func auditTrimOf(m *ostiary.Mutation) (*ostiary.DocumentChange, bool) {
	for i := range m.Documents {
		if m.Documents[i].Key == auditTrimKey {
			return &m.Documents[i], true
		}
	}
	return nil, false
}

func decodeAuditTrim(body []byte) (below ostiary.Revision, ok bool) {
	if len(body) != 9 || body[0] != auditTrimVersion {
		return 0, false
	}
	return ostiary.Revision(binary.BigEndian.Uint64(body[1:])), true
}

// validateAuditTrim refuses a trim that is not whole, reaches its own revision, or has company: it reads what the
// same mutation could change.
func (m *mutation) validateAuditTrim() error {
	d, ok := auditTrimOf(m.Mutation)
	if !ok {
		return nil
	}
	below, whole := decodeAuditTrim(d.Body)
	switch {
	case !whole || d.Delete:
		return fmt.Errorf("document %q does not say what of the audit is deleted: %w", d.Key, errInvalid)
	case m.MinVersion < ostiary.ReleaseAudit:
		return fmt.Errorf("document %q needs a minimum version of %d, not %d: %w", d.Key, ostiary.ReleaseAudit, m.MinVersion, errInvalid)
	case below > m.revision:
		return fmt.Errorf("the audit is deleted below revision %d, which is above that of the deletion, %d: %w", below, m.revision, errInvalid)
	case len(m.Filters)+len(m.Tuples) > 0 || len(m.Documents) > 1:
		return fmt.Errorf("a deletion from the audit shares its mutation with other changes: %w", errInvalid)
	}
	return nil
}

// trimAudit deletes rows of the audit, where the mutation says so. The batch was cut before it, so the database shows
// the state before the mutation.
func (m *mutation) trimAudit() error {
	d, ok := auditTrimOf(m.Mutation)
	if !ok {
		return nil
	}
	below, _ := decodeAuditTrim(d.Body)
	upper := audit.AppendKey(nil, audit.Place{Revision: below})
	last, found, err := auditHead(m.applier.overlay.db, upper)
	if err != nil || !found || last.Kind == audit.Beginning {
		return err
	}
	m.applier.audit.Deleted(last)
	if err := m.batch.DeleteRange([]byte{audit.Table}, upper, nil); err != nil {
		return err
	}
	key, value := audit.Trimmed(last)
	return m.batch.Set(key, value, nil)
}

// AuditTrimmable returns the revision below which rows of the audit are from before a time, in nanoseconds since 1970
// UTC, and false where there are none that AuditTrim would delete. Most calls read three rows.
func (v *View) AuditTrimmable(before int64) (below ostiary.Revision, more bool, err error) {
	below, more, err = auditTrimmable(v.shared.snap, before)
	if err != nil {
		return 0, false, fmt.Errorf("look for old rows of the audit: %w", err)
	}
	return below, more, nil
}

// maxTrimmedRows bounds the rows that are looked at for one trim.
const maxTrimmedRows = 100_000

func auditTrimmable(r pebble.Reader, before int64) (below ostiary.Revision, more bool, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{audit.Table}, UpperBound: appendAuditEnd(nil)})
	if err != nil {
		return 0, false, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	rows := 0
	for ok := it.First(); ok && rows < maxTrimmedRows; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return 0, false, readError(err)
		}
		e, err := audit.Decode(it.Key(), value)
		if err != nil {
			return 0, false, err
		}
		if e.Kind == audit.Change {
			if e.TimeNanos >= before {
				break
			}
			rows++
		}
		below = e.Revision + 1
	}
	return below, rows > 0, readError(it.Error())
}
