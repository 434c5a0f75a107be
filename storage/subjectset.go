package storage

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// SubjectSet returns the tuples of a subject, packed by the type of the object and the relation: one seek
// where SubjectEdges takes one for each. Groups with many tuples are open, and the set is cut where the
// subject has more of them than are read at once.
func (r *Reader) SubjectSet(ctx context.Context, subject ostiary.SubjectRef) (*edges.Set, error) {
	set, err := r.subjectSet(ctx, &subject)
	if err != nil {
		return nil, fmt.Errorf("read the tuples of subject %q in store %q: %w", subject, r.store, err)
	}
	return set, nil
}
