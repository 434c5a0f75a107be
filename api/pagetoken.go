package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/ostiary/ostiary"
)

// pageKind says which list a page token continues.
type pageKind byte

// The kinds of page token.
const (
	pageStores pageKind = iota + 1
	pageModels
	pageTuples
	pageChanges
	pageObjects
	pageUsers
	pageOrganizations
	pageMembers
	pageSessions
	pageRelations
	pageApplications
	pageDeliveries
	pageLetters
	pageAccessChanges
	pageAudit
	pageDeletedStores
	pageStoreQuotas
)

// pageScope is what a page token is bound to: the list, the store, and what narrows the list.
type pageScope struct {
	kind   pageKind
	store  string
	filter string
}

// A page token is base64url of
//
//	version (1) · kind (1) · scope hash (8) · position · seal (8)
//
// The seal is an HMAC-SHA256 of all that precedes it, cut to 16 bytes, under a secret of the cluster:
// only the cluster makes tokens that it takes back.
const (
	pageVersion   = 1
	pageHeadBytes = 2 + 8
	pageSealBytes = 16
)

// pageKey is the secret that seals page tokens.
type pageKey []byte

var errPageToken = &refusal{code: codePageToken, text: "Invalid continuation token", cause: ostiary.ErrTokenInvalid}

// errPageScope: the token is whole, and continues another list of the same kind and store.
var errPageScope = errors.New("page token of another filter")

func (s pageScope) hash() uint64 {
	h := sha256.New()
	for _, part := range []string{s.store, s.filter} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write([]byte(part))
	}
	return binary.BigEndian.Uint64(h.Sum(nil))
}

func (k pageKey) token(s pageScope, position []byte) string {
	buf := make([]byte, 0, pageHeadBytes+len(position)+pageSealBytes)
	buf = append(buf, pageVersion, byte(s.kind))
	buf = binary.BigEndian.AppendUint64(buf, s.hash())
	buf = append(buf, position...)
	buf = append(buf, k.seal(buf)...)
	return base64.RawURLEncoding.EncodeToString(buf)
}

// position returns the position that a token made for s holds. The error is errPageScope, or
// errPageToken for everything else.
func (k pageKey) position(s pageScope, token string) (position []byte, err error) {
	buf, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(buf) < pageHeadBytes+pageSealBytes || buf[0] != pageVersion || buf[1] != byte(s.kind) {
		return nil, errPageToken
	}
	body, seal := buf[:len(buf)-pageSealBytes], buf[len(buf)-pageSealBytes:]
	if !hmac.Equal(k.seal(body), seal) {
		return nil, errPageToken
	}
	if binary.BigEndian.Uint64(body[2:]) != s.hash() {
		return nil, errPageScope
	}
	return body[pageHeadBytes:], nil
}

func (k pageKey) seal(body []byte) []byte {
	mac := hmac.New(sha256.New, k)
	mac.Write(body)
	return mac.Sum(nil)[:pageSealBytes]
}

// pageToken makes a token.
func (s *Server) pageToken(ctx context.Context, scope pageScope, position []byte) (string, error) {
	key, err := s.pageKey(ctx)
	if err != nil {
		return "", err
	}
	return key.token(scope, position), nil
}

// pagePosition returns the position that a token made for scope holds. An empty token has none. The
// error is errPageScope, errPageToken, or one of the backend.
func (s *Server) pagePosition(ctx context.Context, scope pageScope, token string) ([]byte, error) {
	if token == "" {
		return nil, nil
	}
	key, err := s.storedPageKey(ctx, ostiary.Freshness{})
	switch {
	case err != nil:
		return nil, err
	case key == nil: // no token was ever made
		return nil, errPageToken
	}
	return key.position(scope, token)
}

// placeOf is pagePosition for the lists to which every foreign token is simply invalid.
func (s *Server) placeOf(ctx context.Context, scope pageScope, token string) ([]byte, error) {
	position, err := s.pagePosition(ctx, scope, token)
	if errors.Is(err, errPageScope) {
		err = errPageToken
	}
	return position, err
}
