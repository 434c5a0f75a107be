package access_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/access"
)

// A principal is read as it is written, or refused as no part of a tuple.
func FuzzParsePrincipal(f *testing.F) {
	for _, seed := range []string{"preshared:ops", "oidc:https://a.test#b#c", "mtls:spiffe://a/b", "preshared:", "other:x", "preshared:a\x00b", strings.Repeat("a", 600)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := access.ParsePrincipal(text)
		if err != nil {
			if !errors.Is(err, ostiary.ErrTupleInvalid) {
				t.Error(err)
			}
			return
		}
		if p.Kind+":"+p.Name != text || p.Name == "" {
			t.Errorf("%q is read as %+v", text, p)
		}
	})
}
