package main

import (
	"bytes"
	"encoding/json"
)

// compact takes the blanks out of JSON.
func compact(data []byte) string {
	var b bytes.Buffer
	if err := json.Compact(&b, data); err != nil {
		return string(data)
	}
	return b.String()
}
