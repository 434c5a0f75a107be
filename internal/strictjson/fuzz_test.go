package strictjson

import (
	"encoding/json"
	"testing"
)

// What is read is an object to encoding/json too, with the same members.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":[{"a":2}]}`, `{"a":1,"a":2}`, `{"\u0061":1,"a":2}`, `{} x`, `[]`, `{"a":`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := Members(data)
		if !ok {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(data, &want); err != nil || len(want) != len(got) {
			t.Fatalf("%q is read as %v, and by encoding/json as %v (%v)", data, got, want, err)
		}
		for name, value := range want {
			if string(got[name]) != string(value) {
				t.Errorf("member %q of %q is read as %q, and by encoding/json as %q", name, data, got[name], value)
			}
		}
	})
}
