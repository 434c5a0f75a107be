package oracle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine/oracle"
)

// The helpers below write a model down in about the words of the DSL, without a parser.

func typ(name string, relations ...*model.Relation) *model.Type {
	return &model.Type{Name: name, Relations: relations}
}

// define makes a relation; restrictions are as in the DSL: "user, user:*, group#member with c".
func define(name string, w model.Rewrite, restrictions ...string) *model.Relation {
	r := &model.Relation{Name: name, Rewrite: w}
	for _, text := range restrictions {
		var restriction model.Restriction
		text, restriction.Condition, _ = strings.Cut(text, " with ")
		text, restriction.Wildcard = strings.CutSuffix(text, ":*")
		restriction.Type, restriction.Relation, _ = strings.Cut(text, "#")
		r.Restrictions = append(r.Restrictions, restriction)
	}
	return r
}

var this = model.Direct{}

func rel(name string) model.Rewrite               { return model.ComputedUserset{Relation: name} }
func or(children ...model.Rewrite) model.Rewrite  { return model.Union{Children: children} }
func and(children ...model.Rewrite) model.Rewrite { return model.Intersection{Children: children} }

func from(computed, tupleset string) model.Rewrite {
	return model.TupleToUserset{Tupleset: tupleset, Computed: computed}
}

func butNot(base, subtract model.Rewrite) model.Rewrite {
	return model.Difference{Base: base, Subtract: subtract}
}

func schema(types ...*model.Type) *model.Model {
	return model.New(model.Schema11, append([]*model.Type{typ("user")}, types...), nil)
}

func tuples(t *testing.T, text string) []ostiary.Tuple {
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

func TestCheck(t *testing.T) {
	group := typ("group", define("member", this, "user", "user:*", "group#member"))
	folder := typ("folder",
		define("parent", this, "folder"),
		define("viewer", or(this, from("viewer", "parent")), "user", "user:*", "group#member"))
	for _, test := range []struct {
		name    string
		model   *model.Model
		tuples  string
		allowed string // questions, written as tuples
		denied  string
	}{{
		name:    "direct",
		model:   schema(typ("doc", define("viewer", this, "user"))),
		tuples:  "doc:1#viewer@user:ann",
		allowed: "doc:1#viewer@user:ann doc:1#viewer@doc:1#viewer doc:9#viewer@doc:9#viewer",
		denied: "doc:1#viewer@user:bob doc:2#viewer@user:ann doc:1#viewer@user:* doc:1#viewer@doc:2#viewer " +
			"doc:1#editor@user:ann page:1#viewer@user:ann doc:1#viewer@robot:1 doc:1#viewer@doc:1",
	}, {
		name:   "wildcard holds for plain subjects and itself, not for usersets",
		model:  schema(group, typ("doc", define("viewer", this, "user", "user:*", "group:*", "group", "group#member"))),
		tuples: "doc:1#viewer@user:* doc:2#viewer@group:* doc:3#viewer@group:eng#member group:eng#member@user:*",
		allowed: "doc:1#viewer@user:ann doc:1#viewer@user:* doc:2#viewer@group:eng doc:2#viewer@group:* " +
			"doc:3#viewer@user:ann doc:3#viewer@user:*",
		denied: "doc:1#viewer@group:eng doc:1#viewer@group:* doc:2#viewer@group:eng#member doc:2#viewer@user:ann doc:3#viewer@group:eng",
	}, {
		name:    "a wildcard subject matches wildcard tuples only",
		model:   schema(typ("doc", define("viewer", this, "user", "user:*"))),
		tuples:  "doc:1#viewer@user:ann doc:1#viewer@user:bob",
		allowed: "doc:1#viewer@user:ann",
		denied:  "doc:1#viewer@user:*",
	}, {
		name:   "nested groups, in a ring",
		model:  schema(group, typ("doc", define("viewer", this, "group#member"))),
		tuples: "doc:1#viewer@group:a#member group:a#member@group:b#member group:b#member@group:c#member group:c#member@group:a#member group:c#member@user:ann",
		allowed: "doc:1#viewer@user:ann group:b#member@user:ann doc:1#viewer@group:c#member group:b#member@group:a#member " +
			"group:d#member@group:d#member",
		denied: "doc:1#viewer@user:bob doc:1#viewer@group:c group:d#member@user:ann doc:1#viewer@doc:1",
	}, {
		name:  "tuple-to-userset follows plain objects to relations that exist",
		model: schema(group, folder, typ("doc", define("parent", this, "folder", "user"), define("viewer", from("viewer", "parent")))),
		tuples: "doc:1#parent@folder:a folder:a#parent@folder:b folder:b#viewer@user:ann folder:b#viewer@group:eng#member group:eng#member@user:bob " +
			"doc:1#parent@user:eve",
		allowed: "doc:1#viewer@user:ann doc:1#viewer@user:bob folder:a#viewer@user:ann doc:1#viewer@folder:a#viewer doc:1#viewer@folder:b#viewer doc:1#parent@user:eve",
		denied:  "doc:1#viewer@user:eve doc:1#viewer@folder:a doc:1#viewer@folder:c#viewer doc:2#viewer@user:ann",
	}, {
		name: "tuples that do not fit are ignored",
		model: schema(group, typ("doc",
			define("parent", this, "doc"),
			define("owner", rel("viewer")),
			define("viewer", or(this, from("viewer", "parent")), "user", "group:*", "user with office_hours", "group#member with office_hours"))),
		tuples: "doc:1#viewer@user:* doc:1#viewer@group:eng doc:1#viewer@group:eng#member group:eng#member@user:ann " +
			"doc:1#owner@user:bob doc:1#parent@doc:*  doc:2#viewer@user:cas doc:1#none@user:ann none:1#viewer@user:ann doc:1#viewer@none:1 " +
			"doc:3#viewer@user:dan doc:1#parent@doc:3#viewer doc:1#viewer@group:eng#none",
		allowed: "doc:2#owner@user:cas",
		denied: "doc:1#viewer@user:ann doc:1#viewer@user:* doc:1#viewer@group:eng doc:1#viewer@group:eng#member doc:1#owner@user:bob " +
			"doc:1#viewer@user:cas doc:1#none@user:ann none:1#viewer@user:ann doc:1#viewer@none:1 doc:1#viewer@user:dan doc:1#viewer@group:eng#none",
	}, {
		name: "union, intersection, difference",
		model: schema(typ("doc",
			define("a", this, "user", "user:*"), define("b", this, "user", "user:*"),
			define("some", or(rel("a"), rel("b"))), define("both", and(rel("a"), rel("b"))), define("only", butNot(rel("a"), rel("b"))))),
		tuples: "doc:1#a@user:ann doc:1#b@user:bob doc:1#a@user:cas doc:1#b@user:cas " +
			"doc:2#a@user:* doc:2#b@user:bob doc:3#a@user:ann doc:3#b@user:*",
		allowed: "doc:1#some@user:ann doc:1#some@user:bob doc:1#some@user:cas doc:1#both@user:cas doc:1#only@user:ann " +
			"doc:2#only@user:ann doc:2#only@user:* doc:2#both@user:bob doc:3#both@user:ann doc:3#some@user:* " +
			"doc:1#some@doc:1#a doc:1#only@doc:1#a doc:1#both@doc:1#both",
		denied: "doc:1#both@user:ann doc:1#both@user:bob doc:1#only@user:bob doc:1#only@user:cas doc:1#some@user:dan " +
			"doc:2#only@user:bob doc:2#both@user:* doc:2#both@user:ann doc:3#only@user:ann doc:3#only@user:* " +
			"doc:1#both@doc:1#a doc:1#only@doc:1#b doc:1#only@doc:2#a",
	}, {
		// folder:a lets ann in; folder:b takes it away from what lies below b.
		name: "difference inside a hierarchy",
		model: schema(typ("folder",
			define("parent", this, "folder"), define("blocked", this, "user", "user:*"),
			define("viewer", butNot(or(this, from("viewer", "parent")), rel("blocked")), "user"))),
		tuples: "folder:b#parent@folder:a folder:c#parent@folder:b folder:d#parent@folder:a folder:a#viewer@user:ann folder:b#blocked@user:ann " +
			"folder:c#viewer@user:bob folder:a#parent@folder:c",
		allowed: "folder:a#viewer@user:ann folder:d#viewer@user:ann folder:c#viewer@user:bob folder:a#viewer@user:bob folder:b#viewer@user:bob",
		denied:  "folder:b#viewer@user:ann folder:c#viewer@user:ann",
	}, {
		name: "recursion through intersection is the least fixed point",
		model: schema(typ("doc",
			define("base", this, "user"),
			define("a", or(rel("base"), and(rel("b"), rel("c")))), define("b", or(rel("base"), rel("a"))), define("c", and(rel("a"), rel("b"))))),
		tuples:  "doc:1#base@user:ann",
		allowed: "doc:1#c@user:ann doc:1#a@doc:1#base",
		denied:  "doc:1#a@user:bob doc:1#b@user:bob doc:1#c@user:bob",
	}, {
		name:   "computed relations that name each other hold nobody",
		model:  schema(typ("doc", define("a", rel("b")), define("b", rel("a")))),
		tuples: "doc:1#a@user:ann",
		denied: "doc:1#a@user:ann doc:1#b@user:ann doc:1#a@user:*", allowed: "doc:1#a@doc:1#b",
	}} {
		t.Run(test.name, func(t *testing.T) {
			o := oracle.New(test.model, tuples(t, test.tuples))
			expect(t, o, test.allowed, true)
			expect(t, o, test.denied, false)
			for _, q := range tuples(t, test.allowed+" "+test.denied) {
				if o.Undefined(q.Object, q.Relation, q.Subject) {
					t.Errorf("%v is undefined without recursion through a subtracted side", q)
				}
			}
		})
	}
}

func expect(t *testing.T, o *oracle.Oracle, questions string, want bool) {
	t.Helper()
	for _, q := range tuples(t, questions) {
		if got := o.Check(q.Object, q.Relation, q.Subject); got != want {
			t.Errorf("Check(%v) = %v, want %v", q, got, want)
		}
	}
}

// Recursion through a subtracted side, worked by hand.
func TestNegativeRecursion(t *testing.T) {
	for _, test := range []struct {
		name      string
		model     *model.Model
		tuples    string
		allowed   string
		denied    string // for good
		undefined string // denied as well
	}{{
		// a and b take from each other. Ann is in the base of both: neither can be decided. Bob is in
		// the base of a alone: b does not hold bob whatever a says, so a does.
		name: "two relations that exclude each other",
		model: schema(typ("doc",
			define("a", butNot(this, rel("b")), "user"),
			define("b", butNot(this, rel("a")), "user"))),
		tuples:    "doc:1#a@user:ann doc:1#b@user:ann doc:1#a@user:bob",
		allowed:   "doc:1#a@user:bob",
		denied:    "doc:1#b@user:bob doc:1#a@user:cas",
		undefined: "doc:1#a@user:ann doc:1#b@user:ann",
	}, {
		// b holds what a holds, a holds its base but not b: ann's membership would refute itself.
		name: "a relation excluded by the members that it gives",
		model: schema(typ("doc",
			define("a", butNot(this, rel("b")), "user"),
			define("b", this, "doc#a", "user"))),
		tuples:    "doc:1#a@user:ann doc:1#b@doc:1#a doc:2#a@user:ann doc:3#a@user:ann doc:3#b@doc:2#a doc:4#a@user:ann doc:4#b@doc:3#a",
		allowed:   "doc:2#a@user:ann doc:3#b@user:ann doc:4#a@user:ann",
		denied:    "doc:3#a@user:ann doc:4#b@user:ann doc:2#b@user:ann",
		undefined: "doc:1#a@user:ann doc:1#b@user:ann",
	}, {
		// Win-move: a position is won when a move leads to one that is not. 1 and 2 lead to each other
		// and nowhere else: a draw. 4 has no move: lost. 3 leads to 4: won. 5 leads to 3 alone: lost.
		// 6 leads to 5 and to 1: won. 7 leads to 1 and to 3: a draw, for 3 is won by the other side.
		name: "a game on a graph",
		model: schema(typ("node",
			define("move", this, "node"), define("player", this, "user", "user:*"),
			define("lost", butNot(rel("player"), rel("won"))), define("won", from("lost", "move")))),
		tuples: "node:1#move@node:2 node:2#move@node:1 node:3#move@node:4 node:5#move@node:3 node:6#move@node:5 node:6#move@node:1 " +
			"node:7#move@node:1 node:7#move@node:3 node:1#player@user:* node:2#player@user:* node:3#player@user:* node:4#player@user:* " +
			"node:5#player@user:* node:6#player@user:* node:7#player@user:*",
		allowed:   "node:3#won@user:ann node:6#won@user:ann node:4#lost@user:ann node:5#lost@user:* node:6#won@user:*",
		denied:    "node:4#won@user:ann node:5#won@user:ann node:3#lost@user:ann node:6#lost@user:ann node:3#won@node:3",
		undefined: "node:1#won@user:ann node:2#won@user:ann node:7#won@user:ann node:1#lost@user:ann node:7#lost@user:*",
	}, {
		// The third relation of three that exclude each other in a ring: an odd ring has no answer, a
		// ring cut by an empty base has one.
		name: "three in a ring",
		model: schema(typ("doc",
			define("a", butNot(this, rel("b")), "user"), define("b", butNot(this, rel("c")), "user"), define("c", butNot(this, rel("a")), "user"))),
		tuples:    "doc:1#a@user:ann doc:1#b@user:ann doc:1#c@user:ann doc:1#a@user:bob doc:1#b@user:bob",
		allowed:   "doc:1#b@user:bob",
		denied:    "doc:1#a@user:bob doc:1#c@user:bob",
		undefined: "doc:1#a@user:ann doc:1#b@user:ann doc:1#c@user:ann",
	}, {
		// Positive recursion that cannot start is false, not undefined, so what excludes it is allowed.
		name: "an unfounded set",
		model: schema(typ("doc",
			define("p", or(rel("q"), this), "user"), define("q", rel("p")),
			define("a", butNot(this, rel("p")), "user"))),
		tuples:  "doc:1#a@user:ann doc:1#a@user:bob doc:1#p@user:bob",
		allowed: "doc:1#a@user:ann doc:1#q@user:bob",
		denied:  "doc:1#p@user:ann doc:1#q@user:ann doc:1#a@user:bob",
	}, {
		// Undefined does not spread where the other operand decides.
		name: "undefined meets decided",
		model: schema(typ("doc",
			define("u", butNot(this, rel("u")), "user"), define("t", this, "user"),
			define("or_true", or(rel("u"), rel("t"))), define("and_false", and(rel("u"), rel("none"))), define("none", this, "user"),
			define("and_true", and(rel("u"), rel("t"))), define("not_u", butNot(rel("t"), rel("u"))),
			define("nothing_but_u", butNot(rel("none"), rel("u"))), define("u_but_not_t", butNot(rel("u"), rel("t"))))),
		tuples:    "doc:1#u@user:ann doc:1#t@user:ann",
		allowed:   "doc:1#or_true@user:ann",
		denied:    "doc:1#and_false@user:ann doc:1#nothing_but_u@user:ann doc:1#u_but_not_t@user:ann",
		undefined: "doc:1#u@user:ann doc:1#and_true@user:ann doc:1#not_u@user:ann",
	}, {
		name: "a part of a rewrite in place",
		model: schema(typ("doc",
			define("b", this, "user"), define("a", butNot(this, butNot(rel("b"), rel("a"))), "user"), define("e", butNot(rel("b"), rel("a"))))),
		tuples:    "doc:1#a@user:x doc:1#b@user:x doc:1#a@user:y",
		allowed:   "doc:1#a@user:y",
		denied:    "doc:1#e@user:y",
		undefined: "doc:1#a@user:x doc:1#e@user:x",
	}, {
		name: "the same part with a name",
		model: schema(typ("doc",
			define("b", this, "user"), define("d", butNot(rel("b"), rel("a"))), define("a", butNot(this, rel("d")), "user"),
			define("e", butNot(rel("b"), rel("a"))))),
		tuples:    "doc:1#a@user:x doc:1#b@user:x doc:1#a@user:y",
		allowed:   "doc:1#a@user:y",
		denied:    "doc:1#e@user:y doc:1#d@user:y",
		undefined: "doc:1#a@user:x doc:1#e@user:x doc:1#d@user:x",
	}} {
		t.Run(test.name, func(t *testing.T) {
			o := oracle.New(test.model, tuples(t, test.tuples))
			expect(t, o, test.allowed, true)
			expect(t, o, test.denied, false)
			expect(t, o, test.undefined, false)
			for _, q := range tuples(t, test.allowed+" "+test.denied) {
				if o.Undefined(q.Object, q.Relation, q.Subject) {
					t.Errorf("%v is undefined, want an answer", q)
				}
			}
			for _, q := range tuples(t, test.undefined) {
				if !o.Undefined(q.Object, q.Relation, q.Subject) {
					t.Errorf("%v has an answer, want undefined", q)
				}
			}
		})
	}
}

func TestLists(t *testing.T) {
	m := schema(
		typ("group", define("member", this, "user", "user:*", "group#member")),
		typ("doc", define("banned", this, "user"), define("editor", this, "user", "group#member"),
			define("viewer", butNot(or(this, rel("editor")), rel("banned")), "user", "user:*")))
	o := oracle.New(m, tuples(t, "doc:2#viewer@user:* doc:2#banned@user:eve doc:1#editor@group:a#member group:a#member@group:b#member "+
		"group:b#member@user:ann doc:1#viewer@user:eve doc:1#banned@user:eve doc:3#banned@user:bob"))

	for _, test := range []struct{ relation, subject, want string }{
		{"viewer", "user:ann", "[doc:1 doc:2]"},
		{"viewer", "user:eve", "[]"},
		{"viewer", "user:*", "[doc:2]"},
		{"viewer", "user:new", "[doc:2]"},
		{"viewer", "group:b#member", "[doc:1]"},
		{"viewer", "doc:3#editor", "[doc:3]"},
		{"viewer", "doc:9#editor", "[doc:9]"},
		{"viewer", "doc:9#banned", "[]"},
	} {
		subject, err := ostiary.ParseSubject(test.subject)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(o.ListObjects("doc", test.relation, subject)); got != test.want {
			t.Errorf("ListObjects(doc, %s, %s) = %s, want %s", test.relation, test.subject, got, test.want)
		}
	}

	for _, test := range []struct{ object, filterType, filterRelation, want string }{
		{"doc:1", "user", "", "[user:ann]"},
		{"doc:2", "user", "", "[user:* user:ann user:bob]"},
		{"doc:3", "user", "", "[]"},
		{"doc:1", "group", "member", "[group:a#member group:b#member]"},
		{"doc:1", "doc", "viewer", "[doc:1#viewer]"},
		{"doc:9", "doc", "editor", "[doc:9#editor]"},
		{"doc:9", "doc", "banned", "[]"},
		{"doc:2", "group", "", "[]"},
	} {
		object, err := ostiary.ParseObject(test.object)
		if err != nil {
			t.Fatal(err)
		}
		got := o.ListUsers(object, "viewer", test.filterType, test.filterRelation)
		if fmt.Sprint(got) != test.want {
			t.Errorf("ListUsers(%s, viewer, %s#%s) = %v, want %s", test.object, test.filterType, test.filterRelation, got, test.want)
		}
	}
}

// The order of tuples has no meaning.
func TestOrderOfTuples(t *testing.T) {
	m := schema(typ("doc", define("a", butNot(this, rel("b")), "user", "doc#b"), define("b", this, "doc#a", "user")))
	list := tuples(t, "doc:1#a@user:ann doc:1#b@doc:2#a doc:2#a@doc:1#b doc:2#b@user:ann doc:3#a@user:ann doc:2#a@user:ann")
	want := answers(oracle.New(m, list))
	slices.Reverse(list)
	if got := answers(oracle.New(m, list)); got != want {
		t.Errorf("reversed tuples give\n%s\nwant\n%s", got, want)
	}
}

func answers(o *oracle.Oracle) string {
	var b strings.Builder
	for _, id := range []string{"1", "2", "3"} {
		for _, relation := range []string{"a", "b"} {
			fmt.Fprintln(&b, id, relation, o.ListUsers(ostiary.ObjectRef{Type: "doc", ID: id}, relation, "user", ""),
				o.ListUsers(ostiary.ObjectRef{Type: "doc", ID: id}, relation, "doc", "a"))
		}
	}
	return b.String()
}
