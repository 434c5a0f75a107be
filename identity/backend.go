package identity

import (
	"context"
	"iter"

	"github.com/ostiary/ostiary"
)

// Backend is the replicated store. It is safe for concurrent use.
type Backend interface {
	// Propose commits a mutation, or returns an error that is one of ostiary's sentinels.
	Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error)
	// View returns a view that is as fresh as asked. The caller closes it.
	View(ctx context.Context, f ostiary.Freshness) (View, error)
	// Now is the time of a request in nanoseconds since 1970 UTC.
	Now() int64
}

// View is a read-only picture at one revision. It is safe for concurrent use.
type View interface {
	Revision() ostiary.Revision
	Close()
	Document(key ostiary.DocumentKey) (ostiary.Document, bool, error)
	Documents(collection, afterKey string, limit int, descending bool) ([]ostiary.Document, error)
	// CountDocuments returns how many documents a collection holds.
	CountDocuments(collection string) (int, error)
	// LookUp calls found for each of the tuples that is there, in their order, until it returns false.
	LookUp(ctx context.Context, store string, tuples []ostiary.Tuple, found func(i int, t ostiary.StoredTuple) bool) error
	Tuples(ctx context.Context, f ostiary.Filter, after *ostiary.Tuple) iter.Seq2[ostiary.StoredTuple, error]
	// Changes yields the changelog of a store after a place in it.
	Changes(ctx context.Context, store string, after ostiary.Revision, afterSeq uint32) iter.Seq2[ostiary.Change, error]
}
