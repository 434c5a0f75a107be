package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// idMap gives stores and models the ids that they have at the other server.
type idMap struct{ stores, models map[string]string }

// newIDMap reads the ids of an import: from its source to its target, or the other way.
func newIDMap(state *migration, reverse bool) *idMap {
	m := &idMap{stores: map[string]string{}, models: map[string]string{}}
	put := func(ids map[string]string, source, target string) {
		if source == "" || target == "" {
			return
		}
		if reverse {
			source, target = target, source
		}
		ids[source] = target
	}
	for _, store := range state.Stores {
		put(m.stores, store.Source, store.Target)
		for _, model := range store.Models {
			put(m.models, model.Source, model.Target)
		}
	}
	return m
}

// translated is a request as the secondary is to get it.
type translated struct {
	path string
	body []byte
}

// translate gives a request the ids of the secondary; false where one is not known. A body that is no
// JSON object is left as it is, for the secondary to refuse.
func (s *shadow) translate(e *exchange) (translated, bool) {
	store := e.store
	var fields map[string]json.RawMessage
	isObject := json.Unmarshal(e.body, &fields) == nil && fields != nil
	if s.ids != nil {
		var known bool
		if store, known = s.ids.stores[store]; !known {
			return translated{}, false
		}
		for _, name := range []string{"authorization_model_id", "authorizationModelId"} {
			model := plainText(fields[name])
			if model == "" || model == "null" {
				continue
			}
			id, known := s.ids.models[model]
			if !known {
				return translated{}, false
			}
			fields[name], _ = json.Marshal(id) // a string always has a JSON form
		}
	}
	t := translated{path: "/stores/" + url.PathEscape(store) + "/" + e.kind, body: e.body}
	if !isObject || s.ids == nil && e.kind != kindWrite {
		return t, true
	}
	if e.kind == kindWrite { // what an import brought already is no fault
		ignore(fields, "writes", "on_duplicate", "onDuplicate")
		ignore(fields, "deletes", "on_missing", "onMissing")
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return translated{}, false
	}
	t.body = body
	return t, true
}

// ignore sets the option of a part of a write that says what to do about a tuple that is there, or
// missing.
func ignore(fields map[string]json.RawMessage, part, option, alias string) {
	var inner map[string]json.RawMessage
	if json.Unmarshal(fields[part], &inner) != nil || inner == nil {
		return
	}
	delete(inner, alias)
	inner[option] = json.RawMessage(`"ignore"`)
	if encoded, err := json.Marshal(inner); err == nil {
		fields[part] = encoded
	}
}

// send asks one server. An error says that there was no answer.
func (s *shadow) send(ctx context.Context, base *url.URL, authorization string, t translated) (rawAnswer, error) {
	started := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base.String()+t.path, bytes.NewReader(t.body))
	if err != nil {
		return rawAnswer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "ostiary-shadow")
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return rawAnswer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxShadowAnswer+1))
	if err != nil {
		return rawAnswer{}, err
	}
	if len(body) > maxShadowAnswer {
		return rawAnswer{}, fmt.Errorf("the answer is longer than %d bytes", maxShadowAnswer)
	}
	return rawAnswer{
		status: response.StatusCode, truncated: response.Header.Get(headerTruncated) == "true", body: body, took: time.Since(started),
	}, nil
}

func (s *shadow) askSecondary(ctx context.Context, t translated) (rawAnswer, error) {
	authorization := ""
	if s.flags.secondaryToken != "" {
		authorization = "Bearer " + s.flags.secondaryToken
	}
	return s.send(ctx, s.secondary, authorization, t)
}

// ask asks the secondary what a client asked the primary, and compares.
func (s *shadow) ask(ctx context.Context, e *exchange) {
	t, known := s.translate(e)
	if !known {
		s.tally.count(func(c *shadowSummary) { c.Unmapped++ })
		return
	}
	if isPaged(e) {
		s.tally.judge(e, outcomeNotComparable)
		return
	}
	second, err := s.askSecondary(ctx, t)
	if err != nil || second.status >= 500 || second.status == http.StatusUnauthorized || second.status == http.StatusForbidden {
		s.tally.failed(e, second, err)
		return
	}
	s.tally.latency(e.kind, e.answer.took, second.took)
	result := s.compare(e.kind, e.answer, second)
	if result.outcome == outcomeDiffers {
		result = s.compareAgain(ctx, e, t, result)
	}
	s.tally.judge(e, result.outcome)
	if result.outcome == outcomeDiffers {
		s.tally.difference(e, result)
	}
}

// The pauses before two servers that differ are asked again: at least settleDelay, and until the writes
// that were waiting are mirrored, but no longer than maxSettle.
const (
	settleDelay = 250 * time.Millisecond
	maxSettle   = 5 * time.Second
)

// compareAgain asks both servers once more where they differ: a write may have come between.
func (s *shadow) compareAgain(ctx context.Context, e *exchange, t translated, first compared) compared {
	begun, deadline := s.writesBegun.Load(), time.Now().Add(maxSettle)
	for settled := false; !settled; settled = s.writesDone.Load() >= begun || time.Now().After(deadline) {
		select {
		case <-time.After(settleDelay):
		case <-ctx.Done():
			return first
		}
	}
	primary, err := s.send(ctx, s.primary, e.authorization, translated{path: "/stores/" + url.PathEscape(e.store) + "/" + e.kind, body: e.body})
	if err != nil || primary.status >= 500 {
		return first
	}
	secondary, err := s.askSecondary(ctx, t)
	if err != nil || secondary.status >= 500 {
		return first
	}
	again := s.compare(e.kind, primary, secondary)
	if again.outcome == outcomeAgrees {
		again.outcome = outcomeSettled
	}
	return again
}

// mirror repeats a write at the secondary.
func (s *shadow) mirror(ctx context.Context, e *exchange) {
	t, known := s.translate(e)
	if !known {
		s.tally.count(func(c *shadowSummary) { c.Unmapped++; c.WritesDropped++ })
		return
	}
	answer, err := s.askSecondary(ctx, t)
	switch {
	case err != nil:
		answer.body, _ = json.Marshal(err.Error())
		fallthrough
	case answer.status >= 300:
		s.tally.count(func(c *shadowSummary) { c.WritesRefused++ })
		s.tally.difference(e, compared{
			primary:   answerText{Status: e.answer.status, Answer: "written"},
			secondary: answerText{Status: answer.status, Answer: string(answer.body)},
		})
	default:
		s.tally.count(func(c *shadowSummary) { c.WritesMirrored++ })
	}
}
