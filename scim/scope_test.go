package scim_test

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/identity"
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
