package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// closed is where the store's gate closes for a person as the service reads it.
func (w *world) closed(user string) identity.Gate {
	w.t.Helper()
	v := w.view()
	x, err := identity.StoreGateOf(v, store)
	if err != nil {
		w.t.Fatal(err)
	}
	g, err := x.Of(v, store, user)
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// While the gate is off it lets in who is disabled, and neither who is blocked nor who was deleted. IDENTITY
// g.0 rules 2 and 4.
func TestGateSwitch(t *testing.T) {
	w := newWorld(t)
	disabled, blocked, both, deleted := w.user("disabled"), w.user("blocked"), w.user("both"), w.user("deleted")
	w.disable(disabled.ID, both.ID)
	must(t)(w.service.BlockUser(w.ctx(), store, "acme", blocked.ID))
	must(t)(w.service.BlockUser(w.ctx(), store, "acme", both.ID))
	w.remove(deleted.ID)
	want := func(when string, open bool) {
		t.Helper()
		for _, object := range []string{"acme", ""} {
			if got := w.closed(disabled.ID).Closed(object); got == open {
				t.Errorf("%s: who is disabled: closed %v for %q", when, got, object)
			}
			for _, u := range []identity.User{blocked, both, deleted} {
				if !w.closed(u.ID).Closed(object) {
					t.Errorf("%s: who is %s passes for %q", when, u.UserName, object)
				}
			}
		}
	}
	want("at first", false)
	off, _, err := w.service.TurnGateOff(w.ctx(), store, "Moving to Okta")
	if err != nil || !off.Off || off.SinceNanos == 0 || off.By != "preshared:test" || off.Reason != "Moving to Okta" {
		t.Fatalf("got %+v, %v", off, err)
	}
	want("off", true)
	if rows := w.auditBodies(); !contains(rows[len(rows)-1].Body, `"action":"gate.off"`) {
		t.Errorf("audited as %s", rows[len(rows)-1].Body)
	}
	before := w.revision()
	if again, _, err := w.service.TurnGateOff(w.ctx(), store, "another reason"); err != nil || again != off || w.revision() != before {
		t.Errorf("turned off again: %+v, %v", again, err)
	}
	if now, err := w.service.GateSwitch(w.ctx(), store); err != nil || now != off {
		t.Errorf("got %+v, %v", now, err)
	}
	if all, err := w.service.GatesOff(w.ctx()); err != nil || len(all) != 1 || all[store] != off {
		t.Errorf("got %+v, %v", all, err)
	}
	if on, _, err := identity.HasOrganizations(w.view(), store); err != nil || !on {
		t.Errorf("it has no organizations any more: %v", err)
	}
	on, _, err := w.service.TurnGateOn(w.ctx(), store)
	if err != nil || on != (identity.GateSwitch{}) {
		t.Errorf("got %+v, %v", on, err)
	}
	want("on again", false)
	if rows := w.auditBodies(); !contains(rows[len(rows)-1].Body, `"action":"gate.on"`) {
		t.Errorf("audited as %s", rows[len(rows)-1].Body)
	}
	before = w.revision()
	if _, _, err := w.service.TurnGateOn(w.ctx(), store); err != nil || w.revision() != before {
		t.Errorf("turned on again: %v", err)
	}
	if all, err := w.service.GatesOff(w.ctx()); err != nil || len(all) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
}

func TestGateSwitchRefusals(t *testing.T) {
	w := newWorld(t)
	for _, reason := range []string{"", "  ", "two\nlines", "a\x00b", strings.Repeat("a", 257), "\xff"} {
		if _, _, err := w.service.TurnGateOff(w.ctx(), store, reason); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("for the reason %q: %v", reason, err)
		}
	}
	if _, _, err := w.service.TurnGateOff(t.Context(), store, "nobody says so"); err == nil {
		t.Error("nobody turned it off")
	}
	document := ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: "store", Key: "T"}, Body: []byte("{}")}
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{document}})
	for _, in := range []string{"T", "U"} { // without organizations, and not there
		if _, _, err := w.service.TurnGateOff(w.ctx(), in, "why not"); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("in %s: %v", in, err)
		}
		if _, err := w.service.GateSwitch(w.ctx(), in); !errors.Is(err, ostiary.ErrNotFound) {
			t.Errorf("shown in %s: %v", in, err)
		}
	}
	// A store that is deleted is not shown among those whose gate is off.
	must(t)(w.service.CreateOrganization(w.ctx(), "T", "third", "Third"))
	must(t)(first(w.service.TurnGateOff(w.ctx(), "T", "why not")))
	document.Delete, document.Body = true, nil
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{document}})
	if all, err := w.service.GatesOff(w.ctx()); err != nil || len(all) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
}

func (w *world) disable(users ...string) {
	w.t.Helper()
	ctx, d := w.directory()
	for _, id := range users {
		must(w.t)(d.ChangeUser(ctx, id, 0, func(u identity.User) (identity.UserInput, error) {
			u.Active = false
			return u.UserInput, nil
		}))
	}
}

func (w *world) remove(user string) {
	w.t.Helper()
	ctx, d := w.directory()
	must(w.t)(d.DeleteUser(ctx, user, 0))
}
