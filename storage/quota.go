package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// A store with a quota has its tuples counted: there is a row of the count table for each document of
// ostiary.CollectionQuotas, and for no other store. The entry that sets the first quota of a store counts its tuples,
// the entries after it keep the count. What is counted are the rows of the tuple table.

// storeCount is the count of a store, and its bound.
type storeCount struct {
	tuples uint64
	quota  ostiary.Quota
}

// counts are those of the state that the applier has come to.
type counts struct {
	stores map[string]storeCount
	// Of the mutation that is applied: what it adds and takes away, and the counts that it begins (non-nil) or ends.
	added  map[string]int64
	staged map[string]*storeCount
}

func (c *counts) begin() {
	clear(c.added)
	clear(c.staged)
}

// load reads the counts. Where a store has a quota and no count, as after a restore, it counts.
func (c *counts) load(db *pebble.DB) error {
	c.stores, c.added, c.staged = map[string]storeCount{}, map[string]int64{}, map[string]*storeCount{}
	for after := ""; ; {
		docs, err := listDocuments(db, ostiary.CollectionQuotas, after, quotasPerRead, false)
		if err != nil {
			return err
		}
		for _, d := range docs {
			store := d.Key.Key
			q, err := ostiary.QuotaOf(d)
			if err != nil {
				return err
			}
			n, ok, err := readCount(db, store)
			if err == nil && !ok {
				if n, err = countTuples(db, store); err == nil {
					err = db.Set(appendCountKey(nil, store), binary.BigEndian.AppendUint64(nil, n), pebble.NoSync)
				}
			}
			if err != nil {
				return fmt.Errorf("count the tuples of store %q: %w", store, err)
			}
			c.stores[store] = storeCount{n, q}
		}
		if len(docs) < quotasPerRead {
			return nil
		}
		after = docs[len(docs)-1].Key.Key
	}
}

// quotasPerRead is how many quotas are read at a time.
const quotasPerRead = 1_000

func appendCountKey(dst []byte, store string) []byte {
	return append(append(dst, tableCount), store...)
}

// readCount returns how many tuples a store has, and false where they are not counted.
func readCount(r pebble.Reader, store string) (uint64, bool, error) {
	value, ok, err := readMeta(r, appendCountKey(nil, store), 8)
	if err != nil || !ok {
		return 0, false, err
	}
	return binary.BigEndian.Uint64(value), true, nil
}

// countTuples passes over the tuples of a store.
func countTuples(r pebble.Reader, store string) (n uint64, err error) {
	lower := appendStorePrefix(nil, tableTuple, store)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: prefixEnd(lower)})
	if err != nil {
		return 0, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	return n, readError(it.Error())
}

// CountedTuples returns how many tuples a store has, and false where they are not counted: it has no quota. The count is
// the newest, also of a view of an older revision.
func (v *View) CountedTuples(store string) (uint64, bool, error) {
	n, ok, err := readCount(v.shared.snap, store)
	if err != nil {
		err = fmt.Errorf("read how many tuples store %q has: %w", store, err)
	}
	return n, ok, err
}

// setsQuota reports whether a mutation sets or ends a quota.
func setsQuota(m *ostiary.Mutation) bool {
	for i := range m.Documents {
		if m.Documents[i].Key.Collection == ostiary.CollectionQuotas {
			return true
		}
	}
	return false
}

// validateQuota refuses a mutation that sets a quota and changes tuples too: it counts what is in the database.
func (m *mutation) validateQuota() error {
	if !setsQuota(m.Mutation) {
		return nil
	}
	if m.MinVersion < ostiary.ReleaseQuotas {
		return fmt.Errorf("a quota needs a minimum version of %d, not %d: %w", ostiary.ReleaseQuotas, m.MinVersion, errInvalid)
	}
	if len(m.Tuples)+len(m.Filters) > 0 {
		return fmt.Errorf("a quota shares its mutation with changes of tuples: %w", errInvalid)
	}
	for i := range m.Documents {
		if d := &m.Documents[i]; d.Key.Collection == ostiary.CollectionQuotas && !d.Delete {
			if _, err := ostiary.QuotaOf(ostiary.Document{Key: d.Key, Body: d.Body}); err != nil {
				return fmt.Errorf("%v: %w", err, errInvalid)
			}
		}
	}
	return nil
}

// count notes that a tuple came to be, or went.
func (m *mutation) count(store string, from, to tupleState) {
	c := &m.applier.counts
	if _, counted := c.stores[store]; !counted || from.present() == to.present() {
		return
	}
	if to.present() {
		c.added[store]++
	} else {
		c.added[store]--
	}
}

// judgeQuotas refuses the mutation where it leaves a store that it rests on with too many tuples.
func (m *mutation) judgeQuotas() error {
	for i := range m.Preconditions {
		p := &m.Preconditions[i]
		if p.Kind != ostiary.WithinQuota {
			continue
		}
		c, counted := m.applier.counts.stores[p.Store]
		added := m.applier.counts.added[p.Store]
		if !counted || added <= 0 || c.tuples+uint64(added) <= c.quota.Tuples {
			continue
		}
		return refuse(fmt.Errorf("store %s has %d tuples of the %d that it may have, and this would add %d: delete some, or raise the quota: %w",
			p.Store, c.tuples, c.quota.Tuples, added, ostiary.ErrQuota))
	}
	return nil
}

// stageQuotas begins and ends counts where the mutation says so, and writes the rows of those that it changes.
func (m *mutation) stageQuotas() error {
	c := &m.applier.counts
	for i := range m.Documents {
		d := &m.Documents[i]
		if d.Key.Collection != ostiary.CollectionQuotas {
			continue
		}
		if d.Delete {
			c.staged[d.Key.Key] = nil
			continue
		}
		q, err := ostiary.QuotaOf(ostiary.Document{Key: d.Key, Body: d.Body})
		if err != nil {
			return err
		}
		now, counted := c.stores[d.Key.Key]
		if !counted {
			if now.tuples, err = countTuples(m.applier.overlay.db, d.Key.Key); err != nil {
				return err
			}
		}
		now.quota = q
		c.staged[d.Key.Key] = &now
	}
	for store, added := range c.added {
		if now := c.stores[store]; added != 0 {
			now.tuples += uint64(added)
			c.staged[store] = &now
		}
	}
	for store, now := range c.staged { // the order of rows in a batch means nothing: each key comes once
		m.key = appendCountKey(m.key[:0], store)
		m.value = m.value[:0]
		if now != nil {
			m.value = binary.BigEndian.AppendUint64(m.value, now.tuples)
		}
		if err := m.set(m.key); err != nil {
			return err
		}
	}
	return nil
}

// accept makes what is staged the state that the next mutation sees.
func (c *counts) accept() {
	for store, now := range c.staged {
		if now == nil {
			delete(c.stores, store)
			continue
		}
		c.stores[store] = *now
	}
}
