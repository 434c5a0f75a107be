package scimerr

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
)

func TestMessage(t *testing.T) {
	tests := []struct {
		err  *Error
		want string
	}{
		{Bad(InvalidFilter, "%q is no filter", "x"),
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"scimType":"invalidFilter","detail":"\"x\" is no filter","status":"400"}`},
		{New(404, "", "no such user"),
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"no such user","status":"404"}`},
	}
	for _, tt := range tests {
		if got, err := json.Marshal(tt.err); err != nil || string(got) != tt.want {
			t.Errorf("got  %s (%v)\nwant %s", got, err, tt.want)
		}
	}
}

func TestIsComparesStatusAndType(t *testing.T) {
	err := fmt.Errorf("operation 3: %w", Bad(NoTarget, "nothing matches"))
	if !errors.Is(err, Bad(NoTarget, "")) {
		t.Error("the same status and type differ")
	}
	if errors.Is(err, Bad(InvalidPath, "")) || errors.Is(err, New(404, NoTarget, "")) {
		t.Error("another type or status is the same")
	}
}
