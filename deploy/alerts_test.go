package deploy

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// TestAlerts: Prometheus would take every rule, and each says how urgent it is and what to do.
func TestAlerts(t *testing.T) {
	text, err := os.ReadFile("prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			rules++
			judgeQuery(t, rule.Alert, rule.Expr)
			if s := rule.Labels["severity"]; s != "page" && s != "ticket" {
				t.Errorf("%s has the severity %q", rule.Alert, s)
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["runbook"] == "" {
				t.Errorf("%s does not say what it means and what to do", rule.Alert)
			}
		}
	}
	if rules < 10 {
		t.Errorf("found %d rules", rules)
	}
}

// TestDashboard: every query of the dashboard is one.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("grafana/ostiary.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	queries, ids := 0, map[int]bool{}
	for _, panel := range dashboard.Panels {
		if ids[panel.ID] {
			t.Errorf("panel %q has the id of another, %d", panel.Title, panel.ID)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			queries++
			judgeQuery(t, panel.Title, strings.NewReplacer("$__rate_interval", "1m", "$job", "ostiary").Replace(target.Expr))
		}
	}
	if queries < 20 {
		t.Errorf("found %d queries", queries)
	}
}

func judgeQuery(t *testing.T, name, query string) {
	t.Helper()
	if _, err := parser.NewParser(parser.Options{}).ParseExpr(query); err != nil {
		t.Errorf("%s: %s: %v", name, query, err)
	}
}
