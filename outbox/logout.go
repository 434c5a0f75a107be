package outbox

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/issuer"
	"github.com/ostiary/ostiary/jws"
)

// KindLogout is the kind of logout tokens to applications.
const KindLogout = "logout"

// Logouts tells applications of sessions that have ended, by OpenID Connect Back-Channel Logout 1.0: one logout
// token for each session.
type Logouts struct {
	Identity *identity.Service
	Client   *egress.Client
	// PublicURL is the URL at which applications reach this server, without a slash at its end. Without it
	// nothing can be signed, and logouts wait.
	PublicURL string
	// Now is the time in nanoseconds, by which each attempt has a token of its own.
	Now func() int64
}

// Name returns KindLogout.
func (l *Logouts) Name() string { return KindLogout }

// Route returns a logout for each session whose application has a logout URI.
func (l *Logouts) Route(_ context.Context, v identity.View, e identity.Event) (all []Delivery, err error) {
	if e.Type != identity.EventSessionsEnded {
		return nil, nil
	}
	wants := map[string]bool{} // by client
	for _, s := range e.Sessions {
		if s.Client == "" {
			continue
		}
		if _, known := wants[s.Client]; !known {
			a, there, err := identity.ApplicationIn(v, e.Store, s.Client)
			if err != nil {
				return nil, err
			}
			wants[s.Client] = there && a.LogoutURI != ""
		}
		if wants[s.Client] {
			all = append(all, Delivery{To: s.Client, User: e.User, Session: s.ID})
		}
	}
	return all, nil
}

// Send posts a logout token, whose id (jti) is that of the delivery. An answer of 200 or 204 takes it; 400 says that
// the application refuses it for good (section 2.8).
func (l *Logouts) Send(ctx context.Context, d Delivery) error {
	a, err := l.Identity.Application(ctx, d.Store, d.To)
	if errors.Is(err, ostiary.ErrNotFound) || err == nil && a.LogoutURI == "" {
		return ErrNoTarget
	}
	if err != nil {
		return err
	}
	token, err := issuer.Logout{ID: d.ID, Audience: a.Client, User: d.User, Session: d.Session}.Token(
		ctx, l.Identity, l.PublicURL, d.Store, jws.RS256, l.Now())
	if err != nil {
		return err
	}
	body := url.Values{"logout_token": {token}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.LogoutURI, strings.NewReader(body))
	if err != nil {
		return &Refusal{Reason: "the logout URI cannot be read", Permanent: true}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Cache-Control", "no-store")
	r.Header.Set("User-Agent", "ostiary")
	resp, err := l.Client.Do(r)
	if err != nil {
		return err
	}
	return Judge(resp)
}
