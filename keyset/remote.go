package keyset

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// Remote is a set of keys that is fetched. Cache.URL and Cache.Issuer return it.
type Remote struct {
	cache *Cache
	place place
	used  time.Time // guarded by Cache.mu

	mu      sync.Mutex
	set     []held
	fetched time.Time            // when the last good answer came; zero: never
	asked   time.Time            // when the last request ended; zero: never
	failed  error                // of the last request
	flight  chan struct{}        // of the request under way, closed at its end; nil: none
	unknown map[string]time.Time // key ids, and when an answer did not hold them
}

// held is a key, and when an answer last held it.
type held struct {
	key  jose.JSONWebKey
	seen time.Time
}

// VerifySignature is Source.VerifySignature. It waits for the keys where they are not known.
func (r *Remote) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	return verifyText(ctx, r, jwt)
}

func (r *Remote) keys(ctx context.Context, id string) ([]jose.JSONWebKey, error) {
	r.mu.Lock()
	now := r.cache.o.Now()
	found, err := pick(r.goodLocked(now), id)
	if err == nil {
		if now.Sub(r.fetched) >= r.cache.o.Lifetime/2 {
			_, _ = r.fetchLocked(now) // for later; what is held is still good
		}
		r.mu.Unlock()
		return found, nil
	}
	if at, known := r.unknown[id]; known && now.Sub(at) < r.cache.o.Forget {
		r.mu.Unlock()
		return nil, ErrNoKey
	}
	flight, err := r.fetchLocked(now)
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-flight:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the keys of %s: %w: %w", r.place.where(), ErrUnreachable, ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, err = pick(r.goodLocked(r.cache.o.Now()), id); err == nil {
		return found, nil
	}
	if r.failed != nil {
		return nil, r.failed
	}
	r.noteUnknownLocked(id, r.cache.o.Now())
	return nil, ErrNoKey
}

// goodLocked returns the keys that have not outlived themselves.
func (r *Remote) goodLocked(now time.Time) []jose.JSONWebKey {
	good := make([]jose.JSONWebKey, 0, len(r.set))
	for _, h := range r.set {
		if now.Sub(h.seen) < r.cache.o.Lifetime {
			good = append(good, h.key)
		}
	}
	return good
}

// noteUnknownLocked keeps in mind that the set does not hold a key id. Where there are too many they are all
// forgotten: the cooldown bounds what that costs.
func (r *Remote) noteUnknownLocked(id string, now time.Time) {
	if len(r.unknown) >= maxUnknown {
		clear(r.unknown)
	}
	r.unknown[id] = now
}

// fetchLocked returns the request under way, or begins one. Within the cooldown it returns what became of the
// last one: ErrNoKeyYet where that went well.
func (r *Remote) fetchLocked(now time.Time) (<-chan struct{}, error) {
	if r.flight != nil {
		return r.flight, nil
	}
	if !r.asked.IsZero() && now.Sub(r.asked) < r.cache.o.Cooldown {
		if r.failed != nil {
			return nil, r.failed
		}
		return nil, ErrNoKeyYet
	}
	flight := make(chan struct{})
	if err := r.cache.start(func(ctx context.Context) {
		defer close(flight)
		set, err := r.cache.fetch(ctx, r.place)
		r.land(set, err)
	}); err != nil {
		return nil, err
	}
	r.flight = flight
	return flight, nil
}

// land takes what became of a request.
func (r *Remote) land(set []jose.JSONWebKey, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, before := r.cache.o.Now(), r.failed
	r.flight, r.asked, r.failed = nil, now, err
	if err != nil {
		if (before == nil || before.Error() != err.Error()) && r.cache.ctx.Err() == nil {
			r.cache.o.Logger.Warn("keys cannot be fetched", "error", err)
		}
		return
	}
	if before != nil {
		r.cache.o.Logger.Info("keys can be fetched again", "from", r.place.where())
	}
	r.fetched = now
	next := make([]held, 0, len(set))
	ids := map[string]bool{}
	for _, k := range set {
		ids[k.KeyID] = true
		next = append(next, held{k, now})
		delete(r.unknown, k.KeyID)
	}
	for _, h := range r.set {
		// A key that was left out may have signed what is still on its way.
		if !ids[h.key.KeyID] && h.key.KeyID != "" && now.Sub(h.seen) < r.cache.o.Lifetime && len(next) < 2*maxKeys {
			next = append(next, h)
		}
	}
	r.set = next
}

// where names the place in errors, without what may be secret in a URL.
func (p place) where() string {
	u, err := url.Parse(p.text)
	if err != nil {
		return "a URL that cannot be read"
	}
	return u.Scheme + "://" + u.Host
}

const acceptJSON = "application/json, application/jwk-set+json"

// fetch asks for a set. The error wraps ErrUnreachable.
func (c *Cache) fetch(ctx context.Context, p place) ([]jose.JSONWebKey, error) {
	at := p.text
	if p.by != direct {
		var err error
		if at, err = c.keysOf(ctx, p); err != nil {
			return nil, fmt.Errorf("find the keys of the issuer %s: %w: %w", p.where(), ErrUnreachable, err)
		}
	}
	status, body, err := c.getter.Get(ctx, at, acceptJSON)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("it answers with status %d", status)
	}
	var set []jose.JSONWebKey
	if err == nil {
		set, _, err = parseSet(body)
		if err == nil && len(set) == 0 {
			err = fmt.Errorf("the key set holds secret keys alone: %w", ErrInvalid)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the key set of %s: %w: %w", p.where(), ErrUnreachable, err)
	}
	return set, nil
}

// keysOf returns the jwks_uri of an issuer or transmitter.
func (c *Cache) keysOf(ctx context.Context, p place) (string, error) {
	u, err := url.Parse(p.text)
	if err != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("the issuer is no URL without query and fragment: %w", ErrInvalid)
	}
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	base := u.Scheme + "://" + u.Host
	places := []string{
		base + "/.well-known/oauth-authorization-server" + path, // RFC 8414, section 3
		base + path + "/.well-known/openid-configuration",
	}
	if p.by == transmitter {
		places = []string{base + "/.well-known/ssf-configuration" + path} // the Shared Signals Framework 1.0
	}
	var failed error
	for _, at := range places {
		status, body, err := c.getter.Get(ctx, at, "application/json")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("its metadata answer with status %d", status)
		}
		if err != nil {
			failed = err
			continue
		}
		var metadata struct {
			Issuer string `json:"issuer"`
			Keys   string `json:"jwks_uri"`
		}
		switch err := json.Unmarshal(body, &metadata); {
		case err != nil:
			failed = fmt.Errorf("its metadata are not JSON: %w", ErrInvalid)
		case metadata.Issuer != p.text:
			failed = fmt.Errorf("its metadata name another issuer: %w", ErrInvalid)
		case metadata.Keys == "":
			failed = fmt.Errorf("its metadata name no jwks_uri: %w", ErrInvalid)
		default:
			return metadata.Keys, nil
		}
	}
	return "", failed
}
