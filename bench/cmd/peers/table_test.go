package main

import (
	"strings"
	"testing"

	"github.com/ostiary/ostiary/bench"
)

func run(server string, rate float64, digest string) entry {
	return entry{Load: "check", Server: server, Report: &bench.Report{
		RequestsPerSecond: rate, Questions: bench.Questions{Digest: digest, Digested: 7},
	}}
}

func TestTableHasTheRatios(t *testing.T) {
	var out strings.Builder
	r := result{Runs: []entry{run(nameEcho, 40_000, "denied"), run(nameOstiary, 30_000, "same"), run(nameOpenFGA, 250, "same")}}
	if err := r.writeTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{" 0.75 ", " 120.0 ", "[ostiary openfga] to the same 7 questions agree"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("the table lacks %q:\n%s", part, out.String())
		}
	}
}

func TestTableFailsWhenServersDisagree(t *testing.T) {
	r := result{Runs: []entry{run(nameOstiary, 1, "yes"), run(nameOpenFGA, 1, "no")}}
	if err := r.writeTable(&strings.Builder{}); err == nil {
		t.Error("servers with different answers pass")
	}
}
