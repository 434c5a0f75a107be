package scim_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRequirementsAreTested compares the tables of docs/ipsie.md and docs/scim.md with the tests that there are:
// each test that is named exists, and each row of a table that says what shows it names one.
func TestRequirementsAreTested(t *testing.T) {
	tests := testNames(t)
	for _, page := range []string{"../docs/ipsie.md", "../docs/scim.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range namedTests.FindAllStringSubmatch(string(text), -1) {
			if !tests[name[1]] {
				t.Errorf("%s names %s, and there is no such test", page, name[1])
			}
		}
		for _, row := range shownRows(string(text)) {
			if !namedTests.MatchString(row) {
				t.Errorf("%s names no test for: %s", page, row)
			}
		}
	}
	page, err := os.ReadFile("../docs/ipsie.md")
	if err != nil {
		t.Fatal(err)
	}
	if rows := len(shownRows(string(page))); rows < 20+18 {
		t.Errorf("docs/ipsie.md has %d rows, and there are 20 requirements and 18 rules", rows)
	}
}

var namedTests = regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")

// shownRows returns the rows of the tables whose last column is "shown by".
func shownRows(page string) []string {
	var rows []string
	within := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			within = false
		case strings.HasSuffix(line, "| shown by |"):
			within = true
		case within && !strings.HasPrefix(line, "|-"):
			rows = append(rows, line)
		}
	}
	return rows
}

// testNames returns the tests and fuzz tests of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	definition := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range definition.FindAllSubmatch(text, -1) {
			names[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
