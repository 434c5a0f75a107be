package api_test

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary"
)

// Who takes the place of an organization that was deleted inherits nothing of what was granted to it.
// IDENTITY g.0 rule 2.
func TestOrganizationIsNotTakenOver(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.organization("beta")
	for _, call := range []func() error{
		func() error { _, err := w.service.AddMember(w.admin, w.store, "beta", "bob"); return err },
		func() error { return w.write("document:secret#viewer@organization:beta#member") },
		func() error { _, err := w.service.RemoveMember(w.admin, w.store, "beta", "bob"); return err },
		func() error { _, err := w.service.DeleteOrganization(w.admin, w.store, "beta"); return err },
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.service.CreateOrganization(w.admin, w.store, "beta", "another company")
	if !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("the id is given again: %v", err)
	}
	w.organization("gamma")
	if _, err := w.service.AddMember(w.admin, w.store, "gamma", "eve"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.AddMember(w.admin, w.store, "beta", "eve"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("eve joins what was deleted: %v", err)
	}
	// What an application writes of it later is granted to nobody.
	if err := w.write("document:late#viewer@organization:beta#member"); err != nil {
		t.Fatal(err)
	}
	for _, tuple := range []string{"document:secret#viewer@user:eve", "document:secret#viewer@user:bob", "document:late#viewer@user:eve"} {
		if got, err := w.check("", tuple); got || err != nil {
			t.Errorf("%s: %v, %v", tuple, got, err)
		}
	}
}
