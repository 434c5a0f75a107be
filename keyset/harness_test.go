package keyset_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/keyset"
)

var _ keyset.Getter = (*egress.Client)(nil)

// key makes a key of a kind: "RSA", "RSA1024", "P-256", "P-384", "Ed25519".
func key(t testing.TB, kind string) crypto.Signer {
	t.Helper()
	var k crypto.Signer
	var err error
	switch kind {
	case "RSA":
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	case "P-256":
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "P-384":
		k, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "Ed25519":
		_, k, err = ed25519.GenerateKey(rand.Reader)
	default:
		t.Fatalf("no keys of kind %s", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// public returns the JWK of a key.
func public(k crypto.Signer, id string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Public(), KeyID: id, Use: "sig"}
}

func setOf(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sign makes a JWT. Headers are names and values in turn.
func sign(t testing.TB, a jose.SignatureAlgorithm, k any, id, payload string, headers ...any) string {
	t.Helper()
	o := (&jose.SignerOptions{}).WithHeader("kid", id)
	for i := 0; i < len(headers); i += 2 {
		o = o.WithHeader(jose.HeaderKey(headers[i].(string)), headers[i+1])
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: k}, o)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := s.Sign([]byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// pages is a Getter that answers from memory and counts.
type pages struct {
	mu    sync.Mutex
	texts map[string][]byte // by URL; others answer 404
	err   error             // of every request
	asked map[string]int
	hold  chan struct{} // requests wait until it is closed; nil: they do not wait
}

func (p *pages) Get(ctx context.Context, url, _ string) (int, []byte, error) {
	p.mu.Lock()
	if p.asked == nil {
		p.asked = map[string]int{}
	}
	p.asked[url]++
	hold := p.hold
	p.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return 0, nil, p.err
	}
	text, there := p.texts[url]
	if !there {
		return http.StatusNotFound, nil, nil
	}
	return http.StatusOK, text, nil
}

func (p *pages) set(url string, text []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.texts == nil {
		p.texts = map[string][]byte{}
	}
	p.texts[url] = text
}

func (p *pages) fail(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = nil
	if yes {
		p.err = errors.New("no route")
	}
}

func (p *pages) count(url string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[url]
}

// world is a cache over pages, in a time of its own.
type world struct {
	*pages
	cache *keyset.Cache
	mu    sync.Mutex
	now   time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{pages: &pages{}, now: time.Unix(1_800_000_000, 0)}
	w.cache = keyset.NewCache(w, keyset.Options{Now: func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}})
	t.Cleanup(w.cache.Close)
	return w
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}
