package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/oauth"
	"github.com/ostiary/ostiary/scim"
)

// scimProbe asks the SCIM endpoint of one connection as an identity provider does.
type scimProbe struct {
	client   *http.Client
	url      string // of the connection; a path alone where nobody knows the server's
	tokenURL string
	token    string
}

// maxProbeBytes bounds what is read of an answer.
const maxProbeBytes = 1 << 20

// newProbe returns a probe of a connection at its own URL, or at another one: that of the server, or that of
// the connection.
func newProbe(given string, c *ostiaryv1.Connection, timeout time.Duration) (*scimProbe, error) {
	path := scim.Prefix + c.GetId()
	base := strings.TrimSuffix(c.GetScimUrl(), path)
	if given != "" {
		base = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(given, "/"), path), "/")
		if parsed, err := url.Parse(base); err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" ||
			parsed.RawQuery != "" || parsed.Fragment != "" || parsed.User != nil {
			return nil, usagef("--url %q is not the http:// or https:// URL of a server, as https://authz.example.com", given)
		}
	}
	return &scimProbe{
		client: &http.Client{
			Timeout:       timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // it would get the token
		},
		url: base + path, tokenURL: base + oauth.TokenPath,
	}, nil
}

// probeAnswer is what of an answer the steps look at.
type probeAnswer struct {
	status     int
	retryAfter string
	challenge  string
	Schemas    []string `json:"schemas"`
	ID         string   `json:"id"`
	Total      *int     `json:"totalResults"`
	Resources  []struct {
		ID string `json:"id"`
	} `json:"Resources"`
	Detail      string `json:"detail"`
	AccessToken string `json:"access_token"`
	OAuthError  string `json:"error"`
	OAuthDetail string `json:"error_description"`
	Meta        struct {
		Location string `json:"location"`
	} `json:"meta"`
}

// send asks below the connection's URL.
func (p *scimProbe) send(ctx context.Context, method, path, token, body string) (*probeAnswer, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/scim+json")
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	return p.answer(req)
}

func (p *scimProbe) answer(req *http.Request) (*probeAnswer, error) {
	req.Header.Set("User-Agent", "ostiary-cli")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, unreached(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxProbeBytes))
	if err != nil {
		return nil, unreached(err)
	}
	a := &probeAnswer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After"), challenge: resp.Header.Get("WWW-Authenticate")}
	// What is no JSON has no schemas: the steps miss them.
	_ = json.Unmarshal(text, a)
	return a, nil
}

// accessToken asks the token endpoint, as a client with a secret.
func (p *scimProbe) accessToken(ctx context.Context, id, secret string) (string, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"scim"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.tokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := p.answer(req)
	switch {
	case err != nil:
		return "", err
	case a.status == http.StatusOK && a.AccessToken != "":
		return a.AccessToken, nil
	}
	advice := "what stands in front of the server must pass " + oauth.TokenPath + " on"
	if a.OAuthError != "" {
		advice = "id or secret are wrong, or the client is deleted: ostiary connection client list"
	}
	return "", &adviceError{detail: strings.TrimSpace(fmt.Sprintf("status %d %s %s", a.status, a.OAuthError, a.OAuthDetail)), advice: advice, halt: true}
}

// unreached says what to do where there was no answer.
func unreached(err error) error {
	e := &adviceError{detail: err.Error(), halt: true}
	var dns *net.DNSError
	var roots x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var timeout net.Error
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		e.detail = wrapped.Err.Error() // without the URL, which stands above
	}
	switch {
	case errors.As(err, &dns):
		e.advice = "the name of the host is not known here: correct it, or serve --public-url"
	case errors.As(err, &roots):
		e.advice = "identity providers need a certificate of an authority that they trust, sent with its intermediates"
	case errors.As(err, &name), errors.As(err, &invalid):
		e.advice = "identity providers need a certificate of this name, within its time"
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		e.advice = "nothing speaks TLS there: put something in front of the server that does"
	case errors.Is(err, context.Canceled):
	case errors.As(err, &timeout) && timeout.Timeout():
		e.advice = "no answer in time: does a firewall stand between, or what stands in front of the server not reach it?"
	default:
		e.advice = "nothing answers there: does the server run, and does what stands in front of it?"
	}
	return e
}
