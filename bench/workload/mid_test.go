package workload

import (
	"testing"

	"github.com/ostiary/ostiary"
)

// TestSizes counts the tuples of every workload at Mid.
func TestSizes(t *testing.T) {
	if testing.Short() {
		t.Skip("makes two million tuples")
	}
	for _, name := range Names() {
		w := build(t, name, Mid)
		for store := range w.Stores {
			n := 0
			for range w.Tuples(store) {
				n++
			}
			if n != w.Size(store) {
				t.Errorf("%s: store %d has %d tuples, Size says %d", name, store, n, w.Size(store))
			}
		}
		t.Logf("%s: %d tuples in %d stores", name, w.Total(), w.Stores)
	}
}

// TestScales makes the first tuples of every workload at every scale.
func TestScales(t *testing.T) {
	for _, name := range Names() {
		previous := 0
		for _, scale := range []string{Small, Mid, Large, Huge} {
			w := build(t, name, scale)
			n := 0
			for range w.Tuples(0) {
				if n++; n == 1_000 {
					break
				}
			}
			if size := w.Size(0) * w.Stores; size <= previous && w.Stores == 1 {
				t.Errorf("%s: %s has %d tuples, the scale below it %d", name, scale, size, previous)
			} else {
				previous = size
			}
		}
	}
}

// TestIdPGate asks for documents that name a user as viewer: the user must be enabled and in a session
// that has not expired.
func TestIdPGate(t *testing.T) {
	w := build(t, "idp", Small)
	x, idp := load(t, w), w.shape.(*idp)
	asked := map[string]int{}
	for d := range idp.documents {
		if !idp.viewerUser.oneIn(d, idpViewerUserIn) {
			continue
		}
		u := idp.viewerOf(d)
		want, why := ostiary.Denied, "disabled"
		switch {
		case idp.signedIn(u) && !idp.expired.oneIn(u, idpExpiredIn):
			want, why = ostiary.Allowed, "in a session"
		case idp.signedIn(u):
			why = "in an expired session"
		case idp.enabled(u):
			why = "without a session"
		}
		asked[why]++
		q := Question{Object: object("document", d), Relation: "can_view", Subject: subject("user", u), Context: idpContext}
		if got := x.check(t, x.stores[0], q); got != want {
			t.Fatalf("%s is %v to view %s, %s", q.Subject, got, q.Object, why)
		}
	}
	if len(asked) != 4 {
		t.Errorf("asked %v, want all four kinds of users", asked)
	}
}

// TestWideLists asks for the users of the wide group and of the groups that share a document.
func TestWideLists(t *testing.T) {
	w := build(t, "wide", Small)
	x, wide := load(t, w), w.shape.(*wide)
	q, ok := w.Named("users-of-group")
	if n := len(x.listUsers(t, q)); !ok || n != wide.users {
		t.Errorf("users-of-group has %d users, want %d", n, wide.users)
	}
	q, ok = w.Named("users-of-groups")
	if n := len(x.listUsers(t, q)); !ok || n < wide.groups || n > wide.groups*wideGroup {
		t.Errorf("users-of-groups has %d users, want at most %d", n, wide.groups*wideGroup)
	}
	if _, ok := w.Named("no such question"); ok {
		t.Error("a name that does not exist has a question")
	}
}

// TestIoTContexts asks the same checks in different contexts: some answers depend on it.
func TestIoTContexts(t *testing.T) {
	w := build(t, "iot", Small)
	x, q, differ := load(t, w), w.Questions(1), 0
	for range 1_000 {
		c := q.Check()
		first := x.check(t, x.stores[0], c)
		c.Context = q.Check().Context
		if x.check(t, x.stores[0], c) != first {
			differ++
		}
	}
	if differ == 0 {
		t.Error("no answer depends on the context")
	}
}
