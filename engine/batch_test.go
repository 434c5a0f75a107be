package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// What checks of a batch have in common is read once.
func TestBatchReadsOnce(t *testing.T) {
	p := plan(typ("user"), typ("group", relation("member", this(), "user, group#member")),
		typ("folder", relation("parent", this(), "folder"), relation("viewer", or(this(), from("viewer", "parent")), "user, group#member")),
		typ("doc", relation("parent", this(), "folder"), relation("viewer", from("viewer", "parent"), "")))
	all := edges(t, `folder:1#parent@folder:2 folder:2#parent@folder:3 folder:3#viewer@group:a#member
		group:a#member@group:b#member group:b#member@user:ann`)
	for i := range 50 {
		all = append(all, edges(t, fmt.Sprintf("doc:%d#parent@folder:1", i))...)
	}
	r := &counting{Reader: engine.NewMemory(all)}
	e := engine.New(engine.Options{UserSteps: -1})
	b := e.Batch(p, r)
	for i := range 50 {
		for subject, want := range map[string]ostiary.Decision{"user:ann": ostiary.Allowed, "user:bob": ostiary.Denied} {
			if got, err := b.Check(t.Context(), query(t, fmt.Sprintf("doc:%d#viewer@%s", i, subject))); err != nil || got != want {
				t.Errorf("doc:%d for %s: got %v, %v, want %v", i, subject, got, err, want)
			}
		}
	}
	if r.objects != 50+5 {
		t.Errorf("read the tuples of %d objects, want 50 documents, 3 folders and 2 groups", r.objects)
	}
	// A check that fails leaves the others alone.
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Check(cancelled, query(t, "doc:0#viewer@user:ann")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if _, err := b.Check(t.Context(), query(t, "doc:0#nope@user:ann")); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("got %v, want an error that is ErrTupleInvalid", err)
	}
	if got, err := b.Check(t.Context(), query(t, "doc:0#viewer@user:ann")); err != nil || got != ostiary.Allowed {
		t.Errorf("after an error: got %v, %v, want allowed", got, err)
	}
	b.Close()
}

// What one check of a batch knows from a short way does not answer another that has a long one.
func TestBatchAtTheDepthLimit(t *testing.T) {
	var all []ostiary.Edge
	for i := range 26 {
		all = append(all, groupIn(i, i+1))
	}
	e := engine.New(engine.Options{})
	b := e.Batch(groups(), engine.NewMemory(append(all, edges(t, "group:26#member@user:ann")...)))
	defer b.Close()
	for i := 26; i >= 0; i-- {
		for _, subject := range []string{"user:ann", "user:bob"} {
			q := query(t, fmt.Sprintf("group:%d#member@%s", i, subject))
			switch _, err := b.Check(t.Context(), q); {
			case i == 0 && !errors.Is(err, ostiary.ErrDepthExceeded):
				t.Errorf("%v: got %v, want the depth error that it has alone", q, err)
			case i > 0 && err != nil:
				t.Errorf("%v: %v", q, err)
			}
		}
	}
}

// A batch is closed once more without harm to the one that has its memory by then, and what one has read is
// not what the next one sees.
func TestBatchCloses(t *testing.T) {
	e := engine.New(engine.Options{})
	for i := range 20 {
		name := fmt.Sprintf("user:u%d", i)
		first := e.Batch(groups(), engine.NewMemory(edges(t, "group:1#member@"+name)))
		if got, err := first.Check(t.Context(), query(t, "group:1#member@"+name)); err != nil || got != ostiary.Allowed {
			t.Fatalf("got %v, %v, want allowed", got, err)
		}
		first.Close()
		second := e.Batch(groups(), engine.NewMemory(nil))
		first.Close()
		third := e.Batch(groups(), engine.NewMemory(edges(t, "group:1#member@"+name)))
		for range 2 {
			if got, err := second.Check(t.Context(), query(t, "group:1#member@"+name)); err != nil || got != ostiary.Denied {
				t.Fatalf("got %v, %v, want denied", got, err)
			}
			if got, err := third.Check(t.Context(), query(t, "group:1#member@"+name)); err != nil || got != ostiary.Allowed {
				t.Fatalf("got %v, %v, want allowed", got, err)
			}
		}
		second.Close()
		third.Close()
	}
}
