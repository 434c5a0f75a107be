package engine

import "time"

// Cost is what a step of an explanation has cost. Reads are tuples; an object that is read whole counts as one, and
// each userset or parent in it as one more. Tuples of an object that an earlier step has read cost nothing again.
type Cost struct {
	Reads int64 `json:"reads,omitempty"` // of the step itself
	Nanos int64 `json:"nanos,omitempty"`
	// With the steps below it that are shown, each counted once.
	TotalReads int64 `json:"total_reads,omitempty"`
	TotalNanos int64 `json:"total_nanos,omitempty"`
	// How often the reader's cache had what was asked for, and had not. Both are zero where there is none.
	Cached  int64 `json:"cached,omitempty"`
	Fetched int64 `json:"fetched,omitempty"`
}

// cacheCounter is a Reader that says what its cache did for it so far.
type cacheCounter interface {
	CacheUse() (hits, misses uint64)
}

// meter measures what the leaves of an evaluation cost that is to be explained. A nil meter measures nothing.
type meter struct {
	leaves map[leafKey]Cost
	cache  cacheCounter // nil: there is none
	open   *leafKey     // the leaf that is being read
	at     mark         // where it began
}

type leafKey struct {
	leaf *expr
	id   string
}

type mark struct {
	time         time.Time
	reads        int
	hits, misses uint64
}

// maxMeteredLeaves bounds the leaves whose costs are kept. What more there are cost nothing in the tree, and count in
// the total of its root.
const maxMeteredLeaves = 100_000

func newMeter(r Reader) *meter {
	if o, ok := r.(*overlay); ok {
		r = o.base
	}
	m := &meter{leaves: map[leafKey]Cost{}}
	m.cache, _ = r.(cacheCounter)
	return m
}

func (m *meter) begin(reads int) mark {
	at := mark{time: time.Now(), reads: reads}
	if m.cache != nil {
		at.hits, at.misses = m.cache.CacheUse()
	}
	return at
}

func (m *meter) since(at mark, reads int) Cost {
	c := Cost{Reads: int64(reads - at.reads), Nanos: time.Since(at.time).Nanoseconds()}
	if m.cache != nil {
		hits, misses := m.cache.CacheUse()
		c.Cached, c.Fetched = int64(hits-at.hits), int64(misses-at.misses)
	}
	return c
}

// enter begins to measure the reading of a leaf, and reports false where it is measured already.
func (m *meter) enter(r *run, leaf *expr, id string) bool {
	return m != nil && m.open == nil && r.noticed == nil && m.enterNew(r, leafKey{leaf, id})
}

func (m *meter) enterNew(r *run, key leafKey) bool {
	if _, known := m.leaves[key]; known && r.meterOnce || !known && len(m.leaves) >= maxMeteredLeaves {
		return false
	}
	m.open, m.at = &key, m.begin(r.reads)
	return true
}

// leave ends what enter began.
func (m *meter) leave(r *run) {
	c, was := m.since(m.at, r.reads), m.leaves[*m.open]
	was.Reads += c.Reads
	was.Nanos += c.Nanos
	was.Cached += c.Cached
	was.Fetched += c.Fetched
	m.leaves[*m.open] = was
	m.open = nil
}

func (m *meter) of(leaf *expr, id string) Cost { return m.leaves[leafKey{leaf, id}] }

// addUp fills in the totals of a tree.
func (e *Explanation) addUp() {
	e.Cost.TotalReads, e.Cost.TotalNanos = e.Cost.Reads, e.Cost.Nanos
	for _, list := range [][]*Explanation{e.Children, e.Others} {
		for _, below := range list {
			below.addUp()
			e.Cost.TotalReads += below.Cost.TotalReads
			e.Cost.TotalNanos += below.Cost.TotalNanos
		}
	}
}
