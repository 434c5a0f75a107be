package dsl

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const shared = "../../shared"

func sharedFiles(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(shared, pattern))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Skipf("%s/%s is not present", shared, pattern)
	}
	return found
}

func TestKubernetesModel(t *testing.T) {
	for _, path := range sharedFiles(t, "data/kubernetes-org/model.fga") {
		roundTrip(t, readFile(t, path))
	}
}

// Every model of OpenFGA's own tests compiles and survives every way from one form to another, except
// where a stage is about the experimental $expression.
func TestOpenFGAModels(t *testing.T) {
	compiled := 0
	for _, path := range sharedFiles(t, "conformance/openfga/*.yaml") {
		var suite struct {
			Tests []struct {
				Name   string
				Stages []struct{ Model string }
			}
		}
		if err := yaml.Unmarshal(readFile(t, path), &suite); err != nil {
			t.Fatal(err)
		}
		for _, test := range suite.Tests {
			for _, stage := range test.Stages {
				if strings.Contains(stage.Model, "$expression") {
					continue
				}
				compiled++
				t.Run(test.Name, func(t *testing.T) { roundTrip(t, []byte(stage.Model)) })
			}
		}
	}
	t.Logf("%d models", compiled)
	if compiled == 0 {
		t.Error("the files hold no model")
	}
}

// Every model of SpiceDB's tests compiles, and its two forms are one model.
func TestSpiceDBModels(t *testing.T) {
	compiled := 0
	for _, path := range sharedFiles(t, "conformance/spicedb/*.json") {
		if filepath.Base(path) == "INDEX.json" {
			continue
		}
		var file struct {
			Model json.RawMessage `json:"model"`
			DSL   string          `json:"model_dsl"`
		}
		if err := json.Unmarshal(readFile(t, path), &file); err != nil {
			t.Fatal(err)
		}
		compiled++
		t.Run(filepath.Base(path), func(t *testing.T) {
			fromText := roundTrip(t, []byte(file.DSL))
			fromJSON, err := CompileJSON(path, file.Model)
			if err != nil {
				t.Fatal(err)
			}
			for _, typ := range fromText.Types { // JSON has no order among the relations of a type
				for _, r := range typ.Relations {
					other := fromJSON.Relation(typ.Name, r.Name)
					if !reflect.DeepEqual(other, r) {
						t.Errorf("%s#%s is %+v in JSON and %+v in the DSL", typ.Name, r.Name, other, r)
					}
				}
			}
		})
	}
	if compiled == 0 {
		t.Error("the files hold no model")
	}
}
