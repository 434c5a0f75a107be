package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// pathRow is one of the HTTP surface that is none of a gRPC method, and what each caller gets there: who sends no
// authorization, who sends one that nobody has, and an administrator of the cluster by an own key, which opens none of
// what identity providers have their own tokens for.
type pathRow struct {
	request                 string // method, path, and the type of its body where there is one
	nobody, unknown, admins int
}

// paths has a row for every handler that a node mounts. Methods of gRPC and their routes are in api/testdata/callers.txt.
var paths = []pathRow{
	{"GET /healthz", 200, 200, 200},
	{"GET /readyz", 200, 200, 200},
	{"GET /openapi.json", 200, 200, 200}, // public: it is in the documentation too
	{"GET /scim/v2/c01aryz6s41tsv4rrffq69g5fav/Users", 401, 401, 401},
	{"POST /scim/v2/c01aryz6s41tsv4rrffq69g5fav/Users", 401, 401, 401},
	{"DELETE /scim/v2/c01aryz6s41tsv4rrffq69g5fav/Users/u01aryz6s41tsv4rrffq69g5fav", 401, 401, 401},
	{"GET /scim/v2/c01aryz6s41tsv4rrffq69g5fav/ServiceProviderConfig", 401, 401, 401},
	{"POST /oauth/token", 400, 400, 400},
	{"POST /introspect/c01aryz6s41tsv4rrffq69g5fav application/x-www-form-urlencoded", 401, 401, 401},
	// Metadata are public, and the same for connections that there are not.
	{"GET /.well-known/oauth-authorization-server", 200, 200, 200},
	{"GET /.well-known/oauth-authorization-server/scim/v2/c01aryz6s41tsv4rrffq69g5fav", 200, 200, 200},
	{"POST /gtr/c01aryz6s41tsv4rrffq69g5fav application/json", 401, 401, 401},
	{"POST /orgs/acme/connections/c01aryz6s41tsv4rrffq69g5fav/global-token-revocation application/json", 401, 401, 401},
	{"POST /signals/c01aryz6s41tsv4rrffq69g5fav application/secevent+jwt", 400, 400, 400},
	{"POST /backchannel-logout/c01aryz6s41tsv4rrffq69g5fav application/x-www-form-urlencoded", 400, 400, 400},
	{"GET /stores/01ARYZ6S41TSV4RRFFQ69G5FAV/jwks.json", 404, 404, 404},                     // public, and there is no such store
	{"GET /.well-known/ssf-configuration/stores/01ARYZ6S41TSV4RRFFQ69G5FAV", 404, 404, 404}, // this one too
	{"GET /stores/01ARYZ6S41TSV4RRFFQ69G5FAV/ssf/streams", 401, 401, 401},
	{"POST /stores/01ARYZ6S41TSV4RRFFQ69G5FAV/ssf/poll/x application/json", 401, 401, 401},
	// What is for operators is on their listener alone.
	{"GET /metrics", 404, 404, 404},
	{"GET /debug/pprof/", 404, 404, 404},
	{"GET /", 404, 404, 404},
}

// operatorsPaths are what a node serves on the listener of operators (--admin-addr), which asks nobody who they are: it is
// on the loopback unless somebody says otherwise.
var operatorsPaths = []pathRow{
	{"GET /metrics", 200, 200, 200},
	{"GET /debug/pprof/", 200, 200, 200},
	{"GET /debug/pprof/cmdline", 200, 200, 200},
	{"GET /debug/pprof/symbol", 200, 200, 200},
	{"GET /debug/pprof/heap", 200, 200, 200},
	// What is for callers is on theirs alone.
	{"GET /healthz", 404, 404, 404},
	{"GET /stores", 404, 404, 404},
	{"GET /scim/v2/c01aryz6s41tsv4rrffq69g5fav/Users", 404, 404, 404},
	{"GET /", 404, 404, 404},
}

// TestPaths: every path that a node that knows its own URL serves outside gRPC's methods has a row, and answers nobody
// who may not ask.
func TestPaths(t *testing.T) {
	const admin = "the-key-of-operators"
	keys, err := api.NewNamedKeys([]byte("ops " + admin))
	if err != nil {
		t.Fatal(err)
	}
	var takes []func(path string) bool
	_, base, operators := startNodeAdmin(t, keys, func(o *nodeOptions) {
		o.accessControl = true
		o.authzenBaseURL = "https://authz.example.com"
		o.mounted = func(all []func(path string) bool) { takes = all }
	})
	defer http.DefaultClient.CloseIdleConnections()
	for i, takes := range takes {
		rows := 0
		for _, p := range paths {
			if takes(strings.Fields(p.request)[1]) {
				rows++
			}
		}
		if rows == 0 {
			t.Errorf("handler %d of those that a node mounts (cmd/ostiary/node.go) has no row: add one to paths in cmd/ostiary/paths_test.go, "+
				"which says what a request below its prefix gets without authorization", i+1)
		}
	}
	for at, rows := range map[string][]pathRow{base: paths, operators: operatorsPaths} {
		for _, p := range rows {
			p.ask(t, at, admin)
		}
	}
}

// ask sends the request with each key, to the server at a URL.
func (p pathRow) ask(t *testing.T, at, admin string) {
	t.Helper()
	words := append(strings.Fields(p.request), "")
	for key, want := range map[string]int{"": p.nobody, "a-key-that-nobody-has": p.unknown, admin: p.admins} {
		var headers []string
		if words[2] != "" {
			headers = append(headers, "Content-Type", words[2])
		}
		if key != "" {
			headers = append(headers, "Authorization", "Bearer "+key)
		}
		answer, text := sendHTTP(t, http.DefaultClient, words[0], at+words[1], "{}", headers...)
		if answer.StatusCode != want {
			t.Errorf("%s with key %q: %d, want %d: %s", p.request, key, answer.StatusCode, want, text)
		}
	}
}
