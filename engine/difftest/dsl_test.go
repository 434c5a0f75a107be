package difftest

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
)

// A model that is printed and compiled again answers alike, as DSL and as JSON.
func TestPrintedModelAnswersAlike(t *testing.T) {
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := casesOfAny(some).Draw(t, "case")
		for _, again := range reprint(t, c.model) {
			if again == nil {
				refused++
				continue
			}
			accepted++
			printed := c
			printed.model = again
			run := comparison{testCase: c, exact: true,
				got: newEngine(t.Context(), printed, engine.Options{MaxDepth: deep}), want: newEngine(t.Context(), c, engine.Options{MaxDepth: deep})}
			if d := run.run(); d != nil {
				t.Fatalf("%vprinted\n%s%v", c, dsl.Print(c.model), d)
			}
		}
	})
	if t.Logf("the compiler accepted %d models and refused %d", accepted, refused); accepted < refused/10 {
		t.Error("too few are compared")
	}
}

// reprint returns the model by way of DSL and of JSON; nil where the compiler refuses it, as it may:
// some families make models on purpose that have a meaning and break its rules.
func reprint(t *rapid.T, m *model.Model) []*model.Model {
	fromText, err := dsl.Compile("model.fga", dsl.Print(m))
	if refused(t, err) {
		fromText = nil
	}
	data, err := dsl.JSON(m)
	if err != nil {
		t.Fatalf("%s: no JSON: %v", dsl.Print(m), err)
	}
	fromJSON, err := dsl.CompileJSON("model.json", data)
	if refused(t, err) {
		fromJSON = nil
	}
	return []*model.Model{fromText, fromJSON}
}

// refused reports whether err refuses a model, and ends the test at any other error.
func refused(t *rapid.T, err error) bool {
	var diagnostics dsl.Diagnostics
	if err != nil && !errors.As(err, &diagnostics) {
		t.Fatalf("compile: %v", err)
	}
	return err != nil
}
