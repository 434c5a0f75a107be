package api_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// What is set of a revoker is there, and what no JWT could be judged by is refused.
func TestRevokers(t *testing.T) {
	w := newGateWorld(t)
	w.organization("acme")
	admin := ostiaryv1.NewIdentityServiceClient(w.conn)
	ctx := t.Context()
	made, err := admin.CreateConnection(ctx, &ostiaryv1.CreateConnectionRequest{StoreId: w.store, OrganizationId: "acme", Name: "IdP", Kind: "okta"})
	if err != nil {
		t.Fatal(err)
	}
	connection := made.GetConnection().GetId()
	get := &ostiaryv1.GetRevokerRequest{StoreId: w.store, ConnectionId: connection}
	if _, err := admin.GetRevoker(ctx, get); status.Code(err) != codes.NotFound {
		t.Errorf("before anything was set: %v", err)
	}
	for name, r := range map[string]*ostiaryv1.Revoker{
		"nothing":              nil,
		"no subject":           {Issuer: "https://idp.test"},
		"no issuer":            {Subject: "x"},
		"an issuer of no URL":  {Issuer: "idp.test", Subject: "x"},
		"an issuer not asked":  {Issuer: "ftp://idp.test", Subject: "x"},
		"a URL of a file":      {Issuer: "https://idp.test", Subject: "x", JwksUri: "file:///etc/passwd"},
		"no keys":              {Issuer: "https://idp.test", Subject: "x", Jwks: `{"keys":[]}`},
		"no certificate":       {Issuer: "https://idp.test", Subject: "x", Certificates: "x"},
		"two ways":             {Issuer: "https://idp.test", Subject: "x", JwksUri: "https://idp.test/a", Certificates: "x"},
		"nobody to protect":    {Issuer: "https://idp.test", Subject: "x", ProtectedUserIds: []string{"a b"}},
		"another issuer, none": {Issuer: "https://idp.test", Subject: "x", SubjectIssuer: "y"},
	} {
		if _, err := admin.SetRevoker(ctx, &ostiaryv1.SetRevokerRequest{StoreId: w.store, ConnectionId: connection, Revoker: r}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	want := &ostiaryv1.Revoker{Issuer: "https://idp.test", Subject: "0oa1", SubjectIssuer: "https://idp.test/oauth2/default",
		JwksUri: "https://idp.test/keys", ProtectedUserIds: []string{"u1"}}
	set := &ostiaryv1.SetRevokerRequest{StoreId: w.store, ConnectionId: connection, Revoker: want}
	if _, err := admin.SetRevoker(ctx, set); err != nil {
		t.Fatal(err)
	}
	got, err := admin.GetRevoker(ctx, get)
	if err != nil || !proto.Equal(got.GetRevoker(), want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := admin.GetRevoker(ctx, &ostiaryv1.GetRevokerRequest{StoreId: w.store, ConnectionId: "c" + connection}); status.Code(err) != codes.NotFound {
		t.Errorf("another connection: %v", err)
	}
}
