package condition

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/dsl/model"
)

// FuzzCondition: compiling and evaluating end without a panic, whatever is written, and an error beside
// "holds" never occurs.
func FuzzCondition(f *testing.F) {
	bomb := "[1,2,3,4,5,6,7,8,9].all(a, " // nested below
	for _, seed := range [][3]string{
		{"a == 5", "int", `5`},
		{"a.in_cidr('10.0.0.0/8')", "ipaddress", `"10.0.0.1"`},
		{"a.all(x, a.all(y, a.all(z, x + y < z)))", "list<int>", `[1,2,3,4,5,6,7,8,9]`},
		{strings.Repeat(bomb, 12) + "true" + strings.Repeat(")", 12), "any", `null`},
		{strings.Repeat("(", 250) + "true" + strings.Repeat(")", 250), "bool", `true`},
		{"a.matches('(a{1,1000}){1,1000}')", "string", `"aaaaaaaaaaaaaaaaaaaaaaaa"`},
		{"a.matches(a)", "string", `"((((((((((((((a{1,1000}){1,1000}"`},
		{"a + a + a + a + a + a == a", "string", `"x"`},
		{"[a].map(x, x + x).map(x, x + x).map(x, x + x).map(x, x + x)[0] == a", "string", `"xxxxxxxxxxxxxxxxxxxx"`},
		{"a > 1", "int", `1e999999999`},
		{"a > 1", "int", `"1e999999999"`},
		{"a > 1.0", "double", `"1e-999999999"`},
		{"timestamp(a) > timestamp(0)", "string", `"2020"`},
		{"{a: a}[a] == a", "any", `{"a": [{}, null]}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, expression, typ, value string) {
		context, err := DecodeContext([]byte(`{"a": ` + value + `}`))
		if err != nil {
			context = map[string]any{"a": value}
		}
		if inline, err := CompileInline(map[string]any{"expression": expression, "parameters": map[string]any{"a": typ}}, Options{}); err == nil {
			if holds, err := inline.Bind(context).Evaluate(nil); holds && err != nil {
				t.Errorf("inline holds beside the error %v", err)
			}
		}
		parsed, err := parseType(typ, 0)
		if err != nil {
			return
		}
		p, err := Compile(&model.Condition{Name: "c", Expression: expression, Parameters: []model.Parameter{{Name: "a", Type: parsed}}}, Options{})
		if err != nil {
			return
		}
		first, firstErr := p.Bind(nil).Evaluate(context)
		second, secondErr := p.Bind(context).Evaluate(nil)
		if first != second || (firstErr == nil) != (secondErr == nil) || first && firstErr != nil {
			t.Errorf("of the tuple: %t (%v), of the request: %t (%v)", first, firstErr, second, secondErr)
		}
	})
}
