package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/audit"
)

// auditService answers ostiary.v1.AuditService.
type auditService struct {
	ostiaryv1.UnsafeAuditServiceServer
	server *Server
}

const (
	defaultAuditPage = 100
	maxAuditPage     = 1000
	// maxAuditRows is how many rows one call of ListAudit looks at.
	maxAuditRows = 20_000
	// tailPause is how long a stream waits until it looks for new rows again.
	tailPause = 200 * time.Millisecond
	// tailStall is how long a client may take nothing.
	tailStall = 30 * time.Second
	// tailLife is how long a stream lasts: who goes on asks again, and is judged again.
	tailLife = 10 * time.Minute
)

// auditQuery is what is asked for.
type auditQuery struct {
	store, principal, method, request, item string
	since, until                            int64 // nanoseconds; 0: none
	after, upTo                             ostiary.Revision
}

func auditAsked(store string, f *ostiaryv1.AuditFilter) (q auditQuery, err error) {
	q = auditQuery{
		store: store, principal: f.GetPrincipal(), method: f.GetMethod(), request: f.GetRequestId(), item: f.GetItem(),
		after: ostiary.Revision(f.GetAfterRevision()), upTo: ostiary.Revision(f.GetUpToRevision()),
	}
	for text, t := range map[string]interface {
		CheckValid() error
		AsTime() time.Time
	}{"since": f.GetSince(), "until": f.GetUntil()} {
		nanos := int64(0)
		switch given := text == "since" && f.GetSince() != nil || text == "until" && f.GetUntil() != nil; {
		case !given:
			continue
		case t.CheckValid() != nil || t.AsTime().Year() > 2255 || t.AsTime().Year() < 1970:
			return q, refuse(codes.InvalidArgument, "filter.%s is no time between 1970 and 2255", text)
		}
		if nanos = t.AsTime().UnixNano(); text == "since" {
			q.since = nanos
		} else {
			q.until = nanos
		}
	}
	if q.upTo != 0 && q.upTo < q.after {
		return q, refuse(codes.InvalidArgument, "filter.up_to_revision %d is below filter.after_revision %d", q.upTo, q.after)
	}
	return q, nil
}

// matches reports whether an entry is asked for.
func (q *auditQuery) matches(e *audit.Entry) bool {
	narrow := q.store + q.principal + q.method + q.request + q.item
	if e.Kind != audit.Change {
		return narrow == "" && q.since == 0 && q.until == 0 && e.Revision > q.after && (q.upTo == 0 || e.Revision <= q.upTo)
	}
	switch {
	case e.Revision <= q.after, q.upTo != 0 && e.Revision > q.upTo,
		e.TimeNanos < q.since, q.until != 0 && e.TimeNanos >= q.until,
		q.store != "" && e.Store != q.store,
		q.principal != "" && e.Principal.String() != q.principal,
		q.request != "" && e.RequestID != q.request,
		q.method != "" && e.Method != q.method && !strings.HasSuffix(e.Method, "/"+q.method):
		return false
	}
	if q.item == "" {
		return true
	}
	for _, i := range e.Items {
		if strings.HasPrefix(i.Name, q.item) {
			return true
		}
	}
	return false
}

// scope binds page tokens to what is asked for.
func (q *auditQuery) scope() pageScope {
	return pageScope{kind: pageAudit, store: q.store, filter: fmt.Sprintf("%q %q %q %q %d %d %d %d", q.principal, q.method, q.request, q.item, q.since, q.until, q.after, q.upTo)}
}

// ListAudit returns rows, newest first.
func (a *auditService) ListAudit(ctx context.Context, req *ostiaryv1.ListAuditRequest) (*ostiaryv1.ListAuditResponse, error) {
	s := a.server
	q, err := auditAsked(req.GetStoreId(), req.GetFilter())
	if err != nil {
		return nil, err
	}
	size := int(req.GetPageSize())
	switch {
	case size < 0 || size > maxAuditPage:
		return nil, refuse(codes.InvalidArgument, "page_size %d is not between 1 and %d", size, maxAuditPage)
	case size == 0:
		size = defaultAuditPage
	}
	from := audit.Place{}
	if q.upTo != 0 && q.upTo < ^ostiary.Revision(0) {
		from = audit.Place{Revision: q.upTo + 1}
	}
	position, err := s.placeOf(ctx, q.scope(), req.GetPageToken())
	if err == nil && len(position) > 0 {
		if from, err = audit.PlaceOf(position); err != nil {
			err = errPageToken
		}
	}
	if err != nil {
		return nil, err
	}
	v, err := s.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	callOf(ctx).at(v.Revision())
	resp := &ostiaryv1.ListAuditResponse{}
	last, more, err := q.page(v.AuditRows(ctx, from, true), size, resp)
	if err == nil && more {
		resp.NextPageToken, err = s.pageToken(ctx, q.scope(), audit.AppendKey(nil, last))
	}
	return resp, err
}

// page adds rows to an answer, and returns the last one that was looked at, and whether there may be more.
func (q *auditQuery) page(rows iter.Seq2[audit.Row, error], size int, resp *ostiaryv1.ListAuditResponse) (last audit.Place, more bool, err error) {
	looked := 0
	for row, err := range rows {
		if err != nil {
			return last, false, err
		}
		if looked == maxAuditRows || len(resp.Entries) == size {
			return last, true, nil
		}
		looked++
		e, err := audit.Decode(row.Key, row.Value)
		if err != nil {
			return last, false, err
		}
		last = e.Place
		if e.Revision <= q.after || e.Kind == audit.Change && e.TimeNanos < q.since {
			return last, false, nil // stamps never go back
		}
		if q.matches(&e) {
			resp.Entries = append(resp.Entries, wireAudit(&e))
		}
	}
	return last, false, nil
}

// GetAuditHead returns the newest row.
func (a *auditService) GetAuditHead(ctx context.Context, _ *ostiaryv1.GetAuditHeadRequest) (*ostiaryv1.GetAuditHeadResponse, error) {
	v, err := a.server.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	callOf(ctx).at(v.Revision())
	h, found, err := v.AuditHead()
	if err != nil || !found {
		return &ostiaryv1.GetAuditHeadResponse{}, err
	}
	return &ostiaryv1.GetAuditHeadResponse{Head: h.String(), Revision: uint64(h.Revision)}, nil
}

// TailAudit sends rows as they come.
func (a *auditService) TailAudit(req *ostiaryv1.TailAuditRequest, stream grpc.ServerStreamingServer[ostiaryv1.TailAuditResponse]) error {
	q, err := auditAsked(req.GetStoreId(), req.GetFilter())
	if err != nil {
		return err
	}
	if req.GetRaw() && q != (auditQuery{}) {
		return refuse(codes.InvalidArgument, "raw rows come without a store and a filter: a chain has all of them")
	}
	t := &tail{query: q, raw: req.GetRaw(), stream: stream}
	if req.GetAfter() != "" {
		head, err := audit.ParseHead(req.GetAfter())
		if err != nil {
			return refuse(codes.InvalidArgument, "after is no head, as GetAuditHead has it: %v", err)
		}
		t.after, t.known = head.Place, &head
	} else if q.after != 0 {
		t.after = audit.Place{Revision: q.after, Kind: audit.Restored}
	}
	leave, err := a.server.tails.enter(stream.Context())
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(stream.Context(), tailLife)
	defer cancel()
	if err := callOf(ctx).together(func() error { return nil }); err != nil { // the headers go first
		return err
	}
	for {
		if err := t.send(ctx, a.server.backend); err != nil || req.GetOnce() {
			return t.ended(ctx, stream.Context(), err)
		}
		select {
		case <-time.After(tailPause):
		case <-a.server.draining:
			return errTailDrain
		case <-ctx.Done():
			return t.ended(ctx, stream.Context(), ctx.Err())
		}
	}
}

var errTailDrain = fmt.Errorf("the server is shutting down: %w", ostiary.ErrUnavailable)

// tail is one stream of rows.
type tail struct {
	query  auditQuery
	raw    bool
	stream grpc.ServerStreamingServer[ostiaryv1.TailAuditResponse]
	after  audit.Place
	known  *audit.Head // the head that the caller knows, until it was looked for
}

// ended returns nil for a stream that has had its time.
func (t *tail) ended(ctx, caller context.Context, err error) error {
	if err != nil && ctx.Err() != nil && caller.Err() == nil {
		return nil
	}
	return err
}

// send sends the rows that have come.
func (t *tail) send(ctx context.Context, b Backend) error {
	v, err := b.View(ctx, ostiary.Freshness{})
	if err != nil {
		return err
	}
	defer v.Close()
	if t.known != nil {
		if err := t.goOn(v); err != nil {
			return err
		}
		if t.known != nil { // this node has not come as far
			return nil
		}
	}
	for row, err := range v.AuditRows(ctx, t.after, false) {
		if err != nil {
			return err
		}
		e, err := audit.Decode(row.Key, row.Value)
		if err != nil {
			return err
		}
		t.after = e.Place
		if !t.query.matches(&e) {
			continue
		}
		m := &ostiaryv1.TailAuditResponse{Entry: wireAudit(&e), Head: audit.Head{Place: e.Place, Hash: e.Hash}.String()}
		if t.raw {
			m.Entry, m.Key, m.Value = nil, append([]byte(nil), row.Key...), append([]byte(nil), row.Value...)
		}
		if err := t.pass(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// pass sends one message, and gives up on a client who does not take it.
func (t *tail) pass(ctx context.Context, m *ostiaryv1.TailAuditResponse) error {
	ctx, cancel := context.WithTimeout(ctx, tailStall)
	defer cancel()
	return within(ctx, func() error { return t.stream.Send(m) })
}

// goOn looks for the row that the caller knows.
func (t *tail) goOn(v View) error {
	if v.Revision() < t.known.Revision {
		return nil
	}
	row, found, err := v.AuditAt(t.known.Place)
	if err != nil {
		return err
	}
	if !found {
		row, found, err = v.AuditAt(audit.Place{Revision: t.known.Revision, Kind: audit.Beginning}) // it was the last that was deleted
	}
	if err != nil {
		return err
	}
	if hash, _ := audit.HashOf(row.Value); !found || hash != t.known.Hash {
		return fmt.Errorf("the audit has no row %s: it was deleted as the retention has it, or altered; begin anew without it: %w", t.known, ostiary.ErrRevisionGone)
	}
	t.known = nil
	return nil
}

var auditItems = map[audit.ItemKind]ostiaryv1.AuditItem_Kind{
	audit.TupleWritten: ostiaryv1.AuditItem_KIND_TUPLE_WRITTEN, audit.TupleDeleted: ostiaryv1.AuditItem_KIND_TUPLE_DELETED,
	audit.DocumentPut: ostiaryv1.AuditItem_KIND_DOCUMENT_PUT, audit.DocumentDeleted: ostiaryv1.AuditItem_KIND_DOCUMENT_DELETED,
	audit.RowsDeleted: ostiaryv1.AuditItem_KIND_ROWS_DELETED,
}

// sendable returns a text as a message may have it: one row that could not be sent would hide all others.
func sendable(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func wireAudit(e *audit.Entry) *ostiaryv1.AuditEntry {
	wire := &ostiaryv1.AuditEntry{
		Revision: uint64(e.Revision), Kind: e.Kind.String(), Principal: sendable(e.Principal.String()), RequestId: sendable(e.RequestID),
		Method: sendable(e.Method), Origin: sendable(e.Origin), StoreId: sendable(e.Store), TuplesWritten: e.TuplesWritten, TuplesDeleted: e.TuplesDeleted,
		DocumentsPut: e.DocumentsPut, DocumentsDeleted: e.DocumentsDeleted, Hash: e.Hash.String(),
	}
	switch e.Kind {
	case audit.Change:
		wire.Time, wire.Digest = stamp(e.TimeNanos), e.Digest.String()
	case audit.Restored:
		wire.FromCluster, wire.ToCluster = hex.EncodeToString(e.From[:]), hex.EncodeToString(e.To[:])
	}
	for _, i := range e.Items {
		wire.Items = append(wire.Items, &ostiaryv1.AuditItem{Kind: auditItems[i.Kind], Name: sendable(i.Name), Owner: sendable(i.Owner), Condition: sendable(i.Condition)})
	}
	return wire
}
