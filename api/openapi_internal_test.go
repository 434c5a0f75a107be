package api

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOpenAPI: the document holds together, and has every route of every method.
func TestOpenAPI(t *testing.T) {
	text, err := referenceOf(t).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Tags  []struct{ Name string }
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Tags        []string
			Method      string `json:"x-ostiary-method"`
			Parameters  []struct {
				Name, In string
				Required bool
				Schema   map[string]any
			}
			RequestBody map[string]any
			Responses   map[string]any
		}
	}
	var whole any
	for _, into := range []any{&document, &whole} {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, to := range references(whole) {
		if !has(whole, strings.TrimPrefix(to, "#/")) {
			t.Errorf("a reference leads to %s, which is not there", to)
		}
	}
	tags := map[string]bool{}
	for _, tag := range document.Tags {
		if tags[tag.Name] {
			t.Errorf("there are two tags %q", tag.Name)
		}
		tags[tag.Name] = true
	}
	variables := regexp.MustCompile(`\{([^}]*)\}`)
	ids, routes, shapes := map[string]bool{}, map[string]int{}, map[string]string{}
	for path, item := range document.Paths {
		shape := variables.ReplaceAllString(path, "{}")
		if other := shapes[shape]; other != "" {
			t.Errorf("%s and %s are the same path", path, other)
		}
		shapes[shape] = path
		for verb, o := range item {
			at := strings.ToUpper(verb) + " " + path
			if o.OperationID == "" || ids[o.OperationID] {
				t.Errorf("%s: the operation is called %q, as another one is", at, o.OperationID)
			}
			ids[o.OperationID] = true
			routes[o.Method]++
			if len(o.Responses) < 2 || len(o.Tags) != 1 || !tags[o.Tags[0]] {
				t.Errorf("%s: %d responses, tags %q", at, len(o.Responses), o.Tags)
			}
			if o.RequestBody != nil && (verb == "get" || verb == "delete") {
				t.Errorf("%s takes a body", at)
			}
			seen, inPath := map[string]bool{}, map[string]bool{}
			for _, p := range o.Parameters {
				if seen[p.In+" "+p.Name] || p.Schema == nil || p.Required != (p.In == "path") || !slices.Contains([]string{"path", "query", "header"}, p.In) {
					t.Errorf("%s: parameter %+v", at, p)
				}
				seen[p.In+" "+p.Name] = true
				if p.In == "path" {
					inPath[p.Name] = true
				}
			}
			for _, v := range variables.FindAllStringSubmatch(path, -1) {
				if !inPath[v[1]] {
					t.Errorf("%s: nothing says what {%s} is", at, v[1])
				}
				delete(inPath, v[1])
			}
			for name := range inPath {
				t.Errorf("%s: parameter %s is not in the path", at, name)
			}
		}
	}
	for method, of := range httpRoutes(t) {
		if routes[method] != len(of) {
			t.Errorf("%s has routes %q, and %d operations", method, of, routes[method])
		}
	}
}

// references returns what "$ref" leads to, anywhere in a document.
func references(v any) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for name, part := range v {
			if to, ok := part.(string); ok && name == "$ref" {
				all = append(all, to)
			}
			all = append(all, references(part)...)
		}
	case []any:
		for _, part := range v {
			all = append(all, references(part)...)
		}
	}
	return all
}

func has(v any, path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		o, _ := v.(map[string]any)
		if v = o[name]; v == nil {
			return false
		}
	}
	return true
}
