package patch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

// TestPatches runs testdata/*.txt. Directives:
//
//	user, group      sets the resource, of which the body gives attributes; its id is "u1" or "g1"
//	patch            applies the operations of the body, in the compatible dialect, and keeps the outcome
//	patch strict     the same in the strict dialect
//	patch try        the same in the compatible dialect, without keeping the outcome
//
// A patch prints the attributes that differ and what becomes of the members, or "unchanged", or the error.
// Go run `go test ./scim/patch -rewrite` writes the outcomes down, to be read before they are kept.
func TestPatches(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var current *resource.Resource
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "user":
				current = read(t, resource.User, "u1", `"userName":"ann"`, d.Input)
				return "ok\n"
			case "group":
				current = read(t, resource.Group, "g1", `"displayName":"Staff"`, d.Input)
				return "ok\n"
			case "patch":
				after, text := run(t, current, d.Input, d.HasArg("strict"))
				if after != nil && !d.HasArg("try") {
					current = after
				}
				return text
			default:
				t.Fatalf("%s: no directive %q", d.Pos, d.Cmd)
				return ""
			}
		})
	})
}

func read(t testing.TB, k *resource.Kind, id, first, attributes string) *resource.Resource {
	t.Helper()
	text := `{"schemas":["` + k.Schema.ID + `"],` + first
	if attributes = strings.TrimSpace(attributes); attributes != "" {
		text += "," + attributes
	}
	o, err := resource.ParseObject([]byte(text + "}"))
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := k.Read(o, resource.Compat)
	if err != nil {
		t.Fatal(err)
	}
	r.SetMeta(id, resource.Meta{})
	return r
}

func request(t testing.TB, operations string) *resource.Object {
	t.Helper()
	o, err := resource.ParseObject([]byte(`{"schemas":["` + resource.PatchOp + `"],"Operations":[` + operations + `]}`))
	if err != nil {
		t.Fatalf("%s: %v", operations, err)
	}
	return o
}

// run applies operations, twice, and says what they did.
func run(t *testing.T, before *resource.Resource, operations string, strict bool) (*resource.Resource, string) {
	t.Helper()
	dialect := resource.Compat
	if strict {
		dialect = resource.Strict
	}
	was, _ := json.Marshal(before)
	p, err := Parse(before.Kind, request(t, operations), dialect)
	var after *resource.Resource
	if err == nil {
		after, err = p.Apply(before)
	}
	if is, _ := json.Marshal(before); !bytes.Equal(is, was) {
		t.Fatalf("%s\nchanged the resource that it was given from\n%s to\n%s", operations, was, is)
	}
	if err != nil {
		return nil, err.Error() + "\n"
	}
	again, err := p.Apply(after)
	if err == nil && !again.Equal(after) {
		t.Fatalf("%s\napplied twice differs:\n%s\n%s", operations, after.Store(), again.Store())
	}
	return after, outcome(before, after, p.Members)
}

func outcome(before, after *resource.Resource, m Members) string {
	var b strings.Builder
	for _, c := range resource.Diff(before, after) {
		projection, err := after.Kind.Project(c.Path, "")
		if err != nil {
			return err.Error()
		}
		text := string(after.AppendJSON(nil, projection))
		text = text[strings.Index(text, "],")+2:] // without schemas
		text = strings.TrimPrefix(strings.TrimSuffix(text, "}"), `"id":"`+after.Text("id")+`"`)
		if text = strings.TrimPrefix(text, ","); text == "" {
			text = "(none)"
		}
		fmt.Fprintf(&b, "%s: %s\n", c.Path, text)
	}
	if m.Clear {
		b.WriteString("members: all removed\n")
	}
	for _, id := range m.Remove {
		fmt.Fprintf(&b, "members: - %s\n", id)
	}
	for _, it := range m.Add {
		fmt.Fprintf(&b, "members: + %s %s\n", it.Value, it.Type)
	}
	if b.Len() == 0 {
		return "unchanged\n"
	}
	return b.String()
}

// Every PATCH of the RFC parses, and means what the RFC says.
func TestRFCSamples(t *testing.T) {
	const samples = "../../../shared/conformance/scim/rfc-samples"
	files, err := filepath.Glob(filepath.Join(samples, "rfc7644-3.5.2*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip("the RFC's samples are not beside the repository")
	}
	user := read(t, resource.User, "u1", `"userName":"ann"`, `"nickName":"A","emails":[{"value":"x@example.com","type":"work"},{"value":"y@example.org","type":"home"}],
		"addresses":[{"type":"work","streetAddress":"1 Old Road","locality":"Town"},{"type":"home","locality":"Village"}]`)
	const barbara, james = "2819c223-7f76-453a-919d-413861904646", "08e1d05d-121c-4561-8b96-473d93df9210"
	tests := map[string]struct {
		kind *resource.Kind
		want string // of a user the changed attributes
		m    Members
	}{
		"add_emails":                 {kind: resource.User, want: `nickName; emails +babs@jensen.org`},
		"add_members":                {kind: resource.Group, m: Members{Add: []resource.Item{{Value: barbara}}}},
		"remove_all_members":         {kind: resource.Group, m: Members{Clear: true}},
		"remove_one_member":          {kind: resource.Group, m: Members{Remove: []string{"2819c223-7f76-...413861904646"}}},
		"remove_multi_complex_value": {kind: resource.User, want: `emails -x@example.com`},
		"remove_and_add_one_member": {kind: resource.Group, m: Members{Remove: []string{"2819c223...919d-413861904646"},
			Add: []resource.Item{{Value: "08e1d05d...473d93df9210"}}}},
		"replace_all_members": {kind: resource.Group, m: Members{Clear: true,
			Add: []resource.Item{{Value: barbara}, {Value: james}}}},
		"replace_all_email_values":  {kind: resource.User, want: `nickName; emails +bjensen@example.com +babs@jensen.org -x@example.com -y@example.org`},
		"replace_street_address":    {kind: resource.User, want: `addresses: 1010 Broadway Ave`},
		"replace_user_work_address": {kind: resource.User, want: `addresses: 911 Universal City Plaza`},
	}
	for _, file := range files {
		name := strings.TrimSuffix(file[strings.Index(file, "patch_op-")+len("patch_op-"):], ".json")
		t.Run(name, func(t *testing.T) {
			tt, ok := tests[name]
			if !ok {
				t.Fatal("nobody says what the sample means")
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			body, err := resource.ParseObject(data)
			if err != nil {
				t.Fatal(err)
			}
			p, err := Parse(tt.kind, body, resource.Compat)
			if err != nil {
				t.Fatal(err)
			}
			if tt.kind == resource.Group {
				for i := range p.Members.Add {
					p.Members.Add[i] = resource.Item{Value: p.Members.Add[i].Value}
				}
				if !reflect.DeepEqual(p.Members, tt.m) {
					t.Errorf("got %+v, want %+v", p.Members, tt.m)
				}
				return
			}
			after, err := p.Apply(user)
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(user, after); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func summary(before, after *resource.Resource) string {
	var parts []string
	for _, c := range resource.Diff(before, after) {
		text := c.Path
		for _, it := range c.Added {
			text += " +" + it.Value
		}
		for _, it := range c.Removed {
			text += " -" + it.Value
		}
		if c.Path == "addresses" {
			var addresses struct {
				Addresses []struct{ Type, StreetAddress string }
			}
			_ = json.Unmarshal(after.Store(), &addresses)
			text = "addresses: " + addresses.Addresses[0].StreetAddress
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

func TestParseRefusesMessages(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want scimerr.Type
	}{
		"no schemas":           {`{"Operations":[{"op":"remove","path":"title"}]}`, scimerr.InvalidSyntax},
		"another message":      {`{"schemas":["` + resource.BulkRequest + `"],"Operations":[{"op":"remove","path":"title"}]}`, scimerr.InvalidSyntax},
		"no operations":        {`{"schemas":["` + resource.PatchOp + `"]}`, scimerr.InvalidSyntax},
		"an empty list":        {`{"schemas":["` + resource.PatchOp + `"],"Operations":[]}`, scimerr.InvalidSyntax},
		"too many operations":  {`{"schemas":["` + resource.PatchOp + `"],"Operations":[` + strings.Repeat(`{},`, maxOperations) + `{}]}`, scimerr.InvalidSyntax},
		"no object":            {`{"schemas":["` + resource.PatchOp + `"],"Operations":["add"]}`, scimerr.InvalidSyntax},
		"an object for a list": {`{"schemas":["` + resource.PatchOp + `"],"Operations":{"op":"remove","path":"title"}}`, scimerr.InvalidSyntax},
	} {
		o, err := resource.ParseObject([]byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(resource.User, o, resource.Compat); !errors.Is(err, scimerr.Bad(tt.want, "")) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
