package strictjson

import (
	"fmt"
	"testing"
)

func TestMembers(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{}`, "map[]"},
		{` {"a" : 1, "b":{"a":[2]} } `, `map[a:1 b:{"a":[2]}]`},
		{`{"a":{"b":1,"b":2}}`, `map[a:{"b":1,"b":2}]`}, // for who reads a
		{`{"a":1,"a":1}`, ""},
		{`{"a":1,"\u0061":2}`, ""},
		{`{"a":1}{}`, ""},
		{`{"a":1} x`, ""},
		{`{"a":1`, ""},
		{`{"a"}`, ""},
		{`{"a":}`, ""},
		{`{1:2}`, ""},
		{`[]`, ""},
		{`null`, ""},
		{``, ""},
	} {
		got := ""
		if all, ok := Members([]byte(test.text)); ok {
			texts := map[string]string{}
			for name, value := range all {
				texts[name] = string(value)
			}
			got = fmt.Sprint(texts)
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.text, got, test.want)
		}
	}
}
