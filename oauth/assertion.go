package oauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
)

// maxIDBytes bounds the jti of a JWT by which a client shows who it is. That it comes once is remembered for a day.
const maxIDBytes = 255

// assertionTypes are the types that such a JWT may have. ID tokens are of type JWT too; they are told by their
// issuer, which is not the client.
var assertionTypes = []string{"", "jwt", "client-authentication+jwt"}

// claims are those of RFC 7523, section 3, and two that such a JWT does not have.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience any    `json:"aud"`
	ID       string `json:"jti"`
	Nonce    any    `json:"nonce"`
	Events   any    `json:"events"`
	keyset.Times
}

// judge says what is wrong with the claims, at a time and for a server whose names are given.
func (c claims) judge(nowNanos int64, audiences []string) error {
	audience, isText := c.Audience.(string)
	switch {
	case c.Subject == "" || c.Issuer != c.Subject:
		return wrong("iss and sub are to be the id of the client")
	case !isText || !slices.Contains(audiences, audience):
		return wrong("aud is to be the URL of the token endpoint, or the issuer of its metadata, as a text")
	case c.ID == "" || len(c.ID) > maxIDBytes:
		return wrong("jti is missing, or has more than 255 bytes")
	case c.Nonce != nil || c.Events != nil:
		return wrong("it was made for another purpose")
	}
	if err := c.Judge(nowNanos); err != nil {
		return wrong(err.Error())
	}
	return nil
}

func wrong(what string) error { return refuse(codeClient, "the JWT does not do: "+what) }

// byAssertion finds a client by a JWT that it has signed. What is wrong with the claims is said before anybody
// knows whether there is such a client, and whatever else is wrong is not told apart.
func (h *Handler) byAssertion(ctx context.Context, text, name string, nowNanos int64) (shown, error) {
	if h.o.PublicURL == "" {
		return shown{}, &refusal{status: 500, Code: "server_error",
			Description: "this server does not know its own URL, which a JWT must name: start it with --public-url"}
	}
	jwt, err := keyset.ParseJWT(text)
	if err != nil {
		return shown{}, wrong("it is no JWT in compact form, signed by RS256, PS256, ES256 or EdDSA")
	}
	if !slices.Contains(assertionTypes, jwt.Type()) {
		return shown{}, wrong("its type is another one")
	}
	var c claims
	if err := jwt.Unverified(&c); err != nil {
		return shown{}, wrong("its claims cannot be read")
	}
	if name != "" && name != c.Subject {
		return shown{}, refuse(codeRequest, "client_id names another client than the JWT")
	}
	if err := c.judge(nowNanos, h.audiences(c.Subject)); err != nil {
		return shown{}, err
	}
	client, connection, err := h.o.Service.Client(ctx, c.Subject)
	if err != nil {
		return shown{}, err
	}
	keys, err := h.keysOf(client)
	if err != nil {
		return shown{}, strangers
	}
	switch err := jwt.Verify(ctx, keys, &c); {
	case errors.Is(err, keyset.ErrUnreachable):
		return shown{}, err
	case err != nil:
		return shown{}, strangers
	}
	sum := sha256.Sum256([]byte(c.ID))
	return shown{client, connection, "jti:" + base64.RawURLEncoding.EncodeToString(sum[:])}, nil
}

// audiences are the names by which a JWT of a client may call this server: its issuer, that of the client's
// connection, and the token endpoint.
func (h *Handler) audiences(client string) []string {
	connection, _, _ := strings.Cut(client, ".")
	return []string{h.o.PublicURL, h.o.PublicURL + h.o.SCIMPrefix + connection, h.o.PublicURL + TokenPath}
}

// keysOf returns the keys by which a client signs. One that does not sign is an error, as is one whose keys cannot be
// read.
func (h *Handler) keysOf(c identity.Client) (keyset.Source, error) {
	if c.Method != identity.ClientKey {
		return nil, strangers
	}
	return h.o.Keys.Of(keyset.Signer{URL: c.KeysURL, Keys: c.Keys, Issuer: c.Issuer})
}
