package route

import "testing"

func TestParse(t *testing.T) {
	c := Connection{Prefix: "/gtr/", End: "global-token-revocation"}
	for _, test := range []struct {
		path                     string
		organization, connection string
		takes, ok                bool
	}{
		{"/gtr/c1", "", "c1", true, true},
		{"/gtr/", "", "", true, false},
		{"/gtr/c1/", "", "", true, false},
		{"/gtr/c1/x", "", "", true, false},
		{"/gtr/c%31", "", "", true, false},
		{"/orgs/acme/connections/c1/global-token-revocation", "acme", "c1", true, true},
		{"/orgs/a%2Fb/connections/c1/global-token-revocation", "a/b", "c1", true, true},
		{"/orgs/%zz/connections/c1/global-token-revocation", "", "", true, false},
		{"/orgs//connections/c1/global-token-revocation", "", "", true, false},
		{"/orgs/acme/connections//global-token-revocation", "", "", true, false},
		{"/orgs/acme/connections/c%31/global-token-revocation", "", "", true, false},
		{"/orgs/acme/connection/c1/global-token-revocation", "", "", true, false},
		{"/orgs/acme/connections/x/c1/global-token-revocation", "", "", true, false},
		{"/orgs/acme/connections/c1/global-token-revocation/", "", "", false, false},
		{"/orgs/acme/connections/c1/signals", "", "", false, false},
		{"/orgs/acme", "", "", false, false},
		{"/scim/v2/c1", "", "", false, false},
		{"", "", "", false, false},
	} {
		if got := c.Takes(test.path); got != test.takes {
			t.Errorf("%q: takes %v, want %v", test.path, got, test.takes)
		}
		organization, connection, ok := c.Parse(test.path)
		if ok != test.ok || ok && (organization != test.organization || connection != test.connection) {
			t.Errorf("%q: got %q, %q, %v; want %q, %q, %v", test.path, organization, connection, ok, test.organization, test.connection, test.ok)
		}
	}
}
