package condition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cel.dev/cel-go/common/types"
)

// DecodeContext reads the context of a tuple: a JSON object, or nothing.
func DecodeContext(data []byte) (map[string]any, error) {
	if len(data) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // an int may have more digits than a float64 keeps
	var out map[string]any
	if err := decoder.Decode(&out); err != nil {
		return nil, fmt.Errorf("the context is not a JSON object: %w", err)
	}
	return out, nil
}

// CheckContext reports whether a context could be stored with a tuple: every name is a parameter's and
// every value of its type. Parameters may be missing. The error is a *ValueError.
func (p *Program) CheckContext(context map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(context)) {
		parameter := p.parameter(name)
		if parameter == nil {
			return &ValueError{Condition: p.name, Parameter: name, Unknown: true, Reason: "the condition has no such parameter"}
		}
		if _, err := convert(context[name], parameter.Type); err != nil {
			return &ValueError{Condition: p.name, Parameter: name, Reason: err.Error()}
		}
	}
	return nil
}

// Bind returns p for the context of one request. The context may hold values that p has no parameter
// for. It must not be changed while the result is in use.
func (p *Program) Bind(request map[string]any) *Bound {
	return &Bound{program: p, request: request, shared: map[string]any{}}
}

// Bound is a condition with the context of one request.
type Bound struct {
	program *Program
	request map[string]any
	shared  map[string]any // values of request that have been converted
}

// Evaluate reports whether the condition holds for a tuple with the context given. The error is a
// *MissingError, a *ValueError or an *EvaluationError.
func (b *Bound) Evaluate(tuple map[string]any) (holds bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			holds, err = false, &EvaluationError{Condition: b.program.name, Reason: fmt.Sprint(r)}
		}
	}()
	values, err := b.values(tuple)
	if err != nil {
		return false, err
	}
	out, _, err := b.program.program.Eval(values)
	if err != nil {
		return false, &EvaluationError{Condition: b.program.name, Reason: reason(err)}
	}
	met, ok := out.(types.Bool)
	if !ok {
		return false, &EvaluationError{Condition: b.program.name, Reason: fmt.Sprintf("the result is a %s, not a bool", out.Type().TypeName())}
	}
	return bool(met), nil
}

// values converts what the two contexts hold. A value of the wrong type is reported before one that is
// missing, as OpenFGA does.
func (b *Bound) values(tuple map[string]any) (map[string]any, error) {
	p := b.program
	values := make(map[string]any, len(p.parameters))
	var missing []string
	for i := range p.parameters {
		name := p.parameters[i].Name
		raw, there := tuple[name]
		if !there {
			if value, known := b.shared[name]; known {
				values[name] = value
				continue
			}
			if raw, there = b.request[name]; !there {
				missing = append(missing, name)
				continue
			}
		}
		value, err := convert(raw, p.parameters[i].Type)
		if err != nil {
			return nil, &ValueError{Condition: p.name, Parameter: name, Reason: err.Error()}
		}
		values[name] = value
		if _, ofTuple := tuple[name]; !ofTuple {
			b.shared[name] = value
		}
	}
	if missing != nil {
		return nil, &MissingError{Condition: p.name, Names: missing}
	}
	return values, nil
}

// Inputs returns the values that an evaluation for a tuple would look at, as they came in, for people.
func (b *Bound) Inputs(tuple map[string]any) map[string]any {
	inputs := map[string]any{}
	for _, p := range b.program.parameters {
		if v, ok := tuple[p.Name]; ok {
			inputs[p.Name] = v
		} else if v, ok := b.request[p.Name]; ok {
			inputs[p.Name] = v
		}
	}
	return inputs
}

// reason puts CEL's words for a cost above the bound into ours.
func reason(err error) string {
	if err.Error() == costExceeded {
		return "it costs more than the bound MaxCost allows"
	}
	return err.Error()
}

const costExceeded = "operation cancelled: actual cost limit exceeded"
