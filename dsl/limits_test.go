package dsl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
)

// lines returns n lines, the i-th made by f.
func lines(n int, f func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(f(i) + "\n")
	}
	return b.String()
}

func diagnostics(t *testing.T, err error) Diagnostics {
	t.Helper()
	var ds Diagnostics
	if !errors.As(err, &ds) {
		t.Fatalf("error %v, want Diagnostics", err)
	}
	return ds
}

func nestedParentheses(n int) string {
	return doc("define a: [user]", "define b: [user]", "define c: "+strings.Repeat("(a or ", n)+"b"+strings.Repeat(")", n))
}

func nestedJSON(n int) string {
	e := `{"computedUserset": {"relation": "a"}}`
	return `{"schema_version": "1.1", "type_definitions": [{"type": "user", "relations": {"a": {"this": {}}, "b": ` +
		strings.Repeat(`{"union": {"child": [{"computedUserset": {"relation": "a"}}, `, n) + e + strings.Repeat(`]}}`, n) +
		`}, "metadata": {"relations": {"a": {"directly_related_user_types": [{"type": "user"}]}}}}]}`
}

func TestLimits(t *testing.T) {
	small := header + "type user\n"
	types := func(n int) string { return header + lines(n, func(i int) string { return fmt.Sprintf("type t%d", i) }) }
	tests := []struct {
		name string
		text string
		json bool
		code string // empty: it compiles
	}{
		{name: "bytes within", text: small + strings.Repeat("#", MaxModelBytes-len(small))},
		{name: "bytes beyond", text: small + strings.Repeat("#", MaxModelBytes-len(small)+1), code: codeTooLarge},
		{name: "JSON bytes beyond", json: true, text: strings.Repeat(" ", MaxJSONBytes+1), code: codeTooLarge},
		{name: "types within", text: types(MaxTypes)},
		{name: "types beyond", text: types(MaxTypes + 1), code: codeTooManyTypes},
		{name: "parentheses within", text: nestedParentheses(MaxDepth)},
		{name: "parentheses beyond", text: nestedParentheses(MaxDepth + 1), code: codeTooDeep},
		{name: "parentheses without end", text: doc("define a: " + strings.Repeat("(", 200_000)), code: codeTooDeep},
		{name: "parameter types without end", text: withCondition("condition c(x: " + strings.Repeat("list<", 40_000)), code: codeTooDeep},
		{name: "JSON within", json: true, text: nestedJSON(MaxDepth)},
		{name: "JSON beyond", json: true, text: nestedJSON(MaxDepth + 2), code: codeTooDeep},
		{name: "JSON lists without end", json: true, text: strings.Repeat("[", 500_000), code: codeTooDeep},
		{name: "errors beyond", text: doc("define a: [user]") + lines(5000, func(i int) string { return fmt.Sprintf("    define b%d: zzzzzzzzz", i) }), code: codeTooManyErrors},
		{name: "syntax errors beyond", text: header + lines(20_000, func(int) string { return "type" }), code: codeTooManyErrors},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			compile := Compile
			if test.json {
				compile = CompileJSON
			}
			m, err := compile("limits", []byte(test.text))
			if test.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				sameJSON(t, m)
				return
			}
			ds := diagnostics(t, err)
			if !slices.ContainsFunc(ds, func(d Diagnostic) bool { return d.Code == test.code }) {
				t.Errorf("no %s in:\n%v", test.code, err)
			}
			if len(ds) > MaxDiagnostics+1 {
				t.Errorf("%d diagnostics", len(ds))
			}
		})
	}
}

// Texts that are made to be slow end all the same. Each is near MaxModelBytes; one that took time in
// the square of its size would run into the test's own deadline.
func TestHostileTexts(t *testing.T) {
	fill := func(line string) string { return strings.Repeat(line, (MaxModelBytes-200)/len(line)) }
	relations := func(n int, f func(i int) string) string { return doc("define r0: [user]") + lines(n, f) }
	texts := map[string]string{
		"chain of relations":     relations(9000, func(i int) string { return fmt.Sprintf("define r%d: r%d", i+1, i) }),
		"chain the other way":    relations(9000, func(i int) string { return fmt.Sprintf("define r%d: r%d", 9000-i, 8999-i) }),
		"one great cycle":        relations(9000, func(i int) string { return fmt.Sprintf("define q%d: q%d", i, (i+1)%9000) }),
		"many cycles":            relations(9000, func(i int) string { return fmt.Sprintf("define q%d: q%d", i, i^1) }),
		"no entry points":        relations(7000, func(i int) string { return fmt.Sprintf("define q%d: [doc#q%d]", i, i) }),
		"great intersection":     relations(5000, func(i int) string { return fmt.Sprintf("define r%d: r%d", 5000-i, 4999-i) }) + "define all: r1" + strings.Repeat(" and r5000", 10_000),
		"undefined everywhere":   relations(9000, func(i int) string { return fmt.Sprintf("define q%d: zz%d", i, i) }),
		"great tupleset":         doc("define p: [doc"+strings.Repeat(", doc", 20_000)+"]") + lines(5000, func(i int) string { return fmt.Sprintf("define q%d: q from p", i) }),
		"unclosed conditions":    header + fill("condition c(x: int) {\n"),
		"unclosed lists":         doc() + fill("define a: [user\n"),
		"empty lines in a list":  doc("define a: [") + fill("\n"),
		"empty lines at a brace": header + "condition c()" + fill("\n") + "{ true }\n",
		"relations in a list":    doc("define a: [") + fill("relations\n"),
		"comments in lists":      doc() + fill("define a: [ #\n"),
		"comments":               header + "type user\n" + fill("#\n"),
		"comments in a body":     withCondition("condition c(x: int) {" + fill("#\n") + "}"),
		"empty lines":            header + "type user\n" + fill("\n"),
		"quotes":                 withCondition("condition c(x: int) {" + fill("\"")),
		"wide runes":             doc() + fill("define 界: [界]\n"),
		"long operand list":      doc("define a: [user]", "define b: a"+fill(" or a")),
		"one long word":          header + "type " + fill("x"),
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			if len(text) > MaxModelBytes {
				t.Fatalf("the text has %d bytes, so nothing is tested", len(text))
			}
			m, err := Compile("hostile", []byte(text))
			checkOutcome(t, []byte(text), m, err)
			if _, err := Format("hostile", []byte(text)); err != nil {
				diagnostics(t, err)
			}
		})
	}
}

// Nothing is printed, whatever is wrong with a text.
func TestSilence(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = w, w
	for _, path := range files(t, "errors/*.fga") {
		_, _ = Compile(path, readFile(t, path))
	}
	os.Stdout, os.Stderr = stdout, stderr
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	printed, err := io.ReadAll(r)
	if err != nil || len(printed) > 0 {
		t.Errorf("printed %q (%v)", printed, err)
	}
}
