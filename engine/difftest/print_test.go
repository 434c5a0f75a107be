package difftest

import (
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/dsl/model"
)

// String prints the case as DSL and tuples.
func (c testCase) String() string {
	var b strings.Builder
	b.WriteString(printModel(c.model))
	b.WriteString("tuples\n")
	for _, t := range c.tuples {
		fmt.Fprintf(&b, "  %v\n", t)
	}
	return b.String()
}

// GoString is what rapid prints of a case.
func (c testCase) GoString() string { return "\n" + c.String() }

// printModel prints a model as DSL. It is a printer of its own, since it must print what package dsl
// refuses too, and since a fault in that printer must not hide here.
func printModel(m *model.Model) string {
	var b strings.Builder
	fmt.Fprintf(&b, "model\n  schema %s\n", m.Schema)
	for _, t := range m.Types {
		fmt.Fprintf(&b, "type %s\n", t.Name)
		if len(t.Relations) > 0 {
			b.WriteString("  relations\n")
		}
		for _, r := range t.Relations {
			fmt.Fprintf(&b, "    define %s: %s\n", r.Name, printRewrite(r, r.Rewrite, false))
		}
	}
	return b.String()
}

func printRewrite(r *model.Relation, w model.Rewrite, inner bool) string {
	var text string
	switch w := w.(type) {
	case model.Direct:
		var shapes []string
		for _, restriction := range r.Restrictions {
			shapes = append(shapes, restriction.String())
		}
		return "[" + strings.Join(shapes, ", ") + "]"
	case model.ComputedUserset:
		return w.Relation
	case model.TupleToUserset:
		return w.Computed + " from " + w.Tupleset
	case model.Union:
		text = printChildren(r, w.Children, " or ")
	case model.Intersection:
		text = printChildren(r, w.Children, " and ")
	case model.Difference:
		text = printChildren(r, []model.Rewrite{w.Base, w.Subtract}, " but not ")
	default:
		panic(fmt.Sprintf("rewrite of %T is not known", w))
	}
	if inner {
		return "(" + text + ")"
	}
	return text
}

func printChildren(r *model.Relation, children []model.Rewrite, word string) string {
	var parts []string
	for _, c := range children {
		parts = append(parts, printRewrite(r, c, true))
	}
	return strings.Join(parts, word)
}
