package enginebench

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/edges"
)

// Workload is one benchmark: a question over a model and tuples, and the answer it must give.
type Workload struct {
	Name   string // "Check/shape=nested8"
	Model  *model.Model
	Tuples []ostiary.Edge
	// Questions are asked in turn.
	Questions []Question
}

// Question is one of three; the fields that are not of its kind are zero.
type Question struct {
	Check       *engine.CheckQuery
	Want        ostiary.Decision // of Check
	ListObjects *engine.ListObjectsQuery
	ListUsers   *engine.ListUsersQuery
	WantLength  int // of a list
}

// Ask puts the question and returns an error when the answer is not the one expected.
func (q Question) Ask(ctx context.Context, e *engine.Engine, p *engine.Plan, r engine.Reader) error {
	switch {
	case q.Check != nil:
		d, err := e.Check(ctx, p, r, *q.Check)
		if err == nil && d != q.Want {
			err = fmt.Errorf("check %s: got %v, want %v", q.Check, d, q.Want)
		}
		return err
	case q.ListObjects != nil:
		objects, err := e.ListObjects(ctx, p, r, *q.ListObjects)
		if err == nil && len(objects) != q.WantLength {
			err = fmt.Errorf("list objects %s: got %d, want %d", q.ListObjects, len(objects), q.WantLength)
		}
		return err
	}
	users, err := e.ListUsers(ctx, p, r, *q.ListUsers)
	if err == nil && len(users) != q.WantLength {
		err = fmt.Errorf("list users %s: got %d, want %d", q.ListUsers, len(users), q.WantLength)
	}
	return err
}

// Run measures a workload over a reader that shows its tuples. newReader is called for each question,
// as a server opens a reader for each request; what it costs is measured too. Beside time and
// allocations it reports calls/op, the calls to the reader, and tuples/op, the tuples that it gave.
func Run(b *testing.B, w Workload, newReader func() engine.Reader) {
	b.Helper()
	e, p, ctx := engine.New(engine.Options{}), engine.Compile(w.Model), b.Context()
	counter := &counting{}
	for _, q := range w.Questions {
		counter.Reader = newReader()
		if err := q.Ask(ctx, e, p, counter); err != nil {
			b.Fatal(err)
		}
	}
	n := float64(len(w.Questions))
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Questions[i].Ask(ctx, e, p, newReader()); err != nil {
			b.Fatal(err)
		}
		if i++; i == len(w.Questions) {
			i = 0
		}
	}
	b.ReportMetric(float64(counter.calls)/n, "calls/op")
	b.ReportMetric(float64(counter.tuples)/n, "tuples/op")
}

// counting counts what passes through a reader. It is asked once before the measurement and not in it.
type counting struct {
	engine.Reader
	calls, tuples int
}

func (c *counting) Has(ctx context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error) {
	c.calls++
	e, ok, err := c.Reader.Has(ctx, t)
	if ok {
		c.tuples++
	}
	return e, ok, err
}

func (c *counting) ObjectEdges(ctx context.Context, object ostiary.ObjectRef) (*edges.Set, error) {
	c.calls++
	set, err := c.Reader.ObjectEdges(ctx, object)
	if err == nil {
		c.tuples += set.Len()
	}
	return set, err
}

func (c *counting) SubjectEdges(
	ctx context.Context, subject ostiary.SubjectRef, objectType, relation string, limit int,
) (edges.Group, error) {
	c.calls++
	g, err := c.Reader.SubjectEdges(ctx, subject, objectType, relation, limit)
	c.tuples += g.Len() + len(g.Odd())
	return g, err
}

func (c *counting) SubjectSet(ctx context.Context, subject ostiary.SubjectRef) (*edges.Set, error) {
	c.calls++
	set, err := c.Reader.SubjectSet(ctx, subject)
	if err == nil {
		c.tuples += set.Len()
	}
	return set, err
}

func (c *counting) Usersets(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return c.count(c.Reader.Usersets(ctx, object, relation))
}

func (c *counting) Subjects(ctx context.Context, object ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	return c.count(c.Reader.Subjects(ctx, object, relation))
}

func (c *counting) Objects(ctx context.Context, subject ostiary.SubjectRef, objectType, relation string) iter.Seq2[ostiary.Edge, error] {
	return c.count(c.Reader.Objects(ctx, subject, objectType, relation))
}

func (c *counting) count(seq iter.Seq2[ostiary.Edge, error]) iter.Seq2[ostiary.Edge, error] {
	c.calls++
	return func(yield func(ostiary.Edge, error) bool) {
		for e, err := range seq {
			c.tuples++
			if !yield(e, err) {
				return
			}
		}
	}
}
