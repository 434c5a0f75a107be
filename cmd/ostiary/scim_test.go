package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// The server answers identity providers at /scim/v2/, in SCIM's words, and nobody without a token.
func TestServeAnswersSCIM(t *testing.T) {
	_, url := startNodeHTTP(t, api.Anonymous())
	r, err := http.Get(url + "/scim/v2/none/Users")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), `"status":"401"`) || r.Header.Get("X-Request-Id") == "" {
		t.Errorf("got %d %s", r.StatusCode, body)
	}
}
