package scim_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim"
)

// assignable sets the relations that identity providers may assign: kind, type#relation, type label, label.
func (w *world) assignable(lines ...string) {
	w.t.Helper()
	mapping := &gate.Mapping{Names: *gate.Default()}
	for _, line := range lines {
		parts := strings.Split(line, "|")
		typ, relation, ok := strings.Cut(parts[1], "#")
		if len(parts) != 4 || !ok {
			w.t.Fatalf("%q is not kind|type#relation|type label|label", line)
		}
		mapping.Assignable = append(mapping.Assignable, gate.Assignable{
			Kind: parts[0], Type: typ, Relation: relation, TypeLabel: parts[2], Label: parts[3]})
	}
	if _, err := w.service.SetMapping(w.operator(), store, mapping); err != nil {
		w.t.Fatal(err)
	}
}

// apply changes tuples as an application does.
func (w *world) apply(op ostiary.TupleOp, texts ...string) {
	w.t.Helper()
	m := &ostiary.Mutation{TimeNanos: w.raft.Now(), Principal: ostiary.Principal{Kind: "preshared", Name: "app"}}
	for _, text := range texts {
		u, err := ostiary.ParseTuple(text)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: op, Store: store, Tuple: u, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}})
	}
	if _, err := w.raft.Propose(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

// Whatever way a request has of naming what the organization cannot give, it is refused as invalidValue, and
// nothing changes. IDENTITY g.0, rule 6.
func TestNoEscalationByAssignment(t *testing.T) {
	w := newWorld(t, nil)
	if _, err := w.service.CreateOrganization(w.operator(), store, "other", "Other"); err != nil {
		t.Fatal(err)
	}
	w.assignable("entitlement|workspace#editor|Workspace role|Editor", "role|workspace#reader|Workspace role|Reader")
	w.apply(ostiary.TupleTouch, "workspace:w1#organization@organization:acme", "workspace:w2#organization@organization:other",
		"workspace:w3#organization@organization:acme", "workspace:w3#organization@organization:other")
	foreign := w.role(identity.Role{Value: "clerk"})
	ann := w.send("POST", "/Users", `{`+userSchema+`,"userName":"ann"}`).want(201).json()["id"].(string)
	before := w.revision()
	ways := []func(list string){
		func(list string) {
			w.send("POST", "/Users", `{`+userSchema+`,"userName":"bob","entitlements":`+list+`}`).refused(400, "invalidValue")
		},
		func(list string) {
			w.send("PUT", "/Users/"+ann, `{`+userSchema+`,"userName":"ann","entitlements":`+list+`}`).refused(400, "invalidValue")
		},
		func(list string) {
			w.patch("/Users/"+ann, `{"op":"add","path":"entitlements","value":`+list+`}`).refused(400, "invalidValue")
		},
		func(list string) {
			w.patch("/Users/"+ann, `{"op":"replace","value":{"displayName":"Ann","entitlements":`+list+`}}`).refused(400, "invalidValue")
		},
		func(list string) {
			bulk := w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[{"method":"POST","path":"/Users","bulkId":"b","data":{`+
				userSchema+`,"userName":"bob","entitlements":`+list+`}}]}`).want(200).json()
			if got := fmt.Sprint(property(bulk, "Operations[0].status"), " ", property(bulk, "Operations[0].response.scimType")); got != "400 invalidValue" {
				t.Errorf("%s in Bulk: %s", list, got)
			}
		},
	}
	for i, value := range []string{
		"organization:acme#owner", "workspace:w2#editor", // each in every way
		"owner", "admin", "organization:acme#admin", "workspace:w1#owner", "workspace:w1#admin",
		"workspace:w1#reader", "workspace:w1#organization", "organization:acme#enabled", "role:acme/" + foreign.ID + "#direct",
		"workspace:w3#editor", "workspace:w4#editor",
		"med29ya3NwYWNlOncyI2VkaXRvcg", "med29ya3NwYWNlOncxI293bmVy", "mrd29ya3NwYWNlOncxI2VkaXRvcg", "me", foreign.ID, foreign.Value,
	} {
		list := fmt.Sprintf(`[{"value":"workspace:w1#editor"},{"value":%q}]`, value)
		for n, way := range ways {
			if i < 2 || n == i%len(ways) {
				way(list)
			}
		}
		w.send("GET", "/Entitlements/"+url.PathEscape(value), "").refused(404, "")
	}
	w.send("PUT", "/Users/"+ann, `{`+userSchema+`,"userName":"ann","roles":[{"value":"workspace:w1#editor"}]}`).refused(400, "invalidValue")
	w.send("POST", "/Entitlements", `{"value":"workspace:w1#owner"}`).want(405)
	if w.revision() != before {
		t.Error("something has changed")
	}
	w.patch("/Users/"+ann, `{"op":"add","path":"entitlements","value":[{"value":"workspace:w1#editor"}]},`+
		`{"op":"add","path":"roles","value":[{"value":"workspace:w1#reader"}]}`).want(200)
	var given []string
	for _, tuple := range w.tuples() {
		if strings.HasPrefix(tuple, "workspace:w1#") && strings.Contains(tuple, "@user:"+ann) {
			given = append(given, tuple)
		}
	}
	if len(given) != 2 {
		t.Errorf("given: %q", given)
	}
}

// A list of what can be given pages by index and by cursor, and finds by id and value.
func TestEntitlementsPage(t *testing.T) {
	w := newWorld(t, nil)
	w.role(identity.Role{Value: "seat", Entitlement: true})
	w.assignable("entitlement|workspace#editor|Workspace role|Editor", "entitlement|board#reader|Board|Reader")
	var tuples []string
	for i := range 7 {
		tuples = append(tuples, fmt.Sprintf("workspace:w%d#organization@organization:acme", i), fmt.Sprintf("board:b%d#organization@organization:acme", i))
	}
	w.apply(ostiary.TupleTouch, tuples...)
	var byIndex, byCursor []string
	for start := 1; ; {
		page := w.send("GET", fmt.Sprintf("/Entitlements?count=4&startIndex=%d", start), "").want(200).json()
		if fmt.Sprint(page["totalResults"]) != "15" {
			t.Errorf("from %d: %v in all", start, page["totalResults"])
		}
		found := page["Resources"].([]any)
		if len(found) == 0 {
			break
		}
		for _, r := range found {
			byIndex = append(byIndex, r.(map[string]any)["value"].(string))
		}
		start += len(found)
	}
	for cursor := ""; ; {
		page := w.send("GET", "/Entitlements?count=4&cursor="+url.QueryEscape(cursor), "").want(200).json()
		for _, r := range page["Resources"].([]any) {
			byCursor = append(byCursor, r.(map[string]any)["value"].(string))
		}
		var more bool
		if cursor, more = page["nextCursor"].(string); !more {
			break
		}
	}
	if fmt.Sprint(byIndex) != fmt.Sprint(byCursor) || len(byIndex) != 15 || byIndex[0] != "seat" || byIndex[1] != "board:b0#reader" || byIndex[14] != "workspace:w6#editor" {
		t.Errorf("by index %q, by cursor %q", byIndex, byCursor)
	}
	for _, filter := range []string{`value eq "workspace:w3#editor"`, `id eq "med29ya3NwYWNlOnczI2VkaXRvcg"`,
		`type eq "Workspace role" and value sw "workspace:w3"`, `displayName eq "Editor (w3)"`} {
		page := w.send("GET", "/Entitlements?filter="+url.QueryEscape(filter), "").want(200).json()
		if got := property(page, "Resources[0].id"); got != "med29ya3NwYWNlOnczI2VkaXRvcg" || fmt.Sprint(page["totalResults"]) != "1" {
			t.Errorf("%s: %v", filter, page)
		}
	}
	sorted := w.send("GET", "/Entitlements?sortBy=displayName&sortOrder=descending&count=1", "").want(200).json()
	if got := property(sorted, "Resources[0].value"); got != "seat" {
		t.Errorf("the last by name is %v", got)
	}
}

// Each sort of entitlement has a resource type of its own for Okta, unless its name is taken.
func TestOktaSorts(t *testing.T) {
	w := newWorld(t, func(_ *scim.Options, c *identity.Connection) { c.Kind = identity.KindOkta })
	w.role(identity.Role{Value: "seat", Entitlement: true})
	w.assignable("entitlement|workspace#editor|Workspace role|Editor", "entitlement|board#reader|user|Reader",
		"entitlement|board#writer|workspace-Role|Writer", "entitlement|room#guest|Räume & mehr|Guest", "entitlement|desk#guest|…|Guest")
	w.apply(ostiary.TupleTouch, "workspace:w#organization@organization:acme", "board:b#organization@organization:acme",
		"room:r#organization@organization:acme", "desk:d#organization@organization:acme")
	types := w.send("GET", "/ResourceTypes", "").want(200).json()
	var endpoints []string
	for _, r := range types["Resources"].([]any) {
		m := r.(map[string]any)
		endpoints = append(endpoints, fmt.Sprint(m["id"], " ", m["endpoint"]))
		if m["id"] != m["name"] {
			t.Errorf("%v", m)
		}
		w.send("GET", "/ResourceTypes/"+url.PathEscape(m["id"].(string)), "").want(200)
	}
	want := "User /Users,Group /Groups,Role /Roles,Entitlement /Entitlements,Räume & mehr /RUmeMehr,Workspace role /WorkspaceRole"
	if got := strings.Join(endpoints, ","); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for path, want := range map[string]string{"/Entitlements": "[seat board:b#reader board:b#writer desk:d#guest]",
		"/WorkspaceRole": "[workspace:w#editor]", "/RUmeMehr": "[room:r#guest]"} {
		page := w.send("GET", path+"?count=1&startIndex=1", "").want(200).json()
		all := w.send("GET", path, "").want(200).json()["Resources"].([]any)
		var values []string
		for _, r := range all {
			values = append(values, r.(map[string]any)["value"].(string))
			w.send("GET", path+"/"+r.(map[string]any)["id"].(string), "").want(200)
		}
		if got := fmt.Sprint(values); got != want || fmt.Sprint(page["totalResults"]) != fmt.Sprint(len(all)) {
			t.Errorf("%s: %s, and %v by its first page; want %s", path, got, page["totalResults"], want)
		}
	}
	w.send("GET", "/Workspacerole", "").refused(404, "")
	w.send("POST", "/WorkspaceRole", "{}").want(405)
	other := w.connect(identity.Connection{Store: store, Organization: "acme", Name: "I", Kind: identity.KindGeneric})
	other.send("GET", "/WorkspaceRole", "").refused(404, "")
	if got := fmt.Sprint(other.send("GET", "/Entitlements?count=0", "").want(200).json()["totalResults"]); got != "6" {
		t.Errorf("others see %s entitlements", got)
	}
}
