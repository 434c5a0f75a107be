package identity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/oklog/ulid/v2"

	"github.com/ostiary/ostiary"
)

// LogEntry is one request of a connection, or a change of the connection by an operator, without values.
type LogEntry struct {
	AuditRow        // Revision is zero where nothing was changed
	Status   int    // of the answer, where nothing was changed
	Reason   string // SCIM's scimType, or another word; may be empty
	// Changes are what became of tuples at Revision. Where the changelog is not kept that long, Forgotten.
	Changes   []ostiary.Change
	Forgotten bool
	More      int // changes beyond MaxLogChanges
}

// Bounds of a log.
const (
	// MaxLogEntries bounds what one call of ConnectionLog returns.
	MaxLogEntries = 1_000
	// MaxLogChanges bounds the changes of tuples of one entry.
	MaxLogChanges = 1_000
	// maxRowsPassed bounds the audit rows of a store that one call of ConnectionLog reads.
	maxRowsPassed = 100_000
	// remembered is how many requests of a connection that changed nothing this node remembers, and as many
	// that were refused.
	remembered = 100
	// maxRemembered bounds the connections of which it remembers any.
	maxRemembered = 1_000
)

// requestLog remembers requests that left no audit row.
type requestLog struct {
	mu          sync.Mutex
	connections map[string]*[2]ring
}

// ring holds the newest entries.
type ring struct {
	entries []LogEntry
	next    int // the place of the oldest, once it is full
}

func (r *ring) add(e LogEntry) {
	if len(r.entries) < remembered {
		r.entries = append(r.entries, e)
		return
	}
	r.entries[r.next] = e
	r.next = (r.next + 1) % remembered
}

func (l *requestLog) add(connection string, e LogEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rings := l.connections[connection]
	if rings == nil {
		if len(l.connections) >= maxRemembered || l.connections == nil {
			l.connections = map[string]*[2]ring{}
		}
		rings = &[2]ring{}
		l.connections[connection] = rings
	}
	if e.Status < 400 {
		rings[0].add(e)
	} else {
		rings[1].add(e) // apart, so that reads do not push out what somebody looks for
	}
}

func (l *requestLog) of(connection string) (all []LogEntry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rings := l.connections[connection]; rings != nil {
		all = slices.Concat(rings[0].entries, rings[1].entries)
	}
	return all
}

// Note remembers a request of a connection that has changed nothing, on this node. A connection that does not
// exist has no log.
func (s *Service) Note(ctx context.Context, connection string, r *Request, status int, reason string) error {
	e := LogEntry{Status: status, Reason: reason, AuditRow: AuditRow{
		TimeNanos: s.backend.Now(), RequestID: r.ID, Connection: connection, Method: r.Method, Path: r.Path, Attributes: r.Attributes,
	}}
	e.Principal, _ = ostiary.PrincipalOf(ctx)
	err := s.read(ctx, func(v View) error {
		c, _, err := readConnection(v, connection)
		e.Organization = c.Organization
		return err
	})
	if errors.Is(err, ostiary.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	id, err := newULID(e.TimeNanos)
	if err != nil {
		return fmt.Errorf("make the id of a request: %w", err)
	}
	e.ID = id.String()
	s.requests.add(connection, e)
	return nil
}

// LogQuery asks for entries of a log: the first ones after an id, or where After is empty the newest.
type LogQuery struct {
	After string
	Limit int // 1 to MaxLogEntries
}

// ConnectionLog returns what a connection has asked for, by time: each change, on whatever node, with what
// became of tuples; and of what changed nothing or was refused the newest requests of this node. Of stores
// with very many changes of other connections it passes over so many and returns fewer.
func (s *Service) ConnectionLog(ctx context.Context, store, connection string, q LogQuery) (all []LogEntry, err error) {
	if q.Limit < 1 || q.Limit > MaxLogEntries {
		return nil, invalid("%d entries are not between 1 and %d", q.Limit, MaxLogEntries)
	}
	if q.After != "" {
		if _, err := ulid.ParseStrict(q.After); err != nil || strings.ToUpper(q.After) != q.After {
			return nil, invalid("%.100q is not the id of an entry", q.After)
		}
	}
	err = s.read(ctx, func(v View) error {
		if _, err := connectionOf(v, store, connection); err != nil {
			return err
		}
		if all, err = changesLogged(ctx, v, store, connection, q); err != nil {
			return err
		}
		for _, e := range s.requests.of(connection) {
			if e.ID > q.After {
				all = append(all, e)
			}
		}
		slices.SortFunc(all, func(a, b LogEntry) int { return strings.Compare(a.ID, b.ID) })
		switch {
		case len(all) <= q.Limit:
		case q.After == "":
			all = all[len(all)-q.Limit:]
		default:
			all = all[:q.Limit]
		}
		for i := range all {
			if err := all[i].readChanges(ctx, v, store); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// changesLogged returns the audit rows of a connection that a query may ask for.
func changesLogged(ctx context.Context, v View, store, connection string, q LogQuery) (all []LogEntry, err error) {
	after, newest := q.After, q.After == ""
	for range maxRowsPassed / documentsPerRead {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		docs, err := v.Documents(auditOf(store), after, documentsPerRead, newest)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			row, err := decodeAudit(d)
			if err != nil {
				return nil, err
			}
			if row.Connection != connection {
				continue
			}
			if all = append(all, LogEntry{AuditRow: row}); len(all) == q.Limit {
				return all, nil
			}
		}
		if len(docs) < documentsPerRead {
			break
		}
		after = docs[len(docs)-1].Key.Key
	}
	return all, nil
}

// readChanges reads what an entry's revision has changed of tuples.
func (e *LogEntry) readChanges(ctx context.Context, v View, store string) error {
	if e.Revision == 0 {
		return nil
	}
	for c, err := range v.Changes(ctx, store, e.Revision-1, math.MaxUint32) {
		if errors.Is(err, ostiary.ErrRevisionGone) {
			e.Forgotten = true
			return nil
		}
		if err != nil {
			return err
		}
		if c.Revision != e.Revision {
			return nil
		}
		if len(e.Changes) == MaxLogChanges {
			e.More++
			continue
		}
		e.Changes = append(e.Changes, c)
	}
	return nil
}
