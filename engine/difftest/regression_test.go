package difftest

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/engine"
)

// Cases that two evaluators answered differently once, or could, worked out by hand. Questions are written
// as tuples.
var regressions = []struct {
	name    string
	model   string // without the head
	tuples  string
	allowed string
	denied  string
}{{
	// x: a and the inner "b but not a" negate each other, so both are undefined, and e with them.
	// y: b does not hold y, so nothing is subtracted from a.
	name: "exclusion inside exclusion, in place",
	model: `
type user
type doc
  relations
    define same: [doc]
    define b: [user]
    define again: [user] or a from same
    define a: [user] but not (b but not again)
    define e: b but not a`,
	tuples:  "doc:1#same@doc:1 doc:1#a@user:x doc:1#b@user:x doc:1#a@user:y doc:1#b@user:z",
	allowed: "doc:1#a@user:y doc:1#e@user:z",
	denied:  "doc:1#a@user:x doc:1#e@user:x doc:1#e@user:y doc:1#a@user:z",
}, {
	name: "exclusion inside exclusion, with a name",
	model: `
type user
type doc
  relations
    define same: [doc]
    define b: [user]
    define again: [user] or a from same
    define d: b but not again
    define a: [user] but not d
    define e: b but not a`,
	tuples:  "doc:1#same@doc:1 doc:1#a@user:x doc:1#b@user:x doc:1#a@user:y doc:1#b@user:z",
	allowed: "doc:1#a@user:y doc:1#e@user:z doc:1#d@user:z",
	denied:  "doc:1#a@user:x doc:1#e@user:x doc:1#e@user:y doc:1#a@user:z doc:1#d@user:x",
}, {
	// b of folder:a and the part that it subtracts negate each other by way of a of folder:b. A base
	// that lets user:x into b of folder:b alone keeps both undefined for x, and a of folder:a with them.
	name: "exclusion inside exclusion, across objects",
	model: `
type user
type folder
  relations
    define a: [user] or (b from q but not a from p)
    define b: [user] or (b from q but not (b from q but not a from p))
    define p: [folder]
    define q: [folder]`,
	tuples:  "folder:a#q@folder:b folder:a#p@folder:b folder:b#q@folder:a folder:b#b@user:x folder:b#a@user:y folder:b#b@user:y",
	allowed: "folder:b#b@user:x folder:b#b@folder:b#b folder:a#b@user:y",
	denied: "folder:a#a@folder:b#b folder:b#a@folder:b#b folder:a#b@folder:b#b folder:a#a@user:x folder:a#b@user:x folder:b#a@user:x " +
		"folder:a#a@user:y",
}, {
	name: "even ring through exclusion",
	model: `
type user
type doc
  relations
    define same: [doc]
    define a: [user] but not b
    define again: [user] or a from same
    define b: [user] but not again`,
	tuples:  "doc:1#same@doc:1 doc:1#a@user:ann doc:1#b@user:ann doc:1#a@user:bob doc:2#a@user:ann doc:2#b@user:ann",
	allowed: "doc:1#a@user:bob doc:2#b@user:ann",
	denied:  "doc:1#a@user:ann doc:1#b@user:ann doc:1#b@user:bob doc:2#a@user:ann",
}, {
	name: "excluded by the members that it gives",
	model: `
type user
type doc
  relations
    define a: [user] but not b
    define b: [user, doc#a]`,
	tuples:  "doc:1#a@user:ann doc:1#b@doc:1#a doc:2#a@user:ann doc:3#a@user:ann doc:3#b@doc:2#a doc:4#a@user:ann doc:4#b@doc:3#a",
	allowed: "doc:2#a@user:ann doc:3#b@user:ann doc:4#a@user:ann",
	denied:  "doc:1#a@user:ann doc:1#b@user:ann doc:3#a@user:ann doc:4#b@user:ann",
}, {
	// A userset is a subject like any other under "and" and "but not", and a member of itself.
	name: "usersets as subjects under operators",
	model: `
type user
type doc
  relations
    define a: [user, doc#b]
    define b: [user, doc#a]
    define both: a and b
    define only: a but not b`,
	tuples:  "doc:1#a@doc:2#b doc:3#b@doc:3#a",
	allowed: "doc:1#only@doc:2#b doc:1#only@doc:1#a doc:3#both@doc:3#a doc:3#only@doc:3#only doc:9#both@doc:9#both",
	denied:  "doc:1#both@doc:2#b doc:1#both@doc:1#a doc:3#only@doc:3#a doc:1#only@doc:1#b doc:9#only@doc:9#both",
}, {
	name: "wildcards under operators",
	model: `
type user
type doc
  relations
    define a: [user, user:*]
    define b: [user, user:*]
    define both: a and b
    define only: a but not b`,
	tuples:  "doc:1#a@user:* doc:1#b@user:ann doc:2#a@user:ann doc:2#b@user:* doc:3#a@user:* doc:3#b@user:*",
	allowed: "doc:1#both@user:ann doc:1#only@user:bob doc:1#only@user:* doc:2#both@user:ann doc:3#both@user:* doc:3#both@user:new",
	denied:  "doc:1#only@user:ann doc:1#both@user:* doc:1#both@user:bob doc:2#both@user:* doc:2#only@user:ann doc:3#only@user:*",
}}

func TestRegressions(t *testing.T) {
	for _, test := range regressions {
		t.Run(test.name, func(t *testing.T) {
			m, err := dsl.Compile("model.fga", []byte("model\n  schema 1.1\n"+test.model))
			if err != nil {
				t.Fatal(err)
			}
			c := testCase{model: m, tuples: parseTuples(t, test.tuples)}
			for _, way := range ways {
				a := way.build(t.Context(), c)
				ask(t, way.name, a, test.allowed, true)
				ask(t, way.name, a, test.denied, false)
			}
			c.ids = mentioned(c)
			run := comparison{testCase: c, want: newJudge(c), got: newEngine(t.Context(), c, engine.Options{MaxDepth: deep})}
			if d := run.run(); d != nil {
				t.Errorf("%v%v", c, d)
			}
		})
	}
}

func ask(t *testing.T, way string, a answerer, questions string, want bool) {
	t.Helper()
	for _, q := range parseTuples(t, questions) {
		got, err := a.check(q.Object, q.Relation, q.Subject)
		if err != nil || got != want {
			t.Errorf("%s: check %v = %t, %v, want %t", way, q, got, err, want)
		}
	}
}

func parseTuples(t *testing.T, text string) []ostiary.Tuple {
	t.Helper()
	var list []ostiary.Tuple
	for _, word := range strings.Fields(text) {
		tuple, err := ostiary.ParseTuple(word)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, tuple)
	}
	return list
}

// mentioned returns the ids of the tuples.
func mentioned(c testCase) map[string][]string {
	ids := map[string][]string{}
	seen := map[ostiary.ObjectRef]bool{}
	for _, t := range c.tuples {
		for _, o := range []ostiary.ObjectRef{t.Object, t.Subject.Object()} {
			if !seen[o] && o.ID != ostiary.Wildcard {
				seen[o] = true
				ids[o.Type] = append(ids[o.Type], o.ID)
			}
		}
	}
	return ids
}
