package metrics

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestRequests times a few requests and reads the histogram: each is under its method and code, a method
// that nobody asked yet shows zero, and the buckets tell 150 us from 250 us.
func TestRequests(t *testing.T) {
	registry := prometheus.NewRegistry()
	q, err := NewRequests(registry, map[string]string{"/a.A/Check": "latest", "/a.A/Write": ""})
	if err != nil {
		t.Fatal(err)
	}
	q.Answered("/a.A/Check", "latest", "ok", 150*time.Microsecond)
	q.Answered("/a.A/Check", "latest", "ok", 250*time.Microsecond)
	q.Answered("/a.A/Check", "", "store_id_not_found", time.Millisecond)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	under200 := uint64(0)
	for _, m := range families[0].GetMetric() {
		name := ""
		for _, l := range m.GetLabel() {
			name += l.GetValue() + " "
		}
		got[strings.TrimSpace(name)] = m.GetHistogram().GetSampleCount()
		for _, b := range m.GetHistogram().GetBucket() {
			if b.GetUpperBound() == 200e-6 && strings.HasPrefix(name, "ok latest a.A/Check") {
				under200 = b.GetCumulativeCount()
			}
		}
	}
	want := map[string]uint64{"ok latest a.A/Check": 2, "ok  a.A/Write": 0, "store_id_not_found  a.A/Check": 1}
	for name, n := range want {
		if count, there := got[name]; !there || count != n {
			t.Errorf("%q: got %d, %v, want %d", name, count, there, n)
		}
	}
	if len(got) != len(want) || under200 != 1 {
		t.Errorf("got %v, %d under 200 us", got, under200)
	}
	if _, err := NewRequests(registry, nil); err == nil {
		t.Error("the same registry took a second histogram of the name")
	}
}

// TestProcessAndCounts reads counts as they stand when Prometheus asks, beside what the process tells.
func TestProcessAndCounts(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	if err := Process(registry, "1.2", "abc"); err != nil {
		t.Fatal(err)
	}
	n := 0.0
	err := Counts(registry,
		Count{Name: "ostiary_cache_hits_total", Help: "Hits.", Value: func() float64 { return n }},
		Count{Name: "ostiary_cache_bytes", Help: "Bytes.", Gauge: true, Value: func() float64 { return 2 * n }})
	if err != nil {
		t.Fatal(err)
	}
	n = 3
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
	}
	for name, want := range map[string]float64{"ostiary_cache_hits_total": 3, "ostiary_cache_bytes": 6, "ostiary_build_info": 1} {
		if value, there := got[name]; !there || value != want {
			t.Errorf("%s: got %v, %v, want %v", name, value, there, want)
		}
	}
	if _, there := got["go_goroutines"]; !there {
		t.Error("nothing of the Go runtime")
	}
}

// BenchmarkAnswered is what the histogram adds to a request.
func BenchmarkAnswered(b *testing.B) {
	q, err := NewRequests(prometheus.NewRegistry(), map[string]string{"/openfga.v1.OpenFGAService/Check": "latest"})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		q.Answered("/openfga.v1.OpenFGAService/Check", "latest", "ok", 150*time.Microsecond)
	}
}
