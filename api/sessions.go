package api

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// sessionService answers ostiary.v1.SessionService.
type sessionService struct {
	ostiaryv1.UnsafeSessionServiceServer
	server *Server
}

// loginError gives a refused login its code.
func loginError(err error) error {
	if refused, ok := identity.IsLoginRefused(err); ok {
		return &refusal{code: codes.FailedPrecondition, text: refused.Error(), cause: err}
	}
	return err
}

// wireSession shows a session, and never a token: who may read sessions may not act as their people.
func wireSession(s identity.Session) *ostiaryv1.Session {
	if identity.IsToken(s.Layer) {
		s.SID = ""
	}
	return &ostiaryv1.Session{
		Id: s.ID, OrganizationId: s.Organization, UserId: s.User, ClientId: s.Client, ConnectionId: s.Connection,
		Issuer: s.Issuer, Sid: s.SID, Layer: s.Layer, Acr: s.ACR, Amr: s.AMR, AuthTime: optionalStamp(s.AuthNanos),
		ExpiresAt: stamp(s.ExpiresNanos), SessionExpiry: optionalStamp(s.LimitNanos), DeviceId: s.Device,
		ParentId: s.Parent, ActorId: s.Actor, CreatedAt: stamp(s.CreatedNanos), PresentedAt: stamp(s.PresentedNanos),
	}
}

// optionalStamp is stamp of a time that may not be known.
func optionalStamp(nanos int64) *timestamppb.Timestamp {
	if nanos == 0 {
		return nil
	}
	return stamp(nanos)
}

// nanosOf returns a time that may be left out: then it is 0.
func nanosOf(field string, t *timestamppb.Timestamp) (int64, error) {
	if t == nil {
		return 0, nil
	}
	if err := t.CheckValid(); err != nil || t.AsTime().Before(time.Unix(0, 1)) || t.AsTime().After(time.Unix(0, 1<<62)) {
		return 0, refuse(codes.InvalidArgument, "%s is not a time between 1970 and 2116", field)
	}
	return t.AsTime().UnixNano(), nil
}

// sessionInput returns what a caller says of a session.
func sessionInput(s *ostiaryv1.Session) (in identity.SessionInput, err error) {
	for _, set := range []struct {
		name string
		is   bool
	}{{"id", s.GetId() != ""}, {"created_at", s.GetCreatedAt() != nil}, {"presented_at", s.GetPresentedAt() != nil}} {
		if set.is {
			return in, refuse(codes.InvalidArgument, "session.%s is the server's to set: leave it out", set.name)
		}
	}
	in = identity.SessionInput{
		Organization: s.GetOrganizationId(), User: s.GetUserId(), Client: s.GetClientId(), Connection: s.GetConnectionId(),
		Issuer: s.GetIssuer(), SID: s.GetSid(), Layer: s.GetLayer(), ACR: s.GetAcr(), AMR: s.GetAmr(),
		Device: s.GetDeviceId(), Parent: s.GetParentId(), Actor: s.GetActorId(),
	}
	if in.AuthNanos, err = nanosOf("session.auth_time", s.GetAuthTime()); err != nil {
		return in, err
	}
	if in.ExpiresNanos, err = nanosOf("session.expires_at", s.GetExpiresAt()); err != nil {
		return in, err
	}
	in.LimitNanos, err = nanosOf("session.session_expiry", s.GetSessionExpiry())
	return in, err
}

func sessionFilter(f *ostiaryv1.SessionFilter) identity.SessionFilter {
	return identity.SessionFilter{
		Organization: f.GetOrganizationId(), User: f.GetUserId(), Actor: f.GetActorId(), Client: f.GetClientId(),
		Device: f.GetDeviceId(), Parent: f.GetParentId(), Connection: f.GetConnectionId(), Issuer: f.GetIssuer(), SID: f.GetSid(),
	}
}

// CreateSession records a session.
func (i *sessionService) CreateSession(
	ctx context.Context, req *ostiaryv1.CreateSessionRequest,
) (*ostiaryv1.CreateSessionResponse, error) {
	in, err := sessionInput(req.GetSession())
	if err != nil {
		return nil, err
	}
	made, err := i.server.identity.CreateSession(carry(ctx), req.GetStoreId(), in)
	if err = done(ctx, ostiary.Receipt{Revision: made.Version}, loginError(err)); err != nil {
		return nil, err
	}
	return &ostiaryv1.CreateSessionResponse{Session: wireSession(made)}, nil
}

// GetSession returns a session that has not ended.
func (i *sessionService) GetSession(ctx context.Context, req *ostiaryv1.GetSessionRequest) (*ostiaryv1.GetSessionResponse, error) {
	found, err := i.server.identity.Session(ctx, req.GetStoreId(), req.GetId())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.GetSessionResponse{Session: wireSession(found)}, nil
}

// ListSessions returns sessions by id.
func (i *sessionService) ListSessions(ctx context.Context, req *ostiaryv1.ListSessionsRequest) (*ostiaryv1.ListSessionsResponse, error) {
	filter, err := (proto.MarshalOptions{Deterministic: true}).Marshal(req.GetFilter())
	if err != nil {
		return nil, err
	}
	page, next, err := identityPage(ctx, i.server, pageScope{kind: pageSessions, store: req.GetStoreId(), filter: string(filter)},
		req.GetPageToken(), req.GetPageSize(), func(after string, limit int) ([]identity.Session, error) {
			return i.server.identity.Sessions(ctx, req.GetStoreId(), sessionFilter(req.GetFilter()), after, limit)
		}, func(s identity.Session) string { return s.ID })
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListSessionsResponse{NextPageToken: next}
	for _, s := range page {
		resp.Sessions = append(resp.Sessions, wireSession(s))
	}
	return resp, nil
}

// TouchSession notes that a session is in use.
func (i *sessionService) TouchSession(ctx context.Context, req *ostiaryv1.TouchSessionRequest) (*ostiaryv1.TouchSessionResponse, error) {
	expires, err := nanosOf("expires_at", req.GetExpiresAt())
	if err != nil {
		return nil, err
	}
	touched, err := i.server.identity.TouchSession(carry(ctx), req.GetStoreId(), req.GetId(), expires)
	if err = done(ctx, ostiary.Receipt{Revision: touched.Version}, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.TouchSessionResponse{Session: wireSession(touched)}, nil
}

// DeleteSession ends a session.
func (i *sessionService) DeleteSession(ctx context.Context, req *ostiaryv1.DeleteSessionRequest) (*ostiaryv1.DeleteSessionResponse, error) {
	ended, r, err := i.server.identity.DeleteSession(carry(ctx), req.GetStoreId(), req.GetId())
	return &ostiaryv1.DeleteSessionResponse{Ended: uint64(len(ended))}, done(ctx, r, err)
}

// DeleteSessions ends the sessions that match a filter.
func (i *sessionService) DeleteSessions(
	ctx context.Context, req *ostiaryv1.DeleteSessionsRequest,
) (*ostiaryv1.DeleteSessionsResponse, error) {
	n, r, err := i.server.identity.DeleteSessions(carry(ctx), req.GetStoreId(), sessionFilter(req.GetFilter()), req.GetDryRun())
	return &ostiaryv1.DeleteSessionsResponse{Ended: uint64(n)}, done(ctx, r, err)
}

// RevokeSessions ends the sessions of a person.
func (i *sessionService) RevokeSessions(
	ctx context.Context, req *ostiaryv1.RevokeSessionsRequest,
) (*ostiaryv1.RevokeSessionsResponse, error) {
	revoked, err := i.server.identity.RevokeSessions(carry(ctx), req.GetStoreId(), req.GetUserId(), req.GetOrganizationId(), req.GetReason())
	return &ostiaryv1.RevokeSessionsResponse{Ended: uint64(len(revoked.Ended) + revoked.Unread)}, done(ctx, revoked.Receipt, err)
}

// SetSessionSubjects says whether a question about a session is one about its person.
func (i *sessionService) SetSessionSubjects(
	ctx context.Context, req *ostiaryv1.SetSessionSubjectsRequest,
) (*ostiaryv1.SetSessionSubjectsResponse, error) {
	r, err := i.server.identity.SetSessionSubjects(carry(ctx), req.GetStoreId(), req.GetOn())
	return &ostiaryv1.SetSessionSubjectsResponse{}, done(ctx, r, err)
}

// GetSessionSubjects returns what SetSessionSubjects has set.
func (i *sessionService) GetSessionSubjects(
	ctx context.Context, req *ostiaryv1.GetSessionSubjectsRequest,
) (*ostiaryv1.GetSessionSubjectsResponse, error) {
	on, err := i.server.identity.SessionSubjects(ctx, req.GetStoreId())
	return &ostiaryv1.GetSessionSubjectsResponse{On: on}, err
}
