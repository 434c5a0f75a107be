package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// exchange sends a body to a path and returns everything of the answer that does not differ from one
// request to the next: the status, the body without spaces, and the headers but for the date, the id and
// the length.
func (h *harness) exchange(t *testing.T, path, body string, headers ...string) string {
	t.Helper()
	resp, text := h.send(t, http.MethodPost, path, strings.NewReader(body), append([]string{"X-Request-Id", "r1"}, headers...)...)
	var compact bytes.Buffer
	for line := range bytes.Lines(text) {
		if err := json.Compact(&compact, line); err != nil {
			t.Fatalf("%s %s: %v in %q", path, body, err, text)
		}
	}
	for _, name := range []string{"Date", "Content-Length"} {
		resp.Header.Del(name)
	}
	if resp.Header.Get("Ostiary-Continuation") != "" { // sealed with a nonce
		resp.Header.Set("Ostiary-Continuation", "one")
	}
	return fmt.Sprintf("%d %s %v", resp.StatusCode, compact.String(), resp.Header)
}

// TestHotAnswersAsTheGateway sends bodies to the methods that are answered without the gateway, and the
// same again with a header that only the gateway knows. The answers are the same, byte for byte but for
// JSON's spaces. Bodies are usual ones, and those with up to three random changes.
func TestHotAnswersAsTheGateway(t *testing.T) {
	h := start(t)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	c := h.surfaces()[1]
	store, model := c.newStore(t, testModel)
	c.write(t, store, "doc:1#viewer@user:ann", "doc:2#viewer@group:eng#member", "group:eng#member@user:ann", `doc:a"b\c<é>#viewer@user:quote`)
	check := `{"tuple_key":{"user":"user:ann","relation":"viewer","object":"doc:1"},"authorization_model_id":"` + model + `"}`
	bodies := map[string][]string{
		"check": {
			check,
			`{"tuple_key": {"user": "user:bob", "relation": "can_view", "object": "doc:2"}, "consistency": "HIGHER_CONSISTENCY"}` + "\n",
			`{"tuple_key":{"user":"user:ann","relation":"viewer","object":"doc:1"},"contextual_tuples":{"tuple_keys":[]},"context":{"x":1}}`,
			`{"tuple_key":{"user":"user:ann","relation":"nothing","object":"doc:1"}}`, `{"tuple_key":{"user":"ann","relation":"viewer","object":"doc:1"}}`,
			`{"tuple_key":{}}`, `{}`, ``, `{"tupleKey":{"user":"user:ann","relation":"viewer","object":"doc:1"}}`,
			`{"tuple_key":{"user":"user:\u0061nn","relation":"viewer","object":"doc:é"}}`, `{"tuple_key":null}`, check + `x`, check + check,
			`{"tuple_key":{"user":"user:ann","user":"user:bob","relation":"viewer","object":"doc:1"}}`,
			`{"authorization_model_id":"01JZ0000000000000000000000","tuple_key":{"user":"user:ann","relation":"viewer","object":"doc:1"}}`,
		},
		"batch-check": {
			`{"checks":[{"tuple_key":{"user":"user:ann","relation":"viewer","object":"doc:1"},"correlation_id":"b"},{"correlation_id":"a","tuple_key":{"user":"user:bob","relation":"viewer","object":"doc:1"}}]}`,
			`{"checks":[{"tuple_key":{"user":"user:ann","relation":"nothing","object":"doc:1"},"correlation_id":"b"}],"consistency":"MINIMIZE_LATENCY"}`,
			`{"checks":[{"tuple_key":{"user":"user:ann","relation":"viewer","object":"doc:1"},"correlation_id":"b"},{"tuple_key":{"user":"user:ann","relation":"viewer","object":"doc:1"},"correlation_id":"b"}]}`,
			`{"checks":[]}`, `{"checks":[{}]}`, `{}`,
		},
		"list-objects": {
			`{"type":"doc","relation":"viewer","user":"user:ann","authorization_model_id":"` + model + `"}`,
			`{"type":"doc","relation":"viewer","user":"user:quote"}`, `{"type":"doc","relation":"viewer","user":"user:nobody"}`,
			`{"type":"nothing","relation":"viewer","user":"user:ann"}`, `{"type":"","relation":"viewer","user":"user:ann"}`, `{"user":"user:ann"}`,
		},
	}
	bodies["streamed-list-objects"] = bodies["list-objects"]
	compare := func(path, body string) {
		t.Helper()
		got, want := h.exchange(t, path, body), h.exchange(t, path, body, "Grpc-Timeout", "100S")
		if got != want {
			t.Fatalf("%s %q\ngot:     %s\ngateway: %s", path, body, got, want)
		}
	}
	const seed = 9
	r := rand.New(rand.NewPCG(seed, seed))
	pieces := []string{`"`, `\`, `{`, `}`, `[`, `]`, `,`, `:`, ` `, "\n", "\t", "\x00", "\x7f", "é", `\u0000`, `\ud800`, `null`, `1`, `true`, `""`, `"user":`, `#member`, `*`, `@`, "\xff", `"trace":true,`, `{}`, "\v"}
	for method, all := range bodies {
		for _, body := range all {
			for _, path := range []string{"/stores/" + store + "/" + method, "/stores/01JZ0000000000000000000000/" + method, "/stores/nothing/" + method} {
				compare(path, body)
			}
			for range 120 {
				changed := body
				for range 1 + r.IntN(3) {
					i := r.IntN(len(changed) + 1)
					j := min(len(changed), i+r.IntN(3))
					changed = changed[:i] + pieces[r.IntN(len(pieces))] + changed[j:]
					if r.IntN(3) == 0 {
						changed = changed[:r.IntN(len(changed)+1)] + changed[min(len(changed), r.IntN(len(changed)+1)):]
					}
				}
				compare("/stores/"+store+"/"+method, changed)
			}
		}
	}
}

// TestHotAuthenticates asks without a key, with a wrong one, two, and the right one.
func TestHotAuthenticates(t *testing.T) {
	authenticator, err := api.PresharedKeys("secret")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, func(o *api.Options) { o.Authenticator = authenticator })
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	for path, body := range map[string]string{
		"check":                 `{"tuple_key":{"user":"user:ann","relation":"viewer","object":"doc:1"}}`,
		"streamed-list-objects": `{"type":"doc","relation":"viewer","user":"user:ann"}`,
	} {
		path = "/stores/01JZ0000000000000000000000/" + path
		for key, want := range map[string]string{"": "401", "Bearer wrong": "401", "Basic secret": "401", "Bearer secret": "404"} {
			var headers []string
			if key != "" {
				headers = []string{"Authorization", key}
			}
			got := h.exchange(t, path, body, headers...)
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s %q: got %s, want %s", path, key, got, want)
			}
			if gateway := h.exchange(t, path, body, append(headers, "Grpc-Timeout", "100S")...); got != gateway {
				t.Errorf("%s %q\ngot:     %s\ngateway: %s", path, key, got, gateway)
			}
		}
	}
}
