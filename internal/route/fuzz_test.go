package route

import (
	"strings"
	"testing"
)

// A path that names a connection is one that is taken, and the id of the connection holds nothing of a path.
func FuzzRoute(f *testing.F) {
	for _, seed := range []string{"/gtr/c01", "/gtr/c01/x", "/gtr/%63", LongPrefix + "acme/" + longMiddle + "/c01/global-token-revocation", LongPrefix + "%2F/" + longMiddle + "/c01/global-token-revocation"} {
		f.Add(seed)
	}
	c := Connection{Prefix: "/gtr/", End: "global-token-revocation"}
	f.Fuzz(func(t *testing.T, path string) {
		organization, connection, ok := c.Parse(path)
		if ok && (!c.Takes(path) || connection == "" || strings.ContainsAny(connection, "/%")) {
			t.Errorf("%q names the connection %q of %q", path, connection, organization)
		}
	})
}
