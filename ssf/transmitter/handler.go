package transmitter

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/issuer"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/rate"
	"github.com/ostiary/ostiary/ssf"
)

// The paths under which a Handler answers: MetadataPrefix + store, and below /stores/<store>/ssf/.
const (
	MetadataPrefix = "/.well-known/ssf-configuration/stores/"

	storesPrefix = "/stores/"
	middle       = "/ssf/"
	pollPrefix   = "poll/"
)

const (
	maxBodyBytes      = 64 << 10
	maxPollBytes      = 1 << 20
	requestsPerSecond = 50 // of one receiver
)

// Options configures New. Identity, Backend and PublicURL must be set.
type Options struct {
	Identity *identity.Service
	Backend  outbox.Backend
	// PublicURL is the URL at which receivers reach this server, without a slash at its end. Where it is empty there
	// are no streams: nothing could be signed.
	PublicURL string
	// LongPoll is how long a poll waits for SETs. Zero means 20 s.
	LongPoll time.Duration
	// Now is the time in nanoseconds since 1970 UTC. Nil is the node's clock.
	Now    func() int64
	Logger *slog.Logger // nil discards
}

// Handler answers receivers.
type Handler struct {
	o Options
	minter
	polls chan struct{} // holds one for each poll that waits
	rates *rate.Limit
}

// New returns a Handler.
func New(o Options) *Handler {
	if o.LongPoll == 0 {
		o.LongPoll = longPoll
	}
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixNano() }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{o: o, minter: minter{o.Identity, o.PublicURL}, polls: make(chan struct{}, maxLongPolls), rates: rate.New(requestsPerSecond)}
}

// Takes reports whether a Handler answers at a path.
func Takes(path string) bool {
	if strings.HasPrefix(path, MetadataPrefix) {
		return true
	}
	_, _, ok := cutPath(path)
	return ok
}

// cutPath returns the store of a path and what is asked of its streams.
func cutPath(path string) (store, what string, ok bool) {
	rest, ok := strings.CutPrefix(path, storesPrefix)
	store, what, found := strings.Cut(rest, middle)
	return store, what, ok && found && store != "" && !strings.ContainsAny(store, "/%")
}

// answer is what a request gets. No body: none.
type answer struct {
	status int
	body   any
}

// refusal is the answer to a request that is refused.
type refusal struct {
	status      int
	Err         string `json:"err"`
	Description string `json:"description"`
}

func (r *refusal) Error() string { return r.Description }

func badRequest(description string) error {
	return &refusal{http.StatusBadRequest, "invalid_request", description}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if store, ok := strings.CutPrefix(r.URL.EscapedPath(), MetadataPrefix); ok {
		h.serveMetadata(w, r, store)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	a, err := h.serve(w, r)
	if err != nil {
		a = h.refuse(w, err)
	}
	write(w, r, a)
}

func write(w http.ResponseWriter, r *http.Request, a answer) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	body, err := json.Marshal(a.body)
	if err != nil {
		panic(err) // texts, numbers and booleans: they can be encoded
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the receiver has gone: nobody is left to be told
	}
}

// refuse returns the answer to a request that failed.
func (h *Handler) refuse(w http.ResponseWriter, err error) answer {
	var r *refusal
	var soon *identity.TooSoonError
	switch {
	case errors.As(err, &r):
	case errors.As(err, &soon):
		w.Header().Set("Retry-After", strconv.Itoa(int(soon.After/time.Second)+1))
		r = &refusal{http.StatusTooManyRequests, "invalid_request", soon.Error()}
	case errors.Is(err, identity.ErrUnauthenticated):
		w.Header().Set("WWW-Authenticate", `Bearer realm="ssf", scope="ssf.read ssf.manage"`)
		r = &refusal{http.StatusUnauthorized, "authentication_failed", "an access token is missing, or is none of a receiver of this store's streams"}
	case errors.Is(err, identity.ErrForbidden):
		r = &refusal{http.StatusForbidden, "access_denied", err.Error()}
	case errors.Is(err, ostiary.ErrNotFound):
		r = &refusal{http.StatusNotFound, "invalid_request", "there is no such stream"}
	case errors.Is(err, ostiary.ErrExists):
		r = &refusal{http.StatusConflict, "invalid_request", err.Error()}
	case errors.Is(err, ostiary.ErrTupleInvalid), errors.Is(err, ostiary.ErrTooBroad):
		r = &refusal{http.StatusBadRequest, "invalid_request", err.Error()}
	default:
		h.o.Logger.Warn("request of a receiver failed", "error", err)
		w.Header().Set("Retry-After", "1")
		r = &refusal{http.StatusServiceUnavailable, "invalid_request", "it cannot be done now: try again"}
	}
	return answer{r.status, r}
}

// serve answers a request that an access token allows.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (answer, error) {
	store, what, ok := cutPath(r.URL.EscapedPath())
	if !ok || h.o.PublicURL == "" {
		return answer{}, &refusal{http.StatusNotFound, "invalid_request", "there is nothing here"}
	}
	ctx := identity.WithRequestID(r.Context(), r.Header.Get("X-Request-Id"))
	ctx, caller, err := h.o.Identity.StreamCallerOf(ctx, store, r.Header.Get("Authorization"))
	if err != nil {
		return answer{}, err
	}
	if h.rates.Take(caller.Receiver.ID, 1, h.o.Now()) > 0 {
		w.Header().Set("Retry-After", "1")
		return answer{}, &refusal{http.StatusTooManyRequests, "invalid_request", "too many requests"}
	}
	stream, poll := strings.CutPrefix(what, pollPrefix)
	body, err := readBody(w, r, poll)
	if err != nil {
		return answer{}, err
	}
	asked := r.URL.Query().Get("stream_id")
	switch route := r.Method + " " + what; {
	case poll && r.Method == http.MethodPost:
		return h.servePoll(ctx, caller, store, stream, body)
	case route == "GET streams":
		return h.serveStreams(ctx, caller, asked)
	case route == "POST streams":
		return h.createStream(ctx, caller, body)
	case route == "PATCH streams", route == "PUT streams":
		return h.updateStream(ctx, caller, body, r.Method == http.MethodPut)
	case route == "DELETE streams":
		return h.deleteStream(ctx, caller, asked)
	case route == "GET status":
		return h.serveStatus(ctx, caller, asked)
	case route == "POST status":
		return h.setStatus(ctx, caller, body)
	case route == "POST verify":
		return h.verify(ctx, caller, body)
	case route == "POST subjects/add":
		return h.setSubject(ctx, caller, body, true)
	case route == "POST subjects/remove":
		return h.setSubject(ctx, caller, body, false)
	case poll:
		return answer{}, notAllowed(w, "POST")
	case methods[what] != "":
		return answer{}, notAllowed(w, methods[what])
	}
	return answer{}, &refusal{http.StatusNotFound, "invalid_request", "there is nothing here"}
}

// methods are those of each path.
var methods = map[string]string{
	"streams": "GET, POST, PATCH, PUT, DELETE", "status": "GET, POST", "verify": "POST", "subjects/add": "POST", "subjects/remove": "POST",
}

func notAllowed(w http.ResponseWriter, allow string) error {
	w.Header().Set("Allow", allow)
	return &refusal{http.StatusMethodNotAllowed, "invalid_request", "use " + allow}
}

// readBody returns the body of a request that has one.
func readBody(w http.ResponseWriter, r *http.Request, poll bool) ([]byte, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		return nil, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, &refusal{http.StatusUnsupportedMediaType, "invalid_request", "send application/json"}
	}
	limit := int64(maxBodyBytes)
	if poll {
		limit = maxPollBytes
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &refusal{http.StatusRequestEntityTooLarge, "invalid_request", "the body is too large"}
	case err != nil:
		return nil, badRequest("the body ends too early")
	}
	return body, nil
}

// serveMetadata tells how a store's streams are had (SSF 1.0, section 7.1).
func (h *Handler) serveMetadata(w http.ResponseWriter, r *http.Request, store string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		write(w, r, h.refuse(w, notAllowed(w, "GET, HEAD")))
		return
	}
	err := error(ostiary.ErrNotFound)
	if h.o.PublicURL != "" && store != "" && !strings.ContainsAny(store, "/%") {
		err = h.o.Identity.ReadStore(r.Context(), store, func(identity.View) error { return nil })
	}
	if errors.Is(err, ostiary.ErrNotFound) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		write(w, r, h.refuse(w, err))
		return
	}
	iss := issuer.Of(h.o.PublicURL, store)
	base := iss + middle
	w.Header().Set("Cache-Control", "public, max-age=3600")
	write(w, r, answer{http.StatusOK, struct {
		Version    string              `json:"spec_version"`
		Issuer     string              `json:"issuer"`
		Keys       string              `json:"jwks_uri"`
		Delivery   []string            `json:"delivery_methods_supported"`
		Streams    string              `json:"configuration_endpoint"`
		Status     string              `json:"status_endpoint"`
		Add        string              `json:"add_subject_endpoint"`
		Remove     string              `json:"remove_subject_endpoint"`
		Verify     string              `json:"verification_endpoint"`
		Critical   []string            `json:"critical_subject_members"`
		Schemes    []map[string]string `json:"authorization_schemes"`
		Subjects   string              `json:"default_subjects"`
		Algorithms []string            `json:"signing_alg_values_supported"`
	}{
		"1_0", iss, issuer.KeysURL(iss), []string{ssf.DeliveryPush, ssf.DeliveryPoll}, base + "streams", base + "status",
		base + "subjects/add", base + "subjects/remove", base + "verify", []string{},
		[]map[string]string{{"spec_urn": "urn:ietf:rfc:6749"}}, "ALL", algorithmNames(),
	}})
}
