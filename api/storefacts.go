package api

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/identity"
)

// maxCachedStores bounds the stores whose documents are kept.
const maxCachedStores = 10_000

// storeFacts is what every question and every write asks of the documents of a store that exists.
type storeFacts struct {
	document      ostiary.Document // its own; nobody changes the body
	latestModel   string           // its id; empty where no model was written
	mapping       *gate.Mapping    // of identity onto the model
	organizations bool             // there are some, or were: there is a gate
	gate          identity.StoreGate
	quota         bool   // it has one
	rate          uint32 // how many requests a second it may get; zero: what Limits.MaxStoreRequestRate says
}

// factCache keeps the facts of stores for the views that show the same documents, as
// View.DocumentsChanged tells: an entry is exact for each of them. Safe for concurrent use.
//
// It saves two reads of 3 us each of a check; go test ./api -bench BenchmarkCheck.
type factCache struct {
	newest atomic.Pointer[factEpoch]
}

// factEpoch holds the facts between two changes of documents.
type factEpoch struct {
	changed ostiary.Revision
	stores  sync.Map // of storeFacts by store id
	count   atomic.Int64
}

// epoch returns the epoch of a view, or nil where nothing is kept of it: it shows an older one.
func (c *factCache) epoch(v View) *factEpoch {
	changed, known := v.DocumentsChanged()
	if !known {
		return nil
	}
	for {
		e := c.newest.Load()
		switch {
		case e != nil && e.changed == changed:
			return e
		case e != nil && e.changed > changed:
			return nil
		}
		if next := (&factEpoch{changed: changed}); c.newest.CompareAndSwap(e, next) {
			return next
		}
	}
}

// newestOf returns the facts of a store in the newest views that anybody took, and false where they are not kept.
func (c *factCache) newestOf(store string) (storeFacts, bool) {
	e := c.newest.Load()
	if e == nil {
		return storeFacts{}, false
	}
	f, ok := e.stores.Load(store)
	if !ok {
		return storeFacts{}, false
	}
	return f.(storeFacts), true
}

// noticing is a backend by whose views a factCache learns at once that documents changed.
type noticing struct {
	Backend
	stores *factCache
}

func (n noticing) View(ctx context.Context, f ostiary.Freshness) (View, error) {
	v, err := n.Backend.View(ctx, f)
	if err == nil {
		n.stores.epoch(v)
	}
	return v, err
}

// facts returns the facts of a store, and the refusal of one that does not exist in the view.
func (s *Server) facts(v View, store string) (storeFacts, error) {
	e := s.stores.epoch(v)
	if e != nil {
		if f, ok := e.stores.Load(store); ok {
			return f.(storeFacts), nil
		}
	}
	document, err := storeDocument(v, store)
	if err != nil {
		return storeFacts{}, err
	}
	latest, _, err := v.Document(latestModelKey(store))
	if err != nil {
		return storeFacts{}, err
	}
	on, _, err := identity.HasOrganizations(v, store)
	if err != nil {
		return storeFacts{}, err
	}
	storeGate, err := identity.StoreGateOf(v, store)
	if err != nil {
		return storeFacts{}, err
	}
	f := storeFacts{document: document, latestModel: string(latest.Body), organizations: on, gate: storeGate}
	mapping, _, err := identity.MappingOf(v, store)
	if err != nil {
		return storeFacts{}, err
	}
	f.mapping = mapping
	if _, f.quota, err = v.Document(ostiary.DocumentKey{Collection: ostiary.CollectionQuotas, Key: store}); err != nil {
		return storeFacts{}, err
	}
	if f.rate, err = rateIn(v, store); err != nil {
		return storeFacts{}, err
	}
	if e != nil && e.count.Add(1) <= maxCachedStores {
		e.stores.Store(store, f)
	}
	return f, nil
}
