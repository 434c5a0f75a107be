package condition

import (
	"fmt"
	"slices"
	"sync"

	"cel.dev/cel-go/cel"

	"github.com/ostiary/ostiary/dsl/model"
)

// The bounds of conditions. The first three are OpenFGA's.
const (
	// DefaultMaxCost bounds the cost of one evaluation, in the units of CEL's cost model: about one for
	// each operation, and one for ten bytes of a string that an operation looks through.
	DefaultMaxCost = 100
	// MaxExpressionBytes bounds the expression of a condition that a model declares.
	MaxExpressionBytes = 512
	// MaxParameters bounds the parameters of a condition.
	MaxParameters = 25
	// MaxInlineBytes bounds an expression that stands in a tuple.
	MaxInlineBytes = 4096

	maxDepth = 250    // of nested parts of an expression
	maxNodes = 10_000 // of an expression, macros expanded
	// maxRegexProgram bounds the compiled form of a regular expression.
	maxRegexProgram = 10_000
)

// Options configures Compile. The zero value is ready for use.
type Options struct {
	// MaxCost bounds the cost of one evaluation. Zero means DefaultMaxCost. Above it the evaluation
	// fails.
	MaxCost uint64
}

// Program is a compiled condition.
type Program struct {
	name       string
	parameters []model.Parameter
	program    cel.Program
}

// Compile checks a condition of a model and compiles it. The error is a *CompileError.
func Compile(c *model.Condition, o Options) (*Program, error) {
	switch {
	case len(c.Expression) > MaxExpressionBytes:
		return nil, faultf("the expression has %d bytes; it may have at most %d", len(c.Expression), MaxExpressionBytes)
	case len(c.Parameters) > MaxParameters:
		return nil, faultf("the condition has %d parameters; it may have at most %d", len(c.Parameters), MaxParameters)
	}
	return compile(c.Name, c.Parameters, c.Expression, o)
}

// compile is Compile without the bounds that differ between conditions of models and inline ones. A
// panic of the compiler is a fault of the expression: it must not take the process along.
func compile(name string, parameters []model.Parameter, expression string, o Options) (p *Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, faultf("the expression cannot be compiled: %v", r)
		}
	}()
	env, err := environment(parameters)
	if err != nil {
		return nil, faultf("declare the parameters: %v", err)
	}
	ast, issues := env.Compile(expression)
	if issues.Err() != nil {
		return nil, compileError(expression, issues)
	}
	if !ast.OutputType().IsExactType(cel.BoolType) {
		return nil, faultf("the expression yields %s; a condition yields bool", typeName(ast.OutputType()))
	}
	cost := o.MaxCost
	if cost == 0 {
		cost = DefaultMaxCost
	}
	program, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(cost))
	if err != nil {
		return nil, faultf("%v", err)
	}
	return &Program{name: name, parameters: slices.Clone(parameters), program: program}, nil
}

// Name returns the name of the condition.
func (p *Program) Name() string { return p.name }

// Parameters returns the parameters of the condition, sorted as they were declared. The slice must not
// be changed.
func (p *Program) Parameters() []model.Parameter { return p.parameters }

func (p *Program) parameter(name string) *model.Parameter {
	for i := range p.parameters {
		if p.parameters[i].Name == name {
			return &p.parameters[i]
		}
	}
	return nil
}

// base is the environment without parameters: CEL's standard library and macros, and addresses. It is
// made once, since it costs a thousand times what an environment made from it costs.
var base = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(append(addressOptions(),
		cel.EagerlyValidateDeclarations(true),
		cel.ParserRecursionLimit(maxDepth),
		cel.ParserExpressionSizeLimit(MaxInlineBytes),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegexProgram),
	)...)
})

func environment(parameters []model.Parameter) (*cel.Env, error) {
	env, err := base()
	if err != nil {
		return nil, err
	}
	variables := make([]cel.EnvOption, len(parameters))
	for i, p := range parameters {
		typ, err := celType(p.Type)
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", p.Name, err)
		}
		variables[i] = cel.Variable(p.Name, typ)
	}
	return env.Extend(variables...)
}
