package patch

import (
	"errors"
	"testing"

	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// A request is refused in SCIM's words, or makes a resource of the resource that can be kept and read
// again, and leaves the one that it was given as it was.
func FuzzPatch(f *testing.F) {
	for _, operations := range []string{
		`{"op":"add","path":"emails","value":[{"value":"c@x","type":"other","primary":true}]}`,
		`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"x"},{"op":"remove","path":"name.givenName"}`,
		`{"op":"replace","value":{"active":"False","name.familyName":"Lee","id":"u1","roles":["r"]}}`,
		`{"op":"Remove","path":"members","value":[{"$ref":null,"value":"u1"}]}`,
		`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"u2"}`,
		`{"op":"remove","path":"members[value eq \"u1\" or value eq \"u2\"]"},{"op":"replace","path":"displayName","value":"x"}`,
		`{"op":"replace","path":"addresses[type eq \"work\" and primary eq true]","value":{"locality":"Town"}}`,
		`{"op":"replace","value":{"emails[type eq \"work\"].value":"a@x","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"d"}}`,
		`{"op":"Replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":""}`,
		`{"op":"Remove","path":"members","value":[{"$ref":null}]},{"op":"Remove","path":"members","value":[]},{"op":"Remove","path":"members","value":null}`,
		`{"op":"replace","value":{"id":"g1","displayName":"Staff"}},{"op":"replace","path":"members","value":null}`,
		`{"op":"Add","path":"roles","value":[{"primary":"False","type":"WindowsAzureActiveDirectoryRole","display":"R","value":"r"}]}`,
		`{"op":"remove","path":"displayName"},{"op":"add","path":"displayName","value":"1"},{"op":"replace","path":"displayName","value":"2"}`,
	} {
		f.Add([]byte(operations))
	}
	user := read(f, resource.User, "u1", `"userName":"ann"`, `"emails":[{"value":"a@x","type":"work"}],"name":{"givenName":"Ann"}`)
	group := read(f, resource.Group, "g1", `"displayName":"Staff"`, "")
	f.Fuzz(func(t *testing.T, operations []byte) {
		body, err := resource.ParseObject([]byte(`{"schemas":["` + resource.PatchOp + `"],"Operations":[` + string(operations) + `]}`))
		if err != nil {
			return
		}
		for _, r := range []*resource.Resource{user, group} {
			for _, d := range []resource.Dialect{resource.Compat, resource.Strict} {
				try(t, r, body, d)
			}
		}
	})
}

func try(t *testing.T, r *resource.Resource, body *resource.Object, d resource.Dialect) {
	t.Helper()
	before := r.Clone()
	p, err := Parse(r.Kind, body, d)
	var after *resource.Resource
	if err == nil {
		after, err = p.Apply(r)
	}
	if !r.Equal(before) {
		t.Fatalf("changed from %s to %s", before.Store(), r.Store())
	}
	if err != nil {
		var refusal *scimerr.Error
		if !errors.As(err, &refusal) || refusal.Status != 400 || refusal.Type == "" {
			t.Fatalf("refused with %v", err)
		}
		return
	}
	loaded, err := r.Kind.Load(after.Store())
	if err != nil {
		t.Fatalf("%s is made and cannot be read: %v", after.Store(), err)
	}
	if string(loaded.Store()) != string(after.Store()) {
		t.Fatalf("%s is read as %s", after.Store(), loaded.Store())
	}
	for _, it := range p.Members.Add {
		for _, id := range p.Members.Remove {
			if it.Value == id {
				t.Fatalf("%q is added and removed", id)
			}
		}
	}
}
