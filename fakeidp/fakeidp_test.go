package fakeidp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/fakeidp"
	"github.com/ostiary/ostiary/keyset"
)

// keys are drawn once: two providers, of which a test may believe one.
var keys = sync.OnceValues(func() ([2]*fakeidp.Provider, error) {
	var all [2]*fakeidp.Provider
	for i, issuer := range []string{"http://127.0.0.1:8090", "http://127.0.0.1:8091"} {
		p, err := fakeidp.New(fakeidp.Options{Issuer: issuer})
		if err != nil {
			return all, err
		}
		all[i] = p
	}
	return all, nil
})

func providers(t *testing.T) (good, other *fakeidp.Provider) {
	t.Helper()
	all, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1]
}

// claimsOf judges a JWT by the keys that a provider publishes.
func claimsOf(t *testing.T, p *fakeidp.Provider, text, typ string) map[string]any {
	t.Helper()
	set, err := keyset.Parse(p.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := keyset.ParseJWT(text)
	if err != nil {
		t.Fatal(err)
	}
	if jwt.Type() != typ {
		t.Errorf("type %q, want %q", jwt.Type(), typ)
	}
	claims := map[string]any{}
	if err := jwt.Verify(t.Context(), set, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// A login leads back with a code, whose tokens can be taken once, by whoever has the verifier of its challenge.
func TestLogin(t *testing.T) {
	p, _ := providers(t)
	server := httptest.NewServer(p)
	defer server.Close()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	query := url.Values{"response_type": {"code"}, "client_id": {"portal"}, "redirect_uri": {"http://127.0.0.1:1/back?x=1"}, "state": {"s"},
		"nonce": {"n"}, "login_hint": {"00u1"}, "code_challenge_method": {"S256"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}}
	logIn := func(status int, change func(url.Values)) url.Values {
		t.Helper()
		q := url.Values{}
		for name, values := range query {
			q[name] = values
		}
		if change != nil {
			change(q)
		}
		resp, err := browser.Get(server.URL + "/authorize?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("status %d, want %d", resp.StatusCode, status)
		}
		if resp.StatusCode != http.StatusSeeOther {
			return nil
		}
		back, err := resp.Location()
		if err != nil {
			t.Fatal(err)
		}
		return back.Query()
	}
	take := func(code, shown string) (int, string) {
		t.Helper()
		resp, err := http.PostForm(server.URL+"/token", url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {"portal"},
			"redirect_uri": {"http://127.0.0.1:1/back?x=1"}, "code_verifier": {shown}})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var said struct {
			IDToken string `json:"id_token"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, said.IDToken
	}
	back := logIn(http.StatusSeeOther, nil)
	if back.Get("state") != "s" || back.Get("iss") != p.Issuer() || back.Get("x") != "1" {
		t.Errorf("it leads back with %v", back)
	}
	status, token := take(back.Get("code"), verifier)
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	claims := claimsOf(t, p, token, "")
	for name, want := range map[string]any{"iss": p.Issuer(), "sub": "00u1", "aud": "portal", "nonce": "n"} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	if claims["sid"] == nil || claims["auth_time"] == nil {
		t.Errorf("sid or auth_time are missing in %v", claims)
	}
	if status, _ := take(back.Get("code"), verifier); status != http.StatusBadRequest {
		t.Errorf("a code that was used: status %d", status)
	}
	if status, _ := take(logIn(http.StatusSeeOther, nil).Get("code"), "another"); status != http.StatusBadRequest {
		t.Errorf("another verifier: status %d", status)
	}
	logIn(http.StatusOK, func(q url.Values) { q.Del("login_hint") })
	logIn(http.StatusBadRequest, func(q url.Values) { q.Set("redirect_uri", "https://example.com/back") })
	logIn(http.StatusBadRequest, func(q url.Values) { q.Set("redirect_uri", "http://a@127.0.0.1/back") })
	logIn(http.StatusBadRequest, func(q url.Values) { q.Set("code_challenge_method", "plain") })
}

// The keys that discovery leads to are found by the server's own cache of keys.
func TestDiscovery(t *testing.T) {
	var p *fakeidp.Provider
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeHTTP(w, r) }))
	defer server.Close()
	key, err := fakeidp.LoadKey(filepath.Join(t.TempDir(), "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if p, err = fakeidp.New(fakeidp.Options{Issuer: server.URL, Key: key}); err != nil {
		t.Fatal(err)
	}
	cache := keyset.NewCache(fakeidp.Getter(nil), keyset.Options{})
	defer cache.Close()
	token, err := p.IDToken(fakeidp.Login{Subject: "00u1", ClientID: "portal"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cache.Issuer(server.URL).VerifySignature(t.Context(), token); err != nil {
		t.Error(err)
	}
	if _, err := cache.Transmitter(server.URL).VerifySignature(t.Context(), token); err != nil {
		t.Errorf("by the configuration of a transmitter: %v", err)
	}
}

func TestKeyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	made, err := fakeidp.LoadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := fakeidp.LoadKey(file)
	if err != nil || !made.Equal(again) {
		t.Errorf("the key of a file is another one when it is read again: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file can be read by others: %v %v", info, err)
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fakeidp.LoadKey(file); err == nil {
		t.Error("nonsense was taken for a key")
	}
}

// The times of a revocation JWT are Okta's: it is good for 5 minutes, and from 5 minutes ago.
func TestRevocationToken(t *testing.T) {
	p, _ := providers(t)
	text, err := p.RevocationToken("https://authz.test/gtr/c1", "0oa1", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := claimsOf(t, p, text, "global-token-revocation+jwt")
	iat := c["iat"].(float64)
	if c["aud"] != "https://authz.test/gtr/c1" || c["sub"] != "0oa1" || c["jti"] == "" || c["exp"] != iat+300 || c["nbf"] != iat-300 {
		t.Errorf("claims %v", c)
	}
}

// A security event token has the subject at its top, and as Okta makes it in the event.
func TestSecurityEventToken(t *testing.T) {
	p, _ := providers(t)
	at := time.Unix(1_700_000_000, 0)
	for _, asOkta := range []bool{false, true} {
		text, id, err := p.SecurityEventToken(fakeidp.SecurityEvent{Type: "urn:x", Audience: "us", Subject: fakeidp.Opaque("1"), At: at, AsOkta: asOkta,
			Fields: map[string]any{"initiating_entity": "admin"}})
		if err != nil {
			t.Fatal(err)
		}
		c := claimsOf(t, p, text, "secevent+jwt")
		event := c["events"].(map[string]any)["urn:x"].(map[string]any)
		if c["jti"] != id || c["exp"] != nil || c["sub"] != nil || event["initiating_entity"] != "admin" {
			t.Errorf("claims %v", c)
		}
		if asOkta != (c["sub_id"] == nil) || asOkta != (event["subject"] != nil) || asOkta != (event["event_timestamp"] == 1.7e12) {
			t.Errorf("as Okta %t: claims %v", asOkta, c)
		}
	}
}

// What waits to be polled is given out until it is acknowledged.
func TestPoll(t *testing.T) {
	p, err := fakeidp.New(fakeidp.Options{Issuer: "http://127.0.0.1:8092"})
	if err != nil {
		t.Fatal(err)
	}
	_, other := providers(t)
	server := httptest.NewServer(p)
	defer server.Close()
	var ids []string
	for range 2 {
		token, id, err := p.SecurityEventToken(fakeidp.SecurityEvent{Type: "urn:x", Audience: "us", Subject: fakeidp.Opaque("1")})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // again, which changes nothing
			if a, err := fakeidp.Push(t.Context(), nil, server.URL+"/sets/queue", "", token); err != nil || a.Status != http.StatusAccepted {
				t.Fatalf("%v %v", a, err)
			}
		}
		ids = append(ids, id)
	}
	foreign, _, err := other.SecurityEventToken(fakeidp.SecurityEvent{Type: "urn:x"})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := fakeidp.Push(t.Context(), nil, server.URL+"/sets/queue", "", foreign); err != nil || a.Status != http.StatusBadRequest {
		t.Errorf("another's token: %v %v", a, err)
	}
	poll := func(body string, want int, more bool, ids ...string) {
		t.Helper()
		resp, err := http.Post(server.URL+"/sets", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var said struct {
			Sets map[string]string
			More bool `json:"moreAvailable"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&said); err != nil {
			t.Fatal(err)
		}
		if len(said.Sets) != want || said.More != more {
			t.Errorf("%s: got %v", body, said)
		}
		for _, id := range ids {
			if said.Sets[id] == "" {
				t.Errorf("%s: %s is missing", body, id)
			}
		}
	}
	poll(`{"returnImmediately":true}`, 2, false, ids...)
	poll(`{"maxEvents":1}`, 1, true, ids[0])
	poll(`{"ack":["`+ids[0]+`"]}`, 1, false, ids[1])
	poll(`{"setErrs":{"`+ids[1]+`":{"err":"invalid_key","description":"x"}},"maxEvents":0}`, 0, false)
}

// A relying party takes a good logout token, again too, and no other.
func TestRelyingParty(t *testing.T) {
	p, other := providers(t)
	set, err := keyset.Parse(p.KeySet())
	if err != nil {
		t.Fatal(err)
	}
	var told []fakeidp.Logout
	var refused []error
	rp := &fakeidp.RelyingParty{Issuer: p.Issuer(), ClientID: "portal", Keys: set, FailFirst: 1, Told: func(l fakeidp.Logout, err error) {
		told, refused = append(told, l), append(refused, err)
	}}
	server := httptest.NewServer(rp)
	defer server.Close()
	post := func(want int, token string) {
		t.Helper()
		a, err := fakeidp.LogOut(t.Context(), nil, server.URL+"/backchannel-logout", token)
		if err != nil {
			t.Fatal(err)
		}
		if a.Status != want || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("status %d %s, want %d", a.Status, a.Body, want)
		}
	}
	make := func(p *fakeidp.Provider, extra map[string]any) string {
		t.Helper()
		token, err := p.LogoutToken("portal", "u1", "s1", extra)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good := make(p, nil)
	post(http.StatusServiceUnavailable, good)
	post(http.StatusOK, good)
	post(http.StatusOK, good)
	if len(told) != 3 || told[0].Taken || refused[0] == nil || told[1].Repeated || !told[1].Taken || !told[2].Repeated || told[2].Subject != "u1" || told[2].SID != "s1" {
		t.Errorf("told %+v", told)
	}
	idToken, err := p.IDToken(fakeidp.Login{Subject: "u1", ClientID: "portal"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	for name, token := range map[string]string{
		"nothing": "", "an ID token": idToken, "another's": make(other, map[string]any{"iss": p.Issuer()}),
		"another issuer": make(p, map[string]any{"iss": other.Issuer()}), "for another": make(p, map[string]any{"aud": "mail"}),
		"a nonce": make(p, map[string]any{"nonce": "n"}), "no event": make(p, map[string]any{"events": map[string]any{"urn:x": map[string]any{}}}),
		"an event that is no object": make(p, map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": nil}}),
		"nobody":                     make(p, map[string]any{"sub": nil, "sid": nil}), "no jti": make(p, map[string]any{"jti": nil}),
		"expired": make(p, map[string]any{"exp": now - 120}), "no exp": make(p, map[string]any{"exp": nil}), "no iat": make(p, map[string]any{"iat": nil}),
	} {
		before := len(told)
		t.Run(name, func(t *testing.T) {
			post(http.StatusBadRequest, token)
			if len(told) != before+1 || refused[before] == nil || told[before].Taken {
				t.Errorf("told %+v", told[before:])
			}
		})
	}
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d %s", resp.StatusCode, text)
	}
}
