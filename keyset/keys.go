package keyset

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// The errors of this package, to be told apart with errors.Is.
var (
	// ErrInvalid: the text is no JWT or no key set as they are taken here.
	ErrInvalid = errors.New("invalid")
	// ErrNoKey: the set holds no key that could have made the signature.
	ErrNoKey = errors.New("no such key")
	// ErrNoKeyYet: a set that was fetched a moment ago does not hold the key, and is not asked again yet: it may hold
	// it by now. It is an ErrNoKey.
	ErrNoKeyYet = fmt.Errorf("the key set was fetched a moment ago: %w", ErrNoKey)
	// ErrSignature: the signature does not fit.
	ErrSignature = errors.New("signature does not fit")
	// ErrUnreachable: the keys could not be fetched. It may pass.
	ErrUnreachable = errors.New("keys cannot be fetched")
)

// Algorithms returns the names of the algorithms of which signatures are taken.
func Algorithms() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = string(a)
	}
	return names
}

var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}

// The bounds of a set.
const (
	maxKeys    = 50
	minRSABits = 2048
	maxRSABits = 8192
)

// Source is a set of public keys: a *Static or a *Remote.
type Source interface {
	// VerifySignature returns what a JWT holds, once a key of the set has made its signature.
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
	// keys returns the keys of an id; without one the only key of a set that has no other.
	keys(ctx context.Context, id string) ([]jose.JSONWebKey, error)
}

// Static is a set of keys that was given as text. It never changes.
type Static struct {
	set   []jose.JSONWebKey
	anyID bool // the keys have no ids: each is tried
}

// Parse reads a JWK set (RFC 7517): {"keys":[…]}. Keys that are of no use here are left out; a set without
// any other, and one that holds a private or symmetric key, is an error that wraps ErrInvalid.
func Parse(text []byte) (*Static, error) {
	set, secret, err := parseSet(text)
	if err != nil {
		return nil, err
	}
	if secret {
		return nil, fmt.Errorf("the key set holds a private or symmetric key: give the public keys alone: %w", ErrInvalid)
	}
	return &Static{set: set}, nil
}

// VerifySignature is Source.VerifySignature.
func (s *Static) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	return verifyText(ctx, s, jwt)
}

// pick returns the keys of an id. Without an id it must be clear which key is meant.
func pick(set []jose.JSONWebKey, id string) ([]jose.JSONWebKey, error) {
	if id == "" && len(set) == 1 {
		return set, nil
	}
	var found []jose.JSONWebKey
	for _, k := range set {
		if k.KeyID == id && id != "" {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return nil, ErrNoKey
	}
	return found, nil
}

// parseSet returns the keys of a set that are of use, and whether there are secret ones among the others.
func parseSet(text []byte) (set []jose.JSONWebKey, secret bool, err error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, false, fmt.Errorf("the key set is not JSON of the form {\"keys\":[…]}: %w", ErrInvalid)
	}
	for _, one := range raw.Keys {
		k, isSecret := parseKey(one)
		secret = secret || isSecret
		if k != nil {
			set = append(set, *k)
		}
	}
	switch {
	case len(set) > maxKeys:
		return nil, secret, fmt.Errorf("the key set holds %d keys, and may hold %d: %w", len(set), maxKeys, ErrInvalid)
	case len(set) == 0 && !secret:
		return nil, secret, fmt.Errorf("the key set holds no public key for %v signatures: %w", algorithms, ErrInvalid)
	}
	return set, secret, nil
}

// parseKey returns a key, or nil for one that is of no use, and whether that is because it is secret.
func parseKey(text []byte) (*jose.JSONWebKey, bool) {
	var about struct {
		Type    string   `json:"kty"`
		Private string   `json:"d"`
		Secret  string   `json:"k"`
		Ops     []string `json:"key_ops"`
	}
	if json.Unmarshal(text, &about) != nil {
		return nil, false
	}
	if about.Type == "oct" || about.Private != "" || about.Secret != "" {
		return nil, true
	}
	var k jose.JSONWebKey
	if k.UnmarshalJSON(text) != nil ||
		k.Use != "" && k.Use != "sig" ||
		len(about.Ops) > 0 && !slices.Contains(about.Ops, "verify") ||
		!slices.ContainsFunc(algorithms, func(a jose.SignatureAlgorithm) bool { return fits(k, a) }) {
		return nil, false
	}
	return &k, false
}

// fits reports whether a key is for an algorithm.
func fits(k jose.JSONWebKey, a jose.SignatureAlgorithm) bool {
	if k.Algorithm != "" && k.Algorithm != string(a) {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return (a == jose.RS256 || a == jose.PS256) && bits >= minRSABits && bits <= maxRSABits
	case *ecdsa.PublicKey:
		return a == jose.ES256 && key.Curve == elliptic.P256()
	case ed25519.PublicKey:
		return a == jose.EdDSA
	}
	return false
}
