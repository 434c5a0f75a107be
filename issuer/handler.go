package issuer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/jws"
)

// The paths under which a Handler answers, below those of stores.
const (
	prefix       = "/stores/"
	keysPath     = "/jwks.json"
	metadataPath = "/.well-known/openid-configuration"
)

// Of returns the issuer of a store, of a server whose public URL is given without a slash at its end.
func Of(publicURL, store string) string { return publicURL + prefix + store }

// KeysURL returns where the keys of an issuer are.
func KeysURL(issuer string) string { return issuer + keysPath }

// Takes reports whether a Handler answers at a path.
func Takes(path string) bool {
	_, _, ok := cutPath(path)
	return ok
}

// cutPath returns the store of a path and what follows it.
func cutPath(path string) (store, rest string, ok bool) {
	path, ok = strings.CutPrefix(path, prefix)
	store, rest, more := strings.Cut(path, "/")
	rest = "/" + rest
	return store, rest, ok && more && store != "" && !strings.Contains(store, "%") && (rest == keysPath || rest == metadataPath)
}

// Keys knows what is published of the keys of stores. *identity.Service does.
type Keys interface {
	SigningKeys(ctx context.Context, store string) ([]identity.SigningKey, error)
}

// Options configures New. Keys must be set.
type Options struct {
	Keys Keys
	// PublicURL is the URL at which clients reach this server, without a slash at its end. Without it there are no
	// metadata.
	PublicURL string
	Logger    *slog.Logger // nil discards
}

// Handler publishes the keys of stores, and metadata that lead to them.
type Handler struct{ o Options }

// New returns a Handler.
func New(o Options) *Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{o}
}

// maxAge is how long, in seconds, receivers may keep what is published: much less than keys are published before
// they sign (identity.SigningAhead).
const maxAge = 3600

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	store, what, ok := cutPath(r.URL.EscapedPath())
	if !ok || what == metadataPath && h.o.PublicURL == "" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	keys, err := h.o.Keys.SigningKeys(r.Context(), store)
	switch {
	case errors.Is(err, ostiary.ErrNotFound):
		http.NotFound(w, r)
	case err != nil:
		h.o.Logger.Warn("signing keys not published", "error", err)
		w.Header().Set("Retry-After", "1")
		http.Error(w, "the keys cannot be read now", http.StatusServiceUnavailable)
	case what == metadataPath:
		h.serveMetadata(w, r, Of(h.o.PublicURL, store))
	default:
		public := make([][]byte, len(keys))
		for i, k := range keys {
			public[i] = k.Public
		}
		write(w, r, "application/jwk-set+json", jws.Set(public))
	}
}

// serveMetadata answers with the metadata of OpenID Connect Discovery as far as they concern an issuer of logout
// tokens, at which nobody logs in.
func (h *Handler) serveMetadata(w http.ResponseWriter, r *http.Request, issuer string) {
	body, _ := json.Marshal(struct { // strings and booleans: it cannot fail
		Issuer     string          `json:"issuer"`
		Keys       string          `json:"jwks_uri"`
		Algorithms []jws.Algorithm `json:"id_token_signing_alg_values_supported"`
		Responses  []string        `json:"response_types_supported"`
		Subjects   []string        `json:"subject_types_supported"`
		Logout     bool            `json:"backchannel_logout_supported"`
		Sessions   bool            `json:"backchannel_logout_session_supported"`
	}{issuer, KeysURL(issuer), jws.Algorithms(), []string{}, []string{"public"}, true, true})
	write(w, r, "application/json", body)
}

// write answers with a body, or says that the caller has it.
func write(w http.ResponseWriter, r *http.Request, kind string, body []byte) {
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	header := w.Header()
	header.Set("ETag", tag)
	header.Set("Cache-Control", "public, max-age="+strconv.Itoa(maxAge))
	header.Set("X-Content-Type-Options", "nosniff")
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", kind)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client has gone: nobody is left to be told
	}
}

// matches reports whether If-None-Match names a tag (RFC 9110, section 13.1.2).
func matches(values []string, tag string) bool {
	for one := range strings.SplitSeq(strings.Join(values, ","), ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.TrimPrefix(one, "W/") == tag {
			return true
		}
	}
	return false
}
