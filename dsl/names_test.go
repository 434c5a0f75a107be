package dsl

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A bound only cuts a distance off: below it, the distance is what it is without one.
func TestDistanceIsTheSameBelowItsBound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, 1+r.IntN(9))
		for i := range b {
			b[i] = "abcD"[r.IntN(4)]
		}
		return string(b)
	}
	within := 0
	for range 50_000 {
		a, b := word(), word()
		full := distance(a, b, 64) // no word is as long
		for bound := range 6 {
			if got, want := distance(a, b, bound), min(full, bound); got != want {
				t.Fatalf("distance(%q, %q, %d) = %d, want %d", a, b, bound, got, want)
			}
		}
		if full < 4 {
			within++
		}
	}
	if within < 1000 {
		t.Errorf("only %d pairs are near", within)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"viewer", "Viewer", 0},
		{"viewer", "veiwer", 1},
		{"viewer", "vewer", 1},
		{"viewer", "viewers", 1},
		{"viewer", "wiever", 2},
		{"viewer", "editor", 4}, // 4 stands for far
		{"viewer", "viewer", 4},
		{"组成员", "成员", 1},
		{"组成员", "甲乙", 4}, // nothing would be left
	} {
		if got := distance(test.a, test.b, 4); got != test.want {
			t.Errorf("distance(%q, %q, 4) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func BenchmarkNearest(b *testing.B) {
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprintf("%d_can_view_the_quarterly_report_of_another_team", i))
	}
	for b.Loop() {
		nearest("may_edit_the_yearly_accounts_of_the_whole_house_x", names)
	}
}
