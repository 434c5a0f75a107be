package oauth

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/keyset"
	"github.com/ostiary/ostiary/rate"
)

// The paths under which a Handler answers. Issuers with a path of their own append it to MetadataPath.
const (
	TokenPath    = "/oauth/token"
	MetadataPath = "/.well-known/oauth-authorization-server"
)

// Options configures New. Service, Keys and SCIMPrefix must be set.
type Options struct {
	Service *identity.Service
	Keys    *keyset.Cache
	// SCIMPrefix is the path below which the connections are: SCIMPrefix + connection.
	SCIMPrefix string
	// RevocationPrefix is the path below which the provider of a connection may log people out: RevocationPrefix +
	// connection. Empty: there is no such thing.
	RevocationPrefix string
	// PublicURL is the URL at which clients reach this server, without a slash at its end. Without it there are
	// no metadata, and clients cannot show who they are by a JWT: it would name no server.
	PublicURL string
	// Now is the time in nanoseconds since 1970 UTC. Nil is the node's clock.
	Now    func() int64
	Logger *slog.Logger // nil discards
}

// The bounds on requests for tokens. What a token opens lasts an hour: nobody needs many.
const (
	hostsPerSecond   = 200 // from one address, whoever asks
	clientsPerSecond = 5   // tokens of one client
	maxBodyBytes     = 32 << 10
)

// Handler answers requests for tokens and metadata.
type Handler struct {
	o       Options
	hosts   hosts
	clients *rate.Limit
	// asking and asked are of introspection: addresses and connections.
	asking hosts
	asked  *rate.Limit
}

// New returns a Handler.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = func() int64 { return time.Now().UnixNano() }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{o: o, hosts: newHosts(hostsPerSecond), clients: rate.New(clientsPerSecond),
		asking: newHosts(introspectionsPerSecond), asked: rate.New(introspectionsPerSecond)}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var allow string
	var serve func(http.ResponseWriter, *http.Request)
	path := r.URL.EscapedPath()
	switch {
	case path == TokenPath:
		allow, serve = http.MethodPost, h.serveToken
	case isIntrospection(path):
		allow, serve = http.MethodPost, h.serveIntrospection
	case h.metadataOf(path) != "":
		allow, serve = http.MethodGet, h.serveMetadata
	default:
		http.NotFound(w, r)
		return
	}
	if r.Method != allow && (r.Method != http.MethodHead || allow != http.MethodGet) {
		w.Header().Set("Allow", allow)
		http.Error(w, "use "+allow, http.StatusMethodNotAllowed)
		return
	}
	serve(w, r)
}

// metadataOf returns the issuer whose metadata are at a path, or nothing. There is one for the server and one
// for each connection, whether or not there is such a connection: nobody is told.
func (h *Handler) metadataOf(path string) string {
	rest, ok := strings.CutPrefix(path, MetadataPath)
	if !ok || h.o.PublicURL == "" {
		return ""
	}
	if rest == "" {
		return h.o.PublicURL
	}
	connection, ok := strings.CutPrefix(rest, h.o.SCIMPrefix)
	if !ok || connection == "" || strings.ContainsFunc(connection, func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') }) {
		return ""
	}
	return h.o.PublicURL + rest
}

// scopeSCIM stands for every scope that a client has.
const scopeSCIM = "scim"

func (h *Handler) serveMetadata(w http.ResponseWriter, r *http.Request) {
	scopes := []string{scopeSCIM}
	for _, s := range identity.Scopes() {
		scopes = append(scopes, string(s))
	}
	issuer, revocation, methods := h.metadataOf(r.URL.EscapedPath()), "", []string(nil)
	introspection, introspectors := "", []string(nil)
	if connection, ok := strings.CutPrefix(issuer, h.o.PublicURL+h.o.SCIMPrefix); ok {
		introspection, introspectors = h.o.PublicURL+IntrospectionPrefix+connection, []string{"Bearer"}
		if h.o.RevocationPrefix != "" {
			revocation, methods = h.o.PublicURL+h.o.RevocationPrefix+connection, []string{"global-token-revocation+jwt", "Bearer"}
		}
	}
	body, _ := json.Marshal(struct { // strings: it cannot fail
		Issuer     string   `json:"issuer"`
		Token      string   `json:"token_endpoint"`
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
		Algorithms []string `json:"token_endpoint_auth_signing_alg_values_supported"`
		Grants     []string `json:"grant_types_supported"`
		Responses  []string `json:"response_types_supported"` // required; there is no authorization endpoint
		Scopes     []string `json:"scopes_supported"`
		Revocation string   `json:"global_token_revocation_endpoint,omitempty"`
		Shown      []string `json:"global_token_revocation_endpoint_auth_methods_supported,omitempty"`
		Asked      string   `json:"introspection_endpoint,omitempty"`
		Askers     []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	}{
		issuer, h.o.PublicURL + TokenPath, []string{"private_key_jwt", "client_secret_basic", "client_secret_post"},
		keyset.Algorithms(), []string{grantCredentials}, []string{}, scopes, revocation, methods, introspection, introspectors,
	})
	w.Header().Set("Cache-Control", "max-age=3600")
	write(w, r, http.StatusOK, body)
}

func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone: nobody is left to be told
	}
}

// serveToken answers a request for a token.
func (h *Handler) serveToken(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache") // RFC 6749, section 5.1
	body, err := h.token(w, r)
	status := http.StatusOK
	if err != nil {
		refused := refusalOf(err)
		status = refused.status
		if status == http.StatusInternalServerError {
			h.o.Logger.Error("token request failed", "error", err)
		}
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="oauth"`)
		}
		if refused.retry != 0 {
			setRetry(w, refused.retry)
		}
		body, _ = json.Marshal(refused) // strings: it cannot fail
	}
	write(w, r, status, body)
	// What is wrong with a request is for its sender to know, who gets it as an answer.
	h.o.Logger.Debug("token request", "status", status, "duration", time.Since(began))
}

func setRetry(w http.ResponseWriter, seconds int) {
	w.Header().Set("Retry-After", strconv.Itoa(seconds))
}

// refusal is the answer to a request that gets no token (RFC 6749, section 5.2).
type refusal struct {
	status      int
	retry       int    // seconds; zero: no word of it
	Code        string `json:"error"`
	Description string `json:"error_description"` // ASCII without quotes and backslashes
}

func (r *refusal) Error() string { return r.Code + ": " + r.Description }

func refuse(code, description string) error {
	status := http.StatusBadRequest
	if code == codeClient {
		status = http.StatusUnauthorized
	}
	return &refusal{status: status, Code: code, Description: description}
}

// The codes of refusals.
const (
	codeRequest = "invalid_request"
	codeClient  = "invalid_client"
	codeGrant   = "unsupported_grant_type"
	codeScope   = "invalid_scope"
	codeTarget  = "invalid_target" // RFC 8707
)

// strangers is the refusal of who does not show a client that is there. It does not say which of the two.
var strangers = refuse(codeClient, "there is no such client, or what was shown is not of it")

// refusalOf maps every error to an answer.
func refusalOf(err error) *refusal {
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, identity.ErrUnauthenticated):
		errors.As(strangers, &refused)
		return refused
	case errors.Is(err, identity.ErrReplayed):
		return &refusal{status: http.StatusUnauthorized, Code: codeClient, Description: "the JWT was shown before: sign another one, with a jti of its own"}
	case errors.Is(err, keyset.ErrUnreachable):
		return &refusal{status: http.StatusServiceUnavailable, retry: 30, Code: "temporarily_unavailable", Description: "the keys of the client cannot be fetched now"}
	case ostiary.MayPass(err):
		return &refusal{status: http.StatusServiceUnavailable, retry: 1, Code: "temporarily_unavailable", Description: "the server cannot answer now: try again"}
	}
	return &refusal{status: http.StatusInternalServerError, Code: "server_error", Description: "internal error"}
}
