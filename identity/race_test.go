package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// What is refused says what it was about, and not that it is no tuple.
func TestRefusalsSayWhy(t *testing.T) {
	w := newWorld(t)
	for what, c := range map[string]struct {
		err  error
		want error
		text string
	}{
		"an id with a space":    {second(w.service.CreateOrganization(w.ctx(), store, "a b", "A")), ostiary.ErrTupleInvalid, "lower-case letters"},
		"a member with a type":  {second(w.service.AddMember(w.ctx(), store, "acme", "user:ann")), ostiary.ErrTupleInvalid, "without its type"},
		"a stranger removed":    {second(w.service.RemoveMember(w.ctx(), store, "acme", "bob")), ostiary.ErrNotFound, `"bob" is no member of organization "acme"`},
		"a stranger blocked":    {second(w.service.BlockUser(w.ctx(), store, "acme", "bob")), ostiary.ErrNotFound, `"bob" does not belong to organization "acme"`},
		"unblocked in nowhere":  {second(w.service.UnblockUser(w.ctx(), store, "nowhere", "bob")), ostiary.ErrNotFound, `organization "nowhere"`},
		"unblocked, as ever":    {second(w.service.UnblockUser(w.ctx(), store, "acme", "bob")), nil, ""},
		"a domain not added":    {second(w.service.RemoveDomain(w.ctx(), store, "acme", "example.com")), ostiary.ErrNotFound, "ostiary org domain add"},
		"an id that was a name": {second(w.service.Organization(w.ctx(), store, "Acme Corporation")), ostiary.ErrNotFound, "Acme Corporation"},
	} {
		if !errors.Is(c.err, c.want) || c.err != nil && (!strings.Contains(c.err.Error(), c.text) || strings.Contains(c.err.Error(), "invalid tuple")) {
			t.Errorf("%s: %v", what, c.err)
		}
	}
}

func second[A any](_ A, err error) error { return err }
