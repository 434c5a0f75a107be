package condition

import (
	"fmt"
	"strings"
	"testing"
)

func TestInline(t *testing.T) {
	for _, c := range []struct{ context, request, want string }{
		{`{"expression": "true"}`, `{}`, "true"},
		{`{"expression": "env == 'prod'"}`, `{"env": "prod"}`, "true"},
		{`{"expression": "env == 'prod'"}`, `{"env": "x"}`, "false"},
		{`{"expression": "env == 'prod'"}`, `{"env": 5}`, "expected a string"},
		{`{"expression": "env == 'prod'"}`, `{}`, "needs the context parameters env"},
		{`{"expression": "n > 5", "parameters": {"n": "int"}}`, `{"n": 6}`, "true"},
		{`{"expression": "n > 5", "parameters": {"n": "int", "m": "int"}}`, `{"n": 6}`, "needs the context parameters m"},
		{`{"expression": "e == 'a' && z == 'b'", "parameters": {"e": "string"}}`, `{"e": "a", "z": "b"}`, "true"},
		{`{"expression": "'a' in l", "parameters": {"l": "list<string>"}}`, `{"l": ["a"]}`, "true"},
		{`{"expression": "m.k.exists(x, x == v)", "parameters": {"m": "map<list<string>>"}}`, `{"m": {"k": ["a"]}, "v": "a"}`, "true"},
		{`{"expression": "['a', 'b'].exists(x, x == env)"}`, `{"env": "a"}`, "true"},
		{`{"expression": "{'k': env}['k'] == 'a' && type(env) == string"}`, `{"env": "a"}`, "true"},
		{`{"expression": "ip.in_cidr('10.0.0.0/8')", "parameters": {"ip": "ipaddress"}}`, `{"ip": "10.0.0.1"}`, "true"},
		// The tuple's own context is no source of values.
		{`{"expression": "env == 'a'", "env": "a"}`, `{}`, "needs the context parameters env"},
		{`{"expression": "env == expression"}`, `{"env": "a"}`, "needs the context parameters expression"},
		{`{}`, `{}`, `missing required context field "expression"`},
		{`{"expression": 5}`, `{}`, "must be a non-empty string"},
		{`{"expression": ""}`, `{}`, "must be a non-empty string"},
		{`{"expression": "env > 5"}`, `{}`, "no matching overload"},
		{`{"expression": "env"}`, `{}`, "yields string"},
		{`{"expression": "env =="}`, `{}`, "end of the expression"},
		{`{"expression": "e == 'a'", "parameters": ["e"]}`, `{}`, "must be a struct"},
		{`{"expression": "e == 'a'", "parameters": {"e": "foo"}}`, `{}`, `unknown parameter type "foo"`},
		{`{"expression": "e == 'a'", "parameters": {"e": {"type_name": "TYPE_NAME_INT"}}}`, `{}`, "unknown parameter type"},
		{`{"expression": "e == 'a'", "parameters": {"e": "list"}}`, `{}`, "needs an element type"},
		{`{"expression": "e == 'a'", "parameters": {"e": "int<int>"}}`, `{}`, "takes no element type"},
		{`{"expression": "'` + strings.Repeat("x", 5000) + `' == 'x'"}`, `{}`, "may have at most 4096"},
	} {
		p, err := CompileInline(object(t, c.context), Options{})
		got := ""
		if err == nil {
			var holds bool
			holds, err = p.Bind(object(t, c.request)).Evaluate(nil)
			got = fmt.Sprint(holds)
		}
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%.80s with %s: got %s, want %s", c.context, c.request, got, c.want)
		}
	}
}
