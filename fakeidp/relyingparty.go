package fakeidp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ostiary/ostiary/keyset"
)

// RelyingParty is an application that takes logout tokens at any path, by POST (OpenID Connect Back-Channel Logout
// 1.0). The exported fields are set before its first request.
type RelyingParty struct {
	Issuer   string        // who is believed
	ClientID string        // whom the tokens must be for
	Keys     keyset.Source // the issuer's
	// Told is called for each request, one at a time: with an error where the token was refused.
	Told func(Logout, error)
	// FailFirst is how many requests, of those that come first, are answered with 503 although the token is good.
	FailFirst int
	// Now is the time. Nil: time.Now.
	Now func() time.Time

	mu     sync.Mutex
	failed int
	seen   map[string]int // tokens that were taken, by id
}

// Logout is what a logout token says.
type Logout struct {
	ID      string `json:"jti"`
	Issuer  string `json:"iss"`
	Subject string `json:"sub,omitempty"`
	SID     string `json:"sid,omitempty"`
	// Repeated says that the token came before and was taken.
	Repeated bool `json:"repeated"`
	// Taken says that the answer was 200.
	Taken bool `json:"taken"`
}

// errLater refuses a good token for a trial of what the sender does then.
var errLater = errors.New("asked to come again, as --fail-first says")

// ServeHTTP takes a logout token.
func (p *RelyingParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		refuse(w, http.StatusMethodNotAllowed, "invalid_request", "send a logout token by POST")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
	var told Logout
	err := r.ParseForm()
	if err == nil {
		told, err = p.Judge(r.Context(), r.PostForm.Get("logout_token"))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil && p.failed < p.FailFirst {
		p.failed++
		err = errLater
	}
	if err == nil {
		if p.seen == nil {
			p.seen = map[string]int{}
		}
		told.Repeated, told.Taken = p.seen[told.ID] > 0, true
		p.seen[told.ID]++
	}
	if p.Told != nil {
		p.Told(told, err)
	}
	switch {
	case errors.Is(err, errLater):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", err.Error())
	case err != nil:
		refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
	default:
		w.WriteHeader(http.StatusOK)
	}
}

// Judge returns what a logout token says, in the order of checks of section 2.6.
func (p *RelyingParty) Judge(ctx context.Context, token string) (Logout, error) {
	jwt, err := keyset.ParseJWT(token)
	if err != nil {
		return Logout{}, err
	}
	if jwt.Type() != typeLogout {
		return Logout{}, fmt.Errorf("the token has the type %.50q, not %s", jwt.Type(), typeLogout)
	}
	var c struct {
		Logout
		Audience any                        `json:"aud"`
		Events   map[string]json.RawMessage `json:"events"`
		Nonce    any                        `json:"nonce"`
		keyset.Times
	}
	if err := jwt.Verify(ctx, p.Keys, &c); err != nil {
		return Logout{}, err
	}
	told := Logout{ID: c.ID, Issuer: c.Issuer, Subject: c.Subject, SID: c.SID}
	now := time.Now
	if p.Now != nil {
		now = p.Now
	}
	var event map[string]json.RawMessage
	switch {
	case c.Issuer != p.Issuer:
		err = fmt.Errorf("the token is of %.200q, not of %q", c.Issuer, p.Issuer)
	case !holds(c.Audience, p.ClientID):
		err = fmt.Errorf("the token is not for %q", p.ClientID)
	case c.Judge(now().UnixNano()) != nil:
		err = c.Judge(now().UnixNano())
	case c.Issued == nil:
		err = errors.New("the token has no iat")
	case c.ID == "":
		err = errors.New("the token has no jti")
	case c.Subject == "" && c.SID == "":
		err = errors.New("the token has neither sub nor sid")
	case json.Unmarshal(c.Events[logoutEvent], &event) != nil || event == nil:
		err = errors.New("the token does not tell of a logout")
	case c.Nonce != nil:
		err = errors.New("the token has a nonce: it may be an ID token")
	}
	return told, err
}

// holds reports whether an aud names a client.
func holds(aud any, client string) bool {
	list, isList := aud.([]any)
	for _, a := range list {
		if a == client {
			return true
		}
	}
	return !isList && aud == client
}

// getter fetches keys by a client of HTTP.
type getter struct{ client *http.Client }

// Getter returns what a keyset.Cache fetches keys by where all addresses may be asked, as in a trial. A nil client is
// http.DefaultClient.
func Getter(client *http.Client) keyset.Getter {
	if client == nil {
		client = http.DefaultClient
	}
	return getter{client}
}

// Get returns what a URL answers with.
func (g getter) Get(ctx context.Context, url, _ string) (status int, body []byte, err error) {
	a, err := send(ctx, g.client, http.MethodGet, url, "", "", nil)
	return a.Status, a.Body, err
}
