package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestTablesAreText: what others have named things does not reach a terminal as commands to it, and does not look like
// another row.
func TestTablesAreText(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out}
	if err := a.printTable([]string{"A", "B"}, [][]string{{"\x1b[2J\u202ed\nx\ty\xff", "Zoë 日本"}}); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\u202e\t") || strings.Count(got, "\n") != 2 || !strings.Contains(got, "Zoë 日本") {
		t.Errorf("got %q", got)
	}
}
