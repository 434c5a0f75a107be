package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// The story of an offboarding is played on a server of its own and on one that is named, and leaves no store behind.
func TestDemoOffboarding(t *testing.T) {
	own := newCLI(t, "")
	code, out, stderr := own.run("demo", "offboarding")
	if code != exitDone {
		t.Fatalf("exit code %d: %s%s", code, out, stderr)
	}
	wantContains(t, "the timeline", out, "revoke: Global Token Revocation", "denied (session_inactive)", "denied (subject_disabled)", "Every step went as it should")

	grpcAddr, _ := startNodeHTTP(t, api.Anonymous(), reachable, loopbackEgress)
	named := newCLI(t, grpcAddr)
	code, out, stderr = named.run("demo", "offboarding", "--output", "json")
	var told struct {
		OK    bool
		Steps []storyStep
	}
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != exitDone || !told.OK || len(told.Steps) < 20 {
		t.Errorf("exit code %d: %v %s%s", code, err, out, stderr)
	}
	for _, step := range told.Steps {
		if !step.OK || step.What == "" || step.Result == "" {
			t.Errorf("step %+v", step)
		}
	}
	if left := named.must("store", "list"); strings.Contains(left, "offboarding") {
		t.Errorf("a store is left: %s", left)
	}
}

// A story that does not go as it should ends with exit code 1, and says where it broke off.
func TestDemoOffboardingBreaksOff(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous())) // it does not know its own URL
	code, out, stderr := c.run("demo", "offboarding")
	if code != exitFailed || !strings.Contains(out, "broke off") || !strings.Contains(out, "--public-url") {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
	a, _, _ := c.app("")
	a.client.server, a.client.timeout = c.env["OSTIARY_SERVER"], demoTimeout
	conn, err := a.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s := &story{a: a, c: conn}
	defer func() {
		if err := s.clear(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	if err := s.writeModel(t.Context()); err != nil {
		t.Fatal(err)
	}
	var failed *storyError
	if err := s.check(t.Context(), "viewer", "user:ann", true); !errors.As(err, &failed) || !strings.Contains(err.Error(), "should be allowed") {
		t.Errorf("a door that should be open: got %v", err)
	}
	if err := s.check(t.Context(), "viewer", "user:ann", false); err != nil {
		t.Error(err)
	}
}
