package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
)

// Authenticator says who a caller is.
type Authenticator interface {
	// Authenticate returns the principal for the value of the request's authorization header, which is
	// empty where there was none. With an error the request is refused and the principal is ignored.
	Authenticate(ctx context.Context, authorization string) (ostiary.Principal, error)
}

// Errors of authentication, with OpenFGA's numbers.
var (
	errBearerMissing   = refuse(codeBearerMissing, "missing bearer token")
	errUnauthenticated = refuse(codeUnauthenticated, "unauthenticated")
)

// Anonymous returns the Authenticator that lets everybody in as the principal "anonymous". It is for
// development, and for servers that only trusted callers can reach.
func Anonymous() Authenticator { return anonymous{} }

type anonymous struct{}

func (anonymous) Authenticate(context.Context, string) (ostiary.Principal, error) {
	return ostiary.Principal{Kind: "anonymous"}, nil
}

// PresharedKeys returns the Authenticator that knows a caller by one of several keys, sent as
// "Authorization: Bearer KEY". The principal is named by the first eight digits of the key's SHA-256.
// The error names the place of an empty or repeated key, and never the key.
func PresharedKeys(keys ...string) (Authenticator, error) {
	if len(keys) == 0 {
		return nil, errors.New("preshared keys: at least one key is needed")
	}
	p := make(preshared, 0, len(keys))
	for i, key := range keys {
		if key == "" || strings.TrimSpace(key) != key {
			return nil, fmt.Errorf("preshared keys: key %d is empty or has white space around it", i+1)
		}
		hash := sha256.Sum256([]byte(key))
		for _, other := range p {
			if other == hash {
				return nil, fmt.Errorf("preshared keys: key %d repeats an earlier one", i+1)
			}
		}
		p = append(p, hash)
	}
	return p, nil
}

// preshared holds the SHA-256 of each key.
type preshared [][sha256.Size]byte

// Authenticate compares hashes, all of them and in constant time, so that the time taken tells nothing
// of a key.
func (p preshared) Authenticate(_ context.Context, authorization string) (ostiary.Principal, error) {
	key, err := bearer(authorization)
	if err != nil {
		return ostiary.Principal{}, err
	}
	hash := sha256.Sum256([]byte(key))
	found := 0
	for _, known := range p {
		found |= subtle.ConstantTimeCompare(hash[:], known[:])
	}
	if found != 1 {
		return ostiary.Principal{}, errUnauthenticated
	}
	return ostiary.Principal{Kind: "preshared", Name: hex.EncodeToString(hash[:4])}, nil
}

// authenticate returns ctx with the caller as principal, who sent these values of the header
// authorization.
func (s *Server) authenticate(ctx context.Context, values []string) (context.Context, error) {
	if len(values) > 1 {
		return nil, errUnauthenticated // which of the two would count?
	}
	authorization := ""
	if len(values) == 1 {
		authorization = values[0]
	}
	p, certified, err := s.certificateCaller(ctx)
	switch {
	case err != nil:
		return nil, err
	case certified && len(values) > 0:
		return nil, errTwoCallers
	case !certified:
		if p, err = s.authenticator.Authenticate(ctx, authorization); err != nil {
			return nil, err
		}
	}
	if p.Kind == "" {
		return nil, errUnauthenticated
	}
	return ostiary.WithPrincipal(ctx, p), nil
}

// FirstOf returns the Authenticator that asks others one after the other, until one knows the caller.
func FirstOf(others ...Authenticator) Authenticator {
	if len(others) == 1 {
		return others[0]
	}
	return firstOf(others)
}

type firstOf []Authenticator

func (all firstOf) Authenticate(ctx context.Context, authorization string) (p ostiary.Principal, err error) {
	err = errUnauthenticated
	for _, a := range all {
		if p, err = a.Authenticate(ctx, authorization); err == nil {
			return p, nil
		}
	}
	return ostiary.Principal{}, err
}
