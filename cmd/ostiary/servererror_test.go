package main

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestUnavailableHint: who was answered is not asked whether there is a server.
func TestUnavailableHint(t *testing.T) {
	for message, asked := range map[string]bool{
		`connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`: true,
		"name resolver error: produced zero addresses":                                                                 true,
		"error reading from server: EOF":                                                                               true,
		"this node is not available now: retry":                                                                        false,
		"this node last caught up with a leader 16s ago; ask another node":                                             false,
	} {
		text := asServerError("127.0.0.1:1", status.Error(codes.Unavailable, message)).Error()
		if strings.Contains(text, "is a server running at 127.0.0.1:1?") != asked {
			t.Errorf("%q: %s", message, text)
		}
	}
}
