package identity_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// meddling is a backend on which something else is done between the computation of the first change and its
// proposal.
type meddling struct {
	backend
	meddle func()
}

func (b *meddling) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	if meddle := b.meddle; meddle != nil {
		b.meddle = nil
		meddle()
	}
	return b.backend.Propose(ctx, m)
}

// meddled is the service of the world, in which something else is done before its first change is proposed.
func (w *world) meddled(meddle func()) *identity.Service {
	return identity.New(&meddling{backend{w.raft}, meddle}, identity.Options{})
}

// A person who is made a member of another organization while a connection deletes the person leaves nothing
// behind there.
func TestMemberAddedWhileDeleted(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	ann := w.user("ann")
	service := w.meddled(func() { must(t)(w.service.AddMember(w.ctx(), store, "other", ann.ID)) })
	ctx, d, err := service.Directory(t.Context(), w.connection.ID, w.bearer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.DeleteUser(ctx, ann.ID, 0); err != nil {
		t.Fatal(err)
	}
	if left, err := w.service.Members(w.ctx(), store, "other", "", 10); err != nil || len(left) != 0 {
		t.Errorf("members of the other organization: %v, %v", left, err)
	}
	w.wantTuples()
}

// A person who is deleted while an operator makes the person a member is not one.
func TestDeletedWhileMemberAdded(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	ann := w.user("ann")
	service := w.meddled(func() {
		ctx, d := w.directory()
		if _, err := d.DeleteUser(ctx, ann.ID, 0); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := service.AddMember(w.ctx(), store, "other", ann.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	w.wantTuples()
}

// The bound on connections holds for those of two organizations that are made at once.
func TestLastConnectionMadeTwice(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	fill := &ostiary.Mutation{}
	for i := range 10_000 - 2 { // one is there, and one may still come
		fill.Documents = append(fill.Documents, ostiary.DocumentChange{
			Key: ostiary.DocumentKey{Collection: "connection", Key: fmt.Sprint(i)}, Body: []byte(`{"form":1}`)})
	}
	w.propose(fill)
	service := w.meddled(func() { w.connect("other") })
	_, err := service.CreateConnection(w.ctx(), identity.Connection{Store: store, Organization: "acme", Name: "Okta", Kind: identity.KindOkta})
	if !errors.Is(err, ostiary.ErrTooBroad) {
		t.Errorf("one more than may be was made: %v", err)
	}
}
