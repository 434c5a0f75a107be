package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Session is a login of a person in an organization, or what was made of one.
type Session struct {
	// ID is ours, and as it stands in tuples: the organization, "/" and an id that is never given again.
	ID             string
	Version        ostiary.Revision
	CreatedNanos   int64
	PresentedNanos int64 // when it was last seen in use, to the minute
	SessionInput
}

// SessionInput is what is reported of a session.
type SessionInput struct {
	Organization string // required
	User         string // required: a person of the organization, by the id that stands in tuples
	Client       string // the application; opaque
	// Connection, Issuer and SID say which session of an identity provider it is, or comes from. The id of
	// that session is sealed.
	Connection, Issuer, SID string
	Layer                   string // LayerApp, …; empty means LayerApp
	ACR                     string
	AMR                     []string
	AuthNanos               int64 // when the person has authenticated; 0: not known
	ExpiresNanos            int64 // 0: DefaultSessionLife from now
	// LimitNanos is the session_expiry of the identity provider: nothing extends the session past it. 0: none.
	LimitNanos int64
	Device     string // opaque
	// Parent is the session that this one was made of. It ends with it, and no later.
	Parent string
	// Actor is the person who acts as User. Empty: nobody but User.
	Actor string
}

// The layers of sessions.
const (
	LayerIDP          = "idp"
	LayerBroker       = "broker"
	LayerApp          = "app"
	LayerRefreshToken = "refresh_token"
	LayerAPIToken     = "api_token"
	LayerPAT          = "pat"
)

// Layers lists the layers of sessions.
func Layers() []string {
	return []string{LayerIDP, LayerBroker, LayerApp, LayerRefreshToken, LayerAPIToken, LayerPAT}
}

// Bounds on sessions.
const (
	DefaultSessionLife = 12 * time.Hour
	MaxSessionLife     = 400 * 24 * time.Hour
	// MaxAuthAhead is how far the clock of an identity provider may be ahead of ours.
	MaxAuthAhead = time.Minute

	maxSessionText = 1 << 10 // bytes of an issuer, sid or acr
	maxAMR         = 32
	presentedEvery = time.Minute // how often it is noted that a session was seen
)

const kindSession = "s"

// sessionBody is the document of a session.
type sessionBody struct {
	form
	User           string   `json:"user"`
	Client         string   `json:"client,omitempty"`
	Connection     string   `json:"connection,omitempty"`
	Issuer         string   `json:"iss,omitempty"`
	Sealed         []byte   `json:"sid,omitempty"`  // the id of the identity provider's session
	Link           string   `json:"link,omitempty"` // the key of the link that finds the session by it
	Layer          string   `json:"layer"`
	ACR            string   `json:"acr,omitempty"`
	AMR            []string `json:"amr,omitempty"`
	AuthNanos      int64    `json:"auth_time,omitempty"`
	CreatedNanos   int64    `json:"created"`
	PresentedNanos int64    `json:"presented"`
	ExpiresNanos   int64    `json:"expires"`
	LimitNanos     int64    `json:"limit,omitempty"`
	Device         string   `json:"device,omitempty"`
	Parent         string   `json:"parent,omitempty"`
	Actor          string   `json:"actor,omitempty"`
}

func sessionsOf(store string) string { return "session/" + store }

func sessionKey(store, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: sessionsOf(store), Key: id}
}

func sessionLinksOf(store string) string { return "session-link/" + store }

// storedSession is a session with the document that it was read from. Its SID is sealed.
type storedSession struct {
	Session
	document ostiary.Document
	body     sessionBody
}

func decodeSession(d ostiary.Document) (*storedSession, error) {
	b, err := decodeSessionBody(d)
	if err != nil {
		return nil, err
	}
	organization, _, _ := strings.Cut(d.Key.Key, "/")
	return &storedSession{document: d, body: b, Session: Session{
		ID: d.Key.Key, Version: d.Version, CreatedNanos: b.CreatedNanos, PresentedNanos: b.PresentedNanos,
		SessionInput: SessionInput{
			Organization: organization, User: b.User, Client: b.Client, Connection: b.Connection, Issuer: b.Issuer,
			Layer: b.Layer, ACR: b.ACR, AMR: b.AMR, AuthNanos: b.AuthNanos, ExpiresNanos: b.ExpiresNanos,
			LimitNanos: b.LimitNanos, Device: b.Device, Parent: b.Parent, Actor: b.Actor,
		},
	}}, nil
}

// isSessionID reports whether an id is one that newID could have drawn for a session.
func isSessionID(id string) bool {
	organization, own, ok := strings.Cut(id, "/")
	return ok && organizationID.MatchString(organization) && hasKind(own, kindSession)
}

// readSession returns a session's document, whether or not the session has ended.
func readSession(v Documents, store, id string) (*storedSession, bool, error) {
	if !isSessionID(id) {
		return nil, false, nil
	}
	d, there, err := v.Document(sessionKey(store, id))
	if err != nil || !there {
		return nil, false, err
	}
	s, err := decodeSession(d)
	return s, err == nil, err
}

// sidKey seals the id of an identity provider's session: each of our sessions has another key, which seals once.
func (x *secrets) sidKey(store, id string) []byte {
	mac := hmac.New(sha256.New, x.hash)
	fmt.Fprintf(mac, "sid\x00%s\x00%s", store, id)
	return mac.Sum(nil)
}

// sidPrefix begins the keys of the links of an identity provider's session.
func (x *secrets) sidPrefix(store, issuer, sid string) string {
	mac := hmac.New(sha256.New, x.hash)
	fmt.Fprintf(mac, "session\x00%s\x00%s\x00%s", store, issuer, sid)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) + ":"
}

// unseal opens the id of the identity provider's session.
func (t *storedSession) unseal(x *secrets, store string) error {
	if len(t.body.Sealed) == 0 {
		return nil
	}
	sid, err := open(newAEAD(x.sidKey(store, t.ID)), t.ID, t.body.Sealed)
	t.SID = string(sid)
	return err
}

var (
	// opaqueID is what may stand in tuples of what others name: no e-mail address does.
	opaqueID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$`)
	// amrForm is the form of an authentication method reference (RFC 8176).
	amrForm = regexp.MustCompile(`^[A-Za-z0-9._~:/+-]{1,64}$`)
)

// normal returns the input as it is stored, and refuses what cannot be.
func (in SessionInput) normal() (SessionInput, error) {
	if in.Layer == "" {
		in.Layer = LayerApp
	}
	if err := judgeUser(in.User); err != nil {
		return in, err
	}
	if in.Actor != "" {
		if err := judgeUser(in.Actor); err != nil {
			return in, fmt.Errorf("actor: %w", err)
		}
	}
	for what, id := range map[string]string{"client": in.Client, "device": in.Device} {
		if id != "" && !opaqueID.MatchString(id) {
			return in, invalid("the %s %.100q of the session is not of the form %s", what, id, opaqueID)
		}
	}
	for what, text := range map[string]string{"issuer": in.Issuer, "sid": in.SID, "acr": in.ACR} {
		if len(text) > maxSessionText || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return in, invalid("the %s of the session has %d bytes, and may have %d, of UTF-8 without NUL", what, len(text), maxSessionText)
		}
	}
	switch {
	case !slices.Contains(Layers(), in.Layer):
		return in, invalid("layer %.100q is none of %s", in.Layer, strings.Join(Layers(), ", "))
	case in.SID != "" && in.Issuer == "":
		return in, invalid("the session has a sid and no issuer, by which alone it means something")
	case in.Issuer != "" && !isIssuer(in.Issuer):
		return in, invalid("issuer %.100q is not a URL", in.Issuer)
	case len(in.AMR) > maxAMR:
		return in, invalid("the session has %d authentication methods (amr), and may have %d", len(in.AMR), maxAMR)
	case in.Parent != "" && !isSessionID(in.Parent):
		return in, notFound("parent session", in.Parent)
	case in.Actor == in.User:
		return in, invalid("user %.100q acts as nobody else: leave the actor out", in.User)
	case min(in.AuthNanos, in.ExpiresNanos, in.LimitNanos) < 0:
		return in, invalid("a time of the session is before 1970")
	}
	in.AMR = distinct(in.AMR)
	for _, method := range in.AMR {
		if !amrForm.MatchString(method) {
			return in, invalid("authentication method %.100q (amr) is not of the form %s", method, amrForm)
		}
	}
	return in, nil
}

func isIssuer(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// CreateSession records a session: a document, and tuples that end with it by the server's clock. The error is
// a *LoginRefused where the person may not log in, or has to authenticate again.
func (s *Service) CreateSession(ctx context.Context, store string, in SessionInput) (Session, error) {
	in, err := in.normal()
	if err != nil {
		return Session{}, err
	}
	x, err := s.secret(ctx)
	if err != nil {
		return Session{}, err
	}
	defer s.turn("login", store, in.User)()
	var made Session
	row := &audit{store: store, organization: in.Organization, connection: in.Connection, action: "session.create"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) (err error) {
		made, err = s.record(ctx, v, m, x, store, in, false)
		row.resource = made.ID
		return err
	})
	made.Version = receipt.Revision
	return made, err
}

// record makes a session part of a mutation. Its person is fresh where the same mutation makes the person.
func (s *Service) record(ctx context.Context, v View, m *ostiary.Mutation, x *secrets, store string, in SessionInput, fresh bool) (Session, error) {
	l := &login{view: v, m: m, store: store, SessionInput: in, fresh: fresh}
	if in.SID != "" {
		l.sid = x.sidPrefix(store, in.Issuer, in.SID)
	}
	if err := l.judge(); err != nil {
		return Session{}, err
	}
	id, err := newID(kindSession, m.TimeNanos)
	if err != nil {
		return Session{}, err
	}
	made := Session{ID: in.Organization + "/" + id, CreatedNanos: m.TimeNanos, PresentedNanos: m.TimeNanos, SessionInput: l.SessionInput}
	m.Preconditions = append(m.Preconditions, absent(sessionKey(store, made.ID)))
	body := made.body()
	if in.SID != "" {
		body.Sealed = seal(newAEAD(x.sidKey(store, made.ID)), made.ID, []byte(in.SID))
		body.Link = x.sidPrefix(store, in.Issuer, in.SID) + made.ID
		m.Documents = append(m.Documents, ostiary.DocumentChange{
			Key: ostiary.DocumentKey{Collection: sessionLinksOf(store), Key: body.Link}, Body: []byte(made.ID)})
	}
	m.Documents = append(m.Documents, put(sessionKey(store, made.ID), body))
	m.Tuples = append(m.Tuples, made.tuples(store)...)
	return made, s.collectSessions(ctx, v, m, store)
}

func (t *Session) body() sessionBody {
	return sessionBody{
		form: form{bodyForm}, User: t.User, Client: t.Client, Connection: t.Connection, Issuer: t.Issuer, Layer: t.Layer,
		ACR: t.ACR, AMR: t.AMR, AuthNanos: t.AuthNanos, CreatedNanos: t.CreatedNanos, PresentedNanos: t.PresentedNanos,
		ExpiresNanos: t.ExpiresNanos, LimitNanos: t.LimitNanos, Device: t.Device, Parent: t.Parent, Actor: t.Actor,
	}
}

// sessionOwner owns the tuples of all sessions of a person in an organization, so that one filter delete ends
// them.
func sessionOwner(organization, user string) string {
	return sessionOwnerPrefix + organization + "/" + user
}

const sessionOwnerPrefix = "session:"

func sessionObject(id string) ostiary.ObjectRef { return ostiary.ObjectRef{Type: gate.Session, ID: id} }

// The relations of a session.
const (
	sessionSubject = "subject"
	sessionActor   = "actor"
	sessionClient  = "client"
	sessionDevice  = "device"
	sessionParent  = "parent"
)

// The types of what a session names.
const typeDevice = "device"

// tuples returns the changes that make the tuples of a session. Those that name people end with it.
func (t *Session) tuples(store string) []ostiary.TupleChange {
	object, owner := sessionObject(t.ID), sessionOwner(t.Organization, t.User)
	changes := t.people(store)
	add := func(relation, typ, id string) {
		if id != "" {
			changes = append(changes, touch(store, object, relation, ostiary.SubjectRef{Type: typ, ID: id}, owner))
		}
	}
	add(gate.InOrganization, gate.Organization, t.Organization)
	add(sessionClient, gate.Client, t.Client)
	add(sessionDevice, typeDevice, t.Device)
	add(sessionParent, gate.Session, t.Parent)
	return append(changes, touch(store, organizationObject(t.Organization), gate.Live,
		ostiary.SubjectRef{Type: gate.Session, ID: t.ID, Relation: sessionSubject}, owner))
}

// people returns the changes of the tuples that name people, which end with the session.
func (t *Session) people(store string) []ostiary.TupleChange {
	object, owner := sessionObject(t.ID), sessionOwner(t.Organization, t.User)
	changes := []ostiary.TupleChange{touch(store, object, sessionSubject, userSubject(t.User), owner)}
	if t.Actor != "" {
		changes = append(changes, touch(store, object, sessionActor, userSubject(t.Actor), owner))
	}
	for i := range changes {
		changes[i].Grant.ExpiryNanos = t.ExpiresNanos
	}
	return changes
}

// Session returns a session that has not ended.
func (s *Service) Session(ctx context.Context, store, id string) (found Session, err error) {
	x, err := s.secret(ctx)
	if err != nil {
		return Session{}, err
	}
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		t, live, err := liveSession(ctx, v, store, id, s.backend.Now())
		if err == nil && !live {
			err = notFound("live session", id)
		}
		if err == nil {
			err = t.unseal(x, store)
		}
		if err == nil {
			found = t.Session
		}
		return err
	})
	return found, err
}

// SessionAt returns a session as a view shows it at a time, without its SID, and false where it has ended or
// never was. It reads the session, its person's tuple, and up to which time the person was logged out.
func SessionAt(ctx context.Context, v View, store, id string, nowNanos int64) (Session, bool, error) {
	if _, mapped := v.(*mappedView); !mapped {
		v = &mappedView{View: v}
	}
	t, live, err := liveSession(ctx, v, store, id, nowNanos)
	if err != nil || !live {
		return Session{}, false, err
	}
	return t.Session, true, nil
}

// liveSession returns a session that has not ended.
func liveSession(ctx context.Context, v View, store, id string, nowNanos int64) (*storedSession, bool, error) {
	t, there, err := readSession(v, store, id)
	if err != nil || !there || nowNanos >= t.ExpiresNanos {
		return nil, false, err
	}
	held, err := t.isHeld(ctx, v, store, nowNanos)
	if err != nil || !held {
		return nil, false, err
	}
	floor, _, err := floorOf(v, store)
	if err != nil {
		return nil, false, err
	}
	l, err := readLogins(v, store, t.User)
	if err != nil {
		return nil, false, err
	}
	mark := max(floor, l.watermark(t.Organization))
	if t.Actor != "" {
		a, err := readLogins(v, store, t.Actor)
		if err != nil {
			return nil, false, err
		}
		mark = max(mark, a.highest())
	}
	if mark != 0 && t.AuthNanos <= mark {
		return nil, false, nil
	}
	return t, true, nil
}

// isHeld reports whether the tuple of a session's person is there: without it the session has ended, whatever
// its document says.
func (t *storedSession) isHeld(ctx context.Context, v View, store string, nowNanos int64) (held bool, err error) {
	subject := t.people(store)[0]
	err = v.LookUp(ctx, store, []ostiary.Tuple{subject.Tuple}, func(_ int, stored ostiary.StoredTuple) bool {
		for _, g := range stored.Grants {
			held = held || g.Owner == subject.Grant.Owner && g.Live(nowNanos)
		}
		return true
	})
	return held, err
}

// TouchSession notes that a session was seen in use, and moves its end to a later time where one is given, but
// never past its limit, nor past the end of its parent. One that has ended stays so: ErrNotFound.
func (s *Service) TouchSession(ctx context.Context, store, id string, expiresNanos int64) (Session, error) {
	x, err := s.secret(ctx)
	if err != nil {
		return Session{}, err
	}
	var touched Session
	organization, _, _ := strings.Cut(id, "/")
	row := &audit{store: store, organization: organization, resource: id, action: "session.touch"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		t, live, err := liveSession(ctx, v, store, id, m.TimeNanos)
		if err != nil {
			return err
		}
		if !live {
			return notFound("live session", id)
		}
		if err := t.unseal(x, store); err != nil {
			return err
		}
		touched = t.Session
		end, err := t.extended(ctx, v, store, expiresNanos, m.TimeNanos)
		if err != nil {
			return err
		}
		if end == t.ExpiresNanos && m.TimeNanos-t.PresentedNanos < int64(presentedEvery) {
			return nil
		}
		if err := restOnLogins(v, m, store, t.User, t.Actor); err != nil {
			return err
		}
		touched.PresentedNanos, touched.Version = max(m.TimeNanos, t.PresentedNanos), 0
		t.body.PresentedNanos = touched.PresentedNanos
		if end != t.ExpiresNanos {
			touched.ExpiresNanos, t.body.ExpiresNanos = end, end
			m.Tuples = append(m.Tuples, touched.people(store)...)
		}
		m.Preconditions = append(m.Preconditions, at(t.document))
		m.Documents = append(m.Documents, put(t.document.Key, t.body))
		return nil
	})
	if touched.Version == 0 {
		touched.Version = receipt.Revision
	}
	return touched, err
}

// extended returns the end of a session that is to end at a later time.
func (t *storedSession) extended(ctx context.Context, v View, store string, to, nowNanos int64) (int64, error) {
	to = min(to, t.CreatedNanos+int64(MaxSessionLife))
	if t.LimitNanos != 0 {
		to = min(to, t.LimitNanos)
	}
	if to <= t.ExpiresNanos || t.Parent == "" {
		return max(to, t.ExpiresNanos), nil
	}
	parent, live, err := liveSession(ctx, v, store, t.Parent, nowNanos)
	if err != nil || !live {
		return t.ExpiresNanos, err
	}
	return max(t.ExpiresNanos, min(to, parent.ExpiresNanos)), nil
}
