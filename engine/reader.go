package engine

import (
	"context"
	"iter"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// Reader is what evaluation asks of one store at one revision. It never follows a rewrite and never
// yields an expired tuple. A Reader serves one goroutine; it may keep what it read for the next
// question about the same object.
//
// A sequence ends after it has yielded an error. Tuples that are yielded may be kept.
type Reader interface {
	// Has returns the exact tuple, and false where there is none.
	Has(ctx context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error)

	// Usersets yields the tuples of object and relation whose subject is a wildcard or a userset,
	// wildcards first. Its cost does not grow with the plain subjects of the relation.
	Usersets(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error]

	// Subjects yields every tuple of object and relation: wildcards, then usersets, then plain
	// subjects, each in the order of ostiary.Tuple.Compare.
	Subjects(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error]

	// Objects yields the tuples that join exactly subject by relation to objects of a type, in the
	// order of the object id.
	Objects(ctx context.Context, subject ostiary.SubjectRef, objectType, relation string) iter.Seq2[ostiary.Edge, error]

	// ObjectEdges returns the tuples of an object in groups, by the heads that edges.HeadOf makes. Any
	// group may be open and the set cut: what it lacks is asked for with Has, Usersets and Subjects.
	// Expired tuples may be among the odd ones.
	ObjectEdges(ctx context.Context, object ostiary.ObjectRef) (*edges.Set, error)

	// SubjectEdges returns the tuples that Objects yields as a group. Where they are more than limit it
	// may be open, and what it lacks is asked for with Objects or Has. Expired tuples may be among the
	// odd ones.
	SubjectEdges(ctx context.Context, subject ostiary.SubjectRef, objectType, relation string, limit int) (edges.Group, error)

	// SubjectSet returns the tuples of a subject in groups, by the heads that edges.HeadObjects makes. Any
	// group may be open and the set cut: what it lacks is asked for with SubjectEdges. Expired tuples may be
	// among the odd ones.
	SubjectSet(ctx context.Context, subject ostiary.SubjectRef) (*edges.Set, error)

	// NowNanos is the time of the question, in nanoseconds since 1970 UTC, by which odd tuples of a
	// group have expired.
	NowNanos() int64
}
