package keyset_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/keyset"
)

const payload = `{"sub":"s"}`

func static(t testing.TB, keys ...jose.JSONWebKey) *keyset.Static {
	t.Helper()
	s, err := keyset.Parse(setOf(t, keys...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSignatures(t *testing.T) {
	rsaKey, ecKey, edKey, otherEC := key(t, "RSA"), key(t, "P-256"), key(t, "Ed25519"), key(t, "P-384")
	pinned := public(rsaKey, "pinned")
	pinned.Algorithm = "PS256"
	set := static(t, public(rsaKey, "r"), public(ecKey, "e"), public(edKey, "d"), pinned)
	edText, err := json.Marshal(public(edKey, "d"))
	if err != nil {
		t.Fatal(err)
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"r"}`)) + "." +
		base64.RawURLEncoding.EncodeToString([]byte(payload)) + "."
	good := sign(t, jose.EdDSA, edKey, "d", payload)
	parts := strings.Split(good, ".")
	for _, test := range []struct {
		name, jwt string
		want      error
	}{
		{"RS256", sign(t, jose.RS256, rsaKey, "r", payload), nil},
		{"PS256", sign(t, jose.PS256, rsaKey, "r", payload), nil},
		{"ES256", sign(t, jose.ES256, ecKey, "e", payload), nil},
		{"EdDSA", good, nil},
		{"a key that names its algorithm", sign(t, jose.PS256, rsaKey, "pinned", payload), nil},
		{"another than the key names", sign(t, jose.RS256, rsaKey, "pinned", payload), keyset.ErrNoKey},
		{"none", unsigned, keyset.ErrInvalid},
		{"HS256 with the public key as secret", sign(t, jose.HS256, edText, "d", payload), keyset.ErrInvalid},
		{"RS512", sign(t, jose.RS512, rsaKey, "r", payload), keyset.ErrInvalid},
		{"ES384", sign(t, jose.ES384, otherEC, "e", payload), keyset.ErrInvalid},
		{"a key of another kind", sign(t, jose.ES256, ecKey, "r", payload), keyset.ErrNoKey},
		{"another key", sign(t, jose.EdDSA, key(t, "Ed25519"), "d", payload), keyset.ErrSignature},
		{"an unknown key id", sign(t, jose.EdDSA, edKey, "x", payload), keyset.ErrNoKey},
		{"no key id, and several keys", sign(t, jose.EdDSA, edKey, "", payload), keyset.ErrNoKey},
		{"a long key id", sign(t, jose.EdDSA, edKey, strings.Repeat("d", 300), payload), keyset.ErrNoKey},
		{"its own key beside", sign(t, jose.EdDSA, key(t, "Ed25519"), "d", payload, "jwk", public(key(t, "Ed25519"), "d")), keyset.ErrSignature},
		{"a claim changed", parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"t"}`)) + "." + parts[2], keyset.ErrSignature},
		{"no signature", parts[0] + "." + parts[1] + ".", keyset.ErrSignature},
		{"two parts", parts[0] + "." + parts[1], keyset.ErrInvalid},
		{"four parts", good + ".x", keyset.ErrInvalid},
		{"nothing", "", keyset.ErrInvalid},
		{"JSON", `{"payload":"x","signatures":[]}`, keyset.ErrInvalid},
		{"an unencoded payload", sign(t, jose.EdDSA, edKey, "d", payload, "b64", true), keyset.ErrInvalid},
		{"a critical header", sign(t, jose.EdDSA, edKey, "d", payload, "crit", []string{"b64"}, "b64", true), keyset.ErrInvalid},
		{"a type that is no text", sign(t, jose.EdDSA, edKey, "d", payload, "typ", 7), keyset.ErrInvalid},
		{"a huge one", sign(t, jose.EdDSA, edKey, "d", `{"sub":"`+strings.Repeat("s", 20<<10)+`"}`), keyset.ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := set.VerifySignature(t.Context(), test.jwt)
			if !errors.Is(err, test.want) || err == nil && string(got) != payload {
				t.Errorf("got %s, %v; want %v", got, err, test.want)
			}
		})
	}
	if got, err := static(t, public(edKey, "d")).VerifySignature(t.Context(), sign(t, jose.EdDSA, edKey, "", payload)); err != nil {
		t.Errorf("no key id, and one key: got %s, %v", got, err)
	}
}

func TestTypeAndClaims(t *testing.T) {
	k := key(t, "Ed25519")
	set := static(t, public(k, "d"))
	for typ, want := range map[string]string{"JWT": "jwt", "application/SecEvent+jwt": "secevent+jwt", "": ""} {
		jwt, err := keyset.ParseJWT(sign(t, jose.EdDSA, k, "d", payload, "typ", typ))
		if err != nil || jwt.Type() != want {
			t.Errorf("%q: got %q, %v", typ, jwt.Type(), err)
		}
	}
	for text, want := range map[string]bool{
		`{"sub":"s"}`:           true,
		`{"sub":"s","sub":"t"}`: false, // the last one for some, the first one for others
		`{"sub":"s"} `:          true,
		`{"sub":"s"}{}`:         false,
		`{"sub":7}`:             false,
		`["s"]`:                 false,
	} {
		jwt, err := keyset.ParseJWT(sign(t, jose.EdDSA, k, "d", text))
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Sub string `json:"sub"`
		}
		if err := jwt.Verify(t.Context(), set, &claims); (err == nil) != want || err != nil && !errors.Is(err, keyset.ErrInvalid) {
			t.Errorf("%s: got %v", text, err)
		}
	}
	jwt, err := keyset.ParseJWT(sign(t, jose.EdDSA, k, "d", `{"SUB":"s"}`))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Sub string `json:"sub"`
	}
	if err := jwt.Verify(t.Context(), set, &claims); err != nil || claims.Sub != "" {
		t.Errorf("a claim of another case was taken: %+v, %v", claims, err)
	}
}

func TestParse(t *testing.T) {
	k := key(t, "Ed25519")
	d := public(k, "d")
	private := jose.JSONWebKey{Key: k, KeyID: "p"}
	encryption := public(k, "enc")
	encryption.Use = "enc"
	many := make([]jose.JSONWebKey, 51)
	for i := range many {
		many[i] = d
	}
	one, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	withOps := func(ops string) string {
		return `{"keys":[` + strings.TrimSuffix(string(one), "}") + `,"key_ops":` + ops + `}]}`
	}
	weak := `{"keys":[{"kty":"RSA","kid":"w","e":"AQAB","n":"` + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 128)) + `"}]}`
	for _, test := range []struct {
		name, text string
		want       bool
	}{
		{"one key", string(setOf(t, d)), true},
		{"others beside it", `{"keys":[{"kty":"XYZ"},7,null,{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},` + string(one) + `],"more":1}`, true},
		{"for verification", withOps(`["verify"]`), true},
		{"for encryption", withOps(`["encrypt"]`), false},
		{"used for encryption", string(setOf(t, encryption)), false},
		{"a private key", string(setOf(t, private)), false},
		{"a private key beside", string(setOf(t, d, private)), false},
		{"a symmetric key beside", string(setOf(t, d, jose.JSONWebKey{Key: []byte("secret"), KeyID: "s"})), false},
		{"a curve without an algorithm", string(setOf(t, public(key(t, "P-384"), "e"))), false},
		{"a short RSA key", weak, false},
		{"too many", string(setOf(t, many...)), false},
		{"none", `{"keys":[]}`, false},
		{"a key and not a set", string(one), false},
		{"twice", `{"keys":[],"keys":[` + string(one) + `]}`, false},
		{"no JSON", `keys`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := keyset.Parse([]byte(test.text)); (err == nil) != test.want || err != nil && !errors.Is(err, keyset.ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzParseJWT(f *testing.F) {
	k := key(f, "Ed25519")
	set := static(f, public(k, "d"))
	good := sign(f, jose.EdDSA, k, "d", payload)
	f.Add(good)
	f.Add(sign(f, jose.EdDSA, k, "d", payload, "typ", "JWT", "crit", []string{"b64"}))
	f.Add("e30.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		jwt, err := keyset.ParseJWT(text)
		if err != nil {
			if !errors.Is(err, keyset.ErrInvalid) {
				t.Errorf("got %v", err)
			}
			return
		}
		var claims map[string]any
		_ = jwt.Unverified(&claims)
		claims = nil
		// Base64 can be written in several ways, but nothing else may be signed.
		if err := jwt.Verify(t.Context(), set, &claims); err == nil && (len(claims) != 1 || claims["sub"] != "s") {
			t.Errorf("taken: %q, which says %v", text, claims)
		}
	})
}

func FuzzParseSet(f *testing.F) {
	f.Add(setOf(f, public(key(f, "Ed25519"), "d"), public(key(f, "P-256"), "e")))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","x5c":["AA"]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := keyset.Parse(text); err != nil && !errors.Is(err, keyset.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
}
