package identity

import (
	"context"
	"crypto/hmac"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// ErrSignalsOff: an operator has turned the signals of the connection off.
var ErrSignalsOff = errors.New("the connection takes no signals")

// What became of a signal, beside the actions of policies.
const (
	SignalMissed    = "miss"   // it names nobody, no session and no device of the connection
	SignalStale     = "stale"  // what it tells of is older than what is known
	SignalProtected = "refuse" // it names people alone who are protected from revocations
	SignalNoted     = "note"   // it is about the stream
)

// Signal is what a provider says has happened. All of its effects are bounded by when that was, so that one that
// comes late, or again, undoes nothing that is newer.
type Signal struct {
	// Once names the SET, which is good for one Body: again with the same it changes nothing, and with another it
	// is ErrReplayed.
	Once string
	Body []byte
	// Event is the name of the event ("session-revoked"), and empty for a type that is not known.
	Event string
	// EventNanos is when it happened.
	EventNanos int64
	// Subject is whom or what a simple subject names, and User, Session and Device are the parts of a complex one.
	// Those that are not named have no format.
	Subject, User, Session, Device SubjectID
	// Claims are the claims of the event that are texts.
	Claims map[string]string
}

// Signalled is what SignalCaller.Receive did.
type Signalled struct {
	Receipt  ostiary.Receipt
	Did      string   // an action, or SignalMissed, SignalStale, …
	People   []string // whom it concerned, by id
	Sessions int      // that ended
}

// SignalCaller is who sends SETs of a connection, as far as they say: that one is of it is for the caller of
// Receive to find out. Service.SignalSourceOf returns it.
type SignalCaller struct {
	service    *Service
	connection Connection
	source     SignalSource
	mac        []byte // of the Authorization header
}

// Connection returns the connection whose people the SETs are about.
func (c *SignalCaller) Connection() Connection { return c.connection }

// Source says what SETs are taken.
func (c *SignalCaller) Source() SignalSource { return c.source }

// SignalSourceOf returns who sends SETs of a connection. There being no such connection, or none that takes SETs,
// is ErrUnauthenticated.
func (s *Service) SignalSourceOf(ctx context.Context, connection string) (*SignalCaller, error) {
	c := &SignalCaller{service: s}
	err := s.read(ctx, func(v View) (err error) {
		if c.connection, err = openConnection(v, connection); err != nil {
			return err
		}
		var body signalSourceBody
		if c.source, body, _, err = readSignalSource(v, connection); err == nil && c.source.Version == 0 {
			err = ErrUnauthenticated
		}
		c.mac = body.Authorization
		return err
	})
	return c, err
}

// Authorize returns ErrUnauthenticated where a push does not show the Authorization header that was set.
func (c *SignalCaller) Authorize(ctx context.Context, header string) error {
	if len(c.mac) == 0 {
		return nil
	}
	x, err := c.service.secret(ctx)
	if err != nil {
		return err
	}
	if !hmac.Equal(c.mac, x.authorizationMAC(c.connection.ID, header)) {
		return ErrUnauthenticated
	}
	return nil
}

// Receive does, in one mutation, what the policy of the connection says of an event, and leaves an audit row of it.
// What the event does not find is no error.
func (c *SignalCaller) Receive(ctx context.Context, g Signal) (Signalled, error) {
	s := c.service
	x, err := s.secret(ctx)
	if err != nil {
		return Signalled{}, err
	}
	ctx = ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "ssf", Name: c.connection.ID})
	request := &Request{Method: "SET", Path: g.Event}
	if outer := requestOf(ctx); outer != nil {
		request.ID = outer.ID
	}
	ctx = WithRequest(ctx, request)
	done, noted, err := c.receive(ctx, x, g, false)
	if err != nil {
		return Signalled{}, orReplayed(err)
	}
	if !noted {
		return done, nil
	}
	// A login may have been committed between the view and the note. Whoever comes after the note is refused.
	late, _, err := c.receive(ctx, x, g, true)
	if err != nil {
		return Signalled{}, err
	}
	if late.Sessions > 0 {
		late.Receipt.Repeated = done.Receipt.Repeated
		return late, nil
	}
	return done, nil
}

// receive is Receive, where late only of the sessions that began before it was noted that they have ended. It reports
// whether it has noted that.
func (c *SignalCaller) receive(ctx context.Context, x *secrets, g Signal, late bool) (done Signalled, noted bool, err error) {
	row := &audit{store: c.connection.Store, organization: c.connection.Organization, connection: c.connection.ID}
	receipt, err := c.service.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		r := &reception{ctx: ctx, service: c.service, m: m, signal: g, late: late}
		if err := c.rest(v, m, x, r); err != nil {
			return err
		}
		if err := r.act(); err != nil {
			return err
		}
		done, noted = r.done, r.noted
		row.action, row.resource = "signal."+done.Did, strings.Join(done.People, ",")
		if !late {
			noteUse(m, signalUseKey(c.connection.ID))
			shownOnce(m, "set", g.Once, g.Body)
		}
		return nil
	})
	done.Receipt = receipt
	return done, noted, err
}

// rest demands that the connection and its source stay as they are until a mutation is applied.
func (c *SignalCaller) rest(v View, m *ostiary.Mutation, x *secrets, r *reception) error {
	connection, d, err := readConnection(v, c.connection.ID)
	if errors.Is(err, ostiary.ErrNotFound) {
		err = ErrUnauthenticated // it was deleted while the request was under way
	}
	if err != nil {
		return err
	}
	source, _, setting, err := readSignalSource(v, connection.ID)
	if err != nil {
		return err
	}
	if source.Version == 0 || source.Issuer != c.source.Issuer || source.KeysURL != c.source.KeysURL || string(source.Keys) != string(c.source.Keys) {
		return ErrUnauthenticated // its keys were changed while the request was under way
	}
	if source.Off {
		return ErrSignalsOff
	}
	revoker, protecting, err := readRevoker(v, connection.ID)
	if err != nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, at(d), at(setting), at(protecting))
	r.view = &DirectoryView{view: v, connection: connection, secrets: x}
	r.source, r.protected = source, revoker.Protected
	return restOnStore(v, m, connection.Store)
}

// reception is one signal on its way into a mutation.
type reception struct {
	ctx       context.Context
	service   *Service
	m         *ostiary.Mutation
	view      *DirectoryView
	source    SignalSource
	protected []string
	signal    Signal
	late      bool // it is about sessions that began before noted was committed
	done      Signalled
	noted     bool // that a session has ended of which nothing was known
}

// act adds what the policy says to the mutation.
func (r *reception) act() error {
	g := &r.signal
	r.done.Did = SignalAudit
	if g.EventNanos <= 0 || g.EventNanos > r.m.TimeNanos {
		g.EventNanos = r.m.TimeNanos
	}
	if g.Event == "verification" || g.Event == "stream-updated" {
		return r.note()
	}
	action := r.source.action(g.Event)
	if action == SignalAudit || !g.matters() {
		return nil
	}
	switch action {
	case SignalMarkDevice:
		return r.markDevice()
	case SignalEndSessions, SignalStepUp:
		return r.withSessions(action)
	}
	return r.withAccount(action)
}

// matters reports whether an event is one of those that its action is about, by its claims.
func (g *Signal) matters() bool {
	switch g.Event {
	case "credential-change":
		switch g.Claims["change_type"] {
		case "revoke", "delete":
			return true
		case "update":
			kind := strings.ToLower(g.Claims["credential_type"])
			return kind == "password" || kind == "pin"
		}
		return false
	case "assurance-level-change":
		return g.Claims["change_direction"] != "increase"
	case "device-compliance-change":
		status := g.Claims["current_status"]
		return status == deviceCompliant || status == deviceNotCompliant
	case "risk-level-change":
		return strings.EqualFold(g.Claims["current_level"], "high")
	}
	return true
}

// note keeps what a transmitter says of the stream itself.
func (r *reception) note() error {
	key := signalStreamKey(r.view.connection.ID)
	d, there, err := r.view.view.Document(key)
	if err != nil {
		return err
	}
	d.Key = key
	body := signalStreamBody{form: form{bodyForm}}
	if there {
		if body, err = decode[signalStreamBody](d); err != nil {
			return err
		}
	}
	r.done.Did = SignalNoted
	if r.signal.Event == "verification" {
		body.VerifiedNanos, body.State = r.m.TimeNanos, r.signal.Claims["state"]
		if len(body.State) > maxReasonBytes {
			body.State = ""
		}
	} else if status := r.signal.Claims["status"]; slices.Contains([]string{"enabled", "paused", "disabled"}, status) {
		body.Stream = status
	}
	r.m.Preconditions = append(r.m.Preconditions, at(d))
	r.m.Documents = append(r.m.Documents, put(key, body))
	return nil
}

// principal returns the subject in the role that an event gives to a simple one, or the part of a complex one.
func (r *reception) principal(role string, part SubjectID) SubjectID {
	if part.Format != "" || r.signal.Subject.Format == "" {
		return part
	}
	simple := "user"
	switch r.signal.Event {
	case "device-compliance-change":
		simple = "device"
	case "risk-level-change":
		if p := strings.ToLower(r.signal.Claims["principal"]); p != "" {
			simple = p
		}
	}
	if role == simple {
		return r.signal.Subject
	}
	return SubjectID{}
}

// people returns those of the connection's people whom the subject names, and where there are none why. Without
// emails nobody is named by an address alone: that ends sessions, and does no more.
func (r *reception) people(emails bool) (people []namedUser, none string, err error) {
	id := r.principal("user", r.signal.User)
	if !emails {
		id = withoutEmails(id)
	}
	all, err := r.view.named(Revoker{Issuer: r.source.Issuer, SubjectIssuer: r.source.SubjectIssuer}, id)
	if err != nil || len(all) == 0 {
		return nil, SignalMissed, err
	}
	return slices.DeleteFunc(all, func(u namedUser) bool { return slices.Contains(r.protected, u.id) }), SignalProtected, nil
}

func withoutEmails(id SubjectID) SubjectID {
	switch id.Format {
	case FormatEmail:
		return SubjectID{}
	case FormatAliases:
		id.Aliases = slices.DeleteFunc(slices.Clone(id.Aliases), func(a SubjectID) bool { return a.Format == FormatEmail })
	}
	return id
}

// signalSkew is how far the clocks of a provider and of applications may be apart where sessions are compared with
// the time of an event.
const signalSkew = int64(time.Minute)

// precedes reports whether a session may have begun before a time.
func (t *storedSession) precedes(nanos int64) bool {
	began := t.AuthNanos
	if began == 0 {
		began = t.CreatedNanos
	}
	return began-signalSkew <= nanos
}

// markDevice says whether a device is compliant, where a session of the organization names it. What is older than
// what was said last changes nothing.
func (r *reception) markDevice() error {
	id := r.principal("device", r.signal.Device)
	device := id.ID
	c := r.view.connection
	known, err := r.hasDevice(device)
	if err != nil {
		return err
	}
	if !known {
		r.done.Did = SignalMissed
		return nil
	}
	key := ostiary.DocumentKey{Collection: signalDevicesOf(c.ID), Key: device}
	compliant := r.signal.Claims["current_status"] == deviceCompliant
	counts, err := r.newer(key, !compliant)
	if err != nil || !counts {
		return err
	}
	change := release
	if compliant {
		change = touch
	}
	r.m.Tuples = append(r.m.Tuples, compliance(change, c, device))
	r.done.Did = SignalMarkDevice
	return nil
}

// The states of a device.
const (
	deviceCompliant    = "compliant"
	deviceNotCompliant = "not-compliant"
)

// signalOwner owns what the signals of a connection say of a device.
func signalOwner(connection, device string) string { return "ssf:" + connection + "/" + device }

// hasDevice reports whether a session of the organization names a device: nothing else that a provider calls a
// device may stand in a tuple.
func (r *reception) hasDevice(device string) (bool, error) {
	if !opaqueID.MatchString(device) {
		return false, nil
	}
	c := r.view.connection
	f := SessionFilter{Organization: c.Organization, Device: device}
	for _, err := range f.sessions(r.ctx, r.view.view, r.view.secrets, c.Store, "") {
		return err == nil, err
	}
	return false, nil
}

// signalTimeBody is when the newest event of a kind has happened: older ones change nothing.
type signalTimeBody struct {
	form
	EventNanos int64 `json:"event"`
}

func signalDevicesOf(connection string) string { return "signal-device/" + connection }

func signalUserKey(connection, user string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: signalUsersOf(connection), Key: user}
}

func signalUsersOf(connection string) string { return "signal-user/" + connection }

// newer reports whether the event is newer than the newest of which a document tells, and lets it tell of this one.
// Of two of the same time the one that takes away counts.
func (r *reception) newer(key ostiary.DocumentKey, takes bool) (bool, error) {
	d, there, err := r.view.view.Document(key)
	if err != nil {
		return false, err
	}
	d.Key = key
	if there {
		body, err := decode[signalTimeBody](d)
		if err != nil {
			return false, err
		}
		if r.signal.EventNanos < body.EventNanos || r.signal.EventNanos == body.EventNanos && !takes {
			r.done.Did = SignalStale
			return false, nil
		}
	}
	r.m.Preconditions = append(r.m.Preconditions, at(d))
	r.m.Documents = append(r.m.Documents, put(key, signalTimeBody{form{bodyForm}, r.signal.EventNanos}))
	return true, nil
}

// removeSignals makes it part of the deletion of a connection that its signals are forgotten, and what they said of
// devices.
func removeSignals(ctx context.Context, v View, m *ostiary.Mutation, c Connection) error {
	for d, err := range ostiary.EachDocument(ctx, v, signalDevicesOf(c.ID), "") {
		if err != nil {
			return err
		}
		m.Documents = append(m.Documents, remove(d.Key))
		m.Tuples = append(m.Tuples, compliance(release, c, d.Key.Key))
	}
	m.Documents = append(m.Documents, remove(signalSourceKey(c.ID)), remove(signalUseKey(c.ID)), remove(signalStreamKey(c.ID)),
		remove(logoutUseKey(c.ID)))
	return nil
}

// compliance is the tuple that says that a device is compliant.
func compliance(
	op func(store string, o ostiary.ObjectRef, relation string, s ostiary.SubjectRef, owner string) ostiary.TupleChange,
	c Connection, device string,
) ostiary.TupleChange {
	return op(c.Store, ostiary.ObjectRef{Type: typeDevice, ID: device}, "compliant",
		ostiary.SubjectRef{Type: gate.User, ID: "*"}, signalOwner(c.ID, device))
}
