package fakeidp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 1 << 20

// Answer is what a server said to a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Took   time.Duration
}

// Want returns an error where an answer has none of the statuses.
func (a Answer) Want(what string, statuses ...int) error {
	for _, status := range statuses {
		if a.Status == status {
			return nil
		}
	}
	return &StatusError{a.Status, fmt.Sprintf("%s: the server answered %d %s, not %v", what, a.Status, strings.TrimSpace(string(a.Body)), statuses)}
}

// StatusError is an answer that was not wanted.
type StatusError struct {
	Status int
	text   string
}

func (e *StatusError) Error() string { return e.text }

// send sends a request and reads the answer, whatever its status. Redirects are answers like others.
func send(ctx context.Context, client *http.Client, method, url, mediaType, authorization string, body []byte) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("make the request: %w", err)
	}
	r.Header.Set("User-Agent", "ostiary-fakeidp")
	r.Header.Set("Accept", "application/json, application/scim+json")
	if len(body) > 0 {
		r.Header.Set("Content-Type", mediaType)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if client == nil {
		client = http.DefaultClient
	}
	began := time.Now()
	resp, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer: %w", err)
	}
	return Answer{resp.StatusCode, resp.Header, text, time.Since(began)}, nil
}

// Revoke asks the endpoint at a URL to log somebody out, as Okta does: with a JWT of its own for each request.
// Subject is an identifier by RFC 9493. 204 is the answer of success.
func (p *Provider) Revoke(ctx context.Context, client *http.Client, endpoint, application string, subject map[string]any) (Answer, error) {
	audience, _, _ := strings.Cut(endpoint, "?")
	audience, _, _ = strings.Cut(audience, "#")
	token, err := p.RevocationToken(audience, application, nil)
	if err != nil {
		return Answer{}, err
	}
	return RevokeBy(ctx, client, endpoint, token, subject)
}

// RevokeBy asks the endpoint at a URL to log somebody out, by a JWT or a token.
func RevokeBy(ctx context.Context, client *http.Client, endpoint, token string, subject map[string]any) (Answer, error) {
	body, err := json.Marshal(map[string]any{"sub_id": subject})
	if err != nil {
		return Answer{}, fmt.Errorf("encode the subject: %w", err)
	}
	return send(ctx, client, http.MethodPost, endpoint, "application/json", "Bearer "+token, body)
}

// Push sends a security event token to a receiver (RFC 8935). Authorization, where it is not empty, is the header
// that the receiver wants to see. 202 is the answer of success.
func Push(ctx context.Context, client *http.Client, receiver, authorization, token string) (Answer, error) {
	return send(ctx, client, http.MethodPost, receiver, "application/secevent+jwt", authorization, []byte(token))
}

// LogOut sends a logout token to an application. 200 is the answer of success.
func LogOut(ctx context.Context, client *http.Client, uri, token string) (Answer, error) {
	return send(ctx, client, http.MethodPost, uri, "application/x-www-form-urlencoded", "", []byte(url.Values{"logout_token": {token}}.Encode()))
}

// IssuerSubject, Email and Opaque return subject identifiers (RFC 9493).
func IssuerSubject(issuer, subject string) map[string]any {
	return map[string]any{"format": "iss_sub", "iss": issuer, "sub": subject}
}

// Email names who has an e-mail address.
func Email(address string) map[string]any { return map[string]any{"format": "email", "email": address} }

// Opaque names whom an id means.
func Opaque(id string) map[string]any { return map[string]any{"format": "opaque", "id": id} }
