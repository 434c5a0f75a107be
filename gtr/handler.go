package gtr

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/internal/route"
	"github.com/ostiary/ostiary/keyset"
)

// The paths under which a Handler answers: Prefix + connection, and LongPrefix + organization + "/connections/" +
// connection + "/global-token-revocation".
const (
	Prefix     = "/gtr/"
	LongPrefix = route.LongPrefix
)

var paths = route.Connection{Prefix: Prefix, End: "global-token-revocation"}

const (
	maxBodyBytes   = 8 << 10
	maxHeaderBytes = 16 << 10 // of Authorization
)

// Options configures New. Service and Keys must be set.
type Options struct {
	Service *identity.Service
	Keys    *keyset.Cache
	// PublicURL is the URL at which providers reach this server, without a slash at its end. Without it no JWT is
	// taken: it would name no server.
	PublicURL string
	// Cluster names the cluster, whose consistency tokens no other takes. Nil: one without a name.
	Cluster func() ostiary.ClusterID
	// Now is the time in nanoseconds since 1970 UTC. Nil is the node's clock.
	Now      func() int64
	Observer Observer     // nil: nobody
	Logger   *slog.Logger // nil discards
}

// Observer is told of every request. It is called on the goroutine of the request, so it should be quick; it is
// safe for concurrent use.
type Observer interface {
	// Answered tells of a request.
	Answered(status int, took time.Duration)
	// Alarmed tells that a connection has logged out more people within a minute than AlarmPeople, once a minute.
	Alarmed()
}

// Handler answers requests to log people out.
type Handler struct {
	o      Options
	alarms alarms
}

// New returns a Handler.
func New(o Options) *Handler {
	if o.Cluster == nil {
		o.Cluster = func() ostiary.ClusterID { return ostiary.ClusterID{} }
	}
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixNano() }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{o: o}
}

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
	status := http.StatusNoContent
	done, err := h.serve(w, r, organization, connection)
	if done.Receipt.Revision != 0 && err == nil {
		w.Header().Set("Ostiary-Revision", strconv.FormatUint(uint64(done.Receipt.Revision), 10))
		w.Header().Set("Ostiary-Token", string(ostiary.NewToken(h.o.Cluster(), done.Receipt.Revision)))
	}
	if err != nil {
		status = h.refuse(w, err)
	} else {
		w.WriteHeader(status)
	}
	if h.o.Observer != nil {
		h.o.Observer.Answered(status, time.Since(began))
	}
	h.o.Logger.Debug("revocation request", "status", status, "duration", time.Since(began))
}

// serve answers a request: first who asks, then what for.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, organization, connection string) (identity.Revoked, error) {
	// A body of another type, or too large, says nothing of whoever is asked about.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return identity.Revoked{}, refusal{http.StatusUnsupportedMediaType, codeRequest, "send the body as application/json"}
	}
	body, err := readBody(w, r)
	if err != nil {
		return identity.Revoked{}, err
	}
	caller, once, err := h.authenticate(r, organization, connection)
	if err != nil {
		return identity.Revoked{}, err
	}
	if err := caller.Allow(); err != nil {
		return identity.Revoked{}, err
	}
	subject, err := parseBody(body)
	if err != nil {
		return identity.Revoked{}, err
	}
	ctx := identity.WithRequestID(r.Context(), r.Header.Get("X-Request-Id"))
	done, err := caller.Revoke(ctx, identity.RevocationRequest{Subject: subject, Once: once, Body: canonical(body)})
	if n := len(done.People); n > 0 && !done.Receipt.Repeated && h.alarms.count(connection, n, h.o.Now()) {
		h.o.Logger.Warn("many people are being logged out", "connection", connection, "more_than", AlarmPeople, "within", "1m")
		if h.o.Observer != nil {
			h.o.Observer.Alarmed()
		}
	}
	return done, err
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, refusal{http.StatusRequestEntityTooLarge, codeRequest, "the body has more than 8 KiB"}
	}
	if err != nil {
		return nil, refusal{http.StatusBadRequest, codeRequest, "the body ends too early"}
	}
	return body, nil
}

// canonical is the body without what means nothing: the same request may be written anew when it is repeated.
func canonical(body []byte) []byte {
	var compact bytes.Buffer
	if json.Compact(&compact, body) != nil {
		return body
	}
	return compact.Bytes()
}

// refusal is an answer to a request that ended nothing.
type refusal struct {
	status      int
	Code        string `json:"error"`
	Description string `json:"error_description"` // ASCII without quotes and backslashes, and nothing of the request
}

func (r refusal) Error() string { return r.Code + ": " + r.Description }

// The codes of refusals.
const (
	codeRequest     = "invalid_request"
	codeToken       = "invalid_token"
	codeScope       = "insufficient_scope"
	codeOff         = "access_denied"
	codeUnknown     = "not_found"
	codeProtected   = "unprocessable"
	codeUnavailable = "temporarily_unavailable"
)

// strangers is the refusal of who does not show that it may ask. It does not say why.
var strangers = refusal{http.StatusUnauthorized, codeToken, "the request shows no JWT or token that this connection takes"}

// refuse answers a request that ended nothing, and returns the status.
func (h *Handler) refuse(w http.ResponseWriter, err error) int {
	answer := refusalOf(err)
	switch answer.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		w.Header().Set("WWW-Authenticate", `Bearer error="`+answer.Code+`"`)
	case http.StatusServiceUnavailable:
		retry := "1"
		if errors.Is(err, keyset.ErrUnreachable) {
			retry = "30"
		}
		w.Header().Set("Retry-After", retry)
	case http.StatusInternalServerError:
		h.o.Logger.Error("revocation failed", "error", err)
	}
	body, _ := json.Marshal(answer) // texts: it cannot fail
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(answer.status)
	_, _ = w.Write(body) // the provider has gone: nobody is left to be told
	return answer.status
}

// refusalOf maps every error to an answer.
func refusalOf(err error) refusal {
	var known refusal
	if errors.As(err, &known) {
		return known
	}
	for _, a := range []struct {
		sentinel error
		answer   refusal
	}{
		{identity.ErrUnauthenticated, strangers},
		{identity.ErrReplayed, refusal{http.StatusUnauthorized, codeToken, "the JWT was shown before with another body: sign another one, with a jti of its own"}},
		{identity.ErrForbidden, refusal{http.StatusForbidden, codeScope, "the token does not have the scope gtr"}},
		{identity.ErrRevocationOff, refusal{http.StatusForbidden, codeOff, "an operator has turned revocations off for this connection"}},
		{identity.ErrProtected, refusal{http.StatusUnprocessableEntity, codeProtected, "a person whom the subject names is protected from revocations"}},
		{ostiary.ErrNotFound, refusal{http.StatusNotFound, codeUnknown, "the subject names nobody whom this connection reaches"}},
		{keyset.ErrUnreachable, refusal{http.StatusServiceUnavailable, codeUnavailable, "the keys of the identity provider cannot be fetched now"}},
	} {
		if errors.Is(err, a.sentinel) {
			return a.answer
		}
	}
	if ostiary.MayPass(err) {
		return refusal{http.StatusServiceUnavailable, codeUnavailable, "the server cannot answer now: send the same request again"}
	}
	return refusal{http.StatusInternalServerError, "server_error", "internal error"}
}
