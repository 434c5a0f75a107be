package transmitter

import (
	"errors"
	"net/http"
	"testing"

	"github.com/ostiary/ostiary/identity"
)

// Whatever a receiver says of a stream, it is taken or refused as its fault.
func FuzzStream(f *testing.F) {
	f.Add(`{"stream_id":"x","iss":"i","aud":["a"],"events_requested":["e"],"description":"d","delivery":{"method":"urn:ietf:rfc:8935","endpoint_url":"https://r.test/","authorization_header":"Bearer x"}}`)
	f.Add(`{"aud":"a","min_verification_interval":1,"ostiary_signing_alg":"ES256","ostiary_subject":"session","delivery":{"method":"urn:ietf:rfc:8936"}}`)
	f.Add(`{"aud":{},"delivery":null}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, body string) {
		a, err := parseStream([]byte(body))
		if err != nil {
			mustBeRefused(t, err)
			return
		}
		if err := a.judgeFixed(configuration{}); err != nil {
			mustBeRefused(t, err)
		}
		d, err := a.delivery()
		if err != nil {
			mustBeRefused(t, err)
		} else if d != nil && d.Push && d.Endpoint == "" {
			t.Errorf("%q: a push to nowhere is taken", body)
		}
		var c identity.StreamConfiguration
		a.change(&c, true)
	})
}

// Whatever a receiver polls with, it is answered within its bounds or refused as its fault.
func FuzzPoll(f *testing.F) {
	f.Add(`{"maxEvents":1,"returnImmediately":true,"ack":["a"],"setErrs":{"b":{"err":"invalid_key","description":"d"}}}`)
	f.Add(`{"maxEvents":-1}`)
	f.Add(`{"maxEvents":1e9}`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, body string) {
		q, limit, err := parsePoll([]byte(body))
		if err != nil {
			mustBeRefused(t, err)
			return
		}
		if limit < 0 || limit > maxPolled || len(q.Ack)+len(q.SetErrs) > maxAcked {
			t.Errorf("%q: limit %d, %d acknowledged", body, limit, len(q.Ack))
		}
		for id := range q.SetErrs {
			if c := clean(id); c != id && c != "unknown" {
				t.Errorf("%q is logged as %q", id, c)
			}
		}
	})
}

func mustBeRefused(t *testing.T, err error) {
	t.Helper()
	var r *refusal
	if !errors.As(err, &r) || r.status != http.StatusBadRequest {
		t.Errorf("got %v", err)
	}
}
