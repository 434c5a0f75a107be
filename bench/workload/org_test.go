package workload

import (
	"testing"

	"github.com/ostiary/ostiary"
)

func TestOrgSizes(t *testing.T) {
	for scale, want := range map[string]int{Small: 2_300, Mid: 229_000, Large: 2_300_000, Huge: 20_000_000} {
		got := build(t, "org", scale).Total()
		if d := got - want; d < -want/100 || d > want/100 {
			t.Errorf("%s has %d tuples, want %d within 1 %%", scale, got, want)
		}
	}
	w := build(t, "org", Mid)
	n := 0
	for range w.Tuples(0) {
		n++
	}
	if n != w.Size(0) {
		t.Errorf("mid has %d tuples, Size says %d", n, w.Size(0))
	}
}

// TestOrgMid holds the workload to its description: about 95 % of 20,000 checks are denied, the hottest
// user is in about 4.5 % of them, and the named lists are about as long as their names say.
func TestOrgMid(t *testing.T) {
	if testing.Short() {
		t.Skip("holds 229,000 tuples in memory")
	}
	x := load(t, build(t, "org", Mid)) // the tuples are the same with every skew
	for _, skew := range []string{Cubic, Uniform} {
		w, err := New("org", Options{Seed: DefaultSeed, Skew: skew})
		if err != nil {
			t.Fatal(err)
		}
		q := w.Questions(1)
		const asked = 20_000
		denied, views, users := 0, 0, map[ostiary.SubjectRef]int{}
		hottest := 0
		for range asked {
			c := q.Check()
			if x.check(t, x.stores[0], c) == ostiary.Denied {
				denied++
			}
			if c.Relation == "view" {
				views++
			}
			users[c.Subject]++
			hottest = max(hottest, users[c.Subject])
		}
		t.Logf("%s: %.2f %% denied, %.2f %% view, hottest user in %.2f %%", skew,
			percent(denied, asked), percent(views, asked), percent(hottest, asked))
		between(t, skew+": denied", percent(denied, asked), 94, 96)
		between(t, skew+": view", percent(views, asked), 65, 68)
		if skew == Uniform {
			between(t, "hottest user", percent(hottest, asked), 0, 0.1)
			continue
		}
		between(t, "hottest user", percent(hottest, asked), 4, 5)
		lists(t, x)
	}
}

func lists(t *testing.T, x *world) {
	for name, want := range map[string]float64{"list-2200": 2_200, "list-10000": 10_000, "users-1000": 1_000} {
		q, ok := x.w.Named(name)
		if !ok {
			t.Fatalf("there is no question %q", name)
		}
		n := 0
		if name == "users-1000" {
			n = len(x.listUsers(t, q))
		} else {
			n = len(x.listObjects(t, q))
		}
		t.Logf("%s: %s#%s@%s has %d", name, q.Object, q.Relation, q.Subject, n)
		between(t, name, float64(n), 0.9*want, 1.1*want)
	}
}

func percent(n, of int) float64 { return 100 * float64(n) / float64(of) }

func between(t *testing.T, what string, got, low, high float64) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s: %.2f is not between %.2f and %.2f", what, got, low, high)
	}
}
