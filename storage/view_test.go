package storage

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// TestViewsWhileApplying opens, reads and closes views while entries are applied. Each mutation
// writes its index to a document and to a tuple: every view must show both at its own revision.
func TestViewsWhileApplying(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	key := ostiary.DocumentKey{Collection: "c", Key: "k"}
	at := func(i uint64) ostiary.Tuple {
		return ostiary.Tuple{Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(i)}}
	}
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			var last ostiary.Revision
			for {
				select {
				case <-done:
					return
				default:
				}
				applied, _ := s.Applied()
				v, err := s.View()
				if err != nil {
					t.Error(err)
					return
				}
				if v.Revision() < last || v.Revision() < ostiary.Revision(applied) {
					t.Errorf("view at %d after one at %d and apply index %d", v.Revision(), last, applied)
				}
				last = v.Revision()
				if last > 0 {
					d, ok, err := v.Document(key)
					if err != nil || !ok || d.Version != last {
						t.Errorf("view at %d: document %+v, %v, %v", last, d, ok, err)
					}
					n := 0
					for _, err := range v.Reader(testStore, 0).Subjects(t.Context(), ostiary.ObjectRef{Type: "doc", ID: "1"}, "viewer") {
						if err != nil {
							t.Error(err)
						}
						n++
					}
					if n != 1 {
						t.Errorf("view at %d shows %d tuples, want 1", last, n)
					}
				}
				v.Close()
				v.Close() // twice does nothing
			}
		})
	}
	for i := uint64(1); i <= 2000; i++ {
		m := &ostiary.Mutation{
			Tuples:    []ostiary.TupleChange{{Op: ostiary.TupleTouch, Store: testStore, Tuple: at(i), Grant: ostiary.Grant{Owner: "api"}}},
			Documents: []ostiary.DocumentChange{{Key: key, Body: []byte("x")}},
		}
		if i > 1 {
			m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleDelete, Store: testStore, Tuple: at(i - 1), Grant: ostiary.Grant{Owner: "api"}})
		}
		if out, err := s.Apply([]Entry{{Index: i, Term: 1, Mutation: m}}); err != nil || out[0].Err != nil {
			t.Fatal(err, out)
		}
	}
	close(done)
	readers.Wait()
	s.mu.Lock()
	live, refs := s.mu.live, s.current.Load().refs.Load()
	s.mu.Unlock()
	if live != 1 || refs != 1 {
		t.Errorf("with every view closed %d pictures are kept, the newest with %d references", live, refs)
	}
}

// TestViewsTakeNoLock: who asks for a view waits for nobody who publishes, closes or measures. A lock that all requests
// pass went from hand to hand, one scheduling at a time, while lists kept the cores busy.
func TestViewsTakeNoLock(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, "doc:1#viewer@user:ann")}})
	s.mu.Lock()
	defer s.mu.Unlock()
	done := make(chan error, 1) // one slot for the goroutine
	go func() {
		v, err := s.View()
		if err == nil {
			v.Close()
		}
		if index, _ := s.Applied(); err == nil && index != 1 {
			err = fmt.Errorf("the newest view shows index %d", index)
		}
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("a view waits for the lock")
	}
}

// TestCloseWithOpenView: the view stays readable, Close says so, and the database closes with it.
func TestCloseWithOpenView(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open("db", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleTouch, "doc:1#viewer@user:ann")}})
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{change1(t, ostiary.TupleDelete, "doc:1#viewer@user:ann")}})
	r := v.Reader(testStore, 0)
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "still open") {
		t.Errorf("Close with an open view: %v", err)
	}
	if _, ok, err := r.Has(t.Context(), tuple(t, "doc:1#viewer@user:ann")); !ok || err != nil {
		t.Errorf("the open view after Close: %v, %v", ok, err)
	}
	if _, err := s.View(); !errors.Is(err, ostiary.ErrUnavailable) {
		t.Errorf("View after Close: %v, want ErrUnavailable", err)
	}
	v.Close() // with the reader still open
	if _, _, err := r.Has(t.Context(), tuple(t, "doc:2#viewer@user:ann")); !errors.Is(err, ostiary.ErrUnavailable) {
		t.Errorf("a reader after its view: %v, want ErrUnavailable", err)
	}
	again := openTest(t, fs) // the lock is free
	if index, _ := again.Applied(); index != 2 {
		t.Errorf("apply index %d after reopening, want 2", index)
	}
}

func TestDocumentsPaging(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	m := &ostiary.Mutation{}
	for _, k := range []string{"a", "ab", "b", "c"} {
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: "model/1", Key: k}, Body: []byte(k)})
	}
	m.Documents = append(m.Documents, ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: "model/10", Key: "z"}})
	mustApply(t, s, m)
	v := viewOf(t, s)
	tests := []struct {
		name       string
		after      string
		limit      int
		descending bool
		want       string
	}{
		{"all", "", 10, false, "a ab b c"},
		{"first two", "", 2, false, "a ab"},
		{"after", "a", 2, false, "ab b"},
		{"after one that is not there", "aa", 10, false, "ab b c"},
		{"after the last", "c", 10, false, ""},
		{"descending", "", 10, true, "c b ab a"},
		{"descending after", "b", 1, true, "ab"},
		{"no limit", "", 0, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			docs, err := v.Documents("model/1", tt.after, tt.limit, tt.descending)
			if err != nil {
				t.Fatal(err)
			}
			var keys []string
			for _, d := range docs {
				keys = append(keys, d.Key.Key)
			}
			if got := strings.Join(keys, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestChangesAfter(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	for range 3 {
		mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{
			change1(t, ostiary.TupleTouch, "doc:1#viewer@user:ann"), change1(t, ostiary.TupleDelete, "doc:1#viewer@user:ann"),
		}})
	}
	v := viewOf(t, s)
	tests := []struct {
		after ostiary.Revision
		seq   uint32
		want  int
	}{{0, 0, 6}, {1, 0, 5}, {1, 1, 4}, {1, math.MaxUint32, 4}, {2, 0, 3}, {3, 1, 0}, {99, 0, 0}}
	for _, tt := range tests {
		got := 0
		for _, err := range v.Changes(t.Context(), testStore, tt.after, tt.seq) {
			if err != nil {
				t.Fatal(err)
			}
			got++
		}
		if got != tt.want {
			t.Errorf("after (%d, %d): %d changes, want %d", tt.after, tt.seq, got, tt.want)
		}
	}
}
