package doctest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest  = regexp.MustCompile("`((?:Test|Fuzz|Benchmark|Example)[A-Z]\\w*)`")
	testFunc   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)\w*)\(`)
	testRun    = regexp.MustCompile(`go test((?: \./[\w/.-]+)+)[^` + "`" + `\n]*? -run (?:'([^']+)'|([\w|^$]+))`)
	packageArg = regexp.MustCompile(`\./[\w/.-]+`)
)

// testsByFolder returns the tests of the project by the folders of their packages.
func testsByFolder(t *testing.T) map[string][]string {
	t.Helper()
	tests := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder := "./" + filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), root+string(filepath.Separator)))
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			tests[folder] = append(tests[folder], m[1])
		}
		return nil
	})
	if err != nil || len(tests) < 20 {
		t.Fatalf("found tests of %d packages: %v", len(tests), err)
	}
	return tests
}

// TestNamedTests: tests that pages name exist, commands that they show run some, and each threat has one.
func TestNamedTests(t *testing.T) {
	tests := testsByFolder(t)
	known := map[string]bool{}
	for _, names := range tests {
		for _, name := range names {
			known[name] = true
		}
	}
	named, commands := 0, 0
	for page, text := range readPages(t) {
		for _, m := range namedTest.FindAllStringSubmatch(text, -1) {
			if named++; !known[m[1]] {
				t.Errorf("%s names %s, which is no test", page, m[1])
			}
		}
		for _, m := range testRun.FindAllStringSubmatch(text, -1) {
			pattern := m[2] + m[3]
			if pattern == "^$" {
				continue // benchmarks
			}
			commands++
			top, _, _ := strings.Cut(pattern, "/")
			expression, err := regexp.Compile(top)
			if err != nil {
				t.Errorf("%s: -run %s: %v", page, pattern, err)
				continue
			}
			for _, folder := range packageArg.FindAllString(m[1], -1) {
				found := false
				for _, name := range tests[folder] {
					found = found || expression.MatchString(name)
				}
				if !found {
					t.Errorf("%s: -run %s finds no test of %s", page, pattern, folder)
				}
			}
		}
	}
	if named < 100 || commands < 5 {
		t.Errorf("pages name %d tests and run %d", named, commands)
	}
	threats := 0
	_, table, _ := strings.Cut(readPages(t)["docs/security.md"], "\n## Threats\n")
	table, _, _ = strings.Cut(table, "\n## ")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || strings.HasPrefix(strings.TrimSpace(cells[0]), "**") || strings.HasPrefix(cells[0], "---") || strings.TrimSpace(cells[0]) == "threat" {
			continue
		}
		if threats++; !namedTest.MatchString(cells[2]) {
			t.Errorf("docs/security.md names no test for: %s", cells[0])
		}
	}
	if threats < 30 {
		t.Errorf("docs/security.md has %d threats", threats)
	}
}
