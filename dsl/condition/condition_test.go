package condition

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/dsl/model"
)

func parameter(t testing.TB, text string) model.Parameter {
	t.Helper()
	name, typ, ok := strings.Cut(text, ":")
	if !ok {
		t.Fatalf("parameter %q is not name:type", text)
	}
	parsed, err := parseType(typ, 0)
	if err != nil {
		t.Fatal(err)
	}
	return model.Parameter{Name: name, Type: parsed}
}

// declare makes a condition of parameters like "x:int" and an expression.
func declare(t testing.TB, expression string, parameters ...string) *model.Condition {
	t.Helper()
	c := &model.Condition{Name: "cond", Expression: expression}
	for _, p := range parameters {
		c.Parameters = append(c.Parameters, parameter(t, p))
	}
	return c
}

func compiled(t testing.TB, expression string, parameters ...string) *Program {
	t.Helper()
	p, err := Compile(declare(t, expression, parameters...), Options{})
	if err != nil {
		t.Fatalf("compile %s: %v", expression, err)
	}
	return p
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	out, err := DecodeContext([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEvaluate(t *testing.T) {
	for _, c := range []struct {
		expression, parameter, value string
		want                         string // "true", "false", or a part of the error
	}{
		{"a", "a:bool", `true`, "true"},
		{"a", "a:bool", `false`, "false"},
		{"a", "a:bool", `"true"`, "expected a bool, found the text"},
		{"a", "a:bool", `null`, "expected a bool, found null"},
		{"a == 'x'", "a:string", `"x"`, "true"},
		{"a == 'x'", "a:string", `5`, "expected a string, found the number 5"},
		{"a == 5", "a:int", `5`, "true"},
		{"a == 5", "a:int", `"5"`, "true"},
		{"a == 5", "a:int", `"+5"`, "true"},
		{"a == 5", "a:int", `5.0`, "true"},
		{"a == 5", "a:int", `"5.0"`, "true"},
		{"a == 1000", "a:int", `"1e3"`, "true"},
		{"a == 5", "a:int", `5.5`, "expected an int, found the number"},
		{"a == 5", "a:int", `" 5"`, "expected an int, found the text"},
		{"a == 5", "a:int", `"0x5"`, "expected an int"},
		{"a == 5", "a:int", `"5_0"`, "expected an int"},
		{"a == 5", "a:int", `true`, "expected an int, found true"},
		{"a == 5", "a:int", `""`, "expected an int"},
		{"a == 5", "a:int", `"Inf"`, "expected an int"},
		{"a == 9007199254740993", "a:int", `9007199254740993`, "true"},
		{"a == 9223372036854775807", "a:int", `"9223372036854775807"`, "true"},
		{"a == 9223372036854775807", "a:int", `"9223372036854775808"`, "expected an int of 64 bits"},
		{"a == 9223372036854775807", "a:int", `1e30`, "expected an int of 64 bits"},
		{"a == 18446744073709551615u", "a:uint", `"18446744073709551615"`, "true"},
		{"a == 5u", "a:uint", `-1`, "expected a uint of 64 bits"},
		{"a == 5u", "a:uint", `5.5`, "expected a uint"},
		{"a > 4.0", "a:double", `5`, "true"},
		{"a == 0.1", "a:double", `0.1`, "true"},
		{"a == 0.1", "a:double", `"0.1"`, "true"},
		{"a > 4.0", "a:double", `"NaN"`, "expected a double"},
		{"a > 4.0", "a:double", `"1e400"`, "expected a double"},
		{"a > 4.0", "a:double", `"0x1p3"`, "expected a double"},
		{"a > duration('30m')", "a:duration", `"1h"`, "true"},
		{"a > duration('30m')", "a:duration", `"-1h"`, "false"},
		{"a > duration('30m')", "a:duration", `3600`, "expected a duration"},
		{"a > duration('30m')", "a:duration", `"1d"`, "expected a duration"},
		{"a < timestamp('2024-01-01T00:00:00Z')", "a:timestamp", `"2023-10-11T10:00:00+02:00"`, "true"},
		{"a < timestamp('2024-01-01T00:00:00Z')", "a:timestamp", `"2023-10-11"`, "expected a timestamp"},
		{"a < timestamp('2024-01-01T00:00:00Z')", "a:timestamp", `1697018400`, "expected a timestamp"},
		{"a.getHours() == 8", "a:timestamp", `"2023-10-11T10:00:00+02:00"`, "true"},
		{"a.in_cidr('10.0.0.0/8')", "a:ipaddress", `"10.1.1.1"`, "true"},
		{"a.in_cidr('10.0.0.0/8')", "a:ipaddress", `"::ffff:10.1.1.1"`, "true"},
		{"a.in_cidr('10.0.0.0/8')", "a:ipaddress", `"::1"`, "false"},
		{"a.in_cidr('fe80::/10')", "a:ipaddress", `"fe80::1"`, "true"},
		{"a.in_cidr('10.0.0.0/8')", "a:ipaddress", `"010.1.1.1"`, "expected an IP address"},
		{"a.in_cidr('x')", "a:ipaddress", `"10.1.1.1"`, `"x" is not a network`},
		{"a == ipaddress('10.0.0.1')", "a:ipaddress", `"10.0.0.1"`, "true"},
		{"a != ipaddress('10.0.0.1')", "a:ipaddress", `"10.0.0.1"`, "false"},
		{"a == ipaddress('no')", "a:ipaddress", `"10.0.0.1"`, `"no" is not an IP address`},
		{"'x' in a", "a:list<string>", `["x"]`, "true"},
		{"'x' in a", "a:list<string>", `[]`, "false"},
		{"'x' in a", "a:list<string>", `["x", 5]`, "item 1: expected a string"},
		{"'x' in a", "a:list<string>", `"x"`, "expected a list, found the text"},
		{"'x' in a", "a:list<string>", `{}`, "expected a list, found a map"},
		{"a[0][0] == 1", "a:list<list<int>>", `[[1]]`, "true"},
		{"a[0] == 1", "a:list<int>", `[]`, "index out of bounds"},
		{"a.exists(x, x.in_cidr('10.0.0.0/8'))", "a:list<ipaddress>", `["::1", "10.0.0.1"]`, "true"},
		{"a['k'] == 1", "a:map<int>", `{"k": "1"}`, "true"},
		{"a.k == 1", "a:map<int>", `{"k": 1}`, "true"},
		{"a['k'] == 1", "a:map<int>", `{"k": 1.5}`, `key "k": expected an int`},
		{"a['k'] == 1", "a:map<int>", `{}`, "no such key: k"},
		{"a['k'] == 1", "a:map<int>", `[]`, "expected a map, found a list"},
		{"a.b == 1", "a:any", `{"b": 1}`, "true"},
		{"a.b == 1", "a:any", `{}`, "no such key"},
		{"has(a.b)", "a:any", `{}`, "false"},
		{"a.b.exists(x, x == 'y')", "a:any", `{"b": ["x", "y"]}`, "true"},
		{"a == null", "a:any", `null`, "true"},
		{"a > 4", "a:any", `5`, "true"},
		{"a == 'x'", "a:any", `"x"`, "true"},
		{"1 / a == 1", "a:int", `0`, "division by zero"},
		{"a.all(x, a.all(y, x + y < 1000))", "a:list<int>", `[0, 1, 2, 3, 4]`, "MaxCost"},
		{"a.matches('^(a+)+$')", "a:string", `"` + strings.Repeat("a", 5000) + `"`, "MaxCost"},
	} {
		name := fmt.Sprintf("%s with %s = %.40s", c.expression, c.parameter, c.value)
		t.Run(name, func(t *testing.T) {
			p := compiled(t, c.expression, c.parameter)
			context := object(t, `{"a": `+c.value+`}`)
			// The same from either context.
			for _, from := range []struct{ tuple, request map[string]any }{{context, nil}, {nil, context}} {
				holds, err := p.Bind(from.request).Evaluate(from.tuple)
				got := fmt.Sprint(holds)
				if err != nil {
					got = err.Error()
				}
				if err != nil && holds || !strings.Contains(got, c.want) || (err == nil) != (c.want == "true" || c.want == "false") {
					t.Errorf("got %s, want %s", got, c.want)
				}
			}
		})
	}
}

func TestContexts(t *testing.T) {
	p := compiled(t, "a || b", "a:bool", "b:bool")
	for _, c := range []struct{ tuple, request, want string }{
		{`{"a": true, "b": false}`, `{}`, "true"},
		{`{"a": false}`, `{"a": true, "b": false}`, "false"},           // the tuple's value counts
		{`{"a": true}`, `{"a": "no bool", "b": false}`, "true"},        // and the other is not looked at
		{`{"a": true}`, `{"b": false, "c": [1], "d": "more"}`, "true"}, // a request may hold more
		{`{"a": true}`, `{}`, "needs the context parameters b"},        // b would not decide
		{`{}`, `{}`, "needs the context parameters a, b"},              // all of them, as declared
		{`{}`, `{"b": 5}`, `"b" of condition "cond": expected a bool`}, // wrong comes before missing
		{`{"b": null}`, `{"b": true, "a": true}`, "expected a bool"},   // null is a value
		{`{"b": true}`, `{"a": true}`, "true"},
	} {
		holds, err := p.Bind(object(t, c.request)).Evaluate(object(t, c.tuple))
		got := fmt.Sprint(holds)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("tuple %s, request %s: got %s, want %s", c.tuple, c.request, got, c.want)
		}
	}
	var missing *MissingError
	if _, err := p.Bind(nil).Evaluate(nil); !errors.As(err, &missing) || fmt.Sprint(missing.Names) != "[a b]" {
		t.Errorf("got %v, want a MissingError of a and b", err)
	}
}

// A Bound keeps converted values of the request; a tuple must not see those of another tuple.
func TestBoundKeepsTuplesApart(t *testing.T) {
	b := compiled(t, "a == 1", "a:int").Bind(object(t, `{"a": 1}`))
	for _, step := range []struct {
		tuple string
		want  bool
	}{{`{"a": 2}`, false}, {`{}`, true}, {`{"a": 3}`, false}, {`{"a": 1}`, true}, {``, true}} {
		if got, err := b.Evaluate(object(t, step.tuple)); err != nil || got != step.want {
			t.Errorf("tuple %s: got %t (%v), want %t", step.tuple, got, err, step.want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, c := range []struct {
		expression string
		parameters []string
		want       string
		offset     int
	}{
		{"b", []string{"a:bool"}, "1:1: undeclared reference to 'b'", 0},
		{"a +", []string{"a:int"}, "1:4: unexpected end of the expression", 3},
		{"a", []string{"a:int"}, "the expression yields int; a condition yields bool", -1},
		{"a", []string{"a:any"}, "the expression yields any", -1},
		{"dyn(a)", []string{"a:bool"}, "the expression yields dyn", -1},
		{"a\n == 'x'", []string{"a:int"}, "2:2: found no matching overload for '_==_' applied to '(int, string)'", 3},
		{"'ä' == a", []string{"a:int"}, "1:5: found no matching overload", 5},
		{"a < 5.5", []string{"a:int"}, "1:3: found no matching overload", 2},
		{"a.matches('(')", []string{"a:string"}, "missing closing )", -1},
		{"string(a) == 'x'", []string{"a:ipaddress"}, "applied to '(IPAddress)'", 6},
		{"'x'.upperAscii() == 'X'", nil, "undeclared reference to 'upperAscii'", 14},
		{"current_time > a", []string{"a:timestamp"}, "undeclared reference to 'current_time'", 0},
		{strings.Repeat("!", 600) + "true", nil, "may have at most 512", -1},
		{strings.Repeat("(", 255) + "a" + strings.Repeat(")", 255), []string{"a:bool"}, "limit", -1},
		{"a.exists(x, x == 'y')", []string{"a:any"}, "cannot be range of a comprehension", 0},
		{"", nil, "end of the expression", -1},
	} {
		_, err := Compile(declare(t, c.expression, c.parameters...), Options{})
		var fault *CompileError
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), c.want) || fault.Faults[0].Offset != c.offset {
			t.Errorf("%.40q: got %v, want %s at %d", c.expression, err, c.want, c.offset)
			if fault != nil {
				t.Logf("offset %d", fault.Faults[0].Offset)
			}
		}
	}
}

func TestCheckContext(t *testing.T) {
	p := compiled(t, "a && b > 1", "a:bool", "b:int")
	for _, c := range []struct{ context, want string }{
		{``, ""}, {`{}`, ""}, {`{"a": true}`, ""}, {`{"a": true, "b": "2"}`, ""},
		{`{"c": 1}`, "has no such parameter"}, {`{"b": "x"}`, "expected an int"},
	} {
		err := p.CheckContext(object(t, c.context))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.context, err, c.want)
		}
	}
}

// Evaluations stop at the bound, and the bound is a setting.
func TestMaxCost(t *testing.T) {
	c := declare(t, "a.all(x, x < 1000)", "a:list<int>")
	context := object(t, `{"a": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30]}`)
	for cost, want := range map[uint64]bool{0: false, 100: false, 1000: true} {
		p, err := Compile(c, Options{MaxCost: cost})
		if err != nil {
			t.Fatal(err)
		}
		if holds, err := p.Bind(nil).Evaluate(context); holds != want || (err == nil) != want {
			t.Errorf("cost %d: got %t (%v), want %t", cost, holds, err, want)
		}
	}
}
