package engine

import (
	"context"
	"iter"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// Overlay returns a reader that shows the contextual tuples beside those of base. A contextual tuple
// stands in for an equal one of base, condition and all. Where there are none, it is base itself.
func Overlay(base Reader, contextual []ostiary.Edge) Reader {
	if len(contextual) == 0 {
		return base
	}
	return &overlay{base: base, top: NewMemory(contextual)}
}

type overlay struct {
	base Reader
	top  *Memory
}

func (o *overlay) Has(ctx context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error) {
	if e, ok, err := o.top.Has(ctx, t); ok || err != nil {
		return e, ok, err
	}
	return o.base.Has(ctx, t)
}

func (o *overlay) Usersets(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return merge(o.top.Usersets(ctx, object, relation), o.base.Usersets(ctx, object, relation), ostiary.Tuple.Compare)
}

func (o *overlay) Subjects(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return merge(o.top.Subjects(ctx, object, relation), o.base.Subjects(ctx, object, relation), ostiary.Tuple.Compare)
}

func (o *overlay) Objects(ctx context.Context, subject ostiary.SubjectRef, objectType, relation string) iter.Seq2[ostiary.Edge, error] {
	return merge(o.top.Objects(ctx, subject, objectType, relation), o.base.Objects(ctx, subject, objectType, relation), compareReverse)
}

// ObjectEdges knows nothing of an object that has contextual tuples: they are few, and the sequences
// merge them.
func (o *overlay) ObjectEdges(ctx context.Context, object ostiary.ObjectRef) (*edges.Set, error) {
	if o.top.holds(object) {
		return unknownEdges, nil
	}
	return o.base.ObjectEdges(ctx, object)
}

var unknownEdges = func() *edges.Set {
	var b edges.Builder
	b.Cut()
	return b.Set()
}()

// SubjectEdges knows nothing where there are contextual tuples, as ObjectEdges.
func (o *overlay) SubjectEdges(
	ctx context.Context, subject ostiary.SubjectRef, objectType, relation string, limit int,
) (edges.Group, error) {
	for range o.top.Objects(ctx, subject, objectType, relation) {
		return edges.Group{Open: true}, nil
	}
	return o.base.SubjectEdges(ctx, subject, objectType, relation, limit)
}

// SubjectSet knows nothing of a subject that has contextual tuples, as ObjectEdges.
func (o *overlay) SubjectSet(ctx context.Context, subject ostiary.SubjectRef) (*edges.Set, error) {
	if len(o.top.of(subject)) > 0 {
		return unknownEdges, nil
	}
	return o.base.SubjectSet(ctx, subject)
}

func (o *overlay) NowNanos() int64 { return o.base.NowNanos() }

// merge joins two ordered sequences into one. Of equal tuples the one of top is yielded. It ends after
// an error of either. top never fails, so only base is read in step.
func merge(top, base iter.Seq2[ostiary.Edge, error], compare func(a, b ostiary.Tuple) int) iter.Seq2[ostiary.Edge, error] {
	return func(yield func(ostiary.Edge, error) bool) {
		var waiting []ostiary.Edge // of top; contextual tuples are few
		for e := range top {
			waiting = append(waiting, e)
		}
		for e, err := range base {
			if err != nil {
				yield(e, err)
				return
			}
			for len(waiting) > 0 && compare(waiting[0].Tuple, e.Tuple) < 0 {
				if !yield(waiting[0], nil) {
					return
				}
				waiting = waiting[1:]
			}
			if len(waiting) > 0 && waiting[0].Tuple == e.Tuple {
				e, waiting = waiting[0], waiting[1:]
			}
			if !yield(e, nil) {
				return
			}
		}
		for _, e := range waiting {
			if !yield(e, nil) {
				return
			}
		}
	}
}
