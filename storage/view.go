package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// published is the picture at the end of one batch. Views share it.
type published struct {
	progress
	snap *pebble.Snapshot
	// refs counts who holds it: the store, while it is the newest, and views. Once it is 0 it stays so.
	refs atomic.Int64
	idlers
}

// publish makes the committed state what new views show.
func (s *Store) publish(p progress) {
	next := &published{progress: p, snap: s.db.NewSnapshot()}
	next.refs.Store(1)
	s.mu.Lock()
	old := s.current.Swap(next)
	s.mu.live++
	s.mu.Unlock()
	if old != nil {
		if err := s.release(old); err != nil {
			s.guard.Fail(fmt.Errorf("close the picture at index %d: %w", old.index, err))
		}
	}
}

// acquire takes a reference of the newest picture; nil after Close. It takes no lock: every request comes here several
// times, and where lists keep all cores busy a lock passes from one waiter to the next no faster than they get a core.
func (s *Store) acquire() *published {
	for {
		p := s.current.Load()
		if p == nil {
			return nil
		}
		for n := p.refs.Load(); n > 0; n = p.refs.Load() {
			if p.refs.CompareAndSwap(n, n+1) {
				return p
			}
		}
		// It was replaced, and given back by all, since it was loaded.
	}
}

// release drops one reference of p. With the last reference of a closed store the database closes.
func (s *Store) release(p *published) error {
	if p.refs.Add(-1) > 0 {
		return nil
	}
	err := s.guard.Run(func() error { return errors.Join(p.closeIterators(), p.snap.Close()) })
	s.mu.Lock()
	s.mu.live--
	end := s.mu.closed && s.mu.live == 0
	s.mu.Unlock()
	if end {
		err = errors.Join(err, s.closeDB())
	}
	return err
}

// View is a read-only picture of everything at one revision. It may be shared between goroutines.
// It pins disk space until it is closed. None of its methods may be called after, or during, Close.
type View struct {
	store  *Store
	shared *published
	past   bool             // the view is at an older revision than its picture
	at     ostiary.Revision // with past

	mu struct {
		sync.Mutex
		readers []*Reader // those with a workspace
		closed  bool
	}
}

// View returns the newest picture. The caller closes it.
func (s *Store) View() (*View, error) {
	if err := s.guard.Failure(); err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	p := s.acquire()
	if p == nil {
		return nil, fmt.Errorf("open view: storage is closed: %w", ostiary.ErrUnavailable)
	}
	return &View{store: s, shared: p}, nil
}

// Revision returns the newest revision whose effects the view shows.
func (v *View) Revision() ostiary.Revision {
	if v.past {
		return v.at
	}
	return ostiary.Revision(v.shared.index)
}

// Close ends the view and every Reader of it. Closing twice does nothing.
func (v *View) Close() {
	v.mu.Lock()
	closed := v.mu.closed
	v.mu.closed = true
	readers := v.mu.readers
	v.mu.readers = nil
	v.mu.Unlock()
	if closed {
		return
	}
	for _, r := range readers {
		r.end()
	}
	if err := v.store.release(v.shared); err != nil && v.store.guard.Failure() == nil {
		v.store.logger.Error("view closed with an error", "revision", uint64(v.Revision()), "error", err)
	}
}

// Tuple returns the stored tuple, and false where there is none. Expired grants are returned like
// others.
func (v *View) Tuple(store string, t ostiary.Tuple) (ostiary.StoredTuple, bool, error) {
	if !isPart(store) {
		return ostiary.StoredTuple{}, false, fmt.Errorf("read tuple %q: store %q is empty or holds NUL", t, store)
	}
	if err := validateTuple(t); err != nil {
		return ostiary.StoredTuple{}, false, fmt.Errorf("read tuple of store %q: %w", store, err)
	}
	state, err := v.tuple(appendTupleKey(nil, store, t))
	if err != nil {
		return ostiary.StoredTuple{}, false, fmt.Errorf("read tuple %q of store %q: %w", t, store, err)
	}
	if !state.present() {
		return ostiary.StoredTuple{}, false, nil
	}
	return owned(state.stored(t)), true, nil
}

func (v *View) tuple(key []byte) (tupleState, error) {
	if !v.past {
		return readTuple(v.shared.snap, key)
	}
	value, err := pastGet(context.Background(), v.shared.snap, v.at, key)
	if err != nil || value == nil {
		return tupleState{}, err
	}
	return decodeTupleValue(key, value)
}

// owned returns t with grants that the caller may change.
func owned(t ostiary.StoredTuple) ostiary.StoredTuple {
	t.Grants = slices.Clone(t.Grants)
	return t
}

// Tuples yields the tuples of f.Store that match f, those that come after the tuple after where it
// is not nil. Expired grants are yielded like others. Unlike in a mutation, f may set none of
// Object, Subject and Owner, and then matches every tuple of the store, or several, and then matches
// what matches all.
//
// The order is that of ostiary.Tuple.Compare. Only with a Subject and without an object id is it
// object type, relation, object id. It never changes between views, so that a page can go on
// where another ended.
//
// The sequence ends after it has yielded an error. Tuples may be kept.
func (v *View) Tuples(ctx context.Context, f ostiary.Filter, after *ostiary.Tuple) iter.Seq2[ostiary.StoredTuple, error] {
	return func(yield func(ostiary.StoredTuple, error) bool) {
		if err := validateFilterText(&f); err != nil {
			yield(ostiary.StoredTuple{}, fmt.Errorf("read tuples of store %q: %w", f.Store, err))
			return
		}
		more := true
		err := v.scanTuples(ctx, f, after, func(t ostiary.StoredTuple) bool {
			more = yield(owned(t), nil)
			return more
		})
		if err != nil && more {
			yield(ostiary.StoredTuple{}, fmt.Errorf("read tuples of store %q: %w", f.Store, err))
		}
	}
}
