package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

func TestNamedKeys(t *testing.T) {
	hash := sha256.Sum256([]byte("the key of the web shop"))
	keys, err := api.NewNamedKeys([]byte("# who may call\n\nci 0123456789abcdef0\nci fedcba98765432100\r\nshop sha256:" + hex.EncodeToString(hash[:])))
	if err != nil || keys.Len() != 3 {
		t.Fatal(err)
	}
	who := func(authorization string) string {
		p, err := keys.Authenticate(t.Context(), authorization)
		if err != nil {
			if p.Kind != "" {
				t.Errorf("%q is refused and still %s", authorization, p)
			}
			return err.Error()
		}
		return p.String()
	}
	for authorization, want := range map[string]string{
		"Bearer 0123456789abcdef0": "preshared:ci", "bearer fedcba98765432100": "preshared:ci",
		"Bearer the key of the web shop": "preshared:shop",
		"":                               "missing bearer token", "Bearer ": "missing bearer token", "Basic 0123456789abcdef0": "missing bearer token",
		"Bearer 0123456789abcdef": "unauthenticated", "Bearer ci": "unauthenticated",
		"Bearer sha256:" + hex.EncodeToString(hash[:]): "unauthenticated",
	} {
		if got := who(authorization); got != want {
			t.Errorf("%q: got %q, want %q", authorization, got, want)
		}
	}
	for name, text := range map[string]string{
		"none": "# nothing\n", "no key": "ci\n", "three words": "ci secretsecretsecret x", "short": "ci secretsecret",
		"a name": "c/i secretsecretsecret", "twice": "a secretsecretsecret\nb secretsecretsecret", "hash": "a sha256:secretsecret",
	} {
		if err := keys.Replace([]byte(text)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want an error that does not tell the key", name, err)
		}
	}
	if got := who("Bearer 0123456789abcdef0"); got != "preshared:ci" {
		t.Errorf("after files that are at fault: %s", got)
	}
	if err := keys.Replace([]byte("other 0123456789abcdef1")); err != nil {
		t.Fatal(err)
	}
	if got := who("Bearer 0123456789abcdef0"); got != "unauthenticated" {
		t.Errorf("a key that was taken out: %s", got)
	}
	if got := who("Bearer 0123456789abcdef1"); got != "preshared:other" {
		t.Errorf("a key that was put in: %s", got)
	}
}
