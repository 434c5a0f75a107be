package engine_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
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

func (f *failing) SubjectSet(ctx context.Context, s ostiary.SubjectRef) (*packed.Set, error) {
	if f.fails() {
		return nil, errDisk
	}
	return f.Reader.SubjectSet(ctx, s)
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

// However a question reads, it notices within pollEvery reads that it was cancelled.
func TestCancelledQuestionsReadNoFurther(t *testing.T) {
	const n = 2000
	var line []ostiary.Edge
	for i := range n {
		line = append(line, groupIn(i, i+1))
	}
	line = append(line, edges(t, fmt.Sprintf("group:%d#member@user:ann", n))...)
	e := engine.New(engine.Options{MaxDepth: 2 * n, UserSteps: -1})
	ann := ostiary.SubjectRef{Type: "user", ID: "ann"}
	for name, question := range map[string]func(context.Context, engine.Reader) error{
		"check": func(ctx context.Context, r engine.Reader) error {
			_, err := e.Check(ctx, groups(), r, query(t, "group:0#member@user:bob"))
			return err
		},
		"list objects": func(ctx context.Context, r engine.Reader) error {
			_, err := e.ListObjects(ctx, groups(), r, engine.ListObjectsQuery{Type: "group", Relation: "member", Subject: ann})
			return err
		},
		"list users": func(ctx context.Context, r engine.Reader) error {
			_, err := e.ListUsers(ctx, groups(), r, engine.ListUsersQuery{
				Object: ostiary.ObjectRef{Type: "group", ID: "0"}, Relation: "member", Filter: engine.UserFilter{Type: "user"}})
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		r := &stopping{Reader: engine.NewMemory(line), after: 500, cancel: cancel}
		if err := question(ctx, r); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", name, err)
		}
		if r.reads > r.after+64 {
			t.Errorf("%s: read %d objects or subjects after the end", name, r.reads-r.after)
		}
		cancel()
	}
}

// stopping cancels the question after some reads of objects or subjects.
type stopping struct {
	engine.Reader
	reads, after int
	cancel       func()
}

func (s *stopping) read() {
	if s.reads++; s.reads == s.after {
		s.cancel()
	}
}

func (s *stopping) ObjectEdges(ctx context.Context, o ostiary.ObjectRef) (*packed.Set, error) {
	s.read()
	return s.Reader.ObjectEdges(ctx, o)
}

func (s *stopping) SubjectSet(ctx context.Context, subject ostiary.SubjectRef) (*packed.Set, error) {
	s.read()
	return s.Reader.SubjectSet(ctx, subject)
}

func (s *stopping) SubjectEdges(ctx context.Context, subject ostiary.SubjectRef, typ, relation string, limit int) (packed.Group, error) {
	s.read()
	return s.Reader.SubjectEdges(ctx, subject, typ, relation, limit)
}

// TestListParts: a part of a list is that part of the whole list.
func TestListParts(t *testing.T) {
	plan := plan(typ("user"), typ("group", relation("member", this(), "user, user:*")),
		typ("doc", relation("viewer", this(), "user, group#member")))
	random := rand.New(rand.NewPCG(1, 2))
	var tuples []string
	for i := range 300 {
		tuples = append(tuples,
			fmt.Sprintf("doc:%d#viewer@user:ann", random.IntN(5000)), fmt.Sprintf("doc:one#viewer@user:%d", random.IntN(5000)),
			fmt.Sprintf("doc:one#viewer@group:%d#member", i))
	}
	r := engine.NewMemory(edges(t, strings.Join(append(tuples, "group:7#member@user:*"), "\n")))
	e := engine.New(engine.Options{})
	part := func(all []string, after string, limit int) []string {
		out := all[slices.Index(all, after)+1:] // none: from the start
		if limit > 0 && limit < len(out) {
			out = out[:limit]
		}
		return out
	}
	objects := func(after string, limit int) (ids []string) {
		found, err := e.ListObjects(t.Context(), plan, r, engine.ListObjectsQuery{
			Type: "doc", Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: "ann"}, After: after, Limit: limit,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range found {
			ids = append(ids, o.ID)
		}
		return ids
	}
	users := func(filter engine.UserFilter) func(after string, limit int) []string {
		return func(after string, limit int) (ids []string) {
			found, err := e.ListUsers(t.Context(), plan, r, engine.ListUsersQuery{
				Object: ostiary.ObjectRef{Type: "doc", ID: "one"}, Relation: "viewer", Filter: filter, After: after, Limit: limit,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range found {
				ids = append(ids, s.ID)
			}
			return ids
		}
	}
	for name, list := range map[string]func(after string, limit int) []string{
		"objects": objects, "users": users(engine.UserFilter{Type: "user"}),
		"usersets": users(engine.UserFilter{Type: "group", Relation: "member"}),
	} {
		all := list("", 0)
		if len(all) < 250 {
			t.Fatalf("%s: the whole list has %d elements", name, len(all))
		}
		for _, after := range []string{"", all[0], all[1], all[100], all[len(all)-2], all[len(all)-1]} {
			for _, limit := range []int{0, 1, 2, 100, len(all) - 1, len(all), len(all) + 1} {
				if got, want := list(after, limit), part(all, after, limit); !slices.Equal(got, want) {
					t.Errorf("%s after %q, %d at most: got %q, want %q", name, after, limit, got, want)
				}
			}
		}
	}
}
