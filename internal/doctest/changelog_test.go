package doctest

import (
	"os"
	"strings"
	"testing"
)

// TestChangelogSaysThingsOnce: no entry of the changelog stands there twice.
func TestChangelogSaysThingsOnce(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	entries := strings.Split(string(text), "\n- ")[1:]
	if len(entries) < 100 {
		t.Errorf("found %d entries", len(entries))
	}
	for _, entry := range entries {
		entry = strings.Join(strings.Fields(entry), " ")
		if seen[entry] {
			t.Errorf("twice: %s", entry)
		}
		seen[entry] = true
	}
}
