package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
)

// KindToken is the kind of requests that take tokens back.
const KindToken = "token"

// Tokens asks the issuers of tokens to take back those that sessions stand for, by RFC 7009: the sid of such a
// session is the token.
type Tokens struct {
	Identity *identity.Service
	Client   *egress.Client
}

// Name returns KindToken.
func (t *Tokens) Name() string { return KindToken }

// tokenPayload is what is kept of a token: sealed, as the session's document had it.
type tokenPayload struct {
	Layer  string `json:"layer"`
	Sealed []byte `json:"sid"`
}

// Route returns a request for each session that is a token, and whose application has an endpoint for it.
func (t *Tokens) Route(_ context.Context, v identity.View, e identity.Event) (all []Delivery, err error) {
	wants := map[string]bool{} // by client
	for _, s := range e.Sessions {
		if s.Client == "" || len(s.Sealed) == 0 {
			continue
		}
		if _, known := wants[s.Client]; !known {
			a, there, err := identity.ApplicationIn(v, e.Store, s.Client)
			if err != nil {
				return nil, err
			}
			wants[s.Client] = there && a.RevocationURL != ""
		}
		if !wants[s.Client] {
			continue
		}
		payload, err := json.Marshal(tokenPayload{s.Layer, s.Sealed})
		if err != nil {
			return nil, err
		}
		all = append(all, Delivery{To: s.Client, User: e.User, Session: s.ID, Payload: payload})
	}
	return all, nil
}

// Send asks for one token. An issuer that does not know it (any more) has taken it back already, and answers 200.
func (t *Tokens) Send(ctx context.Context, d Delivery) error {
	a, secret, err := t.Identity.ApplicationSecret(ctx, d.Store, d.To)
	if errors.Is(err, ostiary.ErrNotFound) || err == nil && a.RevocationURL == "" {
		return ErrNoTarget
	}
	if err != nil {
		return err
	}
	var p tokenPayload
	if err := json.Unmarshal(d.Payload, &p); err != nil {
		return &Refusal{Reason: "what is kept of the token cannot be read", Permanent: true}
	}
	token, err := t.Identity.OpenSID(ctx, d.Store, identity.EndedSession{ID: d.Session, Sealed: p.Sealed})
	if errors.Is(err, ostiary.ErrCorrupt) {
		return &Refusal{Reason: "the token cannot be opened", Permanent: true}
	}
	if err != nil {
		return err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	if p.Layer == identity.LayerRefreshToken {
		form.Set("token_type_hint", "refresh_token")
	}
	if a.RevocationMethod != identity.RevocationBasic {
		form.Set("client_id", a.RevocationClient)
	}
	if a.RevocationMethod == identity.RevocationPost {
		form.Set("client_secret", secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, a.RevocationURL, strings.NewReader(form.Encode()))
	if err != nil {
		return &Refusal{Reason: "the revocation endpoint cannot be read", Permanent: true}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "ostiary")
	if a.RevocationMethod == identity.RevocationBasic {
		r.SetBasicAuth(url.QueryEscape(a.RevocationClient), url.QueryEscape(secret)) // RFC 6749, section 2.3.1
	}
	resp, err := t.Client.Do(r)
	if err != nil {
		return err
	}
	return judgeTokenAnswer(resp)
}

// oauthErrors are those of RFC 6749 and RFC 7009; the others are not repeated.
var oauthErrors = map[string]bool{
	"invalid_request": true, "invalid_client": false, "unauthorized_client": false, "unsupported_token_type": true,
	"invalid_grant": true, "unsupported_grant_type": true,
}

// judgeTokenAnswer is Judge for what issuers answer: that the credentials are refused is for an operator to mend,
// and tried again.
func judgeTokenAnswer(r egress.Response) error {
	err := Judge(r)
	var refusal *Refusal
	if !errors.As(err, &refusal) || r.Status != http.StatusBadRequest {
		return err
	}
	var body struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(r.Body, &body) != nil {
		return err
	}
	if permanent, known := oauthErrors[body.Error]; known {
		return &Refusal{Reason: fmt.Sprintf("status %d, %s", r.Status, body.Error), Permanent: permanent}
	}
	return err
}
