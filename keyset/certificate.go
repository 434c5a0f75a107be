package keyset

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// ParseCertificates reads certificates in PEM, one after another: those by which an identity provider signs SAML
// assertions. They name keys and nothing else: neither their dates nor who signed them counts. Whatever key id a
// JWT has, any of them may have made its signature. The error wraps ErrInvalid.
func ParseCertificates(text []byte) (*Static, error) {
	s := &Static{anyID: true}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("the text holds a %q: give certificates alone: %w", block.Type, ErrInvalid)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %w", len(s.set)+1, ErrInvalid)
		}
		k := jose.JSONWebKey{Key: certificate.PublicKey}
		if !slices.ContainsFunc(algorithms, func(a jose.SignatureAlgorithm) bool { return fits(k, a) }) {
			return nil, fmt.Errorf("the key of certificate %d is not for %v signatures: %w", len(s.set)+1, algorithms, ErrInvalid)
		}
		s.set = append(s.set, k)
	}
	if len(s.set) == 0 || len(s.set) > maxKeysTried {
		return nil, fmt.Errorf("the text holds %d certificates in PEM, and is to hold 1 to %d: %w", len(s.set), maxKeysTried, ErrInvalid)
	}
	return s, nil
}

func (s *Static) keys(_ context.Context, id string) ([]jose.JSONWebKey, error) {
	if s.anyID {
		return s.set, nil
	}
	return pick(s.set, id)
}
