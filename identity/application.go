package identity

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/url"
	"slices"

	"github.com/ostiary/ostiary"
)

// Application is who the Client of sessions names: where it is told that they end.
type Application struct {
	Store  string
	Client string // as it stands in sessions
	Name   string // for people
	// LogoutURI takes logout tokens (OpenID Connect back-channel logout). Empty: none are sent.
	// LogoutSessionRequired: it wants the id of the session in them.
	LogoutURI             string
	LogoutSessionRequired bool
	// RevocationURL takes back tokens (RFC 7009): those that sessions of the layers refresh_token, api_token and
	// pat stand for. Empty: it is not asked to. RevocationMethod is how to authenticate there, as
	// RevocationClient.
	RevocationURL    string
	RevocationMethod string // RevocationBasic, …
	RevocationClient string
	HasSecret        bool // set by what returns one
	CreatedNanos     int64
	Version          ostiary.Revision
}

// The ways to authenticate where tokens are taken back.
const (
	RevocationBasic = "client_secret_basic"
	RevocationPost  = "client_secret_post"
	RevocationNone  = "none"
)

// Bounds on those who listen.
const (
	MaxApplications = 1000 // of a store, or a few more where several are made at once

	maxListenerURL    = 1 << 11
	maxListenerSecret = 1 << 10
)

// ListenApplication is the kind of applications among those who listen (Listener).
const ListenApplication = "application"

type applicationBody struct {
	form
	Name                  string `json:"name"`
	LogoutURI             string `json:"logout_uri,omitempty"`
	LogoutSessionRequired bool   `json:"logout_session_required,omitempty"`
	RevocationURL         string `json:"revocation_url,omitempty"`
	RevocationMethod      string `json:"revocation_method,omitempty"`
	RevocationClient      string `json:"revocation_client,omitempty"`
	Secret                []byte `json:"secret,omitempty"` // sealed
	CreatedNanos          int64  `json:"created"`
}

func applicationsOf(store string) string { return "application/" + store }

func applicationKey(store, client string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: applicationsOf(store), Key: client}
}

// listenerKey seals what those who listen are authenticated with: each document has another key.
func (x *secrets) listenerKey(of ostiary.DocumentKey) []byte {
	mac := hmac.New(sha256.New, x.hash)
	fmt.Fprintf(mac, "listener\x00%s", of)
	return mac.Sum(nil)
}

func (x *secrets) sealListener(of ostiary.DocumentKey, text string) []byte {
	if text == "" {
		return nil
	}
	return seal(newAEAD(x.listenerKey(of)), of.String(), []byte(text))
}

func (x *secrets) openListener(of ostiary.DocumentKey, sealed []byte) (string, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	text, err := open(newAEAD(x.listenerKey(of)), of.String(), sealed)
	return string(text), err
}

// judgeListenerURL refuses what can be no address of somebody who listens. Whether it may be reached is judged
// by who calls, and again when it is.
func judgeListenerURL(what, text string) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxListenerURL:
		return invalid("the %s has %d bytes, and may have %d", what, len(text), maxListenerURL)
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return invalid("the %s is not an absolute URL of https", what) // what the error says repeats the text
	case u.Fragment != "" || u.User != nil:
		return invalid("the %s has a fragment or a user name", what)
	}
	return nil
}

func (a Application) judge(secret string) error {
	if !opaqueID.MatchString(a.Client) {
		return invalid("the client %.100q is not of the form %s", a.Client, opaqueID)
	}
	if err := judgeName("application", a.Name); err != nil {
		return err
	}
	if a.LogoutURI != "" {
		if err := judgeListenerURL("logout URI", a.LogoutURI); err != nil {
			return err
		}
	}
	if a.RevocationURL == "" {
		if a.RevocationMethod != "" || a.RevocationClient != "" || secret != "" {
			return invalid("the application has credentials for the revocation of tokens, and no URL for it")
		}
		return nil
	}
	if err := judgeListenerURL("URL for the revocation of tokens", a.RevocationURL); err != nil {
		return err
	}
	switch {
	case !slices.Contains([]string{RevocationBasic, RevocationPost, RevocationNone}, a.RevocationMethod):
		return invalid("revocation method %.100q is none of %s, %s, %s", a.RevocationMethod, RevocationBasic, RevocationPost, RevocationNone)
	case a.RevocationClient == "" || len(a.RevocationClient) > maxSessionText:
		return invalid("the revocation of tokens needs the client id that their issuer knows, of %d bytes at most", maxSessionText)
	case a.RevocationMethod == RevocationNone && secret != "":
		return invalid("revocation method %s has no secret", RevocationNone)
	case len(secret) > maxListenerSecret:
		return invalid("the secret has %d bytes, and may have %d", len(secret), maxListenerSecret)
	}
	return nil
}

// CreateApplication names an application by the client that sessions have. The secret is its own where its
// tokens are taken back, and shown to nobody. HasSecret, CreatedNanos and Version of a are set by it.
func (s *Service) CreateApplication(ctx context.Context, a Application, secret string) (Application, error) {
	return s.putApplication(ctx, a, secret, true)
}

// UpdateApplication replaces what is known of an application. Without a secret it keeps the one that it has, where
// URL, method and client are those that it is for.
func (s *Service) UpdateApplication(ctx context.Context, a Application, secret string) (Application, error) {
	return s.putApplication(ctx, a, secret, false)
}

func (s *Service) putApplication(ctx context.Context, a Application, secret string, create bool) (Application, error) {
	if a.RevocationURL != "" && a.RevocationMethod == "" {
		a.RevocationMethod = RevocationBasic
	}
	if a.RevocationURL != "" && a.RevocationClient == "" {
		a.RevocationClient = a.Client
	}
	if err := a.judge(secret); err != nil {
		return a, err
	}
	x, err := s.secret(ctx)
	if err != nil {
		return a, err
	}
	row := &audit{store: a.Store, resource: a.Client, action: "application.update"}
	if create {
		row.action = "application.create"
	}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := restOnStore(v, m, a.Store); err != nil {
			return err
		}
		old, d, there, err := readApplication(v, a.Store, a.Client)
		switch {
		case err != nil:
			return err
		case create && there:
			return fmt.Errorf("application %q: %w", a.Client, ostiary.ErrExists)
		case !create && !there:
			return notFound("application", a.Client)
		}
		body := applicationBody{
			form: form{bodyForm}, Name: a.Name, LogoutURI: a.LogoutURI, LogoutSessionRequired: a.LogoutSessionRequired,
			RevocationURL: a.RevocationURL, RevocationMethod: a.RevocationMethod, RevocationClient: a.RevocationClient,
			Secret: x.sealListener(d.Key, secret), CreatedNanos: old.CreatedNanos,
		}
		if create {
			body.CreatedNanos = m.TimeNanos
			n, err := v.CountDocuments(applicationsOf(a.Store))
			if err != nil {
				return err
			}
			if n >= MaxApplications {
				return fmt.Errorf("the store has %d applications, and may have %d: %w", n, MaxApplications, ostiary.ErrTooBroad)
			}
		}
		if secret == "" && a.RevocationURL != "" && a.RevocationMethod != RevocationNone {
			if old.RevocationURL != a.RevocationURL || old.RevocationMethod != a.RevocationMethod || old.RevocationClient != a.RevocationClient {
				return invalid("revocation method %s needs a secret, which is kept only where URL, method and client stay", a.RevocationMethod)
			}
			body.Secret = old.Secret
		}
		a.CreatedNanos, a.HasSecret = body.CreatedNanos, len(body.Secret) > 0
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, put(d.Key, body))
		setListener(m, Listener(a.Store, ListenApplication, a.Client), a.LogoutURI != "" || a.RevocationURL != "")
		return nil
	})
	a.Version = receipt.Revision
	return a, err
}

// readApplication returns the document of an application, of version 0 where there is none.
func readApplication(v View, store, client string) (body applicationBody, d ostiary.Document, there bool, err error) {
	if opaqueID.MatchString(client) {
		d, there, err = v.Document(applicationKey(store, client))
	}
	d.Key = applicationKey(store, client)
	if err == nil && there {
		body, err = decode[applicationBody](d)
	}
	return body, d, there, err
}

func (b applicationBody) application(store string, d ostiary.Document) Application {
	return Application{
		Store: store, Client: d.Key.Key, Name: b.Name, LogoutURI: b.LogoutURI, LogoutSessionRequired: b.LogoutSessionRequired,
		RevocationURL: b.RevocationURL, RevocationMethod: b.RevocationMethod, RevocationClient: b.RevocationClient,
		HasSecret: len(b.Secret) > 0, CreatedNanos: b.CreatedNanos, Version: d.Version,
	}
}

// ApplicationIn returns an application as a view shows it, and false where it is not there.
func ApplicationIn(v View, store, client string) (Application, bool, error) {
	b, d, there, err := readApplication(v, store, client)
	return b.application(store, d), there, err
}

// Application returns an application.
func (s *Service) Application(ctx context.Context, store, client string) (a Application, err error) {
	a, _, err = s.ApplicationSecret(ctx, store, client)
	return a, err
}

// ApplicationSecret returns an application and the secret by which its tokens are taken back.
func (s *Service) ApplicationSecret(ctx context.Context, store, client string) (a Application, secret string, err error) {
	x, err := s.secret(ctx)
	if err != nil {
		return a, "", err
	}
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		b, d, there, err := readApplication(v, store, client)
		if err != nil || !there {
			return orElse(err, notFound("application", client))
		}
		a = b.application(store, d)
		secret, err = x.openListener(d.Key, b.Secret)
		return err
	})
	return a, secret, err
}

// Applications returns up to limit applications of a store, by client, after one.
func (s *Service) Applications(ctx context.Context, store, after string, limit int) (all []Application, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		docs, err := v.Documents(applicationsOf(store), after, limit, false)
		if err != nil {
			return err
		}
		for _, d := range docs {
			b, err := decode[applicationBody](d)
			if err != nil {
				return err
			}
			all = append(all, b.application(store, d))
		}
		return nil
	})
	return all, err
}

// DeleteApplication forgets an application. What waits to be told to it is dropped.
func (s *Service) DeleteApplication(ctx context.Context, store, client string) (ostiary.Receipt, error) {
	row := &audit{store: store, resource: client, action: "application.delete"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		_, d, there, err := readApplication(v, store, client)
		if err != nil || !there {
			return orElse(err, notFound("application", client))
		}
		m.Documents = append(m.Documents, remove(d.Key))
		setListener(m, Listener(store, ListenApplication, client), false)
		return nil
	})
}
