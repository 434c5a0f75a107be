package identity

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/ostiary/ostiary"
)

// AuditRow says who changed what. It is a document of the same mutation, so that there is one for each change
// that took effect and for no other; what became of tuples is in the changelog, at Revision. It holds ids and
// the names of attributes, and no values.
type AuditRow struct {
	ID           string // a ULID: rows lie in the order of their time, which is about that of their revisions
	Revision     ostiary.Revision
	TimeNanos    int64
	Principal    ostiary.Principal
	RequestID    string
	Action       string // "user.create", …
	Organization string
	Connection   string
	Resource     string   // the id of what was changed
	Method       string   // of a SCIM request
	Path         string   // of a SCIM request, below the connection
	Attributes   []string // that the request names
}

type auditBody struct {
	form
	TimeNanos     int64    `json:"time"`
	PrincipalKind string   `json:"principal_kind"`
	PrincipalName string   `json:"principal_name,omitempty"`
	RequestID     string   `json:"request,omitempty"`
	Action        string   `json:"action"`
	Organization  string   `json:"organization,omitempty"`
	Connection    string   `json:"connection,omitempty"`
	Resource      string   `json:"resource,omitempty"`
	Method        string   `json:"method,omitempty"`
	Path          string   `json:"path,omitempty"`
	Attributes    []string `json:"attributes,omitempty"`
}

func auditOf(store string) string { return "audit/" + store }

// audit says what a change is about. The function that builds the mutation may complete it.
type audit struct {
	store, organization, connection, resource, action string
}

type auditKey struct{}

// about returns a context whose changes are audited as a says.
func about(ctx context.Context, a *audit) context.Context {
	return context.WithValue(ctx, auditKey{}, a)
}

// auditor keeps the audit rows of stores within their bounds, by what each change pays.
type auditor struct {
	retention time.Duration
	rows      int

	mu     sync.Mutex
	stores map[string]*auditCount
}

// auditCount is what this node knows of the audit rows of a store.
type auditCount struct {
	rows   int // counted, and those written here since
	writes int // here, since rows were counted
}

const (
	defaultAuditRetention = 90 * 24 * time.Hour
	defaultAuditRows      = 1_000_000
	// changesPerCollection is how many changes pass until one of them takes old rows along, and
	// rowsPerCollection how many it takes at most.
	changesPerCollection = 32
	rowsPerCollection    = 128
	// changesPerCount is how many changes of one node pass until the rows of a store are counted again, because
	// other nodes write some too.
	changesPerCount = 50_000
)

func newAuditor(retention time.Duration, rows int) *auditor {
	if retention == 0 {
		retention = defaultAuditRetention
	}
	if rows == 0 {
		rows = defaultAuditRows
	}
	return &auditor{retention: retention, rows: rows, stores: map[string]*auditCount{}}
}

// join makes the audit row of a change part of its mutation.
func (a *auditor) join(ctx context.Context, v View, m *ostiary.Mutation) error {
	about, _ := ctx.Value(auditKey{}).(*audit)
	if about == nil {
		about = &audit{store: storeOf(m), action: "change"}
	}
	if about.store == "" {
		return nil // it is not about a store
	}
	body := auditBody{
		form: form{bodyForm}, TimeNanos: m.TimeNanos, PrincipalKind: m.Principal.Kind, PrincipalName: m.Principal.Name,
		RequestID: m.RequestID, Action: about.action, Organization: about.organization, Connection: about.connection,
		Resource: about.resource,
	}
	if r := requestOf(ctx); r != nil {
		body.Method, body.Path, body.Attributes = r.Method, r.Path, r.Attributes
	}
	id, err := newULID(m.TimeNanos)
	if err != nil {
		return fmt.Errorf("make the id of an audit row: %w", err)
	}
	collection := auditOf(about.store)
	m.Documents = append(m.Documents, put(ostiary.DocumentKey{Collection: collection, Key: id.String()}, body))
	return a.collect(v, m, collection)
}

// collect makes the deletion of rows that are too old or too many part of a mutation now and then. Two that
// delete the same rows do not disturb each other.
func (a *auditor) collect(v View, m *ostiary.Mutation, collection string) error {
	excess, due, err := a.excess(v, collection)
	if err != nil || !due {
		return err
	}
	old, err := v.Documents(collection, "", rowsPerCollection, false)
	if err != nil {
		return err
	}
	limit := uint64(max(m.TimeNanos-int64(a.retention), 0)) / uint64(time.Millisecond)
	gone := 0
	for i, d := range old {
		id, err := ulid.Parse(d.Key.Key)
		if i >= excess && (err != nil || id.Time() >= limit) {
			break
		}
		m.Documents = append(m.Documents, remove(d.Key))
		gone++
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stores[collection].rows -= gone
	return nil
}

// excess counts a change, and returns how many rows there are too many, where it is time to look.
func (a *auditor) excess(v View, collection string) (n int, due bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.stores[collection]
	if c == nil || c.writes >= changesPerCount {
		rows, err := v.CountDocuments(collection)
		if err != nil {
			return 0, false, err
		}
		c = &auditCount{rows: rows}
		a.stores[collection] = c
	}
	c.rows++
	c.writes++
	return c.rows - a.rows, c.writes%changesPerCollection == 0, nil
}

// storeOf returns the store that a mutation changes; empty where it does not say.
func storeOf(m *ostiary.Mutation) string {
	for _, t := range m.Tuples {
		return t.Store
	}
	for _, f := range m.Filters {
		return f.Filter.Store
	}
	for _, p := range m.Preconditions {
		if p.Kind == ostiary.DocumentAtVersion && p.Document == storeKey(p.Document.Key) {
			return p.Document.Key
		}
	}
	for _, d := range m.Documents {
		if d.Key == settingsKey(d.Key.Key) {
			return d.Key.Key
		}
	}
	return ""
}

func decodeAudit(d ostiary.Document) (AuditRow, error) {
	body, err := decode[auditBody](d)
	return AuditRow{
		ID: d.Key.Key, Revision: d.Version, TimeNanos: body.TimeNanos,
		Principal: ostiary.Principal{Kind: body.PrincipalKind, Name: body.PrincipalName}, RequestID: body.RequestID,
		Action: body.Action, Organization: body.Organization, Connection: body.Connection, Resource: body.Resource,
		Method: body.Method, Path: body.Path, Attributes: body.Attributes,
	}, err
}
