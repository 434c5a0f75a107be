package dsl

import (
	"strings"

	"github.com/ostiary/ostiary/dsl/model"
)

// Print returns a model as text in the DSL, formatted as Format does. Compiling the text gives an
// equal model, if the model came from Compile. A model from CompileJSON may hold what the API accepts
// and Compile refuses as a likely mistake (an unused condition, a restriction or operand twice).
func Print(m *model.Model) []byte {
	var b strings.Builder
	b.WriteString("model\n  schema " + string(m.Schema) + "\n")
	for _, t := range m.Types {
		b.WriteString("\ntype " + t.Name + "\n")
		if len(t.Relations) > 0 {
			b.WriteString("  relations\n")
		}
		for _, r := range t.Relations {
			b.WriteString("    " + printDefine(r.Name, raise(r.Rewrite, r.Restrictions)) + "\n")
		}
	}
	for _, c := range m.Conditions {
		parameters := make([]parameterDecl, len(c.Parameters))
		for i, p := range c.Parameters {
			parameters[i] = parameterDecl{name: ident{text: p.Name}, typ: p.Type}
		}
		b.WriteString("\n" + printCondition(c.Name, parameters, c.Expression) + "\n")
	}
	return []byte(b.String())
}

func printDefine(name string, e expr) string { return "define " + name + ": " + printExpr(e, false) }

// printExpr prints an expression, in parentheses if it is an operand with operators of its own.
func printExpr(e expr, operand bool) string {
	switch e := e.(type) {
	case *nameExpr:
		return e.relation.text
	case *fromExpr:
		return e.computed.text + " from " + e.tupleset.text
	case *listExpr:
		parts := make([]string, len(e.restrictions))
		for i, r := range e.restrictions {
			parts[i] = r.model().String()
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *setExpr:
		parts := make([]string, len(e.children))
		for i, child := range e.children {
			parts[i] = printExpr(child, true)
		}
		text := strings.Join(parts, " "+e.operator.String()+" ")
		if operand {
			return "(" + text + ")"
		}
		return text
	}
	return ""
}

// printCondition prints a condition with its body as it is, but for white space around it.
func printCondition(name string, parameters []parameterDecl, body string) string {
	parts := make([]string, len(parameters))
	for i, p := range parameters {
		parts[i] = p.name.text + ": " + p.typ.String()
	}
	return "condition " + name + "(" + strings.Join(parts, ", ") + ") {\n  " +
		strings.TrimSpace(unixLines(body)) + "\n}"
}
