package keyset

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// The bounds of a JWT.
const (
	maxJWTBytes   = 16 << 10
	maxKeyIDBytes = 256
	maxKeysTried  = 4 // of the same id
)

// JWT is a signed text that was taken apart, and not yet judged.
type JWT struct {
	jws *jose.JSONWebSignature
	typ string
}

// ParseJWT takes apart a JWT in compact form that is signed by one of Algorithms. The error wraps ErrInvalid
// and repeats nothing of the text.
func ParseJWT(text string) (*JWT, error) {
	if len(text) > maxJWTBytes {
		return nil, fmt.Errorf("the JWT has more than %d bytes: %w", maxJWTBytes, ErrInvalid)
	}
	jws, err := jose.ParseSignedCompact(text, algorithms)
	var unexpected *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &unexpected):
		return nil, fmt.Errorf("the JWT is not signed by one of %v: %w", algorithms, ErrInvalid)
	case err != nil:
		return nil, fmt.Errorf("the text is no signed JWT in compact form: %w", ErrInvalid)
	}
	header := jws.Signatures[0].Protected
	if header.ExtraHeaders["b64"] != nil || header.ExtraHeaders["crit"] != nil {
		return nil, fmt.Errorf("the JWT has a header that is not understood here: %w", ErrInvalid)
	}
	typ, there := header.ExtraHeaders[jose.HeaderType]
	name, isText := typ.(string)
	if there && !isText {
		return nil, fmt.Errorf("the type of the JWT is no text: %w", ErrInvalid)
	}
	return &JWT{jws, strings.TrimPrefix(strings.ToLower(name), "application/")}, nil
}

// Type is the type in the header (typ), in lower case and without "application/" before it; empty where there
// is none. It tells an ID token from a logout token: callers refuse types that are not theirs.
func (t *JWT) Type() string { return t.typ }

// Algorithm is the one by which it says that it is signed: one of Algorithms.
func (t *JWT) Algorithm() string { return t.jws.Signatures[0].Protected.Algorithm }

// Unverified decodes the claims before anybody has judged the signature: to find out whose keys to ask, and
// for nothing else.
func (t *JWT) Unverified(claims any) error {
	return decode(t.jws.UnsafePayloadWithoutVerification(), claims)
}

// Verify judges the signature by a set of keys, and then decodes the claims. Names of claims are compared
// exactly, and none may come twice. The error wraps ErrNoKey, ErrSignature, ErrUnreachable or ErrInvalid.
func (t *JWT) Verify(ctx context.Context, s Source, claims any) error {
	payload, err := t.verify(ctx, s)
	if err != nil {
		return err
	}
	return decode(payload, claims)
}

func decode(payload []byte, claims any) error {
	if err := json.Unmarshal(payload, claims); err != nil {
		return fmt.Errorf("the claims of the JWT cannot be read: %w", ErrInvalid)
	}
	return nil
}

func (t *JWT) verify(ctx context.Context, s Source) ([]byte, error) {
	header := t.jws.Signatures[0].Protected
	if len(header.KeyID) > maxKeyIDBytes {
		return nil, ErrNoKey
	}
	found, err := s.keys(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	err = ErrNoKey
	for _, k := range found[:min(len(found), maxKeysTried)] {
		if !fits(k, jose.SignatureAlgorithm(header.Algorithm)) {
			continue
		}
		payload, failed := t.jws.Verify(k.Key)
		if failed == nil {
			return payload, nil
		}
		err = ErrSignature
	}
	return nil, err
}

func verifyText(ctx context.Context, s Source, text string) ([]byte, error) {
	t, err := ParseJWT(text)
	if err != nil {
		return nil, err
	}
	return t.verify(ctx, s)
}
