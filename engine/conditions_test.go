package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/condition"
	"github.com/ostiary/ostiary/engine"
)

const conditionalModel = `model
  schema 1.1
type user
type doc
  relations
    define viewer: [user with below, user with $expression]
condition below(x: int, limit: int) {
  x < limit
}
`

func conditionalPlan(t testing.TB) *engine.Plan {
	t.Helper()
	m, err := dsl.Compile("model", []byte(conditionalModel))
	if err != nil {
		t.Fatal(err)
	}
	return engine.Compile(m)
}

// granted returns doc:1#viewer@user:ann with one grant.
func granted(t testing.TB, name, context string) *engine.Memory {
	t.Helper()
	e := edges(t, "doc:1#viewer@user:ann")[0]
	e.Conditions = []ostiary.Grant{{Owner: ostiary.OwnerAPI, Condition: name, Context: []byte(context)}}
	return engine.NewMemory([]ostiary.Edge{e})
}

func TestConditionError(t *testing.T) {
	p := conditionalPlan(t)
	_, err := engine.New(engine.Options{}).Check(t.Context(), p, granted(t, "below", `{"limit": 3}`), query(t, "doc:1#viewer@user:ann"))
	var undecided *engine.ConditionError
	var missing *condition.MissingError
	if !errors.Is(err, ostiary.ErrConditionUndecided) || !errors.As(err, &undecided) || !errors.As(err, &missing) {
		t.Fatalf("got %v, want a ConditionError with a MissingError", err)
	}
	if undecided.Tuple.String() != "doc:1#viewer@user:ann" || fmt.Sprint(missing.Names) != "[x]" {
		t.Errorf("got %+v, %+v", undecided, missing)
	}
}

// More expressions than are kept, some too large to keep, asked from several goroutines.
func TestInlineExpressionsAreBounded(t *testing.T) {
	p := conditionalPlan(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i := range 600 {
				padding := ""
				if i%7 == 0 {
					padding = strings.Repeat("x", 2000)
				}
				context := fmt.Sprintf(`{"expression": "n == %d", "parameters": {"n": "int"}, "padding": %q}`, i, padding)
				q := query(t, "doc:1#viewer@user:ann")
				for value, want := range map[float64]ostiary.Decision{float64(i): ostiary.Allowed, float64(i + 1): ostiary.Denied} {
					q.Context = map[string]any{"n": value}
					if d, err := engine.New(engine.Options{}).Check(t.Context(), p, granted(t, condition.Inline, context), q); err != nil || d != want {
						t.Errorf("n == %d with %v: got %v, %v, want %v", i, value, d, err, want)
					}
				}
			}
		})
	}
	wait.Wait()
}

func TestMaxConditionCost(t *testing.T) {
	p := conditionalPlan(t)
	r := granted(t, condition.Inline, `{"expression": "l.all(x, x < 1000)", "parameters": {"l": "list<int>"}}`)
	q := query(t, "doc:1#viewer@user:ann")
	q.Context = map[string]any{"l": make([]any, 100)}
	for i := range 100 {
		q.Context["l"].([]any)[i] = float64(i)
	}
	if _, err := engine.New(engine.Options{}).Check(t.Context(), p, r, q); !errors.Is(err, ostiary.ErrConditionUndecided) {
		t.Errorf("got %v, want ErrConditionUndecided", err)
	}
	d, err := engine.New(engine.Options{MaxConditionCost: 10_000}).Check(t.Context(), p, r, q)
	if err != nil || d != ostiary.Allowed {
		t.Errorf("with a greater bound: got %v, %v, want allowed", d, err)
	}
}

func BenchmarkCheckCondition(b *testing.B) {
	p := conditionalPlan(b)
	for _, c := range []struct{ name, condition, context string }{
		{"named", "below", `{"limit": 3}`},
		{"inline", condition.Inline, `{"expression": "x < 3", "parameters": {"x": "int"}}`},
	} {
		b.Run("kind="+c.name, func(b *testing.B) {
			r, q, e := granted(b, c.condition, c.context), query(b, "doc:1#viewer@user:ann"), engine.New(engine.Options{})
			q.Context = map[string]any{"x": 1.0}
			b.ReportAllocs()
			for b.Loop() {
				if d, err := e.Check(b.Context(), p, r, q); err != nil || d != ostiary.Allowed {
					b.Fatal(d, err)
				}
			}
		})
	}
}
