package wal

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestFormatPage finds every example of docs/format/log.md, drawn as in docs/format/keys.md.
func TestFormatPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/format/log.md")
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]string{}
	name := ""
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "example: "); ok {
			name = rest
			continue
		}
		if strings.HasPrefix(line, "```") || line == "" {
			name = ""
		}
		if name != "" {
			hex, _, _ := strings.Cut(line, "|")
			drawn[name] += strings.ReplaceAll(strings.TrimSpace(hex), " ", "")
		}
	}
	for name, want := range map[string][]byte{
		"record key":   recordKey(300),
		"record value": appendRecord(nil, &Record{Index: 300, Data: []byte("hi")}),
		"value key":    valueKey("vote"),
		"value value":  appendValue(nil, "vote", []byte("x")),
	} {
		if got := drawn[name]; got != fmt.Sprintf("%x", want) {
			t.Errorf("example %q is drawn as\n%s\nand is\n% x", name, got, want)
		}
		delete(drawn, name)
	}
	for name := range drawn {
		t.Errorf("example %q is drawn and not checked", name)
	}
	if !strings.Contains(string(page), fmt.Sprintf("format version %d", formatVersion)) {
		t.Errorf("the page does not speak of format version %d", formatVersion)
	}
}
