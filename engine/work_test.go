package engine_test

import (
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// TestWork: a question says what it has read, the same in a batch and alone, and adds to what is there.
func TestWork(t *testing.T) {
	p := plan(typ("user"), typ("group", relation("member", this(), "user, group#member")),
		typ("doc", relation("viewer", this(), "user, group#member")))
	reader := engine.NewMemory(edges(t, `doc:1#viewer@group:a#member group:a#member@group:b#member group:b#member@user:ann doc:2#viewer@user:ann`))
	e := engine.New(engine.Options{UserSteps: -1})
	ask := func(text string, w *engine.Work) engine.CheckQuery {
		q := query(t, text)
		q.Work = w
		return q
	}
	var near, far engine.Work
	for text, w := range map[string]*engine.Work{"doc:2#viewer@user:ann": &near, "doc:1#viewer@user:ann": &far} {
		if d, err := e.Check(t.Context(), p, reader, ask(text, w)); err != nil || d != ostiary.Allowed {
			t.Fatalf("%s: %v, %v", text, d, err)
		}
	}
	if near.Questions != 1 || near.Depth != 0 || far.Depth != 2 || far.Reads <= near.Reads || near.Reads == 0 || far.BothEnded != 0 {
		t.Errorf("near %+v, far %+v", near, far)
	}
	var batched engine.Work
	batch := e.Batch(p, reader)
	defer batch.Close()
	if _, err := batch.Check(t.Context(), ask("doc:1#viewer@user:ann", &batched)); err != nil || batched != far {
		t.Errorf("in a batch %+v, %v, alone %+v", batched, err, far)
	}
	if _, err := batch.Check(t.Context(), ask("doc:2#viewer@user:ann", &batched)); err != nil || batched.Questions != 2 || batched.Depth != far.Depth {
		t.Errorf("after another: %+v, %v", batched, err)
	}
	var both engine.Work
	eager := engine.New(engine.Options{UserSteps: 100})
	if _, err := eager.Check(t.Context(), p, reader, ask("doc:1#viewer@user:ann", &both)); err != nil || both.BothEnded != 1 {
		t.Errorf("from both ends: %+v, %v", both, err)
	}
	var objects, users engine.Work
	if _, err := e.ListObjects(t.Context(), p, reader, engine.ListObjectsQuery{Type: "doc", Relation: "viewer",
		Subject: query(t, "doc:1#viewer@user:ann").Subject, Work: &objects}); err != nil || objects.Questions != 1 || objects.Reads == 0 {
		t.Errorf("objects: %+v, %v", objects, err)
	}
	if _, err := e.ListUsers(t.Context(), p, reader, engine.ListUsersQuery{Object: query(t, "doc:1#viewer@user:ann").Object, Relation: "viewer",
		Filter: engine.UserFilter{Type: "user"}, Work: &users}); err != nil || users.Questions != 1 || users.Reads == 0 {
		t.Errorf("users: %+v, %v", users, err)
	}
	if _, err := e.Check(t.Context(), p, reader, ask("doc:1#nothing@user:ann", &users)); err == nil || users.Questions != 1 {
		t.Errorf("a question that reads nothing: %+v, %v", users, err)
	}
}
