package storage

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// NowNanos is the time that the reader judges expiry by.
func (r *Reader) NowNanos() int64 { return r.nowNanos }

// ObjectEdges returns the tuples of an object, packed. The set is cut where the object has more rows
// than the reader reads at once.
func (r *Reader) ObjectEdges(ctx context.Context, object ostiary.ObjectRef) (*edges.Set, error) {
	set, err := r.objectEdges(ctx, object)
	if err != nil {
		return nil, fmt.Errorf("read the tuples of %q in store %q: %w", object, r.store, err)
	}
	return set, nil
}

func (r *Reader) objectEdges(ctx context.Context, object ostiary.ObjectRef) (*edges.Set, error) {
	if err := validateTuple(ostiary.Tuple{Object: object, Relation: "any", Subject: anySubject}); err != nil {
		return nil, err
	}
	b, err := r.object(ctx, object)
	if err != nil {
		return nil, err
	}
	r.builder.Reset()
	for i := range b.rows {
		if err := r.addRow(b.key(i), b.value(i)); err != nil {
			return nil, err
		}
	}
	if !b.whole {
		for g := range r.builder.Groups() {
			r.builder.Open(g)
		}
		r.builder.Cut()
	}
	return r.builder.Set(), nil
}

func (r *Reader) addRow(key, value []byte) error {
	_, t, err := decodeTupleKey(key)
	if err != nil {
		return err
	}
	g := r.builder.Group([]byte(edges.HeadOf(t.Relation, t.Subject)))
	return r.addTuple(g, t, t.Subject.ID, key, value)
}

func (r *Reader) addTuple(group int, t ostiary.Tuple, id string, key, value []byte) error {
	if valueIsPlain(value) {
		r.builder.Add(group, []byte(id))
		return nil
	}
	state, err := decodeTupleValue(key, value)
	if err != nil {
		return err
	}
	r.builder.AddOdd(group, state.stored(t))
	return nil
}

// SubjectEdges returns what Objects yields as a group; it is open where that is more than limit.
func (r *Reader) SubjectEdges(
	ctx context.Context, subject ostiary.SubjectRef, objectType, relation string, limit int,
) (edges.Group, error) {
	t := ostiary.Tuple{Object: ostiary.ObjectRef{Type: objectType}, Relation: relation, Subject: subject}
	head := edges.HeadObjects(objectType, relation)
	r.builder.Reset()
	g := r.builder.Group([]byte(head))
	err := r.scanRows(ctx, t, func(t ostiary.Tuple, key, value []byte) (bool, error) {
		if r.builder.Len() == limit {
			r.builder.Open(g)
			return false, nil
		}
		return true, r.addTuple(g, t, t.Object.ID, key, value)
	})
	if err != nil {
		return edges.Group{}, fmt.Errorf("read objects of type %q that %q has %q to in store %q: %w", objectType, subject, relation, r.store, err)
	}
	return r.builder.Set().Find(head), nil
}
