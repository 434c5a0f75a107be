package backchannel

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
)

// Event is the member of events that makes a JWT a logout token.
const Event = "http://schemas.openid.net/event/backchannel-logout"

// types are the types of the header of logout tokens: the standard recommends logout+jwt, and demands none.
var types = []string{"logout+jwt", "jwt", ""}

// maxTextBytes bounds a jti, sub and sid.
const maxTextBytes = 1 << 10

// claims are those of a logout token.
type claims struct {
	Issuer   string                     `json:"iss"`
	Audience json.RawMessage            `json:"aud"`
	ID       string                     `json:"jti"`
	Subject  string                     `json:"sub"`
	SID      string                     `json:"sid"`
	Events   map[string]json.RawMessage `json:"events"`
	Nonce    json.RawMessage            `json:"nonce"`
	keyset.Times
}

// errStranger refuses what is not of the connection's provider. That there is no such connection is answered alike.
var errStranger = malformed("the issuer is not the one whose logout tokens this connection takes")

// verify returns what a logout token of a provider says. What can be judged without a key is judged first: it is no
// reason to fetch any.
func (h *Handler) verify(ctx context.Context, o identity.OIDCIssuer, token string) (q identity.Logout, err error) {
	jwt, err := keyset.ParseJWT(token)
	if err != nil || !slices.Contains(types, jwt.Type()) {
		return q, malformed("the logout token is no JWT of type logout+jwt signed by RS256, PS256, ES256 or EdDSA")
	}
	var shown struct {
		Issuer string `json:"iss"`
	}
	if jwt.Unverified(&shown) != nil {
		return q, malformed("the claims cannot be read")
	}
	if o.Version == 0 || shown.Issuer == "" || shown.Issuer != o.Issuer {
		return q, errStranger
	}
	if !slices.Contains(o.Algorithms, jwt.Algorithm()) {
		return q, malformed("the logout token is not signed by an algorithm that was set for the provider")
	}
	keys, err := h.o.Keys.Of(keyset.Signer{URL: o.KeysURL, Keys: o.Keys, Issuer: o.Issuer})
	if err != nil {
		return q, err
	}
	var raw json.RawMessage
	var c claims
	err = jwt.Verify(ctx, keys, &c)
	if err == nil {
		err = jwt.Unverified(&raw) // what was verified
	}
	switch {
	case errors.Is(err, keyset.ErrUnreachable), errors.Is(err, keyset.ErrNoKeyYet):
		return q, err // a provider that has begun to sign by a new key is to send it again
	case err != nil:
		return q, malformed("the signature does not fit, or the claims cannot be read")
	}
	if err := c.judge(o, h.o.Now()); err != nil {
		return q, err
	}
	return identity.Logout{
		Connection: o.Connection, Setting: o.Version, Issuer: c.Issuer, Subject: c.Subject, SID: c.SID,
		IssuedNanos: int64(*c.Issued*1e3) * 1e6, Once: c.Issuer + " " + c.ID, Body: raw,
	}, nil
}

// judge judges claims in the order of the standard (section 2.6).
func (c claims) judge(o identity.OIDCIssuer, nowNanos int64) error {
	switch {
	case c.Issuer != o.Issuer:
		return errStranger
	case !names(c.Audience, o.ClientIDs):
		return malformed("the audience is none of the applications that were set for the provider")
	case c.Issued == nil:
		return malformed("iat is missing")
	}
	if err := c.Judge(nowNanos); err != nil {
		return malformed(err.Error())
	}
	var event map[string]json.RawMessage
	switch raw, there := c.Events[Event]; {
	case c.Subject == "" && c.SID == "":
		return malformed("neither sub nor sid is there")
	case !there || json.Unmarshal(raw, &event) != nil || event == nil:
		return malformed("events has no object of the event of back-channel logout")
	case c.Nonce != nil:
		return malformed("a nonce is there, which no logout token has")
	case c.ID == "" || max(len(c.ID), len(c.Subject), len(c.SID)) > maxTextBytes:
		return malformed("jti is missing, or jti, sub or sid has more than 1,024 bytes")
	}
	return nil
}

// names reports whether an aud, a text or a list of texts, names one of these.
func names(aud json.RawMessage, of []string) bool {
	var one string
	if json.Unmarshal(aud, &one) == nil {
		return slices.Contains(of, one)
	}
	var list []string
	return json.Unmarshal(aud, &list) == nil && slices.ContainsFunc(list, func(a string) bool { return slices.Contains(of, a) })
}
