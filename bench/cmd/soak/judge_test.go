package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// sound is a report of a trial in which nothing is wrong.
func sound() *report {
	r := newReport(settings{length: 2 * time.Minute, nodes: 1})
	add := func(phase string, count int, change func(i int, s *sample)) {
		for i := range count {
			s := sample{Node: "node0", Phase: phase, Resident: 200 << 20, Heap: 30 << 20, Cache: 8 << 20, Goroutines: 70, Sockets: 4, Files: 30, Disk: 80 << 20}
			if change != nil {
				change(i, &s)
			}
			r.Samples = append(r.Samples, s)
		}
	}
	add(phaseIdle, 1, nil)
	add(phaseSteady, 30, func(i int, s *sample) { // the heap swings, the caches fill, connections are open
		s.Heap += int64(i%7) << 20
		s.Cache, s.Heap = s.Cache+int64(i)<<20, s.Heap+int64(i)<<20
		s.Sockets, s.Goroutines, s.Disk = 60, 300, s.Disk+int64(i%5)<<20
	})
	add(phaseRest, 1, func(_ int, s *sample) { s.Cache, s.Heap = s.Cache+32<<20, s.Heap+32<<20 })
	r.Requests, r.MixAnswers, r.SteadyNoted = 100_000, 1000, 1000
	return r
}

func TestJudge(t *testing.T) {
	steady := func(r *report, change func(i int, s *sample)) {
		at := 0
		for i := range r.Samples {
			if r.Samples[i].Phase == phaseSteady {
				change(at, &r.Samples[i])
				at++
			}
		}
	}
	last := func(r *report) *sample { return &r.Samples[len(r.Samples)-1] }
	for _, test := range []struct {
		name string
		harm func(r *report)
		want string // in the only fault; empty: there is none
	}{
		{"nothing is wrong", func(*report) {}, ""},
		{"a wrong answer", func(r *report) { r.Wrong = []string{"allowed"} }, "wrong answer"},
		{"nothing judged", func(r *report) { r.MixAnswers = 0 }, "no answer of the mix"},
		{"a few requests fail", func(r *report) { r.Failed = 90 }, ""},
		{"more fail", func(r *report) { r.Failed = 120 }, "120 of 100120 requests"},
		{"late ones are no failures", func(r *report) { r.Late = 50_000 }, ""},
		{"a part without an answer", func(r *report) { r.Phases = []*phaseReport{{Name: "silent"}} }, "\"silent\""},
		{"nobody asked", func(r *report) { r.Requests = 0 }, "0 of 0 requests"},
		{"the heap grows", func(r *report) { steady(r, func(i int, s *sample) { s.Heap += int64(i) * 2 << 20 }) }, "live heap of node0 grew"},
		{"the heap swings", func(r *report) { steady(r, func(i int, s *sample) { s.Heap += int64(i%4) * 50 << 20 }) }, ""},
		{"the disk grows", func(r *report) { steady(r, func(i int, s *sample) { s.Disk += int64(i) * 10 << 20 }) }, "disk of node0 grew"},
		{"the disk grows by the audit", func(r *report) {
			r.SteadyNoted = 200_000
			steady(r, func(i int, s *sample) { s.Disk += int64(i) * 10 << 20 })
		}, ""},
		{"too much memory for a moment", func(r *report) { r.Samples[10].Resident = 2 << 30 }, "2048 MiB of memory"},
		{"connections are left", func(r *report) { last(r).Sockets = 20 }, "20 sockets"},
		{"goroutines are left", func(r *report) { last(r).Goroutines = 200 }, "200 goroutines"},
		{"files are left", func(r *report) { last(r).Files = 400 }, "400 open files"},
		{"memory is left", func(r *report) { last(r).Heap += 60 << 20 }, "bytes of live heap"},
		{"only the first of the looks afterwards finds something", func(r *report) {
			bad := *last(r)
			bad.Sockets = 500
			r.Samples = slices.Insert(r.Samples, len(r.Samples)-1, bad)
		}, ""},
		{"too few samples", func(r *report) {
			r.Samples = slices.DeleteFunc(r.Samples, func(s sample) bool { return s.Phase == phaseSteady })
		}, "too few"},
		{"never looked at afterwards", func(r *report) { r.Samples = r.Samples[:len(r.Samples)-1] }, "before and after"},
	} {
		r := sound()
		test.harm(r)
		r.judge()
		switch {
		case test.want == "" && len(r.Faults) > 0:
			t.Errorf("%s: %q, want no fault", test.name, r.Faults)
		case test.want != "" && (len(r.Faults) != 1 || !strings.Contains(r.Faults[0], test.want)):
			t.Errorf("%s: %q, want one fault with %q", test.name, r.Faults, test.want)
		}
	}
}

func TestReadMetrics(t *testing.T) {
	values := map[string]float64{"a": -1, "b": -1, "c": -1}
	readMetrics("# HELP a 7\na 1.5e+07\na_total 3\nb{x=\"1\"} 9\nc nothing\n", values)
	if values["a"] != 15_000_000 || values["b"] != -1 || values["c"] != -1 {
		t.Errorf("the metrics are %v", values)
	}
}

func TestPlan(t *testing.T) {
	for _, length := range []time.Duration{minLength, 2 * time.Minute, time.Hour, maxLength} {
		p := planOf(length, len(abuses))
		sum := p.maximum + p.warmup + p.steady + p.abuse*time.Duration(len(abuses))
		if sum != length || p.steady < length/3 || p.steady/p.pause < 9 {
			t.Errorf("the plan of %s is %+v", length, p)
		}
	}
}
