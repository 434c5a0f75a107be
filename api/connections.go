package api

import (
	"context"
	"strings"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// scimPath is where the SCIM requests of a connection go; package scim answers there.
const scimPath = "/scim/v2/"

func (i *identityService) wireConnection(c identity.Connection) *ostiaryv1.Connection {
	return &ostiaryv1.Connection{
		Id: c.ID, OrganizationId: c.Organization, Name: c.Name, Kind: c.Kind, Dialect: c.Dialect,
		ScimUrl: strings.TrimSuffix(i.server.authzenBaseURL, "/") + scimPath + c.ID, CreatedAt: stamp(c.CreatedNanos),
		Paused: c.Paused,
	}
}

// CreateConnection makes a way for an identity provider to fill an organization.
func (i *identityService) CreateConnection(
	ctx context.Context, req *ostiaryv1.CreateConnectionRequest,
) (*ostiaryv1.CreateConnectionResponse, error) {
	c, err := i.server.identity.CreateConnection(carry(ctx), identity.Connection{
		Store: req.GetStoreId(), Organization: req.GetOrganizationId(), Name: req.GetName(), Kind: req.GetKind(), Dialect: req.GetDialect(),
	})
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(c.Version)
	return &ostiaryv1.CreateConnectionResponse{Connection: i.wireConnection(c)}, nil
}

// GetConnection returns one connection.
func (i *identityService) GetConnection(
	ctx context.Context, req *ostiaryv1.GetConnectionRequest,
) (*ostiaryv1.GetConnectionResponse, error) {
	c, err := i.server.identity.Connection(ctx, req.GetStoreId(), req.GetId())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.GetConnectionResponse{Connection: i.wireConnection(c)}, nil
}

// ResumeConnection lets a connection that is paused go on.
func (i *identityService) ResumeConnection(
	ctx context.Context, req *ostiaryv1.ResumeConnectionRequest,
) (*ostiaryv1.ResumeConnectionResponse, error) {
	c, err := i.server.identity.ResumeConnection(carry(ctx), req.GetStoreId(), req.GetId())
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(c.Version)
	return &ostiaryv1.ResumeConnectionResponse{Connection: i.wireConnection(c)}, nil
}

// ListConnections returns the connections of a store, or of one organization of it.
func (i *identityService) ListConnections(
	ctx context.Context, req *ostiaryv1.ListConnectionsRequest,
) (*ostiaryv1.ListConnectionsResponse, error) {
	all, err := i.server.identity.Connections(ctx, req.GetStoreId(), req.GetOrganizationId())
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListConnectionsResponse{}
	for _, c := range all {
		resp.Connections = append(resp.Connections, i.wireConnection(c))
	}
	return resp, nil
}

func wireToken(t identity.Token) *ostiaryv1.Token {
	wire := &ostiaryv1.Token{Id: t.ID, Name: t.Name, CreatedAt: stamp(t.CreatedNanos)}
	for _, scope := range t.Scopes {
		wire.Scopes = append(wire.Scopes, string(scope))
	}
	if t.ExpiryNanos != 0 {
		wire.ExpiresAt = stamp(t.ExpiryNanos)
	}
	if t.UsedNanos != 0 {
		wire.LastUsedAt = stamp(t.UsedNanos)
	}
	return wire
}

// CreateToken makes a token of a connection, and shows it this once.
func (i *identityService) CreateToken(ctx context.Context, req *ostiaryv1.CreateTokenRequest) (*ostiaryv1.CreateTokenResponse, error) {
	asked := identity.Token{Name: req.GetName()}
	for _, scope := range req.GetScopes() {
		asked.Scopes = append(asked.Scopes, identity.Scope(scope))
	}
	if req.GetExpiresAt() != nil {
		asked.ExpiryNanos = max(req.GetExpiresAt().AsTime().UnixNano(), 1) // a time before 1970 has passed too
	}
	t, text, err := i.server.identity.CreateToken(carry(ctx), req.GetStoreId(), req.GetConnectionId(), asked)
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.CreateTokenResponse{Token: wireToken(t), Secret: text}, nil
}

// ListTokens returns the tokens of a connection.
func (i *identityService) ListTokens(ctx context.Context, req *ostiaryv1.ListTokensRequest) (*ostiaryv1.ListTokensResponse, error) {
	all, err := i.server.identity.Tokens(ctx, req.GetStoreId(), req.GetConnectionId())
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListTokensResponse{}
	for _, t := range all {
		resp.Tokens = append(resp.Tokens, wireToken(t))
	}
	return resp, nil
}

// RevokeToken ends a token.
func (i *identityService) RevokeToken(ctx context.Context, req *ostiaryv1.RevokeTokenRequest) (*ostiaryv1.RevokeTokenResponse, error) {
	r, err := i.server.identity.RevokeToken(carry(ctx), req.GetStoreId(), req.GetConnectionId(), req.GetId())
	return &ostiaryv1.RevokeTokenResponse{}, done(ctx, r, err)
}

func wireRole(r identity.Role) *ostiaryv1.Role {
	return &ostiaryv1.Role{Id: r.ID, Value: r.Value, Display: r.Display, Entitlement: r.Entitlement, Type: r.Type, Relation: r.IsRelation()}
}

// CreateRole adds a role or an entitlement to what identity providers may assign.
func (i *identityService) CreateRole(ctx context.Context, req *ostiaryv1.CreateRoleRequest) (*ostiaryv1.CreateRoleResponse, error) {
	r, err := i.server.identity.CreateRole(carry(ctx), req.GetStoreId(), req.GetOrganizationId(), identity.Role{
		Value: req.GetValue(), Display: req.GetDisplay(), Entitlement: req.GetEntitlement(), Type: req.GetType(),
	})
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.CreateRoleResponse{Role: wireRole(r)}, nil
}

func (i *identityService) rolesOrRelations(ctx context.Context, req *ostiaryv1.ListRolesRequest) (page []identity.Role, next string, err error) {
	if !req.GetRelations() {
		page, err = i.server.identity.Roles(ctx, req.GetStoreId(), req.GetOrganizationId())
		return page, "", err
	}
	return identityPage(ctx, i.server,
		pageScope{kind: pageRelations, store: req.GetStoreId(), filter: req.GetOrganizationId()}, req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]identity.Role, error) {
			return i.server.identity.Assignable(ctx, req.GetStoreId(), req.GetOrganizationId(), after, limit)
		}, func(r identity.Role) string { return r.ID })
}

// ListRoles returns what identity providers may assign in an organization.
func (i *identityService) ListRoles(ctx context.Context, req *ostiaryv1.ListRolesRequest) (*ostiaryv1.ListRolesResponse, error) {
	all, next, err := i.rolesOrRelations(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListRolesResponse{NextPageToken: next}
	for _, r := range all {
		resp.Roles = append(resp.Roles, wireRole(r))
	}
	return resp, nil
}
