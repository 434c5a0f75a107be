package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// BootstrapPrefix begins every bootstrap credential.
const BootstrapPrefix = "ostiary_bootstrap_"

// bootstrapKey is of the document that holds the hash of the credential, while there is one.
var bootstrapKey = ostiary.DocumentKey{Collection: "access", Key: "bootstrap"}

type bootstrapBody struct {
	Form      int    `json:"form"`
	Hash      []byte `json:"hash"` // SHA-256
	TimeNanos int64  `json:"time"`
}

// ErrBootstrap: the credential is not the one that counts, or was used, or the cluster has an administrator.
var ErrBootstrap = errors.New("the bootstrap credential is void: it counts once, until there is an administrator, and until another one is made")

// NewBootstrap makes a credential by which somebody may become the first administrator of the cluster, and voids
// an earlier one. It returns an empty one where there is an administrator.
func (s *Service) NewBootstrap(ctx context.Context) (credential string, err error) {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return "", fmt.Errorf("make a bootstrap credential: %w", err)
	}
	credential = BootstrapPrefix + base64.RawURLEncoding.EncodeToString(secret)
	hash := sha256.Sum256([]byte(credential))
	ctx = ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "internal", Name: "bootstrap"})
	needed := false
	_, err = s.changer.ChangeSystem(ctx, "access.bootstrap", "cluster", func(v identity.View, m *ostiary.Mutation) error {
		needed = false
		n, err := administrators(ctx, v)
		if err != nil || n > 0 {
			return err
		}
		rights, _, err := v.Document(rightsKey)
		if err != nil {
			return err
		}
		needed = true
		note(m, rights.Version)
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: bootstrapKey,
			Body: encode(bootstrapBody{documentForm, hash[:], m.TimeNanos})})
		return nil
	})
	if err != nil || !needed {
		return "", err
	}
	return credential, nil
}

// Claim makes a principal the first administrator of the cluster. The error is ErrBootstrap where the credential
// does not count.
func (s *Service) Claim(ctx context.Context, credential string, p ostiary.Principal) (ostiary.Receipt, error) {
	if _, err := ParsePrincipal(p.String()); err != nil {
		return ostiary.Receipt{}, err
	}
	g := Grant{Principal: p, Role: Administrator}
	hash := sha256.Sum256([]byte(credential))
	return s.changer.ChangeSystem(ctx, "access.claim", g.tuple().String(), func(v identity.View, m *ostiary.Mutation) error {
		d, there, err := v.Document(bootstrapKey)
		if err != nil {
			return err
		}
		if !there {
			return ErrBootstrap
		}
		var body bootstrapBody
		if err := json.Unmarshal(d.Body, &body); err != nil || body.Form != documentForm {
			return fmt.Errorf("decode document %q: %w", d.Key, ostiary.ErrCorrupt)
		}
		n, err := administrators(ctx, v)
		if err != nil {
			return err
		}
		if n > 0 || subtle.ConstantTimeCompare(hash[:], body.Hash) != 1 {
			return ErrBootstrap
		}
		rights, _, err := v.Document(rightsKey)
		if err != nil {
			return err
		}
		note(m, rights.Version)
		m.Preconditions = append(m.Preconditions, ostiary.Precondition{
			Kind: ostiary.DocumentAtVersion, Document: bootstrapKey, Version: d.Version})
		m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleTouch, Store: identity.SystemStore,
			Tuple: g.tuple(), Grant: ostiary.Grant{Owner: owner}})
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: bootstrapKey, Delete: true})
		return nil
	})
}
