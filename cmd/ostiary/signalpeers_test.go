package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/ssf"
)

// peerStreams makes streams at a server, as their receiver.
type peerStreams struct {
	t        *testing.T
	token    string
	metadata struct {
		Issuer  string `json:"issuer"`
		Streams string `json:"configuration_endpoint"`
		Verify  string `json:"verification_endpoint"`
	}
}

// newPeerStreams lets a receiver in at the server of a command line whose store is in use.
func newPeerStreams(t *testing.T, c *cli, store ...string) *peerStreams {
	t.Helper()
	var made struct {
		ID          string `json:"client_id"`
		Secret      string `json:"client_secret"`
		MetadataURL string `json:"metadata_url"`
		TokenURL    string `json:"token_url"`
	}
	parse(t, c.must(append([]string{"stream", "receiver", "create", "Peer", "--output", "json"}, store...)...), &made)
	s := &peerStreams{t: t}
	s.ask(http.MethodGet, made.MetadataURL, "", "", &s.metadata)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {made.ID}, "client_secret": {made.Secret}}
	var token struct {
		Text string `json:"access_token"`
	}
	s.ask(http.MethodPost, made.TokenURL, "application/x-www-form-urlencoded", form.Encode(), &token)
	s.token = token.Text
	return s
}

func parse(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func (s *peerStreams) ask(method, at, kind, body string, into any) {
	s.t.Helper()
	headers := []string{"Content-Type", kind}
	if s.token != "" {
		headers = append(headers, "Authorization", "Bearer "+s.token)
	}
	resp, text := sendHTTP(s.t, http.DefaultClient, method, at, body, headers...)
	if resp.StatusCode > 299 {
		s.t.Fatalf("%s %s: %d %s", method, at, resp.StatusCode, text)
	}
	if into != nil {
		parse(s.t, text, into)
	}
}

// peerStream is a stream as its transmitter shows it.
type peerStream struct {
	ID       string `json:"stream_id"`
	Audience string `json:"aud"`
	Delivery struct {
		URL string `json:"endpoint_url"`
	}
}

func (s *peerStreams) create(configuration map[string]any) (made peerStream) {
	s.t.Helper()
	body, err := json.Marshal(configuration)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ask(http.MethodPost, s.metadata.Streams, "application/json", string(body), &made)
	return made
}

// unsteady is what stands between a transmitter and a receiver, and lets each SET come twice: the answer to the first
// push is lost, and so are the first acknowledgements.
type unsteady struct {
	t  *testing.T
	to string

	mu   sync.Mutex
	seen map[string]int // pushes that were taken, by what they say; answers to polls, by the ids of SETs
	lost bool           // what was to be lost
}

func newUnsteady(t *testing.T, to string) (*unsteady, string) {
	u := &unsteady{t: t, to: to, seen: map[string]int{}}
	s := httptest.NewServer(u)
	t.Cleanup(func() {
		s.CloseClientConnections() // of polls that wait
		s.Close()
	})
	return u, s.URL
}

func (u *unsteady) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	push := r.Header.Get("Content-Type") == ssf.ContentType
	var q map[string]any
	if err == nil && !push && json.Unmarshal(body, &q) == nil && q["ack"] != nil && u.lose() {
		delete(q, "ack")
		body, err = json.Marshal(q)
	}
	var status int
	var answer []byte
	if err == nil {
		status, answer, err = u.forward(r, body)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadGateway) // a request that its sender has given up ends so
		return
	}
	u.note(push, status, body, answer)
	if push && status == http.StatusAccepted && u.lose() {
		status, answer = http.StatusServiceUnavailable, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (u *unsteady) forward(r *http.Request, body []byte) (status int, answer []byte, err error) {
	on, err := http.NewRequestWithContext(r.Context(), r.Method, u.to+r.URL.Path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	for _, name := range []string{"Content-Type", "Authorization"} {
		on.Header.Set(name, r.Header.Get(name))
	}
	resp, err := http.DefaultClient.Do(on)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// lose reports, once, that something is to be lost.
func (u *unsteady) lose() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	first := !u.lost
	u.lost = true
	return first
}

func (u *unsteady) note(push bool, status int, body, answer []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if push {
		if status == http.StatusAccepted {
			u.seen[strings.Split(string(body), ".")[1]]++ // what is signed anew says the same
		}
		return
	}
	var said struct{ Sets map[string]string }
	if json.Unmarshal(answer, &said) == nil {
		for id := range said.Sets {
			u.seen[id]++
		}
	}
}

// repeated reports whether a SET has come twice.
func (u *unsteady) repeated() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, n := range u.seen {
		if n > 1 {
			return true
		}
	}
	return false
}

// peerCase is one way in which a server tells another.
type peerCase struct {
	push               bool
	algorithm, subject string

	between         *unsteady
	stream          peerStream
	org, connection string
	people          map[string]string // ids, by name
	bob, other      string            // sessions: of bob by the session that ends, and of ann by one that does not
}

// A session that ends on one server ends those that were made of it on another: by pushed and polled streams, by each
// signature and each subject, once though SETs come twice.
func TestSignalsBetweenServers(t *testing.T) {
	start := func() (*cli, string) {
		server, base := startNodeHTTP(t, api.Anonymous(), reachable, loopbackEgress)
		c := newCLI(t, server)
		folder := filepath.Join(t.TempDir(), "model")
		c.must("org", "init", folder)
		c.must("store", "create", "acme", "--use")
		c.must("model", "write", filepath.Join(folder, "fga.mod"))
		return c, base
	}
	a, urlA := start()
	b, urlB := start()
	a.must("org", "create", "Acme", "--id", "acme")
	a.must("org", "member", "add", "acme", "ann")
	ends := strings.TrimSpace(a.must("session", "create", "ann", "--org", "acme"))
	stays := strings.TrimSpace(a.must("session", "create", "ann", "--org", "acme"))
	peer := newPeerStreams(t, a)
	cases := []*peerCase{
		{push: true, algorithm: "RS256", subject: "complex"}, {push: true, algorithm: "ES256", subject: "session"},
		{push: false, algorithm: "RS256", subject: "session"}, {push: false, algorithm: "ES256", subject: "complex"},
	}
	for i, p := range cases {
		p.org = fmt.Sprint("org", i)
		p.prepare(t, b, peer, urlA, urlB)
	}
	for i, p := range cases { // the keys of all are published by now
		p.logIn(b, peer, "ann", ends)
		p.bob, p.other = p.logIn(b, peer, "bob", ends), p.logIn(b, peer, "ann", stays)
		peer.ask(http.MethodPost, peer.metadata.Verify, "application/json", fmt.Sprintf(`{"stream_id":%q,"state":"state-%d"}`, p.stream.ID, i), nil)
	}
	for i, p := range cases {
		until(t, "a verification event", func() bool {
			return strings.Contains(b.must("connection", "signals", "show", p.connection), fmt.Sprint("state-", i))
		})
	}
	a.must("session", "delete", ends)
	for i, p := range cases {
		want := []string{p.bob, p.other}
		if p.subject == "session" {
			want = []string{p.other} // nobody says whose the session is
		}
		slices.Sort(want)
		until(t, fmt.Sprintf("the end of the sessions of case %d", i), func() bool { return slices.Equal(p.live(t, b), want) })
		until(t, "a SET that comes twice", p.between.repeated)
	}
	until(t, "the end of what waits", func() bool {
		out := a.must("outbox", "status")
		return strings.Contains(out, "Events        0\nDeliveries    0\nDead letters  0")
	})
	for i, p := range cases {
		if n := strings.Count(b.must("connection", "log", p.connection), "signal.end-sessions"); n != 1 {
			t.Errorf("case %d: a SET has ended sessions %d times", i, n)
		}
	}
}

// prepare makes an organization on the server that receives, with people, a connection, and a stream to it.
func (p *peerCase) prepare(t *testing.T, b *cli, peer *peerStreams, urlA, urlB string) {
	t.Helper()
	b.must("org", "create", p.org, "--id", p.org)
	var made struct{ ID, Secret string }
	parse(t, b.must("connection", "create", p.org, "--kind", "okta", "--output", "json"), &made)
	p.connection = made.ID
	b.env["OSTIARY_SCIM_TOKEN"] = made.Secret
	scim := "--url=" + urlB + "/scim/v2/" + made.ID
	p.people = map[string]string{}
	for _, name := range []string{"ann", "bob"} {
		p.people[name] = strings.TrimSpace(b.must("fakeidp", "scim", "create", name+"@acme.test", "--external-id", name, scim))
	}
	configuration := map[string]any{"ostiary_signing_alg": p.algorithm, "ostiary_subject": p.subject}
	args := []string{"connection", "signals", "set", p.connection, "--issuer", peer.metadata.Issuer}
	var through string
	if p.push {
		p.between, through = newUnsteady(t, urlB)
		configuration["delivery"] = map[string]any{"method": ssf.DeliveryPush, "endpoint_url": through + "/signals/" + p.connection,
			"authorization_header": "Bearer of " + p.org}
		p.stream = peer.create(configuration)
		args = append(args, "--authorization-file", write(t, "header", "Bearer of "+p.org))
	} else {
		p.between, through = newUnsteady(t, urlA)
		p.stream = peer.create(configuration)
		args = append(args, "--poll-url", through+strings.TrimPrefix(p.stream.Delivery.URL, urlA), "--poll-token-file", write(t, "token", peer.token))
	}
	b.must(append(args, "--audience", p.stream.Audience)...)
}

// logIn reports a session of a person that was made of one of the other server.
func (p *peerCase) logIn(b *cli, peer *peerStreams, name, sid string) string {
	return strings.TrimSpace(b.must("session", "create", p.people[name], "--org", p.org, "--issuer", peer.metadata.Issuer, "--sid", sid))
}

// live returns the sessions of the organization, sorted.
func (p *peerCase) live(t *testing.T, b *cli) []string {
	t.Helper()
	var all struct{ Sessions []struct{ ID string } }
	parse(t, b.must("session", "list", "--org", p.org, "--output", "json"), &all)
	var ids []string
	for _, s := range all.Sessions {
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	return ids
}
