package outbox_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/issuer"
	"github.com/ostiary/ostiary/outbox"
)

// relyingParty is an application that takes logout tokens as go-oidc judges them, of a server whose keys it fetches.
type relyingParty struct {
	*httptest.Server
	t      *testing.T
	issuer string

	mu     sync.Mutex
	status []int // of the next answers; then 200
	tokens []*oidc.LogoutToken
}

func newRelyingParty(t *testing.T, issuerURL string) *relyingParty {
	t.Helper()
	p := &relyingParty{t: t, issuer: issuerURL}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *relyingParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Header.Get("Authorization") != "" {
		p.t.Errorf("got %s with %v", r.Method, r.Header)
	}
	provider, err := oidc.NewProvider(r.Context(), p.issuer)
	if err != nil {
		p.t.Error(err)
		return
	}
	if len(r.URL.Query()) > 0 {
		p.t.Errorf("the token stands in the URL: %s", r.URL)
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: "portal"}).VerifyLogout(r.Context(), r.PostFormValue("logout_token"))
	if err != nil {
		p.t.Error(err)
		http.Error(w, "refused", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens = append(p.tokens, token)
	if len(p.status) > 0 {
		w.WriteHeader(p.status[0])
		p.status = p.status[1:]
	}
}

func (p *relyingParty) got() []*oidc.LogoutToken {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tokens)
}

// logouts returns the kind, and the issuer of the store behind a server that publishes its keys.
func (w *world) logouts() (kind *outbox.Logouts, issuerURL string) {
	w.t.Helper()
	var h *issuer.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { h.ServeHTTP(rw, r) }))
	w.t.Cleanup(server.Close)
	h = issuer.New(issuer.Options{Keys: w.service, PublicURL: server.URL})
	return &outbox.Logouts{Identity: w.service, Client: w.client, PublicURL: server.URL, Now: func() int64 { return time.Now().UnixNano() }}, issuer.Of(server.URL, store)
}

// An application is told of each session of its that ends, and tried again with the same jti until it takes it.
func TestLogouts(t *testing.T) {
	w := newWorld(t)
	kind, issuerURL := w.logouts()
	portal := newRelyingParty(t, issuerURL)
	portal.status = []int{http.StatusServiceUnavailable, http.StatusNoContent}
	for client, uri := range map[string]string{"portal": portal.URL + "/logout", "silent": ""} {
		if _, err := w.service.CreateApplication(w.ctx(), identity.Application{Store: store, Client: client, Name: client, LogoutURI: uri}, ""); err != nil {
			t.Fatal(err)
		}
	}
	w.member("ann")
	w.member("bob")
	w.work(kind)
	ended := w.end("ann", "portal", 2)
	w.end("bob", "silent", 1)
	w.end("bob", "unknown", 1)
	w.until("the application was asked", func() bool { return len(portal.got()) > 0 })
	w.until("all was taken", func() bool {
		w.clock.move(time.Minute) // past the pause after the failure
		time.Sleep(5 * time.Millisecond)
		return w.idle()
	})
	ids, sessions := map[string]string{}, map[string]int{}
	for _, token := range portal.got() {
		if token.Subject != "ann" || token.Issuer != issuerURL || token.Expiry.Sub(token.IssuedAt) != 2*time.Minute {
			t.Errorf("got %+v", token)
		}
		if id := ids[token.SessionID]; id != "" && id != token.TokenID {
			t.Errorf("session %s was told by %s and %s", token.SessionID, id, token.TokenID)
		}
		ids[token.SessionID] = token.TokenID
		sessions[token.SessionID]++
	}
	slices.Sort(ended)
	if !slices.Equal(keys(sessions), ended) || len(portal.got()) != 3 {
		t.Errorf("got %v of %v", sessions, ended)
	}
	if letters := w.letters(); len(letters) != 0 {
		t.Errorf("dead letters: %+v", letters)
	}
}

// An application that refuses a logout token for good is not asked again, and one without a logout URI any more is
// forgotten.
func TestLogoutsRefused(t *testing.T) {
	w := newWorld(t)
	kind, issuerURL := w.logouts()
	portal := newRelyingParty(t, issuerURL)
	portal.status = []int{http.StatusBadRequest}
	a := identity.Application{Store: store, Client: "portal", Name: "Portal", LogoutURI: portal.URL}
	if _, err := w.service.CreateApplication(w.ctx(), a, ""); err != nil {
		t.Fatal(err)
	}
	w.member("ann")
	w.work(kind)
	ended := w.end("ann", "portal", 1)
	w.until("there is a dead letter", func() bool { return len(w.letters()) == 1 })
	if l := w.letters()[0]; l.Session != ended[0] || l.Kind != outbox.KindLogout || l.To != "portal" || l.Reason != "status 400" {
		t.Errorf("got %+v", l)
	}
	portal.mu.Lock()
	portal.status = []int{http.StatusServiceUnavailable}
	portal.mu.Unlock()
	w.end("ann", "portal", 1)
	w.until("it was asked and failed", func() bool { return len(w.queues()) == 1 && w.queues()[0].Failures == 1 })
	a.LogoutURI = ""
	if _, err := w.service.UpdateApplication(w.ctx(), a, ""); err != nil {
		t.Fatal(err)
	}
	w.clock.move(time.Hour)
	w.until("it is forgotten", w.idle)
	if n := len(portal.got()); n != 2 {
		t.Errorf("the application was asked %d times", n)
	}
}

// A server that does not know its own URL signs nothing; logouts wait and say why.
func TestLogoutsWithoutURL(t *testing.T) {
	w := newWorld(t)
	kind, _ := w.logouts()
	kind.PublicURL = ""
	w.application("portal")
	w.member("ann")
	w.work(kind)
	w.end("ann", "portal", 1)
	w.until("it is said why", func() bool {
		q := w.queues()
		return len(q) == 1 && strings.Contains(q[0].Reason, "--public-url")
	})
}
