package scim_test

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim"
)

// Who may read users alone learns nothing of groups, by an answer or by a filter.
func TestUsersScopeHidesGroups(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.user("ann")
	g := w.group("secret project", ann)
	filter := "/Users?filter=groups.value%20eq%20%22" + g + "%22"
	for _, path := range []string{"/Users/" + ann, filter} {
		if r := w.send("GET", path, "").want(200); !strings.Contains(string(r.body), "secret project") {
			t.Errorf("%s with every scope: %s", path, r.body)
		}
	}
	w.bearer = w.token(identity.ScopeUsersRead)
	if r := w.send("GET", "/Users/"+ann, "").want(200); strings.Contains(string(r.body), g) || strings.Contains(string(r.body), "secret project") {
		t.Errorf("the groups are shown: %s", r.body)
	}
	w.send("GET", filter, "").want(403)
}

// IDENTITY d.6, AL-AUTH-2: a refusal says what to ask a token for. RFC 6750, section 3.
func TestChallenges(t *testing.T) {
	w := newWorld(t, nil)
	for _, test := range []struct {
		name, bearer, path string
		status             int
		want               string
	}{
		{"no token", "", "/Users", 401, `Bearer realm="scim", scope="scim"`},
		{"another token", "Bearer x", "/Users", 401, `Bearer realm="scim", scope="scim", error="invalid_token"`},
		{"an access token of nobody", "Bearer ostiary_at_" + strings.Repeat("A", 140), "/Users", 401,
			`Bearer realm="scim", scope="scim", error="invalid_token"`},
		{"another scope", w.token(identity.ScopeUsersRead), "/Groups", 403, `Bearer realm="scim", scope="scim", error="insufficient_scope"`},
		{"no endpoint", w.bearer, "/Nothing", 404, ""},
	} {
		w := *w
		w.bearer = test.bearer
		if got := w.send("GET", test.path, "").want(test.status).header.Get("WWW-Authenticate"); got != test.want {
			t.Errorf("%s: got %q", test.name, got)
		}
	}
}

// An access token does what a token does.
func TestAccessToken(t *testing.T) {
	w := newWorld(t, func(o *scim.Options, _ *identity.Connection) { o.OAuth = true })
	client, _, err := w.service.CreateClient(w.operator(), store, w.connection.ID, identity.Client{Name: "IdP", Method: identity.ClientSecret})
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.service.IssueToken(t.Context(), client, client.Scopes, "")
	if err != nil {
		t.Fatal(err)
	}
	w.bearer = "Bearer " + text
	ann := w.user("ann")
	w.group("staff", ann)
	w.send("GET", "/Users/"+ann, "").want(200)
	if r := w.send("GET", "/ServiceProviderConfig", "").want(200); !strings.Contains(string(r.body), `"type":"oauth2"`) {
		t.Errorf("the discovery names no OAuth: %s", r.body)
	}
	if _, err := w.service.DeleteClient(w.operator(), store, w.connection.ID, client.ID); err != nil {
		t.Fatal(err)
	}
	w.send("GET", "/Users/"+ann, "").refused(401, "")
}
