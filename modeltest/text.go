package modeltest

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Failures returns the assertions that failed.
func (t TestResult) Failures() []Assertion {
	var out []Assertion
	for _, a := range t.Assertions {
		if !a.Passed {
			out = append(out, a)
		}
	}
	return out
}

// maxShown bounds the members of a list that a text shows.
const maxShown = 20

// String returns the assertion as people read it: the question, what was expected and got, and why.
func (a Assertion) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", a.Kind, a.Question)
	if len(a.Context) > 0 {
		data, _ := json.Marshal(a.Context) // what was read as YAML or JSON
		fmt.Fprintf(&b, "  context     %s\n", data)
	}
	if a.Error != "" {
		fmt.Fprintf(&b, "  expected    %s\n  no answer   %s\n", members(a.Expected), a.Error)
		return b.String()
	}
	fmt.Fprintf(&b, "  expected    %s\n  got         %s\n", members(a.Expected), members(a.Got))
	if len(a.Missing) > 0 {
		fmt.Fprintf(&b, "  missing     %s\n", members(a.Missing))
	}
	if len(a.Unexpected) > 0 {
		fmt.Fprintf(&b, "  unexpected  %s\n", members(a.Unexpected))
	}
	for _, why := range a.Why {
		b.WriteString("  because\n")
		for line := range strings.Lines(why.String()) {
			b.WriteString("    " + line)
		}
	}
	return b.String()
}

func members(list []string) string {
	switch {
	case len(list) == 0:
		return "none"
	case len(list) > maxShown:
		return fmt.Sprintf("%s … (%d)", strings.Join(list[:maxShown], " "), len(list))
	}
	return strings.Join(list, " ")
}

// String returns the coverage as people read it: two counts, and what was not touched.
func (c Coverage) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d relations, %d of %d rewrites touched\n", c.TouchedRelations, c.Relations, c.TouchedRewrites, c.Rewrites)
	for _, u := range c.Untouched {
		if u.Whole {
			fmt.Fprintf(&b, "  untouched  %s\n", u.Relation)
			continue
		}
		fmt.Fprintf(&b, "  untouched  %s: %s\n", u.Relation, strings.Join(u.Rewrites, " · "))
	}
	return b.String()
}
