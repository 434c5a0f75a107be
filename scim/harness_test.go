package scim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/scim"
)

const store = "S"

// backend adapts the real store to what identity asks for.
type backend struct{ *raftstore.Store }

func (b backend) View(ctx context.Context, f ostiary.Freshness) (identity.View, error) {
	return b.Store.View(ctx, f)
}

// world is a server over a real store in memory, with an organization and a connection.
type world struct {
	t          testing.TB
	raft       *raftstore.Store
	service    *identity.Service
	connection identity.Connection
	bearer     string
	url        string // of the connection
}

// newWorld starts a server. Configure changes its options and the connection before they are used; it may be
// nil.
func newWorld(t testing.TB, configure func(*scim.Options, *identity.Connection)) *world {
	t.Helper()
	return newWorldIn(t, raftstore.Options{Dir: "data", FS: vfs.NewMem(), CollectionInterval: time.Hour}, configure)
}

func newWorldIn(t testing.TB, data raftstore.Options, configure func(*scim.Options, *identity.Connection)) *world {
	t.Helper()
	raft, err := raftstore.Open(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raft.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, raft: raft, service: identity.New(backend{raft}, identity.Options{})}
	m := &ostiary.Mutation{TimeNanos: raft.Now(), Principal: ostiary.Principal{Kind: "preshared", Name: "test"},
		Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "store", Key: store}, Body: []byte("{}")}}}
	if _, err := raft.Propose(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	o := scim.Options{Service: w.service, Cluster: raft.ClusterID}
	c := identity.Connection{Store: store, Organization: "acme", Name: "IdP", Kind: identity.KindGeneric}
	if configure != nil {
		configure(&o, &c)
	}
	if _, err := w.service.CreateOrganization(w.operator(), store, "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(scim.New(o))
	t.Cleanup(server.Close)
	w.url = server.URL
	return w.connect(c)
}

// connect returns the world as another connection of the server sees it.
func (w *world) connect(c identity.Connection) *world {
	w.t.Helper()
	other := *w
	var err error
	if other.connection, err = w.service.CreateConnection(w.operator(), c); err != nil {
		w.t.Fatal(err)
	}
	other.bearer = other.token()
	server, _, _ := strings.Cut(w.url, scim.Prefix)
	other.url = server + scim.Prefix + other.connection.ID
	return &other
}

func (w *world) operator() context.Context {
	return ostiary.WithPrincipal(w.t.Context(), ostiary.Principal{Kind: "preshared", Name: "test"})
}

// token makes a token with scopes, or with all of them: an access token where the connection takes no others.
func (w *world) token(scopes ...identity.Scope) string {
	w.t.Helper()
	if w.connection.TakesAccessTokensAlone() {
		return w.accessToken(scopes...)
	}
	_, text, err := w.service.CreateToken(w.operator(), store, w.connection.ID, identity.Token{Name: "test", Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	return "Bearer " + text
}

// accessToken makes a client, and an access token of it.
func (w *world) accessToken(scopes ...identity.Scope) string {
	w.t.Helper()
	c, _, err := w.service.CreateClient(w.operator(), store, w.connection.ID, identity.Client{Name: "test", Method: identity.ClientSecret, Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	text, err := w.service.IssueToken(w.t.Context(), c, c.Scopes, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return "Bearer " + text
}

func (w *world) role(r identity.Role) identity.Role {
	w.t.Helper()
	r, err := w.service.CreateRole(w.operator(), store, "acme", r)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// client keeps as many connections as tests and benchmarks have requests under way.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// reply is an answer of the server.
type reply struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
	took   time.Duration
}

// send sends a request. Headers are names and values in turn.
func (w *world) send(method, path, body string, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", w.bearer)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	began := time.Now()
	answer, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return reply{w.t, answer.StatusCode, answer.Header, data, time.Since(began)}
}

// want checks the status.
func (r reply) want(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("got %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// refused checks the status and the scimType of an error.
func (r reply) refused(status int, scimType string) {
	r.t.Helper()
	r.want(status)
	var e struct {
		Schemas                  []string
		Status, ScimType, Detail string
	}
	if err := json.Unmarshal(r.body, &e); err != nil {
		r.t.Fatalf("%s: %v", r.body, err)
	}
	if e.Status != fmt.Sprint(status) || e.ScimType != scimType || e.Detail == "" ||
		!slices.Equal(e.Schemas, []string{"urn:ietf:params:scim:api:messages:2.0:Error"}) {
		r.t.Fatalf("got %s, want status %d and scimType %q", r.body, status, scimType)
	}
}

func (r reply) json() map[string]any {
	r.t.Helper()
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		r.t.Fatalf("%s: %v", r.body, err)
	}
	return m
}

func (r reply) id() string {
	r.t.Helper()
	id, _ := r.json()["id"].(string)
	if id == "" {
		r.t.Fatalf("no id: %s", r.body)
	}
	return id
}

const (
	userSchema  = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"]`
	groupSchema = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"]`
	patchSchema = `"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]`
	bulkSchema  = `"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]`
)

// user makes a user and returns the id.
func (w *world) user(name string) string {
	w.t.Helper()
	return w.send("POST", "/Users", `{`+userSchema+`,"userName":"`+name+`"}`).want(201).id()
}

func (w *world) group(name string, members ...string) string {
	w.t.Helper()
	return w.send("POST", "/Groups", `{`+groupSchema+`,"displayName":"`+name+`","members":`+memberList(members)+`}`).want(201).id()
}

func memberList(ids []string) string {
	values := make([]string, len(ids))
	for i, id := range ids {
		values[i] = `{"value":"` + id + `"}`
	}
	return "[" + strings.Join(values, ",") + "]"
}

func (w *world) patch(path, operations string) reply {
	w.t.Helper()
	return w.send("PATCH", path, `{`+patchSchema+`,"Operations":[`+operations+`]}`)
}

// tuples returns the store's tuples with their owners, sorted.
func (w *world) tuples() []string {
	w.t.Helper()
	v, err := w.raft.View(w.t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	all := []string{}
	for t, err := range v.Tuples(w.t.Context(), ostiary.Filter{Store: store}, nil) {
		if err != nil {
			w.t.Fatal(err)
		}
		for _, g := range t.Grants {
			all = append(all, fmt.Sprintf("%s by %s", t.Tuple, g.Owner))
		}
	}
	slices.Sort(all)
	return all
}

func (w *world) revision() ostiary.Revision {
	w.t.Helper()
	v, err := w.raft.View(w.t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	return v.Revision()
}
