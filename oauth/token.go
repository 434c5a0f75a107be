package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/identity"
)

const (
	grantCredentials = "client_credentials"
	// assertionType is RFC 7523, section 2.2.
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// token answers a request with a token, or says why there is none.
func (h *Handler) token(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	now := h.o.Now()
	if !h.hosts.take(r, now) {
		return nil, tooMany()
	}
	form, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	switch grant := form["grant_type"]; grant {
	case grantCredentials:
	case "":
		return nil, refuse(codeRequest, "grant_type is missing")
	default:
		return nil, refuse(codeGrant, "grant_type is to be "+grantCredentials)
	}
	shown, err := h.authenticate(r, form, now)
	if err != nil {
		return nil, err
	}
	if resource := form["resource"]; resource != "" && resource != h.o.PublicURL+h.o.SCIMPrefix+shown.connection.ID {
		return nil, refuse(codeTarget, "the resource is not the SCIM base URL of the client's connection")
	}
	scopes, err := scopesOf(form["scope"], shown.client)
	if err != nil {
		return nil, err
	}
	if h.clients.Take(shown.client.ID, 1, now) > 0 {
		return nil, tooMany()
	}
	ctx := identity.WithRequestID(r.Context(), r.Header.Get("X-Request-Id"))
	text, err := h.o.Service.IssueToken(ctx, shown.client, scopes, shown.once)
	if err != nil {
		return nil, err
	}
	body, _ := json.Marshal(struct { // strings and a number: it cannot fail
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int64  `json:"expires_in"`
		Scope   string `json:"scope"`
	}{text, "Bearer", int64(identity.AccessTokenLife.Seconds()), scopeText(scopes)})
	return body, nil
}

func tooMany() error {
	return &refusal{status: http.StatusTooManyRequests, retry: 1, Code: "temporarily_unavailable",
		Description: "too many requests for tokens: a token is good for an hour, keep it"}
}

// readForm reads the parameters of the body, each of which may come once (RFC 6749, section 3.2).
func readForm(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, refuse(codeRequest, "send the parameters as application/x-www-form-urlencoded")
	}
	if r.URL.RawQuery != "" {
		return nil, refuse(codeRequest, "send the parameters in the body, none in the URL")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, Code: codeRequest, Description: "the body is too large"}
	}
	if err != nil {
		return nil, refuse(codeRequest, "the body ends too early")
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, refuse(codeRequest, "the body cannot be read as a form")
	}
	form := make(map[string]string, len(values))
	for name, all := range values {
		if len(all) != 1 {
			return nil, refuse(codeRequest, "a parameter is given more than once")
		}
		form[name] = all[0]
	}
	return form, nil
}

// shown is a client that has shown who it is.
type shown struct {
	client     identity.Client
	connection identity.Connection
	once       string // names the JWT that it has shown; empty: there was none
}

// authenticate finds out which client asks, by the one way in which the request says so.
func (h *Handler) authenticate(r *http.Request, form map[string]string, nowNanos int64) (shown, error) {
	name, secret, basic, err := basicOf(r)
	if err != nil {
		return shown{}, err
	}
	ways := 0
	for _, way := range []bool{basic, form["client_secret"] != "", form["client_assertion"] != "" || form["client_assertion_type"] != ""} {
		if way {
			ways++
		}
	}
	switch {
	case ways == 0:
		return shown{}, refuse(codeClient, "the request does not show who the client is")
	case ways > 1:
		return shown{}, refuse(codeRequest, "the client is shown in more than one way")
	case form["client_assertion"] != "" && form["client_assertion_type"] != assertionType:
		return shown{}, refuse(codeRequest, "client_assertion_type is to be "+assertionType)
	case form["client_assertion_type"] != "":
		return h.byAssertion(r.Context(), form["client_assertion"], form["client_id"], nowNanos)
	case basic && form["client_id"] != "" && form["client_id"] != name:
		return shown{}, refuse(codeRequest, "client_id names another client than the Authorization header")
	case basic:
		return h.bySecret(r.Context(), name, secret, true)
	}
	return h.bySecret(r.Context(), form["client_id"], form["client_secret"], false)
}

// basicOf returns what an Authorization header says, and whether there is one (RFC 6749, section 2.3.1).
func basicOf(r *http.Request) (name, secret string, there bool, err error) {
	if r.Header.Get("Authorization") == "" {
		return "", "", false, nil
	}
	wrong := refuse(codeClient, "the Authorization header is not of the scheme Basic")
	name, secret, ok := r.BasicAuth()
	if !ok {
		return "", "", true, wrong
	}
	name, nameErr := url.QueryUnescape(name)
	secret, secretErr := url.QueryUnescape(secret)
	if nameErr != nil || secretErr != nil {
		return "", "", true, wrong
	}
	return name, secret, true, nil
}

// bySecret finds a client by its id and secret.
func (h *Handler) bySecret(ctx context.Context, id, secret string, basic bool) (shown, error) {
	client, connection, err := h.o.Service.Client(ctx, id)
	if err != nil {
		return shown{}, err
	}
	if !client.HoldsSecret(secret) {
		return shown{}, strangers
	}
	// IPSIE's profile of SCIM wants RFC 7523, where a JWT stands in the body, and then HTTP Basic without
	// credentials in the body. We take both ways that it names, and refuse the one that it forbids either way.
	if !basic && connection.Dialect == identity.DialectStrict {
		return shown{}, refuse(codeClient, "this connection takes no client_secret in the body: use HTTP Basic or a JWT")
	}
	return shown{client: client, connection: connection}, nil
}

// scopesOf returns the scopes of a client that a request asks for: all of them where it names none, or scim.
func scopesOf(asked string, c identity.Client) ([]identity.Scope, error) {
	var scopes []identity.Scope
	for name := range strings.FieldsSeq(asked) {
		scope := identity.Scope(name)
		switch {
		case name == scopeSCIM:
			scopes = append(scopes, c.Scopes...)
		case slices.Contains(c.Scopes, scope):
			scopes = append(scopes, scope)
		default:
			return nil, refuse(codeScope, "the client may ask for "+strings.Join(append([]string{scopeSCIM}, names(c.Scopes)...), " "))
		}
	}
	if len(scopes) == 0 {
		return c.Scopes, nil
	}
	slices.Sort(scopes)
	return slices.Compact(scopes), nil
}

// scopeText writes scopes as a client reads them.
func scopeText(scopes []identity.Scope) string {
	for _, s := range identity.Scopes() {
		if !slices.Contains(scopes, s) {
			return strings.Join(names(scopes), " ")
		}
	}
	return scopeSCIM
}

func names(scopes []identity.Scope) []string {
	all := make([]string, len(scopes))
	for i, s := range scopes {
		all[i] = string(s)
	}
	return all
}
