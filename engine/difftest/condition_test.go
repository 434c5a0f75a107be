package difftest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/oracle"
)

// conditionalCase is a case whose tuples hang on conditions of known outcomes, and the context of its
// questions.
type conditionalCase struct {
	testCase
	edges      []ostiary.Edge
	contextual []ostiary.Edge // laid over edges
	judged     []oracle.Conditional
	request    map[string]any
}

// values are contexts of a tuple, each with what the condition comes to.
type values struct {
	context string
	outcome oracle.Outcome
}

// requests are contexts of a question, each with the values that a tuple may have then. The condition
// is "hour < 17".
var requests = []struct {
	context map[string]any
	values  []values
}{
	{nil, []values{{`{"hour":9}`, oracle.Holds}, {`{"hour":20}`, oracle.Fails}, {``, oracle.Unknown}}},
	{map[string]any{"hour": 9.0}, []values{{``, oracle.Holds}, {`{"hour":20}`, oracle.Fails}, {`{"hour":"no"}`, oracle.Unknown}}},
	{map[string]any{"hour": "20"}, []values{{`{"hour":"9"}`, oracle.Holds}, {``, oracle.Fails}, {`{"hour":1.5}`, oracle.Unknown}}},
	{map[string]any{"hour": true}, []values{{`{"hour":9}`, oracle.Holds}, {`{"hour":17}`, oracle.Fails}, {``, oracle.Unknown}}},
}

// conditional gives about half of the restrictions and tuples of c the condition.
func conditional(s source, c testCase) conditionalCase {
	out := conditionalCase{testCase: c}
	out.model = withConditions(s, c.model)
	request := requests[s.intn(len(requests))]
	out.request = request.context
	out.tuples = nil
	for _, t := range c.tuples {
		e := ostiary.Edge{Tuple: t}
		var outcomes []oracle.Conditional
		for i := range s.intn(3) { // none, one or two grants, all with the condition
			v := request.values[s.intn(len(request.values))]
			e.Conditions = append(e.Conditions, ostiary.Grant{
				Owner: fmt.Sprint("rule:", i), Condition: conditionName, Context: []byte(v.context)})
			outcomes = append(outcomes, oracle.Conditional{Tuple: t, Condition: conditionName, Outcome: v.outcome})
		}
		if outcomes == nil {
			outcomes = []oracle.Conditional{{Tuple: t}}
		}
		if s.intn(4) == 3 {
			out.contextual = append(out.contextual, e)
		} else {
			out.edges = append(out.edges, e)
		}
		out.judged = append(out.judged, outcomes...)
	}
	return out
}

func withConditions(s source, m *model.Model) *model.Model {
	var types []*model.Type
	for _, t := range m.Types {
		copied := &model.Type{Name: t.Name}
		for _, r := range t.Relations {
			relation := &model.Relation{Name: r.Name, Rewrite: r.Rewrite}
			for _, restriction := range r.Restrictions {
				restriction.Condition = ""
				which := s.intn(3) // plain, conditional, both
				if which != 1 {
					relation.Restrictions = append(relation.Restrictions, restriction)
				}
				if which != 0 {
					restriction.Condition = conditionName
					relation.Restrictions = append(relation.Restrictions, restriction)
				}
			}
			copied.Relations = append(copied.Relations, relation)
		}
		types = append(types, copied)
	}
	return model.New(m.Schema, types, []*model.Condition{{Name: conditionName, Expression: "hour < 17",
		Parameters: []model.Parameter{{Name: "hour", Type: model.ParameterType{Name: "int"}}}}})
}

func (c conditionalCase) String() string {
	text := printModel(c.model) + "tuples\n"
	for _, j := range c.judged {
		text += fmt.Sprintf("  %v %s outcome %d\n", j.Tuple, j.Condition, j.Outcome)
	}
	return text + fmt.Sprintf("  %d of %d are contextual\n", len(c.contextual), len(c.contextual)+len(c.edges))
}

func (c conditionalCase) GoString() string { return "\n" + c.String() }

// with returns the oracle with every unknown outcome replaced.
func (c conditionalCase) with(outcome oracle.Outcome) *oracle.Oracle {
	judged := slices.Clone(c.judged)
	for i := range judged {
		if judged[i].Outcome == oracle.Unknown {
			judged[i].Outcome = outcome
		}
	}
	return c.over(judged)
}

func (c conditionalCase) over(judged []oracle.Conditional) *oracle.Oracle {
	var objects []ostiary.ObjectRef
	for typ, ids := range c.ids {
		for _, id := range ids {
			objects = append(objects, ostiary.ObjectRef{Type: typ, ID: id})
		}
	}
	return oracle.NewConditional(c.model, judged).Over(objects)
}

// three is an answer to a check: allowed, denied or an error of a condition.
type three uint8

const (
	denied three = iota
	allowed
	undecided
	// either: recursion through a subtracted side denies, a condition on the way may be the error.
	either
)

func (t three) String() string {
	return [...]string{"denied", "allowed", "an error of a condition", "denied or an error of a condition"}[t]
}

// verdicts answers for the oracle.
type verdicts struct {
	known, fails, holds *oracle.Oracle
	unknown             bool // some outcome is
}

func newVerdicts(c conditionalCase) verdicts {
	return verdicts{known: c.over(c.judged), fails: c.with(oracle.Fails), holds: c.with(oracle.Holds),
		unknown: slices.ContainsFunc(c.judged, func(j oracle.Conditional) bool { return j.Outcome == oracle.Unknown })}
}

func (v verdicts) of(object ostiary.ObjectRef, relation string, s ostiary.SubjectRef) three {
	switch {
	case v.known.Check(object, relation, s):
		return allowed
	case !v.known.Undefined(object, relation, s), !v.unknown:
		return denied
	case v.fails.Undefined(object, relation, s), v.holds.Undefined(object, relation, s):
		return either
	}
	return undecided
}

// conditionalRun asks every question about a case.
type conditionalRun struct {
	conditionalCase
	ctx    context.Context
	engine *engine.Engine
	plan   *engine.Plan
	reader engine.Reader
	want   verdicts
	counts [either + 1]int // checks by what was wanted
}

func newConditionalRun(ctx context.Context, c conditionalCase) *conditionalRun {
	return &conditionalRun{conditionalCase: c, ctx: ctx, engine: engine.New(engine.Options{MaxDepth: deep}), plan: engine.Compile(c.model),
		reader: engine.Overlay(engine.NewMemory(c.edges), c.contextual), want: newVerdicts(c)}
}

// by makes the run go about questions in one way.
func (r *conditionalRun) by(w way) *conditionalRun {
	r.engine = engine.New(engine.Options{MaxDepth: deep, UserSteps: w.steps})
	if !w.packed {
		r.reader = engine.Overlay(newOpening(r.edges, w.seed), r.contextual)
	}
	return r
}

// run says what is wrong, or nothing.
func (r *conditionalRun) run() string {
	for _, ask := range []func() string{r.checks, r.objectLists, r.userLists} {
		if wrong := ask(); wrong != "" {
			return wrong
		}
	}
	return ""
}

func (r *conditionalRun) checks() string {
	for i, n := range r.nodes() {
		for j, s := range r.subjects() {
			want := r.want.of(n.object, n.relation, s)
			r.counts[want]++
			q := engine.CheckQuery{Object: n.object, Relation: n.relation, Subject: s, Context: r.request}
			d, err := r.engine.Check(r.ctx, r.plan, r.reader, q)
			got := denied
			switch {
			case errors.Is(err, ostiary.ErrConditionUndecided):
				got = undecided
			case err != nil:
				return fmt.Sprintf("check %v: %v", q, err)
			case d == ostiary.Allowed:
				got = allowed
			}
			if got != want && (want != either || got == allowed) {
				return fmt.Sprintf("check %v\ngot  %v (%v)\nwant %v", q, got, err, want)
			}
			if (i+j)%5 != 0 {
				continue
			}
			e, err := r.engine.Explain(r.ctx, r.plan, r.reader, q)
			outcome := map[three]engine.Outcome{denied: engine.OutcomeDenied, allowed: engine.OutcomeAllowed, undecided: engine.OutcomeError}[got]
			if want == either && err == nil && e.Outcome != engine.OutcomeAllowed {
				outcome = e.Outcome // an explanation never walks from the subject, and may meet the condition
			}
			if err != nil || e.Outcome != outcome {
				return fmt.Sprintf("explain %v\ngot  %v %v\nwant %v", q, e, err, outcome)
			}
		}
	}
	return ""
}

func (r *conditionalRun) objectLists() string {
	for _, t := range r.model.Types {
		for _, relation := range t.Relations {
			for _, s := range r.subjects() {
				q := engine.ListObjectsQuery{Type: t.Name, Relation: relation.Name, Subject: s, Context: r.request}
				got, err := r.engine.ListObjects(r.ctx, r.plan, r.reader, q)
				open, must := false, false
				for _, id := range r.ids[t.Name] {
					want := r.want.of(ostiary.ObjectRef{Type: t.Name, ID: id}, relation.Name, s)
					open, must = open || want >= undecided, must || want == undecided
				}
				want := r.want.known.ListObjects(t.Name, relation.Name, s)
				switch {
				case err != nil && (!open || !errors.Is(err, ostiary.ErrConditionUndecided)):
					return fmt.Sprintf("list-objects %v: %v, want %v", q, err, want)
				case err == nil && (must || !slices.Equal(got, want)):
					return fmt.Sprintf("list-objects %v\ngot  %v\nwant %v, or an error: %t", q, got, want, must)
				}
			}
		}
	}
	return ""
}

func (r *conditionalRun) userLists() string {
	for _, n := range r.nodes() {
		for _, filter := range filters(r.model) {
			q := engine.ListUsersQuery{Object: n.object, Relation: n.relation, Context: r.request,
				Filter: engine.UserFilter{Type: filter.Type, Relation: filter.Relation}}
			got, err := r.engine.ListUsers(r.ctx, r.plan, r.reader, q)
			if err != nil {
				// It may fail at any condition on the way.
				if !r.want.unknown || !errors.Is(err, ostiary.ErrConditionUndecided) {
					return fmt.Sprintf("list-users %v: %v", q, err)
				}
				continue
			}
			c := comparison{testCase: r.testCase, want: judge{r.want.known}, all: r.subjects()}
			if why := c.compareUsers(n, filter, got); why != "" {
				return fmt.Sprintf("list-users %v: got %v: %s", q, got, why)
			}
			for _, s := range c.all {
				if s.Type == filter.Type && s.Relation == filter.Relation && r.want.of(n.object, n.relation, s) == undecided {
					return fmt.Sprintf("list-users %v: got %v, but %v cannot be decided", q, got, s)
				}
			}
		}
	}
	return ""
}

// Tuples with conditions, engine against oracle: Kleene's logic over the well-founded model.
func TestConditionsEqualOracle(t *testing.T) {
	for _, f := range append(slices.Clone(families), monotone) {
		t.Run(f.name, rapid.MakeCheck(func(t *rapid.T) {
			s := rapidSource{t}
			c := conditional(s, f.generate(s).withStranger())
			w := drawWay(t)
			if wrong := newConditionalRun(t.Context(), c).by(w).run(); wrong != "" {
				t.Fatalf("%v%s: %s", c, w.name, wrong)
			}
		}))
	}
}

// The same on evenly drawn cases, and every kind of answer occurs.
func TestConditionsSoak(t *testing.T) {
	var counts [either + 1]int
	fs := append(slices.Clone(families), monotone)
	for i := range uint64(*soakCases) {
		seed := *soakSeed + i
		s := randomSource{rand.New(rand.NewPCG(seed, 1))}
		f := fs[seed%uint64(len(fs))]
		w := engineWays[seed/uint64(len(fs))%uint64(len(engineWays))]
		w.seed = seed
		run := newConditionalRun(t.Context(), conditional(s, f.generate(s).withStranger())).by(w)
		if wrong := run.run(); wrong != "" {
			t.Errorf("family %s, %s; repeat with -run TestConditionsSoak -ostiary.diff.cases 1 -ostiary.diff.seed %d\n%v%s", f.name, w.name, seed, run.conditionalCase, wrong)
		}
		for kind, n := range run.counts {
			counts[kind] += n
		}
	}
	for kind, n := range counts {
		t.Logf("%d checks were to be %v", n, three(kind))
		if n == 0 && *soakCases >= 100 {
			t.Errorf("no check was to be %v: the cases show too little", three(kind))
		}
	}
}
