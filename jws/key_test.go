package jws_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/jws"
	"github.com/ostiary/ostiary/keyset"
)

func generate(t *testing.T, a jws.Algorithm) *jws.Key {
	t.Helper()
	k, err := jws.Generate(a)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What a key signs is judged by its public part, also after the key was stored, and by no other.
func TestSign(t *testing.T) {
	for _, a := range jws.Algorithms() {
		t.Run(string(a), func(t *testing.T) {
			k, other := generate(t, a), generate(t, a)
			private, err := k.Private()
			if err != nil {
				t.Fatal(err)
			}
			stored, err := jws.Parse(private)
			if err != nil {
				t.Fatal(err)
			}
			if stored.ID() != k.ID() || stored.Algorithm() != a || string(stored.Public()) != string(k.Public()) {
				t.Errorf("stored %v, read %v", k, stored)
			}
			text, err := stored.Sign("logout+jwt", map[string]string{"iss": "https://authz.test"})
			if err != nil {
				t.Fatal(err)
			}
			for _, test := range []struct {
				name string
				keys [][]byte
				want bool
			}{{"its own", [][]byte{other.Public(), k.Public()}, true}, {"another", [][]byte{other.Public()}, false}} {
				set, err := keyset.Parse(jws.Set(test.keys))
				if err != nil {
					t.Fatal(err)
				}
				jwt, err := keyset.ParseJWT(text)
				if err != nil {
					t.Fatal(err)
				}
				var claims struct {
					Issuer string `json:"iss"`
				}
				if err := jwt.Verify(t.Context(), set, &claims); (err == nil) != test.want {
					t.Errorf("%s: %v", test.name, err)
				}
				if test.want && (claims.Issuer != "https://authz.test" || jwt.Type() != "logout+jwt") {
					t.Errorf("%s: got type %q, issuer %q", test.name, jwt.Type(), claims.Issuer)
				}
			}
		})
	}
}

// RFC 7638, section 3: the id is the SHA-256 of the required members in the order of their names.
func TestID(t *testing.T) {
	for _, a := range jws.Algorithms() {
		k := generate(t, a)
		var jwk map[string]string
		if err := json.Unmarshal(k.Public(), &jwk); err != nil {
			t.Fatal(err)
		}
		members := []string{"e", "kty", "n"}
		if a == jws.ES256 {
			members = []string{"crv", "kty", "x", "y"}
		}
		var parts []string
		for _, m := range members {
			parts = append(parts, fmt.Sprintf("%q:%q", m, jwk[m]))
		}
		sum := sha256.Sum256([]byte("{" + strings.Join(parts, ",") + "}"))
		if want := base64.RawURLEncoding.EncodeToString(sum[:]); k.ID() != want || jwk["kid"] != want {
			t.Errorf("%s: got id %q and kid %q, want %q", a, k.ID(), jwk["kid"], want)
		}
		if jwk["use"] != "sig" || jwk["alg"] != string(a) || jwk["d"] != "" {
			t.Errorf("%s: got %v", a, jwk)
		}
	}
}

func TestKeysThatAreNotTaken(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]any{"1,024 bits": short, "P-384": curve} {
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jws.Parse(private); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := jws.Parse([]byte("x")); err == nil {
		t.Error("no key: taken")
	}
	if _, err := jws.Generate("HS256"); err == nil {
		t.Error("HS256: made")
	}
}

// However a key is printed, its private part is not.
func TestPrinting(t *testing.T) {
	k := generate(t, jws.ES256)
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(form, k); got != "ES256 key "+k.ID() {
			t.Errorf("%s: got %q", form, got)
		}
	}
}

// An id that began with a dash would be taken for flags by 'ostiary keys retire'.
func TestIDsOnCommandLines(t *testing.T) {
	for range 500 { // of 64 one would
		if id := generate(t, jws.ES256).ID(); id[0] == '-' {
			t.Fatalf("a key has the id %s", id)
		}
	}
}
