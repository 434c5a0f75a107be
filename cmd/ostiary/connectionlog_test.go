package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
)

// What a connection does while its log is followed is printed, each entry once, until the command is interrupted.
func TestConnectionLogFollow(t *testing.T) {
	c := newCLI(t, startNode(t, api.Anonymous()))
	c.must("store", "create", "acme", "--use")
	c.must("org", "create", "Acme", "--id", "acme")
	id := regexp.MustCompile(`c[0-9a-z]{26}`).FindString(c.must("connection", "create", "acme"))
	a, out, talk := c.app("")
	a.followEvery = 10 * time.Millisecond
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended := make(chan int, 1)
	go func() { ended <- a.run(ctx, []string{"connection", "log", id, "--follow"}) }()
	await := func(text string) {
		t.Helper()
		for until := time.Now().Add(30 * time.Second); !strings.Contains(out.String(), text); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%q is not printed:\n%s%s", text, out.String(), talk.String())
			}
		}
	}
	await("token.create")
	for _, action := range []string{"update", "pause", "confirm"} {
		args := []string{"connection", action, id}
		if action == "update" {
			args = append(args, "--name", "Okta")
		}
		c.must(args...)
		await("connection." + action)
	}
	interrupt()
	if code := <-ended; code != exitDone {
		t.Errorf("interrupted: exit code %d: %s", code, talk.String())
	}
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		if seen[line] {
			t.Errorf("printed twice: %s", line)
		}
		seen[line] = true
	}
}
