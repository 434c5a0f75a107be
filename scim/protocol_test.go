package scim_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim"
)

// IDENTITY c.1, E6, E9, E11 and E12: what is not offered is 501, what no resource knows is 404, a wrong method is 405
// and names the right ones, and HEAD is a GET without its body.
func TestMethods(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.user("ann")
	group := w.group("Staff")
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/Me", 501, ""}, {"PATCH", "/Me", 501, ""}, {"GET", "", 501, ""}, {"GET", "/", 501, ""}, {"POST", "/.search", 501, ""},
		{"GET", "/Shoes", 404, ""}, {"POST", "/users", 404, ""}, {"GET", "/Users/" + ann + "/groups", 404, ""}, {"GET", "/Bulk/1", 404, ""},
		{"PUT", "/Users", 405, "GET, POST"}, {"DELETE", "/Groups", 405, "GET, POST"}, {"OPTIONS", "/Users", 405, "GET, POST"},
		{"POST", "/Users/" + ann, 405, "GET, PUT, PATCH, DELETE"}, {"POST", "/Groups/" + group, 405, "GET, PUT, PATCH, DELETE"},
		{"GET", "/Users/.search", 405, "POST"}, {"GET", "/Bulk", 405, "POST"}, {"PUT", "/Roles", 405, "GET"}, {"DELETE", "/Entitlements/x", 405, "GET"},
		{"POST", "/Schemas", 405, "GET"}, {"PUT", "/ServiceProviderConfig", 405, "GET"}, {"PATCH", "/ResourceTypes/User", 405, "GET"},
	} {
		r := w.send(tt.method, tt.path, "")
		r.refused(tt.status, "")
		if got := r.header.Get("Allow"); got != tt.allow {
			t.Errorf("%s %s: Allow is %q, want %q", tt.method, tt.path, got, tt.allow)
		}
	}
	for _, path := range []string{"/Users/" + ann, "/Users?count=1", "/Groups/" + group, "/Roles", "/Schemas", "/ServiceProviderConfig", "/ResourceTypes/User"} {
		get, head := w.send("GET", path, "").want(200), w.send("HEAD", path, "").want(200)
		if len(head.body) != 0 || head.header.Get("Content-Type") != get.header.Get("Content-Type") || head.header.Get("ETag") != get.header.Get("ETag") {
			t.Errorf("HEAD %s: %v %s", path, head.header, head.body)
		}
	}
	w.send("HEAD", "/Users/nobody", "").want(404)
}

// IDENTITY c.2: what clients send as the type of a body and accept as an answer, and names in whatever case.
func TestMessages(t *testing.T) {
	w := newWorld(t, nil)
	for i, kind := range []string{"application/scim+json", "application/json", "application/scim+json; charset=utf-8", "Application/JSON;charset=UTF-8",
		"text/json", "*/*", ""} {
		for j, accept := range []string{"application/scim+json", "application/json", "text/html, */*;q=0.1", ""} {
			r := w.send("POST", "/Users", fmt.Sprintf(`{%s,"userName":"u%d.%d"}`, userSchema, i, j), "Content-Type", kind, "Accept", accept).want(201)
			if got := r.header.Get("Content-Type"); got != "application/scim+json;charset=utf-8" {
				t.Errorf("%q, %q: the answer is %q", kind, accept, got)
			}
		}
	}
	for _, kind := range []string{"text/xml", "application/x-www-form-urlencoded", "multipart/form-data", ";"} {
		w.send("POST", "/Users", `{`+userSchema+`,"userName":"x"}`, "Content-Type", kind).refused(415, "")
	}

	// Names of attributes are equal whatever their case; values null and [] are none.
	ann := w.send("POST", "/Users", `{"SCHEMAS":["urn:ietf:params:scim:schemas:CORE:2.0:user"],"USERNAME":"ann","Emails":[{"VALUE":"a@x","Type":"work"}],
		"title":null,"phoneNumbers":[],"ID":"bulkId","meta":{"version":"W/\"9\""}}`).want(201)
	if m := ann.json(); m["title"] != nil || m["phoneNumbers"] != nil || m["id"] == "bulkId" || property(m, "emails[0].value") != "a@x" ||
		property(m, "meta.version") != ann.header.Get("ETag") || property(m, "meta.resourceType") != "User" {
		t.Errorf("made %s", ann.body)
	}
	r := w.send("PATCH", "/Users/"+ann.id(), `{`+patchSchema+`,"operations":[{"OP":"ADD","Path":"NAME.GIVENNAME","VALUE":"Ann"}]}`).want(200)
	if property(r.json(), "name.givenName") != "Ann" {
		t.Errorf("patched %s", r.body)
	}
	if list := w.send("GET", "/Users?filter="+q(`EMAILS[TYPE eq "WORK"].Value EQ "A@x"`), "").want(200).json(); names(list) != "ann" {
		t.Errorf("found %v", list)
	}
	for _, path := range []string{"/Users/" + ann.id(), "/Users/" + ann.id() + "/"} {
		if got := w.send("GET", path, "").want(200).header.Get("Location"); got != w.url+"/Users/"+ann.id() {
			t.Errorf("%s: Location is %q", path, got)
		}
	}
	if got := r.header.Get("Location"); got != w.url+"/Users/"+ann.id() {
		t.Errorf("PATCH: Location is %q", got)
	}
}

// IDENTITY c.3: attributes and excludedAttributes on every answer, with URNs and parts, and never without an id.
func TestProjectionsOfAnswers(t *testing.T) {
	w := newWorld(t, nil)
	const core, enterprise = "urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	body := `{` + userSchema + `,"userName":"ann","title":"Clerk","name":{"givenName":"Ann","familyName":"Lee"},"` + enterprise + `":{"department":"Books","employeeNumber":"7"}}`
	id := w.send("POST", "/Users", body).want(201).id()
	for _, tt := range []struct{ query, want string }{
		{"attributes=userName", "id schemas userName"},
		{"attributes=USERNAME,%20title", "id schemas title userName"},
		{"attributes=" + core + ":title", "id schemas title"},
		{"attributes=" + core + ":name.givenName", "id name.givenName schemas"},
		{"attributes=name.familyName,userName", "id name.familyName schemas userName"},
		{"attributes=" + enterprise + ":department", "id schemas " + enterprise + ".department"},
		{"attributes=" + enterprise, "id schemas " + enterprise + ".department " + enterprise + ".employeeNumber"},
		{"attributes=shoeSize", "id schemas"},
		{"excludedAttributes=id,schemas,meta,name,active,userName", "id schemas title " + enterprise + ".department " + enterprise + ".employeeNumber"},
		{"excludedAttributes=meta,active,name.givenName,title," + enterprise + ":department", "id name.familyName schemas " + enterprise + ".employeeNumber userName"},
	} {
		for name, r := range map[string]reply{
			"GET":   w.send("GET", "/Users/"+id+"?"+tt.query, ""),
			"PUT":   w.send("PUT", "/Users/"+id+"?"+tt.query, body),
			"PATCH": w.send("PATCH", "/Users/"+id+"?"+tt.query, `{`+patchSchema+`,"Operations":[{"op":"replace","path":"title","value":"Clerk"}]}`),
		} {
			if got := shape(t, r.want(200).body); got != tt.want {
				t.Errorf("%s %s shows %q, want %q", name, tt.query, got, tt.want)
			}
		}
		var list struct{ Resources []json.RawMessage }
		if err := json.Unmarshal(w.send("GET", "/Users?"+tt.query, "").want(200).body, &list); err != nil || len(list.Resources) != 1 {
			t.Fatalf("a list of %d: %v", len(list.Resources), err)
		}
		if got := shape(t, list.Resources[0]); got != tt.want {
			t.Errorf("a list, %s, shows %q, want %q", tt.query, got, tt.want)
		}
	}
	made := w.send("POST", "/Users?attributes=userName", `{`+userSchema+`,"userName":"bob","title":"x"}`).want(201)
	if got := shape(t, made.body); got != "id schemas userName" {
		t.Errorf("POST shows %q", got)
	}
	w.send("GET", "/Users?attributes=userName&excludedAttributes=title", "").refused(400, "invalidValue")
}

// shape returns the names of a resource in order, with those within complex attributes.
func shape(t *testing.T, body []byte) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, name := range sortedKeys(m) {
		within, complex := m[name].(map[string]any)
		if !complex {
			all = append(all, name)
			continue
		}
		for _, part := range sortedKeys(within) {
			all = append(all, name+"."+part)
		}
	}
	return strings.Join(all, " ")
}

// IDENTITY c.2: If-None-Match.
func TestIfNoneMatch(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.user("ann")
	group := w.group("Staff", ann)
	for _, path := range []string{"/Users/" + ann, "/Groups/" + group} {
		tag := w.send("GET", path, "").want(200).header.Get("ETag")
		for _, header := range []string{tag, "*", `W/"1", ` + tag, strings.TrimPrefix(tag, "W/")} {
			r := w.send("GET", path, "", "If-None-Match", header).want(304)
			if len(r.body) != 0 || r.header.Get("ETag") != tag {
				t.Errorf("%s: %v %s", header, r.header, r.body)
			}
			before := w.revision()
			w.send("PATCH", path, `{`+patchSchema+`,"Operations":[{"op":"replace","path":"displayName","value":"New"}]}`, "If-None-Match", header).refused(412, "")
			w.send("DELETE", path, "", "If-None-Match", header).refused(412, "")
			if w.revision() != before {
				t.Error("a refused change made a revision")
			}
		}
		w.send("GET", path, "", "If-None-Match", `W/"1"`).want(200)
		w.send("DELETE", path, "", "If-None-Match", `W/"1"`).want(204)
	}
	w.send("GET", "/Users/"+ann, "", "If-None-Match", "*").refused(404, "")
}

// IDENTITY c.6: counts and places out of bounds are brought within them, and are whole numbers in answers.
func TestPageBounds(t *testing.T) {
	w := newWorld(t, nil)
	for i := range 3 {
		w.user(fmt.Sprint("user", i))
	}
	for query, want := range map[string]string{
		"": "3 3 1", "startIndex=0": "3 3 1", "startIndex=-7": "3 3 1", "count=0": "3 0 1", "count=-1": "3 0 1", "startIndex=3&count=9999999999999": "3 1 3",
		"startIndex=4": "3 0 4", "count=2&startIndex=2": "3 2 2", "filter=" + q(`userName eq "nobody"`): "0 0 1", "count=0&filter=" + q(`userName sw "u"`): "3 0 1",
	} {
		list := w.send("GET", "/Users?"+query, "").want(200).json()
		resources, ok := list["Resources"].([]any)
		if got := fmt.Sprint(list["totalResults"], " ", list["itemsPerPage"], " ", list["startIndex"]); got != want || !ok || fmt.Sprint(len(resources)) != fmt.Sprint(list["itemsPerPage"]) {
			t.Errorf("%s: got %s, want %s", query, got, want)
		}
	}
	for _, query := range []string{"count=1.5", "count=many", "startIndex=first"} {
		w.send("GET", "/Users?"+query, "").refused(400, "invalidValue")
	}
	w.send("GET", "/Users?cursor=&count=x", "").refused(400, "invalidCount")
}

// IDENTITY c.7: what TestRefusals does not try: a userName that is taken, however it is taken; too much to sort; and
// what the dialects refuse. All change nothing.
func TestMoreRefusals(t *testing.T) {
	w := newWorld(t, func(o *scim.Options, _ *identity.Connection) { o.MaxSorted = 2 })
	ann, bob := w.user("ann"), w.user("bob")
	group := w.group("Staff", ann)
	w.user("cid")
	before := w.revision()
	for _, tt := range []struct {
		method, path, body string
		status             int
		scimType           string
	}{
		{"POST", "/Users", `{` + userSchema + `,"userName":"Bob"}`, 409, "uniqueness"},
		{"PUT", "/Users/" + ann, `{` + userSchema + `,"userName":"BOB"}`, 409, "uniqueness"},
		{"PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"replace","path":"userName","value":"bob"}]}`, 409, "uniqueness"},
		{"PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"replace","value":{"userName":"bob"}}]}`, 409, "uniqueness"},
		{"GET", "/Users?sortBy=userName", "", 400, "tooMany"},
		{"GET", "/Users?sortBy=userName&cursor=", "", 400, "tooMany"},
		{"GET", "/Users?filter=" + q(`active gt true`), "", 400, "invalidFilter"},
		{"GET", "/Users?filter=" + q(`userName eq "a" or`), "", 400, "invalidFilter"},
		{"GET", "/Users?filter=" + q(`(userName eq "a"`), "", 400, "invalidFilter"},
		{"GET", "/Users?filter=" + q(strings.Repeat("(", 500)+`userName pr`+strings.Repeat(")", 500)), "", 400, "invalidFilter"},
		{"POST", "/Users", `{` + userSchema + `,"userName":["a"]}`, 400, "invalidValue"},
		{"POST", "/Users", `{` + userSchema + `,"userName":"x","name":"x"}`, 400, "invalidValue"},
		{"POST", "/Users", `{` + userSchema + `,"userName":"x","active":"perhaps"}`, 400, "invalidValue"},
		{"POST", "/Users", `{` + userSchema + `,"userName":"x","userName":"y"}`, 400, "invalidSyntax"},
		{"POST", "/Users", `{` + userSchema + `,"userName":"x"} {}`, 400, "invalidSyntax"},
		{"POST", "/Users", `[]`, 400, "invalidSyntax"},
		{"POST", "/Users", `{` + groupSchema + `,"displayName":"x"}`, 400, "invalidSyntax"},
		{"POST", "/Users", "{" + userSchema + ",\"userName\":\"\xff\"}", 400, "invalidSyntax"},
		{"POST", "/Users", `{` + userSchema + `,"userName":"x","name":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40) + `}`, 400, "invalidSyntax"},
		{"PATCH", "/Users/" + ann, `{` + userSchema + `,"Operations":[{"op":"add","path":"title","value":"x"}]}`, 400, "invalidSyntax"},
		{"PATCH", "/Users/" + ann, `{` + patchSchema + `}`, 400, "invalidSyntax"},
		{"PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[]}`, 400, "invalidSyntax"},
		{"PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"add","path":"emails[type eq","value":"x"}]}`, 400, "invalidPath"},
		{"PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"remove","path":"userName"}]}`, 400, ""},
		{"PATCH", "/Users/" + ann, `{` + patchSchema + `,"Operations":[{"op":"replace","path":"meta.created","value":"2020-01-01T00:00:00Z"}]}`, 400, "mutability"},
		{"PATCH", "/Groups/" + group, `{` + patchSchema + `,"Operations":[{"op":"remove","path":"displayName"}]}`, 400, ""},
		{"PATCH", "/Groups/" + group, `{` + patchSchema + `,"Operations":[{"op":"add","path":"members","value":[{"value":"` + bob + `"}]},{"op":"add","path":"members","value":[{"value":"nobody"}]}]}`, 400, "invalidValue"},
	} {
		r := w.send(tt.method, tt.path, tt.body)
		if tt.scimType == "" { // RFC 7644 leaves the choice between two
			var e struct{ ScimType string }
			if err := json.Unmarshal(r.want(tt.status).body, &e); err != nil || e.ScimType != "mutability" && e.ScimType != "invalidValue" {
				t.Errorf("%s %s %s: %s", tt.method, tt.path, short(tt.body), r.body)
			}
			continue
		}
		if r.status != tt.status || !strings.Contains(string(r.body), `"`+tt.scimType+`"`) {
			t.Errorf("%s %s %s: got %d %s, want %d %s", tt.method, short(tt.path), short(tt.body), r.status, r.body, tt.status, tt.scimType)
			continue
		}
		r.refused(tt.status, tt.scimType)
	}
	if after := w.revision(); after != before {
		t.Errorf("refused requests made %d revisions", after-before)
	}
}

func short(text string) string { return text[:min(len(text), 200)] }

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
