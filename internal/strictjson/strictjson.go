// Package strictjson reads JSON that somebody else must not be able to read otherwise.
package strictjson

import (
	"bytes"
	"encoding/json"
	"io"
)

// Members returns the members of a JSON object, and false where the text is none, holds more than one, or the object
// has a member twice: readers take the first one or the last.
func Members(data []byte) (map[string]json.RawMessage, bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	all := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		name, ok := t.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil, false
		}
		if _, twice := all[name]; twice {
			return nil, false
		}
		all[name] = value
	}
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	_, err := d.Token()
	return all, err == io.EOF
}
