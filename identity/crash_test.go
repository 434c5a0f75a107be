package identity_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
)

// A power cut at any moment leaves of each request all or nothing: the people, groups and tuples of the
// organization agree, and what was acknowledged is there.
func TestCrashLeavesAllOrNothing(t *testing.T) {
	const members, cuts = 200, 5
	disk := vfs.NewCrashableMem()
	w := newWorldOn(t, disk)
	w.unguard()
	people := make([]string, members)
	for i := range people {
		people[i] = w.user(fmt.Sprintf("user%d", i)).ID
	}
	group := w.group("Staff")
	rng := rand.New(rand.NewPCG(1, 2))

	full := false
	for range cuts {
		images := make(chan *vfs.MemFS, 1)
		go func() { // while the request below is under way
			images <- disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		}()
		before := full
		full = !full
		ctx, d := w.directory()
		must(t)(d.ChangeGroup(ctx, group.ID, 0, func(g identity.Group) (identity.GroupChange, error) {
			c := identity.GroupChange{GroupInput: g.GroupInput, Clear: true}
			if full {
				c.Add = people
			}
			return c, nil
		}))
		during := surviveOn(t, <-images, group.ID)
		if during != 0 && during != members {
			t.Fatalf("the power cut left %d of %d members", during, members)
		}
		after := surviveOn(t, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng}), group.ID)
		if (after == members) != full {
			t.Fatalf("the group had all members: %t, was acknowledged to have them: %t, and has %d after a power cut", before, full, after)
		}
	}
}

// surviveOn opens what a power cut has left, verifies the organization, and returns how many members a group
// has.
func surviveOn(t *testing.T, disk vfs.FS, group string) (members int) {
	t.Helper()
	raft, err := raftstore.Open(t.Context(), raftstore.Options{Dir: "data", FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := raft.Close(); err != nil {
			t.Error(err)
		}
	}()
	service := identity.New(backend{raft}, identity.Options{})
	found, err := service.Verify(operator(t.Context()), store, "acme")
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Findings) > 0 {
		t.Fatalf("after a power cut: %v", found.Findings)
	}
	v, err := raft.View(context.WithoutCancel(t.Context()), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	f := ostiary.Filter{Store: store, Object: ostiary.ObjectRef{Type: "group", ID: "acme/" + group}, Relation: "assigned"}
	for _, err := range v.Tuples(t.Context(), f, nil) {
		if err != nil {
			t.Fatal(err)
		}
		members++
	}
	return members
}
