package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
)

// ErrLocked: personal data is under an operator's key, and this node has none that opens it. It wraps
// ostiary.ErrUnavailable: another node may answer.
var ErrLocked = fmt.Errorf("personal data is under an operator's key that this node does not have (serve --identity-key-file): %w",
	ostiary.ErrUnavailable)

// Keys are an operator's keys. The first one wraps the server's secret, which wraps the keys of people, and
// all of them open it; so backups, and nodes without the keys, hold nothing of people that can be read.
// It is immutable. Nil Keys are none: the secret is stored as it is.
type Keys struct{ all []operatorKey }

type operatorKey struct {
	id    string // tells keys from each other, and nothing of them
	bytes []byte
}

// maxKeys bounds the keys of a file, of which rotation needs two.
const maxKeys = 16

// ParseKeys reads keys, one a line: 32 bytes in base64 or hex. Empty lines and those that begin with # are
// passed over. No error shows a key.
func ParseKeys(text []byte) (*Keys, error) {
	k := &Keys{}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, ok := decodeKey(line)
		if !ok {
			return nil, fmt.Errorf("line %d is no key of %d bytes in base64 or hex: make one with 'openssl rand -base64 %d'", n, keyBytes, keyBytes)
		}
		if slices.ContainsFunc(k.all, func(other operatorKey) bool { return bytes.Equal(other.bytes, key) }) {
			return nil, fmt.Errorf("line %d holds the same key as one before it", n)
		}
		k.all = append(k.all, operatorKey{keyID(key), key})
	}
	if len(k.all) == 0 || len(k.all) > maxKeys {
		return nil, fmt.Errorf("there are %d keys, and must be 1 to %d", len(k.all), maxKeys)
	}
	return k, nil
}

func decodeKey(text string) ([]byte, bool) {
	if len(text) == hex.EncodedLen(keyBytes) {
		key, err := hex.DecodeString(text)
		return key, err == nil
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if key, err := encoding.Strict().DecodeString(text); err == nil && len(key) == keyBytes {
			return key, true
		}
	}
	return nil, false
}

func keyID(key []byte) string {
	sum := sha256.Sum256(slices.Concat([]byte("ostiary operator's key\x00"), key))
	return hex.EncodeToString(sum[:8])
}

// wrappedBody is the document of a secret that an operator's key wraps.
type wrappedBody struct {
	form
	Key    string `json:"key"` // id of the operator's key
	Sealed []byte `json:"sealed"`
}

const secretBytes = 2 * keyBytes

// wrap returns the body in which a secret is stored.
func (k *Keys) wrap(secret []byte) []byte {
	if k == nil {
		return secret
	}
	first := k.all[0]
	return encode(wrappedBody{form{bodyForm}, first.id, seal(newAEAD(first.bytes), secretsKey.String(), secret)})
}

// unwrap returns the secret in a body. Current reports whether wrap would store it under the same key.
func (k *Keys) unwrap(d ostiary.Document) (secret []byte, current bool, err error) {
	if len(d.Body) == secretBytes {
		return d.Body, k == nil, nil
	}
	if !json.Valid(d.Body) {
		return nil, false, fmt.Errorf("the secret of people's keys has %d bytes, not %d: %w", len(d.Body), secretBytes, ostiary.ErrCorrupt)
	}
	body, err := decode[wrappedBody](d)
	if err != nil {
		return nil, false, err
	}
	if k == nil {
		return nil, false, fmt.Errorf("key %s: %w", body.Key, ErrLocked)
	}
	i := slices.IndexFunc(k.all, func(key operatorKey) bool { return key.id == body.Key })
	if i < 0 {
		return nil, false, fmt.Errorf("key %s: %w", body.Key, ErrLocked)
	}
	secret, err = open(newAEAD(k.all[i].bytes), secretsKey.String(), body.Sealed)
	if err == nil && len(secret) != secretBytes {
		err = fmt.Errorf("the secret of people's keys has %d bytes, not %d: %w", len(secret), secretBytes, ostiary.ErrCorrupt)
	}
	return secret, i == 0, err
}

// WrapSecret wraps the secret by the first of the operator's keys, where it is not. It reports whether it
// did. Where nothing was ever stored of people there is nothing to wrap. The error is ErrLocked where this
// node cannot open the secret.
func (s *Service) WrapSecret(ctx context.Context) (done bool, err error) {
	v, err := s.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return false, err
	}
	defer v.Close()
	d, there, err := v.Document(secretsKey)
	if err != nil || !there {
		return false, err
	}
	secret, current, err := s.options.Keys.unwrap(d)
	if err != nil || current {
		return false, err
	}
	_, err = s.backend.Propose(ctx, &ostiary.Mutation{
		TimeNanos:     s.backend.Now(),
		Principal:     ostiary.Principal{Kind: "internal", Name: "identity"},
		Preconditions: []ostiary.Precondition{at(d)},
		Documents:     []ostiary.DocumentChange{{Key: secretsKey, Body: s.options.Keys.wrap(secret)}},
	})
	if errors.Is(err, ostiary.ErrPrecondition) {
		return false, nil // another node was first
	}
	if err != nil {
		return false, fmt.Errorf("wrap the secret of people's keys: %w", err)
	}
	return true, nil
}

// drawSecret returns a new secret.
func drawSecret() []byte {
	secret := make([]byte, secretBytes)
	rand.Read(secret) // never fails
	return secret
}
