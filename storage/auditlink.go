package storage

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

// linkAudit drops the rows of the audit that came after the revision that is restored, and those that were deleted
// before an increment was made, and ends with a row that says that a new cluster goes on from here. Where the backups
// are older than the audit there is nothing to go on from.
func (b *Builder) linkAudit(ctx context.Context, built *Built, newest ostiary.Revision) error {
	var last audit.Head
	e := audit.Entry{
		Place: audit.Place{Revision: built.Revision, Kind: audit.Restored}, From: built.From, To: built.Cluster, Newest: newest,
	}
	rows := 0
	err := b.eachRow(ctx, audit.Table, func(key, value []byte) error {
		row, err := audit.Decode(key, value)
		switch {
		case err != nil:
			return err
		case row.Revision > built.Revision:
			e.Dropped = row.Hash
			return b.delete(key)
		case row.Kind == audit.Beginning && rows > 0:
			if err := b.batch.DeleteRange([]byte{audit.Table}, key, nil); err != nil {
				return err
			}
		}
		if row.Trimmed {
			e.Begins, e.BeganWith = row.Revision, row.Hash
		}
		last = audit.Head{Place: row.Place, Hash: row.Hash}
		rows++
		return nil
	})
	if err != nil {
		return fmt.Errorf("end the audit at revision %d: %w", built.Revision, err)
	}
	if rows == 0 {
		return nil
	}
	key, value, _ := audit.RestoredRow(last.Hash, &e)
	return b.put(key, value)
}
