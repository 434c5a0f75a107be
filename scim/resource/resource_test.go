package resource

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/scim/scimerr"
)

const samples = "../../../shared/conformance/scim/rfc-samples"

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(samples, name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the RFC's samples are not beside the repository: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func object(t testing.TB, text string) *Object {
	t.Helper()
	o, err := ParseObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

// user reads attributes of a user, with schemas and userName added.
func user(t testing.TB, attributes string) *Resource {
	t.Helper()
	r, _, err := User.Read(object(t, userBody(attributes)), Compat)
	if err != nil {
		t.Fatalf("%s: %v", attributes, err)
	}
	return r
}

func userBody(attributes string) string {
	if attributes != "" {
		attributes = "," + attributes
	}
	return `{"schemas":["` + UserSchema + `"],"userName":"ann"` + attributes + `}`
}

func asMap(t testing.TB, data []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return m
}

// Every resource of the RFCs reads, and is written as it was, without what a client cannot set and without
// the password.
func TestRFCSamplesRoundTrip(t *testing.T) {
	tests := []struct {
		file string
		kind *Kind
	}{
		{"rfc7643-8.1-user-minimal.json", User},
		{"rfc7643-8.2-user-full.json", User},
		{"rfc7643-8.3-enterprise_user.json", User},
		{"rfc7643-8.4-group.json", Group},
		{"rfc7644-3.3-user-post_request.json", User},
		{"rfc7644-3.3-user-post_response.json", User},
		{"rfc7644-3.5.1-user-put_request.json", User},
		{"rfc7644-3.5.1-user-put_response.json", User},
		{"rfc7644-3.14-user-post_request.json", User},
		{"rfc7644-3.14-user-post_response.json", User},
		{"rfc7644-3.4.1-user-known-resource.json", User},
	}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			data := sample(t, tt.file)
			o, err := ParseObject(data)
			if err != nil {
				t.Fatal(err)
			}
			r, members, err := tt.kind.Read(o, Compat)
			if err != nil {
				t.Fatal(err)
			}
			want := asMap(t, data)
			for _, name := range []string{"id", "meta", "groups", "password", "members"} {
				delete(want, name)
			}
			if list, ok := want["roles"].([]any); ok && len(list) == 0 {
				delete(want, "roles") // an empty list is no value
			}
			if x, ok := want[EnterpriseSchema].(map[string]any); ok {
				if m, ok := x["manager"].(map[string]any); ok {
					delete(m, "displayName") // only the server says it
				}
			}
			if got := asMap(t, r.AppendJSON(nil, Projection{})); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			if list, _ := asMap(t, data)["members"].([]any); len(list) != len(members) {
				t.Errorf("%d members, want %d", len(members), len(list))
			}
			loaded, err := tt.kind.Load(r.Store())
			if err != nil || !loaded.Equal(r) {
				t.Errorf("kept as %s and read as %s, error %v", r.Store(), loaded.Store(), err)
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	group := func(attributes string) string {
		return `{"schemas":["` + GroupSchema + `"],"displayName":"g",` + attributes + `}`
	}
	tests := []struct {
		name, body string
		kind       *Kind
		dialect    Dialect
		want       *scimerr.Error
		detail     string
	}{
		{"no schemas", `{"userName":"ann"}`, User, Compat, syntax, "schemas"},
		{"another kind's schema", `{"schemas":["` + GroupSchema + `"],"userName":"ann"}`, User, Compat, syntax, "does not name"},
		{"a schema that is no string", `{"schemas":[1],"userName":"ann"}`, User, Compat, syntax, "no string"},
		{"no userName", `{"schemas":["` + UserSchema + `"]}`, User, Compat, value, "userName"},
		{"an empty userName", `{"schemas":["` + UserSchema + `"],"userName":" "}`, User, Compat, value, "userName"},
		{"a userName of another type", `{"schemas":["` + UserSchema + `"],"userName":7}`, User, Compat, value, "string"},
		{"a list for one value", userBody(`"title":["a"]`), User, Compat, value, "title"},
		{"a number for a boolean", userBody(`"active":1`), User, Compat, value, "boolean"},
		{"a word for a boolean", userBody(`"active":"yes"`), User, Compat, value, "boolean"},
		{"a string for a boolean, strictly", userBody(`"active":"True"`), User, Strict, value, "boolean"},
		{"an object for a string", userBody(`"displayName":{}`), User, Compat, value, "displayName"},
		{"a string for a name", userBody(`"name":"Ann"`), User, Compat, value, "complex"},
		{"two primaries", userBody(`"emails":[{"value":"a","primary":true},{"value":"b","primary":"true"}]`), User, Compat, value, "primary"},
		{"a role without a value", userBody(`"roles":[{"display":"x"}]`), User, Compat, value, "value"},
		{"no base64", userBody(`"x509Certificates":[{"value":"?"}]`), User, Compat, value, "base64"},
		{"a long name", userBody(`"externalId":"` + strings.Repeat("x", idBytes+1) + `"`), User, Compat, value, "1025 bytes"},
		{"U+0000", userBody(`"title":"\u0000"`), User, Compat, value, "U+0000"},
		{"too many values", userBody(`"emails":[` + strings.Repeat(`{"value":"a"},`, maxItems) + `{"value":"a"}]`), User, Compat, value, "501 values"},
		{"an unknown attribute, strictly", userBody(`"shoeSize":7`), User, Strict, syntax, "shoeSize"},
		{"a password, strictly", userBody(`"password":"x"`), User, Strict, syntax, "password"},
		{"an unknown schema, strictly", `{"schemas":["` + UserSchema + `","urn:x:y"],"userName":"ann"}`, User, Strict, syntax, "urn:x:y"},
		{"one value for a list, strictly", userBody(`"emails":{"value":"a"}`), User, Strict, value, "list"},
		{"a bare manager, strictly", userBody(`"` + EnterpriseSchema + `":{"manager":"u1"}`), User, Strict, value, "manager"},
		{"a member of a type that is none", group(`"members":[{"value":"1","type":"Device"}]`), Group, Compat, value, "Device"},
		{"a member without a value", group(`"members":[{"display":"x","type":"User"}]`), Group, Compat, value, "value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := tt.kind.Read(object(t, tt.body), tt.dialect)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.detail) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.detail)
			}
		})
	}
}

var (
	syntax = scimerr.Bad(scimerr.InvalidSyntax, "")
	value  = scimerr.Bad(scimerr.InvalidValue, "")
)

func TestParseObjectRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":         ``,
		"a list":          `[]`,
		"a string":        `"x"`,
		"text after it":   `{} {}`,
		"an open object":  `{"a":1`,
		"an open list":    `{"a":[1`,
		"a wrong bracket": `{"a":[1}`,
		"no UTF-8":        "{\"a\":\"\xff\"}",
		"a name twice":    `{"a":1,"a":2}`,
		"in two cases":    `{"userName":"ann","username":"bob"}`,
		"deep nesting":    strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100),
		"deep lists":      `{"a":` + strings.Repeat(`[`, 100_000) + strings.Repeat(`]`, 100_000) + `}`,
		"a number as key": `{1:2}`,
	} {
		if o, err := ParseObject([]byte(body)); !errors.Is(err, syntax) {
			t.Errorf("%s: got %v, error %v", name, o, err)
		}
	}
	if _, err := ParseObject([]byte("\ufeff{}")); err != nil {
		t.Errorf("a byte order mark: %v", err)
	}
}

// What Okta and Entra ID send beside the standard, and what becomes of it.
func TestCompatReads(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"booleans as strings", `"active":"False","emails":[{"value":"a","primary":"True"}]`,
			`"active":false,"emails":[{"value":"a","primary":true}]`},
		{"a password", `"password":"t1meMa$heen"`, ``},
		{"Okta's read-only attributes", `"id":"x","groups":[],"meta":{"resourceType":"User"}`, ``},
		{"null, empty list, empty object", `"title":null,"emails":[],"name":{}`, ``},
		{"names in any case", `"NickName":"Babs","EMAILS":[{"VALUE":"a"}]`, `"nickName":"Babs","emails":[{"value":"a"}]`},
		{"an unknown attribute", `"shoeSize":7`, ``},
		{"one value without a list", `"emails":{"value":"a"}`, `"emails":[{"value":"a"}]`},
		{"bare roles", `"roles":["admin","admin"]`, `"roles":[{"value":"admin"}]`},
		{"a bare manager", `"` + EnterpriseSchema + `":{"manager":"u1"}`, `"` + EnterpriseSchema + `":{"manager":{"value":"u1"}}`},
		{"no manager", `"` + EnterpriseSchema + `":{"manager":"","department":"x"}`, `"` + EnterpriseSchema + `":{"department":"x"}`},
		{"the same value twice", `"emails":[{"value":"a","type":"work"},{"type":"work","value":"a"}]`, `"emails":[{"value":"a","type":"work"}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, want := asMap(t, user(t, tt.body).AppendJSON(nil, Projection{})), asMap(t, []byte(userBody(tt.want)))
			delete(got, "schemas")
			delete(want, "schemas")
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestMetaAndOrderOfFields(t *testing.T) {
	r := user(t, `"active":true,"`+EnterpriseSchema+`":{"department":"x"},"externalId":"7"`)
	r.SetMeta("u1", Meta{Created: time.Unix(0, 0), Modified: time.UnixMilli(1500), Version: `W/"7"`, Location: "https://x/Users/u1"})
	want := `{"schemas":["` + UserSchema + `","` + EnterpriseSchema + `"],"id":"u1","externalId":"7","userName":"ann","active":true,` +
		`"` + EnterpriseSchema + `":{"department":"x"},"meta":{"resourceType":"User","created":"1970-01-01T00:00:00.000Z",` +
		`"lastModified":"1970-01-01T00:00:01.500Z","location":"https://x/Users/u1","version":"W/\"7\""}}`
	if got := string(r.AppendJSON(nil, Projection{})); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(r.Store()); strings.Contains(got, "u1") || strings.Contains(got, "meta") {
		t.Errorf("id or meta are kept: %s", got)
	}
}

func TestProjection(t *testing.T) {
	r := user(t, `"title":"t","name":{"givenName":"A","familyName":"B"},"emails":[{"value":"a","type":"work"},{"type":"home"}],"`+
		EnterpriseSchema+`":{"department":"d","costCenter":"c"}`)
	r.SetMeta("u1", Meta{Version: "1"})
	tests := []struct{ attributes, excluded, want string }{
		{"userName", "", `{"id":"u1","userName":"ann"}`},
		{"USERNAME, name.givenName", "", `{"id":"u1","userName":"ann","name":{"givenName":"A"}}`},
		{"emails.value", "", `{"id":"u1","emails":[{"value":"a"}]}`},
		{"urn:ietf:params:scim:schemas:core:2.0:User:title", "", `{"id":"u1","title":"t"}`},
		{EnterpriseSchema + ":department", "", `{"id":"u1","` + EnterpriseSchema + `":{"department":"d"}}`},
		{EnterpriseSchema, "", `{"id":"u1","` + EnterpriseSchema + `":{"department":"d","costCenter":"c"}}`},
		{"shoeSize", "", `{"id":"u1"}`},
		{"", "id,meta,name,emails.type,title," + EnterpriseSchema + ":costCenter",
			`{"id":"u1","userName":"ann","emails":[{"value":"a"}],"` + EnterpriseSchema + `":{"department":"d"}}`},
	}
	for _, tt := range tests {
		p, err := User.Project(tt.attributes, tt.excluded)
		if err != nil {
			t.Fatal(err)
		}
		got := asMap(t, r.AppendJSON(nil, p))
		delete(got, "schemas")
		if want := asMap(t, []byte(tt.want)); !reflect.DeepEqual(got, want) {
			t.Errorf("attributes=%s excludedAttributes=%s\ngot  %v\nwant %v", tt.attributes, tt.excluded, got, want)
		}
	}
	for _, bad := range [][2]string{{"a", "b"}, {"a b", ""}, {"", "[x"}, {strings.Repeat("a,", 101), ""}} {
		if _, err := User.Project(bad[0], bad[1]); !errors.Is(err, value) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	for excluded, want := range map[string]bool{"": true, "members": false, "MEMBERS": false, "members.display": true, "displayName": true} {
		if p, err := Group.Project("", excluded); err != nil || p.Wants(Group, "members") != want {
			t.Errorf("excludedAttributes=%s wants members: %v (%v)", excluded, !want, err)
		}
	}
	if p, _ := Group.Project("displayName", ""); p.Wants(Group, "members") {
		t.Error("attributes=displayName wants members")
	}
}

func TestDiff(t *testing.T) {
	before := user(t, `"title":"t","emails":[{"value":"a"},{"value":"b"}],"roles":["r"],"`+EnterpriseSchema+`":{"department":"d"}`)
	after := user(t, `"title":"u","emails":[{"value":"b"},{"value":"c","type":"work"}],"roles":["r"],"`+EnterpriseSchema+`":{"costCenter":"c"}`)
	want := []Change{
		{Path: "title"},
		{Path: "emails", Added: []Item{{Value: "c", Type: "work"}}, Removed: []Item{{Value: "a"}}},
		{Path: EnterpriseSchema + ":costCenter"},
		{Path: EnterpriseSchema + ":department"},
	}
	if got := Diff(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got := Diff(before, before.Clone()); got != nil {
		t.Errorf("a clone differs: %v", got)
	}
}

func TestFoldJoinsWhatDiffersInCase(t *testing.T) {
	for _, pair := range [][2]string{{"ANN", "ann"}, {"ÉCOLE", "école"}, {"ΣΟΦΟΣ", "σοφος"}, {"σοφοσ", "σοφος"}, {"\u212a", "k"}, {"ſ", "S"}, {"Straße", "STRASSE"}, {"aB", "Ab"}} {
		if Fold(pair[0]) != Fold(pair[1]) {
			t.Errorf("%q and %q fold to %q and %q", pair[0], pair[1], Fold(pair[0]), Fold(pair[1]))
		}
	}
	if Fold("I") == Fold("ı") || Fold("a") == Fold("á") {
		t.Error("different letters fold to one")
	}
}

func TestOrder(t *testing.T) {
	var list []*Resource
	for id, attributes := range map[string]string{
		"1": `"title":"b","emails":[{"value":"z"},{"value":"a","primary":true}]`,
		"2": `"title":"A","emails":[{"value":"m"}]`, "3": `"title":"a"`, "4": ``,
	} {
		r := user(t, attributes)
		r.SetMeta(id, Meta{Created: time.Unix(int64(100-id[0]), 0)})
		list = append(list, r)
	}
	for _, tt := range []struct{ by, order, want string }{
		{"title", "", "2314"}, {"TITLE", "descending", "4123"}, {"emails", "ascending", "1234"}, {"emails.value", "", "1234"},
		{"meta.created", "", "4321"}, {"id", "Descending", "4321"}, {"active", "", "1234"},
	} {
		o, err := User.Order(tt.by, tt.order)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(list, o.Compare)
		var got string
		for _, r := range list {
			got += r.Text("id")
		}
		if got != tt.want {
			t.Errorf("sortBy=%s sortOrder=%s: got %s, want %s", tt.by, tt.order, got, tt.want)
		}
	}
	for _, bad := range [][2]string{{"shoeSize", ""}, {"name", ""}, {"groups", ""}, {"", ""}, {"title", "up"}} {
		if _, err := User.Order(bad[0], bad[1]); err == nil {
			t.Errorf("%q is an order", bad)
		}
	}
}
