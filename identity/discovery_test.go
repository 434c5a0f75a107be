package identity_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

func TestDiscover(t *testing.T) {
	w, _ := domainWorld(t)
	w.connect("other")
	second := w.connect("acme")
	w.addDomain("acme", "bücher.example")
	must(t)(first(w.service.VerifyDomain(w.ctx(), store, "acme", "bücher.example", true)))
	ann := w.user("ann@bücher.example")
	for _, in := range []string{store, ""} {
		for _, email := range []string{"ann@bücher.example", "nobody@BÜCHER.example.", `"odd @ name"@xn--bcher-kva.example`} {
			found, err := w.service.Discover(w.ctx(), in, email)
			if err != nil || found.Organization.Store != store || found.Organization.ID != "acme" || len(found.Connections) != 2 {
				t.Fatalf("%s in %q: got %+v, %v", email, in, found, err)
			}
			if a, b := found.Connections[0], found.Connections[1]; a.ID != w.connection.ID || b.ID != second.ID || a.Kind != identity.KindOkta {
				t.Errorf("%s in %q: got %+v and %+v", email, in, a, b)
			}
		}
	}
	if strings.Contains(ann.ID, "@") {
		t.Errorf("the id %s", ann.ID)
	}
	for email, want := range map[string]error{
		"ann@example.com": ostiary.ErrNotFound, "ann@eu.bücher.example": ostiary.ErrNotFound, "ann@example": ostiary.ErrTupleInvalid,
		"bücher.example": ostiary.ErrTupleInvalid, "@bücher.example": ostiary.ErrTupleInvalid, "": ostiary.ErrTupleInvalid, "ann@": ostiary.ErrTupleInvalid,
		strings.Repeat("a", 250) + "@bücher.example": ostiary.ErrTupleInvalid,
	} {
		if found, err := w.service.Discover(w.ctx(), store, email); !errors.Is(err, want) {
			t.Errorf("%q: got %+v, %v", email, found, err)
		}
	}
	if _, err := w.service.Discover(w.ctx(), "T", "ann@bücher.example"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("in no store: %v", err)
	}
}

// A domain belongs to one organization of each store. Where several stores know it, the question must name one.
func TestDiscoverInSeveralStores(t *testing.T) {
	w, _ := domainWorld(t)
	document := ostiary.DocumentKey{Collection: "store", Key: "T"}
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: document, Body: []byte("{}")}}})
	must(t)(w.service.CreateOrganization(w.ctx(), "T", "third", "Third"))
	for in, organization := range map[string]string{store: "acme", "T": "third"} {
		must(t)(first(w.service.AddDomain(w.ctx(), in, organization, "example.com")))
		must(t)(first(w.service.VerifyDomain(w.ctx(), in, organization, "example.com", true)))
	}
	if _, err := w.service.Discover(w.ctx(), "", "ann@example.com"); !errors.Is(err, ostiary.ErrTupleInvalid) || !strings.Contains(err.Error(), "name the store") {
		t.Errorf("in two stores: %v", err)
	}
	if found, err := w.service.Discover(w.ctx(), "T", "ann@example.com"); err != nil || found.Organization.ID != "third" {
		t.Errorf("in the second: %+v, %v", found, err)
	}
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: document, Delete: true}}})
	if found, err := w.service.Discover(w.ctx(), "", "ann@example.com"); err != nil || found.Organization.ID != "acme" {
		t.Errorf("after the second was deleted: %+v, %v", found, err)
	}
}
