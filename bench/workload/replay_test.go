package workload

import (
	"bytes"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// TestReplay writes every workload to a file, reads it back and finds the same tuples, questions that
// are in the file, and grants that can be revoked.
func TestReplay(t *testing.T) {
	each(t, func(t *testing.T, w *Workload) {
		var file bytes.Buffer
		if err := w.Export(&file, 0, 20); err != nil {
			t.Fatal(err)
		}
		r, err := Replay(&file)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := slices.Collect(r.Tuples(0)), slices.Collect(w.Tuples(0)); !reflect.DeepEqual(got, want) {
			t.Fatalf("the tuples of the file differ: %d and %d", len(got), len(want))
		}
		if r.Size(0) != w.Size(0) || r.Model != w.Model || r.Stores != 1 {
			t.Errorf("the replay is %+v with %d tuples", r, r.Size(0))
		}
		inOrder(t, w, r)
		if !r.CanRevoke() {
			t.Fatal("no grant of the file can be revoked")
		}
		x, q := load(t, r), r.Questions(2)
		for range 100 {
			x.check(t, x.stores[0], q.Check())
			_, grant, c := q.Revocable()
			fits(t, compile(t, r), grant)
			with := engine.Overlay(x.stores[0], []ostiary.Edge{grant})
			if x.check(t, x.stores[0], c) != ostiary.Denied || x.check(t, with, c) != ostiary.Allowed {
				t.Fatalf("%s does not decide %s#%s@%s", grant.Tuple, c.Object, c.Relation, c.Subject)
			}
			_, e := q.NewTuple()
			fits(t, compile(t, r), e)
		}
	})
}

// inOrder fails unless a replay asks the 20 checks that the workload was exported with, in their order.
func inOrder(t *testing.T, w, r *Workload) {
	t.Helper()
	var want []string
	for q := w.Questions(0); len(want) < 20; {
		if c := q.Check(); c.Store == 0 {
			want = append(want, c.Object.String()+c.Relation+c.Subject.String())
		}
	}
	q := r.Questions(5)
	var got []string
	for range 20 {
		c := q.Check()
		got = append(got, c.Object.String()+c.Relation+c.Subject.String())
	}
	for first := range got {
		if slices.Equal(append(slices.Clone(got[first:]), got[:first]...), want) {
			return
		}
	}
	t.Errorf("asked %q, want %q from any point on", got, want)
}

// TestReplayDerives reads a file with tuples alone.
func TestReplayDerives(t *testing.T) {
	w, err := Replay(strings.NewReader(`{"model": "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user]\n"}

{"tuple": {"user": "user:ann", "relation": "viewer", "object": "doc:1"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	ann, doc := ostiary.SubjectRef{Type: "user", ID: "ann"}, ostiary.ObjectRef{Type: "doc", ID: "1"}
	q := w.Questions(1)
	for _, c := range []struct{ got, want Question }{
		{q.Check(), Question{Object: doc, Relation: "viewer", Subject: ann}},
		{q.ListObjects(), Question{Object: ostiary.ObjectRef{Type: "doc"}, Relation: "viewer", Subject: ann}},
		{q.ListUsers(), Question{Object: doc, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user"}}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("got %+v, want %+v", c.got, c.want)
		}
	}
}

func TestReplayErrors(t *testing.T) {
	const first = `{"model": "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user]\n"}` + "\n"
	for _, c := range []struct{ file, want string }{
		{"", "its first line holds the model"},
		{`{"tuple": {"user": "user:ann", "relation": "viewer", "object": "doc:1"}}`, "line 1: the first line must hold the model"},
		{`{"model": "model\n  schema 1.1\ntype doc\n  relations\n    define viewer: [user]\n"}`, "line 1: compile the model"},
		{first, "has no tuples"},
		{first + first, "line 2: a second model"},
		{first + `{}`, "line 2: a line has one of"},
		{first + `{"tuple": {"user": "ann", "relation": "viewer", "object": "doc:1"}}`, `line 2: user "ann"`},
		{first + `{"tupel": {}}`, "unknown field"},
		{first + `{"check": {"user": "user:ann", "relation": "viewer", "object": "doc"}}`, `line 2: object "doc"`},
		{first + strings.Repeat(`{"tuple": {"user": "user:ann", "relation": "viewer", "object": "doc:1"}}`+"\n", 2), "line 3: the tuple"},
		{first + `{"check": {"user": "user:ann", "relation": "viewer", "object": "doc:1"}} {}`, "more than one JSON value"},
		{first + strings.Repeat("x", maxReplayLineBytes+1), "line 2: has more than"},
	} {
		w, err := Replay(strings.NewReader(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q: got %v and %v, want an error with %q", c.file, w, err, c.want)
		}
	}
	if _, err := Replay(io.MultiReader(strings.NewReader(first), failing{})); err == nil {
		t.Error("an error of the reader was lost")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
