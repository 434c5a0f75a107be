package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
)

// documents returns the texts of the documentation by their paths from the root of the project.
func documents(t *testing.T) map[string]string {
	t.Helper()
	const root = "../.."
	texts := map[string]string{}
	read := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		texts[filepath.ToSlash(name)] = string(text)
	}
	top, err := filepath.Glob(root + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range top {
		read(path)
	}
	err = filepath.WalkDir(root+"/docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			read(path)
		}
		return err
	})
	if err != nil || len(texts) < 30 {
		t.Fatalf("read %d documents: %v", len(texts), err)
	}
	return texts
}

var (
	link       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mentioned  = regexp.MustCompile("`((?:docs|examples|deploy)/[\\w./-]+\\.\\w+)`")
	heading    = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	fence      = regexp.MustCompile("(?s)```.*?```")
	inlineCode = regexp.MustCompile("`[^`]*`")
)

// TestDocumentsLead: links of the documentation, and paths that it mentions, lead to what is there.
func TestDocumentsLead(t *testing.T) {
	texts := documents(t)
	there := func(path string) bool {
		_, err := os.Stat(filepath.Join("../..", filepath.FromSlash(path)))
		return err == nil
	}
	links := 0
	for file, text := range texts {
		for _, m := range mentioned.FindAllStringSubmatch(text, -1) {
			if !there(m[1]) {
				t.Errorf("%s mentions %s, which is not there", file, m[1])
			}
		}
		prose := inlineCode.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			links++
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := file
			if target != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(file), target))
			}
			if !there(to) {
				t.Errorf("%s links to %s, which is not there", file, m[1])
			} else if anchor != "" && !slices.Contains(anchors(texts[to]), anchor) {
				t.Errorf("%s links to %s, which has no such heading", file, m[1])
			}
		}
	}
	if links < 20 {
		t.Errorf("found %d links", links)
	}
}

// anchors returns what the headings of a document are called in links.
func anchors(text string) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return all
}

// TestDocumentedCommands: commands that the documentation and the help show are commands that there are, with flags
// that they have.
func TestDocumentedCommands(t *testing.T) {
	root := newRoot(newApp())
	commands := 0
	for file, text := range documents(t) {
		if file == "CHANGELOG.md" {
			continue // says what was
		}
		for _, line := range commandLines(text) {
			commands++
			if fault := judgeCommand(root, line); fault != "" {
				t.Errorf("%s: %s: %s", file, line, fault)
			}
		}
	}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, line := range commandLines("\n\n" + c.Example) {
			commands++
			if fault := judgeCommand(root, line); fault != "" {
				t.Errorf("help of %s: %s: %s", c.CommandPath(), line, fault)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	if commands < 200 {
		t.Errorf("found %d commands", commands)
	}
}

var (
	continued = regexp.MustCompile(`\\\n\s*`)
	called    = regexp.MustCompile(`(?:^|[;&|(])\s*(?:[A-Z_]+=\S*\s+)*(?:\$ )?(?:\./)?(?:bin/)?ostiary ([a-z].*)$`)
)

// commandLines returns the calls of ostiary in the code of a document, without the program's name.
func commandLines(text string) []string {
	var lines []string
	fenced := false
	text = continued.ReplaceAllString(text, " ")
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			fenced = !fenced
		case fenced || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "  ostiary"):
			if m := called.FindStringSubmatch(line); m != nil {
				lines = append(lines, m[1])
			}
		default:
			for _, code := range inlineCode.FindAllString(line, -1) {
				if m := called.FindStringSubmatch(strings.Trim(code, "`")); m != nil {
					lines = append(lines, m[1])
				}
			}
		}
	}
	return lines
}

// judgeCommand says what is wrong with a call, where something is. Words that stand for others ("NAME", "…") are
// taken for anything, and "add|remove" for each.
func judgeCommand(root *cobra.Command, line string) string {
	line = regexp.MustCompile(`'[^']*'|"[^"]*"`).ReplaceAllString(line, "QUOTED")
	line = regexp.MustCompile(`\s(#|>|<|&&|;|\||2>).*$`).ReplaceAllString(line, "")
	words := strings.Fields(line)
	at := []*cobra.Command{root}
	for len(words) > 0 && at[0].HasSubCommands() && !strings.HasPrefix(words[0], "-") {
		if words[0] == "…" || words[0] == "..." || words[0] == "help" || strings.ToUpper(words[0]) == words[0] {
			return ""
		}
		var next []*cobra.Command
		for _, name := range strings.Split(strings.TrimRight(words[0], ":,."), "|") {
			found, _, err := at[0].Find([]string{name})
			if err != nil || found == at[0] {
				return "there is no command " + name + " of " + at[0].CommandPath()
			}
			next = append(next, found)
		}
		at, words = next, words[1:]
	}
	for _, word := range words {
		if word == "--" {
			return ""
		}
		word = strings.TrimLeft(word, "[(")
		if !strings.HasPrefix(word, "--") {
			continue
		}
		for _, name := range strings.Split(word, "|") {
			name, _, _ = strings.Cut(strings.TrimPrefix(name, "--"), "=")
			name = strings.TrimRight(name, "])….,:;")
			if name == "" || name == "help" {
				continue
			}
			if !slices.ContainsFunc(at, func(c *cobra.Command) bool { return c.Flag(name) != nil }) {
				return "there is no flag --" + name + " of " + at[0].CommandPath()
			}
		}
	}
	return ""
}
