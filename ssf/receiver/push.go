package receiver

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/route"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/rate"
	"github.com/ostiary/ostiary/ssf"
)

// Prefix begins the short paths to which SETs are pushed: Prefix + connection. The long ones are "/orgs/" +
// organization + "/connections/" + connection + "/signals".
const Prefix = "/signals/"

var paths = route.Connection{Prefix: Prefix, End: "signals"}

const (
	maxSETBytes    = 16 << 10
	maxHeaderBytes = 8 << 10 // of Authorization
	// setsPerSecond bounds the SETs of a connection. Who is told to wait sends them again.
	setsPerSecond = 200
)

// Takes reports whether a Handler answers at a path.
func Takes(path string) bool { return paths.Takes(path) }

// Handler takes SETs that are pushed.
type Handler struct {
	Options
	limit *rate.Limit
}

// New returns a Handler.
func New(o Options) *Handler { return &Handler{Options: o.filled(), limit: rate.New(setsPerSecond)} }

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
	status := http.StatusAccepted
	if err := h.serve(w, r, organization, connection); err != nil {
		status = h.refuse(w, err)
	} else {
		w.WriteHeader(status)
	}
	h.Logger.Debug("signal pushed", "status", status, "duration", time.Since(began))
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, organization, connection string) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != ssf.ContentType {
		return refuse(codeRequest, "send the SET as "+ssf.ContentType)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSETBytes))
	if err != nil {
		return refuse(codeRequest, "the SET ends too early, or has more than 16 KiB")
	}
	caller, err := h.callerOf(r, organization, connection)
	if err != nil {
		return err
	}
	ctx := identity.WithRequestID(r.Context(), r.Header.Get("X-Request-Id"))
	_, err = h.take(ctx, caller, byPush, strings.TrimSpace(string(body)), func(ssf.SET) error {
		if h.limit.Take(connection, 1, h.Now()) > 0 {
			return errBusy
		}
		return nil
	})
	return err
}

// callerOf returns whose SETs are sent to a connection, or nil where there is no such connection.
func (h *Handler) callerOf(r *http.Request, organization, connection string) (*identity.SignalCaller, error) {
	caller, err := h.Service.SignalSourceOf(r.Context(), connection)
	if errors.Is(err, identity.ErrUnauthenticated) || err == nil && organization != "" && caller.Connection().Organization != organization {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	shown := r.Header.Values("Authorization")
	header := ""
	if len(shown) == 1 && len(shown[0]) <= maxHeaderBytes {
		header = shown[0]
	}
	if err := caller.Authorize(r.Context(), header); err != nil {
		if errors.Is(err, identity.ErrUnauthenticated) {
			err = refusal{http.StatusUnauthorized, codeAuthentication, "the Authorization header is not the one that was set"}
		}
		return nil, err
	}
	return caller, nil
}

// errBusy is the error of a connection that sends too much at once.
var errBusy = errors.New("too many SETs at once")

// refuse answers a request that did nothing, and returns the status.
func (h *Handler) refuse(w http.ResponseWriter, err error) int {
	var known refusal
	switch {
	case errors.As(err, &known):
	case errors.Is(err, errBusy):
		known = refusal{http.StatusTooManyRequests, codeRequest, "the connection sends too many SETs at once: send it again"}
		w.Header().Set("Retry-After", "1")
	case errors.Is(err, identity.ErrSignalsOff):
		known = refusal{http.StatusForbidden, codeDenied, "an operator has turned signals off for this connection"}
	case errors.Is(err, identity.ErrUnauthenticated):
		known = refusal{http.StatusBadRequest, codeIssuer, "what the connection takes was changed: send the SET again"}
	case passing(err):
		known = refusal{http.StatusServiceUnavailable, codeRequest, "the server cannot answer now: send the same SET again"}
		retry := "1"
		if errors.Is(err, keyset.ErrUnreachable) || errors.Is(err, keyset.ErrNoKeyYet) {
			retry = "30"
		}
		w.Header().Set("Retry-After", retry)
	default:
		known = refusal{http.StatusInternalServerError, codeRequest, "internal error"}
		h.Logger.Error("signal not taken", "error", err)
	}
	body, _ := json.Marshal(known) // texts: it cannot fail
	if known.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Language", "en")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(known.status)
	_, _ = w.Write(body) // the transmitter has gone: nobody is left to be told
	return known.status
}
