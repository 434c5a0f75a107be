package backchannel

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/route"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/rate"
)

// Prefix begins the short paths under which a Handler answers: Prefix + connection. The long ones are "/orgs/" +
// organization + "/connections/" + connection + "/backchannel-logout".
const Prefix = "/backchannel-logout/"

var paths = route.Connection{Prefix: Prefix, End: "backchannel-logout"}

const (
	maxBodyBytes = 24 << 10
	// logoutsPerSecond bounds the logout tokens of a connection. Who is told to wait sends them again.
	logoutsPerSecond = 200
)

// Options configures New. Service and Keys must be set.
type Options struct {
	Service *identity.Service
	Keys    *keyset.Cache
	// Now is the time in nanoseconds since 1970 UTC. Nil is the node's clock.
	Now      func() int64
	Observer Observer     // nil: nobody
	Logger   *slog.Logger // nil discards
}

// Observer is told of every request. It is called on the goroutine of the request, so it should be quick; it is
// safe for concurrent use.
type Observer interface {
	// LoggedOut tells of a request.
	LoggedOut(status int, took time.Duration)
}

// Handler takes logout tokens.
type Handler struct {
	o     Options
	limit *rate.Limit
}

// New returns a Handler.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixNano() }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{o: o, limit: rate.New(logoutsPerSecond)}
}

// Takes reports whether a Handler answers at a path.
func Takes(path string) bool { return paths.Takes(path) }

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	w.Header().Set("Cache-Control", "no-store")
	organization, connection, ok := paths.Parse(r.URL.EscapedPath())
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "use POST", http.StatusMethodNotAllowed)
		return
	}
	status := http.StatusOK
	if err := h.serve(w, r, organization, connection); err != nil {
		status = h.refuse(w, err)
	} else {
		w.WriteHeader(status)
	}
	if h.o.Observer != nil {
		h.o.Observer.LoggedOut(status, time.Since(began))
	}
	h.o.Logger.Debug("logout token", "status", status, "duration", time.Since(began))
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, organization, connection string) error {
	token, err := readToken(w, r)
	if err != nil {
		return err
	}
	c, o, err := h.o.Service.OIDCIssuerOf(r.Context(), connection)
	if errors.Is(err, identity.ErrUnauthenticated) || err == nil && organization != "" && c.Organization != organization {
		o, err = identity.OIDCIssuer{}, nil // answered as one of another provider
	}
	if err != nil {
		return err
	}
	q, err := h.verify(r.Context(), o, token)
	if err != nil {
		return err
	}
	if h.limit.Take(connection, 1, h.o.Now()) > 0 {
		return refusal{http.StatusTooManyRequests, "the provider sends too many logout tokens at once: send it again"}
	}
	_, err = h.o.Service.LogOut(identity.WithRequestID(r.Context(), r.Header.Get("X-Request-Id")), q)
	return err
}

// readToken returns the logout token of a request: the one value of the form's logout_token.
func readToken(w http.ResponseWriter, r *http.Request) (string, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "", malformed("send the logout token as a form: application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		return "", malformed("the body ends too early, or has more than 24 KiB")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || len(form["logout_token"]) != 1 {
		return "", malformed("the form is to have one logout_token")
	}
	return form.Get("logout_token"), nil
}

// refusal is an answer to a request that ended nothing.
type refusal struct {
	status      int
	description string // nothing of the request
}

func (r refusal) Error() string { return r.description }

func malformed(what string) error { return refusal{http.StatusBadRequest, what} }

// refuse answers a request that ended nothing, and returns the status.
func (h *Handler) refuse(w http.ResponseWriter, err error) int {
	answer := struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{Error: "invalid_request"}
	var known refusal
	switch {
	case errors.As(err, &known):
	case errors.Is(err, identity.ErrReplayed):
		known = refusal{http.StatusBadRequest, "the jti was used before by another logout token"}
	case errors.Is(err, identity.ErrUnauthenticated):
		known = refusal{http.StatusBadRequest, "what the connection takes was changed: send the logout token again"}
	case ostiary.MayPass(err), noKeys(err):
		answer.Error, known = "temporarily_unavailable", refusal{http.StatusServiceUnavailable, "the server cannot answer now: send the same logout token again"}
		retry := "1"
		if noKeys(err) {
			retry = "30"
		}
		w.Header().Set("Retry-After", retry)
	default:
		answer.Error, known = "server_error", refusal{http.StatusInternalServerError, "internal error"}
		h.o.Logger.Error("logout token not taken", "error", err)
	}
	if known.status == http.StatusTooManyRequests {
		answer.Error = "temporarily_unavailable"
		w.Header().Set("Retry-After", "1")
	}
	answer.Description = known.description
	body, _ := json.Marshal(answer) // texts: it cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(known.status)
	_, _ = w.Write(body) // the provider has gone: nobody is left to be told
	return known.status
}

// noKeys reports whether the provider's keys are to be asked for again before a logout token can be judged.
func noKeys(err error) bool {
	return errors.Is(err, keyset.ErrUnreachable) || errors.Is(err, keyset.ErrNoKeyYet)
}
