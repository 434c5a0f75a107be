package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/condition"
	"github.com/ostiary/ostiary/engine"
)

// TestScripts runs the scripts of testdata; testdata/README.md describes their language.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.HasSuffix(path, ".md") {
			return
		}
		s := &script{t: t, tuples: map[ostiary.Tuple]ostiary.Edge{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			return s.run(d)
		})
	})
}

// script is the state of one file.
type script struct {
	t       *testing.T
	plan    *engine.Plan
	tuples  map[ostiary.Tuple]ostiary.Edge
	options engine.Options
	context map[string]any
}

func (s *script) run(d *datadriven.TestData) string {
	switch d.Cmd {
	case "model":
		m, err := dsl.Compile("model", []byte(d.Input))
		if err != nil {
			d.Fatalf(s.t, "%v", err)
		}
		s.plan = engine.Compile(m)
		return "ok"
	case "write", "delete":
		return s.write(d)
	case "options":
		s.options = engine.Options{}
		d.MaybeScanArgs(s.t, "max-depth", &s.options.MaxDepth)
		d.MaybeScanArgs(s.t, "max-reads", &s.options.MaxReads)
		return "ok"
	}
	if d.Cmd == "context" {
		s.context = s.object(d, d.Input)
		return "ok"
	}
	ask, ok := map[string]func(engine.Reader, string) (string, error){
		"check":         s.check,
		"check-explain": s.explain,
		"list-objects":  s.listObjects,
		"list-users":    s.listUsers,
		"expand":        s.expand,
	}[d.Cmd]
	if !ok {
		d.Fatalf(s.t, "unknown directive %q; testdata/README.md lists them", d.Cmd)
	}
	return s.ask(d, ask)
}

// ask puts the question on each line of the input.
func (s *script) ask(d *datadriven.TestData, ask func(engine.Reader, string) (string, error)) string {
	var contextual []ostiary.Edge
	for _, arg := range d.CmdArgs {
		if arg.Key != "with" {
			d.Fatalf(s.t, "unknown argument %q", arg.Key)
		}
		for _, text := range arg.Vals {
			contextual = append(contextual, s.edge(d, text))
		}
	}
	var b strings.Builder
	questions := lines(d.Input)
	for _, question := range questions {
		reader := engine.Overlay(engine.NewMemory(sortedEdges(s.tuples)), contextual)
		answer, err := ask(reader, question)
		if err != nil {
			answer = "error: " + sentinel(s.t, err)
		}
		if len(questions) > 1 {
			fmt.Fprintf(&b, "%s: ", question)
			if strings.Contains(answer, "\n") {
				b.WriteByte('\n')
			}
		}
		b.WriteString(strings.TrimSuffix(answer, "\n") + "\n")
	}
	return b.String()
}

func lines(text string) []string {
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func sortedEdges(tuples map[ostiary.Tuple]ostiary.Edge) []ostiary.Edge {
	var all []ostiary.Edge
	for _, e := range tuples {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b ostiary.Edge) int { return a.Tuple.Compare(b.Tuple) })
	return all
}

// sentinel returns the text of the root package's sentinel that err is. An error that is none fails.
func sentinel(t *testing.T, err error) string {
	t.Helper()
	for _, sentinel := range ostiary.Sentinels() {
		if errors.Is(err, sentinel) {
			return sentinel.Error()
		}
	}
	t.Fatalf("the error is none of the sentinels: %v", err)
	return ""
}

func (s *script) write(d *datadriven.TestData) string {
	for _, line := range lines(d.Input) {
		e := s.edge(d, line)
		if d.Cmd == "write" {
			s.tuples[e.Tuple] = e
			continue
		}
		if _, ok := s.tuples[e.Tuple]; !ok {
			d.Fatalf(s.t, "%s is not there", e.Tuple)
		}
		delete(s.tuples, e.Tuple)
	}
	return fmt.Sprintf("%d tuples", len(s.tuples))
}

func (s *script) object(d *datadriven.TestData, text string) map[string]any {
	out, err := condition.DecodeContext([]byte(strings.TrimSpace(text)))
	if err != nil {
		d.Fatalf(s.t, "%s: %v", text, err)
	}
	return out
}

func (s *script) query(question string) engine.CheckQuery {
	q := query(s.t, question)
	q.Context = s.context
	return q
}

// edge parses "tuple", "tuple with condition" or "tuple with condition {context}".
func (s *script) edge(d *datadriven.TestData, text string) ostiary.Edge {
	text, condition, _ := strings.Cut(text, " with ")
	condition, values, _ := strings.Cut(condition, " ")
	tuple, err := ostiary.ParseTuple(text)
	if err != nil {
		d.Fatalf(s.t, "%v", err)
	}
	e := ostiary.Edge{Tuple: tuple}
	if condition != "" {
		s.object(d, values)
		e.Conditions = []ostiary.Grant{{Owner: ostiary.OwnerAPI, Condition: condition, Context: []byte(values)}}
	}
	return e
}

func (s *script) engine() *engine.Engine { return engine.New(s.options) }

func (s *script) check(r engine.Reader, question string) (string, error) {
	q := s.query(question)
	d, err := s.engine().Check(s.t.Context(), s.plan, r, q)
	s.compareExplanation(r, q, d, err)
	return d.String(), err
}

// compareExplanation requires that Explain comes to the same as Check. Every check of every script
// passes through here.
func (s *script) compareExplanation(r engine.Reader, q engine.CheckQuery, d ostiary.Decision, err error) {
	s.t.Helper()
	x, explainErr := s.engine().Explain(s.t.Context(), s.plan, r, q)
	want := engine.Outcome(d.String())
	switch {
	case errors.Is(err, ostiary.ErrDepthExceeded):
		want = engine.OutcomeDepth
	case errors.Is(err, ostiary.ErrConditionUndecided):
		want = engine.OutcomeError
	case err != nil:
		if explainErr == nil {
			s.t.Errorf("%s: Check fails with %v, Explain does not", q, err)
		}
		return
	}
	if explainErr != nil || x.Outcome != want {
		s.t.Errorf("%s: Explain says %v, %v, want %s", q, x, explainErr, want)
		return
	}
	verifyExplanation(s.t, q, x)
}

func (s *script) explain(r engine.Reader, question string) (string, error) {
	x, err := s.engine().Explain(s.t.Context(), s.plan, r, s.query(question))
	if err != nil {
		return "", err
	}
	return x.String(), nil
}

// listObjects asks "type#relation@subject" and compares the answer with Check on every object of the
// type that some tuple mentions.
func (s *script) listObjects(r engine.Reader, question string) (string, error) {
	name, subject, _ := strings.Cut(question, "@")
	typ, relation, _ := strings.Cut(name, "#")
	user, err := ostiary.ParseSubject(subject)
	if err != nil {
		return "", err
	}
	q := engine.ListObjectsQuery{Type: typ, Relation: relation, Subject: user, Context: s.context}
	objects, err := s.engine().ListObjects(s.t.Context(), s.plan, r, q)
	if err != nil {
		return "", err
	}
	for _, object := range s.mentioned() {
		if object.Type == typ && object.ID != ostiary.Wildcard {
			s.compareList(r, engine.CheckQuery{Object: object, Relation: relation, Subject: user}, slices.Contains(objects, object))
		}
	}
	return text(objects), nil
}

// listUsers asks "object#relation@shape" and compares the answer with Check likewise.
func (s *script) listUsers(r engine.Reader, question string) (string, error) {
	userset, shape, _ := strings.Cut(question, "@")
	name, relation, _ := strings.Cut(userset, "#")
	object, err := ostiary.ParseObject(name)
	if err != nil {
		return "", err
	}
	q := engine.ListUsersQuery{Object: object, Relation: relation, Context: s.context}
	q.Filter.Type, q.Filter.Relation, _ = strings.Cut(shape, "#")
	users, err := s.engine().ListUsers(s.t.Context(), s.plan, r, q)
	if err != nil {
		return "", err
	}
	everyone := slices.ContainsFunc(users, ostiary.SubjectRef.IsWildcard)
	for _, o := range append(s.mentioned(), ostiary.ObjectRef{Type: q.Filter.Type, ID: "nobody"}) {
		user := ostiary.SubjectRef{Type: o.Type, ID: o.ID, Relation: q.Filter.Relation}
		listed := slices.Contains(users, user)
		if o.Type != q.Filter.Type || o.ID == ostiary.Wildcard && q.Filter.Relation != "" || everyone && !listed && o.ID != "nobody" {
			continue // users that the wildcard covers may be missing
		}
		s.compareList(r, engine.CheckQuery{Object: object, Relation: relation, Subject: user}, listed || everyone && o.ID == "nobody")
	}
	return text(users), nil
}

// mentioned returns the objects of all tuples, as objects and as subjects.
func (s *script) mentioned() []ostiary.ObjectRef {
	var all []ostiary.ObjectRef
	for _, e := range sortedEdges(s.tuples) {
		all = append(all, e.Object, e.Subject.Object())
	}
	return all
}

func (s *script) compareList(r engine.Reader, q engine.CheckQuery, listed bool) {
	s.t.Helper()
	q.Context = s.context
	d, err := s.engine().Check(s.t.Context(), s.plan, r, q)
	if err != nil && errors.Is(err, ostiary.ErrDepthExceeded) {
		return
	}
	if err != nil || (d == ostiary.Allowed) != listed {
		s.t.Errorf("%s: listed is %v, but Check says %v, %v", q, listed, d, err)
	}
}

func text[T fmt.Stringer](all []T) string {
	if len(all) == 0 {
		return "(none)"
	}
	var b strings.Builder
	for i, one := range all {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(one.String())
	}
	return b.String()
}

func (s *script) expand(r engine.Reader, question string) (string, error) {
	name, relation, _ := strings.Cut(question, "#")
	object, err := ostiary.ParseObject(name)
	if err != nil {
		return "", err
	}
	x, err := s.engine().Expand(s.t.Context(), s.plan, r, object, relation)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	writeExpansion(&b, x, 0)
	return b.String(), nil
}

func writeExpansion(b *strings.Builder, x *engine.Expansion, indent int) {
	fmt.Fprintf(b, "%s%s#%s %s", strings.Repeat("  ", indent), x.Object, x.Relation, x.Kind)
	if x.Tupleset != "" {
		fmt.Fprintf(b, " of %s", x.Tupleset)
	}
	for _, s := range append(slices.Clone(x.Subjects), x.Usersets...) {
		fmt.Fprintf(b, " %s", s)
	}
	b.WriteByte('\n')
	for _, child := range x.Children {
		writeExpansion(b, child, indent+1)
	}
}
