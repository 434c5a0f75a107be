package api

import (
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
// The seal covers all that precedes it. It is a plain hash: it finds damage and mix-ups, and does not
// stop a client from making a token of its own, which shows that client nothing that it could not list.
const (
	pageVersion   = 1
	pageHeadBytes = 2 + 8
	pageSealBytes = 8
)

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

func (s pageScope) token(position []byte) string {
	buf := make([]byte, 0, pageHeadBytes+len(position)+pageSealBytes)
	buf = append(buf, pageVersion, byte(s.kind))
	buf = binary.BigEndian.AppendUint64(buf, s.hash())
	buf = append(buf, position...)
	buf = append(buf, sealPage(buf)...)
	return base64.RawURLEncoding.EncodeToString(buf)
}

// position returns the position that a token made by s holds. An empty token has none. The error is
// errPageScope, or errPageToken for everything else.
func (s pageScope) position(token string) (position []byte, err error) {
	if token == "" {
		return nil, nil
	}
	buf, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(buf) < pageHeadBytes+pageSealBytes || buf[0] != pageVersion || buf[1] != byte(s.kind) {
		return nil, errPageToken
	}
	body, seal := buf[:len(buf)-pageSealBytes], buf[len(buf)-pageSealBytes:]
	if string(sealPage(body)) != string(seal) {
		return nil, errPageToken
	}
	if binary.BigEndian.Uint64(body[2:]) != s.hash() {
		return nil, errPageScope
	}
	return body[pageHeadBytes:], nil
}

// sealPage is the one place to put a key, once the cluster has a secret.
func sealPage(body []byte) []byte {
	sum := sha256.Sum256(body)
	return sum[:pageSealBytes]
}

// pagePosition is position for the lists to which every foreign token is simply invalid.
func (s pageScope) pagePosition(token string) ([]byte, error) {
	position, err := s.position(token)
	if err != nil {
		return nil, errPageToken
	}
	return position, nil
}
