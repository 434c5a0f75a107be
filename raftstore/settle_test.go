package raftstore

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
)

// What a restore settles is there when the folder is first opened, after the restored revision and its time.
func TestRestoreSettles(t *testing.T) {
	s := openMem(t)
	churn(t, s, 0, 30)
	full := backupOf(t, s, 0)
	at := newest(s)
	key := ostiary.DocumentKey{Collection: "c", Key: "settled"}
	back, done := restored(t, RestoreOptions{Sources: sources(full), Settle: func(ctx context.Context, x *Settling) error {
		for n := range 3 {
			r, err := x.Propose(ctx, &ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: key, Body: fmt.Append(nil, n)}}})
			if err != nil || r.Revision != at+1+ostiary.Revision(n) {
				return fmt.Errorf("mutation %d: %v, %w", n, r, err)
			}
		}
		_, err := x.Propose(ctx, &ostiary.Mutation{
			Preconditions: []ostiary.Precondition{{Kind: ostiary.DocumentAtVersion, Document: key}},
			Documents:     []ostiary.DocumentChange{{Key: key, Delete: true}}})
		if !errors.Is(err, ostiary.ErrPrecondition) {
			t.Errorf("a refusal: got %v", err)
		}
		v, err := x.View(ctx, ostiary.Freshness{Linearizable: true})
		if err != nil {
			return err
		}
		defer v.Close()
		if d, _, err := v.Document(key); err != nil || string(d.Body) != "2" {
			t.Errorf("in the view: got %q, %v", d.Body, err)
		}
		return nil
	}})
	if done.Revision != at {
		t.Errorf("restored revision %d, want %d", done.Revision, at)
	}
	v, err := back.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if d, _, err := v.Document(key); err != nil || string(d.Body) != "2" || d.Version != at+3 {
		t.Errorf("got %q at %d, %v", d.Body, d.Version, err)
	}
	churn(t, back, 30, 40) // revisions go on
}

// A restore that cannot be settled leaves nothing that could be opened.
func TestRestoreFailsToSettle(t *testing.T) {
	s := openMem(t)
	churn(t, s, 0, 10)
	fs := vfs.NewMem()
	broken := errors.New("broken")
	o := RestoreOptions{Dir: "x", FS: fs, Sources: sources(backupOf(t, s, 0)), Settle: func(context.Context, *Settling) error { return broken }}
	if _, err := Restore(t.Context(), o); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	wantUntouched(t, fs, "x")
	// A crash while it settles leaves the mark, which Open refuses.
	o.Settle = func(ctx context.Context, x *Settling) error {
		if _, err := Open(ctx, Options{Dir: "x", FS: fs}); !errors.Is(err, ostiary.ErrCorrupt) {
			t.Errorf("open while it settles: got %v", err)
		}
		return nil
	}
	if _, err := Restore(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// Once Restore has returned, what was settled survives the loss of power.
func TestRestoreSettlesDurably(t *testing.T) {
	s := openMem(t)
	churn(t, s, 0, 10)
	fs := vfs.NewCrashableMem()
	key := ostiary.DocumentKey{Collection: "c", Key: "settled"}
	_, err := Restore(t.Context(), RestoreOptions{Dir: "x", FS: fs, Sources: sources(backupOf(t, s, 0)), Settle: func(ctx context.Context, x *Settling) error {
		_, err := x.Propose(ctx, &ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: key, Body: []byte("yes")}}})
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	back := open(t, Options{Dir: "x", FS: fs.CrashClone(vfs.CrashCloneCfg{})})
	v, err := back.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if d, _, err := v.Document(key); err != nil || string(d.Body) != "yes" {
		t.Errorf("got %q, %v", d.Body, err)
	}
}
