package workload

import (
	"hash/fnv"
	"slices"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/condition"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
)

// each runs a test for every workload at Small.
func each(t *testing.T, test func(t *testing.T, w *Workload)) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) { test(t, build(t, name, Small)) })
	}
}

func build(t testing.TB, name, scale string) *Workload {
	t.Helper()
	w, err := New(name, Options{Scale: scale, Seed: DefaultSeed})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func compile(t testing.TB, w *Workload) *model.Model {
	t.Helper()
	m, err := dsl.Compile(w.Name, []byte(w.Model))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// world is a workload with its tuples in memory.
type world struct {
	w      *Workload
	plan   *engine.Plan
	engine *engine.Engine
	stores []engine.Reader
}

func load(t testing.TB, w *Workload) *world {
	x := &world{w: w, plan: engine.Compile(compile(t, w)), engine: engine.New(engine.Options{})}
	for store := range w.Stores {
		x.stores = append(x.stores, engine.NewMemory(slices.Collect(w.Tuples(store))))
	}
	return x
}

func (x *world) check(t testing.TB, r engine.Reader, q Question) ostiary.Decision {
	t.Helper()
	d, err := x.engine.Check(t.Context(), x.plan, r,
		engine.CheckQuery{Object: q.Object, Relation: q.Relation, Subject: q.Subject, Context: q.Context})
	if err != nil {
		t.Fatalf("check %s#%s@%s: %v", q.Object, q.Relation, q.Subject, err)
	}
	return d
}

func (x *world) listObjects(t testing.TB, q Question) []ostiary.ObjectRef {
	t.Helper()
	list, err := x.engine.ListObjects(t.Context(), x.plan, x.stores[q.Store],
		engine.ListObjectsQuery{Type: q.Object.Type, Relation: q.Relation, Subject: q.Subject, Context: q.Context})
	if err != nil {
		t.Fatalf("list objects %s#%s@%s: %v", q.Object.Type, q.Relation, q.Subject, err)
	}
	return list
}

func (x *world) listUsers(t testing.TB, q Question) []ostiary.SubjectRef {
	t.Helper()
	list, err := x.engine.ListUsers(t.Context(), x.plan, x.stores[q.Store],
		engine.ListUsersQuery{Object: q.Object, Relation: q.Relation, Context: q.Context,
			Filter: engine.UserFilter{Type: q.Subject.Type, Relation: q.Subject.Relation}})
	if err != nil {
		t.Fatalf("list users %s#%s@%s: %v", q.Object, q.Relation, q.Subject.Type, err)
	}
	return list
}

func TestUnknownOptions(t *testing.T) {
	if _, err := New("orgs", Options{}); err == nil {
		t.Error("a workload that does not exist was made")
	}
	if _, err := New("org", Options{Scale: "medium"}); err == nil {
		t.Error("a scale that does not exist was taken")
	}
	if _, err := New("org", Options{Skew: "zipf"}); err == nil {
		t.Error("a skew that does not exist was taken")
	}
}

func TestTuples(t *testing.T) {
	each(t, func(t *testing.T, w *Workload) {
		m := compile(t, w)
		for store := range w.Stores {
			seen := map[ostiary.Tuple]bool{}
			for e := range w.Tuples(store) {
				if seen[e.Tuple] {
					t.Fatalf("store %d has %s twice", store, e.Tuple)
				}
				seen[e.Tuple] = true
				fits(t, m, e)
			}
			if len(seen) != w.Size(store) {
				t.Fatalf("store %d has %d tuples, Size says %d", store, len(seen), w.Size(store))
			}
		}
	})
}

// fits fails unless a tuple is well-formed and its relation takes its subject and condition.
func fits(t *testing.T, m *model.Model, e ostiary.Edge) {
	t.Helper()
	if err := e.Tuple.Validate(); err != nil {
		t.Fatal(err)
	}
	r := m.Relation(e.Object.Type, e.Relation)
	if r == nil {
		t.Fatalf("%s: the model has no such relation", e.Tuple)
	}
	conditions := []string{""}
	for i, g := range e.Conditions {
		if i == 0 {
			conditions = nil
		}
		conditions = append(conditions, g.Condition)
		program, err := condition.Compile(m.Condition(g.Condition), condition.Options{})
		if err != nil {
			t.Fatal(err)
		}
		context, err := condition.DecodeContext(g.Context)
		if err == nil {
			err = program.CheckContext(context)
		}
		if err != nil {
			t.Fatalf("%s: context %s: %v", e.Tuple, g.Context, err)
		}
	}
	for _, name := range conditions {
		if !slices.ContainsFunc(r.Restrictions, func(x model.Restriction) bool {
			return x.Type == e.Subject.Type && x.Relation == e.Subject.Relation &&
				x.Wildcard == e.Subject.IsWildcard() && x.Condition == name
		}) {
			t.Fatalf("%s with condition %q does not fit %v", e.Tuple, name, r.Restrictions)
		}
	}
}

// digest names everything that a workload makes.
func digest(w *Workload, seed uint64) uint64 {
	h := fnv.New64a()
	line := func(parts ...string) {
		for _, p := range parts {
			h.Write([]byte(p))
			h.Write([]byte{0})
		}
	}
	for store := range w.Stores {
		for e := range w.Tuples(store) {
			line(e.Tuple.String())
			for _, g := range e.Conditions {
				line(g.Condition, string(g.Context))
			}
		}
	}
	q := w.Questions(seed)
	for range 100 {
		_, e := q.NewTuple()
		_, grant, check := q.Revocable()
		line(e.Tuple.String(), grant.Tuple.String())
		for _, x := range []Question{q.Check(), q.ListObjects(), q.ListUsers(), check} {
			line(x.Object.String(), x.Relation, x.Subject.String())
		}
	}
	return h.Sum64()
}

func TestDeterminism(t *testing.T) {
	each(t, func(t *testing.T, w *Workload) {
		if digest(w, 7) != digest(build(t, w.Name, w.Scale), 7) {
			t.Error("the same seeds gave different workloads")
		}
		if digest(w, 7) == digest(w, 8) {
			t.Error("different seeds gave the same questions")
		}
		other, err := New(w.Name, Options{Scale: w.Scale, Seed: DefaultSeed + 1})
		if err != nil {
			t.Fatal(err)
		}
		if digest(w, 7) == digest(other, 7) {
			t.Error("different seeds gave the same tuples")
		}
	})
}

// TestStop ends every sequence after each of its first tuples.
func TestStop(t *testing.T) {
	each(t, func(t *testing.T, w *Workload) {
		for limit := range 20 {
			n := 0
			for range w.Tuples(0) {
				if n++; n > limit {
					break
				}
			}
		}
	})
}

// TestQuestions asks many questions of every kind: none fails, checks are not all alike, and lists
// agree with checks.
func TestQuestions(t *testing.T) {
	each(t, func(t *testing.T, w *Workload) {
		x, q := load(t, w), w.Questions(1)
		allowed := 0
		for range 2_000 {
			c := q.Check()
			if x.check(t, x.stores[c.Store], c) == ostiary.Allowed {
				allowed++
			}
		}
		t.Logf("%.1f %% of checks are denied", 100-float64(allowed)/20)
		if allowed == 0 || allowed == 2_000 {
			t.Errorf("%d of 2,000 checks are allowed", allowed)
		}
		objects, users := 0, 0
		for range 20 {
			lo := q.ListObjects()
			list := x.listObjects(t, lo)
			objects += len(list)
			for _, o := range list[:min(len(list), 10)] {
				c := lo
				c.Object = o
				if x.check(t, x.stores[c.Store], c) != ostiary.Allowed {
					t.Errorf("%s is listed for %s and denied", o, c.Subject)
				}
			}
			users += len(x.listUsers(t, q.ListUsers()))
		}
		if objects == 0 || users == 0 {
			t.Errorf("20 lists have %d objects and %d users", objects, users)
		}
	})
}

func TestNewTuplesAreNew(t *testing.T) {
	each(t, func(t *testing.T, w *Workload) {
		m := compile(t, w)
		type key struct {
			store int
			tuple ostiary.Tuple
		}
		seen := map[key]bool{}
		for store := range w.Stores {
			for e := range w.Tuples(store) {
				seen[key{store, e.Tuple}] = true
			}
		}
		add := func(store int, e ostiary.Edge) {
			t.Helper()
			fits(t, m, e)
			if k := (key{store, e.Tuple}); seen[k] {
				t.Fatalf("%s exists already", e.Tuple)
			} else {
				seen[k] = true
			}
		}
		for seed := range uint64(3) {
			q := w.Questions(seed)
			for range 200 {
				add(q.NewTuple())
				store, grant, _ := q.Revocable()
				add(store, grant)
			}
		}
	})
}

func TestRevocable(t *testing.T) {
	each(t, func(t *testing.T, w *Workload) {
		x, q := load(t, w), w.Questions(3)
		for range 200 {
			store, grant, c := q.Revocable()
			if c.Store != store {
				t.Fatalf("the grant is in store %d, the check in %d", store, c.Store)
			}
			if x.check(t, x.stores[store], c) != ostiary.Denied {
				t.Fatalf("%s#%s@%s is allowed without %s", c.Object, c.Relation, c.Subject, grant.Tuple)
			}
			with := engine.Overlay(x.stores[store], []ostiary.Edge{grant})
			if x.check(t, with, c) != ostiary.Allowed {
				t.Fatalf("%s#%s@%s is denied with %s", c.Object, c.Relation, c.Subject, grant.Tuple)
			}
		}
	})
}
