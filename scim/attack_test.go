package scim_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/identity"
)

// What belongs to another organization cannot be named, not even by its id: it is as if it were not there, and
// nothing changes (IDENTITY g.0, rules 3 and 6).
func TestOtherOrganizationIsOutOfReach(t *testing.T) {
	w := newWorld(t, nil)
	if _, err := w.service.CreateOrganization(w.operator(), store, "beta", "Beta"); err != nil {
		t.Fatal(err)
	}
	beta := w.connect(identity.Connection{Store: store, Organization: "beta", Name: "B", Kind: identity.KindGeneric})
	var grants []string
	for _, r := range []identity.Role{{Value: "boss"}, {Value: "key", Entitlement: true}} {
		r, err := w.service.CreateRole(w.operator(), store, "beta", r)
		if err != nil {
			t.Fatal(err)
		}
		grants = append(grants, r.ID)
	}
	bob := beta.user("bob")
	group := beta.group("Board", bob)
	ann := w.user("ann")
	own := w.group("Staff", ann)
	before := w.tuples()

	for _, path := range []string{"/Users/" + bob, "/Groups/" + group, "/Roles/" + grants[0], "/Entitlements/" + grants[1]} {
		w.send("GET", path, "").refused(404, "")
	}
	for _, value := range []string{grants[0], "boss", "beta/" + grants[0], "role:beta/" + grants[0], "owner", "admin"} {
		w.patch("/Users/"+ann, `{"op":"add","path":"roles","value":[{"value":"`+value+`"}]}`).refused(400, "invalidValue")
	}
	for _, value := range []string{grants[1], "key", "beta/" + grants[1]} {
		w.patch("/Users/"+ann, `{"op":"add","path":"entitlements","value":[{"value":"`+value+`"}]}`).refused(400, "invalidValue")
	}
	for _, member := range []string{bob, group, "beta/" + group, "../beta/" + group, group + "#member", "user:" + bob, "*", "user:*", ann + "\\u0000"} {
		w.patch("/Groups/"+own, `{"op":"add","path":"members","value":[{"value":"`+member+`"}]}`).refused(400, "invalidValue")
	}
	for _, id := range []string{bob, "..%2F" + beta.connection.ID + "%2F" + bob, strings.ToUpper(ann), "%00"} {
		w.send("DELETE", "/Users/"+id, "").refused(404, "")
	}
	if list := w.send("GET", "/Users?filter="+q(`userName eq "bob" or groups.value eq "`+group+`"`), "").want(200).json(); names(list) != "" {
		t.Errorf("found %s", names(list))
	}
	if list := w.send("GET", "/Groups?filter="+q(`members.value eq "`+bob+`"`), "").want(200).json(); names(list) != "" {
		t.Errorf("found %s", names(list))
	}
	if after := w.tuples(); !slices.Equal(after, before) {
		t.Errorf("tuples were\n%q\nand are\n%q", before, after)
	}
}

// Nothing that an identity provider types enters a tuple (IDENTITY g.0, rule 7).
func TestTuplesHoldNoNames(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.send("POST", "/Users", `{`+userSchema+`,"userName":"typed-name@example.com","externalId":"typed-external",
		"displayName":"typed-display","emails":[{"value":"typed-mail@example.com"}]}`).want(201).id()
	group := w.send("POST", "/Groups", `{`+groupSchema+`,"displayName":"typed-group","externalId":"typed-too","members":[{"value":"`+ann+`","display":"typed-label"}]}`).want(201).id()
	w.patch("/Groups/"+group, `{"op":"replace","path":"displayName","value":"typed-again"}`).want(204)
	for _, tuple := range w.tuples() {
		if strings.Contains(tuple, "typed") || strings.Contains(tuple, "@example.com") {
			t.Errorf("tuple %s", tuple)
		}
	}
}

// A group that is renamed to the name of another one gains nothing, and neither do two of the same name.
func TestNamesOfGroupsMeanNothing(t *testing.T) {
	w := newWorld(t, nil)
	ann, bob := w.user("ann"), w.user("bob")
	w.group("Admins", ann)
	other := w.group("Visitors", bob)
	before := w.tuples()
	w.patch("/Groups/"+other, `{"op":"replace","path":"displayName","value":"Admins"}`).want(204)
	if after := w.tuples(); !slices.Equal(after, before) {
		t.Errorf("tuples were\n%q\nand are\n%q", before, after)
	}
	if list := w.send("GET", "/Groups?filter="+q(`displayName eq "admins"`), "").want(200).json(); names(list) != "Admins Admins" {
		t.Errorf("found %s", names(list))
	}
}
