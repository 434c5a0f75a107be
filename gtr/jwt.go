package gtr

import (
	"errors"
	"net/http"
	"strings"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
)

// jwtType is the type that a JWT must have: no other purpose has it.
const jwtType = "global-token-revocation+jwt"

// maxIDBytes bounds the jti of a JWT. That it comes once is remembered for a day.
const maxIDBytes = 255

// claims are those of a JWT as Okta sends it, and two that others have and it does not.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience any    `json:"aud"`
	ID       string `json:"jti"`
	Nonce    any    `json:"nonce"`
	Events   any    `json:"events"`
	keyset.Times
}

// good reports whether the claims are those that a connection's provider makes for a URL at a time.
func (c claims) good(r identity.Revoker, audience string, nowNanos int64) bool {
	switch {
	case c.Issuer == "" || c.Issuer != r.Issuer || c.Subject == "" || c.Subject != r.Subject:
		return false
	case !names(c.Audience, audience):
		return false
	case c.Judge(nowNanos) != nil || c.Issued == nil || *c.Expiry-*c.Issued > keyset.MaxLife.Seconds():
		return false
	case c.ID == "" || len(c.ID) > maxIDBytes:
		return false
	}
	return c.Nonce == nil && c.Events == nil
}

// names reports whether an aud is one text: by itself, or the only one of a list.
func names(aud any, text string) bool {
	if list, ok := aud.([]any); ok && len(list) == 1 {
		aud = list[0]
	}
	return aud == text
}

// authenticate finds out who asks for revocations at a connection. Once names what was shown, where that is good
// for one body alone.
func (h *Handler) authenticate(r *http.Request, organization, connection string) (caller *identity.RevocationCaller, once string, err error) {
	all := r.Header.Values("Authorization")
	if len(all) != 1 || len(all[0]) > maxHeaderBytes {
		return nil, "", strangers
	}
	scheme, text, ok := strings.Cut(all[0], " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return nil, "", strangers
	}
	if strings.Count(text, ".") == 2 {
		caller, once, err = h.byJWT(r, connection, text)
	} else {
		caller, err = h.o.Service.RevocationToken(r.Context(), connection, text)
	}
	if err == nil && organization != "" && caller.Connection().Organization != organization {
		err = strangers
	}
	return caller, once, err
}

// byJWT judges a JWT. What can be judged without a key is judged first: it is no reason to fetch any.
func (h *Handler) byJWT(r *http.Request, connection, text string) (*identity.RevocationCaller, string, error) {
	jwt, err := keyset.ParseJWT(text)
	if err != nil || jwt.Type() != jwtType || h.o.PublicURL == "" {
		return nil, "", strangers
	}
	caller, err := h.o.Service.RevokerOf(r.Context(), connection)
	if err != nil {
		return nil, "", err
	}
	var c claims
	audience := h.o.PublicURL + r.URL.EscapedPath()
	if jwt.Unverified(&c) != nil || !c.good(caller.Revoker(), audience, h.o.Now()) {
		return nil, "", strangers
	}
	by := caller.Revoker()
	keys, err := h.o.Keys.Of(keyset.Signer{URL: by.KeysURL, Keys: by.Keys, Certificates: by.Certificates, Issuer: by.Issuer})
	if err != nil {
		return nil, "", strangers
	}
	switch err := jwt.Verify(r.Context(), keys, &c); {
	case errors.Is(err, keyset.ErrUnreachable):
		return nil, "", err
	case err != nil:
		return nil, "", strangers
	}
	return caller, c.ID, nil
}
