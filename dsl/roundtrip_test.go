package dsl

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary/dsl/model"
)

// roundTrip compiles a text and takes the model through every form and back.
func roundTrip(t rapid.TB, text []byte) *model.Model {
	t.Helper()
	m, err := Compile("model.fga", text)
	if err != nil {
		t.Fatalf("compile:\n%v\n%s", err, text)
	}
	formatted, err := Format("model.fga", text)
	if err != nil {
		t.Fatalf("format:\n%v\n%s", err, text)
	}
	again, err := Format("formatted", formatted)
	if err != nil || !bytes.Equal(again, formatted) {
		t.Fatalf("formatting twice (%v) gives\n%s\nafter\n%s", err, again, formatted)
	}
	same(t, "the formatted text", m, func() (*model.Model, error) { return Compile("formatted", formatted) })

	printed := Print(m)
	if again, err = Format("printed", printed); err != nil || !bytes.Equal(again, printed) {
		t.Fatalf("printed text is not formatted (%v):\n%s\nformatted:\n%s", err, printed, again)
	}
	same(t, "the printed text", m, func() (*model.Model, error) { return Compile("printed", printed) })

	sameJSON(t, m)
	return m
}

func sameJSON(t rapid.TB, m *model.Model) {
	t.Helper()
	data, err := JSON(m)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the JSON form", m, func() (*model.Model, error) { return CompileJSON("json", data) })
}

func same(t rapid.TB, what string, want *model.Model, compile func() (*model.Model, error)) {
	t.Helper()
	got, err := compile()
	if err != nil {
		t.Fatalf("%s does not compile:\n%v", what, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s is another model:\n%s\nwant:\n%s", what, Print(got), Print(want))
	}
}

// Random models survive every way from one form to another.
func TestRandomModels(t *testing.T) {
	compiled := 0
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(randomModel(t))
		if _, err := Compile("random", text); err != nil {
			// Random expressions may be cyclic or lead nowhere; that is for the golden files.
			checkDiagnostics(t, text, err.(Diagnostics))
			return
		}
		compiled++
		roundTrip(t, text)
	})
	t.Logf("%d random models compiled", compiled)
	if compiled == 0 {
		t.Error("no random model compiled, so nothing was tested")
	}
}

// randomModel writes a model with odd spacing and comments. Relation r0 of every type is direct, to
// plain types, and a relation names relations with smaller numbers, so that most models compile.
func randomModel(t *rapid.T) string {
	var b strings.Builder
	gap := func() string {
		return rapid.SampledFrom([]string{"", "", "\n", "# note\n", "\n\n  # note\n\n"}).Draw(t, "gap")
	}
	types := rapid.IntRange(1, 4).Draw(t, "types")
	conditions := rapid.IntRange(0, 2).Draw(t, "conditions")
	b.WriteString(gap() + "model\n" + gap() + "  schema  1.1\n")
	counts := make([]int, types)
	for i := range counts {
		counts[i] = rapid.IntRange(1, 5).Draw(t, "relations")
	}
	for i := range types {
		fmt.Fprintf(&b, "%stype t%d\n%s relations\n", gap(), i, gap())
		for r := range counts[i] {
			fmt.Fprintf(&b, "%s\tdefine r%d : ", gap(), r)
			if r == 0 {
				for c := range conditions { // so that none is unused
					fmt.Fprintf(&b, "%st%d with c%d", []string{"[", ","}[min(c, 1)], i, c)
				}
				fmt.Fprintf(&b, "%st%d]", []string{"[", ", "}[min(conditions, 1)], i)
			} else {
				b.WriteString(randomExpr(t, r, counts, conditions, new(bool), 3))
			}
			b.WriteString(rapid.SampledFrom([]string{"\n", " \n", " # why\n"}).Draw(t, "end"))
		}
	}
	b.WriteString(gap() + randomConditions(t, conditions))
	return b.String()
}

func randomConditions(t *rapid.T, n int) string {
	var b strings.Builder
	for i := range n {
		parameters := rapid.SampledFrom([]string{"", "x: int", "x:int,y : map<list<string>>", "\n  x: any,\n  y: ipaddress\n"}).Draw(t, "parameters")
		body := rapid.SampledFrom([]string{"true", "\n  \"}\" != '{' // }\n", " {'a': 1}[\"a\"] == 1 # note }\n && r'\\' == \"\\\\\"", "'''\n}'''!=\"\"\n\n"}).Draw(t, "body")
		fmt.Fprintf(&b, "condition c%d(%s) {%s}\n", i, parameters, body)
	}
	return b.String()
}

// randomExpr writes an expression for relation r: names of smaller relations, `from r0`, at most one
// list, and parentheses where operators differ.
func randomExpr(t *rapid.T, r int, counts []int, conditions int, listed *bool, depth int) string {
	if depth > 0 && rapid.Bool().Draw(t, "set") {
		operator := rapid.SampledFrom([]string{" or ", " and ", " but not "}).Draw(t, "operator")
		n := 2
		if operator != " but not " {
			n = rapid.IntRange(2, 3).Draw(t, "operands")
		}
		var parts []string
		for range n {
			part := randomExpr(t, r, counts, conditions, listed, depth-1)
			if strings.Contains(part, " or ") || strings.Contains(part, " and ") || strings.Contains(part, " but ") {
				part = "( " + part + ")"
			}
			if !slices.Contains(parts, part) {
				parts = append(parts, part)
			}
		}
		return strings.Join(parts, operator)
	}
	switch kind := rapid.IntRange(0, 3).Draw(t, "leaf"); {
	case kind == 0 && !*listed:
		*listed = true
		return randomList(t, counts, conditions)
	case kind == 1 && r > 1:
		return fmt.Sprintf("r%d", rapid.IntRange(1, r-1).Draw(t, "relation"))
	case kind == 2:
		return fmt.Sprintf("r%d from r0", rapid.IntRange(0, r-1).Draw(t, "computed"))
	}
	return "r0"
}

func randomList(t *rapid.T, counts []int, conditions int) string {
	seen := map[string]bool{}
	var parts []string
	for range rapid.IntRange(1, 4).Draw(t, "restrictions") {
		typ := rapid.IntRange(0, len(counts)-1).Draw(t, "type")
		text := fmt.Sprintf("t%d", typ)
		switch rapid.IntRange(0, 2).Draw(t, "shape") {
		case 1:
			text += ":*"
		case 2:
			text += fmt.Sprintf("#r%d", rapid.IntRange(0, counts[typ]-1).Draw(t, "member"))
		}
		if conditions > 0 && rapid.Bool().Draw(t, "with") {
			text += fmt.Sprintf(" with  c%d", rapid.IntRange(0, conditions-1).Draw(t, "condition"))
		}
		if !seen[text] {
			seen[text] = true
			parts = append(parts, text)
		}
	}
	return "[" + strings.Join(parts, rapid.SampledFrom([]string{",", ", ", " ,\n   "}).Draw(t, "comma")) + "]"
}
