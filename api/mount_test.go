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
