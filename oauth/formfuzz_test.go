package oauth

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// A form that is read has each parameter once; anything else is refused with a reason.
func FuzzForm(f *testing.F) {
	f.Add("grant_type=client_credentials&scope=scim", "application/x-www-form-urlencoded")
	f.Add("a=1&a=2", "application/x-www-form-urlencoded; charset=utf-8")
	f.Add("a=%zz", "application/x-www-form-urlencoded")
	f.Add("{}", "application/json")
	f.Add(strings.Repeat("a", maxBodyBytes+1), "application/x-www-form-urlencoded")
	f.Fuzz(func(t *testing.T, body, kind string) {
		r := httptest.NewRequest("POST", "/oauth/token", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		form, err := readForm(httptest.NewRecorder(), r)
		var refused *refusal
		if err != nil {
			if !errors.As(err, &refused) {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		values, parseErr := url.ParseQuery(body)
		if parseErr != nil || len(values) != len(form) {
			t.Fatalf("%q is read as %v, and has %v (%v)", body, form, values, parseErr)
		}
		for name, all := range values {
			if len(all) != 1 || form[name] != all[0] {
				t.Errorf("%q is read as %v, and has %v", body, form, values)
			}
		}
	})
}
