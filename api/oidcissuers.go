package api

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

func wireOIDCIssuer(o identity.OIDCIssuer) *ostiaryv1.OIDCIssuer {
	wire := &ostiaryv1.OIDCIssuer{
		Issuer: o.Issuer, ClientIds: o.ClientIDs, Jwks: string(o.Keys), JwksUri: o.KeysURL, Algorithms: o.Algorithms,
		SubjectClaim: o.SubjectClaim, JustInTime: o.JustInTime, Layer: o.Layer,
	}
	if o.MaxLife != 0 {
		wire.MaxSessionLife = durationpb.New(o.MaxLife)
	}
	return wire
}

// SetOIDCIssuer sets the OpenID provider of a connection.
func (i *identityService) SetOIDCIssuer(ctx context.Context, req *ostiaryv1.SetOIDCIssuerRequest) (*ostiaryv1.SetOIDCIssuerResponse, error) {
	asked := req.GetOidcIssuer()
	o := identity.OIDCIssuer{
		Connection: req.GetConnectionId(), Issuer: asked.GetIssuer(), ClientIDs: asked.GetClientIds(), Keys: []byte(asked.GetJwks()),
		KeysURL: asked.GetJwksUri(), Algorithms: asked.GetAlgorithms(), SubjectClaim: asked.GetSubjectClaim(),
		JustInTime: asked.GetJustInTime(), Layer: asked.GetLayer(),
	}
	if life := asked.GetMaxSessionLife(); life != nil {
		if o.MaxLife = life.AsDuration(); life.CheckValid() != nil || o.MaxLife <= 0 || o.MaxLife%time.Second != 0 {
			return nil, refuse(codes.InvalidArgument, "max_session_life is not a time of whole seconds")
		}
	}
	keys := identity.Client{Keys: o.Keys, KeysURL: o.KeysURL}
	if len(o.Keys)+len(o.KeysURL) == 0 {
		keys.Issuer = o.Issuer // its metadata lead to them
	}
	if err := judgeKeys(keys); err != nil {
		return nil, err
	}
	o, err := i.server.identity.SetOIDCIssuer(carry(ctx), req.GetStoreId(), o)
	if errors.Is(err, identity.ErrManagedBySCIM) {
		return nil, &refusal{code: codes.FailedPrecondition, text: err.Error(), cause: err}
	}
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(o.Version)
	return &ostiaryv1.SetOIDCIssuerResponse{OidcIssuer: wireOIDCIssuer(o)}, nil
}

// GetOIDCIssuer returns the OpenID provider of a connection.
func (i *identityService) GetOIDCIssuer(ctx context.Context, req *ostiaryv1.GetOIDCIssuerRequest) (*ostiaryv1.GetOIDCIssuerResponse, error) {
	o, err := i.server.identity.OIDCIssuer(ctx, req.GetStoreId(), req.GetConnectionId())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.GetOIDCIssuerResponse{OidcIssuer: wireOIDCIssuer(o)}, nil
}

// ClearOIDCIssuer ends what SetOIDCIssuer has set.
func (i *identityService) ClearOIDCIssuer(
	ctx context.Context, req *ostiaryv1.ClearOIDCIssuerRequest,
) (*ostiaryv1.ClearOIDCIssuerResponse, error) {
	r, err := i.server.identity.ClearOIDCIssuer(carry(ctx), req.GetStoreId(), req.GetConnectionId())
	return &ostiaryv1.ClearOIDCIssuerResponse{}, done(ctx, r, err)
}
