package scim_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim"
	"github.com/ostiary/ostiary/scim/query"
)

// Bad input of every kind gets the right SCIM error (IDENTITY c.7) and changes nothing.
func TestRefusals(t *testing.T) {
	w := newWorld(t, func(o *scim.Options, _ *identity.Connection) { o.MaxBodyBytes, o.MaxBulkOperations = 10_000, 3 })
	ann := w.user("ann")
	group := w.group("Staff", ann)
	other := w.connect(identity.Connection{Store: store, Organization: "acme", Name: "B", Kind: identity.KindGeneric})
	foreign := other.user("bob")
	foreignGroup := other.group("Others")
	tests := []struct {
		name, method, path, body string
		status                   int
		scimType                 string
	}{
		{"no such endpoint", "GET", "/Shoes", "", 404, ""},
		{"a path too long", "GET", "/Users/x/y", "", 404, ""},
		{"no such user", "GET", "/Users/00919288221112222", "", 404, ""},
		{"another connection's user", "GET", "/Users/" + foreign, "", 404, ""},
		{"put of another's user", "PUT", "/Users/" + foreign, `{` + userSchema + `,"userName":"x"}`, 404, ""},
		{"patch of another's user", "PATCH", "/Users/" + foreign, `{` + patchSchema + `,"Operations":[{"op":"replace","path":"active","value":false}]}`, 404, ""},
		{"delete of another's user", "DELETE", "/Users/" + foreign, "", 404, ""},
		{"another's group", "GET", "/Groups/" + foreignGroup, "", 404, ""},
		{"put of no user creates none", "PUT", "/Users/u0000000000000000000000000a", `{` + userSchema + `,"userName":"x"}`, 404, ""},
		{"no such group", "DELETE", "/Groups/gx", "", 404, ""},
		{"a taken user name", "POST", "/Users", `{` + userSchema + `,"userName":"ANN"}`, 409, "uniqueness"},
		{"no user name", "POST", "/Users", `{` + userSchema + `}`, 400, "invalidValue"},
		{"no JSON", "POST", "/Users", `{"schemas"`, 400, "invalidSyntax"},
		{"no schemas", "POST", "/Users", `{"userName":"x"}`, 400, "invalidSyntax"},
		{"an unknown role", "POST", "/Users", `{` + userSchema + `,"userName":"x","roles":[{"value":"no"}]}`, 400, "invalidValue"},
		{"an unknown entitlement", "PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"add","path":"entitlements","value":[{"value":"no"}]}]}`, 400, "invalidValue"},
		{"an unknown member", "POST", "/Groups", `{` + groupSchema + `,"displayName":"g","members":[{"value":"nobody"}]}`, 400, "invalidValue"},
		{"another connection's member", "PATCH", "/Groups/" + group, `{` + patchSchema + `,"Operations":[{"op":"add","path":"members","value":[{"value":"` + foreign + `"}]}]}`, 400, "invalidValue"},
		{"another connection's group as member", "PATCH", "/Groups/" + group, `{` + patchSchema + `,"Operations":[{"op":"add","path":"members","value":[{"value":"` + foreignGroup + `"}]}]}`, 400, "invalidValue"},
		{"a group in itself", "PATCH", "/Groups/" + group, `{` + patchSchema + `,"Operations":[{"op":"add","path":"members","value":[{"value":"` + group + `"}]}]}`, 400, "invalidValue"},
		{"a good operation before a bad one", "PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"replace","path":"active","value":false},{"op":"add","path":"shoeSize","value":1}]}`, 400, "invalidPath"},
		{"an operation that is none", "PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"move","path":"title"}]}`, 400, "invalidSyntax"},
		{"a read-only attribute", "PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"replace","path":"id","value":"x"}]}`, 400, "mutability"},
		{"nothing to remove from", "PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"remove"}]}`, 400, "noTarget"},
		{"a taken name in a patch", "PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"replace","path":"userName","value":""}]}`, 400, "invalidValue"},
		{"a bad filter", "GET", "/Users?filter=userName+is+x", "", 400, "invalidFilter"},
		{"a bad order", "GET", "/Users?sortBy=shoeSize", "", 400, "invalidPath"},
		{"a bad count", "GET", "/Users?count=x", "", 400, "invalidValue"},
		{"a bad cursor", "GET", "/Users?cursor=x", "", 400, "invalidCursor"},
		{"both projections", "GET", "/Users?attributes=a&excludedAttributes=b", "", 400, "invalidValue"},
		{"a filter of schemas", "GET", "/Schemas?filter=id+pr", "", 403, ""},
		{"no such schema", "GET", "/Schemas/urn:x", "", 404, ""},
		{"a search that is none", "POST", "/Users/.search", `{"schemas":[]}`, 400, "invalidSyntax"},
		{"a method that is not there", "PATCH", "/Users", `{}`, 405, ""},
		{"another one", "POST", "/Users/" + ann, `{}`, 405, ""},
		{"a change of roles", "POST", "/Roles", `{}`, 405, ""},
		{"me", "GET", "/Me", "", 501, ""},
		{"everything", "GET", "", "", 501, ""},
		{"a body too long", "POST", "/Users", strings.Repeat(" ", 10_001), 413, ""},
		{"a Bulk too long", "POST", "/Bulk", `{` + bulkSchema + `,"Operations":[{},{},{},{}]}`, 413, ""},
		{"a Bulk of nothing", "POST", "/Bulk", `{` + bulkSchema + `,"Operations":[]}`, 400, "invalidSyntax"},
		{"a Bulk without bulkId", "POST", "/Bulk", `{` + bulkSchema + `,"Operations":[{"method":"POST","path":"/Users","data":{}}]}`, 400, "invalidSyntax"},
	}
	before, tuples := w.revision(), w.tuples()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := w.send(tt.method, tt.path, tt.body)
			r.t = t
			r.refused(tt.status, tt.scimType)
			if got := r.header.Get("Content-Type"); !strings.HasPrefix(got, "application/scim+json") {
				t.Errorf("Content-Type is %q", got)
			}
		})
	}
	w.send("POST", "/Users", `<user/>`, "Content-Type", "text/xml").refused(415, "")
	if after := w.revision(); after != before || !slices.Equal(w.tuples(), tuples) {
		t.Errorf("refused requests took the store from revision %d to %d", before, after)
	}
}

func TestAuthentication(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.user("ann")
	other := w.connect(identity.Connection{Store: store, Organization: "acme", Name: "B", Kind: identity.KindGeneric})
	for name, header := range map[string]string{"none": "", "another scheme": "Basic eDp5", "a wrong token": "Bearer ostiary_x",
		"another connection's": other.bearer} {
		r := w.send("GET", "/Users", "", "Authorization", header)
		r.refused(401, "")
		if r.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", name)
		}
	}
	reader := w.token(identity.ScopeUsersRead)
	w.send("GET", "/Users/"+ann, "", "Authorization", reader).want(200)
	w.send("GET", "/Users", "", "Authorization", reader).want(200)
	w.send("GET", "/ServiceProviderConfig", "", "Authorization", reader).want(200)
	w.send("POST", "/Users", `{`+userSchema+`,"userName":"bob"}`, "Authorization", reader).refused(403, "")
	w.send("PATCH", "/Users/"+ann, `{`+patchSchema+`,"Operations":[{"op":"replace","path":"active","value":false}]}`, "Authorization", reader).refused(403, "")
	w.send("DELETE", "/Users/"+ann, "", "Authorization", reader).refused(403, "")
	w.send("GET", "/Groups", "", "Authorization", reader).refused(403, "")
	w.send("POST", "/Groups/.search", `{}`, "Authorization", reader).refused(403, "")
	w.send("GET", "/Roles", "", "Authorization", reader).refused(403, "")
	bulk := w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[{"method":"DELETE","path":"/Users/`+ann+`"}]}`, "Authorization", reader).want(200)
	if got := property(bulk.json(), "Operations[0].status"); got != "403" {
		t.Errorf("a Bulk deleted with a token that may read: %s", bulk.body)
	}
}

func TestUserLife(t *testing.T) {
	w := newWorld(t, nil)
	made := w.send("POST", "/Users", `{`+userSchema+`,"userName":"ann@x","externalId":"7","password":"Secret1!","name":{"givenName":"Ann"},
		"emails":[{"value":"ann@x","type":"work"}],"groups":[],"id":"mine","meta":{"resourceType":"Shoe"}}`).want(201)
	id := made.id()
	if id == "mine" || made.header.Get("Location") != w.url+"/Users/"+id || property(made.json(), "meta.location") != w.url+"/Users/"+id {
		t.Errorf("id %s, Location %s: %s", id, made.header.Get("Location"), made.body)
	}
	if strings.Contains(string(made.body), "Secret") || property(made.json(), "active") != true {
		t.Errorf("made %s", made.body)
	}
	if tag := made.header.Get("ETag"); tag == "" || tag != property(made.json(), "meta.version") {
		t.Errorf("ETag %s and version %v", tag, property(made.json(), "meta.version"))
	}
	if made.header.Get("Ostiary-Token") == "" || made.header.Get("Ostiary-Revision") != fmt.Sprint(w.revision()) {
		t.Errorf("the answer names revision %s, and the store is at %d", made.header.Get("Ostiary-Revision"), w.revision())
	}
	got := w.send("GET", "/Users/"+id, "").want(200)
	if string(got.body) != string(made.body) {
		t.Errorf("made\n%s\nand got\n%s", made.body, got.body)
	}
	w.send("GET", "/Users/"+id, "", "If-None-Match", made.header.Get("ETag")).want(304)
	if head := w.send("HEAD", "/Users/"+id, "").want(200); len(head.body) != 0 {
		t.Errorf("HEAD got %s", head.body)
	}

	// A PUT clears what it does not name, but says nothing about "active" by leaving it out.
	w.patch("/Users/"+id, `{"op":"replace","path":"active","value":false}`).want(200)
	put := w.send("PUT", "/Users/"+id, `{`+userSchema+`,"userName":"ann@x","title":"Guide"}`).want(200).json()
	if put["active"] != false || put["title"] != "Guide" || put["emails"] != nil || put["externalId"] != nil || put["name"] != nil {
		t.Errorf("put %v", put)
	}
	put = w.send("PUT", "/Users/"+id, `{`+userSchema+`,"userName":"ann@x","active":true}`).want(200).json()
	if put["active"] != true || put["title"] != nil {
		t.Errorf("put %v", put)
	}

	// What changes nothing makes no revision; removing "active" lets nobody in.
	before := w.revision()
	w.send("PUT", "/Users/"+id, `{`+userSchema+`,"userName":"ann@x","active":true}`).want(200)
	w.patch("/Users/"+id, `{"op":"replace","value":{"active":true}}`).want(200)
	if after := w.revision(); after != before {
		t.Errorf("nothing changed and the store went from revision %d to %d", before, after)
	}
	if r := w.patch("/Users/"+id, `{"op":"remove","path":"active"}`).want(200).json(); r["active"] != false {
		t.Errorf("without \"active\": %v", r)
	}

	w.send("DELETE", "/Users/"+id, "").want(204)
	w.send("DELETE", "/Users/"+id, "").refused(404, "")
	w.send("GET", "/Users/"+id, "").refused(404, "")
	if again := w.user("ann@x"); again == id {
		t.Error("an id is given twice")
	}
}

// If-Match is obeyed, and without it nobody sees a conflict.
func TestVersions(t *testing.T) {
	w := newWorld(t, nil)
	ann, bob := w.user("ann"), w.user("bob")
	group := w.group("Staff")
	for _, path := range []string{"/Users/" + ann, "/Groups/" + group} {
		old := w.send("GET", path, "").want(200).header.Get("ETag")
		change := `{"op":"replace","path":"displayName","value":"New"}`
		if strings.HasPrefix(path, "/Groups") {
			change = `{"op":"add","path":"members","value":[{"value":"` + bob + `"}]}`
		}
		w.patch(path, change)
		body := `{` + patchSchema + `,"Operations":[{"op":"replace","path":"displayName","value":"Newer"}]}`
		w.send("PATCH", path, body, "If-Match", old).refused(412, "")
		w.send("DELETE", path, "", "If-Match", old).refused(412, "")
		w.send("DELETE", path, "", "If-Match", "rubbish").refused(412, "")
		fresh := w.send("GET", path, "").want(200).header.Get("ETag")
		if fresh == old {
			t.Errorf("%s keeps its version %s", path, old)
		}
		if r := w.send("PATCH", path, body, "If-Match", `W/"1", `+fresh); r.status/100 != 2 {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
		w.send("DELETE", path, "", "If-Match", "*").want(204)
	}
}

// Concurrent PATCHes of one group from 16 clients lose no change, and no client sees a conflict.
func TestConcurrentPatches(t *testing.T) {
	w := newWorld(t, nil)
	const clients, each = 16, 4
	var ids []string
	for i := range clients * each {
		ids = append(ids, w.user(fmt.Sprint("user", i)))
	}
	group := w.group("Staff", ids[:clients]...)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			if r := w.patch("/Groups/"+group, `{"op":"remove","path":"members[value eq \"`+ids[i]+`\"]"}`); r.status != 204 {
				t.Errorf("%d %s", r.status, r.body)
			}
			for j := 1; j < each; j++ {
				if r := w.patch("/Groups/"+group, `{"op":"add","path":"members","value":[{"value":"`+ids[j*clients+i]+`"}]}`); r.status != 204 {
					t.Errorf("%d %s", r.status, r.body)
				}
			}
		})
	}
	wg.Wait()
	var got []string
	members, _ := w.send("GET", "/Groups/"+group, "").want(200).json()["members"].([]any)
	for _, m := range members {
		got = append(got, m.(map[string]any)["value"].(string))
	}
	want := slices.Clone(ids[clients:])
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %d members, want %d:\n%v\n%v", len(got), len(want), got, want)
	}
}

func TestLists(t *testing.T) {
	w := newWorld(t, func(o *scim.Options, _ *identity.Connection) { o.Pages = query.Limits{DefaultCount: 3, MaxCount: 4} })
	ids := w.usersInOrder(5)
	for i, name := range []string{"eve", "ann", "dan", "bob", "cyd"} {
		w.send("PUT", "/Users/"+ids[i], `{`+userSchema+`,"userName":"`+name+`","externalId":"X`+name+`","title":"T",
			"emails":[{"value":"`+name+`@x","type":"work"}],"active":`+fmt.Sprint(name != "dan")+`}`).want(200)
	}
	staff := w.group("Staff", ids[0], ids[1])
	w.group("Empty")
	tests := []struct {
		path, want string // names in order
		total      string
		start      string
	}{
		{"/Users", "eve ann dan", "5", "1"},
		{"/Users?startIndex=4", "bob cyd", "5", "4"},
		{"/Users?startIndex=4&count=1", "bob", "5", "4"},
		{"/Users?startIndex=9", "", "5", "9"},
		{"/Users?count=0", "", "5", "1"},
		{"/Users?count=100", "eve ann dan bob", "5", "1"},
		{"/Users?sortBy=userName", "ann bob cyd", "5", "1"},
		{"/Users?sortBy=userName&sortOrder=descending&startIndex=2", "dan cyd bob", "5", "2"},
		{"/Users?filter=" + q(`userName eq "ANN"`), "ann", "1", "1"},
		{"/Users?filter=" + q(`userName eq "nobody"`), "", "0", "1"},
		{"/Users?filter=" + q(`externalId eq "Xbob"`), "bob", "1", "1"},
		{"/Users?filter=" + q(`externalId eq Xbob`), "bob", "1", "1"},
		{"/Users?filter=" + q(`externalId eq "xbob"`), "", "0", "1"},
		{"/Users?filter=" + q(`id eq "`+ids[4]+`"`), "cyd", "1", "1"},
		{"/Users?filter=" + q(`emails[type eq "work"].value eq "DAN@x"`), "dan", "1", "1"},
		{"/Users?filter=" + q(`emails.value eq "dan@x" and active eq true`), "", "0", "1"},
		{"/Users?filter=" + q(`active eq true`), "eve ann bob", "4", "1"},
		{"/Users?filter=" + q(`active eq true`) + "&startIndex=4", "cyd", "4", "4"},
		{"/Users?filter=" + q(`active eq "False"`), "dan", "1", "1"},
		{"/Users?filter=" + q(`title eq "t" and not (userName sw "e")`) + "&sortBy=userName&count=2", "ann bob", "4", "1"},
		{"/Users?filter=" + q(`groups.value eq "`+staff+`"`), "eve ann", "2", "1"},
		{"/Users?filter=" + q(`shoeSize eq 7`), "", "0", "1"},
		{"/Groups?sortBy=displayName&sortOrder=descending", "Staff Empty", "2", "1"},
		{"/Groups?filter=" + q(`displayName eq "staff"`), "Staff", "1", "1"},
		{"/Groups?filter=" + q(`members.value eq "`+ids[0]+`"`), "Staff", "1", "1"},
		{"/Groups?filter=" + q(`members[value eq "`+ids[2]+`"]`), "", "0", "1"},
		{"/Groups?filter=" + q(`id eq "`+staff+`" and members eq "`+ids[1]+`"`), "Staff", "1", "1"},
		{"/Groups?filter=" + q(`id eq "`+staff+`" and members eq "nobody"`), "", "0", "1"},
		{"/Groups?filter=" + q(`displayName sw "E"`), "Empty", "1", "1"},
	}
	for _, tt := range tests {
		list := w.send("GET", tt.path, "").want(200).json()
		if names(list) != tt.want || fmt.Sprint(list["totalResults"]) != tt.total || fmt.Sprint(list["startIndex"]) != tt.start ||
			fmt.Sprint(list["itemsPerPage"]) != fmt.Sprint(len(strings.Fields(tt.want))) {
			t.Errorf("%s\ngot  %s: %v\nwant %s of %s from %s", tt.path, names(list), list, tt.want, tt.total, tt.start)
		}
	}
	list := w.send("POST", "/Users/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
		"filter":"active eq true","sortBy":"userName","startIndex":2,"count":2,"attributes":["userName"]}`).want(200)
	if names(list.json()) != "bob cyd" || strings.Contains(string(list.body), "emails") {
		t.Errorf("the search found %s", list.body)
	}
	if body := w.send("GET", "/Groups/"+staff+"?excludedAttributes=members", "").want(200).body; strings.Contains(string(body), "members") {
		t.Errorf("members were excluded: %s", body)
	}
	if body := w.send("GET", "/Groups/"+staff+"?attributes=members.value", "").want(200).json(); fmt.Sprint(property(body, "members[0]")) != "map[value:"+min(ids[0], ids[1])+"]" || body["displayName"] != nil {
		t.Errorf("got %v", body)
	}
	if body := w.send("GET", "/Users/"+ids[0], "").want(200).json(); property(body, "groups[0].value") != staff || property(body, "groups[0].display") != "Staff" {
		t.Errorf("groups of a member: %v", body["groups"])
	}
}

func q(s string) string { return url.QueryEscape(s) }

// names returns the user names or display names of a list, in order.
func names(list map[string]any) string {
	var all []string
	resources, _ := list["Resources"].([]any)
	for _, r := range resources {
		m := r.(map[string]any)
		name, ok := m["userName"].(string)
		if !ok {
			name, _ = m["displayName"].(string)
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

// All pages of a cursor are of one revision, whatever changes meanwhile, but for people who were deleted:
// nobody can read of them any more.
func TestCursorPages(t *testing.T) {
	for _, params := range []string{"", "&sortBy=userName", "&filter=" + q(`userName sw "user"`), "&filter=" + q(`groups.value eq "none" or userName pr`)} {
		now := time.Now().UnixNano()
		w := newWorld(t, func(o *scim.Options, _ *identity.Connection) { o.Now = func() int64 { return now } })
		ids := w.usersInOrder(7)
		var got []string
		cursor, first := "", ""
		for page := 1; page == 1 || cursor != ""; page++ {
			list := w.send("GET", "/Users?count=3&cursor="+cursor+params, "").want(200).json()
			got = append(got, strings.Fields(names(list))...)
			if page == 1 {
				w.send("DELETE", "/Users/"+ids[5], "").want(204)
				w.user("user9")
			}
			cursor, _ = list["nextCursor"].(string)
			if list["startIndex"] != nil || page == 1 && cursor == "" {
				t.Errorf("page %d%s: %v", page, params, list)
			}
			if page == 1 {
				first = cursor
			}
		}
		if want := "user0 user1 user2 user3 user4 user6"; strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", params, got, want)
		}
		w.send("GET", "/Users?count=3&filter="+q(`title pr`)+"&cursor="+first, "").refused(400, "invalidCursor")
		now += int64(time.Hour)
		w.send("GET", "/Users?count=3&cursor="+first+params, "").refused(400, "expiredCursor")
	}
}

// usersInOrder makes n users and returns their ids in order: user0 has the first. Ids made within a
// millisecond do not come in the order of their making.
func (w *world) usersInOrder(n int) []string {
	w.t.Helper()
	var ids []string
	for i := range n {
		ids = append(ids, w.user(fmt.Sprint("new", i)))
	}
	slices.Sort(ids)
	for i, id := range ids {
		w.patch("/Users/"+id, fmt.Sprintf(`{"op":"replace","path":"userName","value":"user%d"}`, i)).want(200)
	}
	return ids
}

// lookup returns the id of a user by name.
func (w *world) lookup(name string) string {
	w.t.Helper()
	list := w.send("GET", "/Users?filter="+q(`userName eq "`+name+`"`), "").want(200).json()
	id, _ := property(list, "Resources[0].id").(string)
	return id
}

func TestRolesAndEntitlements(t *testing.T) {
	w := newWorld(t, nil)
	admin := w.role(identity.Role{Value: "admin", Display: "Administrator"})
	w.role(identity.Role{Value: "reader", Display: "Reader"})
	editor := w.role(identity.Role{Entitlement: true, Value: "editor", Display: "Editor", Type: "Workspace role"})
	if list := w.send("GET", "/Roles?count=1&startIndex=1&sortBy=display", "").want(200).json(); names(list) != "Administrator" || fmt.Sprint(list["totalResults"]) != "2" {
		t.Errorf("roles: %v", list)
	}
	list := w.send("GET", "/Entitlements?filter="+q(`type eq "workspace role"`), "").want(200).json()
	for name, want := range map[string]string{"id": editor.ID, "value": "editor", "display": "Editor", "displayName": "Editor", "type": "Workspace role"} {
		if got := property(list, "Resources[0]."+name); got != want {
			t.Errorf("%s of the entitlement is %v, want %s", name, got, want)
		}
	}
	w.send("GET", "/Roles/"+admin.ID, "").want(200)
	w.send("GET", "/Roles/"+editor.ID, "").refused(404, "")

	id := w.send("POST", "/Users", `{`+userSchema+`,"userName":"ann","roles":[{"value":"admin","primary":"True"}],
		"entitlements":[{"value":"`+editor.ID+`","display":"Mine"}]}`).want(201).id()
	user := w.send("GET", "/Users/"+id, "").want(200).json()
	if got := fmt.Sprint(user["roles"], user["entitlements"]); got !=
		`[map[display:Administrator primary:true value:admin]] [map[display:Mine type:Workspace role value:`+editor.ID+`]]` {
		t.Errorf("given: %s", got)
	}
	before := w.revision()
	w.patch("/Users/"+id, `{"op":"add","path":"roles","value":[{"value":"admin"}]}`).want(200)
	if after := w.revision(); after != before {
		t.Error("a role that is there was given again")
	}
	user = w.patch("/Users/"+id, `{"op":"remove","path":"roles[value eq \"admin\"]"},{"op":"add","path":"roles","value":[{"value":"reader"}]}`).want(200).json()
	if got := fmt.Sprint(user["roles"]); got != `[map[display:Reader value:reader]]` {
		t.Errorf("given: %s", got)
	}
}

func TestDiscovery(t *testing.T) {
	w := newWorld(t, nil)
	config := w.send("GET", "/ServiceProviderConfig", "").want(200).json()
	for path, want := range map[string]string{"patch.supported": "true", "bulk.maxOperations": "1000", "filter.maxResults": "1000",
		"changePassword.supported": "false", "sort.supported": "true", "etag.supported": "true", "pagination.cursor": "true",
		"pagination.defaultPaginationMethod": "index", "authenticationSchemes[0].type": "oauthbearertoken"} {
		if got := fmt.Sprint(property(config, path)); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	types := w.send("GET", "/ResourceTypes", "").want(200).json()
	schemas := w.send("GET", "/Schemas", "").want(200)
	if strings.Contains(string(schemas.body), "null") || strings.Contains(string(schemas.body), "password") {
		t.Errorf("schemas: %s", schemas.body)
	}
	known := map[string]bool{}
	for _, s := range schemas.json()["Resources"].([]any) {
		known[s.(map[string]any)["id"].(string)] = true
	}
	for _, r := range types["Resources"].([]any) {
		m := r.(map[string]any)
		if m["id"] != m["name"] || !known[m["schema"].(string)] {
			t.Errorf("resource type %v", m)
		}
		w.send("GET", "/ResourceTypes/"+m["id"].(string), "").want(200)
		w.send("GET", "/Schemas/"+m["schema"].(string), "").want(200)
		w.send("GET", m["endpoint"].(string)+"?count=1&startIndex=1", "").want(200)
		for _, x := range m["schemaExtensions"].([]any) {
			if !known[x.(map[string]any)["schema"].(string)] {
				t.Errorf("extension %v is not described", x)
			}
		}
	}
	okta := w.connect(identity.Connection{Store: store, Organization: "acme", Name: "O", Kind: identity.KindOkta})
	if got := property(okta.send("GET", "/ResourceTypes/Role", "").want(200).json(), "schema"); got != "urn:okta:scim:schemas:core:1.0:Role" {
		t.Errorf("Okta's role is %v", got)
	}
}

func TestBulk(t *testing.T) {
	w := newWorld(t, nil)
	// The group comes before the users that it refers to.
	r := w.send("POST", "/Bulk", `{`+bulkSchema+`,"failOnErrors":1,"Operations":[
		{"method":"POST","path":"/Groups","bulkId":"g","data":{`+groupSchema+`,"displayName":"Staff","members":[{"value":"bulkId:a","type":"User"},{"value":"bulkId:b"}]}},
		{"method":"POST","path":"/Users","bulkId":"a","data":{`+userSchema+`,"userName":"ann"}},
		{"method":"POST","path":"/Users","bulkId":"b","data":{`+userSchema+`,"userName":"bob"}},
		{"method":"PATCH","path":"/Users/bulkId:b","data":{`+patchSchema+`,"Operations":[{"op":"replace","path":"active","value":false}]}}]}`).want(200).json()
	for i, want := range []string{"201 POST g", "201 POST a", "201 POST b", "200 PATCH "} {
		at := fmt.Sprintf("Operations[%d].", i)
		bulkID, _ := property(r, at+"bulkId").(string)
		if got := fmt.Sprint(property(r, at+"status"), " ", property(r, at+"method"), " ", bulkID); got != want || property(r, at+"version") == nil {
			t.Errorf("operation %d: %s, want %s: %v", i, got, want, r)
		}
	}
	location, _ := property(r, "Operations[0].location").(string)
	group := w.send("GET", strings.TrimPrefix(location, w.url), "").want(200).json()
	if len(group["members"].([]any)) != 2 {
		t.Errorf("the group is %v", group)
	}
	if list := w.send("GET", "/Users?filter="+q("active eq false"), "").json(); names(list) != "bob" {
		t.Errorf("disabled: %s", names(list))
	}

	before := w.revision()
	r = w.send("POST", "/Bulk", `{`+bulkSchema+`,"failOnErrors":1,"Operations":[
		{"method":"POST","path":"/Users","bulkId":"a","data":{`+userSchema+`,"userName":"ANN"}},
		{"method":"DELETE","path":"/Users/`+w.lookup("bob")+`"}]}`).want(200).json()
	if len(r["Operations"].([]any)) != 1 || property(r, "Operations[0].status") != "409" || property(r, "Operations[0].response.scimType") != "uniqueness" || w.revision() != before {
		t.Errorf("after the first error: %v", r)
	}
	r = w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[
		{"method":"POST","path":"/Users","bulkId":"a","data":{`+userSchema+`}},
		{"method":"POST","path":"/Groups","bulkId":"x","data":{`+groupSchema+`,"displayName":"X","members":[{"value":"bulkId:y"}]}},
		{"method":"POST","path":"/Groups","bulkId":"y","data":{`+groupSchema+`,"displayName":"Y","members":[{"value":"bulkId:x"}]}},
		{"method":"PATCH","path":"/Users/bulkId:a","data":{}},
		{"method":"DELETE","path":"/Bulk"},
		{"method":"DELETE","path":"/Users/`+w.lookup("bob")+`"}]}`).want(200).json()
	for i, want := range []string{"400", "409", "409", "400", "404", "204"} {
		if got := property(r, fmt.Sprintf("Operations[%d].status", i)); got != want {
			t.Errorf("operation %d: got %v, want %s: %v", i, got, want, r)
		}
	}
}

func TestRate(t *testing.T) {
	now := int64(0)
	w := newWorld(t, func(o *scim.Options, _ *identity.Connection) {
		o.RequestsPerSecond = 2
		o.Now = func() int64 { return now }
	})
	other := w.connect(identity.Connection{Store: store, Organization: "acme", Name: "B", Kind: identity.KindGeneric})
	for range 4 {
		w.send("GET", "/ServiceProviderConfig", "").want(200)
	}
	r := w.send("GET", "/ServiceProviderConfig", "")
	r.refused(http.StatusTooManyRequests, "")
	if r.header.Get("Retry-After") != "1" {
		t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
	}
	other.send("GET", "/ServiceProviderConfig", "").want(200)
	now += int64(time.Second)
	w.send("GET", "/ServiceProviderConfig", "").want(200)
	w.send("GET", "/ServiceProviderConfig", "").want(200)
	w.send("GET", "/ServiceProviderConfig", "").refused(http.StatusTooManyRequests, "")
}

// A strict connection refuses what a compatible one forgives.
func TestStrictConnection(t *testing.T) {
	w := newWorld(t, func(_ *scim.Options, c *identity.Connection) { c.Dialect = identity.DialectStrict })
	w.send("POST", "/Users", `{`+userSchema+`,"userName":"ann","password":"x"}`).refused(400, "invalidSyntax")
	w.send("POST", "/Users", `{`+userSchema+`,"userName":"ann","active":"True"}`).refused(400, "invalidValue")
	ann := w.user("ann")
	w.patch("/Users/"+ann, `{"op":"replace","value":{"active":false}}`).refused(400, "invalidPath")
	w.send("GET", "/Users?filter="+q(`shoeSize eq 7`), "").refused(400, "invalidFilter")
	w.send("GET", "/Users?filter="+q(`userName eq ann`), "").refused(400, "invalidFilter")
	group := w.group("Staff", ann)
	w.patch("/Groups/"+group, `{"op":"remove","path":"members","value":[{"value":"`+ann+`"}]}`).refused(400, "invalidSyntax")
	if got := property(w.send("GET", "/ServiceProviderConfig", "").json(), "interopProfileConformant"); got != true {
		t.Errorf("interopProfileConformant is %v", got)
	}
}

// A group of 5,000 is put in one revision, alone or in a Bulk request, and not at all where one member is nobody.
func TestGroupPutIsOneRevision(t *testing.T) {
	if testing.Short() {
		t.Skip("5,000 users")
	}
	w := newWorld(t, func(o *scim.Options, _ *identity.Connection) { o.RequestsPerSecond = -1 })
	ids := w.manyUsers(5000)
	group := w.group("Staff", ids[0])
	before := w.revision()
	r := w.send("PUT", "/Groups/"+group+"?excludedAttributes=members", `{`+groupSchema+`,"displayName":"Staff","members":`+memberList(ids)+`}`).want(200)
	if after := w.revision(); after != before+1 || len(ids) != 5000 || len(r.body) > 1000 {
		t.Errorf("%d members took %d revisions and an answer of %d bytes", len(ids), after-before, len(r.body))
	}
	members, _ := w.send("GET", "/Groups/"+group, "").want(200).json()["members"].([]any)
	if len(members) != len(ids) {
		t.Errorf("the group has %d members, want %d", len(members), len(ids))
	}

	before = w.revision()
	bulk := func(member string) string {
		r := w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[{"method":"POST","path":"/Groups","bulkId":"g","data":{`+groupSchema+
			`,"displayName":"Others","members":`+memberList(append([]string{member}, ids...))+`}}]}`).want(200)
		return fmt.Sprint(property(r.json(), "Operations[0].status"))
	}
	if status := bulk("nobody"); status != "400" || w.revision() != before {
		t.Errorf("with a member who is nobody: %s, in %d revisions", status, w.revision()-before)
	}
	if status := bulk(ids[0]); status != "201" || w.revision() != before+1 {
		t.Errorf("in a Bulk request: %s, in %d revisions", status, w.revision()-before)
	}
}
