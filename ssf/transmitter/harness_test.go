package transmitter_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/issuer"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/oauth"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/ssf/transmitter"
)

const (
	store = "S"
	// patience bounds every wait of these tests.
	patience = 30 * time.Second
)

// backend adapts the real store, with a clock that the test may move.
type backend struct {
	*raftstore.Store
	ahead *atomic.Int64
}

func (b backend) View(ctx context.Context, f ostiary.Freshness) (identity.View, error) {
	return b.Store.View(ctx, f)
}

func (b backend) Now() int64 { return time.Now().UnixNano() + b.ahead.Load() }

// world is a server with the organization acme, of which ann and bob are members, a worker of the outbox, and a
// receiver of streams.
type world struct {
	t        testing.TB
	backend  backend
	service  *identity.Service
	url      string // the public URL
	receiver identity.StreamReceiver
	token    string // an access token of the receiver
}

func newWorld(t testing.TB) *world {
	t.Helper()
	raft, err := raftstore.Open(t.Context(), raftstore.Options{Dir: "data", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raft.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, backend: backend{raft, &atomic.Int64{}}}
	w.service = identity.New(w.backend, identity.Options{})
	m := &ostiary.Mutation{TimeNanos: raft.Now(), Principal: ostiary.Principal{Kind: "preshared", Name: "test"}}
	for _, id := range []string{store, "T"} {
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: "store", Key: id}, Body: []byte("{}")})
	}
	if _, err := raft.Propose(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.CreateOrganization(w.operator(), store, "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"ann", "bob"} {
		if _, err := w.service.AddMember(w.operator(), store, "acme", user); err != nil {
			t.Fatal(err)
		}
	}
	w.serve()
	w.receiver, w.token = w.newReceiver("", nil)
	return w
}

// serve answers what a server does at its public URL, and sends what waits.
func (w *world) serve() {
	client := egress.New(egress.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: patience})
	w.t.Cleanup(client.Close)
	keys := keyset.NewCache(client, keyset.Options{})
	w.t.Cleanup(keys.Close)
	var streams *transmitter.Handler
	var published *issuer.Handler
	tokens := oauth.New(oauth.Options{Service: w.service, Keys: keys, SCIMPrefix: "/scim/v2/", Now: w.backend.Now})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == oauth.TokenPath:
			tokens.ServeHTTP(rw, r)
		case issuer.Takes(r.URL.Path):
			published.ServeHTTP(rw, r)
		case transmitter.Takes(r.URL.Path):
			streams.ServeHTTP(rw, r)
		default:
			http.Error(rw, "another handler's", http.StatusTeapot)
		}
	}))
	w.t.Cleanup(server.Close)
	w.url = server.URL
	streams = transmitter.New(transmitter.Options{
		Identity: w.service, Backend: w.backend, PublicURL: w.url, Now: w.backend.Now, LongPoll: patience})
	published = issuer.New(issuer.Options{Keys: w.service, PublicURL: w.url})
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		outbox.New(outbox.Options{
			Backend: w.backend, Identity: w.service, Leads: func() bool { return true },
			// The clock may have been moved meanwhile.
			After: func(d time.Duration) <-chan time.Time { return time.After(min(d, 10*time.Millisecond)) },
			Kinds: []outbox.Kind{&transmitter.Push{Identity: w.service, Client: client, PublicURL: w.url}, transmitter.Poll{}},
		}).Run(ctx)
	})
	w.t.Cleanup(func() {
		stop()
		working.Wait()
	})
}

func (w *world) operator() context.Context {
	return ostiary.WithPrincipal(w.t.Context(), ostiary.Principal{Kind: "preshared", Name: "test"})
}

// newReceiver makes a receiver, and gets an access token as one does.
func (w *world) newReceiver(organization string, scopes []identity.Scope) (identity.StreamReceiver, string) {
	w.t.Helper()
	r, err := w.service.CreateStreamReceiver(w.operator(), identity.StreamReceiver{Store: store, Name: "Monitor", Organization: organization})
	if err != nil {
		w.t.Fatal(err)
	}
	c, secret, err := w.service.CreateClient(w.operator(), store, r.ID, identity.Client{Name: "first", Method: identity.ClientSecret, Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.PostForm(w.url+oauth.TokenPath, url.Values{"grant_type": {"client_credentials"}, "client_id": {c.ID}, "client_secret": {secret}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		Token string `json:"access_token"`
		Scope string `json:"scope"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || got.Token == "" {
		w.t.Fatalf("status %d: %+v, %v", resp.StatusCode, got, err)
	}
	if len(scopes) == 0 && got.Scope != "ssf.manage ssf.read" {
		w.t.Errorf("scope %q", got.Scope)
	}
	return r, got.Token
}

// ask sends a request with the receiver's token, and returns the answer.
func (w *world) ask(method, path string, body any, header ...string) (*http.Response, string) {
	w.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		data, err := json.Marshal(b)
		if err != nil {
			w.t.Fatal(err)
		}
		reader = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, reader)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(text)
}

type object = map[string]any

// want is ask that demands a status, and returns the answer as an object; nil where it has no body.
func (w *world) want(status int, method, path string, body any, header ...string) object {
	w.t.Helper()
	resp, text := w.ask(method, path, body, header...)
	if resp.StatusCode != status {
		w.t.Fatalf("%s %s: got %d, want %d: %s", method, path, resp.StatusCode, status, text)
	}
	if text == "" {
		return nil
	}
	var got object
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		w.t.Fatalf("%s %s: %q: %v", method, path, text, err)
	}
	return got
}

const streams = "/stores/" + store + "/ssf/streams"

// pushed makes a stream that is pushed to a place, and returns its id.
func (w *world) pushed(endpoint, header string, more object) string {
	w.t.Helper()
	delivery := object{"method": "urn:ietf:rfc:8935", "endpoint_url": endpoint}
	if header != "" {
		delivery["authorization_header"] = header
	}
	body := object{"delivery": delivery}
	for k, v := range more {
		body[k] = v
	}
	return w.want(http.StatusCreated, http.MethodPost, streams, body)["stream_id"].(string)
}

// polled makes a stream that is polled.
func (w *world) polled(more object) string {
	w.t.Helper()
	if more == nil {
		more = object{"ostiary_signing_alg": "ES256"} // whose keys are made at once
	}
	return w.want(http.StatusCreated, http.MethodPost, streams, more)["stream_id"].(string)
}

// end logs a person in and out, and returns the session's id.
func (w *world) end(user string) string {
	w.t.Helper()
	made, err := w.service.CreateSession(w.operator(), store, identity.SessionInput{Organization: "acme", User: user, Client: "portal", AuthNanos: w.backend.Now()})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.service.RevokeSessions(w.operator(), store, user, "acme", "test"); err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}

// poll fetches what waits for a stream.
func (w *world) poll(stream string, body object) (sets map[string]set, more bool) {
	w.t.Helper()
	if body == nil {
		body = object{}
	}
	got := w.want(http.StatusOK, http.MethodPost, "/stores/"+store+"/ssf/poll/"+stream, body)
	sets = map[string]set{}
	for id, text := range got["sets"].(object) {
		sets[id] = w.verify(text.(string))
		if sets[id].ID != id {
			w.t.Errorf("the SET of %s has the id %s", id, sets[id].ID)
		}
	}
	return sets, got["moreAvailable"].(bool)
}

// until waits until a condition holds.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(25 * time.Millisecond) { // within the rate
		if time.Now().After(deadline) {
			w.t.Fatalf("it never holds that %s", what)
		}
	}
}

// set is a SET as a receiver reads it, by what the specifications say alone.
type set struct {
	Algorithm string
	Issuer    string                     `json:"iss"`
	Audience  string                     `json:"aud"`
	Issued    int64                      `json:"iat"`
	ID        string                     `json:"jti"`
	Subject   object                     `json:"sub_id"`
	Events    map[string]json.RawMessage `json:"events"`
	All       object                     `json:"-"`
}

// event returns the only event.
func (s set) event(t testing.TB, uri string) object {
	t.Helper()
	var e object
	if err := json.Unmarshal(s.Events[uri], &e); err != nil || len(s.Events) != 1 {
		t.Fatalf("events %s: %v", s.Events, err)
	}
	return e
}

// verify judges a SET as RFC 8417 and SSF 1.0 ask for, by keys that it fetches as a receiver does. It shares no code
// with what signs.
func (w *world) verify(text string) set {
	w.t.Helper()
	s, err := w.judged(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) judged(text string) (s set, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return s, fmt.Errorf("%q is no JWS in compact form", text)
	}
	var raw [3][]byte
	for i, p := range parts {
		if raw[i], err = base64.RawURLEncoding.DecodeString(p); err != nil {
			return s, err
		}
	}
	var header struct{ Alg, Typ, Kid string }
	if err := json.Unmarshal(raw[0], &header); err != nil || header.Typ != "secevent+jwt" {
		return s, fmt.Errorf("header %s: %v", raw[0], err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	key, err := w.publicKey(header.Kid)
	if err != nil {
		return s, err
	}
	good := false
	switch k := key.(type) {
	case *rsa.PublicKey:
		good = header.Alg == "RS256" && k.N.BitLen() >= 2048 && rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], raw[2]) == nil
	case *ecdsa.PublicKey:
		good = header.Alg == "ES256" && len(raw[2]) == 64 &&
			ecdsa.Verify(k, sum[:], new(big.Int).SetBytes(raw[2][:32]), new(big.Int).SetBytes(raw[2][32:]))
	}
	if !good {
		return s, fmt.Errorf("the signature does not fit key %s", header.Kid)
	}
	if err := json.Unmarshal(raw[1], &s); err != nil {
		return s, err
	}
	if err := json.Unmarshal(raw[1], &s.All); err != nil {
		return s, err
	}
	s.Algorithm = header.Alg
	for _, name := range []string{"exp", "sub", "nonce"} {
		if _, there := s.All[name]; there {
			return s, fmt.Errorf("a SET has %s", name)
		}
	}
	if s.Issuer != w.url+"/stores/S" || s.ID == "" || s.Issued == 0 || s.Subject["format"] == nil {
		return s, fmt.Errorf("claims %s", raw[1])
	}
	return s, nil
}

// publicKey fetches a key by the metadata.
func (w *world) publicKey(kid string) (any, error) {
	get := func(at string, into any) error {
		resp, err := http.Get(at)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		return json.NewDecoder(resp.Body).Decode(into)
	}
	var metadata struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := get(w.url+"/.well-known/ssf-configuration/stores/S", &metadata); err != nil {
		return nil, err
	}
	var keys struct{ Keys []map[string]string }
	if err := get(metadata.JWKS, &keys); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(keys.Keys, func(k map[string]string) bool { return k["kid"] == kid })
	if i < 0 {
		return nil, fmt.Errorf("key %s is not published", kid)
	}
	member := func(name string) []byte {
		data, err := base64.RawURLEncoding.DecodeString(keys.Keys[i][name])
		if err != nil {
			w.t.Error(err)
		}
		return data
	}
	if keys.Keys[i]["kty"] == "RSA" {
		return &rsa.PublicKey{N: new(big.Int).SetBytes(member("n")), E: int(new(big.Int).SetBytes(member("e")).Int64())}, nil
	}
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, member("x"), member("y")))
}

// endpoint takes pushed SETs.
type endpoint struct {
	*httptest.Server
	mu      sync.Mutex
	sets    []set
	headers []http.Header
	answers []int // of the next requests; then 202
}

func (w *world) endpoint() *endpoint {
	e := &endpoint{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.t.Error(err)
		}
		s, err := w.judged(string(body))
		if err != nil {
			w.t.Error(err)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.sets, e.headers = append(e.sets, s), append(e.headers, r.Header)
		status := http.StatusAccepted
		if len(e.answers) > 0 {
			status, e.answers = e.answers[0], e.answers[1:]
		}
		if status == http.StatusBadRequest {
			rw.Header().Set("Content-Type", "application/json")
			rw.WriteHeader(status)
			fmt.Fprint(rw, `{"err":"invalid_audience","description":"ann@acme.test"}`)
			return
		}
		rw.WriteHeader(status)
	}))
	w.t.Cleanup(e.Close)
	return e
}

func (e *endpoint) got() []set {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.sets)
}

func (w *world) letters() (all []outbox.Letter) {
	w.t.Helper()
	err := w.service.ReadStore(w.t.Context(), store, func(v identity.View) (err error) {
		all, err = outbox.Letters(v, store, outbox.Filter{}, "", 100)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

var setStatus = transmitter.SetStatus

// waiting counts the deliveries that wait.
func (w *world) waiting() (n int) {
	w.t.Helper()
	err := w.service.ReadStore(w.t.Context(), store, func(v identity.View) error {
		all, err := outbox.Deliveries(v, store, outbox.Filter{}, "", 100)
		n = len(all)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}
