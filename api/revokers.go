package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
)

// revocationPrefix is where providers ask for revocations; package gtr answers there.
const revocationPrefix = "/gtr/"

// revocationURL is where the provider of a connection asks; empty where the server does not know its own URL.
func (s *Server) revocationURL(connection string) string {
	base := strings.TrimSuffix(s.authzenBaseURL, "/")
	if base == "" {
		return ""
	}
	return base + revocationPrefix + connection
}

// SetRevoker sets by what JWTs a provider may log people out.
func (i *identityService) SetRevoker(ctx context.Context, req *ostiaryv1.SetRevokerRequest) (*ostiaryv1.SetRevokerResponse, error) {
	asked := req.GetRevoker()
	r := identity.Revoker{
		Connection: req.GetConnectionId(), Off: asked.GetOff(), Issuer: asked.GetIssuer(), Subject: asked.GetSubject(),
		SubjectIssuer: asked.GetSubjectIssuer(), Keys: []byte(asked.GetJwks()), KeysURL: asked.GetJwksUri(),
		Certificates: []byte(asked.GetCertificates()), Protected: asked.GetProtectedUserIds(),
	}
	if err := judgeRevokerKeys(r); err != nil {
		return nil, err
	}
	r, err := i.server.identity.SetRevoker(carry(ctx), req.GetStoreId(), r)
	if err != nil {
		return nil, err
	}
	callOf(ctx).at(r.Version)
	return &ostiaryv1.SetRevokerResponse{EndpointUrl: i.server.revocationURL(r.Connection)}, nil
}

// judgeRevokerKeys refuses keys by which no JWT could be judged. Those at a URL are fetched when they are needed.
func judgeRevokerKeys(r identity.Revoker) error {
	if len(r.Certificates) > 0 {
		if _, err := keyset.ParseCertificates(r.Certificates); err != nil {
			return fmt.Errorf("%v: %w", err, ostiary.ErrTupleInvalid)
		}
	}
	keys := identity.Client{Keys: r.Keys, KeysURL: r.KeysURL}
	if len(r.Keys)+len(r.KeysURL)+len(r.Certificates) == 0 {
		keys.Issuer = r.Issuer // its metadata lead to them
	}
	return judgeKeys(keys)
}

// GetRevoker returns by what JWTs a provider may log people out.
func (i *identityService) GetRevoker(ctx context.Context, req *ostiaryv1.GetRevokerRequest) (*ostiaryv1.GetRevokerResponse, error) {
	r, err := i.server.identity.Revoker(ctx, req.GetStoreId(), req.GetConnectionId())
	if err != nil {
		return nil, err
	}
	wire := &ostiaryv1.Revoker{
		Off: r.Off, Issuer: r.Issuer, Subject: r.Subject, SubjectIssuer: r.SubjectIssuer, Jwks: string(r.Keys),
		JwksUri: r.KeysURL, Certificates: string(r.Certificates), ProtectedUserIds: r.Protected,
	}
	if r.UsedNanos != 0 {
		wire.LastUsedAt = stamp(r.UsedNanos)
	}
	return &ostiaryv1.GetRevokerResponse{Revoker: wire, EndpointUrl: i.server.revocationURL(req.GetConnectionId())}, nil
}
