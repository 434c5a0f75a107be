package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// Change is a change of what callers may do: who made it, and what was given or taken.
type Change struct {
	// ID says where it lies among others: changes lie in the order of their ids.
	ID        string
	Revision  ostiary.Revision
	TimeNanos int64
	By        ostiary.Principal
	RequestID string
	Kind      ChangeKind
	// Grant is what was given or taken. SinceNanos is zero.
	Grant Grant
}

// ChangeKind says what happened to a grant.
type ChangeKind string

// The kinds of changes.
const (
	Granted ChangeKind = "grant"
	Revoked ChangeKind = "revoke"
	// Claimed: a bootstrap credential made the first administrator.
	Claimed ChangeKind = "claim"
)

// actionPrefix begins the actions of the rows of the audit that package access writes.
const actionPrefix = "access."

const (
	// rowsPerRead is how many rows of the audit Log reads at a time.
	rowsPerRead = 500
	// maxRowsRead bounds how many it reads for one page.
	maxRowsRead = 100_000
)

// Log returns up to limit changes that a query selects, newest first, from before a change on; with an empty
// before, from the newest on. It looks at maxRowsRead rows of the audit at most. The error is ostiary.ErrTooBroad
// where fewer than limit changes are among those, and there are more rows.
func (s *Service) Log(ctx context.Context, q Query, before string, limit int) (all []Change, err error) {
	for range maxRowsRead / rowsPerRead {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		rows, err := s.changer.SystemLog(ctx, before, rowsPerRead)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			c, ok, err := changeOf(row)
			if err != nil {
				return nil, err
			}
			if !ok || q.Principal != nil && c.Grant.Principal != *q.Principal || q.Target != nil && c.Grant.Target != *q.Target {
				continue
			}
			if all = append(all, c); len(all) == limit {
				return all, nil
			}
		}
		if len(rows) < rowsPerRead {
			return all, nil
		}
		before = rows[len(rows)-1].ID
	}
	return nil, fmt.Errorf("fewer than %d of the newest %d changes are of that kind: %w", limit, maxRowsRead, ostiary.ErrTooBroad)
}

// changeOf reads a row of the audit, and returns false for one of another change of the system store, such as that
// a bootstrap credential was offered.
func changeOf(row identity.AuditRow) (Change, bool, error) {
	kind := ChangeKind(strings.TrimPrefix(row.Action, actionPrefix))
	if kind != Granted && kind != Revoked && kind != Claimed {
		return Change{}, false, nil
	}
	t, err := ostiary.ParseTuple(row.Resource)
	if err != nil {
		return Change{}, false, fmt.Errorf("read the row %s of the audit: %v: %w", row.ID, err, ostiary.ErrCorrupt)
	}
	return Change{ID: row.ID, Revision: row.Revision, TimeNanos: row.TimeNanos, By: row.Principal, RequestID: row.RequestID,
		Kind: kind, Grant: Grant{Principal: principalOf(t.Subject), Role: Role(t.Relation), Target: targetOf(t.Object)}}, true, nil
}
