package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

func TestCORSValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		cors api.CORS
		want string
	}{
		"nothing":          {api.CORS{}, ""},
		"everything":       {api.CORS{AllowedOrigins: []string{"*"}, AllowedHeaders: []string{"*"}}, ""},
		"origins":          {api.CORS{AllowedOrigins: []string{"https://a.example", "https://*.b.example:8443"}}, ""},
		"empty origin":     {api.CORS{AllowedOrigins: []string{""}}, "CORS.AllowedOrigins"},
		"two stars":        {api.CORS{AllowedOrigins: []string{"https://*.*.example"}}, "CORS.AllowedOrigins"},
		"list in a string": {api.CORS{AllowedOrigins: []string{"https://a.example,https://b.example"}}, "CORS.AllowedOrigins"},
		"empty header":     {api.CORS{AllowedHeaders: []string{""}}, "CORS.AllowedHeaders"},
		"header with text": {api.CORS{AllowedHeaders: []string{"x-a: 1"}}, "CORS.AllowedHeaders"},
	} {
		err := tc.cors.Validate()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

// A page of an origin that is not listed can neither ask nor read an answer.
func TestCORSOrigins(t *testing.T) {
	h := start(t, func(o *api.Options) {
		o.CORS = api.CORS{
			AllowedOrigins: []string{"https://app.example", "https://*.pages.example"}, AllowedHeaders: []string{"Authorization", "content-type"},
		}
	})
	for _, tc := range []struct {
		name, origin, method, headers string
		may                           bool
	}{
		{"listed", "https://app.example", "POST", "content-type", true},
		{"other case", "https://APP.example", "POST", "Content-Type, authorization", true},
		{"no headers", "https://app.example", "GET", "", true},
		{"pattern", "https://a.b.pages.example", "DELETE", "", true},
		{"other scheme", "http://app.example", "POST", "", false},
		{"other port", "https://app.example:8443", "POST", "", false},
		{"longer", "https://app.example.evil.example", "POST", "", false},
		{"pattern of another", "https://pages.example.evil.example", "POST", "", false},
		{"pattern without its name", "https://.pages.exampl", "POST", "", false},
		{"null", "null", "POST", "", false},
		{"no origin", "", "POST", "", false},
		{"header not listed", "https://app.example", "POST", "content-type,x-other", false},
		{"method not served", "https://app.example", "TRACE", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			headers := []string{"Access-Control-Request-Method", tc.method, "Access-Control-Request-Headers", tc.headers}
			if tc.origin != "" {
				headers = append(headers, "Origin", tc.origin)
			}
			a := h.raw(t, http.MethodOptions, "/stores", http.NoBody, headers...)
			if a.status != http.StatusNoContent {
				t.Errorf("got status %d", a.status)
			}
			allowed := ""
			if tc.may {
				allowed = tc.origin
			}
			if got := a.headers.Get("Access-Control-Allow-Origin"); got != allowed {
				t.Errorf("before a request: allowed %q, want %q", got, allowed)
			}
			if got := a.headers.Get("Access-Control-Allow-Methods"); (got == tc.method) != tc.may {
				t.Errorf("before a request: methods %q", got)
			}
		})
	}
	for origin, want := range map[string]string{"https://app.example": "https://app.example", "https://evil.example": ""} {
		a := h.raw(t, http.MethodGet, "/stores", http.NoBody, "Origin", origin)
		if got := a.headers.Get("Access-Control-Allow-Origin"); got != want || a.headers.Get("Vary") != "Origin" {
			t.Errorf("origin %q: allowed %q, want %q; vary %q", origin, got, want, a.headers.Get("Vary"))
		}
	}
}
