package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ostiary/ostiary"
)

// pageKeyDocument holds the secret that seals page tokens. It is drawn once, when the first token is
// made, and stored through the log, so that every node of a cluster seals alike. No call shows it.
var pageKeyDocument = ostiary.DocumentKey{Collection: "secret", Key: "page-tokens"}

const pageKeyBytes = 32

// pageKey returns the secret that seals page tokens, and draws it where there is none.
func (s *Server) pageKey(ctx context.Context) (pageKey, error) {
	key, err := s.storedPageKey(ctx, ostiary.Freshness{})
	if err != nil || key != nil {
		return key, err
	}
	drawn := make([]byte, pageKeyBytes)
	rand.Read(drawn) // never fails
	_, err = s.backend.Propose(ctx, &ostiary.Mutation{
		TimeNanos:     s.backend.Now(),
		Principal:     ostiary.Principal{Kind: "internal", Name: "page-tokens"},
		RequestID:     callOf(ctx).id(),
		Preconditions: []ostiary.Precondition{{Kind: ostiary.DocumentAtVersion, Document: pageKeyDocument}},
		Documents:     []ostiary.DocumentChange{{Key: pageKeyDocument, Body: drawn}},
	})
	if err != nil && !errors.Is(err, ostiary.ErrPrecondition) { // or another request drew it first
		return nil, fmt.Errorf("store the secret of page tokens: %w", err)
	}
	key, err = s.storedPageKey(ctx, ostiary.Freshness{Linearizable: true})
	if err == nil && key == nil {
		err = fmt.Errorf("the secret of page tokens is stored and cannot be read: %w", ostiary.ErrUnavailable)
	}
	return key, err
}

// pageKeyOf binds the secret to the cluster: one that is restored from a backup has the secret and another
// id, and its revisions are not those of the tokens that were given out.
func pageKeyOf(secret []byte, cluster ostiary.ClusterID) pageKey {
	h := hmac.New(sha256.New, secret)
	h.Write(cluster[:])
	return h.Sum(nil)
}

// storedPageKey returns the secret that seals page tokens, or nil where there is none.
func (s *Server) storedPageKey(ctx context.Context, f ostiary.Freshness) (pageKey, error) {
	if key := s.sealKey.Load(); key != nil {
		return *key, nil
	}
	v, err := s.backend.View(ctx, f)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	d, ok, err := v.Document(pageKeyDocument)
	if err != nil || !ok {
		return nil, err
	}
	if len(d.Body) != pageKeyBytes {
		return nil, fmt.Errorf("the secret of page tokens has %d bytes, not %d: %w", len(d.Body), pageKeyBytes, ostiary.ErrCorrupt)
	}
	key := pageKeyOf(d.Body, s.backend.ClusterID())
	s.sealKey.Store(&key)
	return key, nil
}
