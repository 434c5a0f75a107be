package identity_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

const (
	aSecond = int64(time.Second)
	aMinute = int64(time.Minute)
)

// signals sets that the connection takes SETs, by a policy, and returns who sends them.
func (w *world) signals(policy map[string]string) *identity.SignalCaller {
	w.t.Helper()
	return w.signalsOf(identity.SignalSource{Connection: w.connection.ID, Issuer: issuer, Audience: []string{"https://authz.test"}, Policy: policy})
}

func (w *world) signalsOf(g identity.SignalSource) *identity.SignalCaller {
	w.t.Helper()
	must(w.t)(w.service.SetSignalSource(w.ctx(), store, g, identity.SignalSecrets{}))
	c, err := w.service.SignalSourceOf(w.t.Context(), g.Connection)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// sent counts the SETs of all tests, so that each has an id of its own.
var sent int

// wantSignal sends a signal, and fails where something else became of it.
func (w *world) wantSignal(c *identity.SignalCaller, g identity.Signal, did string) identity.Signalled {
	w.t.Helper()
	if g.Once == "" {
		sent++
		g.Once = fmt.Sprint(issuer, " ", sent)
	}
	done, err := c.Receive(w.t.Context(), g)
	if err != nil || done.Did != did {
		w.t.Errorf("%s: did %q, %v, want %q", g.Event, done.Did, err, did)
	}
	return done
}

// IDENTITY d.5: an event ends the sessions that its subject is about, and no other.
func TestSignalEndsSessions(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "beta", "Beta"))
	ann, bob := w.person("ann", "00u1", "one@acme.test"), w.person("bob", "00u2", "one@acme.test")
	must(t)(w.service.AddMember(w.ctx(), store, "beta", ann.ID))
	c := w.signals(nil)
	now := w.raft.Now()
	auth := now - 10*aMinute
	round := 0
	sid := func(id string) string { return fmt.Sprint(id, ".", round) } // none comes twice
	named := func(id identity.SubjectID) identity.SubjectID {
		if slices.Contains([]string{"s1", "s2", "s3"}, id.ID) {
			id.ID = sid(id.ID)
		} else if id.Subject == "s1" {
			id.Subject = sid(id.Subject)
		}
		return id
	}
	open := func() map[string]string {
		w.t.Helper()
		round++
		for _, u := range []string{ann.ID, bob.ID} {
			if _, _, err := w.service.DeleteSessions(w.ctx(), store, identity.SessionFilter{User: u}, false); err != nil {
				t.Fatal(err)
			}
		}
		auth += aSecond // after the watermark of the case before
		all := map[string]string{}
		in := func(name string, s identity.SessionInput) {
			s.AuthNanos = auth
			all[name] = w.logIn(s).ID
		}
		in("sid", identity.SessionInput{User: ann.ID, Issuer: issuer, SID: sid("s1"), Device: "d1"})
		in("made of it", identity.SessionInput{User: ann.ID, Parent: all["sid"]})
		in("other sid", identity.SessionInput{User: ann.ID, Issuer: issuer, SID: sid("s2")})
		in("other issuer", identity.SessionInput{User: ann.ID, Issuer: "https://other.test", SID: sid("s1")})
		in("acting", identity.SessionInput{User: bob.ID, Actor: ann.ID})
		in("beta", identity.SessionInput{User: ann.ID, Organization: "beta", Issuer: issuer, SID: sid("s1")})
		in("bob", identity.SessionInput{User: bob.ID, Issuer: issuer, SID: sid("s3"), Device: "d1"})
		return all
	}
	ofAnn := []string{"acting", "made of it", "other issuer", "other sid", "sid"}
	for name, test := range map[string]struct {
		signal identity.Signal
		want   []string // that end
	}{
		"a person":                     {identity.Signal{User: bySub(issuer, "00u1")}, ofAnn},
		"a simple person":              {identity.Signal{Subject: bySub(issuer, "00u1")}, ofAnn},
		"a simple id of a person":      {identity.Signal{Subject: byID(ann.ID)}, ofAnn},
		"two of one address":           {identity.Signal{Subject: byEmail("one@acme.test")}, append([]string{"bob"}, ofAnn...)},
		"a session":                    {identity.Signal{Session: byID("s1")}, []string{"made of it", "sid"}},
		"a simple session":             {identity.Signal{Subject: byID("s2")}, []string{"other sid"}},
		"a session of a person":        {identity.Signal{Session: byID("s1"), User: bySub(issuer, "00u1")}, []string{"made of it", "sid"}},
		"a session by its issuer":      {identity.Signal{Session: bySub(issuer, "s1")}, []string{"made of it", "sid"}},
		"a session of another issuer":  {identity.Signal{Session: bySub("https://other.test", "s1")}, nil},
		"a session of another person":  {identity.Signal{Session: byID("s3"), User: bySub(issuer, "00u1")}, nil},
		"a session that is not known":  {identity.Signal{Session: byID("s9"), User: bySub(issuer, "00u1")}, nil},
		"a device":                     {identity.Signal{Device: byID("d1")}, []string{"bob", "made of it", "sid"}},
		"a person on a device":         {identity.Signal{Device: byID("d1"), User: bySub(issuer, "00u1")}, []string{"made of it", "sid"}},
		"a person on another device":   {identity.Signal{Device: byID("d2"), User: bySub(issuer, "00u1")}, nil},
		"a device that cannot be told": {identity.Signal{Device: byEmail("d@d"), User: bySub(issuer, "00u1")}, nil},
		"nobody":                       {identity.Signal{User: bySub(issuer, "00u9")}, nil},
		"nobody on a device":           {identity.Signal{User: bySub(issuer, "00u9"), Device: byID("d1")}, nil},
		"somebody of another issuer":   {identity.Signal{User: bySub("https://other.test", "00u1")}, nil},
		"no subject":                   {identity.Signal{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			all := open()
			test.signal.Event, test.signal.EventNanos = "session-revoked", auth
			test.signal.Session, test.signal.Subject = named(test.signal.Session), named(test.signal.Subject)
			did := identity.SignalEndSessions
			if test.want == nil && name != "a person on another device" {
				did = identity.SignalMissed
			}
			w.wantSignal(c, test.signal, did)
			left := w.live(identity.SessionFilter{})
			for session, id := range all {
				if slices.Contains(left, id) == slices.Contains(test.want, session) {
					t.Errorf("%s: lives %v", session, slices.Contains(left, id))
				}
			}
		})
	}
	// Our own id of a session, and one of another organization.
	all := open()
	w.wantSignal(c, identity.Signal{Event: "session-revoked", Session: byID(all["beta"])}, identity.SignalMissed)
	w.wantSignal(c, identity.Signal{Event: "sessions-revoked", Subject: byID(all["other sid"])}, identity.SignalEndSessions)
	if got := w.live(identity.SessionFilter{User: ann.ID}); slices.Contains(got, all["other sid"]) || !slices.Contains(got, all["beta"]) {
		t.Errorf("left %q", got)
	}
}

// A signal is about what was before it: a later login outlasts one that comes late or again, and nobody gets in who
// has authenticated before it (g.0 rule 9).
func TestSignalIsBoundedByItsTime(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	c := w.signals(nil)
	now := w.raft.Now()
	old := w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: now - 30*aMinute})
	unknown := w.logIn(identity.SessionInput{User: ann.ID})
	later := w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: now - 5*aMinute})
	g := identity.Signal{Once: "a", Body: []byte("1"), Event: "session-revoked", EventNanos: now - 10*aMinute, User: bySub(issuer, "00u1")}
	w.wantSignal(c, g, identity.SignalEndSessions)
	// Where nobody knows when a session's person has authenticated, that it was made later does not help.
	w.wantLive(identity.SessionFilter{User: ann.ID}, later.ID)
	_ = []identity.Session{old, unknown}
	_, err := w.service.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: ann.ID, AuthNanos: now - 11*aMinute})
	wantRefused(t, err, identity.RefusedReauthenticate)
	_, err = w.service.CreateSession(w.ctx(), store, identity.SessionInput{Organization: "acme", User: ann.ID})
	wantRefused(t, err, identity.RefusedReauthenticate)
	w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: now - 9*aMinute})

	// The same SET again changes nothing; its id with another body is refused.
	before := w.revision()
	if done, err := c.Receive(t.Context(), g); err != nil || !done.Receipt.Repeated {
		t.Errorf("got %+v, %v", done, err)
	}
	g.Body = []byte("2")
	if _, err := c.Receive(t.Context(), g); !errors.Is(err, identity.ErrReplayed) {
		t.Errorf("got %v", err)
	}
	if len(w.live(identity.SessionFilter{User: ann.ID})) != 2 {
		t.Errorf("a repetition ended sessions, after revision %d", before)
	}
	// A time ahead of the clock counts as now, and is no watermark in the future.
	w.wantSignal(c, identity.Signal{Event: "session-revoked", EventNanos: now + 60*aMinute, User: bySub(issuer, "00u1")}, identity.SignalEndSessions)
	w.wantLive(identity.SessionFilter{User: ann.ID})
	w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: w.raft.Now()})
}

// IDENTITY d.5: what each event does by default, and where the policy says so; and which of its claims matter.
func TestSignalPolicy(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	everything := map[string]string{}
	for _, event := range identity.SignalEvents() {
		if slices.Contains(identity.SignalActions(event), identity.SignalEndSessions) {
			everything[event] = identity.SignalEndSessions
		}
	}
	type claims = map[string]string
	cases := []struct {
		event  string
		claims claims
		acts   bool // where the policy says so
	}{
		{"session-revoked", nil, true},
		{"sessions-revoked", nil, true},
		{"credential-change", claims{"credential_type": "password", "change_type": "create"}, false},
		{"credential-change", claims{"credential_type": "password", "change_type": "update"}, true},
		{"credential-change", claims{"credential_type": "fido2-roaming", "change_type": "update"}, false},
		{"credential-change", claims{"credential_type": "fido2-roaming", "change_type": "revoke"}, true},
		{"credential-change", claims{"credential_type": "ALL_FACTORS", "change_type": "delete"}, true},
		{"credential-change", nil, false},
		{"assurance-level-change", claims{"change_direction": "increase"}, false},
		{"assurance-level-change", claims{"change_direction": "decrease"}, true},
		{"assurance-level-change", claims{"current_level": "nist-aal1"}, true},
		{"device-compliance-change", claims{"current_status": "not-compliant"}, true},
		{"risk-level-change", claims{"current_level": "HIGH", "principal": "USER"}, true},
		{"risk-level-change", claims{"current_level": "LOW", "principal": "USER"}, false},
		{"risk-level-change", claims{"current_level": "HIGH", "principal": "TENANT"}, false},
		{"account-disabled", nil, true},
		{"account-purged", nil, true},
		{"account-credential-change-required", nil, true},
		{"credential-compromise", nil, true},
		{"identifier-changed", nil, true},
		{"identifier-recycled", nil, true},
		{"token-claims-change", nil, false},
		{"session-established", nil, false},
		{"session-presented", nil, false},
		{"", nil, false},
	}
	for _, policy := range []map[string]string{nil, everything} {
		c := w.signals(policy)
		for _, test := range cases {
			if len(w.live(identity.SessionFilter{User: ann.ID})) == 0 {
				w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: w.raft.Now(), Device: "d1"})
			}
			g := identity.Signal{Event: test.event, EventNanos: w.raft.Now(), Claims: test.claims, User: bySub(issuer, "00u1")}
			if test.claims["principal"] != "" {
				g.User, g.Subject = identity.SubjectID{}, bySub(issuer, "00u1")
			}
			sent++
			g.Once = fmt.Sprint(sent)
			if _, err := c.Receive(t.Context(), g); err != nil {
				t.Fatal(err)
			}
			ends := test.acts && (policy != nil || strings.HasSuffix(test.event, "s-revoked") || test.event == "session-revoked")
			if lives := len(w.live(identity.SessionFilter{User: ann.ID})) > 0; lives == ends {
				t.Errorf("%s %v, policy %v: lives %v", test.event, test.claims, policy != nil, lives)
			}
		}
	}
	for _, policy := range []map[string]string{{"session-revoked": "disable"}, {"x": "audit"}, {"token-claims-change": "end-sessions"}, {"session-revoked": ""}} {
		if _, err := w.service.SetSignalPolicy(w.ctx(), store, w.connection.ID, policy); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%v: %v", policy, err)
		}
	}
}

// IDENTITY d.5: accounts are disabled, enabled and deleted only where the policy says so, as by SCIM; what SCIM has
// said since stays, and so does what is newer than the event. By an address alone sessions end, and no more
// (g.0 rule 8).
func TestSignalAccounts(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	policy := map[string]string{"account-disabled": "disable", "account-enabled": "enable", "account-purged": "delete"}
	now := w.raft.Now()
	at := func(event string, seconds int64, id identity.SubjectID) identity.Signal {
		return identity.Signal{Event: event, EventNanos: now - aMinute + seconds*aSecond, Subject: id}
	}
	subject := bySub(issuer, "00u1")
	c := w.signals(nil)
	w.wantSignal(c, at("account-disabled", 1, subject), identity.SignalAudit)
	w.wantSignal(c, at("account-purged", 1, subject), identity.SignalAudit)
	if !w.gate(ann.ID).IsOpen() {
		t.Fatal("disabled, and nobody has said so")
	}
	c = w.signals(policy)
	w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: now - 10*aMinute})
	w.wantSignal(c, at("account-disabled", 1, byEmail("ann@acme.test")), identity.SignalEndSessions)
	w.wantLive(identity.SessionFilter{User: ann.ID})
	w.wantSignal(c, at("account-purged", 1, byEmail("ann@acme.test")), identity.SignalEndSessions)
	w.wantSignal(c, at("account-enabled", 1, byEmail("ann@acme.test")), identity.SignalMissed)
	w.wantSignal(c, at("account-disabled", 1, bySub("https://other.test", "00u1")), identity.SignalMissed)
	if !w.gate(ann.ID).IsOpen() {
		t.Fatal("disabled by an address")
	}
	active := func() bool {
		t.Helper()
		ctx, d := w.directory()
		v, err := d.View(ctx, ostiary.Freshness{Linearizable: true})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		u, err := v.User(ctx, ann.ID)
		if err != nil || u.Active != w.gate(ann.ID).IsOpen() {
			t.Errorf("active %v, gate %+v, %v", u.Active, w.gate(ann.ID), err)
		}
		return u.Active
	}
	want := func(what string, on bool) {
		t.Helper()
		if active() != on {
			t.Errorf("%s: active is %v", what, !on)
		}
	}
	w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: w.raft.Now()})
	w.wantSignal(c, at("account-disabled", 2, subject), identity.SignalDisable)
	want("disabled", false)
	w.wantLive(identity.SessionFilter{User: ann.ID})
	w.wantSignal(c, at("account-enabled", 1, subject), identity.SignalStale)
	w.wantSignal(c, at("account-enabled", 2, subject), identity.SignalStale)
	want("enabled by what is older", false)
	w.wantSignal(c, at("account-disabled", 3, subject), identity.SignalDisable)
	w.wantSignal(c, at("account-enabled", 4, subject), identity.SignalEnable)
	want("enabled", true)
	w.wantSignal(c, at("account-disabled", 3, subject), identity.SignalStale)
	want("disabled by what is older", true)

	// SCIM deactivates the person: only SCIM enables again.
	w.wantSignal(c, at("account-disabled", 5, subject), identity.SignalDisable)
	ctx, d := w.directory()
	for _, on := range []bool{true, false} {
		must(t)(d.ChangeUser(ctx, ann.ID, 0, func(u identity.User) (identity.UserInput, error) {
			u.Active = on
			return u.UserInput, nil
		}))
	}
	w.wantSignal(c, at("account-enabled", 6, subject), identity.SignalStale)
	want("enabled against SCIM", false)

	// Deleted for ever.
	w.wantSignal(c, at("account-purged", 7, subject), identity.SignalDelete)
	if !w.gate(ann.ID).Deleted || len(w.documents("signal-user/"+w.connection.ID)) != 0 {
		t.Errorf("gate %+v, left %q", w.gate(ann.ID), w.documents("signal-user/"+w.connection.ID))
	}
	w.wantSignal(c, at("account-enabled", 8, byID(ann.ID)), identity.SignalMissed)

	// The mass guard holds deletions: the person is disabled then.
	off := identity.GuardLimit{Minimum: 1, Percent: 1}
	must(t)(w.service.UpdateConnection(w.ctx(), store, w.connection.ID, identity.ConnectionChange{Users: &off}))
	for i, did := range []string{identity.SignalDisable, identity.SignalDisable} {
		u := w.person(fmt.Sprint("u", i), fmt.Sprint("x", i), "")
		w.wantSignal(c, at("account-purged", 9, bySub(issuer, fmt.Sprint("x", i))), did)
		if g := w.gate(u.ID); g.Deleted || g.IsOpen() {
			t.Errorf("gate %+v", g)
		}
	}
}

// IDENTITY d.5: device:D#compliant follows what a provider says of devices that sessions of its organization name,
// in the order in which it happened.
func TestSignalDeviceCompliance(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	w.logIn(identity.SessionInput{User: ann.ID, Device: "d1"})
	c := w.signals(map[string]string{"device-compliance-change": identity.SignalMarkDevice})
	now := w.raft.Now()
	tuple := "device:d1#compliant@user:* by ssf:" + w.connection.ID + "/d1"
	for i, step := range []struct {
		device, status string
		seconds        int64
		did            string
		compliant      bool
	}{
		{"d9", "compliant", 1, identity.SignalMissed, false},
		{"", "compliant", 1, identity.SignalMissed, false},
		{"d1", "unknown", 1, identity.SignalAudit, false},
		{"d1", "compliant", 2, identity.SignalMarkDevice, true},
		{"d1", "not-compliant", 1, identity.SignalStale, true},
		{"d1", "not-compliant", 2, identity.SignalMarkDevice, false},
		{"d1", "compliant", 2, identity.SignalStale, false},
		{"d1", "compliant", 3, identity.SignalMarkDevice, true},
	} {
		g := identity.Signal{Event: "device-compliance-change", EventNanos: now - aMinute + step.seconds*aSecond,
			Device: byID(step.device), Claims: map[string]string{"current_status": step.status}}
		w.wantSignal(c, g, step.did)
		if slices.Contains(w.tuples(), tuple) != step.compliant {
			t.Errorf("step %d: compliant is %v", i, !step.compliant)
		}
	}
	// With the connection goes what it said.
	for {
		done, err := w.service.DeleteConnection(w.ctx(), store, w.connection.ID, true)
		if err != nil {
			t.Fatal(err)
		}
		if done.Done {
			break
		}
	}
	for _, collection := range []string{"signals", "signals-use", "signals-stream", "signal-device/" + w.connection.ID} {
		if left := w.documents(collection); len(left) > 0 {
			t.Errorf("%s: left %q", collection, left)
		}
	}
	if slices.Contains(w.tuples(), tuple) {
		t.Error("the device is compliant by a connection that is gone")
	}
}

// IDENTITY d.5: after assurance has fallen, nobody knows any more how the people of the sessions have authenticated.
func TestSignalStepUp(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	now := w.raft.Now()
	in := identity.SessionInput{User: ann.ID, ACR: "urn:mfa", AMR: []string{"otp"}, AuthNanos: now - 10*aMinute}
	old := w.logIn(in)
	in.AuthNanos = now
	later := w.logIn(in)
	c := w.signals(map[string]string{"assurance-level-change": identity.SignalStepUp})
	w.wantSignal(c, identity.Signal{Event: "assurance-level-change", EventNanos: now - 5*aMinute, User: bySub(issuer, "00u1"),
		Claims: map[string]string{"change_direction": "decrease"}}, identity.SignalStepUp)
	for id, acr := range map[string]string{old.ID: "", later.ID: "urn:mfa"} {
		s, err := w.service.Session(w.ctx(), store, id)
		if err != nil || s.ACR != acr || (len(s.AMR) > 0) != (acr != "") {
			t.Errorf("acr %q, amr %q, %v", s.ACR, s.AMR, err)
		}
	}
	touched, err := w.service.TouchSession(w.ctx(), store, old.ID, now+int64(20*time.Hour))
	if err != nil || touched.ACR != "" {
		t.Errorf("acr %q, %v", touched.ACR, err)
	}
}

// Who is protected from revocations is from signals too; who is off takes none; the stream is noted; each SET leaves
// one audit row, without anything that the provider has sent.
func TestSignalAudit(t *testing.T) {
	w := newWorld(t)
	ann := w.person("ann", "00u1", "ann@acme.test")
	s := w.logIn(identity.SessionInput{User: ann.ID, Issuer: issuer, SID: "s1"})
	w.revoker(func(r *identity.Revoker) { r.Protected = []string{ann.ID} })
	c := w.signals(nil)
	w.wantSignal(c, identity.Signal{Event: "session-revoked", User: bySub(issuer, "00u1")}, identity.SignalProtected)
	w.wantSignal(c, identity.Signal{Event: "session-revoked", Session: byID("s1")}, identity.SignalMissed)
	w.wantLive(identity.SessionFilter{}, s.ID)
	before := len(w.auditBodies())
	w.wantSignal(c, identity.Signal{Event: "verification", Claims: map[string]string{"state": "abc"}}, identity.SignalNoted)
	w.wantSignal(c, identity.Signal{Event: "stream-updated", Claims: map[string]string{"status": "paused"}}, identity.SignalNoted)
	w.wantSignal(c, identity.Signal{Event: "stream-updated", Claims: map[string]string{"status": "x"}}, identity.SignalNoted)
	w.wantSignal(c, identity.Signal{Event: "session-revoked", Subject: byEmail("secret@acme.test")}, identity.SignalMissed)
	rows := w.auditBodies()
	if len(rows) != before+4 || strings.Contains(string(rows[len(rows)-1].Body), "secret") || !strings.Contains(string(rows[len(rows)-1].Body), `"signal.miss"`) {
		t.Errorf("%d rows more, the last %s", len(rows)-before, rows[len(rows)-1].Body)
	}
	_, state, err := w.service.SignalSource(w.ctx(), store, w.connection.ID)
	if err != nil || state.State != "abc" || state.Stream != "paused" || state.VerifiedNanos == 0 || state.UsedNanos == 0 {
		t.Errorf("got %+v, %v", state, err)
	}
	w.signalsOf(identity.SignalSource{Connection: w.connection.ID, Issuer: issuer, Audience: []string{"a"}, Off: true})
	if _, err := c.Receive(t.Context(), identity.Signal{Once: "off", Event: "session-revoked"}); !errors.Is(err, identity.ErrSignalsOff) {
		t.Errorf("got %v", err)
	}
	w.signalsOf(identity.SignalSource{Connection: w.connection.ID, Issuer: "https://other.test", Audience: []string{"a"}})
	if _, err := c.Receive(t.Context(), identity.Signal{Once: "moved", Event: "session-revoked"}); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("got %v", err)
	}
	must(t)(w.service.ClearSignalSource(w.ctx(), store, w.connection.ID))
	if _, err := w.service.SignalSourceOf(t.Context(), w.connection.ID); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("got %v", err)
	}
}

// Secrets of a source are judged and used, and never shown.
func TestSignalSecrets(t *testing.T) {
	w := newWorld(t)
	g := identity.SignalSource{Connection: w.connection.ID, Issuer: issuer, Audience: []string{"a"}, PollURL: "https://idp.test/poll"}
	must(t)(w.service.SetSignalSource(w.ctx(), store, g, identity.SignalSecrets{Authorization: "Bearer push-secret", PollToken: "poll-secret"}))
	c, err := w.service.SignalSourceOf(t.Context(), w.connection.ID)
	if err != nil || !c.Source().Authorized {
		t.Fatalf("got %+v, %v", c.Source(), err)
	}
	for header, good := range map[string]bool{"Bearer push-secret": true, "Bearer other": false, "": false, "bearer push-secret": false} {
		if err := c.Authorize(t.Context(), header); errors.Is(err, identity.ErrUnauthenticated) == good {
			t.Errorf("%q: %v", header, err)
		}
	}
	polls, err := w.service.SignalPolls(t.Context())
	if err != nil || len(polls) != 1 || polls[0].Token != "poll-secret" || polls[0].URL != g.PollURL {
		t.Errorf("got %+v, %v", polls, err)
	}
	docs, err := w.view().Documents("signals", "", 10, false)
	if err != nil || len(docs) != 1 || strings.Contains(string(docs[0].Body), "secret") {
		t.Errorf("stored %+v, %v", docs, err)
	}
	// A change of the policy leaves them.
	must(t)(w.service.SetSignalPolicy(w.ctx(), store, w.connection.ID, map[string]string{"session-revoked": "audit"}))
	if polls, err = w.service.SignalPolls(t.Context()); err != nil || len(polls) != 1 || polls[0].Token != "poll-secret" {
		t.Errorf("got %+v, %v", polls, err)
	}
	for name, bad := range map[string]struct {
		change  func(*identity.SignalSource)
		secrets identity.SignalSecrets
	}{
		"no issuer":       {func(g *identity.SignalSource) { g.Issuer = "" }, identity.SignalSecrets{}},
		"no audience":     {func(g *identity.SignalSource) { g.Audience = nil }, identity.SignalSecrets{}},
		"two ways":        {func(g *identity.SignalSource) { g.Keys, g.KeysURL = []byte("{}"), "https://idp.test/keys" }, identity.SignalSecrets{}},
		"a line":          {func(*identity.SignalSource) {}, identity.SignalSecrets{Authorization: "a\r\nb"}},
		"a token no poll": {func(g *identity.SignalSource) { g.PollURL = "" }, identity.SignalSecrets{PollToken: "x"}},
	} {
		changed := g
		bad.change(&changed)
		if _, err := w.service.SetSignalSource(w.ctx(), store, changed, bad.secrets); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What happened to an account before its person was made is of somebody before, however late it comes, or comes again.
func TestSignalOfSomebodyBefore(t *testing.T) {
	w := newWorld(t)
	c := w.signals(map[string]string{"account-disabled": "disable", "account-purged": "delete"})
	first := w.person("ann", "00u1", "ann@acme.test")
	long := w.raft.Now() - 10*aMinute
	ctx, d := w.directory()
	must(t)(d.DeleteUser(ctx, first.ID, 0))
	ann := w.person("ann", "00u1", "ann@acme.test")
	for _, event := range []string{"account-purged", "account-disabled"} {
		w.wantSignal(c, identity.Signal{Event: event, EventNanos: long, Subject: bySub(issuer, "00u1")}, identity.SignalStale)
	}
	if !w.gate(ann.ID).IsOpen() {
		t.Errorf("gate %+v", w.gate(ann.ID))
	}
	w.wantSignal(c, identity.Signal{Event: "account-purged", EventNanos: w.raft.Now(), Subject: bySub(issuer, "00u1")}, identity.SignalDelete)
}

// g.0 rule 11: a person may have more sessions than end at once: all of them end.
func TestSignalOfManySessions(t *testing.T) {
	w := newWorld(t)
	t.Cleanup(identity.SetEndedAtOnce(3))
	ann, bob := w.person("ann", "00u1", "one@acme.test"), w.person("bob", "00u2", "one@acme.test")
	now := w.raft.Now()
	for range 5 {
		w.logIn(identity.SessionInput{User: ann.ID, AuthNanos: now})
	}
	for range 3 {
		w.logIn(identity.SessionInput{User: bob.ID, AuthNanos: now})
	}
	done := w.wantSignal(w.signals(nil), identity.Signal{Event: "session-revoked", EventNanos: now, Subject: byEmail("one@acme.test")}, identity.SignalEndSessions)
	if done.Sessions != 8 || len(done.People) != 2 {
		t.Errorf("ended %d of %q", done.Sessions, done.People)
	}
	w.wantLive(identity.SessionFilter{})
	for _, tuple := range w.tuples() {
		if strings.Contains(tuple, "session:") {
			t.Errorf("%s is left", tuple)
		}
	}
}
