package identity

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary"
)

// secretsKey holds what wraps the keys of people and keys the hashes of links. It is drawn once, through
// the log, so that all nodes of a cluster have the same, and stored as an operator's keys wrap it. No call
// shows it, and no history: once it is wrapped, no view has it as it was before.
var secretsKey = ostiary.DocumentKey{Collection: ostiary.ShredPrefix + "secret", Key: "identity"}

const keyBytes = 32

type secrets struct {
	wrap cipher.AEAD // of the keys of people
	hash []byte      // of links
}

// secret returns the service's secrets, and draws them where there are none.
func (s *Service) secret(ctx context.Context) (*secrets, error) {
	if found := s.secrets.Load(); found != nil {
		return found, nil
	}
	found, err := s.storedSecret(ctx, ostiary.Freshness{})
	if err != nil || found != nil {
		return found, err
	}
	_, err = s.backend.Propose(ctx, &ostiary.Mutation{
		TimeNanos:     s.backend.Now(),
		Principal:     ostiary.Principal{Kind: "internal", Name: "identity"},
		Preconditions: []ostiary.Precondition{absent(secretsKey)},
		Documents:     []ostiary.DocumentChange{{Key: secretsKey, Body: s.options.Keys.wrap(drawSecret())}},
	})
	if err != nil && !errors.Is(err, ostiary.ErrPrecondition) { // or another request drew it first
		return nil, fmt.Errorf("store the secret of people's keys: %w", err)
	}
	found, err = s.storedSecret(ctx, ostiary.Freshness{Linearizable: true})
	if err == nil && found == nil {
		err = fmt.Errorf("the secret of people's keys is stored and cannot be read: %w", ostiary.ErrUnavailable)
	}
	return found, err
}

// storedSecret returns the secrets, or nil where there are none.
func (s *Service) storedSecret(ctx context.Context, f ostiary.Freshness) (*secrets, error) {
	v, err := s.backend.View(ctx, f)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	d, there, err := v.Document(secretsKey)
	if err != nil || !there {
		return nil, err
	}
	secret, _, err := s.options.Keys.unwrap(d)
	if err != nil {
		return nil, err
	}
	found := &secrets{wrap: newAEAD(secret[:keyBytes]), hash: secret[keyBytes:]}
	s.secrets.Store(found)
	return found, nil
}

// newAEAD returns AES-256-GCM under a key of keyBytes.
func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key has another length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// seal encrypts text so that it can be opened for the same owner alone. The nonce, drawn at random, goes
// first: the keys of people seal as often as a person changes, and the wrapping key once for each person,
// far below what a random nonce allows.
func seal(aead cipher.AEAD, owner string, text []byte) []byte {
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(text)+aead.Overhead())
	rand.Read(nonce) // never fails
	return aead.Seal(nonce, nonce, text, []byte(owner))
}

func open(aead cipher.AEAD, owner string, sealed []byte) ([]byte, error) {
	n := aead.NonceSize()
	if len(sealed) < n {
		return nil, fmt.Errorf("open what is sealed of %s: it has %d bytes: %w", owner, len(sealed), ostiary.ErrCorrupt)
	}
	text, err := aead.Open(nil, sealed[:n], sealed[n:], []byte(owner))
	if err != nil {
		return nil, fmt.Errorf("open what is sealed of %s: %v: %w", owner, err, ostiary.ErrCorrupt)
	}
	return text, nil
}

// Key says by what a resource can be found exactly.
type Key string

// The keys of users and groups.
const (
	KeyUserName    Key = "user_name"    // of a user; letters are equal whatever their case
	KeyExternalID  Key = "external_id"  // exact
	KeyEmail       Key = "email"        // of a user; several users may have it
	KeyDisplayName Key = "display_name" // of a group; several groups may have it
	keyGroupName   Key = "group_name"   // of a group, where no two may have the same displayName
)

// linkTo returns the key of the link by which a resource of a connection is found. Links that several
// resources may have end with the id of one.
func (x *secrets) linkTo(connection, resource string, key Key, value, id string) ostiary.DocumentKey {
	k := ostiary.DocumentKey{Collection: "link/" + connection, Key: x.linkPrefix(connection, resource, key, value)}
	if !key.unique() {
		k.Key += id
	}
	return k
}

// linkPrefix begins the keys of the links of a value: resource, key and a hash that tells nothing of the
// value to whoever does not have the secret.
func (x *secrets) linkPrefix(connection, resource string, key Key, value string) string {
	mac := hmac.New(sha256.New, x.hash)
	fmt.Fprintf(mac, "%s\x00%s\x00%s\x00%s", connection, resource, key, key.normal(value))
	return resource + ":" + string(key) + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)) + ":"
}

func (k Key) unique() bool {
	return k == KeyUserName || k == KeyExternalID || k == keyGroupName || k == keyIssuerSubject
}

// normal returns the form in which values are compared.
func (k Key) normal(value string) string {
	if k == KeyExternalID || k == keyIssuerSubject {
		return value
	}
	return foldCase(value)
}
