package identity_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
)

// diskWorld is newWorld on a real folder, so that every change waits for its fsync.
func diskWorld(b *testing.B) (context.Context, *identity.Directory) {
	b.Helper()
	raft, err := raftstore.Open(b.Context(), raftstore.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { raft.Close() })
	w := &world{t: b, raft: raft, service: identity.New(backend{raft}, identity.Options{})}
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{
		{Key: ostiary.DocumentKey{Collection: "store", Key: store}, Body: []byte("{}")}}})
	must(b)(w.service.CreateOrganization(w.ctx(), store, "acme", "Acme"))
	c := w.connect("acme")
	return w.directoryOf(c.ID, w.token(c.ID))
}

// BenchmarkCreateUser creates people by 8 clients a core.
func BenchmarkCreateUser(b *testing.B) {
	ctx, d := diskWorld(b)
	var n atomic.Int64
	body := make([]byte, 500)
	b.ReportAllocs()
	b.SetParallelism(8)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			name := fmt.Sprintf("user%d@acme.test", n.Add(1))
			_, err := d.CreateUser(ctx, identity.UserInput{UserName: name, ExternalID: name, Emails: []string{name}, Active: true, Body: body})
			if err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "users/s")
}

// BenchmarkMembers adds 50 members to a group of 5,000 and takes them out again.
func BenchmarkMembers(b *testing.B) {
	ctx, d := diskWorld(b)
	users := make([]string, 5_050)
	for i := range users {
		u, err := d.CreateUser(ctx, identity.UserInput{UserName: fmt.Sprint("user", i), Active: true})
		if err != nil {
			b.Fatal(err)
		}
		users[i] = u.ID
	}
	g, err := d.CreateGroup(ctx, identity.GroupInput{DisplayName: "g"}, users[:5_000])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		c := identity.GroupChange{Add: users[5_000:]}
		if i%2 == 1 {
			c = identity.GroupChange{Remove: users[5_000:]}
		}
		if _, err := changeMembers(ctx, d, g.ID, c); err != nil {
			b.Fatal(err)
		}
	}
}
