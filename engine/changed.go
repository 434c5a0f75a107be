package engine

import (
	"context"
	"iter"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// Changed returns a reader that shows what base would show after a change: the tuples put, each in the place of an
// equal one of base, and none of those gone. A tuple in both is there.
func Changed(base Reader, put []ostiary.Edge, gone []ostiary.Tuple) Reader {
	if len(gone) == 0 {
		return Overlay(base, put)
	}
	h := &hiding{base: base, gone: map[ostiary.Tuple]bool{}, objects: map[ostiary.ObjectRef]bool{}, subjects: map[ostiary.SubjectRef]bool{}}
	for _, t := range gone {
		h.gone[t] = true
		h.objects[t.Object] = true
		h.subjects[t.Subject] = true
	}
	return Overlay(h, put)
}

// hiding is a Reader without some of the tuples of another. What lost some is packed no more: the sequences filter it.
type hiding struct {
	base     Reader
	gone     map[ostiary.Tuple]bool
	objects  map[ostiary.ObjectRef]bool
	subjects map[ostiary.SubjectRef]bool
}

func (h *hiding) Has(ctx context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error) {
	if h.gone[t] {
		return ostiary.Edge{}, false, nil
	}
	return h.base.Has(ctx, t)
}

func (h *hiding) without(all iter.Seq2[ostiary.Edge, error]) iter.Seq2[ostiary.Edge, error] {
	return func(yield func(ostiary.Edge, error) bool) {
		for e, err := range all {
			if err == nil && h.gone[e.Tuple] {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (h *hiding) Usersets(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return h.without(h.base.Usersets(ctx, object, relation))
}

func (h *hiding) Subjects(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return h.without(h.base.Subjects(ctx, object, relation))
}

func (h *hiding) Objects(ctx context.Context, subject ostiary.SubjectRef, objectType, relation string) iter.Seq2[ostiary.Edge, error] {
	return h.without(h.base.Objects(ctx, subject, objectType, relation))
}

func (h *hiding) ObjectEdges(ctx context.Context, object ostiary.ObjectRef) (*edges.Set, error) {
	if h.objects[object] {
		return unknownEdges, nil
	}
	return h.base.ObjectEdges(ctx, object)
}

func (h *hiding) SubjectEdges(
	ctx context.Context, subject ostiary.SubjectRef, objectType, relation string, limit int,
) (edges.Group, error) {
	if h.subjects[subject] {
		return edges.Group{Open: true}, nil
	}
	return h.base.SubjectEdges(ctx, subject, objectType, relation, limit)
}

func (h *hiding) SubjectSet(ctx context.Context, subject ostiary.SubjectRef) (*edges.Set, error) {
	if h.subjects[subject] {
		return unknownEdges, nil
	}
	return h.base.SubjectSet(ctx, subject)
}

func (h *hiding) NowNanos() int64 { return h.base.NowNanos() }
