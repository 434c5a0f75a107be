package keyset_test

import (
	"errors"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/keyset"
)

// IDENTITY d.1: the configuration of a transmitter leads to its keys, and must name the issuer itself. That of an
// issuer of OpenID Connect does not.
func TestTransmitter(t *testing.T) {
	const id, where = "https://idp.test/t1", "https://idp.test/.well-known/ssf-configuration/t1"
	k := key(t, "Ed25519")
	jwt := sign(t, jose.EdDSA, k, "a", payload)
	for name, test := range map[string]struct {
		where, text string
		want        error
	}{
		"its configuration":           {where, `{"spec_version":"1_0","issuer":"` + id + `","jwks_uri":"` + at + `"}`, nil},
		"of another":                  {where, `{"issuer":"https://idp.test","jwks_uri":"` + at + `"}`, keyset.ErrUnreachable},
		"without keys":                {where, `{"issuer":"` + id + `"}`, keyset.ErrUnreachable},
		"metadata of OpenID Connect":  {id + "/.well-known/openid-configuration", `{"issuer":"` + id + `","jwks_uri":"` + at + `"}`, keyset.ErrUnreachable},
		"the configuration elsewhere": {id + "/.well-known/ssf-configuration", `{"issuer":"` + id + `","jwks_uri":"` + at + `"}`, keyset.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set(at, setOf(t, public(k, "a")))
			w.set(test.where, []byte(test.text))
			if _, err := w.cache.Transmitter(id).VerifySignature(t.Context(), jwt); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}
