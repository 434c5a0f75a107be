// Package teststore opens stores for tests of what stands on package identity.
package teststore

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
)

// Backend makes a store what package identity works on.
type Backend struct {
	*raftstore.Store
	Ahead atomic.Int64 // nanoseconds that Now is ahead of the clock
}

// Open opens a data folder until the test ends, and makes the OpenFGA stores of some ids in it.
func Open(t testing.TB, o raftstore.Options, ids ...string) *Backend {
	t.Helper()
	raft, err := raftstore.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raft.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &ostiary.Mutation{TimeNanos: raft.Now(), Principal: operator}
	for _, id := range ids {
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: "store", Key: id}, Body: []byte("{}")})
	}
	if _, err := raft.Propose(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return &Backend{Store: raft}
}

// View returns a view as package identity knows it.
func (b *Backend) View(ctx context.Context, f ostiary.Freshness) (identity.View, error) {
	return b.Store.View(ctx, f)
}

// Now returns the store's time.
func (b *Backend) Now() int64 { return b.Store.Now() + b.Ahead.Load() }

var operator = ostiary.Principal{Kind: "preshared", Name: "test"}

// Operator returns the context of a test in which somebody with a pre-shared key asks.
func Operator(t testing.TB) context.Context { return ostiary.WithPrincipal(t.Context(), operator) }

// RSAKey returns the key i, of two, as identity providers have them. Drawing one takes a while: the tests of a package
// share them.
func RSAKey(i int) *rsa.PrivateKey { return rsaKeys()[i] }

var rsaKeys = sync.OnceValue(func() (keys [2]*rsa.PrivateKey) {
	for i := range keys {
		var err error
		if keys[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return keys
})
