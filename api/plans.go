package api

import (
	"sync"
	"sync/atomic"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
)

// authModel is one authorization model, ready for use. Immutable, as far as can be seen.
type authModel struct {
	ID      string
	Version ostiary.Revision // at which it was written
	Model   *model.Model
	Plan    *engine.Plan

	tuplesets map[[2]string]bool // by type and relation

	judged atomic.Pointer[judgement] // the last one; nil before the first
}

func newAuthModel(id string, version ostiary.Revision, m *model.Model) *authModel {
	a := &authModel{ID: id, Version: version, Model: m, Plan: engine.Compile(m), tuplesets: map[[2]string]bool{}}
	for _, t := range m.Types {
		for _, r := range t.Relations {
			eachTupleset(r.Rewrite, func(tupleset string) { a.tuplesets[[2]string{t.Name, tupleset}] = true })
		}
	}
	return a
}

func eachTupleset(rw model.Rewrite, visit func(tupleset string)) {
	switch rw := rw.(type) {
	case model.TupleToUserset:
		visit(rw.Tupleset)
	case model.Union:
		for _, child := range rw.Children {
			eachTupleset(child, visit)
		}
	case model.Intersection:
		for _, child := range rw.Children {
			eachTupleset(child, visit)
		}
	case model.Difference:
		eachTupleset(rw.Base, visit)
		eachTupleset(rw.Subtract, visit)
	}
}

// isTupleset reports whether some relation of the type follows relation to other objects.
func (m *authModel) isTupleset(typ, relation string) bool {
	return m.tuplesets[[2]string{typ, relation}]
}

// modelKey names a model. Ids are unique among all stores, and still the store is part of the key: a
// model must never be found from another store.
type modelKey struct{ store, id string }

// modelCache keeps compiled models. They are immutable, so an entry is never wrong; whether its store
// still exists is asked of the view each time. Safe for concurrent use.
type modelCache struct {
	max int

	mu      sync.RWMutex
	entries map[modelKey]*authModel // guarded by mu; at most max
}

func newModelCache(max int) *modelCache {
	return &modelCache{max: max, entries: make(map[modelKey]*authModel)}
}

func (c *modelCache) get(key modelKey) *authModel {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.entries[key]
}

// put adds an entry. A full cache drops some other one.
func (c *modelCache) put(key modelKey, m *authModel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.entries[key]; !there && len(c.entries) >= c.max {
		for other := range c.entries {
			delete(c.entries, other)
			break
		}
	}
	c.entries[key] = m
}
