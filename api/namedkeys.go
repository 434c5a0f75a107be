package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/ostiary/ostiary"
)

// NamedKeys is the Authenticator that knows callers by keys with names: the principal of a key is
// "preshared:NAME". Several keys may have one name, so that one can be replaced while both count. The set can be
// replaced at any time. Keys are kept as SHA-256 alone. Safe for concurrent use.
type NamedKeys struct {
	keys atomic.Pointer[map[keyPlace]namedKey]
}

// keyPlace is where a key is looked for: the first bytes of its SHA-256, of which a caller learns nothing by how
// long it takes, since nobody can choose a key by its hash. The whole hash is then compared in constant time.
type keyPlace [8]byte

type namedKey struct {
	name string
	hash [sha256.Size]byte
}

// The bounds of a file of keys.
const (
	maxNamedKeys   = 10_000
	minSecretBytes = 16
	hashedSecret   = "sha256:"
)

var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// NewNamedKeys reads keys as Replace does.
func NewNamedKeys(text []byte) (*NamedKeys, error) {
	k := &NamedKeys{}
	return k, k.Replace(text)
}

// Replace reads keys, one a line: a name, white space, and the key or "sha256:" and the SHA-256 of the key in hex.
// Empty lines and those that begin with # count for nothing. Where a line is at fault, nothing is replaced; the
// error names the line and its name, and never the key.
func (k *NamedKeys) Replace(text []byte) error {
	keys := map[keyPlace]namedKey{}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		fields := strings.Fields(string(line))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 2 || !keyName.MatchString(fields[0]) {
			return fmt.Errorf("keys: line %d is not a name of letters, digits, . _ and -, white space, and a key", number)
		}
		hash, err := hashOf(fields[1])
		if err != nil {
			return fmt.Errorf("keys: line %d (%s): %w", number, fields[0], err)
		}
		place := keyPlace(hash[:])
		if other, taken := keys[place]; taken {
			return fmt.Errorf("keys: line %d (%s) repeats a key of %s", number, fields[0], other.name)
		}
		keys[place] = namedKey{fields[0], hash}
	}
	switch {
	case len(keys) == 0:
		return errors.New("keys: there is none")
	case len(keys) > maxNamedKeys:
		return fmt.Errorf("keys: there are %d, and may be %d", len(keys), maxNamedKeys)
	}
	k.keys.Store(&keys)
	return nil
}

func hashOf(key string) (hash [sha256.Size]byte, err error) {
	if digits, hashed := strings.CutPrefix(key, hashedSecret); hashed {
		if n, err := hex.Decode(hash[:], []byte(digits)); err != nil || n != len(hash) || len(digits) != 2*len(hash) {
			return hash, fmt.Errorf("what follows %s is not a SHA-256 in %d digits of hex", hashedSecret, 2*len(hash))
		}
		return hash, nil
	}
	if len(key) < minSecretBytes {
		return hash, fmt.Errorf("the key has %d characters, and needs %d", len(key), minSecretBytes)
	}
	return sha256.Sum256([]byte(key)), nil
}

// Len returns how many keys there are.
func (k *NamedKeys) Len() int { return len(*k.keys.Load()) }

// Authenticate is Authenticator.Authenticate.
func (k *NamedKeys) Authenticate(_ context.Context, authorization string) (ostiary.Principal, error) {
	key, err := bearer(authorization)
	if err != nil {
		return ostiary.Principal{}, err
	}
	hash := sha256.Sum256([]byte(key))
	known, ok := (*k.keys.Load())[keyPlace(hash[:])]
	if !ok || subtle.ConstantTimeCompare(hash[:], known.hash[:]) != 1 {
		return ostiary.Principal{}, errUnauthenticated
	}
	return ostiary.Principal{Kind: "preshared", Name: known.name}, nil
}

// bearer returns what follows "Bearer".
func bearer(authorization string) (string, error) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || token == "" {
		return "", errBearerMissing
	}
	return token, nil
}
