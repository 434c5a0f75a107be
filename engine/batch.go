package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/ostiary/ostiary"
)

// Batch answers checks that share a plan and a reader, and shares among them what was read of objects
// and, among those about one subject, what became known. It serves one goroutine.
//
// Every answer is the one that Check gives alone, and so is every error: nothing that is in doubt is
// shared, and nothing that could lie beyond the depth limit of the check that would make use of it. Only
// where checks share what was found from the subject, one may be answered that alone would fail with
// ostiary.ErrDepthExceeded.
type Batch struct {
	engine *Engine
	plan   *Plan
	reader Reader
	*batchMemory
}

// batchMemory is what a batch leaves for the next: memory, and nothing of what was in it.
type batchMemory struct {
	sets     heldSets
	subjects map[ostiary.SubjectRef]*check
}

var batches = sync.Pool{New: func() any { return &batchMemory{subjects: map[ostiary.SubjectRef]*check{}} }}

// maxBatchSubjects bounds the subjects of which a batch keeps what became known.
const maxBatchSubjects = 128

// Batch returns a batch of checks under a plan. Close it when they are answered.
func (e *Engine) Batch(p *Plan, r Reader) *Batch {
	return &Batch{engine: e, plan: p, reader: r, batchMemory: batches.Get().(*batchMemory)}
}

// Check answers q as Engine.Check does.
func (b *Batch) Check(ctx context.Context, q CheckQuery) (ostiary.Decision, error) {
	c := b.check(&q)
	d, err := b.engine.check(ctx, c, b.plan, b.reader, &q)
	if len(q.Context) > 0 { // conditions come out otherwise with it
		c.release()
	}
	if err != nil {
		return ostiary.Denied, fmt.Errorf("check %s: %w", q, err)
	}
	return d, nil
}

// check returns the check for the subject of q, with what it knows.
func (b *Batch) check(q *CheckQuery) *check {
	if len(q.Context) == 0 {
		if c := b.subjects[q.Subject]; c != nil {
			c.next()
			return c
		}
	}
	c := checks.Get().(*check)
	c.sets = &b.sets
	if len(q.Context) == 0 {
		if len(b.subjects) == maxBatchSubjects {
			b.forget()
		}
		b.subjects[q.Subject] = c
	}
	return c
}

func (b *batchMemory) forget() {
	for _, c := range b.subjects {
		c.release()
	}
	clear(b.subjects)
}

// Close gives back what the batch holds. It must not be used afterwards.
func (b *Batch) Close() {
	m := b.batchMemory
	if m == nil {
		return
	}
	b.batchMemory = nil // and nobody comes to it by b when another batch has it
	m.forget()
	m.sets.reset()
	batches.Put(m)
}

// next makes c ready for another check about its subject, under the same plan.
func (c *check) next() {
	c.links, c.flooded, c.depths = c.links[:0], c.flooded[:0], c.depths[:0]
	c.item++
	c.deepest, c.entered = 0, 0
}
