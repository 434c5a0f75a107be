package patch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/scim/resource"
)

// What a request does to the members of a group is what its operations do one after the other, whoever
// was in the group before.
func TestMembersFollowOperations(t *testing.T) {
	ids := []string{"a", "b", "c", "d"}
	rapid.Check(t, func(t *rapid.T) {
		before := map[string]bool{}
		for _, id := range rapid.SliceOf(rapid.SampledFrom(ids)).Draw(t, "before") {
			before[id] = true
		}
		want := maps.Clone(before)
		var operations []string
		for range rapid.IntRange(1, 6).Draw(t, "operations") {
			some := rapid.SliceOfN(rapid.SampledFrom(ids), 0, 3).Draw(t, "members")
			var values []string
			for _, id := range some {
				values = append(values, fmt.Sprintf(`{"value":%q}`, id))
			}
			list := "[" + strings.Join(values, ",") + "]"
			switch rapid.IntRange(0, 4).Draw(t, "operation") {
			case 0:
				operations = append(operations, `{"op":"add","path":"members","value":`+list+`}`)
				for _, id := range some {
					want[id] = true
				}
			case 1:
				operations = append(operations, `{"op":"Remove","path":"members","value":`+list+`}`)
				for _, id := range some {
					delete(want, id)
				}
			case 2:
				id := rapid.SampledFrom(ids).Draw(t, "member")
				operations = append(operations, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, id))
				delete(want, id)
			case 3:
				operations = append(operations, `{"op":"replace","value":{"members":`+list+`}}`)
				clear(want)
				for _, id := range some {
					want[id] = true
				}
			case 4:
				operations = append(operations, `{"op":"remove","path":"members"}`)
				clear(want)
			}
		}
		body, err := resource.ParseObject([]byte(`{"schemas":["` + resource.PatchOp + `"],"Operations":[` + strings.Join(operations, ",") + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		p, err := Parse(resource.Group, body, resource.Compat)
		if err != nil {
			t.Fatal(err)
		}
		got := maps.Clone(before)
		if p.Members.Clear {
			clear(got)
		}
		for _, id := range p.Members.Remove {
			delete(got, id)
		}
		for _, it := range p.Members.Add {
			if slices.Contains(p.Members.Remove, it.Value) {
				t.Fatalf("%s is added and removed", it.Value)
			}
			got[it.Value] = true
		}
		if !maps.Equal(got, want) {
			t.Fatalf("%v\nmakes of %v\n%v, not %v", operations, before, got, want)
		}
	})
}
