package api

import (
	"context"
	"strings"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/jws"
)

// signingKeyService answers ostiary.v1.SigningKeyService.
type signingKeyService struct {
	ostiaryv1.UnsafeSigningKeyServiceServer
	server *Server
}

// issuerOf returns the issuer of a store, whose keys package issuer publishes at its jwks.json; empty where the
// server does not know its own URL.
func (s *Server) issuerOf(store string) string {
	base := strings.TrimSuffix(s.authzenBaseURL, "/")
	if base == "" {
		return ""
	}
	return base + "/stores/" + store
}

func wireSigningKey(k identity.SigningKey) *ostiaryv1.SigningKey {
	return &ostiaryv1.SigningKey{
		Id: k.ID, Algorithm: string(k.Algorithm), State: string(k.State), Jwk: string(k.Public),
		CreatedAt: stamp(k.CreatedNanos), ActiveAt: optionalStamp(k.ActiveNanos),
		RetiredAt: optionalStamp(k.RetiredNanos), GoneAt: optionalStamp(k.GoneNanos),
	}
}

// ListSigningKeys returns what is published of a store's keys.
func (i *signingKeyService) ListSigningKeys(ctx context.Context, req *ostiaryv1.ListSigningKeysRequest) (*ostiaryv1.ListSigningKeysResponse, error) {
	keys, err := i.server.identity.SigningKeys(ctx, req.GetStoreId())
	if err != nil {
		return nil, err
	}
	resp := &ostiaryv1.ListSigningKeysResponse{Issuer: i.server.issuerOf(req.GetStoreId())}
	if resp.Issuer != "" {
		resp.JwksUri = resp.Issuer + "/jwks.json"
	}
	for _, k := range keys {
		resp.Keys = append(resp.Keys, wireSigningKey(k))
	}
	return resp, nil
}

// RotateSigningKey publishes the key that signs next.
func (i *signingKeyService) RotateSigningKey(ctx context.Context, req *ostiaryv1.RotateSigningKeyRequest) (*ostiaryv1.RotateSigningKeyResponse, error) {
	k, err := i.server.identity.RotateSigningKey(carry(ctx), req.GetStoreId(), jws.Algorithm(req.GetAlgorithm()), req.GetNow())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.RotateSigningKeyResponse{Key: wireSigningKey(k)}, nil
}

// RetireSigningKey takes a key away.
func (i *signingKeyService) RetireSigningKey(ctx context.Context, req *ostiaryv1.RetireSigningKeyRequest) (*ostiaryv1.RetireSigningKeyResponse, error) {
	signs, err := i.server.identity.RetireSigningKey(carry(ctx), req.GetStoreId(), req.GetId())
	if err != nil {
		return nil, err
	}
	return &ostiaryv1.RetireSigningKeyResponse{Signs: wireSigningKey(signs)}, nil
}
