package dsl

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/dsl/model"
)

// The wrong example of a code has that fault, and the right one compiles.
func TestExplainExamples(t *testing.T) {
	for _, e := range explanations {
		if e.wrong == "" {
			continue
		}
		t.Run(e.code, func(t *testing.T) {
			compile := Compile
			if e.json {
				compile = CompileJSON
			}
			if e.annotation {
				compile = func(file string, text []byte) (*model.Model, error) {
					_, err := Annotations(file, text)
					return nil, err
				}
			}
			_, err := compile("wrong", []byte(e.wrong))
			var ds Diagnostics
			if !errors.As(err, &ds) {
				t.Fatalf("the wrong example compiles:\n%s", e.wrong)
			}
			if !slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Code == e.code }) {
				t.Errorf("the wrong example has other faults:\n%v", err)
			}
			if _, err := compile("right", []byte(e.right)); err != nil {
				t.Errorf("the right example does not compile:\n%v", err)
			}
		})
	}
}

// Every code of codes.go is explained, once, under a name of its own.
func TestExplainCoversCodes(t *testing.T) {
	text, err := os.ReadFile("codes.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	for _, m := range regexp.MustCompile(`= "(E\d{3})"`).FindAllStringSubmatch(string(text), -1) {
		declared = append(declared, m[1])
	}
	slices.Sort(declared)
	if got := Codes(); !slices.Equal(got, declared) {
		t.Errorf("Codes() = %v, want those of codes.go %v", got, declared)
	}
	names := map[string]bool{}
	for _, e := range explanations {
		if e.text == "" || names[e.name] {
			t.Errorf("%s: no text, or the name %q twice", e.code, e.name)
		}
		names[e.name] = true
	}
}

func TestExplain(t *testing.T) {
	for _, query := range []string{"E101", "e101", "undefined-type"} {
		text, ok := Explain(query)
		if !ok || !strings.HasPrefix(text, "E101 undefined-type\n") {
			t.Errorf("Explain(%q) = %q, %v", query, text, ok)
		}
	}
	if _, ok := Explain("E999"); ok {
		t.Error("Explain knows a code that does not exist")
	}
}
