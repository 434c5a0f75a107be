package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// A caller who is nobody learns that from a body of any form: it is not decoded. What he sends instead of a
// right key changes nothing.
func TestBodiesOfNobodyAreNotDecoded(t *testing.T) {
	authenticator, err := api.PresharedKeys("k1")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, func(o *api.Options) { o.Authenticator = authenticator })
	before := h.dump(t)
	for _, tc := range []struct{ method, path string }{
		{http.MethodPost, "/stores"},
		{http.MethodPost, "/stores/" + noStore + "/write"},
		{http.MethodPut, "/stores/" + noStore + "/assertions/" + noStore},
		{http.MethodPost, "/stores/" + noStore + "/streamed-list-objects"},
		{http.MethodPost, "/stores/" + noStore + "/access/v1/evaluation"},
		{http.MethodPost, "/ostiary/v1/stores/" + noStore + "/explain"},
	} {
		for _, headers := range [][]string{nil, {"Authorization", "Bearer nope"}} {
			want := h.post(t, tc.method, tc.path, "{}", headers...)
			if !strings.HasPrefix(want, "401 ") {
				t.Errorf("%s %s: got %s, want 401", tc.method, tc.path, want)
			}
			for _, body := range []string{`{"name": `, "[", `{"name": 5}`, strings.Repeat("[", 5000)} {
				if got := h.post(t, tc.method, tc.path, body, headers...); got != want {
					t.Errorf("%s %s %.20s: got %s, want %s", tc.method, tc.path, body, got, want)
				}
			}
		}
	}
	if got := h.post(t, http.MethodPost, "/nowhere", "["); !strings.HasPrefix(got, "404 ") {
		t.Errorf("got %s, want 404", got)
	}
	if got := h.post(t, http.MethodGet, "/healthz", "["); !strings.HasPrefix(got, "200 ") {
		t.Errorf("got %s, want 200", got)
	}
	if after := h.dump(t); after != before {
		t.Errorf("callers who are nobody changed\n%s\nto\n%s", before, after)
	}
	if got := h.post(t, http.MethodPost, "/stores", `{"name":"a store"}`, "Authorization", "Bearer k1"); !strings.HasPrefix(got, "201 ") {
		t.Errorf("with a key: got %s, want 201", got)
	}
	if got := h.post(t, http.MethodPost, "/stores", `{"name": `, "Authorization", "Bearer k1"); !strings.HasPrefix(got, "400 ") {
		t.Errorf("with a key: got %s, want 400", got)
	}
}

// post returns the status and the body of an answer.
func (h *harness) post(t *testing.T, method, path, body string, headers ...string) string {
	t.Helper()
	resp, text := h.send(t, method, path, strings.NewReader(body), headers...)
	return resp.Status + " " + string(text)
}
