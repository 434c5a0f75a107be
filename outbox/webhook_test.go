package outbox_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/outbox"
)

// received is a message as a webhook got it.
type received struct {
	header http.Header
	body   []byte
}

// hook is a server that takes messages, or answers otherwise.
type hook struct {
	*httptest.Server
	mu       sync.Mutex
	messages []received
	answer   func(w http.ResponseWriter)
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		h.messages = append(h.messages, received{r.Header, body})
		answer := h.answer
		h.mu.Unlock()
		if answer != nil {
			answer(w)
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) got() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages)
}

func (h *hook) set(answer func(w http.ResponseWriter)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (w *world) webhooks() *outbox.Webhooks {
	return &outbox.Webhooks{Identity: w.service, Client: w.client, Cluster: w.raft.ClusterID, Now: w.backend.Now}
}

func (w *world) webhook(url, organization string, events ...string) (identity.Webhook, string) {
	w.t.Helper()
	made, secret, err := w.service.CreateWebhook(w.ctx(), identity.Webhook{
		Store: store, Organization: organization, Name: "test", URL: url, Events: events})
	if err != nil {
		w.t.Fatal(err)
	}
	return made, secret
}

// isSignedBy judges a message as the specification of Standard Webhooks has it.
func (r received) isSignedBy(t *testing.T, secret string) bool {
	t.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) < 24 {
		t.Fatalf("the key of a secret has %d bytes: %v", len(key), err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(r.header.Get("webhook-id") + "." + r.header.Get("webhook-timestamp") + "." + string(r.body)))
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return slices.Contains(strings.Split(r.header.Get("webhook-signature"), " "), want)
}

// A webhook hears of a revocation in one signed message, which holds ids and nothing else of the person.
func TestWebhook(t *testing.T) {
	w := newWorld(t)
	h, other := newHook(t), newHook(t)
	made, secret := w.webhook(h.URL+"/hook", "")
	w.webhook(other.URL, "", identity.EventUserDeleted)
	w.member("ann")
	w.work(w.webhooks())
	ids := w.end("ann", "portal", 3)
	w.until("the message is taken", w.idle)
	got := h.got()
	if len(got) != 1 || len(other.got()) != 0 {
		t.Fatalf("%d messages, and %d to a webhook that wants none", len(got), len(other.got()))
	}
	if !got[0].isSignedBy(t, secret) || got[0].header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", got[0].header)
	}
	seconds, err := strconv.ParseInt(got[0].header.Get("webhook-timestamp"), 10, 64)
	if d := time.Since(time.Unix(seconds, 0)); err != nil || d.Abs() > 5*time.Minute {
		t.Errorf("timestamp %q", got[0].header.Get("webhook-timestamp"))
	}
	var m struct {
		Type, Timestamp string
		Data            map[string]any
	}
	if err := json.Unmarshal(got[0].body, &m); err != nil {
		t.Fatal(err)
	}
	if m.Type != "session.revoked" || m.Data["store_id"] != store || m.Data["organization_id"] != "acme" ||
		m.Data["user_id"] != "ann" || m.Data["reason"] != "revoked" || len(m.Data["event_id"].(string)) != 26 {
		t.Errorf("message %s", got[0].body)
	}
	var told []string
	for _, id := range m.Data["session_ids"].([]any) {
		told = append(told, id.(string))
	}
	slices.Sort(told)
	if !slices.Equal(told, ids) {
		t.Errorf("told of %q, want %q", told, ids)
	}
	revision, err := ostiary.Token(m.Data["consistency_token"].(string)).Revision(w.raft.ClusterID())
	if err != nil || float64(revision) != m.Data["revision"] {
		t.Errorf("token of revision %d, and revision %v: %v", revision, m.Data["revision"], err)
	}

	// Two secrets sign while they rotate.
	second, _, err := w.service.RotateWebhookSecret(w.ctx(), store, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.end("ann", "portal", 1)
	w.until("the second message is taken", func() bool { return len(h.got()) == 2 && w.idle() })
	if got := h.got()[1]; !got.isSignedBy(t, secret) || !got.isSignedBy(t, second) {
		t.Errorf("while secrets rotate both sign: %v", got.header)
	}
	if _, err := w.service.EndWebhookRotation(w.ctx(), store, made.ID); err != nil {
		t.Fatal(err)
	}
	w.end("ann", "portal", 1)
	w.until("the third message is taken", func() bool { return len(h.got()) == 3 && w.idle() })
	if got := h.got()[2]; got.isSignedBy(t, secret) || !got.isSignedBy(t, second) {
		t.Errorf("after the rotation the new secret signs alone: %v", got.header)
	}
}

// What a webhook answers decides: taken, tried again, or given up. Redirects are not followed.
func TestWebhookAnswers(t *testing.T) {
	w := newWorld(t)
	beyond, h := newHook(t), newHook(t)
	h.set(func(w http.ResponseWriter) {
		w.Header().Set("Location", beyond.URL)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	w.webhook(h.URL, "acme")
	w.member("ann")
	w.work(w.webhooks())
	w.end("ann", "portal", 1)
	fails := func(n int, reason string) func() bool {
		return func() bool {
			all := w.queues()
			return len(all) == 1 && all[0].Failures == n && all[0].Reason == reason
		}
	}
	w.until("the redirect is a failure", fails(1, "status 307"))
	if len(beyond.got()) != 0 {
		t.Error("a redirect was followed")
	}
	h.set(func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "7200")
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	w.clock.move(time.Minute)
	w.until("an overload is a failure", fails(2, "status 503"))
	if left := time.Duration(w.queues()[0].NextNanos - w.backend.Now()); left < time.Hour || left > 2*time.Hour {
		t.Errorf("asked again in %s, and not in the two hours that were asked for", left)
	}
	h.set(func(w http.ResponseWriter) { w.WriteHeader(http.StatusGone) })
	w.clock.move(2 * time.Hour)
	w.until("what is refused for good is a dead letter", func() bool { return w.idle() && len(w.letters()) == 1 })
	h.set(nil)
	letter := w.letters()[0]
	if letter.Reason != "status 410" || letter.Target() == "" {
		t.Errorf("dead letter %+v", letter)
	}
	n, _, err := outbox.Retry(w.ctx(), w.service, store, outbox.Filter{IDs: []string{letter.ID}}, 100)
	if err != nil || n != 1 {
		t.Fatalf("%d put back: %v", n, err)
	}
	w.until("it is taken then", func() bool { return w.idle() && len(w.letters()) == 0 })
	got := h.got()
	for _, m := range got {
		if m.header.Get("webhook-id") != letter.ID || string(m.body) != string(got[0].body) {
			t.Errorf("an attempt has the id %q, want %q at each", m.header.Get("webhook-id"), letter.ID)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d attempts, want 4", len(got))
	}
}

// A webhook at a private address is not asked, whether a name or a number says it.
func TestWebhookAtPrivateAddress(t *testing.T) {
	w := newWorld(t)
	h := newHook(t)
	w.client = egress.New(egress.Options{})
	t.Cleanup(w.client.Close)
	w.webhook(h.URL, "")
	w.webhook(strings.Replace(h.URL, "127.0.0.1", "localhost", 1), "")
	w.member("ann")
	w.work(w.webhooks())
	w.end("ann", "portal", 1)
	w.until("both fail", func() bool {
		all := w.queues()
		return len(all) == 2 && all[0].Failures > 0 && all[1].Failures > 0
	})
	for _, q := range w.queues() {
		if !strings.Contains(q.Reason, "not public") || strings.Contains(q.Reason, "/hook") {
			t.Errorf("reason %q", q.Reason)
		}
	}
	if n := len(h.got()); n != 0 {
		t.Errorf("a private address was asked %d times", n)
	}
}

// What waits for a webhook that is deleted is dropped.
func TestDeletedWebhook(t *testing.T) {
	w := newWorld(t)
	h := newHook(t)
	h.set(func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) })
	made, _ := w.webhook(h.URL, "")
	w.member("ann")
	w.work(w.webhooks())
	w.end("ann", "portal", 1)
	w.until("it fails", func() bool { all := w.queues(); return len(all) == 1 && all[0].Failures > 0 })
	if _, err := w.service.DeleteWebhook(w.ctx(), store, made.ID); err != nil {
		t.Fatal(err)
	}
	w.clock.move(time.Hour)
	w.until("nothing waits", w.idle)
	if n := len(w.letters()); n != 0 {
		t.Errorf("%d dead letters of a webhook that was deleted", n)
	}
}
