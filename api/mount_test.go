package api

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A mounted handler answers below its prefix alone, with a request id and an end in time; one that panics
// costs its request.
func TestMount(t *testing.T) {
	s := &Server{logger: slog.New(slog.DiscardHandler)}
	s.Mount("/a/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a/panic" {
			panic("no")
		}
		if _, bounded := r.Context().Deadline(); !bounded || r.Header.Get("X-Request-Id") == "" {
			t.Error("the request has no end or no id")
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	server := httptest.NewServer(s.mounted(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
	})))
	defer server.Close()
	for path, want := range map[string]int{"/a/b": http.StatusTeapot, "/a/panic": http.StatusInternalServerError, "/a": http.StatusAccepted, "/b/a/": http.StatusAccepted} {
		r, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want || (want != http.StatusAccepted) != (r.Header.Get("X-Request-Id") != "") {
			t.Errorf("%s: got %d with request id %q, want %d", path, r.StatusCode, r.Header.Get("X-Request-Id"), want)
		}
	}
}

// Of a path the audit has what says which call it was, and no name that a caller put into it.
func TestAuditedPath(t *testing.T) {
	const c, u, store = "c01m83y4pe0sd5tp46r4a1khtvj", "u01m83y4pe0sd5tp46r4a1khtvk", "01M83Y14N8B0GEQKWSZ1298Y65"
	for path, want := range map[string]string{
		"/scim/v2/" + c + "/Users":                 "/scim/v2/" + c + "/Users",
		"/scim/v2/" + c + "/Users/" + u:            "/scim/v2/" + c + "/Users/" + u,
		"/scim/v2/" + c + "/Users/ann@example.com": "/scim/v2/" + c + "/Users/…",
		"/scim/v2/" + c + "/Users/ann":             "/scim/v2/" + c + "/Users/…",
		"/scim/v2/" + c + "/%ff%0a%1b%5b31m":       "/scim/v2/" + c + "/…",
		"/scim/v2/" + c + "/Users/" + u + "/a/b":   "/scim/v2/" + c + "/Users/" + u + "/a/…",
		"/oauth/token":                             "/oauth/token",
		"/ssf/" + store + "/streams":               "/ssf/" + store + "/streams",
	} {
		r := httptest.NewRequest(http.MethodPost, path, nil)
		r.RemoteAddr = "192.0.2.7:1"
		if got := auditedHTTP(r); got.Method != "POST "+want || got.Origin != r.RemoteAddr {
			t.Errorf("%s: got %q from %q", path, got.Method, got.Origin)
		}
	}
}
