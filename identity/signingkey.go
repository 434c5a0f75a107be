package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/jws"
)

// SigningState is what a signing key is for now.
type SigningState string

// The states of signing keys, in their order.
const (
	SigningNext    SigningState = "next"    // published, and not used yet
	SigningActive  SigningState = "active"  // signs; each algorithm has one
	SigningRetired SigningState = "retired" // signs no more; what it has signed may still be judged by it
)

// SigningKey is the public side of a key by which the server signs in the name of a store.
type SigningKey struct {
	ID        string // its thumbprint (kid)
	Algorithm jws.Algorithm
	State     SigningState
	Public    []byte // a JWK

	CreatedNanos int64
	// ActiveNanos is when it began to sign, or of one that is next, when it will.
	ActiveNanos int64
	// RetiredNanos is when it ended to sign, and GoneNanos when it is not published any more; zero where that is
	// not known yet.
	RetiredNanos, GoneNanos int64
}

// The times of signing keys.
const (
	// SigningAhead is how long a key is published before it signs: receivers keep key sets for an hour or so, and
	// some for a day.
	SigningAhead = 24 * time.Hour
	// SigningKept is how long a key is published after it has signed last. Logout tokens are good for two minutes;
	// security event tokens do not expire, and wait with receivers who judge them later.
	SigningKept = 7 * 24 * time.Hour
	// maxRing bounds the keys of a store and algorithm.
	maxRing = 8
)

// signingRings holds, for each store and algorithm, its keys: in one document, so that there is always one that
// signs. The private parts are sealed by the server's secret, which an operator's key wraps where there is one. A
// collection without history, so that a key which was taken away is gone.
const signingRings = ostiary.ShredPrefix + "signing"

func ringName(store string, a jws.Algorithm) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: signingRings, Key: store + "/" + string(a)}
}

type ringBody struct {
	form
	Keys []ringKey `json:"keys"` // in the order in which they sign
}

type ringKey struct {
	ID           string          `json:"id"`
	Public       json.RawMessage `json:"public"`
	Sealed       []byte          `json:"sealed"`
	CreatedNanos int64           `json:"created"`
	ActiveNanos  int64           `json:"active,omitempty"`
	RetiredNanos int64           `json:"retired,omitempty"`
}

func (k ringKey) state() SigningState {
	switch {
	case k.ActiveNanos == 0:
		return SigningNext
	case k.RetiredNanos == 0:
		return SigningActive
	}
	return SigningRetired
}

// in returns the key in a state of which there is one at most, or nil.
func (b *ringBody) in(state SigningState) *ringKey {
	for i := range b.Keys {
		if b.Keys[i].state() == state {
			return &b.Keys[i]
		}
	}
	return nil
}

// activate lets a key of the ring sign from now on, in place of the one that does.
func (b *ringBody) activate(k *ringKey, now int64) {
	if active := b.in(SigningActive); active != nil {
		active.RetiredNanos = now
	}
	k.ActiveNanos = now
}

// add publishes a key, which begins to sign at once where none does.
func (b *ringBody) add(k ringKey, now int64) {
	b.Keys = append(b.Keys, k)
	if b.in(SigningActive) == nil {
		b.activate(&b.Keys[len(b.Keys)-1], now)
	}
}

// age does what time has brought: it takes away what was retired long ago, lets the next key sign, and says
// whether another is to be published, so that keys sign no longer than every. A negative one is for ever.
func (b *ringBody) age(now int64, every time.Duration) (changed, another bool) {
	before := len(b.Keys)
	b.Keys = slices.DeleteFunc(b.Keys, func(k ringKey) bool {
		return k.state() == SigningRetired && now >= k.RetiredNanos+int64(SigningKept)
	})
	changed = len(b.Keys) != before
	next, active := b.in(SigningNext), b.in(SigningActive)
	switch {
	case next != nil && now >= next.CreatedNanos+int64(SigningAhead):
		b.activate(next, now)
		return true, false
	case next == nil && active != nil && every >= 0 && now >= active.ActiveNanos+int64(every-SigningAhead):
		return changed, len(b.Keys) < maxRing
	}
	return changed, false
}

// signers are private keys that were opened, by id.
type signers struct {
	mu   sync.Mutex
	keys map[string]*jws.Key
}

const maxSigners = 128

func (c *signers) get(id string, open func() (*jws.Key, error)) (*jws.Key, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.keys[id]; k != nil {
		return k, nil
	}
	k, err := open()
	if err != nil {
		return nil, err
	}
	if len(c.keys) >= maxSigners || c.keys == nil {
		c.keys = map[string]*jws.Key{}
	}
	c.keys[id] = k
	return k, nil
}

// drawn makes a key once, in however many views a change is computed.
type drawn struct {
	service   *Service
	store     string
	algorithm jws.Algorithm
	key       ringKey
}

func (d *drawn) get(ctx context.Context, now int64) (ringKey, error) {
	d.key.CreatedNanos = now
	if d.key.ID != "" {
		return d.key, nil
	}
	x, err := d.service.secret(ctx)
	if err != nil {
		return ringKey{}, err
	}
	k, err := jws.Generate(d.algorithm)
	if err != nil {
		return ringKey{}, err
	}
	private, err := k.Private()
	if err != nil {
		return ringKey{}, err
	}
	d.key.ID, d.key.Public = k.ID(), k.Public()
	d.key.Sealed = seal(x.wrap, ringName(d.store, d.algorithm).String()+"/"+k.ID(), private)
	return d.key, nil
}

// readRing returns the keys of a store and algorithm, with their document.
func readRing(v View, store string, a jws.Algorithm) (b ringBody, d ostiary.Document, err error) {
	d, there, err := v.Document(ringName(store, a))
	d.Key = ringName(store, a)
	if err != nil || !there {
		return ringBody{form: form{bodyForm}}, d, err
	}
	b, err = decode[ringBody](d)
	return b, d, err
}

// changeRing changes the keys of a store and algorithm. Where edit reports that nothing is to change, nothing does.
func (s *Service) changeRing(
	ctx context.Context, store string, a jws.Algorithm, action string, edit func(b *ringBody, now int64, draw func() (ringKey, error)) (bool, error),
) error {
	if !slices.Contains(jws.Algorithms(), a) {
		return invalid("signing algorithm %.20q is none of %v", a, jws.Algorithms())
	}
	defer s.turn("signing", store, string(a))()
	d := &drawn{service: s, store: store, algorithm: a}
	_, err := s.change(about(ctx, &audit{store: store, resource: string(a), action: action}), func(v View, m *ostiary.Mutation) error {
		if err := restOnStore(v, m, store); err != nil {
			return err
		}
		b, doc, err := readRing(v, store, a)
		if err != nil {
			return err
		}
		changed, err := edit(&b, m.TimeNanos, func() (ringKey, error) { return d.get(ctx, m.TimeNanos) })
		if err != nil || !changed {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(doc))
		m.Documents = append(m.Documents, put(doc.Key, b))
		return nil
	})
	return err
}

// keeper is who changes signing keys where nobody asks for it.
func keeper(ctx context.Context) context.Context {
	return ostiary.WithPrincipal(ctx, ostiary.Principal{Kind: "internal", Name: "signing-keys"})
}

// Signer returns the key by which the server signs now in the name of a store. Where there is none it is made. The
// error wraps ErrLocked where this node has no operator's key that opens it: such a node signs nothing.
func (s *Service) Signer(ctx context.Context, store string, a jws.Algorithm) (*jws.Key, error) {
	for range 2 {
		var active *ringKey
		err := s.read(ctx, func(v View) error {
			if err := storeExists(v, store); err != nil {
				return err
			}
			b, _, err := readRing(v, store, a)
			active = b.in(SigningActive)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("sign in the name of store %s: %w", store, err)
		}
		if active != nil {
			return s.signer(ctx, store, a, active)
		}
		if err := s.beginRing(ctx, store, a); err != nil {
			return nil, fmt.Errorf("sign in the name of store %s: %w", store, err)
		}
	}
	return nil, fmt.Errorf("sign in the name of store %s: its keys were taken away meanwhile: %w", store, ostiary.ErrUnavailable)
}

func (s *Service) signer(ctx context.Context, store string, a jws.Algorithm, k *ringKey) (*jws.Key, error) {
	x, err := s.secret(ctx)
	if err != nil {
		return nil, fmt.Errorf("sign in the name of store %s: %w", store, err)
	}
	return s.signers.get(k.ID, func() (*jws.Key, error) {
		private, err := open(x.wrap, ringName(store, a).String()+"/"+k.ID, k.Sealed)
		if err != nil {
			return nil, err
		}
		return jws.Parse(private)
	})
}

func (s *Service) beginRing(ctx context.Context, store string, a jws.Algorithm) error {
	return s.changeRing(keeper(ctx), store, a, "signing-key.create", func(b *ringBody, now int64, draw func() (ringKey, error)) (bool, error) {
		if b.in(SigningActive) != nil {
			return false, nil // another was first
		}
		k, err := draw()
		if err != nil {
			return false, err
		}
		b.add(k, now)
		return true, nil
	})
}

// SigningKeys returns what is published of a store's keys, by algorithm and in the order in which they sign. A store
// that has never signed has none.
func (s *Service) SigningKeys(ctx context.Context, store string) (all []SigningKey, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		for _, a := range jws.Algorithms() {
			b, _, err := readRing(v, store, a)
			if err != nil {
				return err
			}
			for _, k := range b.Keys {
				all = append(all, k.show(a))
			}
		}
		return nil
	})
	return all, err
}

func (k ringKey) show(a jws.Algorithm) SigningKey {
	shown := SigningKey{ID: k.ID, Algorithm: a, State: k.state(), Public: k.Public,
		CreatedNanos: k.CreatedNanos, ActiveNanos: k.ActiveNanos, RetiredNanos: k.RetiredNanos}
	switch shown.State {
	case SigningNext:
		shown.ActiveNanos = k.CreatedNanos + int64(SigningAhead)
	case SigningRetired:
		shown.GoneNanos = k.RetiredNanos + int64(SigningKept)
	}
	return shown
}

// RotateSigningKey publishes the key that will sign next, in SigningAhead, and returns it. With now it signs at once,
// which receivers that keep key sets may not know yet; so does the first key of all.
func (s *Service) RotateSigningKey(ctx context.Context, store string, a jws.Algorithm, now bool) (SigningKey, error) {
	var rotated ringKey
	err := s.changeRing(ctx, store, a, "signing-key.rotate", func(b *ringBody, at int64, draw func() (ringKey, error)) (bool, error) {
		next := b.in(SigningNext)
		if next != nil && !now {
			return false, invalid("key %s is published and signs from %s: wait, or let it sign now",
				next.ID, time.Unix(0, next.CreatedNanos+int64(SigningAhead)).UTC().Format(time.RFC3339))
		}
		if next == nil {
			if len(b.Keys) >= maxRing {
				return false, fmt.Errorf("store %s has %d keys of %s, and may have %d: retired ones go after %s, or take one away: %w",
					store, len(b.Keys), a, maxRing, SigningKept, ostiary.ErrTooBroad)
			}
			k, err := draw()
			if err != nil {
				return false, err
			}
			b.add(k, at)
			next = &b.Keys[len(b.Keys)-1]
		}
		if now && next.state() == SigningNext {
			b.activate(next, at)
		}
		rotated = *next
		return true, nil
	})
	return rotated.show(a), err
}

// RetireSigningKey takes a key away at once, as after it has become known: what it has signed is good no more. Where
// it was the one that signs, the next one does, or a new one. It returns the one that signs.
func (s *Service) RetireSigningKey(ctx context.Context, store, id string) (signs SigningKey, err error) {
	a, err := s.algorithmOf(ctx, store, id)
	if err != nil {
		return signs, err
	}
	err = s.changeRing(ctx, store, a, "signing-key.retire", func(b *ringBody, now int64, draw func() (ringKey, error)) (bool, error) {
		before := len(b.Keys)
		b.Keys = slices.DeleteFunc(b.Keys, func(k ringKey) bool { return k.ID == id })
		if len(b.Keys) == before {
			return false, notFound("signing key", id)
		}
		if next := b.in(SigningNext); b.in(SigningActive) == nil && next != nil {
			b.activate(next, now)
		}
		if b.in(SigningActive) == nil {
			k, err := draw()
			if err != nil {
				return false, err
			}
			b.add(k, now)
		}
		signs = b.in(SigningActive).show(a)
		return true, nil
	})
	return signs, err
}

func (s *Service) algorithmOf(ctx context.Context, store, id string) (jws.Algorithm, error) {
	keys, err := s.SigningKeys(ctx, store)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(keys, func(k SigningKey) bool { return k.ID == id })
	if i < 0 {
		return "", notFound("signing key", id)
	}
	return keys[i].Algorithm, nil
}

// KeepSigningKeys does what time has brought to the keys of all stores: each signs for every, after it was published
// for SigningAhead, and is published for SigningKept after. A negative every stands for ever; next keys that
// somebody has asked for sign even so. The leader calls it now and then. It returns how many rings it has changed, and
// what went wrong with others.
func (s *Service) KeepSigningKeys(ctx context.Context, every time.Duration) (changed int, err error) {
	v, err := s.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return 0, err
	}
	defer v.Close()
	var failed []error
	for d, err := range ostiary.EachDocument(ctx, v, signingRings, "") {
		if err != nil {
			return changed, errors.Join(append(failed, err)...)
		}
		store, a, _ := strings.Cut(d.Key.Key, "/")
		b, err := decode[ringBody](d)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if due, another := b.age(s.backend.Now(), every); !due && !another {
			continue
		}
		if err := storeExists(v, store); errors.Is(err, ostiary.ErrNotFound) {
			continue // its documents stay, as others of a deleted store do
		}
		if err := s.ageRing(keeper(ctx), store, jws.Algorithm(a), every); err != nil {
			failed = append(failed, fmt.Errorf("keep the %s keys of store %s: %w", a, store, err))
			continue
		}
		changed++
	}
	return changed, errors.Join(failed...)
}

func (s *Service) ageRing(ctx context.Context, store string, a jws.Algorithm, every time.Duration) error {
	return s.changeRing(ctx, store, a, "signing-key.rotate", func(b *ringBody, now int64, draw func() (ringKey, error)) (bool, error) {
		changed, another := b.age(now, every)
		if !another {
			return changed, nil
		}
		k, err := draw()
		if err != nil {
			return false, err
		}
		b.add(k, now)
		return true, nil
	})
}
