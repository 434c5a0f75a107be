package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// CORS says which web pages may call the HTTP surface from a browser. The zero value lets none. Callers
// are known by their Authorization header, which a page has to bring itself; so a page that may call has
// no rights but those of the key that it holds.
type CORS struct {
	// AllowedOrigins are origins like "https://app.example.com", patterns with one "*" in them like
	// "https://*.example.com", or "*" for every origin.
	AllowedOrigins []string
	// AllowedHeaders are the request headers that a page may set, in any case, or "*" for all.
	AllowedHeaders []string
}

// corsMethods are what a page may ask with.
var corsMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
}

// Validate returns an error that names every entry at fault.
func (c CORS) Validate() error {
	var faults []error
	for _, origin := range c.AllowedOrigins {
		if origin == "" || strings.ContainsAny(origin, " \t\r\n,") || strings.Count(origin, "*") > 1 {
			faults = append(faults, fmt.Errorf(
				"CORS.AllowedOrigins holds %q: it takes an origin like https://app.example.com, one with a single *, or *", origin))
		}
	}
	for _, name := range c.AllowedHeaders {
		if name == "" || strings.ContainsAny(name, " \t\r\n,:") {
			faults = append(faults, fmt.Errorf("CORS.AllowedHeaders holds %q: it takes names of headers, or *", name))
		}
	}
	return errors.Join(faults...)
}

// allowOrigin returns what to answer to an origin, or "" where it may not call.
func (c CORS) allowOrigin(origin string) string {
	if origin == "" {
		return ""
	}
	if slices.Contains(c.AllowedOrigins, "*") {
		return "*"
	}
	for _, allowed := range c.AllowedOrigins {
		before, after, pattern := strings.Cut(allowed, "*")
		switch {
		case strings.EqualFold(allowed, origin):
			return origin
		case pattern && len(origin) >= len(before)+len(after) &&
			strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after):
			return origin
		}
	}
	return ""
}

// allowHeaders reports whether a page may set all of the headers, which are names with commas between.
func (c CORS) allowHeaders(asked string) bool {
	if slices.Contains(c.AllowedHeaders, "*") {
		return true
	}
	for name := range strings.SplitSeq(asked, ",") {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if !slices.ContainsFunc(c.AllowedHeaders, func(allowed string) bool { return strings.EqualFold(allowed, name) }) {
			return false
		}
	}
	return true
}

// wrap answers the question that a browser asks before a request ("preflight"), and adds what lets a
// page read the answers to the others. WHATWG Fetch, section 3.2.
func (c CORS) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		origin := c.allowOrigin(r.Header.Get("Origin"))
		method := r.Header.Get("Access-Control-Request-Method")
		if r.Method != http.MethodOptions || method == "" {
			h.Add("Vary", "Origin")
			if origin != "" {
				h.Set("Access-Control-Allow-Origin", origin)
				h.Set("Access-Control-Allow-Credentials", "true")
			}
			next.ServeHTTP(w, r)
			return
		}
		h.Add("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
		asked := r.Header.Get("Access-Control-Request-Headers")
		if origin != "" && slices.Contains(corsMethods, method) && c.allowHeaders(asked) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Allow-Methods", method)
			if asked != "" {
				h.Set("Access-Control-Allow-Headers", asked)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	})
}
