package modeltest

import (
	"context"
	"slices"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// Options says how a suite is run.
type Options struct {
	// Only chooses tests by name; nil runs all.
	Only func(test string) bool
	// Engine answers the questions; nil is one with the defaults, which are those of a server.
	Engine *engine.Engine
}

// Result is what came out of a suite.
type Result struct {
	File     string       `json:"file"`
	Name     string       `json:"name,omitempty"`
	Tests    []TestResult `json:"tests"`
	Passed   int          `json:"passed"`  // assertions
	Failed   int          `json:"failed"`  // assertions
	Skipped  int          `json:"skipped"` // tests that were not chosen
	Coverage Coverage     `json:"coverage"`
}

// TestResult is what came out of one test.
type TestResult struct {
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Line        int           `json:"line"`
	Passed      bool          `json:"passed"`
	Duration    time.Duration `json:"duration_ns"`
	Assertions  []Assertion   `json:"assertions"`
}

// Assertion is one question with what was expected and what was answered.
type Assertion struct {
	Kind     Kind           `json:"kind"`
	Question string         `json:"question"`
	Line     int            `json:"line"`
	Context  map[string]any `json:"context,omitempty"`
	Passed   bool           `json:"passed"`
	// Expected and Got are "allowed" or "denied" of a check, and sorted members of a list. Got is empty
	// beside an Error.
	Expected []string `json:"expected"`
	Got      []string `json:"got"`
	// Missing are expected members that the list lacks, Unexpected those that it has beyond.
	Missing    []string `json:"missing,omitempty"`
	Unexpected []string `json:"unexpected,omitempty"`
	// Error says why there is no answer.
	Error string `json:"error,omitempty"`
	// Why says how the answer came about: of a failed check its explanation, of a failed list those of
	// the first members that differ.
	Why []*engine.Explanation `json:"why,omitempty"`
}

// The bounds of what is explained.
const (
	maxWhy     = 3  // members of one failed list
	maxCovered = 50 // members of one list, for the coverage
)

// Run asks every question of the tests that were chosen. The error is that of a cancelled context; a
// question that has no answer is a failed assertion.
func (s *Suite) Run(ctx context.Context, o Options) (*Result, error) {
	r := &runner{suite: s, engine: o.Engine, plan: engine.Compile(s.Model), shared: engine.NewMemory(edges(s.Tuples)),
		coverage: newCoverage(s.Model)}
	if r.engine == nil {
		r.engine = engine.New(engine.Options{})
	}
	out := &Result{File: s.File, Name: s.Name, Tests: []TestResult{}}
	for _, t := range s.Tests {
		if o.Only != nil && !o.Only(t.Name) {
			out.Skipped++
			continue
		}
		result, err := r.test(ctx, t)
		if err != nil {
			return nil, err
		}
		for _, a := range result.Assertions {
			if a.Passed {
				out.Passed++
			} else {
				out.Failed++
			}
		}
		out.Tests = append(out.Tests, result)
	}
	out.Coverage = r.coverage.result()
	return out, nil
}

// runner runs the tests of one suite, one after the other.
type runner struct {
	suite    *Suite
	engine   *engine.Engine
	plan     *engine.Plan
	shared   *engine.Memory // the suite's tuples
	reader   engine.Reader  // these and those of the test at hand
	coverage *coverage
}

func edges(tuples []Tuple) []ostiary.Edge {
	out := make([]ostiary.Edge, len(tuples))
	for i, t := range tuples {
		out[i] = t.Edge
	}
	return out
}

func (r *runner) test(ctx context.Context, t Test) (TestResult, error) {
	started := time.Now()
	r.reader = r.shared
	if len(t.Tuples) > 0 {
		r.reader = engine.Overlay(r.shared, edges(t.Tuples))
	}
	out := TestResult{Name: t.Name, Description: t.Description, Line: t.Line, Passed: true, Assertions: []Assertion{}}
	for _, q := range t.Questions {
		a := r.ask(ctx, q)
		if err := ctx.Err(); err != nil {
			return out, err
		}
		out.Passed = out.Passed && a.Passed
		out.Assertions = append(out.Assertions, a)
	}
	out.Duration = time.Since(started)
	return out, nil
}

// ask asks one question and judges the answer.
func (r *runner) ask(ctx context.Context, q Question) Assertion {
	a := Assertion{Kind: q.Kind, Question: q.String(), Line: q.Line, Context: q.Context, Expected: q.expected(), Got: []string{}}
	got, err := r.answer(ctx, q)
	if err != nil {
		a.Error = err.Error()
		return a
	}
	a.Got = got
	a.Passed = slices.Equal(a.Got, a.Expected)
	if q.Kind != KindCheck && !a.Passed {
		a.Missing, a.Unexpected = without(a.Expected, a.Got), without(a.Got, a.Expected)
	}
	r.explain(ctx, q, &a)
	return a
}

func (q Question) expected() []string {
	switch {
	case q.Kind != KindCheck:
		return q.Members
	case q.Allowed:
		return []string{ostiary.Allowed.String()}
	}
	return []string{ostiary.Denied.String()}
}

// answer asks the engine: "allowed" or "denied", or the members of a list, sorted.
func (r *runner) answer(ctx context.Context, q Question) ([]string, error) {
	out := []string{}
	switch q.Kind {
	case KindCheck:
		d, err := r.engine.Check(ctx, r.plan, r.reader, q.check())
		return []string{d.String()}, err
	case KindListObjects:
		objects, err := r.engine.ListObjects(ctx, r.plan, r.reader, q.listObjects())
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			out = append(out, o.String())
		}
	case KindListUsers:
		for _, f := range q.Filters {
			users, err := r.engine.ListUsers(ctx, r.plan, r.reader, q.listUsers(f))
			if err != nil {
				return nil, err
			}
			for _, u := range users {
				out = append(out, u.String())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (q Question) check() engine.CheckQuery {
	return engine.CheckQuery{Object: q.Object, Relation: q.Relation, Subject: q.Subject, Context: q.Context}
}

func (q Question) listObjects() engine.ListObjectsQuery {
	return engine.ListObjectsQuery{Type: q.Type, Relation: q.Relation, Subject: q.Subject, Context: q.Context}
}

func (q Question) listUsers(f Filter) engine.ListUsersQuery {
	return engine.ListUsersQuery{Object: q.Object, Relation: q.Relation, Filter: engine.UserFilter{Type: f.Type, Relation: f.Relation}, Context: q.Context}
}

// explain asks why the answer came out as it did, for the coverage, and for people where it is wrong.
func (r *runner) explain(ctx context.Context, q Question, a *Assertion) {
	if q.Kind == KindCheck {
		why := r.why(ctx, q.check())
		if why != nil && !a.Passed {
			a.Why = append(a.Why, why)
		}
		return
	}
	typ := q.Type
	if q.Kind == KindListUsers {
		typ = q.Object.Type
	}
	r.coverage.relation(typ, q.Relation)
	for i, member := range slices.Concat(a.Unexpected, a.Missing, a.Got) {
		if i >= maxCovered {
			return
		}
		why := r.why(ctx, q.about(member))
		if why != nil && i < len(a.Unexpected)+len(a.Missing) && len(a.Why) < maxWhy {
			a.Why = append(a.Why, why)
		}
	}
}

// about returns the check that decides whether a member belongs into a list.
func (q Question) about(member string) engine.CheckQuery {
	c := q.check()
	if q.Kind == KindListObjects {
		c.Object, _ = ostiary.ParseObject(member)
	} else {
		c.Subject, _ = ostiary.ParseSubject(member)
	}
	return c
}

// why explains a check, or returns nil where that has no answer.
func (r *runner) why(ctx context.Context, q engine.CheckQuery) *engine.Explanation {
	x, err := r.engine.Explain(ctx, r.plan, r.reader, q)
	if err != nil {
		return nil
	}
	r.coverage.note(ctx, x, r.reader)
	return x
}

// without returns the members of a that b lacks; both are sorted.
func without(a, b []string) []string {
	var out []string
	for _, member := range a {
		if _, found := slices.BinarySearch(b, member); !found {
			out = append(out, member)
		}
	}
	return out
}
