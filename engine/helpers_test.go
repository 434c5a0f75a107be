package engine_test

import (
	"context"
	"iter"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
	packed "github.com/ostiary/ostiary/engine/edges"
)

// Models are built by hand here so that these tests need no parser; the scripts in testdata use text.

func this() model.Rewrite                    { return model.Direct{} }
func computed(relation string) model.Rewrite { return model.ComputedUserset{Relation: relation} }
func from(computed, tupleset string) model.Rewrite {
	return model.TupleToUserset{Tupleset: tupleset, Computed: computed}
}
func or(children ...model.Rewrite) model.Rewrite  { return model.Union{Children: children} }
func and(children ...model.Rewrite) model.Rewrite { return model.Intersection{Children: children} }
func butNot(base, subtract model.Rewrite) model.Rewrite {
	return model.Difference{Base: base, Subtract: subtract}
}

// relation makes a relation; restrictions are as in the DSL: "user, user:*, group#member with c".
func relation(name string, rw model.Rewrite, restrictions string) *model.Relation {
	r := &model.Relation{Name: name, Rewrite: rw}
	for _, text := range strings.Split(restrictions, ",") {
		text, condition, _ := strings.Cut(strings.TrimSpace(text), " with ")
		if text == "" {
			continue
		}
		restriction := model.Restriction{Condition: condition}
		if typ, ok := strings.CutSuffix(text, ":*"); ok {
			restriction.Type, restriction.Wildcard = typ, true
		} else {
			restriction.Type, restriction.Relation, _ = strings.Cut(text, "#")
		}
		r.Restrictions = append(r.Restrictions, restriction)
	}
	return r
}

func typ(name string, relations ...*model.Relation) *model.Type {
	return &model.Type{Name: name, Relations: relations}
}

func plan(types ...*model.Type) *engine.Plan {
	return engine.Compile(model.New(model.Schema11, types, nil))
}

// edges parses tuples, one a line or field, each perhaps followed by "|condition".
func edges(t testing.TB, text string) []ostiary.Edge {
	t.Helper()
	var all []ostiary.Edge
	for _, field := range strings.Fields(text) {
		field, condition, _ := strings.Cut(field, "|")
		tuple, err := ostiary.ParseTuple(field)
		if err != nil {
			t.Fatal(err)
		}
		e := ostiary.Edge{Tuple: tuple}
		if condition != "" {
			e.Conditions = []ostiary.Grant{{Owner: ostiary.OwnerAPI, Condition: condition}}
		}
		all = append(all, e)
	}
	return all
}

func query(t testing.TB, text string) engine.CheckQuery {
	t.Helper()
	tuple, err := ostiary.ParseTuple(text)
	if err != nil {
		t.Fatal(err)
	}
	return engine.CheckQuery{Object: tuple.Object, Relation: tuple.Relation, Subject: tuple.Subject}
}

type edgeSeq = iter.Seq2[ostiary.Edge, error]

// sequences is a reader that packs nothing: every group is open, and the sequences hold all.
type sequences struct{ engine.Reader }

func (sequences) ObjectEdges(context.Context, ostiary.ObjectRef) (*packed.Set, error) {
	var b packed.Builder
	b.Cut()
	return b.Set(), nil
}

func (sequences) SubjectSet(context.Context, ostiary.SubjectRef) (*packed.Set, error) {
	var b packed.Builder
	b.Cut()
	return b.Set(), nil
}

func (sequences) SubjectEdges(context.Context, ostiary.SubjectRef, string, string, int) (packed.Group, error) {
	return packed.Group{Open: true}, nil
}
