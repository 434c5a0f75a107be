package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
)

func edge(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) ostiary.Edge {
	return ostiary.Edge{Tuple: ostiary.Tuple{Object: object, Relation: relation, Subject: subject}}
}

// hub returns n groups, each with a user of its own, that are members of one group which is a member
// of each of them.
func hub(n int) []ostiary.Edge {
	all := make([]ostiary.Edge, 0, 3*n)
	for i := range n {
		id := fmt.Sprint(i)
		group, center := ostiary.ObjectRef{Type: "group", ID: id}, ostiary.ObjectRef{Type: "group", ID: "hub"}
		all = append(all,
			edge(center, "member", ostiary.SubjectRef{Type: "group", ID: id, Relation: "member"}),
			edge(group, "member", ostiary.SubjectRef{Type: "group", ID: "hub", Relation: "member"}),
			edge(group, "member", ostiary.SubjectRef{Type: "user", ID: id}))
	}
	return all
}

// chain returns a model in which every relation is the union of the next and of "x", of n relations.
func chain(n int) *engine.Plan {
	relations := []*model.Relation{relation("x", this(), "user"), relation(fmt.Sprintf("r%d", n), this(), "user")}
	for i := range n {
		relations = append(relations, relation(fmt.Sprintf("r%d", i), or(computed(fmt.Sprintf("r%d", i+1)), computed("x")), ""))
	}
	return plan(typ("user"), typ("doc", relations...))
}

// crossed returns n documents that ann has the relation to, and one document that n users have it to.
func crossed(relation string, from, to int) []ostiary.Edge {
	var all []ostiary.Edge
	for i := from; i < to; i++ {
		all = append(all,
			edge(ostiary.ObjectRef{Type: "doc", ID: fmt.Sprint(i)}, relation, ostiary.SubjectRef{Type: "user", ID: "ann"}),
			edge(ostiary.ObjectRef{Type: "doc", ID: "d"}, relation, ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(i)}))
	}
	return all
}

// lists puts a question of each kind of list and returns how many it found.
func lists(ctx context.Context, o engine.Options, p *engine.Plan, r engine.Reader, typ, id, relation string) map[string]func() (int, error) {
	e := engine.New(o)
	return map[string]func() (int, error){
		"list objects": func() (int, error) {
			found, err := e.ListObjects(ctx, p, r, engine.ListObjectsQuery{
				Type: typ, Relation: relation, Subject: ostiary.SubjectRef{Type: "user", ID: "ann"},
			})
			return len(found), err
		},
		"list users": func() (int, error) {
			found, err := e.ListUsers(ctx, p, r, engine.ListUsersQuery{
				Object: ostiary.ObjectRef{Type: typ, ID: id}, Relation: relation, Filter: engine.UserFilter{Type: "user"},
			})
			return len(found), err
		},
	}
}

// What lists put into sets is bounded.
func TestSetEntriesAreBounded(t *testing.T) {
	const n = 1000
	r := engine.NewMemory(crossed("r1", 0, n))
	for name, list := range lists(t.Context(), engine.Options{MaxSetEntries: n}, chain(1), r, "doc", "d", "r0") {
		if found, err := list(); err != nil || found != n {
			t.Errorf("%s within the bound: got %d, %v, want %d", name, found, err, n)
		}
	}
	for name, list := range lists(t.Context(), engine.Options{MaxSetEntries: n - 1}, chain(1), r, "doc", "d", "r0") {
		found, err := list()
		if !errors.Is(err, ostiary.ErrTooBroad) || !strings.Contains(fmt.Sprint(err), "more than 999 entries") || !strings.Contains(fmt.Sprint(err), "MaxSetEntries") {
			t.Errorf("%s above the bound: got %d, %v, want ErrTooBroad that names MaxSetEntries and 999", name, found, err)
		}
	}
}

// The sets of groups that contain each other grow with their members, and not with members times groups.
func TestListUsersOfAHub(t *testing.T) {
	const n = 2000
	found, err := lists(t.Context(), engine.Options{MaxSetEntries: 5 * n}, groups(), engine.NewMemory(hub(n)), "group", "hub", "member")["list users"]()
	if err != nil || found != n {
		t.Errorf("got %d users, %v, want %d", found, err, n)
	}
}

// A chain of unions costs its members, and not members times relations.
func TestListsOfAChainOfUnions(t *testing.T) {
	const n, relations = 2000, 200
	r := engine.NewMemory(append(crossed(fmt.Sprintf("r%d", relations), 0, n), crossed("x", n, n+1)...))
	for name, list := range lists(t.Context(), engine.Options{MaxSetEntries: 5 * n}, chain(relations), r, "doc", "d", "r0") {
		if found, err := list(); err != nil || found != n+1 {
			t.Errorf("%s: got %d, %v, want %d", name, found, err, n+1)
		}
	}
}

// polls counts how often evaluation looks whether the question was cancelled.
type polls struct {
	context.Context
	count int
}

func (p *polls) Err() error {
	p.count++
	return p.Context.Err()
}

// reading sets the count back after each read, so that what is left are the looks after the last.
type reading struct {
	engine.Reader
	polls *polls
}

func (r reading) wrap(seq edgeSeq) edgeSeq {
	return func(yield func(ostiary.Edge, error) bool) {
		defer func() { r.polls.count = 0 }()
		seq(yield)
	}
}

func (r reading) Subjects(ctx context.Context, o ostiary.ObjectRef, relation string) edgeSeq {
	return r.wrap(r.Reader.Subjects(ctx, o, relation))
}

func (r reading) Objects(ctx context.Context, s ostiary.SubjectRef, typ, relation string) edgeSeq {
	return r.wrap(r.Reader.Objects(ctx, s, typ, relation))
}

// Joining sets looks at the context as reading does.
func TestListsPollWhileTheyJoinSets(t *testing.T) {
	const n = 20_000
	ctx := &polls{Context: t.Context()}
	r := reading{engine.NewMemory(append(crossed("r1", 0, n), crossed("x", n, 2*n)...)), ctx}
	for name, list := range lists(ctx, engine.Options{}, chain(1), r, "doc", "d", "r0") {
		if found, err := list(); err != nil || found != 2*n {
			t.Errorf("%s: got %d, %v, want %d", name, found, err, 2*n)
		}
		if ctx.count < n/1000 {
			t.Errorf("%s: looked at the context %d times while it joined sets of %d", name, ctx.count, n)
		}
	}
}

// Groups that contain each other have one set, which is joined once however many lead to it.
func TestListUsersJoinsTheSetOfAHubOnce(t *testing.T) {
	const n = 4000
	p := plan(typ("user"), typ("group", relation("member", this(), "user, group#member")),
		typ("doc", relation("viewer", or(this(), computed("owner")), "group#member"), relation("owner", this(), "group#member")))
	all := hub(n)
	for i := range n {
		group := ostiary.SubjectRef{Type: "group", ID: fmt.Sprint(i), Relation: "member"}
		all = append(all, edge(ostiary.ObjectRef{Type: "doc", ID: "1"}, "viewer", group), edge(ostiary.ObjectRef{Type: "doc", ID: "1"}, "owner", group))
	}
	ctx := &polls{Context: t.Context()}
	found, err := lists(ctx, engine.Options{}, p, engine.NewMemory(all), "doc", "1", "viewer")["list users"]()
	if err != nil || found != n {
		t.Errorf("got %d users, %v, want %d", found, err, n)
	}
	if ctx.count > 6*n {
		t.Errorf("looked at the context %d times for %d groups: it joined their sets again and again", ctx.count, n)
	}
}

// Layers of groups that contain all groups of the next, the last one those of the first: all are equal,
// and one set serves them.
func TestListUsersOfARingOfLayers(t *testing.T) {
	const layers, width = 20, 20
	var all []ostiary.Edge
	for i := range layers * width {
		next := (i/width + 1) % layers * width
		for j := range width {
			all = append(all, groupIn(i, next+j))
		}
		all = append(all, edge(ostiary.ObjectRef{Type: "group", ID: fmt.Sprint(i)}, "member", ostiary.SubjectRef{Type: "user", ID: fmt.Sprint(i)}))
	}
	const n = layers * width
	found, err := lists(t.Context(), engine.Options{MaxSetEntries: 3 * n}, groups(), engine.NewMemory(all), "group", "0", "member")["list users"]()
	if err != nil || found != n {
		t.Errorf("got %d users, %v, want %d", found, err, n)
	}
}

// TestUserSideNeverExceedsTheBound: a subject in many groups of many kinds, an object shared with others.
// What the object's side answers within MaxReads is answered however much of the user's side is tried.
func TestUserSideNeverExceedsTheBound(t *testing.T) {
	const kinds, shared, groups = 8, 100, 3000
	types := []*model.Type{typ("user")}
	var restrictions []string
	var all []ostiary.Edge
	for k := range kinds {
		name := fmt.Sprintf("g%d", k)
		types = append(types, typ(name, relation("member", this(), "user")))
		restrictions = append(restrictions, name+"#member")
		for i := range shared {
			all = append(all, edge(ostiary.ObjectRef{Type: "doc", ID: "1"}, "viewer",
				ostiary.SubjectRef{Type: name, ID: fmt.Sprint("x", i), Relation: "member"}))
		}
		for i := range groups {
			all = append(all, edge(ostiary.ObjectRef{Type: name, ID: fmt.Sprint("y", i)}, "member",
				ostiary.SubjectRef{Type: "user", ID: "ann"}))
		}
	}
	all = append(all, edges(t, "g7:x99#member@user:ann")...)
	types = append(types, typ("doc", relation("viewer", this(), strings.Join(restrictions, ", "))))
	p, r := plan(types...), engine.NewMemory(all)
	for _, steps := range []int{-1, 0, 1, 1000} {
		e := engine.New(engine.Options{MaxReads: 3 * kinds * shared, UserSteps: steps})
		for question, want := range map[string]ostiary.Decision{
			"doc:1#viewer@user:ann": ostiary.Allowed, "doc:1#viewer@user:bob": ostiary.Denied,
		} {
			if got, err := e.Check(t.Context(), p, r, query(t, question)); err != nil || got != want {
				t.Errorf("UserSteps %d: %s: got %v, %v, want %v", steps, question, got, err, want)
			}
		}
	}
}
