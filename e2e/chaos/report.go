package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// report is what a trial found.
type report struct {
	Seed   uint64        `json:"seed"`
	Rounds []roundReport `json:"rounds"`
	// Acknowledged and Unknown count writes; all that were acknowledged were found on every node.
	Acknowledged int64 `json:"acknowledged"`
	Unknown      int64 `json:"unknown"`
	Refused      int64 `json:"refused"`
	Checks       int64 `json:"checks"`
	Unanswered   int64 `json:"unanswered"`
	Wrong        int   `json:"wrong"`
	// Leaderless is, in milliseconds and sorted, the time from each kill of a leader to the first
	// acknowledgement of a write that was asked after it.
	Leaderless []int64 `json:"leaderless_ms"`

	load *load
}

type roundReport struct {
	Fault   string  `json:"fault"`
	Note    string  `json:"note"`
	Seconds float64 `json:"seconds"`
}

func (r *report) count() {
	l := r.load
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Acknowledged, r.Unknown, r.Refused = l.acknowledged.Load(), l.unknown.Load(), l.refused.Load()
	r.Checks, r.Unanswered, r.Wrong = l.checks.Load(), l.unanswered.Load(), len(l.wrong)
	for _, d := range l.without {
		r.Leaderless = append(r.Leaderless, d.Milliseconds())
	}
	slices.Sort(r.Leaderless)
}

// leaderless notes how long nobody could write.
func (l *load) leaderless(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.without = append(l.without, d)
}

func (r *report) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d rounds; %s; %d wrong answers\n", len(r.Rounds), r.load, r.Wrong)
	if n := len(r.Leaderless); n > 0 {
		fmt.Fprintf(&out, "without a leader after a kill: median %d ms, longest %d ms, of %d\n", r.Leaderless[n/2], r.Leaderless[n-1], n)
	}
	return out.String()
}
