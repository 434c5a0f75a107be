package dsl

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary/dsl/model"
)

// The compiled model says what the text says.
func TestCompileModel(t *testing.T) {
	m, err := Compile("model.fga", []byte(doc(
		"define parent: [doc]",
		"define banned: [user, user:*, doc#banned with c]",
		"define viewer: ([user] or viewer from parent) but not banned")+
		"condition c(x: list<map<int>>, at: timestamp) { x[0].a < 1 # never\n }\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := model.New(model.Schema11, []*model.Type{
		{Name: "user", Relations: []*model.Relation{}},
		{Name: "doc", Relations: []*model.Relation{
			{Name: "parent", Rewrite: model.Direct{}, Restrictions: []model.Restriction{{Type: "doc"}}},
			{Name: "banned", Rewrite: model.Direct{}, Restrictions: []model.Restriction{
				{Type: "user"}, {Type: "user", Wildcard: true}, {Type: "doc", Relation: "banned", Condition: "c"}}},
			{Name: "viewer",
				Rewrite: model.Difference{
					Base:     model.Union{Children: []model.Rewrite{model.Direct{}, model.TupleToUserset{Tupleset: "parent", Computed: "viewer"}}},
					Subtract: model.ComputedUserset{Relation: "banned"},
				},
				Restrictions: []model.Restriction{{Type: "user"}}},
		}},
	}, []*model.Condition{{
		Name: "c",
		Parameters: []model.Parameter{
			{Name: "x", Type: model.ParameterType{Name: "list", Element: &model.ParameterType{Name: "map", Element: &model.ParameterType{Name: "int"}}}},
			{Name: "at", Type: model.ParameterType{Name: "timestamp"}},
		},
		Expression: "x[0].a < 1",
	}})
	if !reflect.DeepEqual(m, want) {
		t.Errorf("got\n%s\nwant\n%s", Print(m), Print(want))
	}
}

// CompileJSON takes every way in which fields are spelt, and what the API of OpenFGA lets pass.
func TestCompileJSONForms(t *testing.T) {
	snake := `{"schema_version": "1.1", "type_definitions": [{"type": "user"}, {"type": "doc", "relations": {
		"parent": {"this": {}},
		"a": {"tuple_to_userset": {"tupleset": {"object": "", "relation": "parent"}, "computed_userset": {"object": "", "relation": "b"}}},
		"b": {"this": {}}, "c": {"computed_userset": {"relation": "b"}}},
		"metadata": {"relations": {
			"parent": {"directly_related_user_types": [{"type": "doc"}]},
			"b": {"directly_related_user_types": [{"type": "user", "condition": ""}]},
			"c": {"directly_related_user_types": []}}}}]}`
	want, err := CompileJSON("snake", []byte(snake))
	if err != nil {
		t.Fatal(err)
	}
	camel := strings.NewReplacer("schema_version", "schemaVersion", "type_definitions", "typeDefinitions",
		"tuple_to_userset", "tupleToUserset", "computed_userset", "computedUserset",
		"directly_related_user_types", "directlyRelatedUserTypes").Replace(snake)
	for name, text := range map[string]string{
		"camelCase": camel,
		"wrapped":   `{"authorization_model": ` + snake + `}`,
		"with id":   `{"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "conditions": null, ` + snake[1:],
		"nulls":     strings.Replace(snake, `{"type": "user"}`, `{"type": "user", "relations": null, "metadata": null}`, 1),
	} {
		got, err := CompileJSON(name, []byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: another model, or the error:\n%v", name, err)
		}
	}

	modular := strings.Replace(snake, `"metadata": {`, `"metadata": {"module": "m", "source_info": {"file": "m.fga"}, `, 1)
	if got, err := CompileJSON("modular", []byte(modular)); err != nil || got.Type("doc").Origin != (model.Origin{Module: "m", File: "m.fga"}) {
		t.Errorf("a model with modules: got %+v, %v", got, err)
	} else if !reflect.DeepEqual(withoutOrigins(got), want) {
		t.Error("a model with modules is another model beyond its origins")
	}

	// What Compile calls a likely mistake.
	lenient := `{"schema_version": "1.1", "type_definitions": [{"type": "user", "relations": {
		"a": {"union": {"child": [{"this": {}}, {"this": {}}, {"computedUserset": {"relation": "b"}}, {"computedUserset": {"relation": "b"}}]}},
		"b": {"this": {}}},
		"metadata": {"relations": {
			"a": {"directly_related_user_types": [{"type": "user"}, {"type": "user"}]},
			"b": {"directly_related_user_types": [{"type": "user"}]}}}}],
		"conditions": {"unused": {"name": "unused", "expression": "true"}}}`
	m, err := CompileJSON("lenient", []byte(lenient))
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, m)
	if _, err := Compile("printed", Print(m)); err == nil {
		t.Error("Compile finds no fault in a model with an unused condition and duplicates")
	}
}

// Diagnostics have stable names in JSON, for editors and for the command line's --output json.
func TestDiagnosticJSON(t *testing.T) {
	_, err := Compile("wiki.fga", []byte(doc("define viewer: [usr]")))
	got, err := json.Marshal(diagnostics(t, err))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"code":"E101","file":"wiki.fga","line":6,"column":21,"end_column":24,` +
		"\"message\":\"type `usr` is not defined\"," +
		`"source_line":"    define viewer: [usr]","source_column":1,` +
		"\"suggestion\":\"did you mean `user`?\",\"fix\":\"    define viewer: [user]\"}]"
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNearest(t *testing.T) {
	tests := []struct {
		name       string
		candidates string
		want       string
	}{
		{"usr", "user group", "user"},
		{"ownr", "viewer owner", "owner"},
		{"veiwer", "viewer", "viewer"}, // neighbours swapped
		{"Viewer", "viewer", "viewer"},
		{"editor", "edited editors", "editors"},
		{"a", "b", ""},
		{"ab", "cd", ""},
		{"x", "viewer", ""},
		{"same", "same", ""},
		{"member", "", ""},
		{"aa", "ab ac", "ab"}, // the first of two
	}
	for _, test := range tests {
		if got := nearest(test.name, strings.Fields(test.candidates)); got != test.want {
			t.Errorf("nearest(%q, %q) = %q, want %q", test.name, test.candidates, got, test.want)
		}
	}
}

// The caches that ANTLR's parsers share stand concurrent use.
func TestConcurrentCompile(t *testing.T) {
	text := readFile(t, "testdata/valid/drive.fga")
	want, err := Compile("drive.fga", text)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 20 {
				if _, err := Compile("broken", []byte(doc(fmt.Sprintf("define a%d: [user] or", i)))); err == nil {
					t.Error("a broken model compiles")
				}
				if got, err := Compile("drive.fga", text); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("another model, or the error %v", err)
				}
			}
		})
	}
	wg.Wait()
}
