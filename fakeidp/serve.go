package fakeidp

import (
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// The paths under which a Provider answers.
const (
	discoveryPath   = "/.well-known/openid-configuration"
	transmitterPath = "/.well-known/ssf-configuration"
	keysPath        = "/oauth2/v1/keys"
	authorizePath   = "/authorize"
	tokenPath       = "/token"
	pollPath        = "/sets"
	queuePath       = "/sets/queue"
)

// codeLife is how long the code of a login is good for.
const codeLife = time.Minute

// maxCodes bounds the logins whose tokens nobody has taken.
const maxCodes = 1_000

// maxFormBytes bounds what is read of a request.
const maxFormBytes = 64 << 10

// grant is a login whose tokens can be taken once.
type grant struct {
	login              Login
	redirect, verifier string // the place it leads to, and PKCE's challenge
	ends               time.Time
}

// ServeHTTP answers as the provider.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	p.mux.ServeHTTP(w, r)
}

func (p *Provider) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+discoveryPath, p.discover)
	mux.HandleFunc("GET "+transmitterPath, p.configure)
	mux.HandleFunc("GET "+keysPath, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(p.KeySet())
	})
	mux.HandleFunc("GET "+authorizePath, p.authorize)
	mux.HandleFunc("POST "+tokenPath, p.token)
	mux.HandleFunc("POST "+pollPath, p.poll)
	mux.HandleFunc("POST "+queuePath, p.enqueue)
	return mux
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked has gone: nobody is left to be told
}

// refuse answers as OAuth and RFC 8935 want it.
func refuse(w http.ResponseWriter, status int, code, description string) {
	answer(w, status, map[string]string{"error": code, "error_description": description})
}

func (p *Provider) discover(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                         p.o.Issuer,
		"jwks_uri":                                       p.o.Issuer + keysPath,
		"authorization_endpoint":                         p.o.Issuer + authorizePath,
		"token_endpoint":                                 p.o.Issuer + tokenPath,
		"response_types_supported":                       []string{"code"},
		"grant_types_supported":                          []string{"authorization_code"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
		"scopes_supported":                               []string{"openid"},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none", "client_secret_basic", "client_secret_post"},
		"authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"claims_supported":                               []string{"iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr", "sid", "nonce", "session_expiry"},
	})
}

// configure answers with the configuration of a transmitter (Shared Signals Framework 1.0, section 7.1). Streams are not
// made by its protocol: 'ostiary fakeidp signal' sends to whom it is told.
func (p *Provider) configure(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"spec_version":               "1_0",
		"issuer":                     p.o.Issuer,
		"jwks_uri":                   p.o.Issuer + keysPath,
		"delivery_methods_supported": []string{"urn:ietf:rfc:8935", "urn:ietf:rfc:8936"},
	})
}

// loginPage asks who is to be logged in.
var loginPage = template.Must(template.New("").Parse(`<!doctype html><title>Trial identity provider</title>
<h1>Who are you?</h1><p>This identity provider is for trials: it asks for no password.</p>
<form>{{range $name, $values := .}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}
<input name="login_hint" autofocus> <button>Log in</button></form>
`))

// authorize logs in whom login_hint names, and leads back with a code.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	target, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !p.leadsBack(target) {
		refuse(w, http.StatusBadRequest, "invalid_request", "redirect_uri is neither on this machine nor one of those that were named with --redirect-uri")
		return
	}
	if q.Get("response_type") != "code" || q.Get("client_id") == "" || q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256" {
		refuse(w, http.StatusBadRequest, "invalid_request", "send response_type=code, a client_id, and PKCE by S256 or none")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if q.Get("login_hint") == "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = loginPage.Execute(w, map[string][]string(q)) // who asked has gone: nobody is left to be told
		return
	}
	g := grant{
		login:    Login{Subject: q.Get("login_hint"), ClientID: q.Get("client_id"), Nonce: q.Get("nonce"), AuthTime: p.o.Now(), SID: random(), ACR: q.Get("acr_values"), AMR: []string{"pwd"}},
		redirect: q.Get("redirect_uri"), verifier: q.Get("code_challenge"), ends: p.o.Now().Add(codeLife),
	}
	code, ok := p.keep(g)
	if !ok {
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "too many logins wait for their tokens to be taken")
		return
	}
	back := target.Query()
	back.Set("code", code)
	back.Set("iss", p.o.Issuer)
	if state := q.Get("state"); state != "" {
		back.Set("state", state)
	}
	target.RawQuery = back.Encode()
	http.Redirect(w, r, target.String(), http.StatusSeeOther)
}

// leadsBack reports whether a login may lead to a place.
func (p *Provider) leadsBack(u *url.URL) bool {
	if slices.Contains(p.o.RedirectURIs, u.String()) {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && u.Fragment == "" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// keep keeps a login and returns its code.
func (p *Provider) keep(g grant) (code string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Now()
	for old, g := range p.codes {
		if now.After(g.ends) {
			delete(p.codes, old)
		}
	}
	if len(p.codes) >= maxCodes {
		return "", false
	}
	code = random()
	p.codes[code] = g
	return code, true
}

// token gives out the tokens of a login, once. Secrets of clients are not looked at.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || r.PostForm.Get("grant_type") != "authorization_code" {
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "send grant_type=authorization_code")
		return
	}
	client := r.PostForm.Get("client_id")
	if user, _, basic := r.BasicAuth(); basic {
		client, _ = url.QueryUnescape(user)
	}
	p.mu.Lock()
	g, there := p.codes[r.PostForm.Get("code")]
	delete(p.codes, r.PostForm.Get("code"))
	p.mu.Unlock()
	if !there || p.o.Now().After(g.ends) || client != g.login.ClientID || r.PostForm.Get("redirect_uri") != g.redirect ||
		g.verifier != "" && challenge(r.PostForm.Get("code_verifier")) != g.verifier {
		refuse(w, http.StatusBadRequest, "invalid_grant", "the code is unknown, was used, has expired, or belongs to another client, redirect_uri or code_verifier")
		return
	}
	id, err := p.IDToken(g.login)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "server_error", err.Error())
		return
	}
	answer(w, http.StatusOK, map[string]any{"id_token": id, "access_token": random(), "token_type": "Bearer", "expires_in": int(idTokenLife.Seconds())})
}
