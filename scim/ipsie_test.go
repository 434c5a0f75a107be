package scim_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim"
)

// What IPSIE's account lifecycle profile (SCIM 2.0, draft 00) demands of an application, each by the id that
// docs/ipsie.md gives it, on a connection of the strict dialect.

func newStrictWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, func(_ *scim.Options, c *identity.Connection) { c.Dialect = identity.DialectStrict })
}

const (
	activate   = `{"op":"replace","path":"active","value":true}`
	deactivate = `{"op":"replace","path":"active","value":false}`
)

func (w *world) holds(tuple string) bool {
	w.t.Helper()
	return slices.ContainsFunc(w.tuples(), func(t string) bool { return strings.HasPrefix(t, tuple+" by ") })
}

// AL1-1: deactivation and reactivation by PATCH.
func TestAL1Deactivation(t *testing.T) {
	w := newStrictWorld(t)
	ann := w.user("ann")
	enabled := "organization:acme#enabled@user:" + ann
	if !w.holds(enabled) {
		t.Fatal("a new user is not enabled")
	}
	before := w.revision()
	w.patch("/Users/"+ann, deactivate).want(200)
	if w.holds(enabled) || !w.holds("organization:acme#directory_member@user:"+ann) || w.revision() != before+1 {
		t.Errorf("after deactivation, in %d revisions: %q", w.revision()-before, w.tuples())
	}
	if got := w.send("GET", "/Users/"+ann, "").want(200).json()["active"]; got != false {
		t.Errorf("active is %v", got)
	}
	w.patch("/Users/"+ann, activate).want(200)
	if !w.holds(enabled) {
		t.Errorf("after reactivation: %q", w.tuples())
	}
}

// AL1-3: deletion deletes, the name can be given again at once, and what is gone is never listed.
func TestAL1Deletion(t *testing.T) {
	w := newStrictWorld(t)
	ann := w.user("ann@example.com")
	w.send("DELETE", "/Users/"+ann, "").want(204)
	w.send("GET", "/Users/"+ann, "").refused(404, "")
	w.patch("/Users/"+ann, activate).refused(404, "")
	w.send("DELETE", "/Users/"+ann, "").refused(404, "")
	again := w.user("ann@example.com")
	if again == ann {
		t.Error("the id was given again")
	}
	list := w.send("GET", "/Users?filter="+q(`userName eq "ann@example.com"`), "").want(200).json()
	if list["totalResults"] != json.Number("1") {
		t.Errorf("listed %v", list)
	}
	for _, tuple := range w.tuples() {
		if strings.Contains(tuple, ann) {
			t.Errorf("left: %s", tuple)
		}
	}
}

// AL1-4: a user is found by id, userName, externalId and e-mail.
func TestAL1Filters(t *testing.T) {
	w := newStrictWorld(t)
	ann := w.send("POST", "/Users", `{`+userSchema+`,"userName":"ann","externalId":"E1","displayName":"Ann",
		"emails":[{"value":"ann@example.com","type":"work"},{"value":"ann@example.net","type":"home"}]}`).want(201).id()
	w.user("bob")
	for _, filter := range []string{
		`userName eq "ann"`, `username eq "ANN"`, `externalId eq "E1"`, `id eq "` + ann + `"`,
		`emails[value eq "ann@example.com"]`, `emails[type eq "work" and value eq "ann@example.com"]`, `emails.value eq "ann@example.net"`,
	} {
		list := w.send("GET", "/Users?filter="+q(filter), "").want(200).json()
		found, _ := list["Resources"].([]any)
		if len(found) != 1 || found[0].(map[string]any)["id"] != ann {
			t.Errorf("%s finds %v", filter, list)
		}
	}
	for _, filter := range []string{`externalId eq "e1"`, `emails[type eq "home" and value eq "ann@example.com"]`} {
		if list := w.send("GET", "/Users?filter="+q(filter), "").want(200).json(); list["totalResults"] != json.Number("0") {
			t.Errorf("%s finds %v", filter, list)
		}
	}
}

// AL2-1, AL-INT-4: nobody but the identity provider changes the people whom it manages.
func TestAL2LocalChanges(t *testing.T) {
	w := newStrictWorld(t)
	ann := w.user("ann")
	before := w.tuples()
	if _, err := w.service.AddMember(w.operator(), store, "acme", ann); err == nil {
		t.Error("an operator made a managed person a member")
	}
	if _, err := w.service.RemoveMember(w.operator(), store, "acme", ann); err == nil {
		t.Error("an operator removed a managed person")
	}
	if after := w.tuples(); !slices.Equal(before, after) {
		t.Errorf("tuples were %q, are %q", before, after)
	}
}

// AL2-2: the attributes of a user; a password is no attribute, neither in a body, nor in a PATCH, nor in /Schemas.
func TestAL2UserSchema(t *testing.T) {
	w := newStrictWorld(t)
	w.send("POST", "/Users", `{`+userSchema+`,"userName":"eve","password":"x"}`).refused(400, "invalidSyntax")
	ann := w.send("POST", "/Users", `{`+userSchema+`,"userName":"ann","displayName":"Ann","active":true,"externalId":"E1"}`).want(201).id()
	w.patch("/Users/"+ann, `{"op":"replace","path":"password","value":"x"}`).refused(400, "invalidPath")
	got := w.send("GET", "/Users/"+ann, "").want(200).json()
	if got["userName"] != "ann" || got["displayName"] != "Ann" || got["active"] != true || got["externalId"] != "E1" {
		t.Errorf("the user is %v", got)
	}
	if schemas := string(w.send("GET", "/Schemas", "").want(200).body); strings.Contains(strings.ToLower(schemas), `"password"`) {
		t.Error("/Schemas names a password")
	}
}

// AL2-3: POST, PATCH and GET; pages of up to 1,000, by index and by cursor.
func TestAL2Paging(t *testing.T) {
	w := newStrictWorld(t)
	w.manyUsers(250)
	list := w.send("GET", "/Users?count=100", "").want(200).json()
	if page, _ := list["Resources"].([]any); len(page) != 100 || list["totalResults"] != json.Number("250") {
		t.Errorf("a page of %d of %v", len(page), list["totalResults"])
	}
	total, cursor := 0, ""
	for pages := 0; pages == 0 || cursor != ""; pages++ {
		list := w.send("GET", "/Users?count=100&cursor="+cursor, "").want(200).json()
		page, _ := list["Resources"].([]any)
		total += len(page)
		cursor, _ = list["nextCursor"].(string)
	}
	if total != 250 {
		t.Errorf("the pages by cursor hold %d users", total)
	}
	if pages := w.send("GET", "/ServiceProviderConfig", "").want(200).json()["pagination"]; pages == nil || property(pages, "maxPageSize") != json.Number("1000") {
		t.Errorf("pagination is %v", pages)
	}
}

// AL2-4: groups: none or many members, every filter, and 50 operations on members in one PATCH.
func TestAL2Groups(t *testing.T) {
	w := newStrictWorld(t)
	people := w.manyUsers(60)
	staff := w.send("POST", "/Groups", `{`+groupSchema+`,"displayName":"Staff","externalId":"G1"}`).want(201).id()
	w.group("Others", people[59])
	var add, remove []string
	for _, id := range people[:50] {
		add = append(add, fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":"%s"}]}`, id))
		remove = append(remove, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id))
	}
	before := w.revision()
	w.patch("/Groups/"+staff, strings.Join(add, ",")).want(204)
	if w.revision() != before+1 {
		t.Errorf("50 operations took %d revisions", w.revision()-before)
	}
	if members, _ := w.send("GET", "/Groups/"+staff, "").want(200).json()["members"].([]any); len(members) != 50 {
		t.Errorf("the group has %d members", len(members))
	}
	for _, filter := range []string{`displayName eq "staff"`, `externalId eq "G1"`, `members[value eq "` + people[0] + `"]`} {
		list := w.send("GET", "/Groups?filter="+q(filter), "").want(200).json()
		found, _ := list["Resources"].([]any)
		if len(found) != 1 || found[0].(map[string]any)["id"] != staff {
			t.Errorf("%s finds %v", filter, list)
		}
	}
	w.patch("/Groups/"+staff, strings.Join(remove, ",")).want(204)
	if w.holds("group:acme/" + staff + "#assigned@user:" + people[0]) {
		t.Errorf("members are left")
	}
	list := w.send("GET", "/Groups", "").want(200).json()
	if list["totalResults"] != json.Number("2") {
		t.Errorf("listed %v", list)
	}
}

// AL-INT-1..3: what the interoperability profile forbids clients, and a strict connection therefore refuses.
// Each refusal changes nothing.
func TestInteropProfile(t *testing.T) {
	w := newStrictWorld(t)
	ann := w.user("ann")
	group := w.group("Staff", ann)
	before := w.revision()
	for _, c := range []struct{ name, method, path, body, scimType string }{
		{"unknown attribute", "POST", "/Users", `{` + userSchema + `,"userName":"bob","shoeSize":7}`, "invalidSyntax"},
		{"unknown schema", "POST", "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:example:1"],"userName":"bob"}`, "invalidSyntax"},
		{"text for a boolean", "POST", "/Users", `{` + userSchema + `,"userName":"bob","active":"True"}`, "invalidValue"},
		{"PATCH without a path", "PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"replace","value":{"active":false}}]}`, "invalidPath"},
		{"PATCH of a filtered value without its part", "PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"a@b.c"}}]}`, "invalidPath"},
		{"PATCH that matches nothing", "PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@b.c"}]}`, "noTarget"},
		{"remove with a value", "PATCH", "/Groups/" + group, `{` + patchSchema + `,"Operations":[{"op":"remove","path":"members","value":[{"value":"` + ann + `"}]}]}`, "invalidSyntax"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := w.send(c.method, c.path, c.body)
			r.t = t
			r.refused(400, c.scimType)
		})
	}
	if after := w.revision(); after != before {
		t.Errorf("refused requests made %d revisions", after-before)
	}
	if got := property(w.send("GET", "/ServiceProviderConfig", "").want(200).json(), "interopProfileConformant"); got != true {
		t.Errorf("interopProfileConformant is %v", got)
	}
	for _, path := range []string{"/ResourceTypes/User", "/ResourceTypes/Group"} {
		if r := w.send("GET", path, "").want(200).json(); r["id"] != r["name"] {
			t.Errorf("%s: id %v, name %v", path, r["id"], r["name"])
		}
	}
}

// AL-PERF-2: a connection may send 25 requests a second, and more, without being asked to wait.
func TestALPerfSustained(t *testing.T) {
	now := int64(1)
	w := newWorld(t, func(o *scim.Options, c *identity.Connection) {
		c.Dialect = identity.DialectStrict
		o.Now = func() int64 { return now }
	})
	for range 3 {
		for range 30 {
			w.send("GET", "/ServiceProviderConfig", "").want(200)
		}
		now += 1e9
	}
}

// AL-PERF-4: several attributes in one PATCH, all or none.
func TestALPerfSeveralAttributes(t *testing.T) {
	w := newStrictWorld(t)
	ann := w.user("ann")
	before := w.revision()
	w.patch("/Users/"+ann, `{"op":"add","path":"displayName","value":"Ann"},{"op":"add","path":"title","value":"Clerk"},`+deactivate).want(200)
	if got := w.send("GET", "/Users/"+ann, "").want(200).json(); got["displayName"] != "Ann" || got["title"] != "Clerk" || got["active"] != false || w.revision() != before+1 {
		t.Errorf("the user is %v after %d revisions", got, w.revision()-before)
	}
	w.patch("/Users/"+ann, `{"op":"replace","path":"displayName","value":"Eve"},{"op":"replace","path":"shoeSize","value":7}`).refused(400, "invalidPath")
	if got := w.send("GET", "/Users/"+ann, "").want(200).json(); got["displayName"] != "Ann" {
		t.Errorf("half of a PATCH took effect: %v", got)
	}
}

// AL-SEC: errors have SCIM's form and say nothing of the inside; a revision names who changed what.
func TestALSecErrors(t *testing.T) {
	w := newStrictWorld(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		scimType           string
	}{
		{"POST", "/Users", `{`, 400, "invalidSyntax"},
		{"GET", "/Users?filter=" + q(`userName like "x"`), "", 400, "invalidFilter"},
		{"GET", "/Users/absent", "", 404, ""},
		{"GET", "/Nothing", "", 404, ""},
		{"DELETE", "/Schemas", "", 405, ""},
	} {
		r := w.send(c.method, c.path, c.body)
		r.refused(c.status, c.scimType)
		for _, word := range []string{".go", "pebble", "raft", "goroutine", "panic"} {
			if strings.Contains(strings.ToLower(string(r.body)), word) {
				t.Errorf("%s %s: the answer holds %q: %s", c.method, c.path, word, r.body)
			}
		}
	}
	ann := w.user("ann")
	v, err := w.raft.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	logged := false
	for c, err := range v.Changes(t.Context(), store, 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		logged = logged || c.Tuple.Subject.ID == ann && c.Principal.Kind == "scim" && strings.HasPrefix(c.Principal.Name, w.connection.ID+"/")
	}
	if !logged {
		t.Error("the changelog does not name the token that made the user")
	}
}

// AL-AUTH-1: access tokens open a connection, and nothing that an operator made, even if it was kept somehow.
func TestStrictTakesAccessTokensAlone(t *testing.T) {
	w := newStrictWorld(t)
	if _, _, err := w.service.CreateToken(w.operator(), store, w.connection.ID, identity.Token{Name: "x"}); !errors.Is(err, ostiary.ErrTupleInvalid) ||
		!strings.Contains(err.Error(), "connection client create "+w.connection.ID) {
		t.Errorf("a token was made: %v", err)
	}
	compat := w.connect(identity.Connection{Store: store, Organization: "acme", Name: "B", Kind: identity.KindGeneric})
	v, err := w.raft.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	tokens, err := v.Documents("token/"+compat.connection.ID, "", 2, false)
	if err != nil || len(tokens) != 1 {
		t.Fatalf("%d tokens, %v", len(tokens), err)
	}
	m := &ostiary.Mutation{TimeNanos: w.raft.Now(), Principal: ostiary.Principal{Kind: "preshared", Name: "test"}, Documents: []ostiary.DocumentChange{
		{Key: ostiary.DocumentKey{Collection: "token/" + w.connection.ID, Key: tokens[0].Key.Key}, Body: tokens[0].Body}}}
	if _, err := w.raft.Propose(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	compat.send("GET", "/Users", "").want(200)
	w.send("GET", "/Users", "").want(200)
	w.bearer = compat.bearer
	r := w.send("GET", "/Users", "")
	r.refused(401, "")
	if got := r.header.Get("WWW-Authenticate"); got != `Bearer realm="scim", scope="scim", error="invalid_token"` {
		t.Errorf("the challenge is %q", got)
	}
	w.bearer = w.token()
	schemes, _ := w.send("GET", "/ServiceProviderConfig", "").want(200).json()["authenticationSchemes"].([]any)
	if got := fmt.Sprint(schemes); len(schemes) != 1 || !strings.Contains(got, "type:oauth2") || !strings.Contains(got, "primary:true") {
		t.Errorf("the schemes are %v", got)
	}
}
