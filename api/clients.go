package api

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
)

// tokenPath is where clients get their tokens; package oauth answers there.
const tokenPath = "/oauth/token"

func wireClient(c identity.Client) *ostiaryv1.Client {
	wire := &ostiaryv1.Client{
		Id: c.ID, Name: c.Name, Method: string(c.Method), Jwks: string(c.Keys), JwksUri: c.KeysURL, Issuer: c.Issuer,
		CreatedAt: stamp(c.CreatedNanos),
	}
	for _, scope := range c.Scopes {
		wire.Scopes = append(wire.Scopes, string(scope))
	}
	if c.UsedNanos != 0 {
		wire.LastUsedAt = stamp(c.UsedNanos)
	}
	return wire
}

// CreateClient makes a client of a connection, and shows its secret this once.
func (i *identityService) CreateClient(ctx context.Context, req *ostiaryv1.CreateClientRequest) (*ostiaryv1.CreateClientResponse, error) {
	asked := identity.Client{
		Name: req.GetName(), Method: identity.ClientMethod(req.GetMethod()),
		Keys: []byte(req.GetJwks()), KeysURL: req.GetJwksUri(), Issuer: req.GetIssuer(),
	}
	for _, scope := range req.GetScopes() {
		asked.Scopes = append(asked.Scopes, identity.Scope(scope))
	}
	if err := judgeKeys(asked); err != nil {
		return nil, err
	}
	c, secret, err := i.server.identity.CreateClient(carry(ctx), req.GetStoreId(), req.GetConnectionId(), asked)
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(c.Version)
	resp := &ostiaryv1.CreateClientResponse{Client: wireClient(c), Secret: secret}
	if base := strings.TrimSuffix(i.server.authzenBaseURL, "/"); base != "" {
		resp.TokenUrl = base + tokenPath
	}
	return resp, nil
}

// judgeKeys refuses keys by which no JWT could be judged. Those at a URL are fetched when they are needed.
func judgeKeys(c identity.Client) error {
	if len(c.Keys) > 0 {
		if _, err := keyset.Parse(c.Keys); err != nil {
			return &refusal{code: codes.InvalidArgument, cause: ostiary.ErrTupleInvalid,
				text: strings.TrimSuffix(err.Error(), ": "+keyset.ErrInvalid.Error())}
		}
	}
	for name, url := range map[string]string{"jwks_uri": c.KeysURL, "issuer": c.Issuer} {
		if url == "" {
			continue
		}
		if err := egress.Judge(url); err != nil {
			return &refusal{code: codes.InvalidArgument, cause: ostiary.ErrTupleInvalid, text: fmt.Sprintf("%s: %v", name, err)}
		}
	}
	return nil
}

// ListClients returns the clients of a connection.
func (i *identityService) ListClients(ctx context.Context, req *ostiaryv1.ListClientsRequest) (*ostiaryv1.ListClientsResponse, error) {
	all, err := i.server.identity.Clients(ctx, req.GetStoreId(), req.GetConnectionId())
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListClientsResponse{}
	for _, c := range all {
		resp.Clients = append(resp.Clients, wireClient(c))
	}
	return resp, nil
}

// DeleteClient ends a client.
func (i *identityService) DeleteClient(ctx context.Context, req *ostiaryv1.DeleteClientRequest) (*ostiaryv1.DeleteClientResponse, error) {
	r, err := i.server.identity.DeleteClient(carry(ctx), req.GetStoreId(), req.GetConnectionId(), req.GetId())
	return &ostiaryv1.DeleteClientResponse{}, done(ctx, r, err)
}
