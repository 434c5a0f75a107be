package gtr_test

import (
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/teststore"
)

// However what is shown is bent, nobody is logged out by what the provider has not signed.
func FuzzShown(f *testing.F) {
	w := newWorld(f, nil)
	f.Add(sign(f, jose.RS256, teststore.RSAKey(1), "k", w.claims(nil), "typ", typ))
	f.Add(sign(f, jose.RS256, w.key, "k", w.claims(nil)))
	f.Add(w.jwt(map[string]any{"aud": "https://other.test"}))
	f.Add("e30.e30.")
	f.Add("ostiary_at_x")
	f.Fuzz(func(t *testing.T, shown string) {
		defer w.in(t)()
		for _, c := range shown {
			if c < 0x20 || c > 0x7e {
				return // no header
			}
		}
		if r := w.post(w.path(), shown, w.named(subject)); r.status != http.StatusUnauthorized {
			t.Errorf("%q: got %d %s", shown, r.status, r.body)
		}
	})
}

// However a body is bent, it is answered by one of the statuses of the draft.
func FuzzBody(f *testing.F) {
	w := newWorld(f, nil)
	shown := w.token(w.connection, identity.ScopeRevoke)
	for _, body := range []string{w.named(subject), w.named("x"), `{"subject":{"format":"email","email":"ann@acme.test"}}`, `{"sub_id":{}}`, "[", "",
		`{"sub_id":{"format":"aliases","identifiers":[{"format":"opaque","id":"x"},{"format":"uri","uri":"x"}]}}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		defer w.in(t)()
		switch r := w.post(w.path(), shown, body); r.status {
		case http.StatusNoContent, http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge:
		default:
			t.Errorf("%q: got %d %s", body, r.status, r.body)
		}
	})
}
