package keyset_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/keyset"
)

const at = "https://idp.test/keys"

// expect verifies a JWT by the set at a URL.
func (w *world) expect(t *testing.T, jwt string, want error) {
	t.Helper()
	if _, err := w.cache.URL(at).VerifySignature(t.Context(), jwt); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func (w *world) asked(t *testing.T, want int) {
	t.Helper()
	if got := w.count(at); got != want {
		t.Errorf("asked %d times, want %d", got, want)
	}
}

// IDENTITY b.5: whoever sends key ids that nobody knows does not make the server ask the identity provider.
func TestFloodOfUnknownKeys(t *testing.T) {
	w := newWorld(t)
	k := key(t, "Ed25519")
	w.set(at, setOf(t, public(k, "a")))
	good := sign(t, jose.EdDSA, k, "a", payload)
	w.expect(t, good, nil)
	w.asked(t, 1)
	for i := range 100 {
		w.expect(t, sign(t, jose.EdDSA, k, fmt.Sprint("x", i), payload), keyset.ErrNoKey)
	}
	w.asked(t, 1)
	w.pass(30 * time.Second)
	for range 100 {
		w.expect(t, sign(t, jose.EdDSA, k, "y", payload), keyset.ErrNoKey)
	}
	w.asked(t, 2)
	w.pass(31 * time.Second) // the cooldown is over, but it is known that there is no y
	w.expect(t, sign(t, jose.EdDSA, k, "y", payload), keyset.ErrNoKey)
	w.asked(t, 2)
	w.pass(2 * time.Minute)
	w.expect(t, sign(t, jose.EdDSA, k, "y", payload), keyset.ErrNoKey)
	w.asked(t, 3)
	w.expect(t, good, nil)
}

// A key that was unknown a moment ago is taken as soon as an answer holds it.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	a, b, c := key(t, "Ed25519"), key(t, "Ed25519"), key(t, "Ed25519")
	byA, byB, byC := sign(t, jose.EdDSA, a, "a", payload), sign(t, jose.EdDSA, b, "b", payload), sign(t, jose.EdDSA, c, "a", payload)
	w.set(at, setOf(t, public(a, "a")))
	w.expect(t, byA, nil)
	w.pass(time.Minute)
	w.expect(t, byB, keyset.ErrNoKey)
	w.set(at, setOf(t, public(b, "b")))
	w.pass(time.Minute)
	w.expect(t, sign(t, jose.EdDSA, b, "other", payload), keyset.ErrNoKey) // asks
	w.expect(t, byB, nil)
	w.expect(t, byA, nil) // signed before the rotation
	w.asked(t, 3)
	w.pass(time.Hour) // since an answer held it
	w.expect(t, byA, keyset.ErrNoKey)
	w.expect(t, byB, nil)
	w.set(at, setOf(t, public(c, "a")))
	w.pass(31 * time.Minute) // half of the lifetime: it is asked again, and nobody waits for it
	w.expect(t, byB, nil)
	w.until(t, func() bool { _, err := w.cache.URL(at).VerifySignature(t.Context(), byC); return err == nil })
	w.expect(t, byA, keyset.ErrSignature) // another key has its id
}

// until waits for a condition.
func (w *world) until(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the condition does not come about")
		}
	}
}

// Keys outlive answers that fail, and not for ever; what fails is not asked again at once.
func TestFailures(t *testing.T) {
	w := newWorld(t)
	k := key(t, "Ed25519")
	jwt := sign(t, jose.EdDSA, k, "a", payload)
	w.fail(true)
	for range 10 {
		w.expect(t, jwt, keyset.ErrUnreachable)
	}
	w.asked(t, 1)
	w.fail(false)
	w.pass(30 * time.Second)
	w.expect(t, jwt, keyset.ErrUnreachable) // 404
	w.set(at, []byte(`{"keys":[]}`))
	w.pass(30 * time.Second)
	w.expect(t, jwt, keyset.ErrUnreachable)
	w.set(at, setOf(t, public(k, "a")))
	w.pass(30 * time.Second)
	w.expect(t, jwt, nil)
	w.asked(t, 4)
	w.fail(true)
	w.pass(59 * time.Minute)
	w.expect(t, jwt, nil)
	w.until(t, func() bool { return w.count(at) == 5 })
	w.pass(time.Minute)
	w.expect(t, jwt, keyset.ErrUnreachable)
}

// However many wait for a set, it is asked for once; who does not want to wait any longer does not stop it.
func TestSingleFlight(t *testing.T) {
	w := newWorld(t)
	k := key(t, "Ed25519")
	jwt := sign(t, jose.EdDSA, k, "a", payload)
	w.set(at, setOf(t, public(k, "a")))
	w.hold = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if _, err := w.cache.URL(at).VerifySignature(ctx, jwt); !errors.Is(err, context.Canceled) || !errors.Is(err, keyset.ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	w.until(t, func() bool { return w.count(at) == 1 })
	cancel()
	wait.Wait()
	for range 50 {
		wait.Go(func() { w.expect(t, jwt, nil) })
	}
	close(w.hold)
	wait.Wait()
	w.asked(t, 1)
}

func TestIssuer(t *testing.T) {
	const oauth, openid = "https://idp.test/.well-known/oauth-authorization-server/t1", "https://idp.test/t1/.well-known/openid-configuration"
	k := key(t, "Ed25519")
	jwt := sign(t, jose.EdDSA, k, "a", payload)
	metadata := func(issuer string) string { return `{"issuer":"` + issuer + `","jwks_uri":"` + at + `"}` }
	for _, test := range []struct {
		name, oauth, openid string
		want                error
	}{
		{"RFC 8414", metadata("https://idp.test/t1"), "", nil},
		{"OpenID Connect", "", metadata("https://idp.test/t1"), nil},
		{"another issuer", metadata("https://idp.test/t2"), "", keyset.ErrUnreachable},
		{"a slash more", "", metadata("https://idp.test/t1/"), keyset.ErrUnreachable},
		{"the second is right", metadata("https://idp.test"), metadata("https://idp.test/t1"), nil},
		{"no jwks_uri", `{"issuer":"https://idp.test/t1"}`, "", keyset.ErrUnreachable},
		{"no JSON", "<html>", "", keyset.ErrUnreachable},
		{"none", "", "", keyset.ErrUnreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.set(at, setOf(t, public(k, "a")))
			for url, text := range map[string]string{oauth: test.oauth, openid: test.openid} {
				if text != "" {
					w.set(url, []byte(text))
				}
			}
			if _, err := w.cache.Issuer("https://idp.test/t1").VerifySignature(t.Context(), jwt); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
	w := newWorld(t)
	for _, issuer := range []string{"https://idp.test/?a=b", "https://idp.test/#x", "::"} {
		_, err := w.cache.Issuer(issuer).VerifySignature(t.Context(), jwt)
		if !errors.Is(err, keyset.ErrUnreachable) || strings.Contains(err.Error(), "a=b") {
			t.Errorf("%s: got %v", issuer, err)
		}
	}
}

// Close ends what is under way.
func TestClose(t *testing.T) {
	w := newWorld(t)
	w.hold = make(chan struct{}) // never closed
	jwt := sign(t, jose.EdDSA, key(t, "Ed25519"), "a", payload)
	var wait sync.WaitGroup
	wait.Go(func() { w.expect(t, jwt, keyset.ErrUnreachable) })
	w.until(t, func() bool { return w.count(at) == 1 })
	w.cache.Close()
	wait.Wait()
	w.pass(time.Hour)
	w.expect(t, jwt, keyset.ErrUnreachable)
	w.asked(t, 1)
}

// The sets that nobody asks for make room.
func TestSetsAreBounded(t *testing.T) {
	w := newWorld(t)
	first := w.cache.URL(at)
	w.pass(time.Second)
	second := w.cache.URL(at + "2")
	for i := range 998 {
		w.pass(time.Second)
		w.cache.URL(fmt.Sprint(at, "/", i))
	}
	if w.cache.URL(at) != first {
		t.Fatal("a set was dropped below the bound")
	}
	w.cache.Issuer(at)
	if w.cache.URL(at) != first {
		t.Error("the set that was used last was dropped")
	}
	if w.cache.URL(at+"2") == second {
		t.Error("the set that was used first was kept")
	}
}
