package bench

import (
	"context"
	"sync"
)

// askers is how many calls are under way while a run is prepared.
const askers = 4

// inParallel does every task, some at once, each with a connection that no other uses meanwhile. It
// stops at the first error.
func inParallel[T any](ctx context.Context, tasks []T, do func(context.Context, connection, T) error, t Target) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan T)
	var workers sync.WaitGroup
	for range askers {
		workers.Go(func() {
			err := withConnection(t, func(c connection) error {
				for task := range next {
					if err := do(ctx, c, task); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				cancel(err)
			}
		})
	}
feed:
	for _, task := range tasks {
		select {
		case next <- task:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
