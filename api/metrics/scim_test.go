package metrics

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestSCIM(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	s, err := NewSCIM(registry, []string{"held", "unauthenticated"})
	if err != nil {
		t.Fatal(err)
	}
	s.Answered("POST", "Users", 201, time.Millisecond)
	s.Answered("POST", "Users", 200, time.Millisecond)
	s.Answered("POST", "Users", 409, time.Millisecond)
	s.Refused("uniqueness")
	s.Refused("held")
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[strings.TrimPrefix(name, "ostiary_scim_")] = float64(m.GetHistogram().GetSampleCount()) + m.GetCounter().GetValue()
		}
	}
	want := map[string]float64{
		"request_duration_seconds POST Users 2xx": 2, "request_duration_seconds POST Users 4xx": 1,
		"request_duration_seconds GET Users 2xx": 0, "request_duration_seconds PUT Users 2xx": 0,
		"request_duration_seconds PATCH Users 2xx": 0, "request_duration_seconds DELETE Users 2xx": 0,
		"refusals_total held": 1, "refusals_total unauthenticated": 0, "refusals_total uniqueness": 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, err := NewSCIM(registry, nil); err == nil {
		t.Error("the same registry took them twice")
	}
}
