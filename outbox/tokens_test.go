package outbox_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/outbox"
)

// revocations is the revocation endpoint of an issuer of tokens.
type revocations struct {
	*httptest.Server
	mu    sync.Mutex
	forms []url.Values
	users []string // user and password of each request
	// answer says what is answered; nil: 200.
	answer func(w http.ResponseWriter)
}

func newRevocations(t *testing.T) *revocations {
	t.Helper()
	s := &revocations{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("no form: %v", err)
		}
		user, password, _ := r.BasicAuth()
		s.mu.Lock()
		s.forms, s.users = append(s.forms, r.PostForm), append(s.users, user+":"+password)
		answer := s.answer
		s.mu.Unlock()
		if answer != nil {
			answer(w)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// tokens logs a person in by a token for each layer, and out.
func (w *world) tokens(user, client string, layers ...string) {
	w.t.Helper()
	for _, layer := range layers {
		if _, err := w.service.CreateSession(w.ctx(), store, identity.SessionInput{
			Organization: "acme", User: user, Client: client, AuthNanos: w.backend.Now(), Layer: layer,
			Issuer: "https://op.example", SID: "token-of-" + layer}); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := w.service.RevokeSessions(w.ctx(), store, user, "acme", "test"); err != nil {
		w.t.Fatal(err)
	}
}

// A session that is a token has it taken back by its issuer; a session of another layer has nothing told of its sid.
func TestTokens(t *testing.T) {
	for _, method := range []string{identity.RevocationBasic, identity.RevocationPost, identity.RevocationNone} {
		t.Run(method, func(t *testing.T) {
			w, s := newWorld(t), newRevocations(t)
			secret := map[bool]string{true: "hush: 100% & more"}[method != identity.RevocationNone]
			if _, err := w.service.CreateApplication(w.ctx(), identity.Application{
				Store: store, Client: "portal", Name: "Portal", RevocationURL: s.URL, RevocationMethod: method, RevocationClient: "a client",
			}, secret); err != nil {
				t.Fatal(err)
			}
			w.member("ann")
			w.tokens("ann", "portal", identity.LayerRefreshToken, identity.LayerAPIToken, identity.LayerPAT, identity.LayerApp, identity.LayerIDP)
			w.work(&outbox.Tokens{Identity: w.service, Client: w.client})
			w.until("all are taken back", w.idle)
			s.mu.Lock()
			defer s.mu.Unlock()
			var got []string
			for i, form := range s.forms {
				got = append(got, form.Get("token")+" "+form.Get("token_type_hint"))
				switch method {
				case identity.RevocationBasic:
					if want := url.QueryEscape("a client") + ":" + url.QueryEscape(secret); s.users[i] != want || form.Has("client_secret") {
						t.Errorf("authenticated by %q, want %q", s.users[i], want)
					}
				case identity.RevocationPost:
					if form.Get("client_id") != "a client" || form.Get("client_secret") != secret {
						t.Errorf("form %v", form)
					}
				case identity.RevocationNone:
					if form.Get("client_id") != "a client" || form.Has("client_secret") || s.users[i] != ":" {
						t.Errorf("form %v of %q", form, s.users[i])
					}
				}
			}
			slices.Sort(got)
			want := []string{"token-of-api_token access_token", "token-of-pat access_token", "token-of-refresh_token refresh_token"}
			if !slices.Equal(got, want) {
				t.Errorf("taken back: %q, want %q", got, want)
			}
		})
	}
}

// That credentials are refused is tried again; that the token cannot be taken back is not.
func TestTokenAnswers(t *testing.T) {
	w, s := newWorld(t), newRevocations(t)
	if _, err := w.service.CreateApplication(w.ctx(), identity.Application{
		Store: store, Client: "portal", Name: "Portal", RevocationURL: s.URL}, "hush"); err != nil {
		t.Fatal(err)
	}
	refuse := func(text string) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answer = func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, text) // fails only where nobody reads it
		}
	}
	refuse(`{"error": "invalid_client", "error_description": "hush is wrong"}`)
	w.member("ann")
	w.work(&outbox.Tokens{Identity: w.service, Client: w.client})
	w.tokens("ann", "portal", identity.LayerRefreshToken)
	w.until("it is tried again", func() bool {
		all := w.queues()
		return len(all) == 1 && all[0].Failures > 0 && all[0].Reason == "status 400, invalid_client"
	})
	refuse(`{"error": "unsupported_token_type"}`)
	w.clock.move(time.Minute)
	w.until("it is a dead letter", func() bool { return w.idle() && len(w.letters()) == 1 })
	if got := w.letters()[0].Reason; got != "status 400, unsupported_token_type" {
		t.Errorf("reason %q", got)
	}
}
