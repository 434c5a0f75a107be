package storage

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// Reader reads the tuples of one store for evaluation: at one revision, without those whose every
// grant has expired at one time. It satisfies engine.Reader.
//
// All relations of an object lie together, so one seek reads them, packed (ObjectEdges), and Has looks
// there first. The other questions cost a seek each.
//
// A Reader serves one goroutine; a question may be asked in the middle of a sequence of the same
// Reader. It lives no longer than its view: closing the view closes it, and Close gives what it holds
// back earlier. What is yielded may be kept.
type Reader struct {
	view     *View
	store    string
	nowNanos int64
	*workspace
	stats Stats
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

// NowNanos is the time that the reader judges expiry by.
func (r *Reader) NowNanos() int64 { return r.nowNanos }

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
	set, err := r.objectEdges(ctx, &t.Object)
	if err != nil {
		return ostiary.Edge{}, false, err
	}
	g := set.FindOf(t.Relation, t.Subject)
	if edge, ok, known := r.among(g, t, t.Subject.ID); known {
		return edge, ok, nil
	}
	// A walker asks many objects for one subject.
	if g, err = r.subjectEdges(ctx, &t.Subject, t.Object.Type, t.Relation, groupRows); err != nil {
		return ostiary.Edge{}, false, err
	}
	if edge, ok, known := r.among(g, t, t.Object.ID); known {
		return edge, ok, nil
	}
	return r.probe(ctx, t)
}

// among looks for t in a group that has it, if at all, under an id. known says that the group tells.
func (r *Reader) among(g edges.Group, t ostiary.Tuple, id string) (edge ostiary.Edge, ok, known bool) {
	if g.Has(id) {
		return ostiary.Edge{Tuple: t}, true, true
	}
	odd := g.Odd() // by the part that differs
	i := sort.Search(len(odd), func(i int) bool { return odd[i].Tuple.Compare(t) >= 0 })
	if i < len(odd) && odd[i].Tuple == t {
		edge, live := odd[i].Edge(r.nowNanos)
		return edge, live, true
	}
	return ostiary.Edge{}, false, !g.Open
}

// probe looks for one row.
func (r *Reader) probe(ctx context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error) {
	it, err := r.iterator(ctx)
	if err != nil {
		return ostiary.Edge{}, false, err
	}
	defer r.giveBack(it)
	r.lower = appendTupleKey(r.lower[:0], r.store, t)
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
	if err := r.begin(); err != nil {
		return err
	}
	r.lower = appendPart(appendObjectPrefix(r.lower[:0], r.store, t.Object), t.Relation)
	r.upper = append(append(r.upper[:0], r.lower...), end)
	prefix := len(r.lower)
	return r.scan(ctx, func(key, value []byte) (bool, error) {
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
	})
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
			yield(ostiary.Edge{}, r.objectsError(t, err))
		}
	}
}

func (r *Reader) objectsError(t ostiary.Tuple, err error) error {
	return fmt.Errorf("read objects of type %q that %q has %q to in store %q: %w", t.Object.Type, t.Subject, t.Relation, r.store, err)
}

func (r *Reader) scanObjects(ctx context.Context, t ostiary.Tuple, yield func(ostiary.Edge) bool) error {
	if err := r.boundObjects(t); err != nil {
		return err
	}
	prefix := len(r.lower)
	return r.scan(ctx, func(key, value []byte) (bool, error) {
		p := parts{string(key[prefix:])}
		var ok bool
		if t.Object.ID, ok = p.last(); !ok {
			return false, keyError("reverse", key, false)
		}
		edge, ok, err := r.edge(t, key, value)
		if err != nil || !ok {
			return err == nil, err
		}
		return yield(edge), nil
	})
}

// boundObjects sets r.lower and r.upper around the reverse rows of t, whose object has no id.
func (r *Reader) boundObjects(t ostiary.Tuple) error {
	t.Object.ID = ostiary.Wildcard // any valid id
	if err := validateTuple(t); err != nil {
		return err
	}
	if err := r.begin(); err != nil {
		return err
	}
	r.lower = appendSubjectPrefix(r.lower[:0], r.store, t.Subject)
	r.lower = appendPart(appendPart(r.lower, t.Object.Type), t.Relation)
	r.upper = append(r.upper[:0], r.lower...)
	r.upper[len(r.upper)-1] = separator + 1
	return nil
}

// scan reads the rows from r.lower to r.upper with an iterator of its own, until row says no.
func (r *Reader) scan(ctx context.Context, row func(key, value []byte) (bool, error)) error {
	it, err := r.iterator(ctx)
	if err != nil {
		return err
	}
	defer r.giveBack(it)
	upper := slices.Clone(r.upper) // row may ask other questions of r
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
