package keyset_test

import (
	"errors"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/keyset"
)

// Keys of one place alone count, in the order that Signer says, and what cannot be read is no set without keys.
func TestSigner(t *testing.T) {
	const id = "https://idp.test"
	k, other := key(t, "Ed25519"), key(t, "Ed25519")
	jwt := sign(t, jose.EdDSA, k, "a", payload)
	good, wrong := setOf(t, public(k, "a")), setOf(t, public(other, "a"))
	for name, test := range map[string]struct {
		signer keyset.Signer
		want   error
	}{
		"a URL before keys":           {keyset.Signer{URL: at, Keys: wrong}, nil},
		"keys before an issuer":       {keyset.Signer{Keys: good, Issuer: id + "/none"}, nil},
		"keys of another":             {keyset.Signer{Keys: wrong, Issuer: id}, keyset.ErrSignature},
		"an issuer":                   {keyset.Signer{Issuer: id}, nil},
		"a transmitter":               {keyset.Signer{Transmitter: id}, nil},
		"a transmitter that is none":  {keyset.Signer{Transmitter: id + "/none"}, keyset.ErrUnreachable},
		"keys that cannot be read":    {keyset.Signer{Keys: []byte("x"), Issuer: id}, keyset.ErrInvalid},
		"certificates that cannot be": {keyset.Signer{Certificates: []byte("x"), Issuer: id}, keyset.ErrInvalid},
		"nothing":                     {keyset.Signer{}, keyset.ErrNoKey},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.set(at, good)
			for _, end := range []string{"oauth-authorization-server", "ssf-configuration"} {
				w.set(id+"/.well-known/"+end, []byte(`{"issuer":"`+id+`","jwks_uri":"`+at+`"}`))
			}
			source, err := w.cache.Of(test.signer)
			switch {
			case err != nil && source != nil:
				t.Error("there is an error and a source")
			case err == nil:
				_, err = source.VerifySignature(t.Context(), jwt)
			}
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}
