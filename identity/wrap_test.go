package identity_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

func keys(t *testing.T, letters ...string) *identity.Keys {
	t.Helper()
	for i, l := range letters {
		letters[i] = strings.Repeat(l, 64)
	}
	k, err := identity.ParseKeys([]byte(strings.Join(letters, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// node is another node of the world, with the operator's keys, or without.
func (w *world) node(k *identity.Keys) *world {
	other := *w
	other.service = identity.New(backend{w.raft}, identity.Options{Keys: k})
	return &other
}

func (w *world) wantUser(id, name string) {
	w.t.Helper()
	ctx, d := w.directory()
	v, err := d.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	if u, err := v.User(ctx, id); err != nil || u.UserName != name {
		w.t.Errorf("got %+v, %v", u, err)
	}
}

// wantLocked wants a node to refuse what is about personal data, and to judge everybody all the same.
func (w *world) wantLocked(id string) {
	w.t.Helper()
	ctx, d := w.directory()
	if _, err := d.View(ctx, ostiary.Freshness{}); !errors.Is(err, identity.ErrLocked) {
		w.t.Errorf("view: got %v", err)
	}
	if _, err := d.CreateUser(ctx, identity.UserInput{UserName: "eve"}); !errors.Is(err, identity.ErrLocked) {
		w.t.Errorf("create: got %v", err)
	}
	if _, err := d.DeleteUser(ctx, id, 0); !errors.Is(err, identity.ErrLocked) {
		w.t.Errorf("delete: got %v", err)
	}
	if _, err := w.service.WrapSecret(ctx); !errors.Is(err, identity.ErrLocked) {
		w.t.Errorf("wrap: got %v", err)
	}
	if g := w.gate(id); !g.IsOpen() {
		w.t.Errorf("gate: got %+v", g)
	}
}

// A node without the key holds nothing of people that it could read, and the key can be changed without a gap:
// IDENTITY g.0 rule 13.
func TestOperatorsKeys(t *testing.T) {
	w := newWorld(t).node(keys(t, "a"))
	ann := w.user("ann@acme.test")
	w.wantUser(ann.ID, "ann@acme.test")
	if done, err := w.service.WrapSecret(t.Context()); err != nil || done {
		t.Errorf("wrapped when it was drawn: got %v, %v", done, err)
	}
	w.node(nil).wantLocked(ann.ID)
	w.node(keys(t, "b")).wantLocked(ann.ID)
	for _, collection := range []string{"shred/secret", "shred/user/" + store, "user/" + w.connection.ID, "link/" + w.connection.ID} {
		docs, err := w.view().Documents(collection, "", 10, false)
		if err != nil || len(docs) == 0 {
			t.Errorf("%s: got %d documents, %v", collection, len(docs), err)
		}
		for _, d := range docs {
			if len(d.Body) == 64 || bytes.Contains(d.Body, []byte("ann@")) || strings.Contains(d.Key.Key, "ann@") {
				t.Errorf("%s can be read: %q", d.Key, d.Body)
			}
		}
	}

	// Everybody gets the new key, which opens; then it goes first, and wraps; then the old one goes.
	both := w.node(keys(t, "a", "b"))
	both.wantUser(ann.ID, "ann@acme.test")
	if done, err := both.service.WrapSecret(t.Context()); err != nil || done {
		t.Errorf("the first key is the same: got %v, %v", done, err)
	}
	turned := w.node(keys(t, "b", "a"))
	if done, err := turned.service.WrapSecret(t.Context()); err != nil || !done {
		t.Errorf("another first key: got %v, %v", done, err)
	}
	if done, err := turned.service.WrapSecret(t.Context()); err != nil || done {
		t.Errorf("again: got %v, %v", done, err)
	}
	w.wantUser(ann.ID, "ann@acme.test") // who has it opened goes on
	w.node(keys(t, "b")).wantUser(ann.ID, "ann@acme.test")
	w.node(keys(t, "a", "b")).wantUser(ann.ID, "ann@acme.test")
	w.node(keys(t, "a")).wantLocked(ann.ID)
}

// What was stored before there was a key is wrapped, and no view shows it as it was.
func TestOperatorsKeyComesLater(t *testing.T) {
	w := newWorld(t)
	if done, err := w.node(keys(t, "a")).service.WrapSecret(t.Context()); err != nil || done {
		t.Errorf("nothing is stored: got %v, %v", done, err)
	}
	ann := w.user("ann")
	before := w.revision()
	later := w.node(keys(t, "a"))
	later.wantUser(ann.ID, "ann")
	if done, err := later.service.WrapSecret(t.Context()); err != nil || !done {
		t.Fatalf("got %v, %v", done, err)
	}
	w.node(keys(t, "a")).wantUser(ann.ID, "ann")
	w.node(nil).wantLocked(ann.ID)
	past, err := w.raft.View(t.Context(), ostiary.Freshness{At: before})
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	if d, there, err := past.Document(ostiary.DocumentKey{Collection: "shred/secret", Key: "identity"}); err != nil || there && len(d.Body) == 64 {
		t.Errorf("a view of the past shows the secret: %v, %v", there, err)
	}
}
