package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// importer sends the tuples of a file in batches, several at once, and hands the rows back in the
// order of the file, each with the fault that kept it out, if any.
type importer struct {
	client *client
	store  string
	flags  importFlags
	// answered is set once the server has answered a call: from then on its absence is taken to be
	// short, and the call is repeated.
	answered atomic.Bool
	// waiting is told, from any goroutine, that a call found no server and will be repeated; nil tells
	// nobody.
	waiting func()
}

// batch is a run of rows that one call carries. Its goroutine fills faults and err, then closes done.
type batch struct {
	rows []row
	err  error // why the import must stop; rows after the failure were not loaded
	done chan struct{}
}

// run sends all rows and calls report for each, in order, from one goroutine. It stops at the first
// error that is not the fault of a row.
func (im *importer) run(ctx context.Context, rows rowReader, report func(row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var senders sync.WaitGroup
	defer senders.Wait()
	defer cancel()

	pending := make(chan *batch, im.flags.concurrency-1) // bounds the calls under way
	var readErr error                                    // written before pending is closed
	senders.Go(func() {
		defer close(pending)
		for {
			b, err := im.readBatch(rows)
			if len(b.rows) > 0 {
				select {
				case pending <- b:
				case <-ctx.Done():
					readErr = ctx.Err()
					return
				}
				senders.Go(func() { im.send(ctx, b) })
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					readErr = err
				}
				return
			}
		}
	})

	for b := range pending {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if b.err != nil {
			return b.err
		}
		for _, r := range b.rows {
			if err := report(r); err != nil {
				return err
			}
		}
	}
	return readErr
}

// readBatch reads rows until a call is full. The rows that it returns beside an error are good.
func (im *importer) readBatch(rows rowReader) (*batch, error) {
	b := &batch{done: make(chan struct{})}
	for sendable := 0; sendable < im.flags.maxTuples && len(b.rows) < 10*im.flags.maxTuples; {
		r, err := rows.next()
		if err != nil {
			return b, err
		}
		if r.fault == nil {
			sendable++
		}
		b.rows = append(b.rows, r)
	}
	return b, nil
}

// send loads the good rows of b and marks those that the server refuses.
func (im *importer) send(ctx context.Context, b *batch) {
	defer close(b.done)
	good := make([]*row, 0, len(b.rows))
	sent := map[string]*openfgav1.TupleKey{}
	for i := range b.rows {
		r := &b.rows[i]
		if r.fault != nil {
			continue
		}
		// One call may not name a tuple twice. An equal row is loaded with the first; one that differs
		// in its condition is left for the server to judge.
		text := r.key.GetObject() + "#" + r.key.GetRelation() + "@" + r.key.GetUser()
		if first, twice := sent[text]; twice && im.flags.onDuplicate == "ignore" && proto.Equal(first, r.key) {
			continue
		}
		sent[text] = r.key
		good = append(good, r)
	}
	b.err = im.load(ctx, good)
}

// load writes rows in one call. When the server refuses the call for what is in it, each half is
// tried by itself, until the rows at fault stand alone.
func (im *importer) load(ctx context.Context, rows []*row) error {
	if len(rows) == 0 {
		return nil
	}
	err := im.write(ctx, rows)
	var refusal *serverError
	if err == nil || !errors.As(err, &refusal) || !refusal.refusesContent() {
		return err
	}
	if len(rows) == 1 {
		rows[0].fault = fmt.Errorf("%s: %s (%s)", tupleText(rows[0].key), refusal.message, codeName(refusal.code))
		return nil
	}
	half := len(rows) / 2
	if err := im.load(ctx, rows[:half]); err != nil {
		return err
	}
	return im.load(ctx, rows[half:])
}

// The bounds on repeating a call that found no server.
const (
	maxWriteAttempts  = 8
	firstWriteBackoff = 100 * time.Millisecond
)

// write makes one Write call. A server that goes away in the middle of an import, to be started again,
// is waited for where that is safe: when tuples that exist are kept, a call whose answer was lost may
// be repeated.
func (im *importer) write(ctx context.Context, rows []*row) error {
	request := &openfgav1.WriteRequest{
		StoreId:              im.store,
		AuthorizationModelId: im.flags.model,
		Writes:               &openfgav1.WriteRequestWrites{OnDuplicate: im.flags.onDuplicate},
	}
	for _, r := range rows {
		request.Writes.TupleKeys = append(request.Writes.TupleKeys, r.key)
	}
	backoff := firstWriteBackoff
	for attempt := 1; ; attempt++ {
		_, err := im.client.fga.Write(ctx, request)
		var refusal *serverError
		if err == nil || !errors.As(err, &refusal) || refusal.code != codes.Unavailable {
			im.answered.Store(true)
			return err
		}
		if attempt == maxWriteAttempts || im.flags.onDuplicate != "ignore" || !im.answered.Load() {
			return err
		}
		if attempt == 1 && im.waiting != nil {
			im.waiting()
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return err
		}
		backoff *= 2
	}
}
