package api

import (
	"context"
	"strings"

	"google.golang.org/grpc/codes"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
)

// signalPrefix is where providers push security event tokens; package ssf/receiver answers there.
const signalPrefix = "/signals/"

// signalURL is where the provider of a connection pushes; empty where the server does not know its own URL.
func (s *Server) signalURL(connection string) string {
	base := strings.TrimSuffix(s.authzenBaseURL, "/")
	if base == "" {
		return ""
	}
	return base + signalPrefix + connection
}

// SetSignalSource sets by what security event tokens a provider tells what has happened.
func (i *identityService) SetSignalSource(
	ctx context.Context, req *ostiaryv1.SetSignalSourceRequest,
) (*ostiaryv1.SetSignalSourceResponse, error) {
	asked := req.GetSource()
	g := identity.SignalSource{
		Connection: req.GetConnectionId(), Off: asked.GetOff(), Issuer: asked.GetIssuer(), Audience: asked.GetAudience(),
		SubjectIssuer: asked.GetSubjectIssuer(), Keys: []byte(asked.GetJwks()), KeysURL: asked.GetJwksUri(),
		Critical: asked.GetCriticalSubjectMembers(), Policy: asked.GetPolicy(), PollURL: asked.GetPollUrl(),
	}
	keys := identity.Client{Keys: g.Keys, KeysURL: g.KeysURL}
	if len(g.Keys)+len(g.KeysURL) == 0 {
		keys.Issuer = g.Issuer // its metadata lead to them
	}
	if err := judgeKeys(keys); err != nil {
		return nil, err
	}
	if g.PollURL != "" {
		if err := egress.Judge(g.PollURL); err != nil {
			return nil, refuse(codes.InvalidArgument, "poll_url: %v", err)
		}
	}
	g, err := i.server.identity.SetSignalSource(carry(ctx), req.GetStoreId(), g,
		identity.SignalSecrets{Authorization: asked.GetPushAuthorization(), PollToken: asked.GetPollToken()})
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(g.Version)
	return &ostiaryv1.SetSignalSourceResponse{EndpointUrl: i.server.signalURL(g.Connection)}, nil
}

// GetSignalSource returns by what security event tokens a provider tells what has happened.
func (i *identityService) GetSignalSource(
	ctx context.Context, req *ostiaryv1.GetSignalSourceRequest,
) (*ostiaryv1.GetSignalSourceResponse, error) {
	g, state, err := i.server.identity.SignalSource(ctx, req.GetStoreId(), req.GetConnectionId())
	if err != nil {
		return nil, err
	}
	actions := map[string]string{}
	for _, event := range identity.SignalEvents() {
		actions[event] = identity.DefaultSignalAction(event)
		if action, named := g.Policy[event]; named {
			actions[event] = action
		}
	}
	return &ostiaryv1.GetSignalSourceResponse{
		Source: &ostiaryv1.SignalSource{
			Off: g.Off, Issuer: g.Issuer, Audience: g.Audience, SubjectIssuer: g.SubjectIssuer, Jwks: string(g.Keys), JwksUri: g.KeysURL,
			CriticalSubjectMembers: g.Critical, Policy: g.Policy, PollUrl: g.PollURL, Authorized: g.Authorized,
		},
		State: &ostiaryv1.SignalState{
			LastUsedAt: optionalStamp(state.UsedNanos), VerifiedAt: optionalStamp(state.VerifiedNanos),
			VerificationState: state.State, StreamStatus: state.Stream,
		},
		EndpointUrl: i.server.signalURL(req.GetConnectionId()), Actions: actions,
	}, nil
}

// SetSignalPolicy sets what becomes of events.
func (i *identityService) SetSignalPolicy(
	ctx context.Context, req *ostiaryv1.SetSignalPolicyRequest,
) (*ostiaryv1.SetSignalPolicyResponse, error) {
	r, err := i.server.identity.SetSignalPolicy(carry(ctx), req.GetStoreId(), req.GetConnectionId(), req.GetPolicy())
	return &ostiaryv1.SetSignalPolicyResponse{}, done(ctx, r, err)
}

// ClearSignalSource ends what SetSignalSource has set.
func (i *identityService) ClearSignalSource(
	ctx context.Context, req *ostiaryv1.ClearSignalSourceRequest,
) (*ostiaryv1.ClearSignalSourceResponse, error) {
	r, err := i.server.identity.ClearSignalSource(carry(ctx), req.GetStoreId(), req.GetConnectionId())
	return &ostiaryv1.ClearSignalSourceResponse{}, done(ctx, r, err)
}
