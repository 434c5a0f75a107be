package transmitter_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/identity"
)

const (
	sessionRevoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
	verification   = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	streamUpdated  = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
	poll           = "/stores/" + store + "/ssf/poll/"
	status         = "/stores/" + store + "/ssf/status"
	verify         = "/stores/" + store + "/ssf/verify"
	subjectAdd     = "/stores/" + store + "/ssf/subjects/add"
	subjectRemove  = "/stores/" + store + "/ssf/subjects/remove"
)

// IDENTITY d.4: metadata at the well-known place, without a token.
func TestMetadata(t *testing.T) {
	w := newWorld(t)
	got := w.want(http.StatusOK, http.MethodGet, "/.well-known/ssf-configuration/stores/S", nil, "Authorization", "")
	iss := w.url + "/stores/S"
	for name, want := range map[string]any{
		"spec_version": "1_0", "issuer": iss, "jwks_uri": iss + "/jwks.json", "configuration_endpoint": w.url + streams,
		"status_endpoint": w.url + status, "add_subject_endpoint": w.url + subjectAdd, "remove_subject_endpoint": w.url + subjectRemove,
		"verification_endpoint": w.url + verify, "default_subjects": "ALL",
	} {
		if got[name] != want {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	if m := got["delivery_methods_supported"].([]any); len(m) != 2 || m[0] != "urn:ietf:rfc:8935" || m[1] != "urn:ietf:rfc:8936" {
		t.Errorf("got %v", m)
	}
	if s := got["authorization_schemes"].([]any); len(s) != 1 || s[0].(object)["spec_urn"] != "urn:ietf:rfc:6749" {
		t.Errorf("got %v", s)
	}
	for _, path := range []string{"nowhere", "", "S/x", "%53"} {
		if resp, _ := w.ask(http.MethodGet, "/.well-known/ssf-configuration/stores/"+path, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%q: got %d", path, resp.StatusCode)
		}
	}
}

// IDENTITY d.4: streams are made, shown, changed, replaced and deleted, by their receiver alone.
func TestStreams(t *testing.T) {
	w := newWorld(t)
	made := w.want(http.StatusCreated, http.MethodPost, streams, object{
		"events_requested": []string{sessionRevoked, "https://schemas.openid.net/secevent/caep/event-type/credential-change"},
		"description":      "of the portal",
	})
	id := made["stream_id"].(string)
	delivery := made["delivery"].(object)
	if made["iss"] != w.url+"/stores/S" || made["aud"] != w.receiver.ID || delivery["method"] != "urn:ietf:rfc:8936" ||
		delivery["endpoint_url"] != w.url+poll+id || made["min_verification_interval"] != 30.0 || made["description"] != "of the portal" {
		t.Errorf("got %v", made)
	}
	if d := made["events_delivered"].([]any); len(d) != 1 || d[0] != sessionRevoked {
		t.Errorf("delivered: %v", d)
	}
	push := w.want(http.StatusCreated, http.MethodPost, streams, object{
		"delivery": object{"method": "urn:ietf:rfc:8935", "endpoint_url": "https://receiver.test/events", "authorization_header": "Bearer hush"}})
	if text := asText(t, push); strings.Contains(text, "hush") || strings.Contains(text, "authorization_header") {
		t.Errorf("the header is shown: %s", text)
	}
	if got := w.want(http.StatusOK, http.MethodGet, streams+"?stream_id="+id, nil); asText(t, got) != asText(t, made) {
		t.Errorf("got %v, made %v", got, made)
	}
	resp, text := w.ask(http.MethodGet, streams, nil)
	var all []object
	if err := json.Unmarshal([]byte(text), &all); err != nil || resp.StatusCode != http.StatusOK || len(all) != 2 {
		t.Errorf("got %d %s", resp.StatusCode, text)
	}

	patched := w.want(http.StatusOK, http.MethodPatch, streams, object{"stream_id": id, "description": "new", "ostiary_signing_alg": "ES256"})
	if patched["description"] != "new" || patched["ostiary_signing_alg"] != "ES256" || len(patched["events_requested"].([]any)) != 2 {
		t.Errorf("got %v", patched)
	}
	replaced := w.want(http.StatusOK, http.MethodPut, streams, object{"stream_id": id, "iss": w.url + "/stores/S", "aud": []string{w.receiver.ID}})
	if replaced["description"] != nil || replaced["ostiary_signing_alg"] != "RS256" {
		t.Errorf("got %v", replaced)
	}
	for name, body := range map[string]any{
		"another issuer":     object{"stream_id": id, "iss": "https://other.test"},
		"another audience":   object{"stream_id": id, "aud": "me"},
		"another interval":   object{"stream_id": id, "min_verification_interval": 1},
		"another method":     object{"stream_id": id, "delivery": object{"method": "urn:ietf:rfc:8935", "endpoint_url": "https://receiver.test/"}},
		"an unknown method":  object{"stream_id": id, "delivery": object{"method": "carrier pigeon"}},
		"no stream":          object{"description": "x"},
		"HS256":              object{"stream_id": id, "ostiary_signing_alg": "HS256"},
		"an unknown subject": object{"stream_id": id, "ostiary_subject": "email"},
		"no JSON":            "{",
		"a list":             "[]",
	} {
		t.Run(name, func(t *testing.T) {
			if resp, text := w.ask(http.MethodPatch, streams, body); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, `"err":"invalid_request"`) {
				t.Errorf("got %d %s", resp.StatusCode, text)
			}
		})
	}
	for name, delivery := range map[string]object{
		"no URL":         {"method": "urn:ietf:rfc:8935"},
		"another scheme": {"method": "urn:ietf:rfc:8935", "endpoint_url": "ftp://receiver.test/"},
		"a fragment":     {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://receiver.test/#x"},
		"two headers":    {"method": "urn:ietf:rfc:8935", "endpoint_url": "https://receiver.test/", "authorization_header": "a\r\nX: b"},
	} {
		if resp, text := w.ask(http.MethodPost, streams, object{"delivery": delivery}); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", name, resp.StatusCode, text)
		}
	}
	if resp, _ := w.ask(http.MethodPost, streams, "{}", "Content-Type", "text/plain"); resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("text: got %d", resp.StatusCode)
	}
	if resp, _ := w.ask(http.MethodPost, verify+"x", "{}"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("another path: got %d", resp.StatusCode)
	}
	if resp, _ := w.ask(http.MethodDelete, verify, nil); resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "POST" {
		t.Errorf("another method: got %d", resp.StatusCode)
	}

	w.want(http.StatusNoContent, http.MethodDelete, streams+"?stream_id="+id, nil)
	w.want(http.StatusNotFound, http.MethodGet, streams+"?stream_id="+id, nil)
	w.want(http.StatusNotFound, http.MethodDelete, streams+"?stream_id="+id, nil)
	for range identity.MaxStreams - 1 {
		w.polled(nil)
	}
	w.want(http.StatusConflict, http.MethodPost, streams, object{})
}

func asText(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Every request needs an access token of a receiver of the store, with the scope, in the header, and sees the
// receiver's own streams alone.
func TestWhoMayAsk(t *testing.T) {
	w := newWorld(t)
	id := w.polled(nil)
	good := w.token
	for name, header := range map[string]string{
		"none": "", "Basic": "Basic eDp4", "another text": "Bearer x", "a changed token": "Bearer " + good[:len(good)-2] + "AA", "no scheme": good,
	} {
		if resp, text := w.ask(http.MethodGet, streams, nil, "Authorization", header); resp.StatusCode != http.StatusUnauthorized || resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: got %d %s", name, resp.StatusCode, text)
		}
	}
	if resp, _ := w.ask(http.MethodGet, streams+"?access_token="+good, nil, "Authorization", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("in the URL: got %d", resp.StatusCode)
	}
	for _, other := range []string{"T", "nowhere"} {
		if resp, _ := w.ask(http.MethodGet, "/stores/"+other+"/ssf/streams", nil); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("store %s: got %d", other, resp.StatusCode)
		}
	}
	_, w.token = w.newReceiver("", []identity.Scope{identity.ScopeStreamsRead})
	w.want(http.StatusForbidden, http.MethodPost, streams, object{})
	w.want(http.StatusNotFound, http.MethodGet, streams+"?stream_id="+id, nil)
	w.want(http.StatusNotFound, http.MethodPost, poll+id, object{"returnImmediately": true})
	_, w.token = w.newReceiver("", nil)
	for _, asked := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPatch, streams, object{"stream_id": id}}, {http.MethodDelete, streams + "?stream_id=" + id, nil},
		{http.MethodGet, status + "?stream_id=" + id, nil}, {http.MethodPost, status, object{"stream_id": id, "status": "paused"}},
		{http.MethodPost, verify, object{"stream_id": id}},
		{http.MethodPost, subjectRemove, object{"stream_id": id, "subject": object{"format": "iss_sub", "iss": w.url + "/stores/S", "sub": "ann"}}},
	} {
		w.want(http.StatusNotFound, asked.method, asked.path, asked.body)
	}
	// A receiver that is no more has nothing any more.
	w.token = good
	if _, err := w.service.DeleteStreamReceiver(w.operator(), store, w.receiver.ID); err != nil {
		t.Fatal(err)
	}
	if resp, _ := w.ask(http.MethodGet, streams, nil); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("a deleted receiver: got %d", resp.StatusCode)
	}
	if all, err := w.service.Streams(t.Context(), store); err != nil || len(all) != 0 {
		t.Errorf("streams of a deleted receiver: %v, %v", all, err)
	}
}

// CAEP 1.0, session-revoked, pushed (RFC 8935): with the receiver's header, again with the same id until it is taken.
func TestPush(t *testing.T) {
	w := newWorld(t)
	e := w.endpoint()
	e.answers = []int{http.StatusServiceUnavailable}
	w.pushed(e.URL, "Bearer of-the-receiver", object{"ostiary_signing_alg": "ES256"})
	session := w.end("ann")
	w.until("it has failed", func() bool { return len(e.got()) == 1 })
	w.until("it was taken", func() bool {
		w.backend.ahead.Add(int64(time.Minute)) // past the pause
		return len(e.got()) == 2
	})
	for i, s := range e.got() {
		if s.ID != e.got()[0].ID || s.Algorithm != "ES256" || s.Audience != w.receiver.ID || e.headers[i].Get("Authorization") != "Bearer of-the-receiver" ||
			e.headers[i].Get("Content-Type") != "application/secevent+jwt" || e.headers[i].Get("Accept") != "application/json" ||
			asText(t, s.All) != asText(t, e.got()[0].All) {
			t.Errorf("got %+v with %v", s, e.headers[i])
		}
		user, its := s.Subject["user"].(object), s.Subject["session"].(object)
		if s.Subject["format"] != "complex" || its["format"] != "opaque" || its["id"] != session ||
			user["format"] != "iss_sub" || user["iss"] != w.url+"/stores/S" || user["sub"] != "ann" {
			t.Errorf("subject %v", s.Subject)
		}
		event := s.event(t, sessionRevoked)
		if now := float64(time.Now().Unix()); event["event_timestamp"].(float64) > now+1 || event["event_timestamp"].(float64) < now-60 {
			t.Errorf("event %v", event)
		}
		if text, _ := event["reason_admin"].(object)["en"].(string); text == "" {
			t.Errorf("event %v", event)
		}
	}
}

// A SET that the receiver refuses for good is a dead letter that says why, in words that are known.
func TestPushRefused(t *testing.T) {
	w := newWorld(t)
	e := w.endpoint()
	e.answers = []int{http.StatusBadRequest}
	w.pushed(e.URL, "", object{"ostiary_subject": "session"})
	session := w.end("ann")
	w.until("it was refused", func() bool { return len(w.letters()) == 1 })
	if l := w.letters()[0]; l.Reason != "status 400: invalid_audience" || l.Session != session || l.Kind != "set" {
		t.Errorf("got %+v", l)
	}
	if s := e.got()[0]; s.Algorithm != "RS256" || s.Subject["format"] != "opaque" || s.Subject["id"] != session || len(s.Subject) != 2 {
		t.Errorf("got %+v", s)
	}
}

// RFC 8936: what waits comes until it is acknowledged, no more than asked for at once.
func TestPoll(t *testing.T) {
	w := newWorld(t)
	id := w.polled(nil)
	var sessions []string
	for range 3 {
		sessions = append(sessions, w.end("ann"))
	}
	now := object{"returnImmediately": true}
	w.until("all wait", func() bool { sets, _ := w.poll(id, now); return len(sets) == 3 })
	first, more := w.poll(id, object{"returnImmediately": true, "maxEvents": 2})
	if len(first) != 2 || !more {
		t.Errorf("got %d, more %t", len(first), more)
	}
	again, _ := w.poll(id, object{"returnImmediately": true, "maxEvents": 2})
	for jti, s := range again {
		if asText(t, first[jti].All) != asText(t, s.All) {
			t.Errorf("%s: first %v, then %v", jti, first[jti].All, s.All)
		}
	}
	var acks []string
	seen := map[any]bool{}
	for jti, s := range first {
		acks = append(acks, jti)
		seen[s.Subject["session"].(object)["id"]] = true
	}
	if none, more := w.poll(id, object{"maxEvents": 0, "ack": acks[:1]}); len(none) != 0 || more {
		t.Errorf("got %v", none)
	}
	rest, more := w.poll(id, object{"returnImmediately": true, "ack": append(acks, "unknown", "../x"), "setErrs": object{
		"nothing": object{"err": "invalid_key", "description": "x"}}})
	if len(rest) != 1 || more {
		t.Errorf("got %d, more %t", len(rest), more)
	}
	for jti, s := range rest {
		seen[s.Subject["session"].(object)["id"]] = true
		// One that the receiver cannot read does not come for ever.
		if sets, _ := w.poll(id, object{"returnImmediately": true, "setErrs": object{jti: object{"err": "invalid_request"}}}); len(sets) != 0 {
			t.Errorf("got %v", sets)
		}
	}
	for _, s := range sessions {
		if !seen[s] {
			t.Errorf("session %s was not told", s)
		}
	}
	for name, body := range map[string]any{"no JSON": "{", "a negative number": object{"maxEvents": -1}, "a text": object{"ack": "x"},
		"too many": object{"ack": slices.Repeat([]string{"x"}, 6000)}} {
		if resp, text := w.ask(http.MethodPost, poll+id, body); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", name, resp.StatusCode, text)
		}
	}
	if resp, _ := w.ask(http.MethodPost, poll+id, `{"ack":["`+strings.Repeat("x", 2<<20)+`"]}`); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge body: got %d", resp.StatusCode)
	}
	pushed := w.pushed("https://receiver.test/", "", nil)
	w.want(http.StatusBadRequest, http.MethodPost, poll+pushed, object{"returnImmediately": true})
	w.want(http.StatusNotFound, http.MethodPost, poll+"nothing", object{"returnImmediately": true})
}

// A poll that may wait gets what happens meanwhile.
func TestLongPoll(t *testing.T) {
	w := newWorld(t)
	id := w.polled(nil)
	got := make(chan map[string]set)
	go func() {
		sets, _ := w.poll(id, nil)
		got <- sets
	}()
	session := w.end("ann")
	select {
	case sets := <-got:
		for _, s := range sets {
			if s.Subject["session"].(object)["id"] != session {
				t.Errorf("got %v", s.Subject)
			}
		}
		if len(sets) != 1 {
			t.Errorf("got %d", len(sets))
		}
	case <-time.After(patience):
		t.Fatal("no answer")
	}
}

// SSF 1.0, section 8.1.4: the receiver sees by a verification that the stream works, once in a while.
func TestVerification(t *testing.T) {
	w := newWorld(t)
	id := w.polled(nil)
	w.want(http.StatusNoContent, http.MethodPost, verify, object{"stream_id": id, "state": "of the receiver"})
	sets, _ := w.poll(id, nil)
	for _, s := range sets {
		if s.Subject["format"] != "opaque" || s.Subject["id"] != id || s.event(t, verification)["state"] != "of the receiver" {
			t.Errorf("got %v", s.All)
		}
	}
	if len(sets) != 1 {
		t.Errorf("got %d", len(sets))
	}
	if resp, _ := w.ask(http.MethodPost, verify, object{"stream_id": id}); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("too soon: got %d", resp.StatusCode)
	}
	w.backend.ahead.Add(int64(identity.VerificationInterval))
	w.want(http.StatusNoContent, http.MethodPost, verify, object{"stream_id": id})
	e := w.endpoint()
	pushed := w.pushed(e.URL, "", nil)
	w.want(http.StatusNoContent, http.MethodPost, verify, object{"stream_id": pushed})
	w.until("it was pushed", func() bool { return len(e.got()) == 1 })
	if event := e.got()[0].event(t, verification); len(event) != 0 {
		t.Errorf("without a state: got %v", event)
	}
	if resp, _ := w.ask(http.MethodPost, verify, object{"stream_id": id, "state": strings.Repeat("x", 2000)}); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a long state: got %d", resp.StatusCode)
	}
}

// SSF 1.0, section 8.1.2: while a stream is paused events wait; while it is disabled there are none.
func TestStatus(t *testing.T) {
	w := newWorld(t)
	id := w.polled(nil)
	now := object{"returnImmediately": true}
	set := func(to, reason string) {
		t.Helper()
		got := w.want(http.StatusOK, http.MethodPost, status, object{"stream_id": id, "status": to, "reason": reason})
		if got["status"] != to || got["stream_id"] != id {
			t.Errorf("got %v", got)
		}
	}
	if got := w.want(http.StatusOK, http.MethodGet, status+"?stream_id="+id, nil); got["status"] != "enabled" || got["reason"] != nil {
		t.Errorf("got %v", got)
	}
	set("paused", "maintenance")
	if got := w.want(http.StatusOK, http.MethodGet, status+"?stream_id="+id, nil); got["status"] != "paused" || got["reason"] != "maintenance" {
		t.Errorf("got %v", got)
	}
	witness := w.polled(nil) // shows when events have become deliveries
	held := w.end("ann")
	w.end("bob")
	w.until("the events are told", func() bool { sets, _ := w.poll(witness, now); return len(sets) == 2 })
	if sets, _ := w.poll(id, now); len(sets) != 0 {
		t.Errorf("while paused: got %v", sets)
	}
	set("enabled", "")
	sets, _ := w.poll(id, now)
	var acks []string
	told := map[any]bool{}
	for jti, s := range sets {
		acks = append(acks, jti)
		told[s.Subject["session"].(object)["id"]] = true
	}
	if len(sets) != 2 || !told[held] {
		t.Errorf("after the pause: got %v", sets)
	}
	w.poll(id, object{"returnImmediately": true, "ack": acks})
	set("disabled", "")
	w.end("ann")
	w.until("the event is told", func() bool { sets, _ := w.poll(witness, now); return len(sets) == 3 })
	set("enabled", "")
	if sets, _ := w.poll(id, now); len(sets) != 0 {
		t.Errorf("of while it was disabled: got %v", sets)
	}
	w.want(http.StatusBadRequest, http.MethodPost, status, object{"stream_id": id, "status": "asleep"})
	w.want(http.StatusBadRequest, http.MethodPost, status, "x")
}

// SSF 1.0, section 8.1.5: what an operator does with a stream its receiver is told, whatever its state.
func TestStreamUpdated(t *testing.T) {
	w := newWorld(t)
	id := w.polled(nil)
	if _, err := setStatus(w.operator(), w.service, store, id, identity.StreamDisabled, "too many"); err != nil {
		t.Fatal(err)
	}
	if resp, text := w.ask(http.MethodGet, status+"?stream_id="+id, nil); !strings.Contains(text, `"disabled"`) {
		t.Errorf("got %d %s", resp.StatusCode, text)
	}
	e := w.endpoint()
	pushed := w.pushed(e.URL, "", nil)
	if _, err := setStatus(w.operator(), w.service, store, pushed, identity.StreamPaused, "too many"); err != nil {
		t.Fatal(err)
	}
	w.until("it was pushed", func() bool { return len(e.got()) == 1 })
	if event := e.got()[0].event(t, streamUpdated); event["status"] != "paused" || event["reason"] != "too many" || e.got()[0].Subject["id"] != pushed {
		t.Errorf("got %v of %v", event, e.got()[0].Subject)
	}
	sets, _ := w.poll(id, nil)
	for _, s := range sets {
		if event := s.event(t, streamUpdated); event["status"] != "disabled" {
			t.Errorf("got %v", event)
		}
	}
	if len(sets) != 1 {
		t.Errorf("got %d", len(sets))
	}
}

// Streams are told of everybody, but for whom the receiver has removed, and of an organization where they are
// narrowed to it.
func TestSubjects(t *testing.T) {
	w := newWorld(t)
	id := w.polled(nil)
	iss := w.url + "/stores/S"
	ann := object{"format": "iss_sub", "iss": iss, "sub": "ann"}
	now := object{"returnImmediately": true}
	users := func() (all []string) {
		t.Helper()
		sets, _ := w.poll(id, now)
		for _, s := range sets {
			all = append(all, s.Subject["user"].(object)["sub"].(string))
		}
		slices.Sort(all)
		return all
	}
	w.want(http.StatusNoContent, http.MethodPost, subjectRemove, object{"stream_id": id, "subject": ann})
	w.end("ann")
	w.end("bob")
	w.until("bob is told", func() bool { return len(users()) > 0 })
	if got := users(); !slices.Equal(got, []string{"bob"}) {
		t.Errorf("got %v", got)
	}
	w.want(http.StatusOK, http.MethodPost, subjectAdd, object{"stream_id": id, "subject": object{"format": "complex", "user": ann}, "verified": true})
	w.end("ann")
	w.until("ann is told", func() bool { return len(users()) == 2 })
	for name, subject := range map[string]any{
		"an e-mail":      object{"format": "email", "email": "ann@acme.test"},
		"another issuer": object{"format": "iss_sub", "iss": "https://other.test", "sub": "ann"},
		"a session":      object{"format": "complex", "user": ann, "session": object{"format": "opaque", "id": "s"}},
		"a device":       object{"format": "complex", "device": ann},
	} {
		if resp, text := w.ask(http.MethodPost, subjectRemove, object{"stream_id": id, "subject": subject}); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: got %d %s", name, resp.StatusCode, text)
		}
	}
	for name, body := range map[string]any{"no subject": object{"stream_id": id}, "no format": object{"stream_id": id, "subject": object{}}, "no JSON": "x"} {
		if resp, text := w.ask(http.MethodPost, subjectAdd, body); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", name, resp.StatusCode, text)
		}
	}

	if _, err := w.service.CreateOrganization(w.operator(), store, "globex", "Globex"); err != nil {
		t.Fatal(err)
	}
	_, globex := w.newReceiver("globex", nil)
	w.token = globex
	narrow := w.polled(nil)
	_, w.token = w.newReceiver("acme", nil)
	id = w.polled(nil)
	w.end("bob")
	w.until("bob is told", func() bool { return len(users()) == 1 })
	w.token = globex
	if sets, _ := w.poll(narrow, now); len(sets) != 0 {
		t.Errorf("of another organization: got %v", sets)
	}
}

// What waits for a stream that is deleted goes with it.
func TestDeletedStream(t *testing.T) {
	w := newWorld(t)
	id := w.polled(nil)
	w.end("ann")
	w.until("it waits", func() bool { sets, _ := w.poll(id, object{"returnImmediately": true}); return len(sets) == 1 })
	w.want(http.StatusNoContent, http.MethodDelete, streams+"?stream_id="+id, nil)
	if n := w.waiting(); n != 0 {
		t.Errorf("%d deliveries wait", n)
	}
}
