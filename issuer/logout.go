package issuer

import (
	"context"
	"errors"
	"time"

	"github.com/ostiary/ostiary/jws"
)

// logoutEvent is the member of events that makes a JWT a logout token (OpenID Connect Back-Channel Logout 1.0,
// section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutLife is how long a logout token is good for. It is made anew for each attempt to deliver it.
const logoutLife = 2 * time.Minute

// Signer returns the key by which the server signs now in the name of a store. *identity.Service does.
type Signer interface {
	Signer(ctx context.Context, store string, a jws.Algorithm) (*jws.Key, error)
}

// Logout says whose session has ended, or whose sessions all have.
type Logout struct {
	// ID is the same in every token of one logout (jti).
	ID string
	// Audience is the application's client id.
	Audience string
	// User and Session are our ids (sub, sid). Without a session all of the user's have ended.
	User, Session string
}

type logoutClaims struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub"`
	Audience string              `json:"aud"`
	Issued   int64               `json:"iat"`
	Expiry   int64               `json:"exp"`
	ID       string              `json:"jti"`
	Session  string              `json:"sid,omitempty"`
	Events   map[string]struct{} `json:"events"`
}

// Token returns a logout token of a store's issuer, made at a time in nanoseconds.
func (l Logout) Token(ctx context.Context, s Signer, publicURL, store string, a jws.Algorithm, nowNanos int64) (string, error) {
	if publicURL == "" {
		return "", ErrNoURL
	}
	key, err := s.Signer(ctx, store, a)
	if err != nil {
		return "", err
	}
	now := nowNanos / int64(time.Second)
	return key.Sign("logout+jwt", logoutClaims{
		Issuer: Of(publicURL, store), Subject: l.User, Audience: l.Audience, Issued: now, Expiry: now + int64(logoutLife/time.Second),
		ID: l.ID, Session: l.Session, Events: map[string]struct{}{logoutEvent: {}},
	})
}

// ErrNoURL: the server does not know its own URL, which is part of its name as an issuer.
var ErrNoURL = errors.New("this server does not know its own URL, by which what it signs names it: start it with --public-url")
