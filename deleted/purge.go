package deleted

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strings"

	"github.com/ostiary/ostiary"
)

// View is a picture of everything that is stored.
type View interface {
	Close()
	Document(key ostiary.DocumentKey) (ostiary.Document, bool, error)
	Documents(collection, afterKey string, limit int, descending bool) ([]ostiary.Document, error)
	DocumentKeys(ctx context.Context) iter.Seq2[ostiary.DocumentKey, error]
	Tuples(ctx context.Context, f ostiary.Filter, after *ostiary.Tuple) iter.Seq2[ostiary.StoredTuple, error]
}

// Backend is the replicated store. It is safe for concurrent use.
type Backend interface {
	View(ctx context.Context, f ostiary.Freshness) (View, error)
	Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error)
	Now() int64
}

// Options configures a Purger.
type Options struct {
	Backend Backend
	// Forget, where it is set, removes what others keep of a store, before its marker goes. It may be called again.
	Forget func(ctx context.Context, store string) error
	// ChangesPerMutation bounds one step. Zero means 2,000.
	ChangesPerMutation int
}

// Purger removes what is left of stores whose retention has ended.
type Purger struct{ o Options }

const defaultChanges = 2_000

// NewPurger returns a Purger.
func NewPurger(o Options) *Purger {
	if o.ChangesPerMutation == 0 {
		o.ChangesPerMutation = defaultChanges
	}
	return &Purger{o}
}

// principal is who removes the rows, in the changelog.
var principal = ostiary.Principal{Kind: "internal", Name: "purge"}

// Purge removes what is left of the stores whose retention has ended, in bounded steps, and returns the ids of those
// that are gone. One that comes back meanwhile stays whole. It reads every key of every document once for each store.
func (p *Purger) Purge(ctx context.Context) (gone []string, err error) {
	due, err := p.due(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for deleted stores: %w", err)
	}
	for _, d := range due {
		store := d.Key.Key
		switch err := p.purge(ctx, d); {
		case errors.Is(err, ostiary.ErrPrecondition):
			// It came back, or another node removes it.
		case err != nil:
			return gone, fmt.Errorf("remove what is left of the deleted store %s: %w", store, err)
		default:
			gone = append(gone, store)
		}
	}
	return gone, nil
}

// due returns the markers of stores whose retention has ended.
func (p *Purger) due(ctx context.Context) (due []ostiary.Document, err error) {
	v, err := p.o.Backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	for d, err := range ostiary.EachDocument(ctx, v, Collection, "") {
		if err != nil {
			return nil, err
		}
		m, err := Decode(d)
		if err != nil {
			return nil, err
		}
		if m.Purging || m.UntilNanos <= p.o.Backend.Now() {
			due = append(due, d)
		}
	}
	return due, nil
}

// purge removes one store.
func (p *Purger) purge(ctx context.Context, d ostiary.Document) error {
	m, err := Decode(d)
	if err != nil {
		return err
	}
	if !m.Purging {
		m.Purging = true
		body, err := m.Encode()
		if err != nil {
			return err
		}
		receipt, err := p.propose(ctx, d, nil, []ostiary.DocumentChange{{Key: d.Key, Body: body}})
		if err != nil {
			return err
		}
		d.Version = receipt.Revision
	}
	// What follows sees a state in which the marker says that it purges: nothing is added to the store any more.
	v, err := p.o.Backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return err
	}
	defer v.Close()
	if err := p.tuples(ctx, v, d); err != nil {
		return err
	}
	if err := p.documents(ctx, v, d); err != nil {
		return err
	}
	if p.o.Forget != nil {
		if err := p.o.Forget(ostiary.WithPrincipal(ctx, principal), d.Key.Key); err != nil {
			return err
		}
	}
	_, err = p.propose(ctx, d, nil, []ostiary.DocumentChange{{Key: d.Key, Delete: true}})
	return err
}

// propose commits a step, as long as the marker is what it was.
func (p *Purger) propose(
	ctx context.Context, marker ostiary.Document, tuples []ostiary.TupleChange, documents []ostiary.DocumentChange,
) (ostiary.Receipt, error) {
	m := &ostiary.Mutation{
		TimeNanos: p.o.Backend.Now(), Principal: principal, Tuples: tuples, Documents: documents,
		Preconditions: []ostiary.Precondition{{Kind: ostiary.DocumentAtVersion, Document: marker.Key, Version: marker.Version}},
	}
	for _, d := range documents {
		if d.Key.Collection == ostiary.CollectionQuotas {
			m.MinVersion = ostiary.ReleaseQuotas
		}
	}
	return p.o.Backend.Propose(ctx, m)
}

func (p *Purger) tuples(ctx context.Context, v View, marker ostiary.Document) error {
	store := marker.Key.Key
	var next []ostiary.TupleChange
	step := func() error {
		if len(next) == 0 {
			return nil
		}
		_, err := p.propose(ctx, marker, next, nil)
		next = nil
		return err
	}
	for t, err := range v.Tuples(ctx, ostiary.Filter{Store: store}, nil) {
		if err != nil {
			return err
		}
		for _, g := range t.Grants {
			next = append(next, ostiary.TupleChange{Op: ostiary.TupleRelease, Store: store, Tuple: t.Tuple, Grant: ostiary.Grant{Owner: g.Owner}})
		}
		if len(next) >= p.o.ChangesPerMutation {
			if err := step(); err != nil {
				return err
			}
		}
	}
	return step()
}

// owners are the collections whose documents say by "store" to which store they belong; others name their keys.
var owners = []string{"connection", "stream-receiver"}

// streamsOf is the collection of a store whose keys others name too.
func streamsOf(store string) string { return "stream/" + store }

// documents removes every document whose collection or key names the store, or what belongs to it: connections,
// receivers of streams, and streams. Those that say what belongs to it go last, so that whoever goes on after a
// crash still knows.
func (p *Purger) documents(ctx context.Context, v View, marker ostiary.Document) error {
	store := marker.Key.Key
	names, last, err := namesOf(ctx, v, store)
	if err != nil {
		return err
	}
	var next []ostiary.DocumentChange
	step := func(least int) error {
		if len(next) == 0 || len(next) < least {
			return nil
		}
		_, err := p.propose(ctx, marker, nil, next)
		next = nil
		return err
	}
	for k, err := range v.DocumentKeys(ctx) {
		if err != nil {
			return err
		}
		if k == marker.Key || last[k] || !named(k, names) {
			continue
		}
		next = append(next, ostiary.DocumentChange{Key: k, Delete: true})
		if err := step(p.o.ChangesPerMutation); err != nil {
			return err
		}
	}
	if err := step(0); err != nil {
		return err
	}
	for k := range last {
		next = append(next, ostiary.DocumentChange{Key: k, Delete: true})
		if err := step(p.o.ChangesPerMutation); err != nil {
			return err
		}
	}
	return step(0)
}

// namesOf returns the ids by which documents name what belongs to a store, and the documents that say so.
func namesOf(ctx context.Context, v View, store string) (names map[string]bool, last map[ostiary.DocumentKey]bool, err error) {
	names, last = map[string]bool{store: true}, map[ostiary.DocumentKey]bool{}
	each := func(collection string, is func(ostiary.Document) bool) error {
		for d, err := range ostiary.EachDocument(ctx, v, collection, "") {
			if err != nil {
				return err
			}
			if is(d) {
				names[d.Key.Key], last[d.Key] = true, true
			}
		}
		return nil
	}
	for _, collection := range owners {
		err := each(collection, func(d ostiary.Document) bool {
			var body struct {
				Store string `json:"store"`
			}
			return json.Unmarshal(d.Body, &body) == nil && body.Store == store
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return names, last, each(streamsOf(store), func(ostiary.Document) bool { return true })
}

// idForm is that of the ids of stores, and of what the server gives ids.
var idForm = regexp.MustCompile(`^[a-z]?[0-9A-Za-z]{26}$`)

// named reports whether the first id in a key, between slashes, is one of the names: a document belongs to whom it
// names first. What comes after that can be what somebody calls a person or an organization.
func named(k ostiary.DocumentKey, names map[string]bool) bool {
	for _, text := range []string{k.Collection, k.Key} {
		for part := range strings.SplitSeq(text, "/") {
			if names[part] {
				return true
			}
			if idForm.MatchString(part) {
				return false
			}
		}
	}
	return false
}
