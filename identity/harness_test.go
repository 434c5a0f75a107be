package identity_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
)

// backend adapts the real store to what identity asks for.
type backend struct{ *raftstore.Store }

func (b backend) View(ctx context.Context, f ostiary.Freshness) (identity.View, error) {
	return b.Store.View(ctx, f)
}

// world is a service over a real store in memory, with one organization and one connection.
type world struct {
	t          testing.TB
	raft       *raftstore.Store
	service    *identity.Service
	connection identity.Connection
	bearer     string
}

const store = "S"

func operator(ctx context.Context) context.Context {
	return ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "preshared", Name: "test"})
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return newWorldOn(t, vfs.NewMem())
}

func newWorldOn(t testing.TB, disk vfs.FS) *world {
	t.Helper()
	w := newEmptyWorldOn(t, disk)
	w.begin()
	return w
}

// newEmptyWorld is a world without an organization.
func newEmptyWorld(t testing.TB) *world {
	t.Helper()
	return newEmptyWorldOn(t, vfs.NewMem())
}

func newEmptyWorldOn(t testing.TB, disk vfs.FS) *world {
	t.Helper()
	raft, err := raftstore.Open(t.Context(), raftstore.Options{Dir: "data", FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raft.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, raft: raft, service: identity.New(backend{raft}, identity.Options{})}
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{
		{Key: ostiary.DocumentKey{Collection: "store", Key: store}, Body: []byte("{}")}}})
	return w
}

// begin makes the organization and the connection.
func (w *world) begin() {
	w.t.Helper()
	must(w.t)(w.service.CreateOrganization(w.ctx(), store, "acme", "Acme"))
	w.connection = w.connect("acme")
	w.bearer = w.token(w.connection.ID)
}

func (w *world) ctx() context.Context { return operator(w.t.Context()) }

func (w *world) propose(m *ostiary.Mutation) {
	w.t.Helper()
	m.TimeNanos, m.Principal = w.raft.Now(), ostiary.Principal{Kind: "preshared", Name: "test"}
	if _, err := w.raft.Propose(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) connect(organization string) identity.Connection {
	w.t.Helper()
	c, err := w.service.CreateConnection(w.ctx(), identity.Connection{
		Store: store, Organization: organization, Name: "Okta", Kind: identity.KindOkta})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) token(connection string) string {
	w.t.Helper()
	_, text, err := w.service.CreateToken(w.ctx(), store, connection, identity.Token{Name: "first"})
	if err != nil {
		w.t.Fatal(err)
	}
	return "Bearer " + text
}

// directory opens the connection as its identity provider does.
func (w *world) directory() (context.Context, *identity.Directory) {
	w.t.Helper()
	return w.directoryOf(w.connection.ID, w.bearer)
}

func (w *world) directoryOf(connection, bearer string) (context.Context, *identity.Directory) {
	w.t.Helper()
	ctx, d, err := w.service.Directory(w.t.Context(), connection, bearer)
	if err != nil {
		w.t.Fatal(err)
	}
	return ctx, d
}

func (w *world) user(name string) identity.User {
	w.t.Helper()
	ctx, d := w.directory()
	u, err := d.CreateUser(ctx, identity.UserInput{UserName: name, Active: true, Body: []byte("{}")})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

func (w *world) group(name string, members ...string) identity.Group {
	w.t.Helper()
	ctx, d := w.directory()
	g, err := d.CreateGroup(ctx, identity.GroupInput{DisplayName: name}, members)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// view is the newest one.
func (w *world) view() identity.View {
	w.t.Helper()
	v, err := w.raft.View(w.t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(v.Close)
	return v
}

func (w *world) revision() ostiary.Revision {
	w.t.Helper()
	v, err := w.raft.View(w.t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	return v.Revision()
}

// tuples returns the store's tuples with their owners, sorted.
func (w *world) tuples() []string {
	w.t.Helper()
	v := w.view()
	all := []string{}
	for t, err := range v.Tuples(w.t.Context(), ostiary.Filter{Store: store}, nil) {
		if err != nil {
			w.t.Fatal(err)
		}
		for _, g := range t.Grants {
			all = append(all, fmt.Sprintf("%s by %s", t.Tuple, g.Owner))
		}
	}
	slices.Sort(all)
	return all
}

func (w *world) wantTuples(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.tuples(); !slices.Equal(got, want) {
		w.t.Errorf("tuples: got %q\nwant %q", got, want)
	}
}

func (w *world) gate(user string) identity.Gate {
	w.t.Helper()
	g, err := identity.GateOf(w.view(), store, user)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// must fails the test with the error of a call.
func must(t testing.TB) func(_ any, err error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}
