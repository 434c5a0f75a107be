package identity_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/identity"
)

// What an operator lists beside the roles of an organization is what its identity provider finds, page by page, and
// nothing of another's objects.
func TestAssignable(t *testing.T) {
	w := newAssigningWorld(t)
	must(t)(w.service.CreateOrganization(w.ctx(), store, "other", "Other"))
	w.write("workspace:w3#organization@organization:other", "board:b1#organization@organization:acme")
	must(t)(w.service.CreateRole(w.ctx(), store, "acme", identity.Role{Value: "bookkeeper"}))
	want := []string{"role workspace:w1#editor", "role workspace:w2#editor", "board:b1#reader",
		"workspace:w1#editor", "workspace:w1#reader", "workspace:w2#editor", "workspace:w2#reader"}
	for _, limit := range []int{1, 2, 3, len(want), 100} {
		var got []string
		for after := ""; ; {
			page, err := w.service.Assignable(w.ctx(), store, "acme", after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				if !r.IsRelation() {
					t.Errorf("an operator has made %+v", r)
				}
				name := r.Value
				if !r.Entitlement {
					name = "role " + name
				}
				got, after = append(got, name), r.ID
			}
			if len(page) < limit {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: got %q, want %q", limit, got, want)
		}
	}
	if got, err := w.service.Assignable(w.ctx(), store, "other", "", 100); err != nil || len(got) != 3 || got[0].Value != "workspace:w3#editor" {
		t.Errorf("of another organization: %+v, %v", got, err)
	}
	if _, err := w.service.Assignable(w.ctx(), store, "nobody", "", 100); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("of an organization that is not there: %v", err)
	}
	must(t)(w.service.SetMapping(w.ctx(), store, &gate.Mapping{Names: *gate.Default()}))
	if got, err := w.service.Assignable(w.ctx(), store, "acme", "", 100); err != nil || len(got) > 0 {
		t.Errorf("without a relation in the mapping: %+v, %v", got, err)
	}
}
