package outbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
)

// KindWebhook is the kind of messages to webhooks.
const KindWebhook = "webhook"

// Webhooks tells webhooks, in messages signed as Standard Webhooks has it.
type Webhooks struct {
	Identity *identity.Service
	Client   *egress.Client
	// Cluster is whose consistency tokens messages hold.
	Cluster func() ostiary.ClusterID
	// Now is the time in nanoseconds, for the timestamp of an attempt.
	Now func() int64
}

// Name returns KindWebhook.
func (w *Webhooks) Name() string { return KindWebhook }

// message is the body of a webhook: docs/outbox.md says what stands in it.
type message struct {
	Type      string      `json:"type"`
	Timestamp string      `json:"timestamp"`
	Data      messageData `json:"data"`
}

type messageData struct {
	EventID      string   `json:"event_id"`
	StoreID      string   `json:"store_id"`
	Organization string   `json:"organization_id,omitempty"`
	User         string   `json:"user_id"`
	Sessions     []string `json:"session_ids,omitempty"`
	Reason       string   `json:"reason"`
	Revision     uint64   `json:"revision"`
	Token        string   `json:"consistency_token"`
}

// Route returns a message for each webhook that wants the event.
func (w *Webhooks) Route(ctx context.Context, v identity.View, e identity.Event) ([]Delivery, error) {
	hooks, err := identity.WebhooksIn(ctx, v, e.Store)
	if err != nil {
		return nil, err
	}
	var all []Delivery
	for _, hook := range hooks {
		if hook.Organization != "" && hook.Organization != e.Organization || len(hook.Events) > 0 && !slices.Contains(hook.Events, e.Type) {
			continue
		}
		all = append(all, Delivery{To: hook.ID, User: e.User, Payload: w.message(e)})
	}
	return all, nil
}

func (w *Webhooks) message(e identity.Event) []byte {
	m := message{
		Type: e.Type, Timestamp: time.Unix(0, e.TimeNanos).UTC().Format(time.RFC3339Nano),
		Data: messageData{
			EventID: e.ID, StoreID: e.Store, Organization: e.Organization, User: e.User, Reason: e.Reason,
			Revision: uint64(e.Revision), Token: string(ostiary.NewToken(w.Cluster(), e.Revision)),
		},
	}
	for _, s := range e.Sessions {
		m.Data.Sessions = append(m.Data.Sessions, s.ID)
	}
	body, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", m, err)) // it can be encoded
	}
	return body
}

// Send posts a message.
func (w *Webhooks) Send(ctx context.Context, d Delivery) error {
	hook, secrets, err := w.Identity.WebhookSecrets(ctx, d.Store, d.To)
	if errors.Is(err, ostiary.ErrNotFound) {
		return ErrNoTarget
	}
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(d.Payload))
	if err != nil {
		return &Refusal{Reason: "the URL cannot be read", Permanent: true}
	}
	timestamp := strconv.FormatInt(w.Now()/int64(time.Second), 10)
	signatures, err := sign(secrets, d.ID, timestamp, d.Payload)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "ostiary")
	r.Header.Set("webhook-id", d.ID)
	r.Header.Set("webhook-timestamp", timestamp)
	r.Header.Set("webhook-signature", signatures)
	resp, err := w.Client.Do(r)
	if err != nil {
		return err
	}
	return Judge(resp)
}

// sign returns the signatures of a message, one by each secret.
func sign(secrets []string, id, timestamp string, body []byte) (string, error) {
	var all []string
	for _, secret := range secrets {
		key, err := identity.WebhookKey(secret)
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " "), nil
}
