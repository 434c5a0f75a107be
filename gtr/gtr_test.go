package gtr_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/gtr"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/teststore"
)

// IDENTITY GTR-1, GTR-3, GTR-4, GTR-5, GTR-7, GTR-8, GTR-13: a request as Okta makes it is answered with 204 once
// every session has ended, refresh tokens among them, and nobody gets another without authenticating.
func TestRevocation(t *testing.T) {
	w := newWorld(t, nil)
	auth := w.backend.Now()
	if _, err := w.service.CreateSession(w.operator(), store, identity.SessionInput{
		Organization: "acme", User: w.ann.ID, AuthNanos: auth, Layer: identity.LayerRefreshToken}); err != nil {
		t.Fatal(err)
	}
	if n := w.live(w.ann); n != 2 {
		t.Fatalf("%d sessions", n)
	}
	w.post(w.path(), w.jwt(nil), w.named(subject)).want(http.StatusNoContent)
	if n := w.live(w.ann); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	_, err := w.service.CreateSession(w.operator(), store, identity.SessionInput{Organization: "acme", User: w.ann.ID, AuthNanos: auth})
	if refused, ok := identity.IsLoginRefused(err); !ok || refused.Reason != identity.RefusedReauthenticate {
		t.Errorf("a login of before: %v", err)
	}
	w.logIn(w.ann)
	w.post(w.longPath(), w.jwt(map[string]any{"aud": []string{public + w.longPath()}}), w.named(subject)).want(http.StatusNoContent)
	if n := w.live(w.ann); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// IDENTITY b.2: what Okta and the draft may send.
func TestTaken(t *testing.T) {
	w := newWorld(t, nil)
	now := w.backend.Now() / 1e9
	bodies := map[string]string{
		"the provider's subject": w.named(subject),
		"our id":                 w.named(w.ann.ID),
		"an e-mail":              `{"sub_id":{"format":"email","email":"ANN@acme.test"}}`,
		"an opaque id":           `{"sub_id":{"format":"opaque","id":"` + w.ann.ID + `"}}`,
		"drafts before 03":       `{"subject":{"format":"email","email":"ann@acme.test"}}`,
		"aliases": `{"sub_id":{"format":"aliases","identifiers":[{"format":"phone_number","phone_number":"+1"},
			{"format":"email","email":"x@acme.test"},{"format":"opaque","id":"00u1"}]}}`,
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			defer w.in(t)()
			w.post(w.path(), w.jwt(nil), body).want(http.StatusNoContent)
		})
	}
	for name, jwt := range map[string]string{
		"the long type":         sign(t, jose.RS256, w.key, "k", w.claims(nil), "typ", "application/Global-Token-Revocation+JWT"),
		"PS256":                 sign(t, jose.PS256, w.key, "k", w.claims(nil), "typ", typ),
		"no nbf":                w.jwt(map[string]any{"nbf": nil}),
		"a list of one aud":     w.jwt(map[string]any{"aud": []string{public + w.path()}}),
		"a clock a little fast": w.jwt(map[string]any{"iat": now + 50, "exp": now + 350}),
	} {
		t.Run(name, func(t *testing.T) {
			defer w.in(t)()
			w.post(w.path(), jwt, w.named(subject), "Content-Type", "application/json; charset=utf-8").want(http.StatusNoContent)
		})
	}
}

// IDENTITY GTR-12, and the attacks: whatever is no JWT of this provider, about this application, for this URL, now,
// and for one body, gets 401, ends nothing, and is told nothing.
func TestJWTAttacks(t *testing.T) {
	w := newWorld(t, nil)
	second := w.connect("acme")
	other := teststore.RSAKey(1)
	now := w.backend.Now() / 1e9
	publicText, err := json.Marshal(jose.JSONWebKey{Key: w.key.Public(), KeyID: "k"})
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(w.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	payload, err := json.Marshal(w.claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	with := func(pairs ...any) string {
		others := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			others[pairs[i].(string)] = pairs[i+1]
		}
		return w.jwt(others)
	}
	typed := func(typ string) string { return sign(t, jose.RS256, w.key, "k", w.claims(nil), "typ", typ) }
	good := with()
	parts := strings.Split(good, ".")
	for name, jwt := range map[string]string{
		"nothing":                        "",
		"no JWT":                         "x",
		"alg none":                       b64([]byte(`{"alg":"none","typ":"`+typ+`"}`)) + "." + b64(payload) + ".",
		"no signature":                   parts[0] + "." + parts[1] + ".",
		"another payload":                parts[0] + "." + b64(payload) + "." + parts[2],
		"HS256 with the public key":      sign(t, jose.HS256, publicPEM, "k", w.claims(nil), "typ", typ),
		"HS256 with the key as JWK":      sign(t, jose.HS256, publicText, "k", w.claims(nil), "typ", typ),
		"RS512":                          sign(t, jose.RS512, w.key, "k", w.claims(nil), "typ", typ),
		"a key of nobody":                sign(t, jose.RS256, other, "k", w.claims(nil), "typ", typ),
		"a key in the header":            sign(t, jose.RS256, other, "k", w.claims(nil), "typ", typ, "jwk", jose.JSONWebKey{Key: other.Public()}),
		"the URL of a key in its header": sign(t, jose.RS256, other, "k", w.claims(nil), "typ", typ, "jku", w.provider+"/mine"),
		"an unknown key id":              sign(t, jose.RS256, w.key, "x", w.claims(nil), "typ", typ),
		"no type":                        sign(t, jose.RS256, w.key, "k", w.claims(nil)),
		"type JWT, as of an ID token":    typed("JWT"),
		"type of a logout token":         typed("logout+jwt"),
		"type of a security event":       typed("secevent+jwt"),
		"type of an access token":        typed("at+jwt"),
		"type of an assertion":           typed("client-authentication+jwt"),
		"an ID token with our type":      with("nonce", "n"),
		"a logout token with our type":   with("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}),
		"another iss":                    with("iss", "https://other.test"),
		"iss with a slash":               with("iss", w.provider+"/"),
		"no iss":                         with("iss", nil),
		"another sub":                    with("sub", "0oa2"),
		"sub of the person":              with("sub", subject),
		"no sub":                         with("sub", nil),
		"no aud":                         with("aud", nil),
		"aud of the server":              with("aud", public),
		"aud of another connection":      with("aud", public+gtr.Prefix+second.ID),
		"aud of the other URL":           with("aud", public+w.longPath()),
		"aud of another server":          with("aud", "https://evil.test"+w.path()),
		"aud with a query":               with("aud", public+w.path()+"?x=1"),
		"aud of two":                     with("aud", []string{public + w.path(), "https://evil.test"}),
		"aud as an object":               with("aud", map[string]any{"x": public + w.path()}),
		"no exp":                         with("exp", nil),
		"exp as a text":                  with("exp", "tomorrow"),
		"expired":                        with("exp", now-61, "iat", now-300),
		"exp far ahead":                  with("exp", now+3600),
		"exp beyond all numbers":         with("exp", json.Number("1e308")),
		"no iat":                         with("iat", nil),
		"iat far ahead":                  with("iat", now+300, "exp", now+600),
		"iat long ago":                   with("iat", now-3600, "exp", now-3000),
		"nbf far ahead":                  with("nbf", now+300),
		"good for 14 minutes":            with("iat", now-300, "exp", now+540),
		"no jti":                         with("jti", nil),
		"a long jti":                     with("jti", strings.Repeat("x", 300)),
		"claims that are no object":      sign(t, jose.RS256, w.key, "k", []string{"x"}, "typ", typ),
	} {
		t.Run(name, func(t *testing.T) {
			defer w.in(t)()
			r := w.post(w.path(), jwt, w.named(subject))
			r.want(http.StatusUnauthorized)
			if strings.Contains(r.body, subject) || strings.Contains(r.body, w.connection.ID) {
				t.Errorf("the answer tells: %s", r.body)
			}
		})
	}
	strangers := w.post(w.path(), "x", w.named(subject))
	for name, r := range map[string]reply{
		"no such connection":           w.post(gtr.Prefix+"c"+strings.Repeat("0", 26), good, w.named(subject)),
		"no id of a connection":        w.post(gtr.Prefix+"x", good, w.named(subject)),
		"another organization":         w.post("/orgs/beta/connections/"+w.connection.ID+"/global-token-revocation", w.jwt(map[string]any{"aud": public + "/orgs/beta/connections/" + w.connection.ID + "/global-token-revocation"}), w.named(subject)),
		"a connection without signers": w.post(gtr.Prefix+second.ID, w.jwt(map[string]any{"aud": public + gtr.Prefix + second.ID}), w.named(subject)),
		"a body that is none":          w.post(w.path(), "x", "{"),
		"another scheme":               w.post(w.path(), "", w.named(subject), "Authorization", "Basic "+good),
	} {
		if r.status != http.StatusUnauthorized || r.body != strangers.body {
			t.Errorf("%s: got %d %s, and a stranger gets %s", name, r.status, r.body, strangers.body)
		}
	}
	if n := w.live(w.ann); n != 1 {
		t.Errorf("%d sessions are left of 1", n)
	}
	// A JWT that was good is not later.
	w.backend.Ahead.Add(int64(7 * time.Minute))
	w.post(w.path(), good, w.named(subject)).want(http.StatusUnauthorized)
}

// IDENTITY b.4: the same JWT with the same body is a retry, which changes nothing, and with another an attack.
func TestReplay(t *testing.T) {
	w := newWorld(t, nil)
	bob := w.person(w.connection, "bob", "00u2")
	w.logIn(bob)
	jwt := w.jwt(nil)
	first := w.post(w.path(), jwt, w.named(subject))
	first.want(http.StatusNoContent)
	w.logIn(w.ann)
	again := w.post(w.path(), jwt, strings.ReplaceAll(w.named(subject), ",", " ,\n"))
	again.want(http.StatusNoContent)
	if again.header.Get("Ostiary-Revision") != first.header.Get("Ostiary-Revision") {
		t.Errorf("the retry took effect at %s, and not at %s", again.header.Get("Ostiary-Revision"), first.header.Get("Ostiary-Revision"))
	}
	w.post(w.path(), jwt, w.named("00u2")).want(http.StatusUnauthorized)
	w.post(w.path(), w.jwt(map[string]any{"jti": "x"}), w.named("00u9")).want(http.StatusNotFound)
	w.post(w.path(), w.jwt(map[string]any{"jti": "x"}), w.named("00u2")).want(http.StatusUnauthorized)
	if w.live(w.ann) != 1 || w.live(bob) != 1 {
		t.Errorf("ann has %d sessions, bob %d", w.live(w.ann), w.live(bob))
	}
}

// IDENTITY GTR-9, b.4.5: who is unknown and who is out of reach are answered alike.
func TestNobody(t *testing.T) {
	w := newWorld(t, nil)
	elsewhere := w.person(w.connect("beta"), "eve", "00u5")
	deleted := w.person(w.connection, "del", "00u6")
	ctx, d, err := w.service.Directory(t.Context(), w.connection.ID, "Bearer "+w.token(w.connection))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.DeleteUser(ctx, deleted.ID, 0); err != nil {
		t.Fatal(err)
	}
	var first string
	for name, body := range map[string]string{
		"nobody":                       w.named("00u9"),
		"another connection's subject": w.named("00u5"),
		"another connection's id":      w.named(elsewhere.ID),
		"another connection's e-mail":  `{"sub_id":{"format":"email","email":"eve@acme.test"}}`,
		"deleted":                      w.named("00u6"),
		"deleted, by our id":           w.named(deleted.ID),
		"another issuer's subject":     `{"sub_id":{"format":"iss_sub","iss":"https://other.test","sub":"` + subject + `"}}`,
		"text that no id can be":       `{"sub_id":{"format":"opaque","id":"` + strings.Repeat("x", 4000) + `"}}`,
		"text with what ends a key":    `{"sub_id":{"format":"opaque","id":"u\u0000x/y"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			defer w.in(t)()
			r := w.post(w.path(), w.jwt(nil), body)
			r.want(http.StatusNotFound)
			if first == "" {
				first = r.body
			}
			if r.body != first {
				t.Errorf("got %s and %s", r.body, first)
			}
		})
	}
}

// IDENTITY GTR-1, GTR-3, GTR-9: what is malformed is 400, and said to those alone who may ask.
func TestMalformed(t *testing.T) {
	w := newWorld(t, nil)
	for name, body := range map[string]string{
		"nothing":                    "",
		"no JSON":                    "x",
		"a list":                     "[]",
		"no members":                 "{}",
		"null":                       `{"sub_id":null}`,
		"a text":                     `{"sub_id":"ann"}`,
		"more members":               `{"sub_id":{"format":"opaque","id":"00u1"},"x":1}`,
		"both names":                 `{"sub_id":{"format":"opaque","id":"00u1"},"subject":{"format":"opaque","id":"00u1"}}`,
		"a member twice":             `{"sub_id":{"format":"opaque","id":"00u9"},"sub_id":{"format":"opaque","id":"00u1"}}`,
		"a member within twice":      `{"sub_id":{"format":"opaque","id":"00u9","id":"00u1"}}`,
		"more after it":              `{"sub_id":{"format":"opaque","id":"00u1"}}{}`,
		"no format":                  `{"sub_id":{"id":"00u1"}}`,
		"a format of another case":   `{"sub_id":{"format":"Opaque","id":"00u1"}}`,
		"a format that is not taken": `{"sub_id":{"format":"phone_number","phone_number":"+1"}}`,
		"a member of another format": `{"sub_id":{"format":"opaque","email":"00u1"}}`,
		"one member more":            `{"sub_id":{"format":"opaque","id":"00u1","email":"x"}}`,
		"one member less":            `{"sub_id":{"format":"iss_sub","sub":"00u1"}}`,
		"a number":                   `{"sub_id":{"format":"opaque","id":1}}`,
		"an empty text":              `{"sub_id":{"format":"opaque","id":""}}`,
		"not UTF-8":                  "{\"sub_id\":{\"format\":\"opaque\",\"id\":\"\xff\"}}",
		"no aliases":                 `{"sub_id":{"format":"aliases","identifiers":[]}}`,
		"aliases that are no list":   `{"sub_id":{"format":"aliases","identifiers":{}}}`,
		"aliases of no known format": `{"sub_id":{"format":"aliases","identifiers":[{"format":"uri","uri":"x"}]}}`,
		"aliases within aliases":     `{"sub_id":{"format":"aliases","identifiers":[{"format":"aliases","identifiers":[{"format":"opaque","id":"00u1"}]}]}}`,
		"many aliases":               `{"sub_id":{"format":"aliases","identifiers":[` + strings.Repeat(`{"format":"opaque","id":"00u1"},`, 20) + `{"format":"opaque","id":"00u1"}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			defer w.in(t)()
			w.post(w.path(), w.jwt(nil), body).want(http.StatusBadRequest)
			w.post(w.path(), "x", body).want(http.StatusUnauthorized)
		})
	}
	w.post(w.path(), w.jwt(nil), `{"sub_id":{"format":"opaque","id":"`+strings.Repeat("x", 9_000)+`"}}`).want(http.StatusRequestEntityTooLarge)
	w.post(w.path(), w.jwt(nil), w.named(subject), "Content-Type", "text/plain").want(http.StatusUnsupportedMediaType)
	get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url+w.path(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r := w.do(get); r.status != http.StatusMethodNotAllowed || r.header.Get("Allow") != http.MethodPost {
		t.Errorf("GET: got %d %v", r.status, r.header)
	}
	for _, path := range []string{gtr.Prefix, "/orgs/acme/connections/x", w.path() + "/x", "/gtr/%2e%2e", w.longPath() + "/x"} {
		if r := w.post(path, w.jwt(nil), w.named(subject)); r.status != http.StatusNotFound {
			t.Errorf("%s: got %d", path, r.status)
		}
	}
	if n := w.live(w.ann); n != 1 {
		t.Errorf("%d sessions are left of 1", n)
	}
}

// IDENTITY GTR-4, GTR-9, GTR-10: tokens of scope gtr, and of no other; what is turned off is said to those alone
// who may ask; and a protected person is 422.
func TestAllowed(t *testing.T) {
	w := newWorld(t, nil)
	body := `{"sub_id":{"format":"opaque","id":"00u1"}}`
	mine, scim := w.token(w.connection, identity.ScopeRevoke), w.token(w.connection)
	theirs := w.token(w.connect("acme"), identity.ScopeRevoke)
	w.post(w.path(), scim, body).want(http.StatusForbidden)
	w.post(w.path(), theirs, body).want(http.StatusUnauthorized)
	w.post("/orgs/beta/connections/"+w.connection.ID+"/global-token-revocation", mine, body).want(http.StatusUnauthorized)
	if n := w.live(w.ann); n != 1 {
		t.Errorf("%d sessions are left of 1", n)
	}
	w.post(w.path(), mine, body).want(http.StatusNoContent)
	w.post(w.longPath(), mine, body).want(http.StatusNoContent)

	client, _, err := w.service.CreateClient(w.operator(), store, w.connection.ID, identity.Client{
		Name: "SOAR", Method: identity.ClientSecret, Scopes: []identity.Scope{identity.ScopeRevoke}})
	if err != nil {
		t.Fatal(err)
	}
	access, err := w.service.IssueToken(t.Context(), client, client.Scopes, "")
	if err != nil {
		t.Fatal(err)
	}
	w.post(w.path(), access, body).want(http.StatusNoContent)

	w.set(func(r *identity.Revoker) { r.Protected = []string{w.ann.ID} })
	w.logIn(w.ann)
	w.post(w.path(), w.jwt(nil), body).want(http.StatusUnprocessableEntity)
	w.set(func(r *identity.Revoker) { r.Off = true })
	for _, shown := range []string{w.jwt(nil), mine, access} {
		w.post(w.path(), shown, body).want(http.StatusForbidden)
		w.post(w.path(), shown, "{").want(http.StatusForbidden)
	}
	w.post(w.path(), "x", body).want(http.StatusUnauthorized)
	if n := w.live(w.ann); n != 1 {
		t.Errorf("%d sessions are left of 1", n)
	}
}

// IDENTITY b.5: key ids that nobody knows do not make the server ask on, nor does what can be refused without a
// key; and a provider that does not answer is no reason to let anybody in, nor to refuse for good.
func TestKeyFetches(t *testing.T) {
	w := newWorld(t, nil)
	sick := func(others map[string]any) {
		w.post(w.path(), w.jwt(others), w.named(subject)).want(http.StatusUnauthorized)
	}
	sick(map[string]any{"exp": 1})
	sick(map[string]any{"aud": public})
	sick(map[string]any{"iss": "https://other.test"})
	if n := w.asked.Load(); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
	for i := range 50 {
		w.post(w.path(), sign(t, jose.RS256, teststore.RSAKey(1), fmt.Sprint(i), w.claims(nil), "typ", typ), w.named(subject)).want(http.StatusUnauthorized)
	}
	if n := w.asked.Load(); n > 3 { // two places of metadata, and the keys
		t.Errorf("the provider was asked %d times", n)
	}
	w.set(func(r *identity.Revoker) { r.KeysURL = w.provider + "/none" })
	if r := w.post(w.path(), w.jwt(nil), w.named(subject)); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("keys that are not there: got %d %s %v", r.status, r.body, r.header)
	}
	w.set(func(r *identity.Revoker) { r.KeysURL = "https://10.0.0.1/keys" })
	if r := w.post(w.path(), w.jwt(nil), w.named(subject)); r.status != http.StatusServiceUnavailable {
		t.Errorf("keys at a private address: got %d %s", r.status, r.body)
	}
	w.pages["/huge"] = func(rw http.ResponseWriter, _ *http.Request) { rw.Write(make([]byte, 1<<20)) }
	w.set(func(r *identity.Revoker) { r.KeysURL = w.provider + "/huge" })
	if r := w.post(w.path(), w.jwt(nil), w.named(subject)); r.status != http.StatusServiceUnavailable {
		t.Errorf("keys without end: got %d %s", r.status, r.body)
	}
	w.set(func(r *identity.Revoker) { r.Keys = jwks(t, w.key, "k") })
	w.post(w.path(), w.jwt(nil), w.named(subject)).want(http.StatusNoContent)
}

// IDENTITY b.2: with SAML, the JWT is signed by the key of the certificate, whatever key id it names.
func TestCertificate(t *testing.T) {
	w := newWorld(t, nil)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(-time.Hour)} // it says which key, and no more
	der, err := x509.CreateCertificate(rand.Reader, template, template, w.key.Public(), w.key)
	if err != nil {
		t.Fatal(err)
	}
	w.set(func(r *identity.Revoker) {
		r.Certificates = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	})
	for _, kid := range []string{"", "k", "of the provider"} {
		w.post(w.path(), sign(t, jose.RS256, w.key, kid, w.claims(nil), "typ", typ), w.named(subject)).want(http.StatusNoContent)
	}
	w.post(w.path(), sign(t, jose.RS256, teststore.RSAKey(1), "k", w.claims(nil), "typ", typ), w.named(subject)).want(http.StatusUnauthorized)
	if n := w.asked.Load(); n != 0 {
		t.Errorf("the provider was asked %d times", n)
	}
}

// A server that does not know its own URL takes no JWT, which would name no server.
func TestWithoutPublicURL(t *testing.T) {
	w := newWorld(t, func(o *gtr.Options) { o.PublicURL = "" })
	w.post(w.path(), w.jwt(map[string]any{"aud": w.path()}), w.named(subject)).want(http.StatusUnauthorized)
	w.post(w.path(), w.token(w.connection, identity.ScopeRevoke), w.named(subject)).want(http.StatusNoContent)
}

// watcher counts what an Observer is told.
type watcher struct {
	answered map[int]int
	alarms   int
}

func (o *watcher) Answered(status int, _ time.Duration) { o.answered[status]++ }
func (o *watcher) Alarmed()                             { o.alarms++ }

// IDENTITY g.0 rule 11, b.5: many revocations raise one alarm a minute, and none is refused.
func TestAlarm(t *testing.T) {
	o := &watcher{answered: map[int]int{}}
	w := newWorld(t, func(options *gtr.Options) { options.Observer = o })
	shown, body := w.token(w.connection, identity.ScopeRevoke), `{"sub_id":{"format":"opaque","id":"00u1"}}`
	for range gtr.AlarmPeople + 20 {
		w.post(w.path(), shown, body).want(http.StatusNoContent)
	}
	w.post(w.path(), "x", body).want(http.StatusUnauthorized)
	if o.alarms != 1 || o.answered[http.StatusNoContent] != gtr.AlarmPeople+20 || o.answered[http.StatusUnauthorized] != 1 {
		t.Errorf("told %+v", o)
	}
}

// No answer waits for the fan-out, and none comes before the revision that it names: who asks at least there
// finds no session.
func TestAnswerNamesRevision(t *testing.T) {
	w := newWorld(t, nil)
	session := w.logIn(w.ann)
	r := w.post(w.path(), w.jwt(nil), w.named(subject))
	r.want(http.StatusNoContent)
	revision, err := ostiary.Token(r.header.Get("Ostiary-Token")).Revision(ostiary.ClusterID{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := w.backend.View(t.Context(), ostiary.Freshness{AtLeast: revision})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, live, err := identity.SessionAt(t.Context(), v, store, session.ID, w.backend.Now()); err != nil || live {
		t.Errorf("the session lives: %v, %v", live, err)
	}
}
