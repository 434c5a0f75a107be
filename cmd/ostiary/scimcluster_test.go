package main

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// In a cluster of three, what an identity provider is told is done holds on every node at the token of the
// answer: whichever node it told.
func TestClusterChecksFlipEverywhere(t *testing.T) {
	var addresses, servers, urls []string
	for range 3 {
		address := freeAddress(t)
		options, err := clusterFlags{addr: address, join: slices.Clone(addresses)}.judge(true)
		if err != nil {
			t.Fatal(err)
		}
		server, url := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.cluster = options })
		addresses, servers, urls = append(addresses, address), append(servers, server), append(urls, url)
	}
	run := func(node int, want int, args ...string) string {
		t.Helper()
		code, out, err := newCLI(t, servers[node]).run(args...)
		if code != want {
			t.Fatalf("node %d: ostiary %s: exit code %d, not %d: %s%s", node, strings.Join(args, " "), code, want, out, err)
		}
		return out
	}
	folder := filepath.Join(t.TempDir(), "model")
	run(0, exitDone, "org", "init", folder)
	store := "--store=" + strings.TrimSpace(run(0, exitDone, "store", "create", "acme"))
	run(0, exitDone, "model", "write", store, filepath.Join(folder, "fga.mod"))
	run(0, exitDone, "org", "create", store, "Acme", "--id", "acme")
	printed := run(0, exitDone, "connection", "create", store, "acme", "--kind", "okta")
	path := regexp.MustCompile(`/scim/v2/c[0-9a-z]{26}`).FindString(printed)
	secret := regexp.MustCompile(`ostiary_[\w-]{43}`).FindString(printed)

	// send asks a node, once it has heard of the connection, and returns the body and the token of the answer.
	send := func(node int, method, resource, body string) (answer, token string) {
		t.Helper()
		for {
			resp, text := sendHTTP(t, http.DefaultClient, method, urls[node]+path+resource, body,
				"Authorization", "Bearer "+secret, "Content-Type", "application/scim+json")
			switch {
			case resp.StatusCode == http.StatusUnauthorized: // the node has not heard of the token yet
				continue
			case resp.StatusCode >= 300:
				t.Fatalf("%s %s at node %d: %d %s", method, resource, node, resp.StatusCode, text)
			}
			return text, resp.Header.Get("Ostiary-Token")
		}
	}
	created, _ := send(1, http.MethodPost, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann"}`)
	ann := regexp.MustCompile(`u[0-9a-z]{26}`).FindString(created)
	token := ""
	everywhere := func(want int) {
		t.Helper()
		for node := range servers {
			run(node, want, "check", store, "--at-least="+token, "document:1#viewer@user:"+ann)
			run(node, want, "check", store, "--consistency=higher-consistency", "document:1#viewer@user:"+ann)
		}
	}
	run(0, exitDone, "tuple", "write", store, "document:1#viewer@user:"+ann)
	patch := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":false}]}`
	for node := range servers {
		_, token = send(node, http.MethodPatch, "/Users/"+ann, patch)
		everywhere(exitDenied)
		_, token = send((node+1)%3, http.MethodPatch, "/Users/"+ann, strings.Replace(patch, "false", "true", 1))
		everywhere(exitDone)
	}
	_, token = send(2, http.MethodDelete, "/Users/"+ann, "")
	everywhere(exitDenied)
}
