package main

import (
	"slices"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine/oracle"
)

// TestScenesRepeat draws the same case twice, which -seed and -case promise.
func TestScenesRepeat(t *testing.T) {
	var models, questions []string
	for range 2 {
		for number := range uint64(20) {
			s := newScene(7, number, true)
			models = append(models, printModel(s.model))
			for range 20 {
				q := s.question()
				questions = append(questions, q.kind()+" "+jsonText(q.request))
			}
		}
	}
	if half := len(models) / 2; !slices.Equal(models[:half], models[half:]) {
		t.Error("the models differ")
	}
	if half := len(questions) / 2; !slices.Equal(questions[:half], questions[half:]) {
		t.Error("the questions differ")
	}
	if distinct := len(slices.Compact(slices.Sorted(slices.Values(models)))); distinct < 15 {
		t.Errorf("got %d models that differ, want at least 15 of 20", distinct)
	}
}

// TestAnswersDiffer shows that a difference is seen, and that the order of deletes is none.
func TestAnswersDiffer(t *testing.T) {
	for _, c := range []struct {
		name  string
		a, b  answer
		equal bool
	}{
		{"same", answer{Items: []string{"allowed"}}, answer{Items: []string{"allowed"}}, true},
		{"other words of an error", answer{Code: 2000, Message: "a"}, answer{Code: 2000, Message: "b"}, true},
		{"other answer", answer{Items: []string{"allowed"}}, answer{Items: []string{"denied"}}, false},
		{"other number", answer{Code: 2000}, answer{Code: 2021}, false},
		{"error and none", answer{Code: 2000}, answer{}, false},
		{"fewer", answer{Items: []string{"doc:a"}}, answer{Items: []string{"doc:a", "doc:b"}}, false},
	} {
		if got := c.a.equal(c.b); got != c.equal {
			t.Errorf("%s: got %t, want %t", c.name, got, c.equal)
		}
	}
	changes := []string{"WRITE b", "DELETE d", "DELETE c", "WRITE a", "DELETE b"}
	sortDeletes(changes)
	if want := []string{"WRITE b", "DELETE c", "DELETE d", "WRITE a", "DELETE b"}; !slices.Equal(changes, want) {
		t.Errorf("got %v, want %v", changes, want)
	}
}

// TestOnlyTheListedIsExplained holds the explanation of refusals to faults and to the calls they are of.
func TestOnlyTheListedIsExplained(t *testing.T) {
	unknownStore := answer{Code: codeStoreNotFound}
	check := question{request: &openfgav1.CheckRequest{}, faulty: true}
	if got := explainRefusal(check, unknownStore, answer{Code: 2001}); got != classStore {
		t.Errorf("unknown store: got class %q", got)
	}
	check.faulty = false
	if got := explainRefusal(check, unknownStore, answer{Code: 2001}); got != "" {
		t.Errorf("a store that exists: got class %q", got)
	}
	check.faulty = true
	if got := explainRefusal(check, answer{Code: codeValidation}, answer{Items: []string{"allowed"}}); got != "" {
		t.Errorf("a check that one refuses: got class %q", got)
	}
}

// TestOracleReadsConditions evaluates tuples whose conditions hold, and does not answer where one cannot
// be decided.
func TestOracleReadsConditions(t *testing.T) {
	decided := 0
	for number := range uint64(200) {
		s := newScene(3, number, true)
		for _, k := range s.tuples {
			c := conditionNamed(k.GetCondition().GetName())
			if c == nil {
				continue
			}
			o := state{model: s.model, tuples: []*openfgav1.TupleKey{k}}.oracle(nil, nil)
			holds, known := c.eval(k.GetCondition().GetContext().AsMap())
			if known != (o != nil) {
				t.Fatalf("%s: known %t, but oracle %v", keyText(k), known, o)
			}
			if o != nil && holds {
				decided++
			}
		}
	}
	if decided == 0 {
		t.Error("no condition was decided by the context of its tuple")
	}
}

// TestFollowedModel: the case of docs/conformance.md. The model as OpenFGA follows it allows what the
// model itself denies, and a "from" that is not recursive is left alone.
func TestFollowedModel(t *testing.T) {
	m, err := dsl.Compile("model.fga", []byte(`model
  schema 1.1
type user
type group
  relations
    define a: a from p or [user]
    define p: [group, folder]
    define q: [folder]
    define b: a from q
type folder
  relations
    define a: [folder]
    define b: [user]
    define p: [folder, group]
`))
	if err != nil {
		t.Fatal(err)
	}
	var tuples []ostiary.Tuple
	for _, text := range []string{
		"group:b#p@folder:a", "folder:a#p@folder:b", "folder:b#p@group:a", "group:a#a@user:b", "folder:a#a@folder:x",
	} {
		tuple, err := ostiary.ParseTuple(text)
		if err != nil {
			t.Fatal(err)
		}
		tuples = append(tuples, tuple)
	}
	group, user := ostiary.ObjectRef{Type: "group", ID: "b"}, ostiary.SubjectRef{Type: "user", ID: "b"}
	if oracle.New(m, tuples).Check(group, "a", user) {
		t.Error("the model itself allows")
	}
	followed := followedModel(m)
	if !oracle.New(followed, tuples).Check(group, "a", user) {
		t.Error("the model as OpenFGA follows it denies")
	}
	if rewrite := followed.Relation("folder", "b").Rewrite; rewrite != (model.Direct{}) {
		t.Errorf("folder#b was widened to %v", rewrite)
	}
}
