package api

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
)

// IDTokens judges ID tokens. *idtoken.Verifier is one.
type IDTokens interface {
	// Verify returns what an ID token of a provider says. A nonce that is not empty must be the token's. The error
	// wraps keyset.ErrUnreachable where the provider's keys cannot be had now; any other says what is wrong with
	// the token, and repeats nothing of it.
	Verify(ctx context.Context, o identity.OIDCIssuer, text, nonce string) (identity.Assertion, error)
}

// JudgeIDTokens lets people log in by ID tokens. Call it before Serve.
func (s *Server) JudgeIDTokens(t IDTokens) { s.idTokens = t }

// reasonIDToken is why a login is refused whose ID token is none of the provider's, or is no good.
const reasonIDToken = "id_token_refused"

const maxNonceBytes = 1 << 10

// CreateSessionFromIDToken records the session of a person who shows an ID token.
func (i *sessionService) CreateSessionFromIDToken(
	ctx context.Context, req *ostiaryv1.CreateSessionFromIDTokenRequest,
) (*ostiaryv1.CreateSessionFromIDTokenResponse, error) {
	q := identity.LoginRequest{Client: req.GetClientId(), Device: req.GetDeviceId()}
	var err error
	if q.ExpiresNanos, err = nanosOf("expires_at", req.GetExpiresAt()); err != nil {
		return nil, err
	}
	if age := req.GetMaxAge(); age != nil {
		if q.MaxAge = age.AsDuration(); age.CheckValid() != nil || q.MaxAge < time.Second || q.MaxAge > identity.MaxSessionLife {
			return nil, refuse(codes.InvalidArgument, "max_age is not a time from a second to %s", identity.MaxSessionLife)
		}
	}
	if len(req.GetNonce()) > maxNonceBytes {
		return nil, refuse(codes.InvalidArgument, "nonce has more than %d bytes", maxNonceBytes)
	}
	said, err := i.judge(ctx, req)
	if err != nil {
		return nil, err
	}
	made, err := i.server.identity.LogIn(carry(ctx), req.GetStoreId(), said, q)
	if refused, ok := identity.IsLoginRefused(err); ok {
		i.server.logger.Info("login by an ID token refused", "connection", req.GetConnectionId(), "reason", refused.Reason)
		callOf(ctx).because(refused.Reason)
		return nil, &refusal{code: codes.PermissionDenied, text: refused.Error(), cause: err}
	}
	if err = done(ctx, ostiary.Receipt{Revision: made.Version}, err); err != nil {
		return nil, err
	}
	return &ostiaryv1.CreateSessionFromIDTokenResponse{Session: wireSession(made)}, nil
}

// judge returns what the ID token of a request says.
func (i *sessionService) judge(ctx context.Context, req *ostiaryv1.CreateSessionFromIDTokenRequest) (identity.Assertion, error) {
	o, err := i.server.identity.OIDCIssuer(ctx, req.GetStoreId(), req.GetConnectionId())
	if err != nil {
		return identity.Assertion{}, err
	}
	if i.server.idTokens == nil {
		return identity.Assertion{}, refuse(codes.Unimplemented, "this server judges no ID tokens")
	}
	said, err := i.server.idTokens.Verify(ctx, o, req.GetIdToken(), req.GetNonce())
	switch {
	case err == nil:
		return said, nil
	case errors.Is(err, keyset.ErrUnreachable):
		i.server.logger.Warn("keys of an OpenID provider not fetched", "connection", req.GetConnectionId(), "error", err)
		return said, &refusal{code: codes.Unavailable, text: "the keys of the OpenID provider cannot be fetched now: try again", cause: err}
	}
	i.server.logger.Info("login by an ID token refused", "connection", req.GetConnectionId(), "reason", reasonIDToken, "error", err)
	callOf(ctx).because(reasonIDToken)
	return said, &refusal{code: codes.PermissionDenied, text: "the ID token is refused: " + err.Error(), cause: err}
}
