package idtoken_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/idtoken"
	"github.com/ostiary/ostiary/keyset"
)

// What a good ID token says comes out whole, whichever way the provider's keys are found.
func TestVerify(t *testing.T) {
	p := newProvider(t)
	now := p.now.UnixNano()
	want := identity.Assertion{
		Connection: "c", Setting: 7, Issuer: issuer, Subject: "s-1", Claimed: "o-1", Client: "portal", SID: "sid-1", ACR: "urn:mfa",
		AMR: []string{"pwd", "otp"}, IssuedNanos: now, AuthNanos: now - int64(time.Minute), LimitNanos: now + int64(time.Hour),
		Name: "ann", Email: "ann@acme.test",
	}
	_, keys, err := p.Get(t.Context(), keysURL, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*identity.OIDCIssuer){
		"by its metadata": func(*identity.OIDCIssuer) {},
		"by a URL":        func(o *identity.OIDCIssuer) { o.KeysURL = keysURL },
		"as text":         func(o *identity.OIDCIssuer) { o.Keys = keys },
	} {
		o := p.setting
		change(&o)
		got, err := p.verifier.Verify(t.Context(), o, p.token(nil), "n-1")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	o := p.setting
	o.SubjectClaim, o.Algorithms = "", []string{"ES256"}
	bare := p.sign(jose.ES256, p.elliptic, "e", p.json(p.said(map[string]any{
		"auth_time": nil, "sid": nil, "acr": nil, "amr": nil, "session_expiry": nil, "nonce": nil, "email": nil, "preferred_username": nil})))
	want = identity.Assertion{Connection: "c", Setting: 7, Issuer: issuer, Subject: "s-1", Client: "portal", IssuedNanos: now}
	if got, err := p.verifier.Verify(t.Context(), o, bare, ""); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a bare one: got %+v, %v", got, err)
	}
}

// Claims of which an ID token is taken, and of which it is refused. What is refused for a claim asks for no key.
func TestClaims(t *testing.T) {
	p := newProvider(t)
	now := p.now.Unix()
	for _, c := range []struct {
		name    string
		changes map[string]any
		nonce   string
		want    bool
	}{
		{"as it is", nil, "", true},
		{"with its nonce", nil, "n-1", true},
		{"with another nonce", nil, "n-2", false},
		{"without the nonce that is asked for", map[string]any{"nonce": nil}, "n-1", false},
		{"another issuer", map[string]any{"iss": "https://idp.test/"}, "", false},
		{"no issuer", map[string]any{"iss": nil}, "", false},
		{"no subject", map[string]any{"sub": nil}, "", false},
		{"an empty subject", map[string]any{"sub": ""}, "", false},
		{"a long subject", map[string]any{"sub": strings.Repeat("s", 256)}, "", false},
		{"a subject that is a number", map[string]any{"sub": 7}, "", false},
		{"another audience", map[string]any{"aud": "shop"}, "", false},
		{"no audience", map[string]any{"aud": nil}, "", false},
		{"an empty list of audiences", map[string]any{"aud": []string{}}, "", false},
		{"a list of one", map[string]any{"aud": []string{"mobile"}}, "", true},
		{"of two, and nobody says which", map[string]any{"aud": []string{"portal", "mobile"}}, "", false},
		{"of two, with the party", map[string]any{"aud": []string{"portal", "mobile"}, "azp": "mobile"}, "", true},
		{"of two, one of another", map[string]any{"aud": []string{"portal", "shop"}, "azp": "portal"}, "", false},
		{"another party", map[string]any{"azp": "shop"}, "", false},
		{"a party that is not the audience", map[string]any{"azp": "mobile"}, "", false},
		{"the party", map[string]any{"azp": "portal"}, "", true},
		{"expired within the skew", map[string]any{"exp": now - 59}, "", true},
		{"expired", map[string]any{"exp": now - 60}, "", false},
		{"without expiry", map[string]any{"exp": nil}, "", false},
		{"an expiry that is text", map[string]any{"exp": fmt.Sprint(now + 300)}, "", false},
		{"an endless expiry", map[string]any{"exp": 1e300}, "", false},
		{"without iat", map[string]any{"iat": nil}, "", false},
		{"iat within the skew", map[string]any{"iat": now + 60}, "", true},
		{"iat ahead", map[string]any{"iat": now + 61}, "", false},
		{"nbf ahead", map[string]any{"nbf": now + 61}, "", false},
		{"a negative auth_time", map[string]any{"auth_time": -1}, "", false},
		{"an auth_time that is text", map[string]any{"auth_time": "yesterday"}, "", false},
		{"half a second of session_expiry", map[string]any{"session_expiry": float64(now) + 3600.5}, "", false},
		{"amr that is text", map[string]any{"amr": "pwd"}, "", false},
		{"amr of numbers", map[string]any{"amr": []int{1}}, "", false},
		{"a subject claim that is a number", map[string]any{"oid": 7}, "", false},
		{"no subject claim", map[string]any{"oid": nil}, "", true},
		{"a logout token", map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}, "", false},
		{"an access token of Entra ID", map[string]any{"scp": "User.Read"}, "", false},
		{"an access token of an application of Entra ID", map[string]any{"azpacr": "1"}, "", false},
		{"an access token with a scope", map[string]any{"scope": "openid"}, "", false},
		{"an access token of Keycloak", map[string]any{"typ": "Bearer"}, "", false},
		{"an ID token of Keycloak", map[string]any{"typ": "ID"}, "", true},
		{"an access token of Cognito", map[string]any{"token_use": "access"}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := p.count(keysURL)
			p.now = p.now.Add(time.Hour) // the keys have to be asked for again
			defer func() { p.now = p.now.Add(-time.Hour) }()
			shift := map[string]any{}
			for name, v := range c.changes {
				shift[name] = v
				if n, ok := v.(int64); ok {
					shift[name] = n + 3600
				} else if f, ok := v.(float64); ok && f < 1e300 {
					shift[name] = f + 3600
				}
			}
			_, err := p.verifier.Verify(t.Context(), p.setting, p.token(shift), c.nonce)
			if (err == nil) != c.want || err != nil && !errors.Is(err, idtoken.ErrRefused) {
				t.Errorf("got %v", err)
			}
			if !c.want && p.count(keysURL) != before {
				t.Error("the keys were asked for")
			}
		})
	}
}

// What is not signed by the provider, for this purpose, is refused.
func TestAttacks(t *testing.T) {
	p := newProvider(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(p.key.Public())
	if err != nil {
		t.Fatal(err)
	}
	payload := p.json(p.said(nil))
	part := base64.RawURLEncoding.EncodeToString
	good := strings.Split(p.token(nil), ".")
	twice := strings.Replace(string(payload), `"sub":"s-1"`, `"sub":"s-1","sub":"s-2"`, 1)
	for name, text := range map[string]string{
		"nothing":                           "",
		"no JWT":                            "id-token",
		"alg none":                          part([]byte(`{"alg":"none"}`)) + "." + part(payload) + ".",
		"alg None":                          part([]byte(`{"alg":"None","kid":"r"}`)) + "." + part(payload) + ".",
		"HS256 with the public key":         p.sign(jose.HS256, der, "r", payload),
		"HS256 with the JWK":                p.sign(jose.HS256, p.json(jose.JSONWebKey{Key: p.key.Public(), KeyID: "r"}), "r", payload),
		"another algorithm of the same key": p.sign(jose.PS256, p.key, "r", payload),
		"another key of the provider":       p.sign(jose.ES256, p.elliptic, "e", payload),
		"somebody's key":                    p.sign(jose.RS256, other, "r", payload),
		"a key that it brings along":        p.sign(jose.RS256, other, "r", payload, "jwk", jose.JSONWebKey{Key: other.Public(), KeyID: "r"}),
		"a key at a URL of its own":         p.sign(jose.RS256, other, "x", payload, "jku", "https://evil.test/keys"),
		"an unknown key":                    p.sign(jose.RS256, p.key, "x", payload),
		"other claims":                      good[0] + "." + part(p.json(p.said(map[string]any{"oid": "o-2"}))) + "." + good[2],
		"a claim twice":                     p.sign(jose.RS256, p.key, "r", []byte(twice)),
		"a claim of another case":           p.sign(jose.RS256, p.key, "r", p.json(p.said(map[string]any{"sub": nil, "Sub": "s-1"}))),
		"a logout token":                    p.sign(jose.RS256, p.key, "r", payload, "typ", "logout+jwt"),
		"a security event token":            p.sign(jose.RS256, p.key, "r", payload, "typ", "secevent+jwt"),
		"a request to revoke":               p.sign(jose.RS256, p.key, "r", payload, "typ", "global-token-revocation+jwt"),
		"an access token":                   p.sign(jose.RS256, p.key, "r", payload, "typ", "application/at+jwt"),
		"a huge one":                        p.token(map[string]any{"more": strings.Repeat("x", 16<<10)}),
	} {
		t.Run(name, func(t *testing.T) {
			a, err := p.verifier.Verify(t.Context(), p.setting, text, "")
			if !errors.Is(err, idtoken.ErrRefused) {
				t.Errorf("got %+v, %v", a, err)
			}
			if err != nil && (strings.Contains(err.Error(), "s-1") || strings.Contains(err.Error(), "acme.test")) {
				t.Errorf("the error repeats the token: %v", err)
			}
		})
	}
}

// A flood of unknown key ids asks the provider once within a cooldown, and what asks for no key not at all.
func TestUnknownKeysFlood(t *testing.T) {
	p := newProvider(t)
	for i := range 300 {
		text := p.sign(jose.RS256, p.key, fmt.Sprintf("kid-%d", i), p.json(p.said(nil)))
		if _, err := p.verifier.Verify(t.Context(), p.setting, text, ""); !errors.Is(err, idtoken.ErrRefused) {
			t.Fatalf("got %v", err)
		}
	}
	if n := p.count(keysURL); n != 1 {
		t.Errorf("the keys were asked for %d times", n)
	}
	if _, err := p.verifier.Verify(t.Context(), p.setting, p.token(nil), ""); err != nil {
		t.Errorf("a good one afterwards: %v", err)
	}
}

// Where the keys cannot be had that is said, and is no word on the token.
func TestKeysUnreachable(t *testing.T) {
	p := newProvider(t)
	p.fail(errDown)
	if _, err := p.verifier.Verify(t.Context(), p.setting, p.token(nil), ""); !errors.Is(err, keyset.ErrUnreachable) || errors.Is(err, idtoken.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

// A provider that does not answer holds up who waits for it, no longer than that caller waits, and nobody's answer
// becomes a yes.
func TestKeysSlow(t *testing.T) {
	p := newProvider(t)
	hold := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hold }))
	defer server.Close()
	defer close(hold)
	outgoing := egress.New(egress.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	defer outgoing.Close()
	cache := keyset.NewCache(outgoing, keyset.Options{})
	defer cache.Close()
	verifier := idtoken.New(cache, func() int64 { return p.now.UnixNano() })
	slow := p.setting
	slow.KeysURL = server.URL + "/keys"
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := verifier.Verify(ctx, slow, p.token(nil), ""); !errors.Is(err, keyset.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	given := p.setting
	_, given.Keys, _ = p.Get(t.Context(), keysURL, "")
	if _, err := verifier.Verify(t.Context(), given, p.token(nil), ""); err != nil {
		t.Errorf("another provider meanwhile: %v", err)
	}
}

// Keys are not fetched from private addresses, nor without end, nor from who stands for another issuer.
func TestKeysOverEgress(t *testing.T) {
	p := newProvider(t)
	size := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuer, "jwks_uri": "http://" + r.Host + "/keys"})
			return
		}
		_, keys, _ := p.Get(r.Context(), keysURL, "")
		_, _ = w.Write(append(keys, strings.Repeat(" ", size)...))
	}))
	defer server.Close()
	verify := func(allow []netip.Prefix, o identity.OIDCIssuer) error {
		outgoing := egress.New(egress.Options{Allow: allow})
		defer outgoing.Close()
		cache := keyset.NewCache(outgoing, keyset.Options{})
		defer cache.Close()
		_, err := idtoken.New(cache, func() int64 { return p.now.UnixNano() }).Verify(t.Context(), o, p.token(map[string]any{"iss": o.Issuer}), "")
		return err
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	byURL := p.setting
	byURL.KeysURL = server.URL + "/keys"
	if err := verify(loopback, byURL); err != nil {
		t.Fatalf("where it is allowed: %v", err)
	}
	if err := verify(nil, byURL); !errors.Is(err, keyset.ErrUnreachable) {
		t.Errorf("at a private address: %v", err)
	}
	size = 8 << 20
	if err := verify(loopback, byURL); !errors.Is(err, keyset.ErrUnreachable) {
		t.Errorf("a huge set: %v", err)
	}
	size = 0
	another := p.setting
	another.Issuer = server.URL // whose metadata name issuer
	if err := verify(loopback, another); !errors.Is(err, keyset.ErrUnreachable) {
		t.Errorf("metadata of another issuer: %v", err)
	}
}

// Whatever the claims are, they are taken only as those of the provider, for one of its applications, in time.
func FuzzClaims(f *testing.F) {
	p := newProvider(f)
	p.setting.Algorithms = []string{"ES256"}
	f.Add(p.json(p.said(nil)))
	f.Add(p.json(p.said(map[string]any{"aud": []string{"portal", "mobile"}, "azp": "mobile"})))
	f.Add([]byte(`{"iss":"https://idp.test","sub":"s","aud":"portal","exp":1e10,"iat":1.8e9,"amr":[null],"auth_time":1e-300}`))
	f.Add([]byte(`{"_claim_names":{"a":"b"},"_claim_sources":{"b":{"endpoint":"http://127.0.0.1/"}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		p.t = t
		a, err := p.verifier.Verify(t.Context(), p.setting, p.sign(jose.ES256, p.elliptic, "e", payload), "")
		if err != nil {
			if !errors.Is(err, idtoken.ErrRefused) {
				t.Errorf("got %v", err)
			}
			return
		}
		var said map[string]any
		if err := json.Unmarshal(payload, &said); err != nil {
			t.Fatal(err)
		}
		now, skew := p.now.UnixNano(), int64(time.Minute)
		if a.Issuer != issuer || said["iss"] != issuer || a.Subject == "" || said["sub"] != a.Subject ||
			a.Client != "portal" && a.Client != "mobile" || a.IssuedNanos <= 0 || a.IssuedNanos > now+skew || min(a.AuthNanos, a.LimitNanos) < 0 {
			t.Errorf("taken as %+v: %s", a, payload)
		}
		if exp, ok := said["exp"].(float64); !ok || exp*1e9 < float64(now-skew) {
			t.Errorf("taken though it has expired: %s", payload)
		}
	})
}
