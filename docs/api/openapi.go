// Package openapi serves the description of the API over HTTP, openapi.json beside this file, which 'make docs' writes.
package openapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"net/http"
	"time"
)

// Path is where a node serves the description.
const Path = "/openapi.json"

//go:embed openapi.json
var document []byte

// Document returns the description. Do not change it.
func Document() []byte { return document }

// Takes reports whether a path is the description's.
func Takes(path string) bool { return path == Path }

// New returns what serves the description to everybody, and to pages of every origin: it is the same for all. Who has it
// already learns by its ETag that it is still the same.
func New() http.Handler {
	tag := fmt.Sprintf(`"%.16x"`, sha256.Sum256(document))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Cache-Control", "public, max-age=300") // an upgrade changes it
		header.Set("ETag", tag)
		header.Set("Access-Control-Allow-Origin", "*")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(document))
	})
}
