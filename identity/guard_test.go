package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// guarded returns a world whose connection has limits, with a clock of its own, and n people.
func guarded(t *testing.T, g identity.Guard, n int) (*world, *clocked, []string) {
	t.Helper()
	w := newWorld(t)
	clock := &clocked{backend{w.raft}, w.raft.Now()}
	w.service = identity.New(clock, identity.Options{})
	must(t)(w.service.UpdateConnection(w.ctx(), store, w.connection.ID, identity.ConnectionChange{Users: &g.Users, Members: &g.Members}))
	return w, clock, w.people(n)
}

// unguard lets the connection take away what it likes.
func (w *world) unguard() {
	w.t.Helper()
	off := identity.GuardLimit{Off: true}
	must(w.t)(w.service.UpdateConnection(w.ctx(), store, w.connection.ID, identity.ConnectionChange{Users: &off, Members: &off}))
}

func (w *world) people(n int) (ids []string) {
	w.t.Helper()
	for i := range n {
		ids = append(ids, w.user(fmt.Sprintf("user%d-%d", i, n)).ID)
	}
	return ids
}

func (w *world) delete(id string) error {
	w.t.Helper()
	ctx, d := w.directory()
	_, err := d.DeleteUser(ctx, id, 0)
	return err
}

func (w *world) wantHeld(err error) {
	w.t.Helper()
	if !errors.Is(err, identity.ErrHeld) {
		w.t.Fatalf("got %v, want ErrHeld", err)
	}
}

func (w *world) wantDone(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deactivate(id string) {
	w.t.Helper()
	ctx, d := w.directory()
	must(w.t)(d.ChangeUser(ctx, id, 0, func(u identity.User) (identity.UserInput, error) {
		u.Active = false
		return u.UserInput, nil
	}))
}

// stored returns a user as the provider reads it.
func (w *world) stored(id string) (identity.User, error) {
	w.t.Helper()
	ctx, d := w.directory()
	v, err := d.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	return v.User(ctx, id)
}

// Deletions beyond the limit are held: the person is deactivated and destroyed in nothing, until an operator
// confirms it, however much time passes.
func TestGuardHoldsDeletions(t *testing.T) {
	w, clock, ids := guarded(t, identity.Guard{Users: identity.GuardLimit{Minimum: 3, Percent: 10}}, 8)
	for _, id := range ids[:3] {
		w.wantDone(w.delete(id))
	}
	held := ids[3]
	w.wantHeld(w.delete(held))
	if u, err := w.stored(held); err != nil || u.Active {
		t.Errorf("got %+v, %v", u, err)
	}
	if g := w.gate(held); g.Deleted || !g.Closed("acme") {
		t.Errorf("the gate is %+v", g)
	}
	if tuples := w.tuples(); slices.Contains(tuples, "organization:acme#enabled@user:"+held+" by scim:"+w.connection.ID+"/"+held+"/active") ||
		!slices.Contains(tuples, "organization:acme#directory_member@user:"+held+" by scim:"+w.connection.ID+"/"+held+"/user") {
		t.Errorf("tuples: %q", tuples)
	}
	before := w.revision()
	w.wantHeld(w.delete(held))
	if w.revision() != before {
		t.Error("what is held already was committed again")
	}
	clock.nanos += int64(24 * time.Hour)
	w.wantHeld(w.delete(ids[4]))
	state, err := w.service.Guarded(w.ctx(), w.connection)
	if err != nil || state.HeldNanos == 0 || state.HeldUsers != 2 || state.ConfirmedNanos != 0 {
		t.Errorf("got %+v, %v", state, err)
	}
	for _, id := range ids[3:] {
		w.deactivate(id) // which is never held
		if !w.gate(id).Closed("acme") {
			t.Errorf("the gate of %s is open", id)
		}
	}
	w.service = identity.New(clock, identity.Options{}) // as after a restart, or on another node
	w.wantHeld(w.delete(ids[5]))

	must(t)(w.service.ConfirmHeld(w.ctx(), store, w.connection.ID, false))
	for _, id := range ids[3:7] {
		w.wantDone(w.delete(id))
		if !w.gate(id).Deleted {
			t.Errorf("%s is not deleted", id)
		}
	}
	state, err = w.service.Guarded(w.ctx(), w.connection)
	if err != nil || state.HeldNanos != 0 || state.HeldUsers != 0 || state.ConfirmedNanos == 0 {
		t.Errorf("got %+v, %v", state, err)
	}
	clock.nanos += int64(time.Hour)
	if state, err = w.service.Guarded(w.ctx(), w.connection); err != nil || state.ConfirmedNanos != 0 {
		t.Errorf("got %+v, %v", state, err)
	}
	w.wantDone(w.delete(ids[7])) // the first of a new window
}

// Few deletions pass again when the window has passed, and a larger connection lets more pass.
func TestGuardCountsByWindowAndShare(t *testing.T) {
	w, clock, ids := guarded(t, identity.Guard{Users: identity.GuardLimit{Minimum: 1, Percent: 30}}, 10)
	for _, id := range ids[:3] {
		w.wantDone(w.delete(id)) // of 10
	}
	clock.nanos += int64(identity.GuardWindow)
	w.wantDone(w.delete(ids[3]))
	w.wantDone(w.delete(ids[4])) // of 7
	w.wantHeld(w.delete(ids[5]))
	must(t)(w.service.ConfirmHeld(w.ctx(), store, w.connection.ID, true))
	w.wantDone(w.delete(ids[6])) // dismissed: counted anew, and the person held stays
	if u, err := w.stored(ids[5]); err != nil || u.Active {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestGuardOff(t *testing.T) {
	w, _, ids := guarded(t, identity.Guard{}, 30)
	w.unguard()
	for _, id := range ids {
		w.wantDone(w.delete(id))
	}
}

// A person whose deletion is held and whom the provider activates again is let in, and no longer counted.
func TestHeldPersonActivatedAgain(t *testing.T) {
	w, _, ids := guarded(t, identity.Guard{Users: identity.GuardLimit{Minimum: 1}}, 2)
	w.wantDone(w.delete(ids[0]))
	w.wantHeld(w.delete(ids[1]))
	ctx, d := w.directory()
	must(t)(d.ChangeUser(ctx, ids[1], 0, func(u identity.User) (identity.UserInput, error) {
		u.Active = true
		return u.UserInput, nil
	}))
	state, err := w.service.Guarded(w.ctx(), w.connection)
	if err != nil || state.HeldUsers != 0 || !w.gate(ids[1]).IsOpen() {
		t.Errorf("got %+v, %v, gate %+v", state, err, w.gate(ids[1]))
	}
}

// Whoever deletes at once, on one node or several, exactly so many pass as the limit says, and everybody who
// was to be deleted is closed.
func TestGuardAtTheThreshold(t *testing.T) {
	const limit, people = 7, 24
	w, clock, ids := guarded(t, identity.Guard{Users: identity.GuardLimit{Minimum: limit}}, people)
	nodes := []*identity.Service{w.service, identity.New(clock, identity.Options{})}
	var deleted, held atomic.Int64
	var wait sync.WaitGroup
	for i, id := range ids {
		ctx, d, err := nodes[i%2].Directory(t.Context(), w.connection.ID, w.bearer)
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			switch _, err := d.DeleteUser(ctx, id, 0); {
			case err == nil:
				deleted.Add(1)
			case errors.Is(err, identity.ErrHeld):
				held.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if deleted.Load() != limit || held.Load() != people-limit {
		t.Errorf("%d deleted and %d held, not %d and %d", deleted.Load(), held.Load(), limit, people-limit)
	}
	for _, id := range ids {
		if !w.gate(id).Closed("acme") {
			t.Errorf("the gate of %s is open", id)
		}
	}
}

func (w *world) changeGroup(id string, c identity.GroupChange) error {
	w.t.Helper()
	ctx, d := w.directory()
	_, err := d.ChangeGroup(ctx, id, 0, func(g identity.Group) (identity.GroupChange, error) {
		c.GroupInput = g.GroupInput
		return c, nil
	})
	return err
}

func (w *world) countMembers(group string) (n int) {
	w.t.Helper()
	ctx, d := w.directory()
	v, err := d.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	for _, err := range v.Members(ctx, group) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}

// A group that would lose more than the limit, at once or bit by bit, is left as it is.
func TestGuardHoldsShrinkage(t *testing.T) {
	w, clock, ids := guarded(t, identity.Guard{Members: identity.GuardLimit{Minimum: 2, Percent: 50}}, 10)
	g := w.group("eng", ids...)
	w.wantHeld(w.changeGroup(g.ID, identity.GroupChange{Clear: true, Add: ids[:4]}))
	w.wantDone(w.changeGroup(g.ID, identity.GroupChange{Remove: ids[:2]}))
	w.wantDone(w.changeGroup(g.ID, identity.GroupChange{Remove: ids[2:5]})) // 5 of 10
	before := w.revision()
	w.wantHeld(w.changeGroup(g.ID, identity.GroupChange{Remove: ids[5:6], Add: ids[:1]}))
	if w.countMembers(g.ID) != 5 || w.revision() != before {
		t.Errorf("%d members; revision %d, was %d", w.countMembers(g.ID), w.revision(), before)
	}
	w.wantDone(w.changeGroup(g.ID, identity.GroupChange{Add: ids[:1]}))
	ctx, d := w.directory()
	_, err := d.DeleteGroup(ctx, g.ID, 0)
	w.wantHeld(err)
	state, err := w.service.Guarded(w.ctx(), w.connection)
	if err != nil || !slices.Equal(state.HeldGroups, []string{g.ID}) {
		t.Errorf("got %+v, %v", state, err)
	}
	clock.nanos += int64(identity.GuardWindow) - int64(time.Second)
	w.wantHeld(w.changeGroup(g.ID, identity.GroupChange{Remove: ids[5:6]})) // the window goes on while somebody tries
	clock.nanos += int64(identity.GuardWindow)
	w.wantDone(w.changeGroup(g.ID, identity.GroupChange{Remove: ids[5:6]}))
	must(t)(w.service.ConfirmHeld(w.ctx(), store, w.connection.ID, false))
	w.wantDone(w.changeGroup(g.ID, identity.GroupChange{Clear: true}))
	if n := w.countMembers(g.ID); n != 0 {
		t.Errorf("%d members", n)
	}
	must(t)(d.DeleteGroup(ctx, g.ID, 0)) // an empty one
}

// Sixteen who take members from one group at once lose nothing, and see no conflict.
func TestRemovalsAtOnce(t *testing.T) {
	const clients = 16
	w := newWorld(t)
	ids := w.people(clients + 1)
	g := w.group("eng", ids...)
	other := identity.New(backend{w.raft}, identity.Options{})
	var wait sync.WaitGroup
	for i := range clients {
		service := w.service
		if i%2 == 1 {
			service = other
		}
		ctx, d, err := service.Directory(t.Context(), w.connection.ID, w.bearer)
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			_, err := d.ChangeGroup(ctx, g.ID, 0, func(now identity.Group) (identity.GroupChange, error) {
				return identity.GroupChange{GroupInput: now.GroupInput, Remove: ids[i : i+1]}, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := w.countMembers(g.ID); n != 1 {
		t.Errorf("%d members, not 1", n)
	}
}

// A connection that an operator has paused takes deactivations alone; what it is told to delete it closes.
func TestPausedConnection(t *testing.T) {
	w := newWorld(t)
	ids := w.people(3)
	g := w.group("eng", ids...)
	if _, err := w.service.PauseConnection(w.ctx(), store, w.connection.ID, " "); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("without a reason: got %v", err)
	}
	c, err := w.service.PauseConnection(w.ctx(), store, w.connection.ID, "wrong assignments")
	if err != nil || c.Paused != "wrong assignments" {
		t.Fatalf("got %+v, %v", c, err)
	}
	ctx, d := w.directory()
	rename := func(active bool) func(identity.User) (identity.UserInput, error) {
		return func(u identity.User) (identity.UserInput, error) {
			u.UserName, u.Active = "other", active
			return u.UserInput, nil
		}
	}
	refused := map[string]func(context.Context) error{
		"create": func(ctx context.Context) error {
			_, err := d.CreateUser(ctx, identity.UserInput{UserName: "new", Active: true})
			return err
		},
		"change": func(ctx context.Context) error {
			_, err := d.ChangeUser(ctx, ids[0], 0, rename(true))
			return err
		},
		"delete": func(ctx context.Context) error {
			_, err := d.DeleteUser(ctx, ids[1], 0)
			return err
		},
		"create a group": func(ctx context.Context) error {
			_, err := d.CreateGroup(ctx, identity.GroupInput{DisplayName: "ops"}, nil)
			return err
		},
		"change a group": func(ctx context.Context) error {
			return w.changeGroup(g.ID, identity.GroupChange{Remove: ids[:1]})
		},
		"delete a group": func(ctx context.Context) error {
			_, err := d.DeleteGroup(ctx, g.ID, 0)
			return err
		},
	}
	for what, do := range refused {
		if err := do(ctx); !errors.Is(err, identity.ErrPaused) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	u, err := d.ChangeUser(ctx, ids[2], 0, rename(false))
	if err != nil || u.Active || u.UserName == "other" {
		t.Errorf("deactivated: got %+v, %v", u, err)
	}
	if w.gate(ids[1]).IsOpen() || w.gate(ids[2]).IsOpen() || !w.gate(ids[0]).IsOpen() {
		t.Error("the gate of those who were deleted and deactivated is not closed, or that of the other is")
	}
	if n := w.countMembers(g.ID); n != 3 {
		t.Errorf("%d members", n)
	}
	must(t)(w.service.ResumeConnection(w.ctx(), store, w.connection.ID))
	for _, what := range []string{"change", "delete", "change a group", "delete a group"} {
		if err := refused[what](ctx); err != nil {
			t.Errorf("%s, resumed: %v", what, err)
		}
	}
}
