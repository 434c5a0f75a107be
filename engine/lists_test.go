package engine_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
	packed "github.com/ostiary/ostiary/engine/edges"
)

func TestListsOfAClique(t *testing.T) {
	const n = 120
	r := engine.NewMemory(append(clique(n), edges(t, "group:99#member@user:ann group:7#member@user:bob")...))
	e := engine.New(engine.Options{})
	objects, err := e.ListObjects(t.Context(), groups(), r, engine.ListObjectsQuery{
		Type: "group", Relation: "member", Subject: ostiary.SubjectRef{Type: "user", ID: "ann"},
	})
	if err != nil || len(objects) != n {
		t.Errorf("got %d groups, %v, want %d", len(objects), err, n)
	}
	users, err := e.ListUsers(t.Context(), groups(), r, engine.ListUsersQuery{
		Object: ostiary.ObjectRef{Type: "group", ID: "0"}, Relation: "member", Filter: engine.UserFilter{Type: "user"},
	})
	if err != nil || len(users) != 2 {
		t.Errorf("got %v, %v, want two users", users, err)
	}
}

// A document shared with very many groups that all lie in one nest: each group is read once.
func TestListUsersReadsEachGroupOnce(t *testing.T) {
	p := plan(typ("user"), typ("group", relation("member", this(), "user, group#member")),
		typ("doc", relation("viewer", or(this(), computed("owner")), "group#member"), relation("owner", this(), "group#member")))
	all := clique(40)
	for i := range 40 {
		all = append(all, edges(t, fmt.Sprintf("doc:1#viewer@group:%d#member doc:1#owner@group:%d#member", i, i))...)
	}
	r := &counting{Reader: engine.NewMemory(append(all, edges(t, "group:3#member@user:ann")...))}
	users, err := engine.New(engine.Options{}).ListUsers(t.Context(), p, r, engine.ListUsersQuery{
		Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Relation: "viewer", Filter: engine.UserFilter{Type: "user"},
	})
	if err != nil || len(users) != 1 {
		t.Errorf("got %v, %v, want one user", users, err)
	}
	if r.objects != 41 {
		t.Errorf("read the tuples of %d objects, want those of the document and the 40 groups", r.objects)
	}
}

// ask puts one question of every kind and returns what it says.
func ask(ctx context.Context, e *engine.Engine, p *engine.Plan, r engine.Reader) map[string]func() (any, error) {
	object := ostiary.ObjectRef{Type: "doc", ID: "1"}
	subject := ostiary.SubjectRef{Type: "user", ID: "ann"}
	check := engine.CheckQuery{Object: object, Relation: "viewer", Subject: subject}
	negative := engine.CheckQuery{Object: object, Relation: "odd", Subject: subject}
	return map[string]func() (any, error){
		"check":          func() (any, error) { return e.Check(ctx, p, r, check) },
		"check negative": func() (any, error) { return e.Check(ctx, p, r, negative) },
		"explain": func() (any, error) {
			x, err := e.Explain(ctx, p, r, check)
			if err != nil {
				return nil, err
			}
			return x.String(), nil
		},
		"expand": func() (any, error) { return e.Expand(ctx, p, r, object, "viewer") },
		"list objects": func() (any, error) {
			return e.ListObjects(ctx, p, r, engine.ListObjectsQuery{Type: "doc", Relation: "viewer", Subject: subject})
		},
		"list objects negative": func() (any, error) {
			return e.ListObjects(ctx, p, r, engine.ListObjectsQuery{Type: "doc", Relation: "odd", Subject: subject})
		},
		"list users": func() (any, error) {
			return e.ListUsers(ctx, p, r, engine.ListUsersQuery{Object: object, Relation: "viewer", Filter: engine.UserFilter{Type: "user"}})
		},
		"list users negative": func() (any, error) {
			return e.ListUsers(ctx, p, r, engine.ListUsersQuery{Object: object, Relation: "odd", Filter: engine.UserFilter{Type: "user"}})
		},
	}
}

func mixed(t *testing.T) (*engine.Plan, []ostiary.Edge) {
	p := plan(typ("user"),
		typ("group", relation("member", this(), "user, group#member")),
		typ("doc",
			relation("parent", this(), "doc"),
			relation("banned", this(), "user, user:*, group#member"),
			relation("viewer", butNot(or(this(), from("viewer", "parent")), computed("banned")), "user, user:*, group#member"),
			relation("odd", butNot(computed("viewer"), from("odd", "parent")), "")))
	return p, edges(t, `
		doc:1#parent@doc:2 doc:2#parent@doc:3 doc:3#parent@doc:2 doc:3#viewer@group:a#member doc:2#viewer@user:*
		group:a#member@group:b#member group:b#member@group:a#member group:b#member@user:ann
		doc:1#banned@group:c#member group:c#member@user:bob doc:3#banned@user:cat`)
}

// A failed read at any point fails the question: it never becomes an answer.
func TestFailedReadsFail(t *testing.T) {
	p, tuples := mixed(t)
	e := engine.New(engine.Options{})
	whole := map[string]any{}
	for name, question := range ask(t.Context(), e, p, engine.NewMemory(tuples)) {
		answer, err := question()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		whole[name] = answer
	}
	for _, packed := range []bool{true, false} {
		failEveryRead(t, packed, e, p, tuples, whole)
	}
}

func failEveryRead(t *testing.T, packed bool, e *engine.Engine, p *engine.Plan, tuples []ostiary.Edge, whole map[string]any) {
	t.Helper()
	for name := range whole {
		failed := 0
		for n := 1; ; n++ {
			r := &failing{Reader: engine.NewMemory(tuples), left: n}
			if !packed {
				r.Reader = sequences{r.Reader}
			}
			answer, err := ask(t.Context(), e, p, r)[name]()
			if r.left > 0 {
				if err != nil || !reflect.DeepEqual(answer, whole[name]) {
					t.Errorf("%s: got %v, %v without a failure, want %v", name, answer, err, whole[name])
				}
				break
			}
			failed++
			if !errors.Is(err, errDisk) {
				t.Errorf("%s: read %d failed, but the answer is %v, %v", name, n, answer, err)
			}
		}
		if failed == 0 {
			t.Errorf("%s: no read was made to fail", name)
		}
	}
}

var errDisk = errors.New("disk")

// failing fails at the read that brings left to zero, and at all that follow.
type failing struct {
	engine.Reader
	left int
}

func (f *failing) fails() bool {
	f.left--
	return f.left <= 0
}

func (f *failing) Has(ctx context.Context, t ostiary.Tuple) (ostiary.Edge, bool, error) {
	if f.fails() {
		return ostiary.Edge{}, false, errDisk
	}
	return f.Reader.Has(ctx, t)
}

func (f *failing) wrap(seq edgeSeq) edgeSeq {
	return func(yield func(ostiary.Edge, error) bool) {
		for e := range seq {
			if f.fails() {
				yield(ostiary.Edge{}, errDisk)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
		if f.fails() {
			yield(ostiary.Edge{}, errDisk)
		}
	}
}

func (f *failing) ObjectEdges(ctx context.Context, o ostiary.ObjectRef) (*packed.Set, error) {
	if f.fails() {
		return nil, errDisk
	}
	return f.Reader.ObjectEdges(ctx, o)
}

func (f *failing) SubjectEdges(ctx context.Context, s ostiary.SubjectRef, typ, relation string, limit int) (packed.Group, error) {
	if f.fails() {
		return packed.Group{}, errDisk
	}
	return f.Reader.SubjectEdges(ctx, s, typ, relation, limit)
}

func (f *failing) Usersets(ctx context.Context, o ostiary.ObjectRef, relation string) edgeSeq {
	return f.wrap(f.Reader.Usersets(ctx, o, relation))
}

func (f *failing) Subjects(ctx context.Context, o ostiary.ObjectRef, relation string) edgeSeq {
	return f.wrap(f.Reader.Subjects(ctx, o, relation))
}

func (f *failing) Objects(ctx context.Context, s ostiary.SubjectRef, typ, relation string) edgeSeq {
	return f.wrap(f.Reader.Objects(ctx, s, typ, relation))
}

func TestBoundsOfEveryQuestion(t *testing.T) {
	p, tuples := mixed(t)
	r := engine.NewMemory(tuples)
	for name, question := range ask(t.Context(), engine.New(engine.Options{MaxReads: 1}), p, r) {
		if answer, err := question(); !errors.Is(err, ostiary.ErrTooBroad) && name != "expand" {
			t.Errorf("%s: got %v, %v, want an error that is ErrTooBroad", name, answer, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, question := range ask(ctx, engine.New(engine.Options{}), p, r) {
		if answer, err := question(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, %v, want context.Canceled", name, answer, err)
		}
	}
}

// A question that is cancelled while it runs ends soon, at any size.
func TestCancelledWhileRunning(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &cancelling{Reader: sequences{engine.NewMemory(clique(150))}, after: 1000, cancel: cancel}
	_, err := engine.New(engine.Options{UserSteps: -1}).Check(ctx, groups(), r, query(t, "group:0#member@user:ann"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if r.yielded > 1100 {
		t.Errorf("%d tuples were read after the end", r.yielded-1000)
	}
}

// cancelling cancels the question in the middle of its reads.
type cancelling struct {
	engine.Reader
	yielded, after int
	cancel         func()
}

func (c *cancelling) Usersets(ctx context.Context, o ostiary.ObjectRef, relation string) iter.Seq2[ostiary.Edge, error] {
	seq := c.Reader.Usersets(ctx, o, relation)
	return func(yield func(ostiary.Edge, error) bool) {
		for e, err := range seq {
			if c.yielded++; c.yielded == c.after {
				c.cancel()
			}
			if !yield(e, err) {
				return
			}
		}
	}
}
