package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// callTimeout bounds one request of a well-behaved client. It is longer than the server's own bound.
const callTimeout = 30 * time.Second

// caller is a well-behaved client over HTTP.
type caller struct {
	key    string
	client *http.Client
}

func newCaller(c *cluster) *caller {
	return &caller{key: c.admin, client: &http.Client{Timeout: callTimeout, Transport: &http.Transport{TLSClientConfig: c.trust, MaxIdleConnsPerHost: 4}}}
}

func (c *caller) close() { c.client.CloseIdleConnections() }

// maxAnswerBytes bounds what is read of an answer.
const maxAnswerBytes = 64 << 20

// call posts a body and reads the answer. It returns the token of the answer.
func (c *caller) call(ctx context.Context, n *node, path, atLeast string, body, answer any) (token string, err error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+n.http+path, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Content-Type", "application/json")
	if atLeast != "" {
		request.Header.Set("Ostiary-At-Least", atLeast)
	}
	response, err := c.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	got, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return "", fmt.Errorf("%s: read the answer: %w", path, err)
	}
	if response.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s at %s answers %s: %.300s", path, n.name, response.Status, got)
	}
	if answer != nil {
		if err := json.Unmarshal(got, answer); err != nil {
			return "", fmt.Errorf("%s: read the answer: %w", path, err)
		}
	}
	return response.Header.Get("Ostiary-Token"), nil
}

// rawJSON is a body that is JSON already.
type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

type tupleKey struct {
	User     string `json:"user"`
	Relation string `json:"relation"`
	Object   string `json:"object"`
}

func tuple(user, relation, object string) tupleKey { return tupleKey{user, relation, object} }

// write writes or deletes ("writes", "deletes") one tuple. Token, where it is not nil, is set to that of the answer.
func (c *caller) write(ctx context.Context, n *node, store, kind string, t tupleKey, token *string) error {
	got, err := c.call(ctx, n, "/stores/"+store+"/write", "", map[string]any{kind: map[string]any{"tuple_keys": []tupleKey{t}}}, nil)
	if token != nil {
		*token = got
	}
	return err
}

// check asks one question, at least as new as a token.
func (c *caller) check(ctx context.Context, n *node, store, atLeast string, t tupleKey) (bool, error) {
	var answer struct{ Allowed bool }
	_, err := c.call(ctx, n, "/stores/"+store+"/check", atLeast, map[string]any{"tuple_key": t}, &answer)
	return answer.Allowed, err
}
