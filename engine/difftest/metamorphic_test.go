package difftest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
)

// The tests of this file compare two ways to ask the same. Each runs with the engine, and where it says
// something about the meaning of models with the oracle too, which the other tests have to trust.

var ways = []struct {
	name  string
	build func(context.Context, testCase) answerer
}{
	{"engine", func(ctx context.Context, c testCase) answerer {
		return newEngine(ctx, c, engine.Options{MaxDepth: deep})
	}},
	{"oracle", func(_ context.Context, c testCase) answerer { return newJudge(c) }},
}

var both, engineAlone = []string{"engine", "oracle"}, []string{"engine"}

// metamorphic runs a test for some families in some of the ways.
func metamorphic(t *testing.T, among []string, fs []family, test func(*rapid.T, testCase, func(testCase) answerer) *disagreement) {
	for _, way := range ways {
		if !slices.Contains(among, way.name) {
			continue
		}
		t.Run(way.name, rapid.MakeCheck(func(t *rapid.T) {
			c := casesOfAny(fs).Draw(t, "case")
			if d := test(t, c, func(c testCase) answerer { return way.build(t.Context(), c) }); d != nil {
				t.Fatalf("%v%v", c, d)
			}
		}))
	}
}

// casesOfAny is the generator of some families.
func casesOfAny(fs []family) *rapid.Generator[testCase] {
	var all []*rapid.Generator[testCase]
	for _, f := range fs {
		all = append(all, cases(f))
	}
	return rapid.OneOf(all...)
}

// some are the families for the metamorphic tests, which ask everything twice.
var some = []family{families[0], families[1], families[3], families[5], families[6]}

// A list holds what checks allow.
func TestListsEqualChecks(t *testing.T) {
	metamorphic(t, engineAlone, some, func(t *rapid.T, c testCase, build func(testCase) answerer) *disagreement {
		c = c.withStranger()
		run := comparison{testCase: c, got: build(c), want: byChecks{build(c), c}}
		return run.run()
	})
}

// byChecks makes lists out of checks.
type byChecks struct {
	answerer
	testCase testCase
}

func (b byChecks) listObjects(typ, relation string, subject ostiary.SubjectRef) ([]ostiary.ObjectRef, error) {
	var found []ostiary.ObjectRef
	for _, id := range slices.Sorted(slices.Values(b.testCase.ids[typ])) {
		object := ostiary.ObjectRef{Type: typ, ID: id}
		allowed, err := b.check(object, relation, subject)
		if err != nil {
			return nil, err
		}
		if allowed {
			found = append(found, object)
		}
	}
	return found, nil
}

// The order of tuples changes nothing.
func TestOrderChangesNothing(t *testing.T) {
	metamorphic(t, engineAlone, some, func(t *rapid.T, c testCase, build func(testCase) answerer) *disagreement {
		shuffled := c.withTuples(rapid.Permutation(c.tuples).Draw(t, "order"))
		run := comparison{testCase: c, got: build(shuffled), want: build(c), exact: true}
		return run.run()
	})
}

// Renaming ids changes nothing. The new names sort the other way round.
func TestRenamingChangesNothing(t *testing.T) {
	metamorphic(t, both, some, func(t *rapid.T, c testCase, build func(testCase) answerer) *disagreement {
		run := comparison{testCase: c, got: renamed{build(renameCase(c))}, want: build(c), exact: true}
		return run.run()
	})
}

// renamed asks an answerer, whose ids are renamed, under the old ids.
type renamed struct{ inner answerer }

func (r renamed) check(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) (bool, error) {
	return r.inner.check(renameObject(object), relation, renameSubject(subject))
}

func (r renamed) listObjects(typ, relation string, subject ostiary.SubjectRef) ([]ostiary.ObjectRef, error) {
	found, err := r.inner.listObjects(typ, relation, renameSubject(subject))
	for i, o := range found {
		found[i] = renameObject(o)
	}
	slices.SortFunc(found, func(a, b ostiary.ObjectRef) int { return strings.Compare(a.ID, b.ID) })
	return found, err
}

func (r renamed) listUsers(object ostiary.ObjectRef, relation, filterType, filterRelation string) ([]ostiary.SubjectRef, error) {
	found, err := r.inner.listUsers(renameObject(object), relation, filterType, filterRelation)
	for i, s := range found {
		found[i] = renameSubject(s)
	}
	slices.SortFunc(found, func(a, b ostiary.SubjectRef) int {
		return ostiary.Tuple{Subject: a}.Compare(ostiary.Tuple{Subject: b})
	})
	return found, err
}

// rename is its own inverse: it maps a to z, b to y and so on.
func rename(id string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return 'a' + 'z' - r
		}
		return r
	}, id)
}

func renameObject(o ostiary.ObjectRef) ostiary.ObjectRef {
	return ostiary.ObjectRef{Type: o.Type, ID: rename(o.ID)}
}

func renameSubject(s ostiary.SubjectRef) ostiary.SubjectRef {
	return ostiary.SubjectRef{Type: s.Type, ID: rename(s.ID), Relation: s.Relation}
}

func renameCase(c testCase) testCase {
	var tuples []ostiary.Tuple
	for _, t := range c.tuples {
		tuples = append(tuples, ostiary.Tuple{Object: renameObject(t.Object), Relation: t.Relation, Subject: renameSubject(t.Subject)})
	}
	c = c.withTuples(tuples)
	ids := map[string][]string{}
	for typ, old := range c.ids {
		for _, id := range old {
			ids[typ] = append(ids[typ], rename(id))
		}
	}
	c.ids = ids
	return c
}

// Without exclusion, one more tuple takes nothing away.
func TestMonotone(t *testing.T) {
	metamorphic(t, both, []family{monotone, families[5], families[7]}, func(t *rapid.T, c testCase, build func(testCase) answerer) *disagreement {
		if len(c.tuples) == 0 {
			return nil
		}
		fewer, all := build(c.withTuples(c.tuples[1:])), build(c)
		for _, n := range c.nodes() {
			for _, s := range c.subjects() {
				before, err := fewer.check(n.object, n.relation, s)
				if err != nil {
					t.Fatalf("%v%v", c, err)
				}
				after, err := all.check(n.object, n.relation, s)
				if err != nil {
					t.Fatalf("%v%v", c, err)
				}
				if before && !after {
					q := ostiary.Tuple{Object: n.object, Relation: n.relation, Subject: s}
					return &disagreement{"check " + q.String(), "denied", "allowed, as it is without " + c.tuples[0].String()}
				}
			}
		}
		return nil
	})
}

// A part of a rewrite may be given a name.
func TestNamingAPartChangesNothing(t *testing.T) {
	metamorphic(t, both, []family{families[1], families[3], families[4]}, func(t *rapid.T, c testCase, build func(testCase) answerer) *disagreement {
		named := c
		named.model = namePart(rapidSource{t}, c.model)
		run := comparison{testCase: c, got: build(named), want: build(c), exact: true}
		if d := run.run(); d != nil {
			d.question = "with a part named:\n" + printModel(named.model) + d.question
			return d
		}
		return nil
	})
}

// namePart makes a relation "part" of one operand of one rewrite, and of the operand a reference to it.
func namePart(s source, m *model.Model) *model.Model {
	var types []*model.Type
	for _, t := range m.Types {
		u := &model.Type{Name: t.Name}
		var part model.Rewrite
		for _, r := range t.Relations {
			rewrite := r.Rewrite
			if part == nil && s.intn(2) == 0 {
				rewrite, part = cutPart(s, rewrite)
			}
			u.Relations = append(u.Relations, &model.Relation{Name: r.Name, Rewrite: rewrite, Restrictions: r.Restrictions})
		}
		if part != nil {
			u.Relations = append(u.Relations, &model.Relation{Name: "part", Rewrite: part})
		}
		types = append(types, u)
	}
	return model.New(m.Schema, types, m.Conditions)
}

// cutPart replaces one operand without a Direct, whose subjects belong to its relation.
func cutPart(s source, w model.Rewrite) (whole, part model.Rewrite) {
	replace := func(children []model.Rewrite) []model.Rewrite {
		children = slices.Clone(children)
		i := s.intn(len(children))
		if _, deeper := cutPart(s, children[i]); deeper != nil && s.intn(2) == 0 {
			children[i], part = cutPart(s, children[i])
		} else if !hasDirect(children[i]) {
			children[i], part = computed("part"), children[i]
		}
		return children
	}
	switch w := w.(type) {
	case model.Union:
		return model.Union{Children: replace(w.Children)}, part
	case model.Intersection:
		return model.Intersection{Children: replace(w.Children)}, part
	case model.Difference:
		both := replace([]model.Rewrite{w.Base, w.Subtract})
		return model.Difference{Base: both[0], Subtract: both[1]}, part
	}
	return w, nil
}

// Contextual tuples are worth as much as written ones, however the tuples are split between the two,
// and also where both hold the same tuple.
func TestOverlayEqualsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := casesOfAny(some).Draw(t, "case")
		var base, contextual []ostiary.Tuple
		for _, tuple := range c.tuples {
			place := rapid.SampledFrom([]string{"base", "contextual", "both"}).Draw(t, tuple.String())
			if place != "contextual" {
				base = append(base, tuple)
			}
			if place != "base" {
				contextual = append(contextual, tuple)
			}
		}
		want := newEngine(t.Context(), c, engine.Options{MaxDepth: deep})
		got := want
		got.reader = engine.Overlay(engine.NewMemory(edges(base)), edges(contextual))
		run := comparison{testCase: c, got: got, want: want, exact: true}
		if d := run.run(); d != nil {
			t.Fatalf("%vcontextual %v\n%v", c, contextual, d)
		}
	})
}
