package reference

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed examples.yaml
var examplesYAML []byte

// Example is a request over HTTP, with what its answer has at least.
type Example struct {
	Service, Title, Request string
	Body, Answer            map[string]any
	Status                  int
	Keep                    map[string]string // names of variables, and of the parts of the answer that they become
}

// Examples returns those of the reference, in the order in which they work.
func Examples() ([]Example, error) {
	var all []Example
	if err := yaml.Unmarshal(examplesYAML, &all); err != nil {
		return nil, fmt.Errorf("read examples.yaml: %w", err)
	}
	for i := range all {
		if all[i].Status == 0 {
			all[i].Status = 200
		}
	}
	return all, nil
}

// ExamplesPage shows the examples.
func ExamplesPage() (Page, error) {
	all, err := Examples()
	if err != nil {
		return Page{}, err
	}
	var b strings.Builder
	b.WriteString("# Examples over HTTP\n\n" + generatedNote + "\nEach request is sent to a node by a test, in this order, and its answer has what is shown here, " +
		"beside what is left out. `$STORE` is the id that the first answer shows, and `$TEAMS` a store with the model that `ostiary org init` writes. " +
		"A server with keys wants `-H \"Authorization: Bearer $KEY\"` too.\n")
	for _, e := range all {
		if e.Service != "" {
			fmt.Fprintf(&b, "\n## [%s](%s.md)\n", e.Service, e.Service)
		}
		verb, path, _ := strings.Cut(e.Request, " ")
		fmt.Fprintf(&b, "\n%s:\n\n```text\ncurl -s", e.Title)
		if verb != "GET" && verb != "POST" {
			b.WriteString(" -X " + verb)
		}
		fmt.Fprintf(&b, " \"http://127.0.0.1:8080%s\"", path)
		if e.Body != nil {
			fmt.Fprintf(&b, " -d '%s'", indented(e.Body))
		}
		fmt.Fprintf(&b, "\n```\n\n%d:\n\n```json\n%s\n```\n", e.Status, indented(e.Answer))
	}
	return Page{File: "examples.md", Text: []byte(b.String())}, nil
}

func indented(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(err) // it was read from YAML: texts, numbers, lists and maps
	}
	return strings.TrimSpace(b.String())
}

// Match says where an answer lacks what an example says of it; empty: nowhere. "…" is any text that is not empty, and
// lists are of the same length.
func Match(want, got any) string {
	switch want := want.(type) {
	case map[string]any:
		has, ok := got.(map[string]any)
		if !ok {
			return fmt.Sprintf("%v is no object", got)
		}
		for name, part := range want {
			if fault := Match(part, has[name]); fault != "" {
				return name + ": " + fault
			}
		}
		return ""
	case []any:
		has, ok := got.([]any)
		if !ok || len(has) != len(want) {
			return fmt.Sprintf("%v is not a list of %d", got, len(want))
		}
		for i := range want {
			if fault := Match(want[i], has[i]); fault != "" {
				return fmt.Sprintf("%d: %s", i, fault)
			}
		}
		return ""
	}
	if text, ok := got.(string); want == "…" && ok && text != "" || want == got {
		return ""
	}
	return fmt.Sprintf("got %v, want %v", got, want)
}
