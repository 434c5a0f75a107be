package fakeidp

import (
	"cmp"
	"maps"
	"time"
)

// The types of what a provider signs, beside ID tokens, which have none.
const (
	typeRevocation    = "global-token-revocation+jwt"
	typeSecurityEvent = "secevent+jwt"
	typeLogout        = "logout+jwt"
)

// Login is a login of a person at an application.
type Login struct {
	Subject  string // sub
	ClientID string // aud
	// AuthTime is when the person has authenticated. Zero: now.
	AuthTime time.Time
	ACR      string
	AMR      []string
	SID      string
	// SessionExpiry is when the application must ask again. Zero: the provider does not say.
	SessionExpiry time.Time
	// Life is how long the ID token is good for. Zero means 5 minutes.
	Life  time.Duration
	Nonce string
	// Extra are claims that are set last; nil leaves one out.
	Extra map[string]any
}

// idTokenLife is how long an ID token is good for.
const idTokenLife = 5 * time.Minute

// IDToken returns the ID token of a login.
func (p *Provider) IDToken(l Login) (string, error) {
	now := p.o.Now()
	if l.AuthTime.IsZero() {
		l.AuthTime = now
	}
	claims := map[string]any{
		"iss": p.o.Issuer, "sub": l.Subject, "aud": l.ClientID,
		"iat": now.Unix(), "exp": now.Add(cmp.Or(l.Life, idTokenLife)).Unix(), "auth_time": l.AuthTime.Unix(),
	}
	for name, text := range map[string]string{"acr": l.ACR, "sid": l.SID, "nonce": l.Nonce} {
		if text != "" {
			claims[name] = text
		}
	}
	if len(l.AMR) > 0 {
		claims["amr"] = l.AMR
	}
	if !l.SessionExpiry.IsZero() {
		claims["session_expiry"] = l.SessionExpiry.Unix()
	}
	overwrite(claims, l.Extra)
	return p.sign("", claims)
}

// overwrite sets claims; nil leaves one out.
func overwrite(claims, others map[string]any) {
	maps.Copy(claims, others)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
}

// Okta's times of a revocation JWT: it is good from 5 minutes ago to in 5 minutes.
const revocationLife = 5 * time.Minute

// RevocationToken returns the JWT by which Okta asks the endpoint at a URL to log somebody out. Application is the
// client id (OIDC) or the id of the application (SAML). Extra claims are set last; nil leaves one out.
func (p *Provider) RevocationToken(endpoint, application string, extra map[string]any) (string, error) {
	now := p.o.Now()
	claims := map[string]any{
		"jti": random(), "iss": p.o.Issuer, "sub": application, "aud": endpoint,
		"iat": now.Unix(), "nbf": now.Add(-revocationLife).Unix(), "exp": now.Add(revocationLife).Unix(),
	}
	overwrite(claims, extra)
	return p.sign(typeRevocation, claims)
}

// SecurityEvent is an event that a provider tells of (CAEP, RISC).
type SecurityEvent struct {
	Type     string         // a URI
	Audience string         // the receiver
	Subject  map[string]any // an identifier by RFC 9493
	// Fields are those of the event, beside its time.
	Fields map[string]any
	// At is when it happened. Zero: now.
	At time.Time
	// AsOkta puts the subject into the event and gives the time in milliseconds.
	AsOkta bool
}

// SecurityEventToken returns a security event token (RFC 8417) and its id.
func (p *Provider) SecurityEventToken(e SecurityEvent) (token, id string, err error) {
	now := p.o.Now()
	if e.At.IsZero() {
		e.At = now
	}
	event := map[string]any{"event_timestamp": e.At.Unix()}
	maps.Copy(event, e.Fields)
	id = random()
	claims := map[string]any{"iss": p.o.Issuer, "aud": e.Audience, "iat": now.Unix(), "jti": id}
	switch {
	case e.AsOkta:
		event["event_timestamp"], event["subject"] = e.At.UnixMilli(), e.Subject
	default:
		claims["sub_id"], claims["txn"] = e.Subject, random()
	}
	claims["events"] = map[string]any{e.Type: event}
	token, err = p.sign(typeSecurityEvent, claims)
	return token, id, err
}

// logoutEvent is what a logout token tells of (OpenID Connect Back-Channel Logout 1.0).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutLife is how long a logout token is good for.
const logoutLife = 2 * time.Minute

// LogoutToken returns a logout token for an application: of one session where sid is set, else of all of a person's.
// Extra claims are set last; nil leaves one out.
func (p *Provider) LogoutToken(clientID, subject, sid string, extra map[string]any) (string, error) {
	now := p.o.Now()
	claims := map[string]any{
		"iss": p.o.Issuer, "aud": clientID, "iat": now.Unix(), "exp": now.Add(logoutLife).Unix(), "jti": random(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	for name, text := range map[string]string{"sub": subject, "sid": sid} {
		if text != "" {
			claims[name] = text
		}
	}
	overwrite(claims, extra)
	return p.sign(typeLogout, claims)
}
