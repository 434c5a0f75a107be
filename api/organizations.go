package api

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// identityService answers ostiary.v1.IdentityService.
type identityService struct {
	ostiaryv1.UnsafeIdentityServiceServer
	server *Server
}

// carry returns a context whose changes carry the id of the request.
func carry(ctx context.Context) context.Context {
	return identity.WithRequestID(ctx, callOf(ctx).id())
}

// done notes the revision of a change for the answer.
func done(ctx context.Context, r ostiary.Receipt, err error) error {
	if err == nil {
		callOf(ctx).at(r.Revision)
	}
	return err
}

func stamp(nanos int64) *timestamppb.Timestamp { return timestamppb.New(time.Unix(0, nanos)) }

func wireOrganization(o identity.Organization) *ostiaryv1.Organization {
	return &ostiaryv1.Organization{Id: o.ID, Name: o.Name, CreatedAt: stamp(o.CreatedNanos)}
}

// CreateOrganization makes an organization.
func (i *identityService) CreateOrganization(
	ctx context.Context, req *ostiaryv1.CreateOrganizationRequest,
) (*ostiaryv1.CreateOrganizationResponse, error) {
	o, err := i.server.identity.CreateOrganization(carry(ctx), req.GetStoreId(), req.GetId(), req.GetName())
	if err = done(ctx, ostiary.Receipt{Revision: o.Version}, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.CreateOrganizationResponse{Organization: wireOrganization(o)}, nil
}

// GetOrganization returns one organization.
func (i *identityService) GetOrganization(
	ctx context.Context, req *ostiaryv1.GetOrganizationRequest,
) (*ostiaryv1.GetOrganizationResponse, error) {
	o, err := i.server.identity.Organization(ctx, req.GetStoreId(), req.GetId())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.GetOrganizationResponse{Organization: wireOrganization(o)}, nil
}

// The bounds of a page of organizations or members.
const (
	defaultIdentityPage = 100
	maxIdentityPage     = 1_000
)

// identityPage returns up to the size asked for of what list returns after a place, and the token of the next
// page where there is one.
func identityPage[T any](
	ctx context.Context, s *Server, scope pageScope, token string, size int32,
	list func(after string, limit int) ([]T, error), id func(T) string,
) (page []T, next string, err error) {
	switch {
	case size < 0 || size > maxIdentityPage:
		return nil, "", refuse(codes.InvalidArgument, "page_size %d is not between 1 and %d", size, maxIdentityPage)
	case size == 0:
		size = defaultIdentityPage
	}
	position, err := s.placeOf(ctx, scope, token)
	if err != nil {
		return nil, "", err
	}
	page, err = list(string(position), int(size)+1)
	if err != nil || len(page) <= int(size) {
		return page, "", err
	}
	page = page[:size]
	next, err = s.pageToken(ctx, scope, positionBytes(id(page[size-1])))
	return page, next, err
}

// ListOrganizations returns organizations by id.
func (i *identityService) ListOrganizations(
	ctx context.Context, req *ostiaryv1.ListOrganizationsRequest,
) (*ostiaryv1.ListOrganizationsResponse, error) {
	page, next, err := identityPage(ctx, i.server, pageScope{kind: pageOrganizations, store: req.GetStoreId()},
		req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]identity.Organization, error) {
			return i.server.identity.Organizations(ctx, req.GetStoreId(), after, limit)
		}, func(o identity.Organization) string { return o.ID })
	if err != nil {
		return nil, err
	}
	g, err := i.server.identity.GateSwitch(ctx, req.GetStoreId())
	if err != nil && !errors.Is(err, ostiary.ErrNotFound) {
		return nil, err
	}
	resp := &ostiaryv1.ListOrganizationsResponse{NextPageToken: next, GateOff: wireGate(g)}
	for _, o := range page {
		resp.Organizations = append(resp.Organizations, wireOrganization(o))
	}
	return resp, nil
}

// DeleteOrganization deletes an organization.
func (i *identityService) DeleteOrganization(
	ctx context.Context, req *ostiaryv1.DeleteOrganizationRequest,
) (*ostiaryv1.DeleteOrganizationResponse, error) {
	r, err := i.server.identity.DeleteOrganization(carry(ctx), req.GetStoreId(), req.GetId())
	return &ostiaryv1.DeleteOrganizationResponse{}, done(ctx, r, err)
}

// VerifyOrganization compares what is stored of an organization with itself.
func (i *identityService) VerifyOrganization(
	ctx context.Context, req *ostiaryv1.VerifyOrganizationRequest,
) (*ostiaryv1.VerifyOrganizationResponse, error) {
	found, err := i.server.identity.Verify(ctx, req.GetStoreId(), req.GetId())
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(found.Revision)
	resp := &ostiaryv1.VerifyOrganizationResponse{
		More: uint64(found.More), Users: uint64(found.Users), Groups: uint64(found.Groups), Members: uint64(found.Members),
		Roles: uint64(found.Roles), Tuples: uint64(found.Tuples),
	}
	for _, f := range found.Findings {
		resp.Findings = append(resp.Findings, &ostiaryv1.Finding{Subject: f.Subject, Reason: f.Reason})
	}
	return resp, nil
}

// AddMember makes a person a member of an organization.
func (i *identityService) AddMember(ctx context.Context, req *ostiaryv1.AddMemberRequest) (*ostiaryv1.AddMemberResponse, error) {
	r, err := i.server.identity.AddMember(carry(ctx), req.GetStoreId(), req.GetOrganizationId(), req.GetUserId())
	return &ostiaryv1.AddMemberResponse{}, done(ctx, r, err)
}

// RemoveMember ends what AddMember made.
func (i *identityService) RemoveMember(
	ctx context.Context, req *ostiaryv1.RemoveMemberRequest,
) (*ostiaryv1.RemoveMemberResponse, error) {
	r, err := i.server.identity.RemoveMember(carry(ctx), req.GetStoreId(), req.GetOrganizationId(), req.GetUserId())
	return &ostiaryv1.RemoveMemberResponse{}, done(ctx, r, err)
}

// ListMembers returns the members that AddMember made, by id.
func (i *identityService) ListMembers(ctx context.Context, req *ostiaryv1.ListMembersRequest) (*ostiaryv1.ListMembersResponse, error) {
	page, next, err := identityPage(ctx, i.server,
		pageScope{kind: pageMembers, store: req.GetStoreId(), filter: req.GetOrganizationId()}, req.GetPageToken(), req.GetPageSize(),
		func(after string, limit int) ([]identity.Member, error) {
			return i.server.identity.Members(ctx, req.GetStoreId(), req.GetOrganizationId(), after, limit)
		}, func(m identity.Member) string { return m.User })
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListMembersResponse{NextPageToken: next}
	for _, m := range page {
		resp.Members = append(resp.Members, &ostiaryv1.Member{UserId: m.User, AddedAt: stamp(m.AddedNanos)})
	}
	return resp, nil
}

// BlockUser denies a person what belongs to an organization.
func (i *identityService) BlockUser(ctx context.Context, req *ostiaryv1.BlockUserRequest) (*ostiaryv1.BlockUserResponse, error) {
	r, err := i.server.identity.BlockUser(carry(ctx), req.GetStoreId(), req.GetOrganizationId(), req.GetUserId())
	return &ostiaryv1.BlockUserResponse{}, done(ctx, r, err)
}

// UnblockUser lifts a block.
func (i *identityService) UnblockUser(ctx context.Context, req *ostiaryv1.UnblockUserRequest) (*ostiaryv1.UnblockUserResponse, error) {
	r, err := i.server.identity.UnblockUser(carry(ctx), req.GetStoreId(), req.GetOrganizationId(), req.GetUserId())
	return &ostiaryv1.UnblockUserResponse{}, done(ctx, r, err)
}

// GetUser returns the organizations of a person.
func (i *identityService) GetUser(ctx context.Context, req *ostiaryv1.GetUserRequest) (*ostiaryv1.GetUserResponse, error) {
	all, deleted, err := i.server.identity.Standings(ctx, req.GetStoreId(), req.GetUserId())
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.GetUserResponse{Deleted: deleted}
	for _, s := range all {
		wire := &ostiaryv1.Standing{
			OrganizationId: s.Organization, Member: s.Member, Enabled: s.Enabled, ConnectionId: s.Connection, DisabledBy: s.DisabledBy,
		}
		if s.BlockedNanos != 0 {
			wire.BlockedAt = stamp(s.BlockedNanos)
		}
		resp.Standings = append(resp.Standings, wire)
	}
	return resp, nil
}
