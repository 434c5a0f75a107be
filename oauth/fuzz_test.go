package oauth_test

import (
	"net/http"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// However a JWT is bent, it gets a token only where the client has signed it.
func FuzzAssertion(f *testing.F) {
	w := newWorld(f, nil)
	c, key := w.signer(w.connection.ID)
	f.Add(sign(f, jose.EdDSA, newKey(f), "k", w.claims(c.ID, nil)))
	f.Add(sign(f, jose.EdDSA, newKey(f), "k", w.claims(c.ID, nil), "typ", "JWT"))
	f.Add(sign(f, jose.EdDSA, key, "k", w.claims(c.ID, map[string]any{"aud": "https://other.test"})))
	f.Add(sign(f, jose.EdDSA, key, "k", w.claims(c.ID, map[string]any{"exp": 1})))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, jwt string) {
		defer w.in(t)()
		w.backend.Ahead.Add(5e6) // so that the rate does not refuse it
		r := w.asserted(jwt)
		if r.status != http.StatusUnauthorized {
			t.Errorf("%q: got %d %s", jwt, r.status, r.body)
		}
	})
}
