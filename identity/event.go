package identity

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"

	"github.com/ostiary/ostiary"
)

// Event says what is to be told to those who listen in a store: a document of the same mutation as what it
// tells of. Package outbox turns events into deliveries (docs/adr/0012-outbox.md).
type Event struct {
	ID           string // a ULID, by which events of a store lie in the order of their times
	Type         string // EventSessionsEnded, …
	Store        string
	Organization string // empty where it is about all of a person's
	User         string
	Reason       string // one of Reasons
	TimeNanos    int64
	Revision     ostiary.Revision // at which it was committed
	Sessions     []EndedSession   // that have ended; no more than sessionsPerEvent
	// Unread are sessions that ended and are told of later: EndUnread makes events of them.
	Unread []string
}

// EndedSession is what an event says of a session.
type EndedSession struct {
	ID, Client, Layer, Connection, Issuer string
	// Sealed is what the issuer calls the session, of the layers whose sessions are tokens: see
	// Service.OpenSID.
	Sealed []byte
}

// The types of events.
const (
	EventSessionsEnded = "session.revoked"
	EventUserDisabled  = "user.disabled"
	EventUserEnabled   = "user.enabled"
	EventUserDeleted   = "user.deleted"
)

// EventTypes lists the types of events.
func EventTypes() []string {
	return []string{EventSessionsEnded, EventUserDisabled, EventUserEnabled, EventUserDeleted}
}

// The reasons of events beside those for which this package revokes sessions. What an operator wrote as a
// reason is told to nobody: it may say anything of a person.
const (
	ReasonEnded   = "ended"   // some sessions were deleted
	ReasonRevoked = "revoked" // all of a person's were, by an application or operator
	// that a person may come in again
	ReasonReactivated = "reactivated"
	ReasonUnblocked   = "unblocked"
)

// Reasons lists the reasons of events.
func Reasons() []string {
	return []string{ReasonDeactivated, ReasonBlocked, ReasonRemoved, ReasonDeleted, ReasonRequested, ReasonEnded, ReasonRevoked,
		ReasonReactivated, ReasonUnblocked}
}

// sessionsPerEvent bounds an event, and with it the deliveries that are made of it at once.
var sessionsPerEvent = 500

// Events is the collection of events. The key of one is its store, "/" and its id.
const Events = "outbox-event"

type eventBody struct {
	form
	Type         string       `json:"type,omitempty"` // empty: EventSessionsEnded
	Organization string       `json:"organization,omitempty"`
	User         string       `json:"user"`
	Reason       string       `json:"reason,omitempty"`
	TimeNanos    int64        `json:"time"`
	Sessions     []eventGroup `json:"sessions,omitempty"`
	Unread       []string     `json:"unread,omitempty"`
}

// eventGroup are sessions that have the rest in common. Ids are without their organization, which may be
// another one than the event's where it tells of all of a person's.
type eventGroup struct {
	Organization string   `json:"organization"`
	Client       string   `json:"client,omitempty"`
	Layer        string   `json:"layer"`
	Connection   string   `json:"connection,omitempty"`
	Issuer       string   `json:"iss,omitempty"`
	IDs          []string `json:"ids"`
	Sealed       [][]byte `json:"sids,omitempty"` // as many as IDs, or none
}

// Listener is the key of the document that says that something listens in a store: a kind and an id. While a
// store has none, no events are written.
func Listener(store, kind, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: listenersOf(store), Key: kind + "/" + id}
}

func listenersOf(store string) string { return "listener/" + store }

// listens reports whether somebody listens in a store.
func listens(v View, store string) (bool, error) {
	docs, err := v.Documents(listenersOf(store), "", 1, false)
	return len(docs) > 0, err
}

// setListener makes it part of a mutation whether something listens.
func setListener(m *ostiary.Mutation, key ostiary.DocumentKey, on bool) {
	if on {
		m.Documents = append(m.Documents, put(key, form{bodyForm}))
		return
	}
	m.Documents = append(m.Documents, remove(key))
}

// tell makes an event part of a mutation.
func tell(m *ostiary.Mutation, store string, body eventBody) error {
	id, err := newULID(m.TimeNanos)
	if err != nil {
		return fmt.Errorf("make the id of an event: %w", err)
	}
	body.form, body.TimeNanos = form{bodyForm}, m.TimeNanos
	if !slices.Contains(Reasons(), body.Reason) {
		body.Reason = ReasonRevoked
	}
	m.Documents = append(m.Documents, put(ostiary.DocumentKey{Collection: Events, Key: store + "/" + id.String()}, body))
	return nil
}

// tellUser makes it an event that a person may come in no more, or may again, where a webhook listens.
func tellUser(v View, m *ostiary.Mutation, store, organization, user, what, reason string) error {
	docs, err := v.Documents(listenersOf(store), ListenWebhook+"/", 1, false)
	if err != nil || len(docs) == 0 || !strings.HasPrefix(docs[0].Key.Key, ListenWebhook+"/") {
		return err
	}
	return tell(m, store, eventBody{Type: what, Organization: organization, User: user, Reason: reason})
}

// IsToken reports whether the session of a layer is a token that its issuer can revoke by its sid.
func IsToken(layer string) bool {
	return layer == LayerRefreshToken || layer == LayerAPIToken || layer == LayerPAT
}

// tell makes events of the sessions that end, where somebody listens: for each person and organization those of
// sessionsPerEvent sessions at most.
func (e *ends) tell() error {
	if len(e.sessions)+len(e.left) == 0 {
		return nil
	}
	if on, err := listens(e.view, e.store); err != nil || !on {
		return err
	}
	type about struct{ organization, user string }
	var all []*eventDraft
	drafts, last := map[about]*eventDraft{}, about{}
	var draft *eventDraft
	for _, t := range e.sessions {
		if of := (about{t.Organization, t.User}); draft == nil || of != last {
			draft, last = drafts[of], of
		}
		if draft == nil || draft.size == sessionsPerEvent {
			draft = &eventDraft{places: map[eventGroupKey]int{}, body: eventBody{
				Organization: t.Organization, User: t.User, Reason: e.reason}}
			drafts[last] = draft
			all = append(all, draft)
		}
		draft.add(t)
	}
	for _, d := range all {
		if err := tell(e.m, e.store, d.body); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(e.left, sessionsPerEvent) {
		if err := tell(e.m, e.store, eventBody{User: e.leftOf, Reason: e.reason, Unread: some}); err != nil {
			return err
		}
	}
	return nil
}

type eventGroupKey struct {
	client, layer, connection, issuer string
	sealed                            bool
}

// eventDraft is an event to which sessions are added.
type eventDraft struct {
	body   eventBody
	size   int
	places map[eventGroupKey]int // of groups
	last   eventGroupKey         // of the session before
	place  int
}

// add adds a session to its group.
func (d *eventDraft) add(t *storedSession) {
	key := eventGroupKey{t.Client, t.Layer, t.Connection, t.Issuer, IsToken(t.Layer) && len(t.body.Sealed) > 0}
	if d.size == 0 || key != d.last {
		place, there := d.places[key]
		if !there {
			place = len(d.body.Sessions)
			d.places[key] = place
			d.body.Sessions = append(d.body.Sessions, eventGroup{
				Organization: t.Organization, Client: t.Client, Layer: t.Layer, Connection: t.Connection, Issuer: t.Issuer})
		}
		d.last, d.place = key, place
	}
	d.size++
	g := &d.body.Sessions[d.place]
	g.IDs = append(g.IDs, t.ID[len(t.Organization)+1:])
	if key.sealed {
		g.Sealed = append(g.Sealed, t.body.Sealed)
	}
}

// DecodeEvent returns the event of a document of Events.
func DecodeEvent(d ostiary.Document) (Event, error) {
	store, id, ok := strings.Cut(d.Key.Key, "/")
	if _, err := ulid.ParseStrict(id); !ok || err != nil {
		return Event{}, fmt.Errorf("decode document %q: its key is not of an event: %w", d.Key, ostiary.ErrCorrupt)
	}
	b, err := decode[eventBody](d)
	if err != nil {
		return Event{}, err
	}
	e := Event{
		ID: id, Type: b.Type, Store: store, Organization: b.Organization, User: b.User, Reason: b.Reason,
		TimeNanos: b.TimeNanos, Revision: d.Version, Unread: b.Unread,
	}
	if e.Type == "" {
		e.Type = EventSessionsEnded
	}
	for _, g := range b.Sessions {
		if len(g.Sealed) != 0 && len(g.Sealed) != len(g.IDs) {
			return Event{}, fmt.Errorf("decode document %q: %d sids of %d sessions: %w", d.Key, len(g.Sealed), len(g.IDs), ostiary.ErrCorrupt)
		}
		for i, id := range g.IDs {
			s := EndedSession{ID: g.Organization + "/" + id, Client: g.Client, Layer: g.Layer, Connection: g.Connection, Issuer: g.Issuer}
			if len(g.Sealed) > 0 {
				s.Sealed = g.Sealed[i]
			}
			e.Sessions = append(e.Sessions, s)
		}
	}
	return e, nil
}

// OpenSID returns what its issuer calls a session that has ended, of a layer whose sessions are tokens.
func (s *Service) OpenSID(ctx context.Context, store string, t EndedSession) (string, error) {
	if len(t.Sealed) == 0 {
		return "", nil
	}
	x, err := s.secret(ctx)
	if err != nil {
		return "", err
	}
	sid, err := open(newAEAD(x.sidKey(store, t.ID)), t.ID, t.Sealed)
	return string(sid), err
}

// EndUnread takes away the documents of the sessions that an event names as unread, and makes events of them in
// its place.
func (s *Service) EndUnread(ctx context.Context, d ostiary.Document) (ostiary.Receipt, error) {
	store, _, _ := strings.Cut(d.Key.Key, "/")
	row := &audit{store: store, action: "session.collect"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, there, err := v.Document(d.Key)
		if err != nil || !there {
			return err
		}
		body, err := decode[eventBody](d)
		if err != nil {
			return err
		}
		row.resource = body.User
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, remove(d.Key))
		e := newEnds(v, store, m)
		e.reason = body.Reason
		for _, id := range body.Unread {
			if err := e.add(id); err != nil {
				return err
			}
		}
		return e.end(noneGone)
	})
}
