package fakeidp

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/ostiary/ostiary/keyset"
)

// maxQueue bounds the security event tokens that wait to be polled.
const maxQueue = 10_000

// queuedSET is a security event token that waits to be polled.
type queuedSET struct{ id, token string }

// Queue lets a security event token wait to be polled. It reports whether there was room.
func (p *Provider) Queue(id, token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) >= maxQueue {
		return false
	}
	if !p.queued[id] {
		p.queued[id] = true
		p.queue = append(p.queue, queuedSET{id, token})
	}
	return true
}

// enqueue takes a security event token of its own, as a push (RFC 8935), to be polled by others.
func (p *Provider) enqueue(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	own, keyErr := keyset.Parse(p.KeySet())
	jwt, jwtErr := keyset.ParseJWT(strings.TrimSpace(string(text)))
	var claims struct {
		ID string `json:"jti"`
	}
	if err != nil || keyErr != nil || jwtErr != nil || jwt.Type() != typeSecurityEvent || jwt.Verify(r.Context(), own, &claims) != nil || claims.ID == "" {
		answer(w, http.StatusBadRequest, map[string]string{"err": "invalid_request", "description": "send a security event token that this provider has signed"})
		return
	}
	if !p.Queue(claims.ID, strings.TrimSpace(string(text))) {
		answer(w, http.StatusServiceUnavailable, map[string]string{"err": "access_denied", "description": "the queue is full"})
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// poll gives out what waits (RFC 8936), and forgets what was acknowledged. It never lets anybody wait.
func (p *Provider) poll(w http.ResponseWriter, r *http.Request) {
	q := struct {
		Max    *int                       `json:"maxEvents"`
		Ack    []string                   `json:"ack"`
		Errors map[string]json.RawMessage `json:"setErrs"`
	}{}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "send a JSON object")
		return
	}
	done := map[string]bool{}
	for _, id := range q.Ack {
		done[id] = true
	}
	for id := range q.Errors {
		done[id] = true
	}
	p.mu.Lock()
	left := p.queue[:0:0]
	for _, s := range p.queue {
		if done[s.id] {
			delete(p.queued, s.id)
		} else {
			left = append(left, s)
		}
	}
	p.queue = left
	most := len(left)
	if q.Max != nil {
		most = min(most, max(0, *q.Max))
	}
	sets := map[string]string{}
	for _, s := range left[:most] {
		sets[s.id] = s.token
	}
	p.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"sets": sets, "moreAvailable": most < len(left)})
}
