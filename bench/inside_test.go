package bench

import (
	"strings"
	"testing"
)

const metricsBefore = `# HELP ostiary_api_request_duration_seconds …
ostiary_api_request_duration_seconds_bucket{code="ok",method="openfga.v1.OpenFGAService/Check",le="0.0001"} 10
ostiary_api_request_duration_seconds_bucket{code="ok",method="openfga.v1.OpenFGAService/Check",le="0.0002"} 10
ostiary_api_request_duration_seconds_bucket{code="ok",method="openfga.v1.OpenFGAService/Check",le="+Inf"} 10
`

const metricsAfter = `ostiary_api_request_duration_seconds_bucket{code="ok",method="openfga.v1.OpenFGAService/Check",le="0.0001"} 60
ostiary_api_request_duration_seconds_bucket{code="ok",method="openfga.v1.OpenFGAService/Check",le="0.0002"} 109
ostiary_api_request_duration_seconds_bucket{code="ok",method="openfga.v1.OpenFGAService/Check",le="+Inf"} 109
ostiary_api_request_duration_seconds_bucket{code="not_found",method="openfga.v1.OpenFGAService/Check",le="0.0001"} 0
ostiary_api_request_duration_seconds_bucket{code="not_found",method="openfga.v1.OpenFGAService/Check",le="0.0002"} 0
ostiary_api_request_duration_seconds_bucket{code="not_found",method="openfga.v1.OpenFGAService/Check",le="+Inf"} 1
ostiary_api_request_duration_seconds_bucket{code="ok",method="openfga.v1.OpenFGAService/Write",le="+Inf"} 5000
ostiary_api_request_duration_seconds_sum{code="ok",method="openfga.v1.OpenFGAService/Check"} 5
`

func TestInsideCountsTheRunAlone(t *testing.T) {
	before, err := parseInside(strings.NewReader(metricsBefore), methodCheck.fullName())
	if err != nil {
		t.Fatal(err)
	}
	after, err := parseInside(strings.NewReader(metricsAfter), methodCheck.fullName())
	if err != nil {
		t.Fatal(err)
	}
	got := insideBetween(before, after, "Check")
	want := Inside{Method: "Check", Count: 100, P50: 100, P95: 191.8, P99: 200, P999: 200}
	if got == nil || *got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if again := insideBetween(after, after, "Check"); again != nil {
		t.Errorf("nothing was asked, and it has latencies %+v", again)
	}
}
