package api

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/ostiary/ostiary"
)

func TestPageToken(t *testing.T) {
	scope := pageScope{kind: pageTuples, store: "s1", filter: "doc:1"}
	token := scope.token([]byte("here"))
	got, err := scope.position(token)
	if err != nil || string(got) != "here" {
		t.Fatalf("got %q, %v", got, err)
	}
	if got, err := scope.position(""); got != nil || err != nil {
		t.Fatalf("empty token: got %q, %v", got, err)
	}
	for name, other := range map[string]pageScope{
		"another store":  {kind: pageTuples, store: "s2", filter: "doc:1"},
		"another filter": {kind: pageTuples, store: "s1", filter: "doc:2"},
		"parts shifted":  {kind: pageTuples, store: "s1d", filter: "oc:1"},
		"another list":   {kind: pageChanges, store: "s1", filter: "doc:1"},
	} {
		if _, err := other.pagePosition(token); !errors.Is(err, ostiary.ErrTokenInvalid) {
			t.Errorf("%s: got %v, want ErrTokenInvalid", name, err)
		}
	}
}

// No token that differs from a whole one in a single bit, or that is cut short, is accepted.
func TestPageTokenDamage(t *testing.T) {
	scope := pageScope{kind: pageStores}
	whole, err := base64.RawURLEncoding.DecodeString(scope.token([]byte("here")))
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for bit := range 8 {
			damaged := append([]byte(nil), whole...)
			damaged[i] ^= 1 << bit
			if _, err := scope.pagePosition(base64.RawURLEncoding.EncodeToString(damaged)); !errors.Is(err, ostiary.ErrTokenInvalid) {
				t.Fatalf("byte %d, bit %d: got %v, want ErrTokenInvalid", i, bit, err)
			}
		}
		if _, err := scope.pagePosition(base64.RawURLEncoding.EncodeToString(whole[:i])); i > 0 && !errors.Is(err, ostiary.ErrTokenInvalid) {
			t.Fatalf("cut at %d: got %v, want ErrTokenInvalid", i, err)
		}
	}
}

func FuzzPagePosition(f *testing.F) {
	scope := pageScope{kind: pageTuples, store: "s1"}
	f.Add(scope.token(positionBytes("doc:1", "viewer", "user:ann")))
	f.Add("eyJwayI6")
	f.Fuzz(func(t *testing.T, token string) {
		position, err := scope.pagePosition(token)
		if err != nil {
			if !errors.Is(err, ostiary.ErrTokenInvalid) {
				t.Fatalf("got %v, want ErrTokenInvalid", err)
			}
			return
		}
		if token != "" && scope.token(position) != token {
			t.Fatalf("%q was accepted and is not what the position %q makes", token, position)
		}
	})
}
