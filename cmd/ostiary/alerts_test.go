package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary/api"
)

// TestWatchedMetrics: every metric that an alert, the dashboard or the documentation names is one that a node has.
func TestWatchedMetrics(t *testing.T) {
	_, _, admin := startNodeAdmin(t, api.Anonymous())
	_, text := get(t, admin+"/metrics")
	var families []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		families = append(families, m[1])
		if m[2] == "histogram" {
			families = append(families, m[1]+"_bucket", m[1]+"_count", m[1]+"_sum")
		}
	}
	named := regexp.MustCompile(`\b(?:ostiary_[a-z]+_[a-z_]+|(?:go|process)_[a-z_]+)\b`)
	for _, file := range []string{"../../deploy/prometheus/alerts.yaml", "../../deploy/grafana/ostiary.json", "../../docs/guides/metrics.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := named.FindAllString(string(text), -1)
		if len(names) < 10 {
			t.Errorf("%s names %d metrics", file, len(names))
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_") { // "go_…": all of them
				continue
			}
			if !slices.Contains(families, name) {
				t.Errorf("%s names %s, which no node has", file, name)
			}
		}
	}
	documented, err := os.ReadFile("../../docs/guides/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if strings.HasPrefix(family, "ostiary_") && !strings.Contains(string(documented), strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(family, "_bucket"), "_count"), "_sum")) {
			t.Errorf("docs/guides/metrics.md does not say what %s is", family)
		}
	}
	alerts := readText(t, "../../deploy/prometheus/alerts.yaml")
	for _, m := range regexp.MustCompile(`(?m)^(ostiary_\w+)\{[^}]*outcome="failed"`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(alerts, m[1]) {
			t.Errorf("%s counts what failed, and no alert watches it", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`runbook: (\S+)`).FindAllStringSubmatch(alerts, -1) {
		if _, err := os.Stat("../../" + m[1]); err != nil {
			t.Errorf("an alert leads to %s, which is not there", m[1])
		}
	}
}

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
