package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"

	"github.com/ostiary/ostiary/dsl/model"
)

// Inline is the name that a type restriction and a tuple give in place of a condition's when the
// expression stands in the tuple itself: in its context, under "expression", with the types of its
// parameters under "parameters". Its values come from the request alone.
const Inline = "$expression"

// CompileInline compiles the expression in the context of a tuple. An identifier that "parameters" does
// not declare is a string. The error says which part of the context is at fault; one in the expression
// is a *CompileError.
func CompileInline(context map[string]any, o Options) (*Program, error) {
	raw, there := context["expression"]
	if !there {
		return nil, fmt.Errorf(`%s: missing required context field "expression"`, Inline)
	}
	expression, ok := raw.(string)
	if !ok || expression == "" {
		return nil, fmt.Errorf(`%s: context field "expression" must be a non-empty string`, Inline)
	}
	if len(expression) > MaxInlineBytes {
		return nil, faultf("the expression has %d bytes; it may have at most %d", len(expression), MaxInlineBytes)
	}
	parameters, err := inlineParameters(context["parameters"])
	if err != nil {
		return nil, err
	}
	free, err := freeNames(expression)
	if err != nil {
		return nil, err
	}
	for _, name := range free {
		if !slices.ContainsFunc(parameters, func(p model.Parameter) bool { return p.Name == name }) {
			parameters = append(parameters, model.Parameter{Name: name, Type: model.ParameterType{Name: "string"}})
		}
	}
	if len(parameters) > MaxParameters {
		return nil, faultf("the expression has %d parameters; it may have at most %d", len(parameters), MaxParameters)
	}
	return compile(Inline, parameters, expression, o)
}

func inlineParameters(raw any) ([]model.Parameter, error) {
	if raw == nil {
		return nil, nil
	}
	fields, ok := raw.(map[string]any)
	if !ok {
		return nil, fmt.Errorf(`%s: context field "parameters" must be a struct`, Inline)
	}
	var out []model.Parameter
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		text, _ := fields[name].(string)
		typ, err := parseType(text, 0)
		if err == nil {
			_, err = celType(typ)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: invalid parameter type for parameter %q: %w", Inline, name, err)
		}
		out = append(out, model.Parameter{Name: name, Type: typ})
	}
	return out, nil
}

// parseType reads a type as it stands in the DSL: "int", "list<string>".
func parseType(text string, depth int) (model.ParameterType, error) {
	if depth > maxTypeDepth {
		return model.ParameterType{}, fmt.Errorf("its type nests deeper than %d", maxTypeDepth)
	}
	name, rest, generic := strings.Cut(text, "<")
	name = strings.TrimSpace(name)
	out := model.ParameterType{Name: name}
	if scalars[name] == nil && name != "list" && name != "map" {
		return out, fmt.Errorf("unknown parameter type %s", shown(text))
	}
	if !generic {
		return out, nil
	}
	inner, closed := strings.CutSuffix(strings.TrimSpace(rest), ">")
	if !closed {
		return out, fmt.Errorf("unknown parameter type %s", shown(text))
	}
	element, err := parseType(inner, depth+1)
	out.Element = &element
	return out, err
}

// freeNames returns the identifiers of an expression that it does not bind itself, in the order of the
// expression.
func freeNames(expression string) (names []string, err error) {
	defer func() {
		if r := recover(); r != nil {
			names, err = nil, faultf("the expression cannot be parsed: %v", r)
		}
	}()
	env, err := base()
	if err != nil {
		return nil, err
	}
	parsed, issues := env.Parse(expression)
	if issues.Err() != nil {
		return nil, compileError(expression, issues)
	}
	f := &freeVisitor{}
	f.visit(parsed.NativeRep().Expr(), nil)
	return f.names, nil
}

type freeVisitor struct{ names []string }

func (f *freeVisitor) visit(e ast.Expr, bound []string) {
	switch e.Kind() {
	case ast.IdentKind:
		name := strings.TrimPrefix(e.AsIdent(), ".")
		if !slices.Contains(bound, name) && !slices.Contains(f.names, name) && !isTypeName(name) {
			f.names = append(f.names, name)
		}
	case ast.SelectKind:
		f.visit(e.AsSelect().Operand(), bound)
	case ast.CallKind:
		call := e.AsCall()
		if call.IsMemberFunction() {
			f.visit(call.Target(), bound)
		}
		for _, argument := range call.Args() {
			f.visit(argument, bound)
		}
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			f.visit(element, bound)
		}
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			f.visit(entry.AsMapEntry().Key(), bound)
			f.visit(entry.AsMapEntry().Value(), bound)
		}
	case ast.StructKind:
		for _, field := range e.AsStruct().Fields() {
			f.visit(field.AsStructField().Value(), bound)
		}
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		f.visit(c.IterRange(), bound)
		f.visit(c.AccuInit(), bound)
		inner := append(slices.Clip(bound), c.IterVar(), c.AccuVar())
		if c.HasIterVar2() {
			inner = append(inner, c.IterVar2())
		}
		f.visit(c.LoopCondition(), inner)
		f.visit(c.LoopStep(), inner)
		f.visit(c.Result(), inner)
	}
}

// isTypeName reports whether a name is one of the types that CEL declares as identifiers: type(x) == int.
func isTypeName(name string) bool {
	switch name {
	case "bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint":
		return true
	}
	return false
}
