package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ostiary/ostiary/identity"
)

// IntrospectionPrefix is the path below which issuers of tokens ask whether a session lives (RFC 7662):
// IntrospectionPrefix + connection.
const IntrospectionPrefix = "/introspect/"

// introspectionsPerSecond bounds what is asked of one connection, and from one address by whomever: an issuer asks
// before each refresh.
const introspectionsPerSecond = 1_000

// inactive is the answer for every session that does not live, whatever the reason.
const inactive = `{"active":false}`

// introspected is the answer for a session that lives.
type introspected struct {
	Active   bool     `json:"active"`
	Issuer   string   `json:"iss,omitempty"`
	Subject  string   `json:"sub"`
	Client   string   `json:"client_id,omitempty"`
	Expiry   int64    `json:"exp"`
	Issued   int64    `json:"iat"`
	AuthTime int64    `json:"auth_time,omitempty"`
	ACR      string   `json:"acr,omitempty"`
	AMR      []string `json:"amr,omitempty"`
	SID      string   `json:"sid"`
}

// serveIntrospection answers whether a session lives.
func (h *Handler) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	status := http.StatusOK
	body, err := h.introspect(w, r)
	if err != nil {
		refused := introspectionRefusal(err)
		status = refused.status
		switch {
		case status == http.StatusInternalServerError:
			h.o.Logger.Error("introspection failed", "error", err)
		case status == http.StatusUnauthorized || status == http.StatusForbidden:
			w.Header().Set("WWW-Authenticate", `Bearer error="`+refused.Code+`"`)
		}
		if refused.retry != 0 {
			setRetry(w, refused.retry)
		}
		body, _ = json.Marshal(refused) // strings: it cannot fail
	}
	write(w, r, status, body)
	h.o.Logger.Debug("introspection", "status", status, "duration", time.Since(began))
}

func (h *Handler) introspect(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	connection, now := strings.TrimPrefix(r.URL.EscapedPath(), IntrospectionPrefix), h.o.Now()
	if !h.asking.take(r, now) {
		return nil, errAsksTooOften
	}
	form, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	scheme, shown, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if len(r.Header.Values("Authorization")) != 1 || !ok || !strings.EqualFold(scheme, "bearer") {
		return nil, identity.ErrUnauthenticated
	}
	token := identity.SessionToken{Text: form["token"], Issuer: form["iss"]}
	c, found, live, err := h.o.Service.Introspect(r.Context(), connection, shown, token)
	switch {
	case err != nil:
		return nil, err
	case h.asked.Take(c.ID, 1, now) > 0:
		return nil, errAsksTooOften
	case token.Text == "":
		return nil, refuse(codeRequest, "token is missing: the id of a session, or its sid")
	case !live:
		return []byte(inactive), nil
	}
	a := introspected{
		Active: true, Subject: found.User, Client: found.Client, Expiry: seconds(found.ExpiresNanos), Issued: seconds(found.CreatedNanos),
		AuthTime: seconds(found.AuthNanos), ACR: found.ACR, AMR: found.AMR, SID: found.ID,
	}
	if h.o.PublicURL != "" {
		a.Issuer = h.o.PublicURL + "/stores/" + c.Store
	}
	body, _ := json.Marshal(a) // texts and numbers: it cannot fail
	return body, nil
}

func seconds(nanos int64) int64 { return nanos / int64(time.Second) }

var (
	errAsksTooOften = &refusal{status: http.StatusTooManyRequests, retry: 1, Code: "temporarily_unavailable", Description: "too many requests"}
	// noToken is the answer to who shows no token of the connection, or of none at all.
	noToken = &refusal{status: http.StatusUnauthorized, Code: "invalid_token", Description: "the request shows no token that this connection takes"}
	noScope = &refusal{status: http.StatusForbidden, Code: "insufficient_scope", Description: "the token does not have the scope introspect"}
)

// introspectionRefusal maps every error to an answer.
func introspectionRefusal(err error) *refusal {
	switch {
	case errors.Is(err, identity.ErrUnauthenticated):
		return noToken
	case errors.Is(err, identity.ErrForbidden):
		return noScope
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &refusal{status: http.StatusServiceUnavailable, retry: 1, Code: "temporarily_unavailable", Description: "the server cannot answer now: try again"}
	}
	return refusalOf(err)
}

// isIntrospection reports whether a path is one of a connection.
func isIntrospection(path string) bool {
	connection, ok := strings.CutPrefix(path, IntrospectionPrefix)
	return ok && connection != "" && !strings.ContainsAny(connection, "/%")
}
