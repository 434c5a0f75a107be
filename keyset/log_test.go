package keyset_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/keyset"
)

// An operator learns from the log that keys cannot be fetched and why, once for each reason, and that it is over.
func TestFailuresAreLogged(t *testing.T) {
	w, log := &world{pages: &pages{}, now: time.Unix(1_800_000_000, 0)}, &bytes.Buffer{}
	w.cache = keyset.NewCache(w, keyset.Options{Cooldown: time.Nanosecond, Logger: slog.New(slog.NewTextHandler(log, nil)),
		Now: func() time.Time { w.pass(time.Second); w.mu.Lock(); defer w.mu.Unlock(); return w.now }})
	k := key(t, "Ed25519")
	jwt := sign(t, jose.EdDSA, k, "a", payload)
	for range 3 {
		w.expect(t, jwt, keyset.ErrUnreachable) // 404
	}
	w.fail(true)
	w.expect(t, jwt, keyset.ErrUnreachable)
	w.fail(false)
	w.set(at, setOf(t, public(k, "a")))
	w.expect(t, jwt, nil)
	w.cache.Close()
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	want := []string{"status 404", "no route", "fetched again"}
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), log)
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) || !strings.Contains(line, "https://idp.test") || strings.Contains(line, "/keys") {
			t.Errorf("line %q, want %q, the host, and nothing else of the URL", line, want[i])
		}
	}
}
