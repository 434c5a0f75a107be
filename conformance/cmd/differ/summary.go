package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// summary is what a run came to.
type summary struct {
	Seed           uint64         `json:"seed"`
	Cases          int            `json:"cases"`
	Questions      int            `json:"questions"`
	Faulty         int            `json:"faulty"`
	Refused        int            `json:"refused"` // by both, with the same number or not
	ByKind         map[string]int `json:"by_kind"`
	PropertyLists  int            `json:"property_lists"`
	PropertyChecks int            `json:"property_checks"`
	Classes        map[string]int `json:"explained"`
	Unexplained    int            `json:"unexplained"`
	Seconds        float64        `json:"seconds"`
	Differences    []*difference  `json:"differences"`
}

func newSummary(seed uint64) *summary {
	return &summary{Seed: seed, ByKind: map[string]int{}, Classes: map[string]int{}, Differences: []*difference{}}
}

func (s *summary) count(q question, ours, theirs answer) {
	s.Questions++
	s.ByKind[q.kind()]++
	if q.faulty {
		s.Faulty++
	}
	if ours.Code != 0 && theirs.Code != 0 {
		s.Refused++
	}
}

// keptOfClass bounds the explained differences of one class that are kept whole.
const keptOfClass = 5

func (s *summary) add(d *difference) {
	if d.Class == "" {
		s.Unexplained++
	} else if s.Classes[d.Class]++; s.Classes[d.Class] > keptOfClass {
		return
	}
	s.Differences = append(s.Differences, d)
}

func (s *summary) explained() (n int) {
	for _, count := range s.Classes {
		n += count
	}
	return n
}

func (s *summary) print(out io.Writer) {
	fmt.Fprintf(out, "seed %d: %d questions about %d models in %.0f s; %d with a fault, %d refused by both\n",
		s.Seed, s.Questions, s.Cases, s.Seconds, s.Faulty, s.Refused)
	for _, kind := range slices.Sorted(maps.Keys(s.ByKind)) {
		fmt.Fprintf(out, "  %-24s %8d\n", kind, s.ByKind[kind])
	}
	fmt.Fprintf(out, "lists compared with checks: %d, with %d checks\n", s.PropertyLists, s.PropertyChecks)
	for _, class := range slices.Sorted(maps.Keys(s.Classes)) {
		fmt.Fprintf(out, "explained, %s: %d\n", class, s.Classes[class])
	}
	fmt.Fprintf(out, "unexplained differences: %d\n", s.Unexplained)
}

// script is a difference as people read it.
func (d *difference) script(seed uint64) string {
	return fmt.Sprintf("--- unexplained difference; -seed %d -case %d -cases 1 repeats it\n%stuples\n  %s\n%s %s\n  ostiary: %v\n  openfga: %v\n---",
		seed, d.Case, d.Model, strings.Join(d.Tuples, "\n  "), d.Kind, d.Request, d.Ours, d.Theirs)
}
