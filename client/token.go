package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Credentials are those of an OAuth client at an identity provider.
type Credentials struct {
	TokenURL     string // https
	ID, Secret   string
	Audience     string       // may be empty
	Scope        string       // may be empty
	HTTP         *http.Client // nil: one that waits 10 s
	refreshAhead time.Duration
}

const (
	maxTokenBytes = 1 << 20
	refreshAhead  = 30 * time.Second
	// assumedLife is how long a token is kept whose answer does not say.
	assumedLife = time.Minute
)

// ClientCredentials returns a source of access tokens by OAuth's client credentials (RFC 6749, section 4.4), for
// Options.Tokens. A token is kept until half a minute before its end, and one request at a time gets another; those that
// wait for it end with their contexts. Redirects are not followed: the secret goes to TokenURL alone.
func ClientCredentials(c Credentials) (TokenSource, error) {
	u, err := url.Parse(c.TokenURL)
	if err != nil || u.Scheme != "https" && !(u.Scheme == "http" && isHere(u.Host)) {
		return nil, fmt.Errorf("token URL %q is not one of https", c.TokenURL)
	}
	if c.ID == "" || c.Secret == "" {
		return nil, errors.New("client credentials need an id and a secret")
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	straight := *c.HTTP
	straight.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.HTTP = &straight
	if c.refreshAhead == 0 {
		c.refreshAhead = refreshAhead
	}
	turn := make(chan struct{}, 1)
	var token string
	var until time.Time
	return func(ctx context.Context) (string, error) {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if token != "" && time.Now().Before(until) {
			return token, nil
		}
		fresh, life, err := c.fetch(ctx)
		if err != nil {
			return "", err
		}
		token, until = fresh, time.Now().Add(life-min(c.refreshAhead, life/2))
		return token, nil
	}, nil
}

func (c Credentials) fetch(ctx context.Context) (token string, life time.Duration, err error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if c.Audience != "" {
		form.Set("audience", c.Audience)
	}
	if c.Scope != "" {
		form.Set("scope", c.Scope)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", 0, fmt.Errorf("ask %s: %w", c.TokenURL, err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return "", 0, fmt.Errorf("ask for an access token: %w", err)
	}
	defer answer.Body.Close()
	var body struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	err = json.NewDecoder(io.LimitReader(answer.Body, maxTokenBytes)).Decode(&body)
	if answer.StatusCode != http.StatusOK || err != nil || body.AccessToken == "" || !strings.EqualFold(body.TokenType, "Bearer") {
		return "", 0, fmt.Errorf("ask %s for an access token: answered %s without one", c.TokenURL, answer.Status)
	}
	if life = time.Duration(min(body.ExpiresIn, 24*3600)) * time.Second; life <= 0 {
		life = assumedLife
	}
	return body.AccessToken, life, nil
}
