package api_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// What is set of an OpenID provider is there until it is cleared, and what no ID token could be judged by is refused.
func TestOIDCIssuers(t *testing.T) {
	w := newGateWorld(t)
	w.organization("acme")
	admin := ostiaryv1.NewIdentityServiceClient(w.conn)
	ctx := t.Context()
	made, err := admin.CreateConnection(ctx, &ostiaryv1.CreateConnectionRequest{StoreId: w.store, OrganizationId: "acme", Name: "IdP", Kind: "okta"})
	if err != nil {
		t.Fatal(err)
	}
	connection := made.GetConnection().GetId()
	get := &ostiaryv1.GetOIDCIssuerRequest{StoreId: w.store, ConnectionId: connection}
	if _, err := admin.GetOIDCIssuer(ctx, get); status.Code(err) != codes.NotFound {
		t.Errorf("before anything was set: %v", err)
	}
	clients := []string{"portal"}
	set := func(o *ostiaryv1.OIDCIssuer) error {
		_, err := admin.SetOIDCIssuer(ctx, &ostiaryv1.SetOIDCIssuerRequest{StoreId: w.store, ConnectionId: connection, OidcIssuer: o})
		return err
	}
	for name, o := range map[string]*ostiaryv1.OIDCIssuer{
		"nothing":             nil,
		"no clients":          {Issuer: "https://idp.test"},
		"an issuer of no URL": {Issuer: "idp.test", ClientIds: clients},
		"an issuer not asked": {Issuer: "ftp://idp.test", ClientIds: clients},
		"a URL of a file":     {Issuer: "https://idp.test", ClientIds: clients, JwksUri: "file:///etc/passwd"},
		"no keys":             {Issuer: "https://idp.test", ClientIds: clients, Jwks: `{"keys":[]}`},
		"an e-mail":           {Issuer: "https://idp.test", ClientIds: clients, SubjectClaim: "email"},
		"none":                {Issuer: "https://idp.test", ClientIds: clients, Algorithms: []string{"none"}},
		"a life of nothing":   {Issuer: "https://idp.test", ClientIds: clients, MaxSessionLife: durationpb.New(0)},
		"half a second":       {Issuer: "https://idp.test", ClientIds: clients, MaxSessionLife: durationpb.New(90500 * time.Millisecond)},
	} {
		if err := set(o); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	want := &ostiaryv1.OIDCIssuer{Issuer: "https://idp.test", ClientIds: clients, JwksUri: "https://idp.test/keys",
		Algorithms: []string{"ES256"}, SubjectClaim: "oid", JustInTime: true, MaxSessionLife: durationpb.New(8 * time.Hour), Layer: "idp"}
	if err := set(want); err != nil {
		t.Fatal(err)
	}
	got, err := admin.GetOIDCIssuer(ctx, get)
	if err != nil || !proto.Equal(got.GetOidcIssuer(), want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := admin.CreateToken(ctx, &ostiaryv1.CreateTokenRequest{StoreId: w.store, ConnectionId: connection, Name: "scim"}); err != nil {
		t.Fatal(err)
	}
	if err := set(want); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("just in time beside SCIM: %v", err)
	}
	gone := &ostiaryv1.ClearOIDCIssuerRequest{StoreId: w.store, ConnectionId: connection}
	if _, err := admin.ClearOIDCIssuer(ctx, gone); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.ClearOIDCIssuer(ctx, gone); status.Code(err) != codes.NotFound {
		t.Errorf("cleared twice: %v", err)
	}
}
