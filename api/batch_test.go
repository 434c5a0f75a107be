package api_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/engine/edges"
)

// counting is the real backend, and counts what evaluation reads and the views that are taken.
type counting struct {
	api.Backend
	reads, views *atomic.Int64
}

func (b counting) View(ctx context.Context, f ostiary.Freshness) (api.View, error) {
	v, err := b.Backend.View(ctx, f)
	b.views.Add(1)
	return countingView{v, b.reads}, err
}

type countingView struct {
	api.View
	reads *atomic.Int64
}

func (v countingView) Reader(store string, nowNanos int64) engine.Reader {
	return countingReader{v.View.Reader(store, nowNanos), v.reads}
}

type countingReader struct {
	engine.Reader
	reads *atomic.Int64
}

func (r countingReader) Has(ctx context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error) {
	r.reads.Add(1)
	return r.Reader.Has(ctx, t)
}

func (r countingReader) ObjectEdges(ctx context.Context, o ostiary.ObjectRef) (*edges.Set, error) {
	r.reads.Add(1)
	return r.Reader.ObjectEdges(ctx, o)
}

func (r countingReader) Usersets(ctx context.Context, o ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	r.reads.Add(1)
	return r.Reader.Usersets(ctx, o, relation)
}

func (r countingReader) Subjects(ctx context.Context, o ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	r.reads.Add(1)
	return r.Reader.Subjects(ctx, o, relation)
}

// A batch takes one view, and reads for fifty checks that ask the same as much as for one, whatever
// their correlation ids. Checks that differ in their contextual tuples do not ask the same.
func TestBatchSharesWork(t *testing.T) {
	var reads, views atomic.Int64
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, testModel)
		c.write(t, store, "doc:1#viewer@group:a#member", "group:a#member@group:b#member", "group:b#member@user:ann")
		batch := func(items ...fields) (results map[string]any, read int64) {
			t.Helper()
			reads.Store(0)
			views.Store(0)
			a := c.ok(t, "BatchCheck", fields{"store_id": store, "checks": items})
			if views.Load() != 1 {
				t.Errorf("a batch took %d views, want 1", views.Load())
			}
			return a.body.(map[string]any)["result"].(map[string]any), reads.Load()
		}
		item := func(id int, text string) fields {
			return fields{"tuple_key": key(text), "correlation_id": fmt.Sprint(id)}
		}
		_, once := batch(item(0, "doc:1#can_view@user:ann"))
		if once == 0 {
			t.Fatal("a check read nothing")
		}
		var same []fields
		for id := range 50 {
			same = append(same, item(id, "doc:1#can_view@user:ann"))
		}
		results, all := batch(same...)
		if all != once || len(results) != 50 {
			t.Errorf("50 checks that ask the same: %d reads and %d results, want %d and 50", all, len(results), once)
		}
		for id, r := range results {
			if r.(map[string]any)["allowed"] != true {
				t.Errorf("check %s: got %v, want allowed", id, r)
			}
		}
		banned := item(1, "doc:1#can_view@user:ann")
		banned["contextual_tuples"] = keys("doc:1#banned@user:ann")
		results, _ = batch(item(0, "doc:1#can_view@user:ann"), banned, item(2, "doc:1#can_view@user:ann"))
		for id, want := range map[string]any{"0": true, "1": false, "2": true} {
			if got := results[id].(map[string]any)["allowed"]; got != want {
				t.Errorf("check %s: got %v, want %v", id, got, want)
			}
		}
	}, func(o *api.Options) { o.Backend = counting{o.Backend, &reads, &views} })
}

// Every item of a batch has, under its correlation id, the answer or the error that Check gives alone,
// in whatever order objects and users come.
func TestBatchAnswersAsCheck(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, testModel)
		c.write(t, store, "doc:1#viewer@user:u1", "doc:2#viewer@user:*", "doc:3#parent@folder:a", "folder:a#viewer@user:u2", "doc:2#banned@user:u3")
		var items []fields
		for i := range 50 {
			text := fmt.Sprintf("doc:%d#%s@user:u%d", i*7%4, []string{"viewer", "can_view", "nope"}[i%3], i*5%4)
			items = append(items, fields{"tuple_key": key(text), "correlation_id": fmt.Sprintf("item-%d", i)})
		}
		results := c.ok(t, "BatchCheck", fields{"store_id": store, "checks": items}).body.(map[string]any)["result"].(map[string]any)
		if len(results) != len(items) {
			t.Fatalf("got %d results, want %d", len(results), len(items))
		}
		for _, item := range items {
			got := results[item["correlation_id"].(string)].(map[string]any)
			alone := c.ask(t, "Check", fields{"store_id": store, "tuple_key": item["tuple_key"]})
			if succeeded(alone) {
				if want := alone.body.(map[string]any)["allowed"]; got["allowed"] != want {
					t.Errorf("%v: got %v, Check alone says %v", item, got, want)
				}
				continue
			}
			failure, ok := got["error"].(map[string]any)
			if !ok || failure["input_error"] != "validation_error" || failure["message"] != alone.message {
				t.Errorf("%v: got %v, Check alone says %q", item, got, alone.message)
			}
		}
	})
}
