package api

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/ostiary/ostiary"
)

var testPageKey = pageKey("the secret of one cluster")

func TestPageToken(t *testing.T) {
	scope := pageScope{kind: pageTuples, store: "s1", filter: "doc:1"}
	token := testPageKey.token(scope, []byte("here"))
	got, err := testPageKey.position(scope, token)
	if err != nil || string(got) != "here" {
		t.Fatalf("got %q, %v", got, err)
	}
	if _, err := pageKey("that of another").position(scope, token); !errors.Is(err, errPageToken) {
		t.Errorf("token of another cluster: got %v, want errPageToken", err)
	}
	for name, other := range map[string]pageScope{
		"another store":  {kind: pageTuples, store: "s2", filter: "doc:1"},
		"another filter": {kind: pageTuples, store: "s1", filter: "doc:2"},
		"parts shifted":  {kind: pageTuples, store: "s1d", filter: "oc:1"},
		"another list":   {kind: pageChanges, store: "s1", filter: "doc:1"},
	} {
		if _, err := testPageKey.position(other, token); !errors.Is(err, ostiary.ErrTokenInvalid) && !errors.Is(err, errPageScope) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

// No token that differs from a whole one in a single bit, or that is cut short, is accepted.
func TestPageTokenDamage(t *testing.T) {
	scope := pageScope{kind: pageStores}
	whole, err := base64.RawURLEncoding.DecodeString(testPageKey.token(scope, []byte("here")))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for bit := range 8 {
			damaged := append([]byte(nil), whole...)
			damaged[i] ^= 1 << bit
			if _, err := testPageKey.position(scope, base64.RawURLEncoding.EncodeToString(damaged)); !errors.Is(err, ostiary.ErrTokenInvalid) {
				t.Fatalf("byte %d, bit %d: got %v, want ErrTokenInvalid", i, bit, err)
			}
		}
		if _, err := testPageKey.position(scope, base64.RawURLEncoding.EncodeToString(whole[:i])); i > 0 && !errors.Is(err, ostiary.ErrTokenInvalid) {
			t.Fatalf("cut at %d: got %v, want ErrTokenInvalid", i, err)
		}
	}
}

func FuzzPagePosition(f *testing.F) {
	scope := pageScope{kind: pageTuples, store: "s1"}
	f.Add(testPageKey.token(scope, positionBytes("doc:1", "viewer", "user:ann")))
	f.Add("eyJwayI6")
	f.Fuzz(func(t *testing.T, token string) {
		position, err := testPageKey.position(scope, token)
		if err != nil {
			if !errors.Is(err, ostiary.ErrTokenInvalid) && !errors.Is(err, errPageScope) {
				t.Fatalf("got %v, want ErrTokenInvalid", err)
			}
			return
		}
		if testPageKey.token(scope, position) != token {
			t.Fatalf("%q was accepted and is not what the position %q makes", token, position)
		}
	})
}
