package api

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/access"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// accessService answers ostiary.v1.AccessService.
type accessService struct {
	ostiaryv1.UnsafeAccessServiceServer
	server *Server
}

// accessError gives the refusals of package access their codes.
func accessError(err error) error {
	switch {
	case errors.Is(err, access.ErrDenied):
		return errForbidden
	case errors.Is(err, access.ErrLast):
		return &refusal{code: codes.FailedPrecondition, text: access.ErrLast.Error(), cause: err}
	case errors.Is(err, access.ErrBootstrap):
		return &refusal{code: codes.PermissionDenied, text: access.ErrBootstrap.Error(), cause: err}
	}
	return err
}

var roles = map[ostiaryv1.AccessRole]access.Role{
	ostiaryv1.AccessRole_ACCESS_ROLE_READER:        access.Reader,
	ostiaryv1.AccessRole_ACCESS_ROLE_WRITER:        access.Writer,
	ostiaryv1.AccessRole_ACCESS_ROLE_ADMINISTRATOR: access.Administrator,
}

func roleOf(r ostiaryv1.AccessRole) (access.Role, error) {
	if role, ok := roles[r]; ok {
		return role, nil
	}
	return "", refuse(codes.InvalidArgument, "role is none of ACCESS_ROLE_READER, ACCESS_ROLE_WRITER, ACCESS_ROLE_ADMINISTRATOR")
}

func targetOf(t *ostiaryv1.AccessTarget) access.Target {
	return access.Target{Store: t.GetStoreId(), Organization: t.GetOrganizationId()}
}

func grantAsked(g *ostiaryv1.AccessGrant) (access.Grant, error) {
	if g.GetCreatedAt() != nil {
		return access.Grant{}, refuse(codes.InvalidArgument, "grant.created_at is the server's to set: leave it out")
	}
	p, err := access.ParsePrincipal(g.GetPrincipal())
	if err != nil {
		return access.Grant{}, err
	}
	role, err := roleOf(g.GetRole())
	return access.Grant{Principal: p, Role: role, Target: targetOf(g.GetTarget())}, err
}

// GrantAccess gives a principal a role.
func (a *accessService) GrantAccess(ctx context.Context, req *ostiaryv1.GrantAccessRequest) (*ostiaryv1.GrantAccessResponse, error) {
	g, err := grantAsked(req.GetGrant())
	if err != nil {
		return nil, err
	}
	r, err := a.server.access.Grant(carry(ctx), g, !a.server.accessControl)
	return &ostiaryv1.GrantAccessResponse{}, done(ctx, r, accessError(err))
}

// RevokeAccess takes a role from a principal.
func (a *accessService) RevokeAccess(ctx context.Context, req *ostiaryv1.RevokeAccessRequest) (*ostiaryv1.RevokeAccessResponse, error) {
	g, err := grantAsked(req.GetGrant())
	if err != nil {
		return nil, err
	}
	r, err := a.server.access.Revoke(carry(ctx), g, !a.server.accessControl)
	return &ostiaryv1.RevokeAccessResponse{}, done(ctx, r, accessError(err))
}

// ListAccess returns the roles in a target, or in all.
func (a *accessService) ListAccess(ctx context.Context, req *ostiaryv1.ListAccessRequest) (*ostiaryv1.ListAccessResponse, error) {
	q, err := accessQuery(req)
	if err != nil {
		return nil, err
	}
	all, more, err := a.server.access.List(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListAccessResponse{Truncated: more}
	for _, g := range all {
		resp.Grants = append(resp.Grants, wireGrant(g))
	}
	return resp, nil
}

// accessQuery reads what a list of roles, or of their changes, is narrowed to.
func accessQuery(req interface {
	GetPrincipal() string
	GetTarget() *ostiaryv1.AccessTarget
}) (q access.Query, err error) {
	if req.GetPrincipal() != "" {
		p, err := access.ParsePrincipal(req.GetPrincipal())
		if err != nil {
			return q, err
		}
		q.Principal = &p
	}
	if req.GetTarget() != nil {
		t := targetOf(req.GetTarget())
		if err := t.Judge(); err != nil {
			return q, err
		}
		q.Target = &t
	}
	return q, nil
}

// ListAccessChanges returns who gave or took which role.
func (a *accessService) ListAccessChanges(
	ctx context.Context, req *ostiaryv1.ListAccessChangesRequest,
) (*ostiaryv1.ListAccessChangesResponse, error) {
	q, err := accessQuery(req)
	if err != nil {
		return nil, err
	}
	scope := pageScope{kind: pageAccessChanges, filter: fmt.Sprintf("%q %v %s", req.GetPrincipal(), req.GetTarget() != nil, targetOf(req.GetTarget()))}
	page, next, err := identityPage(ctx, a.server, scope, req.GetPageToken(), req.GetPageSize(),
		func(before string, limit int) ([]access.Change, error) {
			return a.server.access.Log(ctx, q, before, limit)
		},
		func(c access.Change) string { return c.ID })
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListAccessChangesResponse{NextPageToken: next}
	for _, c := range page {
		wire := &ostiaryv1.AccessChange{Time: stamp(c.TimeNanos), By: c.By.String(), Kind: string(c.Kind),
			Grant: wireGrant(c.Grant), Revision: uint64(c.Revision), RequestId: c.RequestID}
		wire.Grant.CreatedAt = nil
		resp.Changes = append(resp.Changes, wire)
	}
	return resp, nil
}

func wireGrant(g access.Grant) *ostiaryv1.AccessGrant {
	wire := &ostiaryv1.AccessGrant{Principal: g.Principal.String(), CreatedAt: stamp(g.SinceNanos),
		Target: &ostiaryv1.AccessTarget{StoreId: g.Target.Store, OrganizationId: g.Target.Organization}}
	for number, role := range roles {
		if role == g.Role {
			wire.Role = number
		}
	}
	return wire
}

// ExplainAccess says whether a principal has a role in a target, and why.
func (a *accessService) ExplainAccess(ctx context.Context, req *ostiaryv1.ExplainAccessRequest) (*ostiaryv1.ExplainAccessResponse, error) {
	p, err := access.ParsePrincipal(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	role, err := roleOf(req.GetRole())
	if err != nil {
		return nil, err
	}
	x, err := a.server.access.Explain(ctx, p, role, targetOf(req.GetTarget()))
	if err != nil {
		return nil, err
	}
	root := wireExplanation(x, through{})
	return &ostiaryv1.ExplainAccessResponse{Allowed: root.GetOutcome() == ostiaryv1.Outcome_OUTCOME_ALLOWED, Root: root, Text: x.String()}, nil
}

// bootstrapPrincipal is who shows a bootstrap credential, whether it counts or not.
var bootstrapPrincipal = ostiary.Principal{Kind: "bootstrap"}

// bootstrapCredential returns the credential that a request for ClaimCluster shows in place of a key.
func bootstrapCredential(method string, authorization []string) (credential string, ok bool) {
	if method != ostiaryv1.AccessService_ClaimCluster_FullMethodName || len(authorization) != 1 {
		return "", false
	}
	credential, err := bearer(authorization[0])
	return credential, err == nil && strings.HasPrefix(credential, access.BootstrapPrefix)
}

// ClaimCluster makes a principal the first administrator of the cluster.
func (a *accessService) ClaimCluster(ctx context.Context, req *ostiaryv1.ClaimClusterRequest) (*ostiaryv1.ClaimClusterResponse, error) {
	credential, ok := bootstrapCredential(ostiaryv1.AccessService_ClaimCluster_FullMethodName, callOf(ctx).sent.authorization)
	if !ok {
		return nil, accessError(access.ErrBootstrap)
	}
	p, err := access.ParsePrincipal(req.GetPrincipal())
	if err != nil {
		return nil, err
	}
	r, err := a.server.access.Claim(carry(ctx), credential, p)
	return &ostiaryv1.ClaimClusterResponse{}, done(ctx, r, accessError(err))
}

// Access returns what decides what callers may do.
func (s *Server) Access() *access.Service { return s.access }
