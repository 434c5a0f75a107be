package main

import (
	"math/rand/v2"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary/dsl/model"
)

// condition is a condition of the models, with values that its parameters are given. Each parameter is
// missing at times, and of a wrong type at times.
type condition struct {
	name, expression string
	parameters       []parameter
}

type parameter struct {
	name   string
	typ    model.ParameterType
	values []any // the last is of a wrong type
}

func scalar(name string) model.ParameterType { return model.ParameterType{Name: name} }

func list(element string) model.ParameterType {
	e := scalar(element)
	return model.ParameterType{Name: "list", Element: &e}
}

var conditions = []condition{
	{"small", "x < 10", []parameter{{"x", scalar("int"), []any{1, 50, "7", "seven"}}}},
	{"open", "ok", []parameter{{"ok", scalar("bool"), []any{true, false, "yes"}}}},
	{"among", "v in allowed", []parameter{{"v", scalar("string"), []any{"a", "b", 3}},
		{"allowed", list("string"), []any{[]any{"a"}, []any{"b", "c"}, []any{}, "a"}}}},
	{"before", "now < until", []parameter{{"now", scalar("timestamp"), []any{"2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "today"}},
		{"until", scalar("timestamp"), []any{"2025-01-01T00:00:00Z", "2023-01-01T00:00:00+02:00", 12}}}},
	{"fresh", "age <= duration('1h')", []parameter{{"age", scalar("duration"), []any{"10m", "2h", "1h", 60}}}},
	{"inside", "ip.in_cidr(cidr)", []parameter{{"ip", scalar("ipaddress"), []any{"192.168.0.1", "10.0.0.1", "300.1.1.1"}},
		{"cidr", scalar("string"), []any{"192.168.0.0/24", "10.0.0.0/8", "nowhere"}}}},
	{"either", "x < 10 || name == 'a'", []parameter{{"x", scalar("uint"), []any{1, 50, -1}}, {"name", scalar("string"), []any{"a", "b", true}}}},
	{"both", "big > 1.5 && ok", []parameter{{"big", scalar("double"), []any{1.25, 2, "2.5", "two"}}, {"ok", scalar("bool"), []any{true, false, 0}}}},
	{"free", "what == 'a' || what == 3.0", []parameter{{"what", scalar("any"), []any{"a", 3, true}}}},
}

func conditionNamed(name string) *condition {
	for i := range conditions {
		if conditions[i].name == name {
			return &conditions[i]
		}
	}
	return nil
}

func (c condition) model() *model.Condition {
	m := &model.Condition{Name: c.name, Expression: c.expression}
	for _, p := range c.parameters {
		m.Parameters = append(m.Parameters, model.Parameter{Name: p.name, Type: p.typ})
	}
	return m
}

// fill gives values to some of the parameters; one in wrongOneIn values is of a wrong type.
func (c condition) fill(r *rand.Rand, into map[string]any, wrongOneIn int) {
	for _, p := range c.parameters {
		switch last := len(p.values) - 1; {
		case r.IntN(4) == 0:
		case r.IntN(wrongOneIn) == 0:
			into[p.name] = p.values[last]
		default:
			into[p.name] = p.values[r.IntN(last)]
		}
	}
}

// asStruct returns values as the API carries them; none is nil.
func asStruct(values map[string]any) *structpb.Struct {
	if len(values) == 0 {
		return nil
	}
	s, err := structpb.NewStruct(values)
	if err != nil {
		panic(err) // the values are of this file
	}
	return s
}
