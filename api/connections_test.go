package api_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

func TestConnectionsAndTokens(t *testing.T) {
	w := newGateWorld(t)
	w.organization("acme")
	admin := ostiaryv1.NewIdentityServiceClient(w.conn)
	ctx := t.Context()
	made, err := admin.CreateConnection(ctx, &ostiaryv1.CreateConnectionRequest{StoreId: w.store, OrganizationId: "acme", Name: "Okta", Kind: "okta"})
	c := made.GetConnection()
	if err != nil || c.GetDialect() != "compat" || c.GetScimUrl() != "/scim/v2/"+c.GetId() {
		t.Fatalf("got %v, %v", made, err)
	}
	all, err := admin.ListConnections(ctx, &ostiaryv1.ListConnectionsRequest{StoreId: w.store, OrganizationId: "acme"})
	if err != nil || len(all.GetConnections()) != 1 || all.GetConnections()[0].GetId() != c.GetId() {
		t.Errorf("got %v, %v", all, err)
	}
	if got, err := admin.GetConnection(ctx, &ostiaryv1.GetConnectionRequest{StoreId: w.store, Id: c.GetId()}); err != nil || got.GetConnection().GetName() != "Okta" {
		t.Errorf("got %v, %v", got, err)
	}
	expires := timestamppb.New(time.Now().Add(time.Hour).Truncate(time.Second))
	token, err := admin.CreateToken(ctx, &ostiaryv1.CreateTokenRequest{StoreId: w.store, ConnectionId: c.GetId(), Name: "first",
		Scopes: []string{"users:r"}, ExpiresAt: expires})
	if err != nil || !strings.HasPrefix(token.GetSecret(), "ostiary_") || !token.GetToken().GetExpiresAt().AsTime().Equal(expires.AsTime()) {
		t.Fatalf("got %v, %v", token, err)
	}
	_, d, err := w.service.Directory(ctx, c.GetId(), "Bearer "+token.GetSecret())
	if err != nil || d.Allow(identity.ScopeUsersRead) != nil || d.Allow(identity.ScopeUsersWrite) == nil {
		t.Fatalf("the token does not open what it should: %v", err)
	}
	listed, err := admin.ListTokens(ctx, &ostiaryv1.ListTokensRequest{StoreId: w.store, ConnectionId: c.GetId()})
	if err != nil || len(listed.GetTokens()) != 1 || strings.Contains(listed.String(), token.GetSecret()) {
		t.Errorf("got %v, %v", listed, err)
	}
	if _, err := admin.RevokeToken(ctx, &ostiaryv1.RevokeTokenRequest{StoreId: w.store, ConnectionId: c.GetId(), Id: token.GetToken().GetId()}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.service.Directory(context.WithoutCancel(ctx), c.GetId(), "Bearer "+token.GetSecret()); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("a revoked token: %v", err)
	}
	for name, err := range map[string]error{
		"a kind":     second(admin.CreateConnection(ctx, &ostiaryv1.CreateConnectionRequest{StoreId: w.store, OrganizationId: "acme", Name: "x", Kind: "x"})),
		"a scope":    second(admin.CreateToken(ctx, &ostiaryv1.CreateTokenRequest{StoreId: w.store, ConnectionId: c.GetId(), Name: "x", Scopes: []string{"admin"}})),
		"an expiry":  second(admin.CreateToken(ctx, &ostiaryv1.CreateTokenRequest{StoreId: w.store, ConnectionId: c.GetId(), Name: "x", ExpiresAt: &timestamppb.Timestamp{}})),
		"role value": second(admin.CreateRole(ctx, &ostiaryv1.CreateRoleRequest{StoreId: w.store, OrganizationId: "acme"})),
	} {
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("a wrong %s: %v", name, err)
		}
	}
	role, err := admin.CreateRole(ctx, &ostiaryv1.CreateRoleRequest{StoreId: w.store, OrganizationId: "acme", Value: "bookkeeper"})
	if err != nil || role.GetRole().GetDisplay() != "bookkeeper" {
		t.Fatalf("got %v, %v", role, err)
	}
	if roles, err := admin.ListRoles(ctx, &ostiaryv1.ListRolesRequest{StoreId: w.store, OrganizationId: "acme"}); err != nil || len(roles.GetRoles()) != 1 {
		t.Errorf("got %v, %v", roles, err)
	}
}

func second[T any](_ T, err error) error { return err }
