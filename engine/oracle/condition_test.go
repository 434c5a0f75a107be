package oracle_test

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/engine/oracle"
)

// The outcomes of conditions go through or, and, but not as in Kleene's logic.
func TestOutcomes(t *testing.T) {
	m := schema(
		typ("group", define("member", this, "user", "user with c")),
		typ("doc",
			define("c", this, "user with c", "user:* with c", "group#member with c"), define("t", this, "user"), define("f", this, "user"),
			define("c_or_t", or(rel("c"), rel("t"))), define("c_or_f", or(rel("c"), rel("f"))),
			define("c_and_t", and(rel("c"), rel("t"))), define("c_and_f", and(rel("c"), rel("f"))),
			define("t_but_c", butNot(rel("t"), rel("c"))), define("f_but_c", butNot(rel("f"), rel("c"))),
			define("c_but_t", butNot(rel("c"), rel("t"))), define("c_but_f", butNot(rel("c"), rel("f")))))
	for _, test := range []struct {
		conditional string // the tuple with the condition
		outcome     oracle.Outcome
		allowed     string // relations of doc:1 to user:ann
		open        string
	}{
		{"doc:1#c@user:ann", oracle.Holds, "c c_or_t c_or_f c_and_t c_but_f", ""},
		{"doc:1#c@user:*", oracle.Holds, "c c_or_t c_or_f c_and_t c_but_f", ""},
		{"doc:1#c@user:ann", oracle.Fails, "c_or_t t_but_c", ""},
		{"doc:1#c@user:ann", oracle.Unknown, "c_or_t", "c c_or_f c_and_t t_but_c c_but_f"},
		{"doc:1#c@user:*", oracle.Unknown, "c_or_t", "c c_or_f c_and_t t_but_c c_but_f"},
		{"doc:1#c@group:in#member", oracle.Unknown, "c_or_t", "c c_or_f c_and_t t_but_c c_but_f"},
		{"doc:1#c@group:out#member", oracle.Unknown, "c_or_t t_but_c", ""},
		{"doc:1#t@user:bob", oracle.Unknown, "c_or_t t_but_c", ""}, // t takes no condition: not there
	} {
		list := []oracle.Conditional{{Tuple: tuples(t, test.conditional)[0], Condition: "c", Outcome: test.outcome}}
		for _, plain := range tuples(t, "doc:1#t@user:ann group:in#member@user:ann") {
			list = append(list, oracle.Conditional{Tuple: plain})
		}
		o := oracle.NewConditional(m, list)
		for _, relation := range []string{"c", "c_or_t", "c_or_f", "c_and_t", "c_and_f", "t_but_c", "f_but_c", "c_but_t", "c_but_f"} {
			q := tuples(t, "doc:1#"+relation+"@user:ann")[0]
			has := func(list string) bool { return strings.Contains(" "+list+" ", " "+relation+" ") }
			if got := o.Check(q.Object, q.Relation, q.Subject); got != has(test.allowed) {
				t.Errorf("%s, outcome %d: %s is %t", test.conditional, test.outcome, relation, got)
			}
			if got := o.Undefined(q.Object, q.Relation, q.Subject); got != has(test.open) {
				t.Errorf("%s, outcome %d: %s is open: %t", test.conditional, test.outcome, relation, got)
			}
		}
	}
}
