package scim

import (
	"container/heap"
	"net/http"
	"sort"
	"strings"
)

// maxBulks is how many Bulk requests run at once in a node; others wait.
const maxBulks = 4

// references returns, for each operation, which others make what it refers to. It reads each operation once.
func references(operations []*operation) [][]int {
	makers := map[string]int{}
	for i, op := range operations {
		if op.method == http.MethodPost {
			makers[op.bulkID] = i
		}
	}
	all := make([][]int, len(operations))
	for i, op := range operations {
		seen := map[int]bool{}
		refer := func(text string) string {
			id, ok := strings.CutPrefix(text, bulkPrefix)
			if maker, there := makers[id]; ok && there && maker != i && !seen[maker] {
				seen[maker] = true
				all[i] = append(all[i], maker)
			}
			return text
		}
		for part := range strings.SplitSeq(op.path, "/") {
			refer(part)
		}
		replaceTexts(op.data, refer)
	}
	return all
}

// schedule gives out operations in their order, but each after those that it waits for. It looks at each
// reference twice in all.
type schedule struct {
	ready   ready
	unmet   []int   // how many each operation waits for
	waiting [][]int // who waits for each operation
}

// newSchedule returns a schedule of operations that wait for others.
func newSchedule(waitsFor [][]int) *schedule {
	s := &schedule{unmet: make([]int, len(waitsFor)), waiting: make([][]int, len(waitsFor))}
	for i, others := range waitsFor {
		s.unmet[i] = len(others)
		for _, other := range others {
			s.waiting[other] = append(s.waiting[other], i)
		}
		if len(others) == 0 {
			s.ready.IntSlice = append(s.ready.IntSlice, i) // in order, which is a heap
		}
	}
	return s
}

// next returns the first operation that waits for nothing, once, and false where there is none.
func (s *schedule) next() (int, bool) {
	if s.ready.Len() == 0 {
		return 0, false
	}
	return heap.Pop(&s.ready).(int), true
}

// finish lets those go that wait for an operation.
func (s *schedule) finish(i int) {
	for _, other := range s.waiting[i] {
		if s.unmet[other]--; s.unmet[other] == 0 {
			heap.Push(&s.ready, other)
		}
	}
	s.waiting[i] = nil
}

// ready is a heap of numbers.
type ready struct{ sort.IntSlice }

func (r *ready) Push(x any) { r.IntSlice = append(r.IntSlice, x.(int)) }

func (r *ready) Pop() any {
	last := len(r.IntSlice) - 1
	x := r.IntSlice[last]
	r.IntSlice = r.IntSlice[:last]
	return x
}
