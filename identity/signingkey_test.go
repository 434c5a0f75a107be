package identity_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/jws"
	"github.com/ostiary/ostiary/keyset"
)

// clock is a backend whose time is moved by hand.
type clock struct {
	backend
	now atomic.Int64
}

func (c *clock) Now() int64 { return c.now.Load() }

func (c *clock) pass(d time.Duration) { c.now.Add(int64(d)) }

// signingWorld is a store with a service whose time is moved by hand.
func signingWorld(t *testing.T, o identity.Options) (*clock, *identity.Service) {
	t.Helper()
	c := &clock{backend: backend{newEmptyWorld(t).raft}}
	c.now.Store(c.backend.Now())
	return c, identity.New(c, o)
}

// beginSigning signs once with each algorithm, which makes the first keys of the store.
func beginSigning(t *testing.T, s *identity.Service) {
	t.Helper()
	for _, a := range jws.Algorithms() {
		if _, err := s.Signer(t.Context(), store, a); err != nil {
			t.Fatal(err)
		}
	}
}

func signingKeys(t *testing.T, s *identity.Service) []identity.SigningKey {
	t.Helper()
	keys, err := s.SigningKeys(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// states returns the states of the keys of an algorithm, in their order.
func states(t *testing.T, s *identity.Service, a jws.Algorithm) string {
	t.Helper()
	var all []string
	for _, k := range signingKeys(t, s) {
		if k.Algorithm == a {
			all = append(all, string(k.State))
		}
	}
	return strings.Join(all, " ")
}

func keepSigningKeys(t *testing.T, s *identity.Service, every time.Duration) {
	t.Helper()
	if _, err := s.KeepSigningKeys(t.Context(), every); err != nil {
		t.Fatal(err)
	}
}

// A key is published a day before it signs and a week after, without anybody asking for it.
func TestSigningKeysChange(t *testing.T) {
	const every, day = 30 * 24 * time.Hour, 24 * time.Hour
	c, s := signingWorld(t, identity.Options{})
	if got := signingKeys(t, s); len(got) != 0 {
		t.Fatalf("a store that has never signed has %d keys", len(got))
	}
	beginSigning(t, s)
	var signed []string // by the key of each period
	var keys [][]byte
	sign := func() {
		t.Helper()
		k, err := s.Signer(t.Context(), store, jws.ES256)
		if err != nil {
			t.Fatal(err)
		}
		text, err := k.Sign("logout+jwt", map[string]string{})
		if err != nil {
			t.Fatal(err)
		}
		signed, keys = append(signed, text), nil
		for _, k := range signingKeys(t, s) {
			keys = append(keys, k.Public)
		}
	}
	judged := func(text string) error {
		set, err := keyset.Parse(jws.Set(keys))
		if err == nil {
			_, err = set.VerifySignature(t.Context(), text)
		}
		return err
	}
	for _, step := range []struct {
		passes time.Duration
		want   string
		good   int // of what was signed, the newest that are to be judged good
	}{
		{0, "active", 1},
		{28 * day, "active", 2},
		{day, "active next", 3},
		{day - time.Second, "active next", 4},
		{time.Second, "retired active", 5},
		{7*day - time.Second, "retired active", 6},
		{time.Second, "active", 3}, // and nothing of the key that signed before
	} {
		c.pass(step.passes)
		keepSigningKeys(t, s, every)
		keepSigningKeys(t, s, every) // changes nothing more
		if got := states(t, s, jws.ES256); got != step.want {
			t.Fatalf("got %q, want %q", got, step.want)
		}
		sign()
		for i, text := range signed {
			if err := judged(text); (err == nil) != (i >= len(signed)-step.good) {
				t.Fatalf("%q: signed %d of %d: %v", step.want, i, len(signed), err)
			}
		}
	}
	c.pass(1000 * day)
	keepSigningKeys(t, s, -1)
	if got := states(t, s, jws.RS256); got != "active" {
		t.Errorf("keys that sign for ever: got %q", got)
	}
}

func TestRotateSigningKey(t *testing.T) {
	c, s := signingWorld(t, identity.Options{})
	ctx := operator(t.Context())
	rotate := func(now bool) identity.SigningKey {
		t.Helper()
		k, err := s.RotateSigningKey(ctx, store, jws.ES256, now)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	signs := func(want identity.SigningKey) {
		t.Helper()
		k, err := s.Signer(t.Context(), store, jws.ES256)
		if err != nil || k.ID() != want.ID {
			t.Errorf("got %v, %v, want %s", k, err, want.ID)
		}
	}
	first := rotate(false)
	signs(first) // nobody can know another
	second := rotate(false)
	signs(first)
	if second.State != identity.SigningNext {
		t.Errorf("got %q", second.State)
	}
	if _, err := s.RotateSigningKey(ctx, store, jws.ES256, false); !errors.Is(err, ostiary.ErrTupleInvalid) || !strings.Contains(err.Error(), second.ID) {
		t.Errorf("a second next key: %v", err)
	}
	if got := rotate(true); got.ID != second.ID || got.State != identity.SigningActive {
		t.Errorf("got %+v", got)
	}
	signs(second)
	third := rotate(true)
	signs(third)
	if got := states(t, s, jws.ES256); got != "retired retired active" {
		t.Errorf("got %q", got)
	}
	c.pass(identity.SigningAhead) // nothing was asked for
	keepSigningKeys(t, s, -1)
	signs(third)
	for range 5 {
		rotate(true)
	}
	if _, err := s.RotateSigningKey(ctx, store, jws.ES256, true); !errors.Is(err, ostiary.ErrTooBroad) {
		t.Errorf("a ninth key: %v", err)
	}
	if _, err := s.RotateSigningKey(ctx, store, "HS256", true); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("HS256: %v", err)
	}
	if _, err := s.RotateSigningKey(ctx, "nowhere", jws.ES256, true); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("no such store: %v", err)
	}
}

func TestRetireSigningKey(t *testing.T) {
	_, s := signingWorld(t, identity.Options{})
	ctx := operator(t.Context())
	first, err := s.Signer(t.Context(), store, jws.ES256)
	if err != nil {
		t.Fatal(err)
	}
	next, err := s.RotateSigningKey(ctx, store, jws.ES256, false)
	if err != nil {
		t.Fatal(err)
	}
	signs, err := s.RetireSigningKey(ctx, store, first.ID())
	if err != nil || signs.ID != next.ID || states(t, s, jws.ES256) != "active" {
		t.Errorf("got %+v, %v, %q: the next key is to sign", signs, err, states(t, s, jws.ES256))
	}
	signs, err = s.RetireSigningKey(ctx, store, next.ID)
	if err != nil || signs.ID == next.ID || states(t, s, jws.ES256) != "active" {
		t.Errorf("got %+v, %v, %q: a new key is to sign", signs, err, states(t, s, jws.ES256))
	}
	if k, err := s.Signer(t.Context(), store, jws.ES256); err != nil || k.ID() != signs.ID {
		t.Errorf("got %v, %v, want %s", k, err, signs.ID)
	}
	if _, err := s.RetireSigningKey(ctx, store, first.ID()); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("a key that has gone: %v", err)
	}
}

// However many need the first key at once, there is one.
func TestFirstSigningKeyIsOne(t *testing.T) {
	c, s := signingWorld(t, identity.Options{})
	other := identity.New(c, identity.Options{}) // of another node
	ids := make([]string, 8)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			k, err := []*identity.Service{s, other}[i%2].Signer(t.Context(), store, jws.ES256)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.ID()
		})
	}
	group.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("two keys: %q", ids)
		}
	}
	if got := states(t, s, jws.ES256); got != "active" {
		t.Errorf("got %q", got)
	}
}

// IDENTITY g.0, rule 13: a node without the operator's key signs nothing, says so, and publishes all the same.
func TestSigningNeedsOperatorsKey(t *testing.T) {
	keys, err := identity.ParseKeys([]byte(strings.Repeat("07", 32)))
	if err != nil {
		t.Fatal(err)
	}
	c, s := signingWorld(t, identity.Options{Keys: keys})
	beginSigning(t, s)
	learner := identity.New(c, identity.Options{})
	if _, err := learner.Signer(t.Context(), store, jws.RS256); !errors.Is(err, identity.ErrLocked) || !strings.Contains(err.Error(), "sign in the name of store S") {
		t.Errorf("a node without the key: %v", err)
	}
	if _, err := learner.RotateSigningKey(operator(t.Context()), store, jws.RS256, true); !errors.Is(err, identity.ErrLocked) {
		t.Errorf("a node without the key rotates: %v", err)
	}
	if got := signingKeys(t, learner); len(got) != 2 {
		t.Errorf("a node without the key publishes %d keys", len(got))
	}
	if _, err := s.Signer(t.Context(), store, jws.RS256); err != nil {
		t.Error(err)
	}
}

// A key that was taken away after a backup does not sign again once that is restored.
func TestRestoreForgetsSigningKeys(t *testing.T) {
	disk := vfs.NewMem()
	w := newEmptyWorldOn(t, disk)
	before, err := w.service.Signer(t.Context(), store, jws.ES256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.AfterRestore(context.Background(), identity.AfterRestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	after, err := w.service.Signer(t.Context(), store, jws.ES256)
	if err != nil || after.ID() == before.ID() {
		t.Errorf("got %v, %v", after, err)
	}
}
