package main

import (
	"slices"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
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
