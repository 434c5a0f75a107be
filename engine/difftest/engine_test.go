package difftest

import (
	"context"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// deep is a depth that no case of the families reaches.
const deep = 1000

// underTest is the engine as an answerer.
type underTest struct {
	ctx    context.Context
	engine *engine.Engine
	plan   *engine.Plan
	reader engine.Reader
}

func newEngine(ctx context.Context, c testCase, o engine.Options) underTest {
	return underTest{ctx: ctx, engine: engine.New(o), plan: engine.Compile(c.model), reader: engine.NewMemory(edges(c.tuples))}
}

// way is a way in which the engine may go about a question: what its reader packs, and how it walks.
type way struct {
	name   string
	packed bool // by engine.Memory; otherwise by opening
	steps  int  // engine.Options.UserSteps
	seed   uint64
}

var engineWays = []way{
	{name: "packed", packed: true},
	{name: "open"},
	{name: "packed, from the object alone", packed: true, steps: -1},
	{name: "packed, from the user", packed: true, steps: 1 << 20},
	{name: "open, from the user", steps: 1 << 20},
	{name: "packed, one step a userset", packed: true, steps: 1},
	{name: "open, one step a userset", steps: 1},
}

func drawWay(t *rapid.T) way {
	w := rapid.SampledFrom(engineWays).Draw(t, "way")
	w.seed = rapid.Uint64().Draw(t, "seed")
	return w
}

// newEngineBy is newEngine that goes about questions in one way.
func newEngineBy(ctx context.Context, c testCase, o engine.Options, w way) underTest {
	o.UserSteps = w.steps
	u := newEngine(ctx, c, o)
	if !w.packed {
		u.reader = newOpening(edges(c.tuples), w.seed)
	}
	return u
}

func edges(tuples []ostiary.Tuple) []ostiary.Edge {
	var list []ostiary.Edge
	for _, t := range tuples {
		list = append(list, ostiary.Edge{Tuple: t})
	}
	return list
}

func (u underTest) check(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) (bool, error) {
	d, err := u.engine.Check(u.ctx, u.plan, u.reader, engine.CheckQuery{Object: object, Relation: relation, Subject: subject})
	return d == ostiary.Allowed, err
}

func (u underTest) listObjects(typ, relation string, subject ostiary.SubjectRef) ([]ostiary.ObjectRef, error) {
	return u.engine.ListObjects(u.ctx, u.plan, u.reader, engine.ListObjectsQuery{Type: typ, Relation: relation, Subject: subject})
}

func (u underTest) listUsers(object ostiary.ObjectRef, relation, filterType, filterRelation string) ([]ostiary.SubjectRef, error) {
	return u.engine.ListUsers(u.ctx, u.plan, u.reader, engine.ListUsersQuery{
		Object: object, Relation: relation, Filter: engine.UserFilter{Type: filterType, Relation: filterRelation}})
}
