package scim

import (
	"fmt"
	"slices"
	"testing"
)

// A chain, in which each operation refers to the next one, gives out each operation once, and each is read
// once, before any runs.
func TestScheduleOfAChain(t *testing.T) {
	const n = 1000
	operations := make([]*operation, n)
	for i := range operations {
		operations[i] = &operation{method: "POST", path: "/Groups", bulkID: fmt.Sprint(i), data: fmt.Sprintf("bulkId:%d", i+1)}
	}
	waits := references(operations)
	edges := 0
	for _, others := range waits {
		edges += len(others)
	}
	if edges != n-1 {
		t.Errorf("%d references, want %d", edges, n-1)
	}
	s := newSchedule(waits)
	steps := 0
	for i, ok := s.next(); ok; i, ok = s.next() {
		if want := n - 1 - steps; i != want {
			t.Fatalf("step %d runs operation %d, want %d", steps, i, want)
		}
		steps++
		s.finish(i)
	}
	if steps != n {
		t.Errorf("%d steps, want %d", steps, n)
	}
}

func TestScheduleOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		waits [][]int
		want  []int
	}{
		{"as they come", [][]int{nil, nil, nil}, []int{0, 1, 2}},
		{"after what it waits for", [][]int{{1, 2}, nil, nil, {2}}, []int{1, 2, 0, 3}},
		{"never, where it waits for itself by way of another", [][]int{{1}, {0}, nil}, []int{2}},
	} {
		var got []int
		s := newSchedule(c.waits)
		for i, ok := s.next(); ok; i, ok = s.next() {
			got = append(got, i)
			s.finish(i)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
