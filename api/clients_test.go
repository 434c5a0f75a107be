package api_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

func TestClients(t *testing.T) {
	w := newGateWorld(t)
	w.organization("acme")
	admin := ostiaryv1.NewIdentityServiceClient(w.conn)
	ctx := t.Context()
	made, err := admin.CreateConnection(ctx, &ostiaryv1.CreateConnectionRequest{StoreId: w.store, OrganizationId: "acme", Name: "IdP", Kind: "generic"})
	if err != nil {
		t.Fatal(err)
	}
	connection := made.GetConnection().GetId()
	first, err := admin.CreateClient(ctx, &ostiaryv1.CreateClientRequest{
		StoreId: w.store, ConnectionId: connection, Name: "first", Method: "client_secret", Scopes: []string{"users:w"}})
	if err != nil || !strings.HasPrefix(first.GetSecret(), "ostiary_cs_") || !strings.HasPrefix(first.GetClient().GetId(), connection+".k") {
		t.Fatalf("got %v, %v", first, err)
	}
	public := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	set := `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}]}`
	signer, err := admin.CreateClient(ctx, &ostiaryv1.CreateClientRequest{
		StoreId: w.store, ConnectionId: connection, Name: "second", Method: "private_key_jwt", Jwks: set})
	if err != nil || signer.GetSecret() != "" || signer.GetClient().GetJwks() != set {
		t.Fatalf("got %v, %v", signer, err)
	}
	for name, req := range map[string]*ostiaryv1.CreateClientRequest{
		"no keys":        {Method: "private_key_jwt"},
		"keys":           {Method: "private_key_jwt", Jwks: `{"keys":[]}`},
		"a private key":  {Method: "private_key_jwt", Jwks: strings.Replace(set, `"kid"`, `"d":"AA","kid"`, 1)},
		"a URL":          {Method: "private_key_jwt", JwksUri: "file:///etc/passwd"},
		"a password":     {Method: "private_key_jwt", JwksUri: "https://a:b@idp.test/keys"},
		"an issuer":      {Method: "private_key_jwt", Issuer: "idp.test"},
		"another method": {Method: "none"},
		"a scope":        {Method: "client_secret", Scopes: []string{"admin"}},
	} {
		req.StoreId, req.ConnectionId, req.Name = w.store, connection, "wrong"
		if _, err := admin.CreateClient(ctx, req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	found, _, err := w.service.Client(ctx, first.GetClient().GetId())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.IssueToken(ctx, found, []identity.Scope{identity.ScopeUsersWrite}, ""); err != nil {
		t.Fatal(err)
	}
	all, err := admin.ListClients(ctx, &ostiaryv1.ListClientsRequest{StoreId: w.store, ConnectionId: connection})
	if err != nil || len(all.GetClients()) != 2 || strings.Contains(all.String(), first.GetSecret()) ||
		all.GetClients()[0].GetLastUsedAt() == nil || all.GetClients()[1].GetLastUsedAt() != nil {
		t.Errorf("got %v, %v", all, err)
	}
	del := &ostiaryv1.DeleteClientRequest{StoreId: w.store, ConnectionId: connection, Id: first.GetClient().GetId()}
	if _, err := admin.DeleteClient(ctx, del); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.DeleteClient(ctx, del); status.Code(err) != codes.NotFound {
		t.Errorf("deleted again: %v", err)
	}
}
