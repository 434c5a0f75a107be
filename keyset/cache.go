package keyset

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Getter makes the requests for remote sets. *egress.Client is one.
type Getter interface {
	// Get returns the status and the body that a URL answers with, bounded in time and size. Redirects are
	// answers like others.
	Get(ctx context.Context, url, accept string) (status int, body []byte, err error)
}

// Options configures NewCache. The zero value is ready for use.
type Options struct {
	// Lifetime is how long a key is good for after an answer held it. After half of it the set is asked again.
	// Zero means an hour.
	Lifetime time.Duration
	// Cooldown is how long a set is not asked again. Zero means 30 s.
	Cooldown time.Duration
	// Forget is how long a key id counts as unknown after an answer did not hold it. Zero means 2 min.
	Forget time.Duration
	// Now is the time. Nil: time.Now.
	Now func() time.Time
	// Logger is told when a set cannot be fetched, and when it can be again. Nil discards.
	Logger *slog.Logger
}

// The bounds of a cache.
const (
	maxSets    = 1_000 // the one that was asked for longest ago goes first
	maxFlights = 32    // requests for sets at once
	maxUnknown = 1_000 // key ids that one set is known not to hold
)

// fetchTimeout bounds the fetching of one set, of an issuer's metadata and its keys together.
const fetchTimeout = 30 * time.Second

// Cache holds remote sets. Make one with NewCache; a server needs one.
type Cache struct {
	getter  Getter
	o       Options
	ctx     context.Context // of the requests for sets; ends with Close
	stop    context.CancelFunc
	fetches sync.WaitGroup
	flights chan struct{} // holds one for each request under way

	// Lock order: Remote.mu before mu.
	mu   sync.Mutex
	sets map[place]*Remote
}

// place is where a set is found: at a URL, or by the metadata of an issuer or transmitter.
type place struct {
	text string
	by   metadata
}

// metadata says what leads to a set.
type metadata uint8

const (
	direct      metadata = iota // the URL is the set's
	issuer                      // metadata of an OAuth or OpenID issuer
	transmitter                 // configuration of a transmitter of Shared Signals
)

// NewCache returns a cache, which is to be closed.
func NewCache(g Getter, o Options) *Cache {
	if o.Lifetime == 0 {
		o.Lifetime = time.Hour
	}
	if o.Cooldown == 0 {
		o.Cooldown = 30 * time.Second
	}
	if o.Forget == 0 {
		o.Forget = 2 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Cache{getter: g, o: o, flights: make(chan struct{}, maxFlights), sets: map[place]*Remote{}}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Close ends the requests under way and waits for them. Afterwards remote sets are unreachable.
func (c *Cache) Close() {
	c.mu.Lock()
	c.stop() // nothing starts any more
	c.mu.Unlock()
	c.fetches.Wait()
}

// URL returns the set at a URL. It is fetched when its keys are first needed.
func (c *Cache) URL(url string) *Remote { return c.remote(place{text: url}) }

// Issuer returns the set of an issuer, to which its metadata lead (RFC 8414, or OpenID Connect Discovery). The
// metadata must name the issuer exactly as it is given here.
func (c *Cache) Issuer(id string) *Remote { return c.remote(place{id, issuer}) }

// Transmitter returns the set of a transmitter of Shared Signals, to which its configuration metadata lead. They
// must name the issuer exactly as it is given here.
func (c *Cache) Transmitter(id string) *Remote { return c.remote(place{id, transmitter}) }

// Signer says where the keys are of somebody who signs. Of several places the first one counts, in this order; where
// none is set there are no keys.
type Signer struct {
	URL          string // of a key set
	Keys         []byte // a key set, as Parse reads it
	Certificates []byte // as ParseCertificates reads them
	Issuer       string // whose metadata lead to a key set, as of Cache.Issuer
	Transmitter  string // the same, as of Cache.Transmitter
}

// Of returns the keys of a signer. The error wraps ErrInvalid where what is set cannot be read, and ErrNoKey where
// nothing is set.
func (c *Cache) Of(s Signer) (Source, error) {
	switch {
	case s.URL != "":
		return c.URL(s.URL), nil
	case len(s.Keys) > 0:
		return given(Parse(s.Keys))
	case len(s.Certificates) > 0:
		return given(ParseCertificates(s.Certificates))
	case s.Issuer != "":
		return c.Issuer(s.Issuer), nil
	case s.Transmitter != "":
		return c.Transmitter(s.Transmitter), nil
	}
	return nil, fmt.Errorf("it is not said where the keys are: %w", ErrNoKey)
}

// given is a Source without a *Static that is nil.
func given(set *Static, err error) (Source, error) {
	if err != nil {
		return nil, err
	}
	return set, nil
}

func (c *Cache) remote(p place) *Remote {
	now := c.o.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.sets[p]
	if r == nil {
		if len(c.sets) >= maxSets {
			c.dropOldestLocked()
		}
		r = &Remote{cache: c, place: p, unknown: map[string]time.Time{}}
		c.sets[p] = r
	}
	r.used = now
	return r
}

func (c *Cache) dropOldestLocked() {
	var oldest *Remote
	for _, r := range c.sets {
		if oldest == nil || r.used.Before(oldest.used) {
			oldest = r
		}
	}
	delete(c.sets, oldest.place)
}

// start runs a fetch in a goroutine, unless the cache is closed or too many are under way.
func (c *Cache) start(fetch func(ctx context.Context)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return fmt.Errorf("the cache is closed: %w", ErrUnreachable)
	}
	select {
	case c.flights <- struct{}{}:
	default:
		return fmt.Errorf("%d key sets are being fetched: %w", maxFlights, ErrUnreachable)
	}
	c.fetches.Go(func() {
		defer func() { <-c.flights }()
		ctx, cancel := context.WithTimeout(c.ctx, fetchTimeout)
		defer cancel()
		fetch(ctx)
	})
	return nil
}
