package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "rewrite the golden files of this package")

// TestHelp keeps the help of every command, and sees to it that each has a worked example.
func TestHelp(t *testing.T) {
	c := newCLI(t, "127.0.0.1:1")
	a, _, _ := c.app("")
	var visit func(cmd *cobra.Command)
	seen := map[string]bool{}
	visit = func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		t.Run(path, func(t *testing.T) {
			if !strings.Contains(cmd.Example, "ostiary ") {
				t.Errorf("%s has no worked example", path)
			}
			name := strings.ReplaceAll(path, " ", "_") + ".txt"
			seen[name] = true
			code, out, err := c.run(append(strings.Fields(path)[1:], "--help")...)
			if code != exitDone || err != "" {
				t.Fatalf("exit code %d, stderr %q", code, err)
			}
			golden(t, filepath.Join("testdata", "help", name), out)
		})
		for _, child := range cmd.Commands() {
			visit(child)
		}
	}
	visit(newRoot(a))
	files, err := os.ReadDir(filepath.Join("testdata", "help"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !seen[file.Name()] {
			t.Errorf("testdata/help/%s belongs to no command", file.Name())
		}
	}
}

// golden compares text with a file; 'go test -update' writes the file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./cmd/ostiary -update writes it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test ./cmd/ostiary -update rewrites it)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}
