package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// An operator makes an organization, fills it, blocks somebody, and takes it down again.
func TestIdentityService(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	admin := ostiaryv1.NewIdentityServiceClient(w.conn)
	ctx := t.Context()
	made, err := admin.CreateOrganization(ctx, &ostiaryv1.CreateOrganizationRequest{StoreId: w.store, Id: "acme", Name: "Acme"})
	if err != nil || made.GetOrganization().GetId() != "acme" || made.GetOrganization().GetCreatedAt() == nil {
		t.Fatalf("got %v, %v", made, err)
	}
	for i := range 5 {
		if _, err := admin.AddMember(ctx, &ostiaryv1.AddMemberRequest{StoreId: w.store, OrganizationId: "acme", UserId: fmt.Sprint("user", i)}); err != nil {
			t.Fatal(err)
		}
	}
	var members []string
	for token := ""; ; {
		page, err := admin.ListMembers(ctx, &ostiaryv1.ListMembersRequest{StoreId: w.store, OrganizationId: "acme", PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.GetMembers() {
			members = append(members, m.GetUserId())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if want := []string{"user0", "user1", "user2", "user3", "user4"}; !slices.Equal(members, want) {
		t.Errorf("members: got %q, want %q", members, want)
	}
	if err := w.write("document:1#viewer@user:user0", "document:1#viewer@user:stranger"); err != nil {
		t.Fatal(err)
	}
	w.wantChecks("member", "user0", map[string]bool{"organization:acme#member": true, "document:1#viewer": true})
	if _, err := admin.BlockUser(ctx, &ostiaryv1.BlockUserRequest{StoreId: w.store, OrganizationId: "acme", UserId: "user0"}); err != nil {
		t.Fatal(err)
	}
	w.wantChecks("blocked", "user0", map[string]bool{"organization:acme#member": false, "document:1#viewer": false})
	w.wantChecks("another", "stranger", map[string]bool{"document:1#viewer": true})
	if _, err := admin.UnblockUser(ctx, &ostiaryv1.UnblockUserRequest{StoreId: w.store, OrganizationId: "acme", UserId: "user0"}); err != nil {
		t.Fatal(err)
	}
	w.wantChecks("unblocked", "user0", map[string]bool{"organization:acme#member": true, "document:1#viewer": true})

	_, err = admin.DeleteOrganization(ctx, &ostiaryv1.DeleteOrganizationRequest{StoreId: w.store, Id: "acme"})
	if status.Code(err) != codes.AlreadyExists || !strings.Contains(err.Error(), "user0") {
		t.Errorf("deleted with members: %v", err)
	}
	for _, user := range members {
		if _, err := admin.RemoveMember(ctx, &ostiaryv1.RemoveMemberRequest{StoreId: w.store, OrganizationId: "acme", UserId: user}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := admin.DeleteOrganization(ctx, &ostiaryv1.DeleteOrganizationRequest{StoreId: w.store, Id: "acme"}); err != nil {
		t.Error(err)
	}
	if _, err := admin.GetOrganization(ctx, &ostiaryv1.GetOrganizationRequest{StoreId: w.store, Id: "acme"}); status.Code(err) != codes.NotFound {
		t.Errorf("deleted, and still there: %v", err)
	}
	// The gate stays on: whoever deletes the last organization does not open it for tuples of an application.
	if err := w.write("organization:acme#enabled@user:*"); err == nil {
		t.Error("wrote a tuple of an identity relation")
	}
}

func TestIdentityServiceRefusals(t *testing.T) {
	w := newGateWorld(t)
	admin := ostiaryv1.NewIdentityServiceClient(w.conn)
	ctx := t.Context()
	if _, err := w.model("define member: directory_member and enabled", "define member: directory_member"); err != nil {
		t.Fatal(err)
	}
	create := func(store, id, name string) error {
		_, err := admin.CreateOrganization(ctx, &ostiaryv1.CreateOrganizationRequest{StoreId: store, Id: id, Name: name})
		return err
	}
	if err := create(w.store, "acme", "Acme"); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "organization#member") {
		t.Errorf("under a model that leaks: %v", err)
	}
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, store, id, title string
		want                   codes.Code
	}{
		{"no store", "01M824QGQX05KCWEX3KXBCECWZ", "acme", "Acme", codes.NotFound},
		{"an id with a slash", w.store, "a/b", "Acme", codes.InvalidArgument},
		{"no name", w.store, "acme", "", codes.InvalidArgument},
		{"right", w.store, "acme", "Acme", codes.OK},
		{"the same id", w.store, "acme", "Acme", codes.AlreadyExists},
		{"without an id", w.store, "", "Acme", codes.OK},
	} {
		if err := create(c.store, c.id, c.title); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := admin.ListOrganizations(ctx, &ostiaryv1.ListOrganizationsRequest{StoreId: w.store, PageSize: 1001}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a large page: %v", err)
	}
	if _, err := admin.ListOrganizations(ctx, &ostiaryv1.ListOrganizationsRequest{StoreId: w.store, PageToken: "x"}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a forged token: %v", err)
	}
	if _, err := admin.BlockUser(ctx, &ostiaryv1.BlockUserRequest{StoreId: w.store, OrganizationId: "acme", UserId: "nobody"}); status.Code(err) != codes.NotFound {
		t.Errorf("blocked nobody: %v", err)
	}
}

func TestIdentityServiceOverHTTP(t *testing.T) {
	w := newGateWorld(t)
	do := func(method, path, body string, want int) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.base+"/ostiary/v1/stores/"+w.store+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text := new(strings.Builder)
		if err := resp.Write(text); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != want {
			t.Errorf("%s %s: %s", method, path, text)
		}
		return text.String()
	}
	do("POST", "/organizations", `{"id":"acme","name":"Acme"}`, http.StatusOK)
	do("POST", "/organizations", `{"id":"acme","name":"Acme"}`, http.StatusConflict)
	do("POST", "/organizations/acme/members", `{"user_id":"ann"}`, http.StatusOK)
	if got := do("GET", "/organizations/acme/members", "", http.StatusOK); !strings.Contains(got, `"user_id":"ann"`) {
		t.Errorf("members: %s", got)
	}
	do("POST", "/organizations/acme/blocks", `{"user_id":"ann"}`, http.StatusOK)
	if got := do("GET", "/users/ann", "", http.StatusOK); !strings.Contains(got, `"blocked_at":"`) || !strings.Contains(got, `"organization_id":"acme"`) {
		t.Errorf("a person: %s", got)
	}
	do("DELETE", "/organizations/acme/blocks/ann", "", http.StatusOK)
	do("DELETE", "/organizations/acme/members/ann", "", http.StatusOK)
	if got := do("GET", "/organizations", "", http.StatusOK); !strings.Contains(got, `"id":"acme"`) {
		t.Errorf("organizations: %s", got)
	}
	do("DELETE", "/organizations/acme", "", http.StatusOK)
	do("GET", "/organizations/acme", "", http.StatusNotFound)
}
