package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// tuplesPerWrite is how many tuples one Write takes by default.
const tuplesPerWrite = 100

const wideModel = `{"schema_version":"1.1","type_definitions":[{"type":"user"},{"type":"doc",
"relations":{"viewer":{"this":{}}},"metadata":{"relations":{"viewer":{"directly_related_user_types":[{"type":"user"}]}}}}]}`

// widen makes a store with a long list, which the guest may read.
func (s *scene) widen(ctx context.Context, c *cluster, n *node) (err error) {
	if s.wide, err = c.command(ctx, n, "store", "create", "wide"); err != nil {
		return err
	}
	if _, err := c.command(ctx, n, "access", "grant", "preshared:guest", "reader", "store:"+s.wide); err != nil {
		return err
	}
	caller := newCaller(c)
	defer caller.close()
	if _, err := caller.call(ctx, n, "/stores/"+s.wide+"/authorization-models", "", rawJSON(wideModel), nil); err != nil {
		return err
	}
	parts := make(chan int)
	failed := make(chan error, wideWriters) // one slot for each writer
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var writers sync.WaitGroup
	for range wideWriters {
		writers.Go(func() {
			for from := range parts {
				if err := caller.widePart(ctx, n, s.wide, from); err != nil {
					failed <- err
					cancel()
					return
				}
			}
		})
	}
	for from := 0; from < wideObjects && ctx.Err() == nil; from += tuplesPerWrite {
		select {
		case parts <- from:
		case <-ctx.Done():
		}
	}
	close(parts)
	writers.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return ctx.Err()
	}
}

func (c *caller) widePart(ctx context.Context, n *node, store string, from int) error {
	keys := make([]tupleKey, tuplesPerWrite)
	for i := range keys {
		keys[i] = tuple("user:wide", "viewer", fmt.Sprintf("doc:%s%d", strings.Repeat("x", wideID), from+i))
	}
	_, err := c.call(ctx, n, "/stores/"+store+"/write", "", map[string]any{"writes": map[string]any{"tuple_keys": keys}}, nil)
	return err
}
