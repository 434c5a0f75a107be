package oauth_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/oauth"
)

const inactive = `{"active":false}`

// asker makes a token by which a connection may ask.
func (w *world) asker(connection string, scopes ...identity.Scope) string {
	w.t.Helper()
	_, text, err := w.service.CreateToken(w.operator(), store, connection, identity.Token{Name: "asker", Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// introspect asks about a session at a connection.
func (w *world) introspect(connection, shown string, pairs ...string) reply {
	w.t.Helper()
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return w.send(http.MethodPost, oauth.IntrospectionPrefix+connection, values.Encode(),
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Bearer "+shown)
}

// wantInactive checks that an answer says no more than that.
func (r reply) wantInactive(what string) {
	r.t.Helper()
	if r.status != http.StatusOK || string(r.body) != inactive || r.header.Get("Cache-Control") != "no-store" ||
		r.header.Get("Content-Type") != "application/json" || r.header.Get("Content-Length") != fmt.Sprint(len(inactive)) {
		r.t.Errorf("%s: %d %s, %v", what, r.status, r.body, r.header)
	}
}

// member makes a member of an organization who is logged in.
func (w *world) member(in identity.SessionInput) identity.Session {
	w.t.Helper()
	if _, err := w.service.AddMember(w.operator(), store, in.Organization, in.User); err != nil {
		w.t.Fatal(err)
	}
	made, err := w.service.CreateSession(w.operator(), store, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// RFC 7662: what an issuer hears of a session of its organization, by the id that we have for it and by its own.
func TestIntrospection(t *testing.T) {
	w := newWorld(t, nil)
	const issuer = "https://idp.test"
	if _, err := w.service.SetOIDCIssuer(w.operator(), store, identity.OIDCIssuer{
		Connection: w.connection.ID, Issuer: issuer, ClientIDs: []string{"portal"}}); err != nil {
		t.Fatal(err)
	}
	auth := w.backend.Now() - int64(time.Minute)
	made := w.member(identity.SessionInput{Organization: "acme", User: "ann", Client: "portal", ACR: "urn:mfa", AMR: []string{"pwd", "otp"},
		AuthNanos: auth, Issuer: issuer, SID: "sid-1"})
	shown := w.asker(w.connection.ID, identity.ScopeIntrospect)
	want := map[string]any{"active": true, "iss": public + "/stores/" + store, "sub": "ann", "client_id": "portal", "acr": "urn:mfa",
		"amr": []any{"pwd", "otp"}, "sid": made.ID, "exp": float64(made.ExpiresNanos / 1e9), "iat": float64(made.CreatedNanos / 1e9),
		"auth_time": float64(auth / 1e9)}
	for name, pairs := range map[string][]string{
		"our id":                    {"token", made.ID},
		"its sid":                   {"token", "sid-1"},
		"its sid and issuer":        {"token", "sid-1", "iss", issuer},
		"a hint, which is let pass": {"token", made.ID, "token_type_hint", "access_token"},
	} {
		r := w.introspect(w.connection.ID, shown, pairs...)
		var got map[string]any
		if err := json.Unmarshal(r.body, &got); err != nil || r.status != http.StatusOK || !reflect.DeepEqual(got, want) || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, %v", name, r.status, r.body, err)
		}
	}
	// A client gets the scope by its access token too.
	c, secret := w.client(w.connection.ID, identity.Client{Method: identity.ClientSecret, Scopes: []identity.Scope{identity.ScopeIntrospect}})
	access, _ := w.post("client_id", c.ID, "client_secret", secret).token()
	if r := w.introspect(w.connection.ID, access, "token", made.ID); !strings.HasPrefix(string(r.body), `{"active":true`) {
		t.Errorf("by an access token: %d %s", r.status, r.body)
	}
	var metadata struct {
		Endpoint string   `json:"introspection_endpoint"`
		Methods  []string `json:"introspection_endpoint_auth_methods_supported"`
	}
	r := w.send(http.MethodGet, oauth.MetadataPath+prefix+w.connection.ID, "")
	if err := json.Unmarshal(r.body, &metadata); err != nil || metadata.Endpoint != public+oauth.IntrospectionPrefix+w.connection.ID || len(metadata.Methods) != 1 {
		t.Errorf("metadata: %s, %v", r.body, err)
	}
}

// Whatever does not live, or is another's, is answered alike.
func TestIntrospectionInactive(t *testing.T) {
	w := newWorld(t, nil)
	if _, err := w.service.CreateOrganization(w.operator(), store, "other", "Other"); err != nil {
		t.Fatal(err)
	}
	const issuer = "https://idp.test"
	shown := w.asker(w.connection.ID, identity.ScopeIntrospect)
	session := func(user string) identity.Session {
		t.Helper()
		return w.member(identity.SessionInput{Organization: "acme", User: user, Issuer: issuer, SID: "of-" + user})
	}
	elsewhere := w.member(identity.SessionInput{Organization: "other", User: "eve", Issuer: issuer, SID: "elsewhere"})
	blocked, revoked, ended, acted := session("bob"), session("cid"), session("dan"), session("fay")
	brief := w.member(identity.SessionInput{Organization: "acme", User: "gil", ExpiresNanos: w.backend.Now() + int64(time.Minute)})
	impersonated, err := w.service.CreateSession(w.operator(), store, identity.SessionInput{Organization: "acme", User: "dan", Actor: "fay"})
	if err != nil {
		t.Fatal(err)
	}
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.service.BlockUser(w.operator(), store, "acme", "bob"))
	must(w.service.RevokeSessions(w.operator(), store, "cid", "acme", "test"))
	_, _, err = w.service.DeleteSession(w.operator(), store, ended.ID)
	must(nil, err)
	must(w.service.RevokeSessions(w.operator(), store, "fay", "acme", "test"))
	w.backend.Ahead.Add(int64(2 * time.Minute)) // brief has run out
	for name, token := range map[string]string{
		"nobody's id":                "acme/s01m824qgqx05kcwex3kxbcecwz",
		"no id at all":               "x",
		"another organization's":     elsewhere.ID,
		"of who is blocked":          blocked.ID,
		"of who was logged out":      revoked.ID,
		"one that was deleted":       ended.ID,
		"one that has run out":       brief.ID,
		"of who acts and was out":    impersonated.ID,
		"of who acted":               acted.ID,
		"a sid without its issuer":   "of-dan",
		"an id in another case":      strings.ToUpper(blocked.ID),
		"an id of another form":      "acme/" + strings.Repeat("s", 5_000),
		"our own token":              shown,
		"a session of two slashes":   blocked.ID + "/x",
		"text that is no UTF-8 text": "\xff\xfe",
	} {
		w.introspect(w.connection.ID, shown, "token", token).wantInactive(name)
	}
	w.introspect(w.connection.ID, shown, "token", "elsewhere", "iss", issuer).wantInactive("another organization's sid")
	w.introspect(w.connection.ID, shown, "token", "of-bob", "iss", issuer).wantInactive("the sid of who is blocked")
	w.introspect(w.connection.ID, shown, "token", "of-bob", "iss", "https://other.test").wantInactive("another issuer's sid")
}

// Who may not ask is told nothing of any session.
func TestIntrospectionRefused(t *testing.T) {
	w := newWorld(t, nil)
	made := w.member(identity.SessionInput{Organization: "acme", User: "ann"})
	shown := w.asker(w.connection.ID, identity.ScopeIntrospect)
	scim, revoking := w.asker(w.connection.ID), w.asker(w.connection.ID, identity.ScopeRevoke)
	path := oauth.IntrospectionPrefix + w.connection.ID
	const kind = "application/x-www-form-urlencoded"
	about := "token=" + url.QueryEscape(made.ID)
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		want               int
	}{
		"nobody":                     {http.MethodPost, path, about, []string{"Content-Type", kind}, http.StatusUnauthorized},
		"another scheme":             {http.MethodPost, path, about, []string{"Content-Type", kind, "Authorization", "Basic " + shown}, http.StatusUnauthorized},
		"no token of ours":           {http.MethodPost, path, about, []string{"Content-Type", kind, "Authorization", "Bearer x"}, http.StatusUnauthorized},
		"another connection's token": {http.MethodPost, oauth.IntrospectionPrefix + w.strict.ID, about, []string{"Content-Type", kind, "Authorization", "Bearer " + shown}, http.StatusUnauthorized},
		"no connection":              {http.MethodPost, oauth.IntrospectionPrefix + "c01m824qgqx05kcwex3kxbcecwz", about, []string{"Content-Type", kind, "Authorization", "Bearer " + shown}, http.StatusUnauthorized},
		"a SCIM token":               {http.MethodPost, path, about, []string{"Content-Type", kind, "Authorization", "Bearer " + scim}, http.StatusForbidden},
		"a token that logs out":      {http.MethodPost, path, about, []string{"Content-Type", kind, "Authorization", "Bearer " + revoking}, http.StatusForbidden},
		"without a token":            {http.MethodPost, path, "", []string{"Content-Type", kind, "Authorization", "Bearer " + shown}, http.StatusBadRequest},
		"JSON":                       {http.MethodPost, path, `{"token":"x"}`, []string{"Content-Type", "application/json", "Authorization", "Bearer " + shown}, http.StatusBadRequest},
		"twice":                      {http.MethodPost, path, about + "&token=x", []string{"Content-Type", kind, "Authorization", "Bearer " + shown}, http.StatusBadRequest},
		"in the URL":                 {http.MethodPost, path + "?" + about, "", []string{"Content-Type", kind, "Authorization", "Bearer " + shown}, http.StatusBadRequest},
		"a huge body":                {http.MethodPost, path, "token=" + strings.Repeat("x", 64<<10), []string{"Content-Type", kind, "Authorization", "Bearer " + shown}, http.StatusRequestEntityTooLarge},
		"by GET":                     {http.MethodGet, path, "", nil, http.StatusMethodNotAllowed},
		"below":                      {http.MethodPost, path + "/x", about, []string{"Content-Type", kind, "Authorization", "Bearer " + shown}, http.StatusNotFound},
	} {
		r := w.send(c.method, c.path, c.body, c.headers...)
		if r.status != c.want || strings.Contains(string(r.body), "active") || strings.Contains(string(r.body), "ann") {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if (c.want == http.StatusUnauthorized || c.want == http.StatusForbidden) && !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: WWW-Authenticate is %q", name, r.header.Get("WWW-Authenticate"))
		}
	}
	if _, _, err := w.service.CreateToken(w.operator(), store, w.connection.ID,
		identity.Token{Name: "both", Scopes: []identity.Scope{identity.ScopeIntrospect, identity.ScopeUsersRead}}); err == nil {
		t.Error("a token may ask and read people")
	}
	tokens, err := w.service.Tokens(t.Context(), store, w.connection.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range tokens {
		if _, err := w.service.RevokeToken(w.operator(), store, w.connection.ID, token.ID); err != nil {
			t.Fatal(err)
		}
	}
	if r := w.introspect(w.connection.ID, shown, "token", made.ID); r.status != http.StatusUnauthorized {
		t.Errorf("a token that was revoked: %d %s", r.status, r.body)
	}
}
