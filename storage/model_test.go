package storage

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ostiary/ostiary"
)

// The model is a plain picture of what a store should hold, written from the comments of
// ostiary.Mutation and DESIGN section 4 and not from the code that it judges.

type modelKey struct {
	store string
	tuple ostiary.Tuple
}

type modelTuple struct {
	grants       map[string]ostiary.Grant
	created      ostiary.Revision
	createdNanos int64
}

type modelRow struct {
	store string
	ostiary.Change
}

type model struct {
	index   uint64
	clock   int64
	tuples  map[modelKey]modelTuple
	docs    map[ostiary.DocumentKey]ostiary.Document
	changes []modelRow
	low     ostiary.Revision // what is older can no longer be read
	keys    []modelKnown     // idempotency keys, the oldest first
}

// modelKnown is an idempotency key that is remembered.
type modelKnown struct {
	principal ostiary.Principal
	key       string
	ostiary.Remembered
}

// Bounds of what stores of these tests remember of idempotency keys.
const (
	modelMaxKeys = 2
	modelKeyAge  = 40
)

func (m *model) known(p ostiary.Principal, key string) (ostiary.Remembered, bool) {
	for _, k := range m.keys {
		if k.principal == p && k.key == key {
			return k.Remembered, true
		}
	}
	return ostiary.Remembered{}, false
}

// remember adds a key and forgets up to maxForgotten others.
func (w *modelWork) remember(key, digest string) {
	known := modelKnown{principal: w.m.Principal, key: key, Remembered: ostiary.Remembered{
		Receipt: ostiary.Receipt{Revision: w.revision, Changed: w.changed, TimeNanos: w.stamp, Repeated: true}, Digest: digest}}
	if len(w.m.Documents) > 0 {
		known.Document = w.m.Documents[0].Key
	}
	w.keys = append(slices.Clone(w.keys), known)
	for range maxForgotten {
		if len(w.keys) == 1 || len(w.keys) <= modelMaxKeys && w.stamp-w.keys[0].Receipt.TimeNanos < modelKeyAge {
			return
		}
		w.keys = w.keys[1:]
	}
}

func newModel() *model {
	return &model{tuples: map[modelKey]modelTuple{}, docs: map[ostiary.DocumentKey]ostiary.Document{}}
}

func (m *model) clone() *model {
	c := *m
	c.tuples = map[modelKey]modelTuple{}
	for k, t := range m.tuples {
		t.grants = maps.Clone(t.grants)
		c.tuples[k] = t
	}
	c.docs = maps.Clone(m.docs)
	c.changes = slices.Clone(m.changes)
	return &c
}

// apply returns the model after an entry, the receipt, and the sentinel of a refusal.
func (m *model) apply(e Entry) (*model, ostiary.Receipt, error) {
	after := m.clone()
	after.index = e.Index
	if e.Mutation == nil {
		return after, ostiary.Receipt{}, nil
	}
	key, digest, _ := ostiary.CutIdempotencyKey(e.Mutation.IdempotencyKey)
	if known, ok := m.known(e.Mutation.Principal, key); ok {
		if known.Digest != digest {
			return after, ostiary.Receipt{}, ostiary.ErrConflict
		}
		return after, known.Receipt, nil
	}
	w := &modelWork{model: after, before: m, m: e.Mutation, revision: ostiary.Revision(e.Index), stamp: max(m.clock, e.Mutation.TimeNanos)}
	if err := w.run(); err != nil {
		refused := m.clone()
		refused.index = e.Index
		return refused, ostiary.Receipt{}, err
	}
	after.clock = w.stamp
	if key != "" {
		w.remember(key, digest)
	}
	return after, ostiary.Receipt{Revision: w.revision, Changed: w.changed, TimeNanos: w.stamp}, nil
}

type modelWork struct {
	*model
	before   *model
	m        *ostiary.Mutation
	revision ostiary.Revision
	stamp    int64
	sequence uint32
	changed  bool
}

func (w *modelWork) run() error {
	for _, p := range w.m.Preconditions {
		if !w.holds(p) {
			return ostiary.ErrPrecondition
		}
	}
	for _, f := range w.m.Filters {
		if err := w.filter(f); err != nil {
			return err
		}
	}
	for _, c := range w.m.Tuples {
		if err := w.tuple(c); err != nil {
			return err
		}
	}
	for _, d := range w.m.Documents {
		_, exists := w.docs[d.Key]
		if d.Delete {
			delete(w.docs, d.Key)
			w.changed = w.changed || exists
			continue
		}
		w.docs[d.Key] = ostiary.Document{Key: d.Key, Version: w.revision, Body: d.Body}
		if d.Key == (ostiary.DocumentKey{Collection: "history", Key: "low-water"}) {
			w.low = max(w.low, ostiary.Revision(binary.BigEndian.Uint64(d.Body[1:])))
		}
		w.changed = true
	}
	return nil
}

func (w *modelWork) live(g ostiary.Grant) bool {
	return g.ExpiryNanos == 0 || w.stamp < g.ExpiryNanos
}

func (w *modelWork) anyLive(t modelTuple, owner string) bool {
	for o, g := range t.grants {
		if (owner == "" || o == owner) && w.live(g) {
			return true
		}
	}
	return false
}

func (w *modelWork) holds(p ostiary.Precondition) bool {
	switch p.Kind {
	case ostiary.DocumentAtVersion:
		return w.before.docs[p.Document].Version == p.Version
	case ostiary.TuplePresent:
		return w.anyLive(w.before.tuples[modelKey{p.Store, p.Tuple}], "")
	case ostiary.TupleAbsent:
		return !w.anyLive(w.before.tuples[modelKey{p.Store, p.Tuple}], "")
	case ostiary.TupleAlone:
		if !w.anyLive(w.before.tuples[modelKey{p.Store, p.Tuple}], "") {
			return false
		}
		for k, t := range w.before.tuples {
			same := k.store == p.Store && k.tuple.Object == p.Tuple.Object && k.tuple.Relation == p.Tuple.Relation
			if same && k.tuple != p.Tuple && w.anyLive(t, "") {
				return false
			}
		}
		return true
	case ostiary.FilterOwnedAlone:
		all := p.Filter
		all.Owner = ""
		for k, t := range w.before.tuples {
			for owner, g := range t.grants {
				if modelMatches(all, k, t) && owner != p.Filter.Owner && w.live(g) {
					return false
				}
			}
		}
		return true
	}
	for k, t := range w.before.tuples {
		if modelMatches(p.Filter, k, t) && w.anyLive(t, p.Filter.Owner) {
			return false
		}
	}
	return true
}

func modelMatches(f ostiary.Filter, k modelKey, t modelTuple) bool {
	if k.store != f.Store {
		return false
	}
	if f.Relation != "" && f.Relation != k.tuple.Relation {
		return false
	}
	if f.ObjectType != "" && f.ObjectType != k.tuple.Object.Type {
		return false
	}
	if f.Object.Type != "" {
		if f.Object.Type != k.tuple.Object.Type {
			return false
		}
		if f.Object.ID != "" && f.Object.ID != k.tuple.Object.ID {
			return false
		}
	}
	if s := k.tuple.Subject; f.Subject.Relation == "*" {
		if s.Type != f.Subject.Type || s.ID != f.Subject.ID || s.Relation == "" {
			return false
		}
	} else if f.Subject.Type != "" && f.Subject != s {
		return false
	}
	if f.Owner != "" {
		_, has := t.grants[f.Owner]
		return has
	}
	return true
}

// sorted returns the tuples that match in the order in which a filter delete takes them.
func (m *model) sorted(f ostiary.Filter) []modelKey {
	var keys []modelKey
	for k, t := range m.tuples {
		if modelMatches(f, k, t) {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b modelKey) int {
		if f.Subject.Type != "" && f.Object.ID == "" {
			return cmp.Or(cmp.Compare(a.tuple.Subject.Relation, b.tuple.Subject.Relation), cmp.Compare(a.tuple.Object.Type, b.tuple.Object.Type),
				cmp.Compare(a.tuple.Relation, b.tuple.Relation), cmp.Compare(a.tuple.Object.ID, b.tuple.Object.ID))
		}
		return a.tuple.Compare(b.tuple)
	})
	return keys
}

func (w *modelWork) filter(f ostiary.FilterDelete) error {
	keys := w.sorted(f.Filter)
	if f.Max != 0 && len(keys) > int(f.Max) {
		return ostiary.ErrTooBroad
	}
	for _, k := range keys {
		for _, owner := range slices.Sorted(maps.Keys(w.tuples[k].grants)) {
			if f.Filter.Owner == "" || f.Filter.Owner == owner {
				w.remove(k, owner)
			}
		}
	}
	return nil
}

func (w *modelWork) log(k modelKey, op ostiary.ChangeOp, g ostiary.Grant) {
	w.changed = true
	w.changes = append(w.changes, modelRow{k.store, ostiary.Change{
		Revision: w.revision, Sequence: w.sequence, Op: op, Tuple: k.tuple, Grant: g,
		TimeNanos: w.stamp, Principal: w.m.Principal,
	}})
	w.sequence++
}

func (w *modelWork) remove(k modelKey, owner string) {
	t := w.tuples[k]
	w.log(k, ostiary.ChangeDelete, t.grants[owner])
	delete(t.grants, owner)
	if len(t.grants) == 0 {
		delete(w.tuples, k)
	}
}

func (w *modelWork) put(k modelKey, g ostiary.Grant) {
	t, exists := w.tuples[k]
	if !exists {
		t = modelTuple{grants: map[string]ostiary.Grant{}}
	}
	lives := false
	for _, old := range t.grants {
		lives = lives || w.live(old)
	}
	if !lives {
		t.created, t.createdNanos = w.revision, w.stamp
	}
	t.grants[g.Owner] = g
	w.tuples[k] = t
	w.log(k, ostiary.ChangeWrite, g)
}

func (w *modelWork) tuple(c ostiary.TupleChange) error {
	k := modelKey{c.Store, c.Tuple}
	t := w.tuples[k]
	old, has := t.grants[c.Grant.Owner]
	same := has && old.Condition == c.Grant.Condition && bytes.Equal(old.Context, c.Grant.Context) && old.ExpiryNanos == c.Grant.ExpiryNanos
	switch c.Op {
	case ostiary.TupleCreate:
		switch {
		case !has || !w.live(old):
			w.put(k, c.Grant)
		case !same:
			return ostiary.ErrConflict
		case !c.IfExists:
			return ostiary.ErrTupleExists
		}
	case ostiary.TupleTouch:
		if !same {
			w.put(k, c.Grant)
		}
	case ostiary.TupleRelease:
		if has {
			w.remove(k, c.Grant.Owner)
		}
	case ostiary.TupleDelete:
		for owner, g := range t.grants {
			if owner != c.Grant.Owner && w.live(g) {
				return ostiary.ErrTupleOwned
			}
		}
		switch {
		case has && w.live(old):
			w.remove(k, c.Grant.Owner)
		case !c.IfMissing:
			return ostiary.ErrTupleMissing
		}
	}
	return nil
}

// stored returns a tuple of the model as a view should show it.
func (t modelTuple) stored(k modelKey) ostiary.StoredTuple {
	st := ostiary.StoredTuple{Tuple: k.tuple, Created: t.created, CreatedNanos: t.createdNanos}
	for _, owner := range slices.Sorted(maps.Keys(t.grants)) {
		st.Grants = append(st.Grants, t.grants[owner])
	}
	return st
}

// differs compares an outcome of the store with the model's.
func differs(got Outcome, receipt ostiary.Receipt, sentinel error) error {
	if sentinel == nil {
		if got.Err != nil || got.Receipt != receipt {
			return fmt.Errorf("outcome %+v, %v; the model says %+v", got.Receipt, got.Err, receipt)
		}
		return nil
	}
	if !errors.Is(got.Err, sentinel) || got.Receipt != (ostiary.Receipt{}) {
		return fmt.Errorf("outcome %+v, %v; the model refuses it with %q", got.Receipt, got.Err, sentinel)
	}
	return nil
}
