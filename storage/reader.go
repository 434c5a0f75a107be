package storage

import (
	"context"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// Reader reads the tuples of one store for evaluation: at one revision, without those whose every
// grant has expired at one time. It satisfies engine.Reader.
//
// All relations of an object lie together, so the first question about an object reads up to
// objectRows of its rows at one seek, and questions about its other relations are answered from
// memory. Where an object has more, a question beyond them costs a seek of its own.
//
// A Reader serves one goroutine; a question may be asked in the middle of a sequence of the same
// Reader. It lives no longer than its view: closing the view closes it, and Close gives its iterators
// back earlier. What is yielded may be kept.
type Reader struct {
	view     *View
	store    string
	nowNanos int64

	idle    []cursor // every open iterator that no sequence is using
	objects [readerObjects]objectBuffer
	victim  int // place in objects that is given up next
	lower   []byte
	upper   []byte // scratch, never held across a yield
	builder edges.Builder
	stats   Stats
}

// Stats counts what a Reader asked of Pebble.
type Stats struct {
	Seeks int64 // positionings of an iterator
	Keys  int64 // rows read
}

// Reader returns a reader of one store at the given time, in nanoseconds since 1970 UTC.
func (v *View) Reader(store string, nowNanos int64) *Reader {
	return &Reader{view: v, store: store, nowNanos: nowNanos}
}

// Stats returns what the reader has asked of Pebble so far.
func (r *Reader) Stats() Stats { return r.stats }

// Close gives back what the reader holds. The reader may be used again until its view closes.
func (r *Reader) Close() {
	r.view.mu.Lock()
	delete(r.view.mu.readers, r)
	r.view.mu.Unlock()
	r.closeIterators()
}

func (r *Reader) closeIterators() {
	for _, it := range r.idle {
		if err := it.Close(); err != nil { // every read has reported its own error before
			r.view.store.logger.Debug("iterator closed with an error", "error", err)
		}
	}
	r.idle = nil
}

// iterator returns an iterator that no sequence is using.
func (r *Reader) iterator(ctx context.Context) (cursor, error) {
	if n := len(r.idle); n > 0 {
		it := r.idle[n-1]
		r.idle = r.idle[:n-1]
		if past, ok := it.(*pastCursor); ok {
			past.ctx = ctx
		}
		return it, nil
	}
	if err := r.view.enlist(r); err != nil {
		return nil, err
	}
	return r.view.newCursor(ctx)
}

// enlist makes the view close r's iterators when it closes.
func (v *View) enlist(r *Reader) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mu.closed {
		return fmt.Errorf("the view at revision %d is closed: %w", v.Revision(), ostiary.ErrUnavailable)
	}
	if v.mu.readers == nil {
		v.mu.readers = map[*Reader]struct{}{}
	}
	v.mu.readers[r] = struct{}{}
	return nil
}

// giveBack takes an iterator that a sequence has finished with. One that has failed is not used again.
func (r *Reader) giveBack(it cursor) {
	if it.Error() != nil {
		_ = it.Close() // the error was reported by the read that met it
		return
	}
	r.idle = append(r.idle, it)
}

// Has returns the exact tuple, and false where there is none.
func (r *Reader) Has(ctx context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error) {
	edge, ok, err := r.has(ctx, t)
	if err != nil {
		return ostiary.Edge{}, false, fmt.Errorf("look for tuple %q in store %q: %w", t, r.store, err)
	}
	return edge, ok, nil
}

func (r *Reader) has(ctx context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error) {
	if err := validateTuple(t); err != nil {
		return ostiary.Edge{}, false, err
	}
	b, err := r.object(ctx, t.Object)
	if err != nil {
		return ostiary.Edge{}, false, err
	}
	r.lower = appendPart(append(r.lower[:0], b.prefix...), t.Relation)
	r.lower = appendSubject(r.lower, t.Subject)
	if b.knows(r.lower) {
		i := b.search(r.lower)
		if i == len(b.rows) || string(b.key(i)) != string(r.lower) {
			return ostiary.Edge{}, false, nil
		}
		return r.edge(t, b.key(i), b.value(i))
	}
	it, err := r.iterator(ctx)
	if err != nil {
		return ostiary.Edge{}, false, err
	}
	defer r.giveBack(it)
	r.stats.Seeks++
	if !it.SeekPrefixGE(r.lower) || string(it.Key()) != string(r.lower) {
		return ostiary.Edge{}, false, readError(it.Error())
	}
	r.stats.Keys++
	value, err := it.ValueAndErr()
	if err != nil {
		return ostiary.Edge{}, false, readError(err)
	}
	return r.edge(t, r.lower, value)
}

// edge returns t as evaluation sees it, given its row.
func (r *Reader) edge(t ostiary.Tuple, key, value []byte) (ostiary.Edge, bool, error) {
	if valueIsPlain(value) {
		return ostiary.Edge{Tuple: t}, true, nil
	}
	state, err := decodeTupleValue(key, value)
	if err != nil {
		return ostiary.Edge{}, false, err
	}
	edge, ok := state.stored(t).Edge(r.nowNanos)
	return edge, ok, nil
}

// Usersets yields the tuples of object and relation whose subject is a wildcard or a userset,
// wildcards first. It never reads past the first plain subject.
func (r *Reader) Usersets(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return r.subjects(ctx, object, relation, kindObject)
}

// Subjects yields every tuple of object and relation: wildcards, then usersets, then plain subjects,
// each in the order of ostiary.Tuple.Compare.
func (r *Reader) Subjects(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return r.subjects(ctx, object, relation, kindObject+1)
}

// subjects yields the tuples of object and relation whose subject is of a kind below end.
func (r *Reader) subjects(ctx context.Context, object ostiary.ObjectRef, relation string, end byte) iter.Seq2[ostiary.Edge, error] {
	return func(yield func(ostiary.Edge, error) bool) {
		tuple := ostiary.Tuple{Object: object, Relation: relation}
		more := true
		err := r.scanSubjects(ctx, tuple, end, func(e ostiary.Edge) bool {
			more = yield(e, nil)
			return more
		})
		if err != nil && more {
			yield(ostiary.Edge{}, fmt.Errorf("read subjects of %q in store %q: %w", object.String()+"#"+relation, r.store, err))
		}
	}
}

// anySubject stands for the subject in the validation of a question that has none. A question whose
// parts hold NUL could otherwise match the key of another tuple.
var anySubject = ostiary.SubjectRef{Type: "any", ID: "any"}

func (r *Reader) scanSubjects(ctx context.Context, t ostiary.Tuple, end byte, yield func(ostiary.Edge) bool) error {
	t.Subject = anySubject
	if err := validateTuple(t); err != nil {
		return err
	}
	b, err := r.object(ctx, t.Object)
	if err != nil {
		return err
	}
	r.lower = appendPart(append(r.lower[:0], b.prefix...), t.Relation)
	r.upper = append(append(r.upper[:0], r.lower...), end)
	prefix := len(r.lower)
	row := func(key, value []byte) (bool, error) {
		p := parts{string(key[prefix:])}
		var ok bool
		if t.Subject, ok = p.subject(false); !ok {
			return false, keyError("tuple", key, false)
		}
		edge, ok, err := r.edge(t, key, value)
		if err != nil || !ok {
			return err == nil, err
		}
		return yield(edge), nil
	}
	if !b.knows(r.upper) {
		return r.scan(ctx, row)
	}
	b.pins++
	defer func() { b.pins-- }()
	upper := b.search(r.upper)
	for i := b.search(r.lower); i < upper; i++ {
		if more, err := row(b.key(i), b.value(i)); !more {
			return err
		}
	}
	return nil
}

// Objects yields the tuples that join exactly subject by relation to objects of a type, in the order
// of the object id.
func (r *Reader) Objects(ctx context.Context, subject ostiary.SubjectRef, objectType, relation string) iter.Seq2[ostiary.Edge, error] {
	return func(yield func(ostiary.Edge, error) bool) {
		t := ostiary.Tuple{Object: ostiary.ObjectRef{Type: objectType}, Relation: relation, Subject: subject}
		more := true
		err := r.scanObjects(ctx, t, func(e ostiary.Edge) bool {
			more = yield(e, nil)
			return more
		})
		if err != nil && more {
			yield(ostiary.Edge{}, fmt.Errorf("read objects of type %q that %q has %q to in store %q: %w",
				objectType, subject, relation, r.store, err))
		}
	}
}

func (r *Reader) scanObjects(ctx context.Context, t ostiary.Tuple, yield func(ostiary.Edge) bool) error {
	return r.scanRows(ctx, t, func(t ostiary.Tuple, key, value []byte) (bool, error) {
		edge, ok, err := r.edge(t, key, value)
		if err != nil || !ok {
			return err == nil, err
		}
		return yield(edge), nil
	})
}

// scanRows reads the reverse rows of t's subject, object type and relation, until row says no.
func (r *Reader) scanRows(ctx context.Context, t ostiary.Tuple, row func(t ostiary.Tuple, key, value []byte) (bool, error)) error {
	t.Object.ID = ostiary.Wildcard // any valid id
	if err := validateTuple(t); err != nil {
		return err
	}
	r.lower = appendSubjectPrefix(r.lower[:0], r.store, t.Subject)
	r.lower = appendPart(appendPart(r.lower, t.Object.Type), t.Relation)
	r.upper = append(r.upper[:0], r.lower...)
	r.upper[len(r.upper)-1] = separator + 1
	prefix := len(r.lower)
	return r.scan(ctx, func(key, value []byte) (bool, error) {
		p := parts{string(key[prefix:])}
		var ok bool
		if t.Object.ID, ok = p.last(); !ok {
			return false, keyError("reverse", key, false)
		}
		return row(t, key, value)
	})
}

// scan reads the rows from r.lower to r.upper with an iterator of its own, until row says no.
func (r *Reader) scan(ctx context.Context, row func(key, value []byte) (bool, error)) error {
	it, err := r.iterator(ctx)
	if err != nil {
		return err
	}
	defer r.giveBack(it)
	upper := append([]byte(nil), r.upper...) // row may ask other questions of r
	r.stats.Seeks++
	state := it.SeekGEWithLimit(r.lower, upper)
	for n := 0; state == pebble.IterValid; n++ {
		if err := checkContext(ctx, n); err != nil {
			return err
		}
		r.stats.Keys++
		value, err := it.ValueAndErr()
		if err != nil {
			return readError(err)
		}
		if more, err := row(it.Key(), value); !more {
			return err
		}
		state = it.NextWithLimit(upper)
	}
	return readError(it.Error())
}
