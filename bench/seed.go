package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/bench/workload"
)

// How seeding writes: as many tuples a call as OpenFGA takes by default, and a few calls at once.
const (
	tuplesPerWrite = 100
	seedWriters    = 8
)

// Seed creates the stores of a workload on a server and writes its model and its tuples. It tells
// progress, from any goroutine, how many tuples are written.
func Seed(ctx context.Context, t Target, w *workload.Workload, progress func(tuples int)) ([]Store, error) {
	setup, err := t.dial()
	if err != nil {
		return nil, err
	}
	stores := make([]Store, w.Stores)
	for i := range stores {
		if stores[i], err = newStore(ctx, t, setup, w, i); err != nil {
			return nil, errors.Join(err, setup.close())
		}
	}
	if err := setup.close(); err != nil {
		return nil, err
	}
	var edges = func(yield func(int, ostiary.Edge) bool) {
		for store := range stores {
			for e := range w.Tuples(store) {
				if !yield(store, e) {
					return
				}
			}
		}
	}
	return stores, writeAll(ctx, t, stores, edges, progress)
}

func newStore(ctx context.Context, t Target, c connection, w *workload.Workload, i int) (Store, error) {
	created := &openfgav1.CreateStoreResponse{}
	name := fmt.Sprintf("bench-%s-%s-%d", w.Name, w.Scale, i)
	if err := t.roundTrip(ctx, c, methodCreateStore, &openfgav1.CreateStoreRequest{Name: name}, created); err != nil {
		return Store{}, err
	}
	model, err := modelMessage(w, created.GetId())
	if err != nil {
		return Store{}, err
	}
	written := &openfgav1.WriteAuthorizationModelResponse{}
	if err := t.roundTrip(ctx, c, methodWriteModel, model, written); err != nil {
		return Store{}, err
	}
	return Store{ID: created.GetId(), Model: written.GetAuthorizationModelId()}, nil
}

// writeAll writes tuples, each with the number of its store, in calls of tuplesPerWrite.
func writeAll(ctx context.Context, t Target, stores []Store, edges func(func(int, ostiary.Edge) bool), progress func(int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type call struct {
		store int
		edges []ostiary.Edge
	}
	calls := make(chan call, seedWriters)
	var written atomic.Int64
	var writers sync.WaitGroup
	for range seedWriters {
		writers.Go(func() {
			err := withConnection(t, func(c connection) error {
				for next := range calls {
					message, err := writeMessage(stores[next.store], next.edges, nil)
					if err != nil {
						return err
					}
					if err := writePatiently(ctx, t, c, message); err != nil {
						return err
					}
					progress(int(written.Add(int64(len(next.edges)))))
				}
				return nil
			})
			if err != nil {
				cancel(err)
			}
		})
	}
	send := func(c call) bool {
		select {
		case calls <- c:
			return true
		case <-ctx.Done():
			return false
		}
	}
	pending := call{}
	for store, e := range edges {
		if len(pending.edges) == tuplesPerWrite || store != pending.store && len(pending.edges) > 0 {
			if !send(pending) {
				break
			}
			pending = call{}
		}
		pending.store = store
		pending.edges = append(pending.edges, e)
	}
	if len(pending.edges) > 0 {
		send(pending)
	}
	close(calls)
	writers.Wait()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("write the tuples of the workload: %w", err)
	}
	return nil
}

// seedAttempts is how often a call is made that a busy server does not finish before its own deadline.
const seedAttempts = 5

// writePatiently writes tuples. A call that failed may have written them: they are ignored the next time.
func writePatiently(ctx context.Context, t Target, c connection, message *openfgav1.WriteRequest) error {
	store := message.GetStoreId() // encoding for HTTP moves it to the path
	for attempt := 1; ; attempt++ {
		message.StoreId = store
		if attempt > 1 {
			message.Writes.OnDuplicate = "ignore"
		}
		err := t.roundTrip(ctx, c, methodWrite, message, &openfgav1.WriteResponse{})
		if err == nil || attempt == seedAttempts || ctx.Err() != nil {
			return err
		}
	}
}

// withConnection calls f with a connection of its own.
func withConnection(t Target, f func(connection) error) error {
	c, err := t.dial()
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.close())
}
