package ostiary_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFuzzInventory: docs/fuzzing.md names every fuzz target of the module, and no other.
func TestFuzzInventory(t *testing.T) {
	target := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	var there []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); path != "." && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != "." {
				return filepath.SkipDir // a module of its own, which 'make fuzz' does not run
			}
			return nil
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, found := range target.FindAllSubmatch(text, -1) {
			there = append(there, filepath.ToSlash(filepath.Dir(path))+" "+string(found[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("docs/fuzzing.md")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `(Fuzz\\w+)` \\|").FindAllSubmatch(text, -1) {
		named = append(named, string(row[1])+" "+string(row[2]))
	}
	slices.Sort(there)
	slices.Sort(named)
	for _, one := range there {
		if !slices.Contains(named, one) {
			t.Errorf("docs/fuzzing.md has no row for %s", one)
		}
	}
	for i, one := range named {
		if !slices.Contains(there, one) {
			t.Errorf("docs/fuzzing.md names %s, which is not there", one)
		}
		if i > 0 && named[i-1] == one {
			t.Errorf("docs/fuzzing.md names %s twice", one)
		}
	}
	if len(there) < 40 {
		t.Errorf("only %d fuzz targets were found: the test tests nothing", len(there))
	}
}
