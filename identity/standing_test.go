package identity_test

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary"
)

func TestStandings(t *testing.T) {
	w := newWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	ann := w.user("ann").ID
	must(t)(w.service.AddMember(w.ctx(), store, "other", ann))
	must(t)(w.service.BlockUser(w.ctx(), store, "other", ann))
	w.setActive(ann, false)
	all, deleted, err := w.service.Standings(w.ctx(), store, ann)
	if err != nil || deleted || len(all) != 2 {
		t.Fatalf("got %+v, %v, %v", all, deleted, err)
	}
	acme, other := all[0], all[1]
	c := w.connection.ID
	if acme.Organization != "acme" || !acme.Member || acme.Enabled || acme.Connection != c || acme.DisabledBy != c || acme.BlockedNanos != 0 {
		t.Errorf("got %+v", acme)
	}
	if other.Organization != "other" || !other.Member || !other.Enabled || other.Connection != "" || other.DisabledBy != "" || other.BlockedNanos == 0 {
		t.Errorf("got %+v", other)
	}
	ctx, d := w.directory()
	if _, err := d.DeleteUser(ctx, ann, 0); err != nil {
		t.Fatal(err)
	}
	if all, deleted, err := w.service.Standings(w.ctx(), store, ann); err != nil || !deleted || len(all) != 0 {
		t.Errorf("deleted: %+v, %v, %v", all, deleted, err)
	}
	if all, deleted, err := w.service.Standings(w.ctx(), store, "nobody"); err != nil || deleted || len(all) != 0 {
		t.Errorf("nobody: %+v, %v, %v", all, deleted, err)
	}
	if _, _, err := w.service.Standings(w.ctx(), store, "*"); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("a wildcard: %v", err)
	}
}
