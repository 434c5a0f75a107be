package main

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// The keys of a store, as an operator changes them and as a running server publishes them.
func TestKeysCommands(t *testing.T) {
	grpcAddr, url := startNodeHTTP(t, api.Anonymous())
	c := newCLI(t, grpcAddr)
	run := func(want int, args ...string) string {
		t.Helper()
		code, out, err := c.run(args...)
		if code != want {
			t.Fatalf("ostiary %s: exit code %d, not %d: %s%s", strings.Join(args, " "), code, want, out, err)
		}
		return strings.TrimSpace(out + err)
	}
	wants := func(got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	run(exitDone, "store", "create", "acme", "--use")
	wants(run(exitDone, "keys", "list"), "no keys")
	made := run(exitDone, "keys", "rotate")
	first := regexp.MustCompile(`ES256 key (\S+) signs`).FindStringSubmatch(made)
	if first == nil || !strings.Contains(made, "RS256 key ") {
		t.Fatalf("got %q", made)
	}
	wants(run(exitDone, "keys", "rotate", "--algorithm", "ES256"), "signs from")
	wants(run(exitFailed, "keys", "rotate", "--algorithm", "ES256"), "published")
	wants(run(exitUsage, "keys", "rotate", "--algorithm", "HS256"), "HS256")
	wants(run(exitDone, "keys", "list"), "next")
	wants(run(exitUsage, "keys", "retire", first[1]), "--yes")
	wants(run(exitDone, "keys", "retire", first[1], "--yes"), "is gone")
	wants(run(exitFailed, "keys", "retire", first[1], "--yes"), "not found")

	var listed struct {
		Keys []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(run(exitDone, "keys", "list", "--output", "json")), &listed); err != nil || len(listed.Keys) != 2 {
		t.Fatalf("got %+v, %v", listed, err)
	}
	var stores struct {
		Stores []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(run(exitDone, "store", "list", "--output", "json")), &stores); err != nil || len(stores.Stores) != 1 {
		t.Fatalf("got %+v, %v", stores, err)
	}
	status, body := get(t, url+"/stores/"+stores.Stores[0].ID+"/jwks.json")
	if status != http.StatusOK {
		t.Fatalf("got %d %s", status, body)
	}
	for _, k := range listed.Keys {
		wants(body, `"kid":"`+k.ID+`"`)
	}
}
