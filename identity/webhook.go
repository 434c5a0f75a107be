package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
)

// Webhook is an address that is told what happens in a store, or in one organization of it, in messages that its
// secret signs.
type Webhook struct {
	Store        string
	ID           string
	Organization string // empty: any
	Name         string // for people
	URL          string
	Events       []string // of EventTypes; empty: all
	// Secrets is how many sign: two while they rotate.
	Secrets      int
	CreatedNanos int64
	Version      ostiary.Revision
}

const (
	// MaxWebhooks bounds the webhooks of a store, or a few more where several are made at once.
	MaxWebhooks = 20

	webhookSecretPrefix = "whsec_"
	webhookSecretBytes  = 32
	kindWebhook         = "w"
)

// ListenWebhook is the kind of webhooks among those who listen (Listener).
const ListenWebhook = "webhook"

type webhookBody struct {
	form
	Organization string   `json:"organization,omitempty"`
	Name         string   `json:"name"`
	URL          string   `json:"url"`
	Events       []string `json:"events,omitempty"`
	Secrets      [][]byte `json:"secrets"` // sealed; the newest first
	CreatedNanos int64    `json:"created"`
}

func webhooksOf(store string) string { return "webhook/" + store }

func webhookKey(store, id string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: webhooksOf(store), Key: id}
}

func drawWebhookSecret() string {
	random := make([]byte, webhookSecretBytes)
	rand.Read(random) // never fails
	return webhookSecretPrefix + base64.StdEncoding.EncodeToString(random)
}

// WebhookKey returns the key of which a secret is the text.
func WebhookKey(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, webhookSecretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil {
		return nil, fmt.Errorf("the secret of a webhook is not %s and base64: %w", webhookSecretPrefix, ostiary.ErrCorrupt)
	}
	return key, nil
}

func (w *Webhook) judge() error {
	if err := judgeName("webhook", w.Name); err != nil {
		return err
	}
	w.Events = distinct(w.Events)
	for _, e := range w.Events {
		if !slices.Contains(EventTypes(), e) {
			return invalid("event %.100q is none of %s", e, strings.Join(EventTypes(), ", "))
		}
	}
	return judgeListenerURL("URL of the webhook", w.URL)
}

// CreateWebhook makes a webhook and returns its secret, which is shown this once. ID, Secrets, CreatedNanos and
// Version of w are set by it.
func (s *Service) CreateWebhook(ctx context.Context, w Webhook) (Webhook, string, error) {
	if err := w.judge(); err != nil {
		return w, "", err
	}
	x, err := s.secret(ctx)
	if err != nil {
		return w, "", err
	}
	secret := drawWebhookSecret()
	row := &audit{store: w.Store, organization: w.Organization, action: "webhook.create"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := restOnStore(v, m, w.Store); err != nil {
			return err
		}
		if err := w.restOnOrganization(v, m); err != nil {
			return err
		}
		n, err := v.CountDocuments(webhooksOf(w.Store))
		if err != nil {
			return err
		}
		if n >= MaxWebhooks {
			return fmt.Errorf("the store has %d webhooks, and may have %d: %w", n, MaxWebhooks, ostiary.ErrTooBroad)
		}
		if w.ID, err = newID(kindWebhook, m.TimeNanos); err != nil {
			return err
		}
		key := webhookKey(w.Store, w.ID)
		row.resource, w.CreatedNanos, w.Secrets = w.ID, m.TimeNanos, 1
		m.Preconditions = append(m.Preconditions, absent(key))
		m.Documents = append(m.Documents, put(key, webhookBody{
			form{bodyForm}, w.Organization, w.Name, w.URL, w.Events, [][]byte{x.sealListener(key, secret)}, w.CreatedNanos}))
		setListener(m, Listener(w.Store, ListenWebhook, w.ID), true)
		return nil
	})
	w.Version = receipt.Revision
	return w, secret, err
}

// restOnOrganization demands that the organization exist to which a webhook is narrowed.
func (w *Webhook) restOnOrganization(v View, m *ostiary.Mutation) error {
	if w.Organization == "" {
		return nil
	}
	_, d, err := readOrganization(v, w.Store, w.Organization)
	m.Preconditions = append(m.Preconditions, at(d))
	return err
}

// UpdateWebhook replaces name, URL, organization and events of a webhook. Its secrets stay.
func (s *Service) UpdateWebhook(ctx context.Context, w Webhook) (Webhook, error) {
	if err := w.judge(); err != nil {
		return w, err
	}
	row := &audit{store: w.Store, organization: w.Organization, resource: w.ID, action: "webhook.update"}
	receipt, err := s.changeWebhook(about(ctx, row), w.Store, w.ID, func(v View, m *ostiary.Mutation, b *webhookBody) error {
		b.Organization, b.Name, b.URL, b.Events = w.Organization, w.Name, w.URL, w.Events
		w.CreatedNanos, w.Secrets = b.CreatedNanos, len(b.Secrets)
		return w.restOnOrganization(v, m)
	})
	w.Version = receipt.Revision
	return w, err
}

// RotateWebhookSecret gives a webhook a new secret, which is shown this once. Messages are signed with it and
// with the one before, until EndWebhookRotation.
func (s *Service) RotateWebhookSecret(ctx context.Context, store, id string) (string, ostiary.Receipt, error) {
	x, err := s.secret(ctx)
	if err != nil {
		return "", ostiary.Receipt{}, err
	}
	secret := drawWebhookSecret()
	row := &audit{store: store, resource: id, action: "webhook.rotate"}
	receipt, err := s.changeWebhook(about(ctx, row), store, id, func(_ View, _ *ostiary.Mutation, b *webhookBody) error {
		if len(b.Secrets) > 1 {
			return fmt.Errorf("webhook %s has two secrets: end the rotation first: %w", id, ostiary.ErrExists)
		}
		b.Secrets = [][]byte{x.sealListener(webhookKey(store, id), secret), b.Secrets[0]}
		return nil
	})
	return secret, receipt, err
}

// EndWebhookRotation takes the older one of two secrets away. Where there is one, nothing changes.
func (s *Service) EndWebhookRotation(ctx context.Context, store, id string) (ostiary.Receipt, error) {
	row := &audit{store: store, resource: id, action: "webhook.rotate-end"}
	return s.changeWebhook(about(ctx, row), store, id, func(_ View, _ *ostiary.Mutation, b *webhookBody) error {
		b.Secrets = b.Secrets[:1]
		return nil
	})
}

func (s *Service) changeWebhook(
	ctx context.Context, store, id string, f func(v View, m *ostiary.Mutation, b *webhookBody) error,
) (ostiary.Receipt, error) {
	return s.change(ctx, func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		b, d, there, err := readWebhook(v, store, id)
		if err != nil || !there {
			return orElse(err, notFound("webhook", id))
		}
		if err := f(v, m, &b); err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, put(d.Key, b))
		return nil
	})
}

// DeleteWebhook forgets a webhook. What waits to be told to it is dropped.
func (s *Service) DeleteWebhook(ctx context.Context, store, id string) (ostiary.Receipt, error) {
	row := &audit{store: store, resource: id, action: "webhook.delete"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		_, d, there, err := readWebhook(v, store, id)
		if err != nil || !there {
			return orElse(err, notFound("webhook", id))
		}
		m.Documents = append(m.Documents, remove(d.Key))
		setListener(m, Listener(store, ListenWebhook, id), false)
		return nil
	})
}

func readWebhook(v View, store, id string) (body webhookBody, d ostiary.Document, there bool, err error) {
	if hasKind(id, kindWebhook) {
		d, there, err = v.Document(webhookKey(store, id))
	}
	d.Key = webhookKey(store, id)
	if err == nil && there {
		body, err = decode[webhookBody](d)
	}
	if err == nil && there && len(body.Secrets) == 0 {
		err = fmt.Errorf("decode document %q: it has no secret: %w", d.Key, ostiary.ErrCorrupt)
	}
	return body, d, there, err
}

func (b webhookBody) webhook(store string, d ostiary.Document) Webhook {
	return Webhook{
		Store: store, ID: d.Key.Key, Organization: b.Organization, Name: b.Name, URL: b.URL, Events: b.Events,
		Secrets: len(b.Secrets), CreatedNanos: b.CreatedNanos, Version: d.Version,
	}
}

// WebhooksIn returns the webhooks of a store as a view shows them, by id.
func WebhooksIn(ctx context.Context, v View, store string) (all []Webhook, err error) {
	for d, err := range ostiary.EachDocument(ctx, v, webhooksOf(store), "") {
		if err != nil {
			return nil, err
		}
		b, err := decode[webhookBody](d)
		if err != nil {
			return nil, err
		}
		all = append(all, b.webhook(store, d))
	}
	return all, nil
}

// Webhooks returns the webhooks of a store, by id.
func (s *Service) Webhooks(ctx context.Context, store string) (all []Webhook, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		all, err = WebhooksIn(ctx, v, store)
		return err
	})
	return all, err
}

// Webhook returns a webhook.
func (s *Service) Webhook(ctx context.Context, store, id string) (Webhook, error) {
	w, _, err := s.WebhookSecrets(ctx, store, id)
	return w, err
}

// WebhookSecrets returns a webhook and the secrets that sign its messages, the newest first.
func (s *Service) WebhookSecrets(ctx context.Context, store, id string) (w Webhook, secrets []string, err error) {
	x, err := s.secret(ctx)
	if err != nil {
		return w, nil, err
	}
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		b, d, there, err := readWebhook(v, store, id)
		if err != nil || !there {
			return orElse(err, notFound("webhook", id))
		}
		w = b.webhook(store, d)
		for _, sealed := range b.Secrets {
			secret, err := x.openListener(d.Key, sealed)
			if err != nil {
				return err
			}
			secrets = append(secrets, secret)
		}
		return nil
	})
	return w, secrets, err
}
