package decisionlog

import (
	"strings"
	"testing"
)

var testMethods = []string{"BatchCheck", "Check", "ListObjects"}

// TestRules: the first rule that matches decides, and what none matches is not written.
func TestRules(t *testing.T) {
	rules, err := ParseRules("rules.yaml", []byte(`
# what nobody reads
- {store: S9, ratio: 0}
- result: [denied, error]
- method: [Check, BatchCheck]
  object_type: doc
  relation: viewer
  ratio: 1
`), testMethods)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		store, method, result, object, relation string
		want                                    bool
	}{
		{"S9", "Check", Denied, "doc:1", "viewer", false}, {"S1", "Check", Denied, "folder:1", "owner", true},
		{"S1", "ListObjects", Failed, "doc", "viewer", true}, {"S1", "Check", Allowed, "doc:1", "viewer", true},
		{"S1", "BatchCheck", Allowed, "doc:1", "owner", false}, {"S1", "Check", Allowed, "document:1", "viewer", false},
		{"S1", "ListObjects", Listed, "doc", "viewer", false},
	} {
		if got := rules.want(c.store, c.method, c.result, c.object, c.relation); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
		if !Rules(nil).want(c.store, c.method, c.result, c.object, c.relation) {
			t.Errorf("%+v: not written without rules", c)
		}
	}
}

// TestRatio: a share of 0.3 is neither nothing nor everything, nor far from it.
func TestRatio(t *testing.T) {
	rules, n := Rules{{Ratio: 0.3}}, 0
	for range 10000 {
		if rules.want("s", "Check", Allowed, "doc:1", "viewer") {
			n++
		}
	}
	if n < 2500 || n > 3500 { // ten standard deviations
		t.Errorf("%d of 10000 were picked", n)
	}
}

// TestRulesAtFault: each fault is told with its line and key.
func TestRulesAtFault(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "holds no rules",
		"[]":                           "r:1: the list of rules is empty",
		"store: a":                     "r:1: the file is no list",
		"- a":                          "r:1: a rule is no list of KEY: VALUE",
		"- store: a\n  stoer: b":       "r:2: stoer: there is no such key: a rule has store, method",
		"- store: a\n- result: maybe":  `r:2: result: "maybe" is none of allowed, denied, listed, error`,
		"- method: Read":               `r:1: method: "Read" is none of BatchCheck, Check, ListObjects`,
		"- ratio: 2":                   `r:1: ratio: "2" is not a share from 0 to 1`,
		"- ratio: [1]":                 "r:1: ratio: ",
		"- ratio: .nan":                "r:1: ratio: ",
		"- store: []":                  "r:1: store: the list is empty",
		"- store:":                     "r:1: store: it is neither a text nor a list",
		"- store: {a: b}":              "r:1: store: it is neither a text nor a list",
		"- ratio: 1\n  ratio: 0":       "ratio",
		"- {store: a, relation: [[]]}": "r:1: relation: ",
		"- store: [a":                  "r: yaml",
	} {
		if _, err := ParseRules("r", []byte(text), testMethods); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseRules("r", []byte("- ratio: 3\n- result: no"), testMethods); err == nil || strings.Count(err.Error(), "r:") != 2 {
		t.Errorf("not every fault is told: %v", err)
	}
	if _, err := ParseRules("r", make([]byte, maxRulesBytes+1), nil); err == nil {
		t.Error("a file without bound was read")
	}
}
