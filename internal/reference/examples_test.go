package reference

import "testing"

func TestMatch(t *testing.T) {
	for name, test := range map[string]struct {
		want, got any
		match     bool
	}{
		"more than was said": {map[string]any{"a": true}, map[string]any{"a": true, "b": 1}, true},
		"less":               {map[string]any{"a": true}, map[string]any{}, false},
		"other":              {map[string]any{"a": true}, map[string]any{"a": false}, false},
		"any text":           {"…", "x", true},
		"no text":            {"…", "", false},
		"a list":             {[]any{"a"}, []any{"a"}, true},
		"a longer list":      {[]any{"a"}, []any{"a", "b"}, false},
		"no list":            {[]any{}, nil, false},
		"no object":          {map[string]any{}, nil, false},
	} {
		if fault := Match(test.want, test.got); (fault == "") != test.match {
			t.Errorf("%s: %q", name, fault)
		}
	}
}
