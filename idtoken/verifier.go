package idtoken

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
)

// ErrRefused is the error of every text that is no ID token of the provider. Errors that wrap it say why.
var ErrRefused = errors.New("no ID token that is taken here")

func refuse(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrRefused)...)
}

// Verifier judges ID tokens. Make one with New.
type Verifier struct {
	keys *keyset.Cache
	now  func() int64
}

// New returns a Verifier that finds remote keys in a cache, and takes the time from now, in nanoseconds since 1970 UTC.
func New(keys *keyset.Cache, now func() int64) *Verifier { return &Verifier{keys, now} }

// Verify returns what an ID token of a provider says. A nonce that is not empty must be the token's. The error wraps
// ErrRefused, or keyset.ErrUnreachable where the keys cannot be had now.
func (v *Verifier) Verify(ctx context.Context, o identity.OIDCIssuer, text, nonce string) (identity.Assertion, error) {
	jwt, err := keyset.ParseJWT(text)
	if err != nil {
		return identity.Assertion{}, fmt.Errorf("%w: %w", err, ErrRefused)
	}
	if typ := jwt.Type(); typ != "" && typ != "jwt" {
		return identity.Assertion{}, refuse("the token says that it is something else (typ)")
	}
	var all claims
	if err := jwt.Unverified(&all); err != nil {
		return identity.Assertion{}, fmt.Errorf("%w: %w", err, ErrRefused)
	}
	a, err := all.judge(o, nonce, v.now())
	if err != nil {
		return a, err
	}
	return a, v.signed(ctx, o, text, a.Client)
}

// signed judges the signature, by the algorithms and the keys of the provider, and again what go-oidc does.
func (v *Verifier) signed(ctx context.Context, o identity.OIDCIssuer, text, client string) error {
	source, err := v.keys.Of(keyset.Signer{URL: o.KeysURL, Keys: o.Keys, Issuer: o.Issuer})
	if err != nil {
		return err
	}
	set := &keySet{source: source}
	_, err = oidc.NewVerifier(o.Issuer, set, &oidc.Config{
		ClientID: client, SupportedSigningAlgs: o.Algorithms, Now: func() time.Time { return time.Unix(0, v.now()).Add(-keyset.ClockSkew) },
	}).Verify(ctx, text)
	switch {
	case errors.Is(set.err, keyset.ErrUnreachable):
		return fmt.Errorf("judge an ID token of %s: %w", o.Issuer, set.err)
	case set.err != nil:
		return fmt.Errorf("%w: %w", set.err, ErrRefused)
	case err != nil: // its text may repeat the token
		return refuse("it is signed by none of %v, or its issuer, audience or expiry is not as it should be", o.Algorithms)
	}
	return nil
}

// keySet is what go-oidc asks. It keeps the error, of which go-oidc passes on the text alone.
type keySet struct {
	source keyset.Source
	err    error
}

func (k *keySet) VerifySignature(ctx context.Context, jwt string) (payload []byte, err error) {
	payload, k.err = k.source.VerifySignature(ctx, jwt)
	return payload, k.err
}

// judge judges what an ID token says and returns it.
func (c claims) judge(o identity.OIDCIssuer, nonce string, nowNanos int64) (identity.Assertion, error) {
	a := identity.Assertion{Connection: o.Connection, Setting: o.Version}
	r := reader{claims: c}
	a.Issuer, a.Subject = r.text("iss"), r.text("sub")
	audience, authorized := r.audience(), r.text("azp")
	expiry, notYet := r.nanos("exp"), r.nanos("nbf")
	a.IssuedNanos, a.AuthNanos, a.LimitNanos = r.nanos("iat"), r.nanos("auth_time"), r.whole("session_expiry")
	a.SID, a.ACR, a.AMR = r.text("sid"), r.text("acr"), r.texts("amr")
	a.Email, a.Name = r.text("email"), r.text("preferred_username")
	said := r.text("nonce")
	if o.SubjectClaim != "" {
		a.Claimed = r.text(o.SubjectClaim)
	}
	if a.Name == "" {
		a.Name = a.Email
	}
	skew := int64(keyset.ClockSkew)
	switch {
	case r.err != nil:
		return a, r.err
	case a.Issuer != o.Issuer:
		return a, refuse("it is of another issuer than the connection's")
	case a.Subject == "" || len(a.Subject) > maxSubjectBytes:
		return a, refuse("sub is missing, or has more than %d bytes", maxSubjectBytes)
	case !forClients(audience, authorized, o.ClientIDs):
		return a, refuse("it is for another application than the connection's (aud, azp)")
	case expiry == 0 || a.IssuedNanos == 0:
		return a, refuse("exp or iat is missing")
	case nowNanos >= expiry+skew:
		return a, refuse("it has expired (exp)")
	case a.IssuedNanos > nowNanos+skew:
		return a, refuse("iat is ahead of the clock")
	case notYet > nowNanos+skew:
		return a, refuse("nbf is ahead of the clock")
	case nonce != "" && said != nonce:
		return a, refuse("nonce is not the one of the request")
	}
	if what := c.another(); what != "" {
		return a, refuse("it is %s", what)
	}
	a.Client = audience[0]
	if authorized != "" {
		a.Client = authorized
	}
	return a, nil
}

// forClients reports whether a token is for applications of a connection alone: one of several must be named as the
// party that it was made for.
func forClients(audience []string, authorized string, clients []string) bool {
	for _, id := range audience {
		if !slices.Contains(clients, id) {
			return false
		}
	}
	if authorized != "" {
		return slices.Contains(audience, authorized)
	}
	return len(audience) == 1
}

// another says what else than an ID token the claims are of; empty where nothing says so.
func (c claims) another() string {
	has := func(name string) bool { _, there := c[name]; return there }
	is := func(name, want string) bool { text, ok := c[name].(string); return !has(name) || ok && text == want }
	switch {
	case has("events"):
		return "a logout token or a security event token (events)"
	case has("scope") || has("scp") || has("azpacr") || has("appid") || has("appidacr"):
		return "an access token (scope, scp, azpacr, appid)"
	case !is("typ", "ID"): // Keycloak's
		return "another token of its provider (the claim typ)"
	case !is("token_use", "id"): // Cognito's
		return "another token of its provider (token_use)"
	}
	return ""
}
