package doctest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
)

// A block is one fenced block of a page, or commands of a directive.
type block struct {
	line     int    // of the fence, from 1
	language string // "" for replacements alone
	text     string // without the indentation of its list, ending in a newline unless it is empty

	notRun        string // why not; "" when it is run
	server        bool   // its last command goes on in the background
	url           string // what then has to answer; "" is the page's /readyz
	file          string // its name in the page's folder
	before, after string
	with          []replacement // from here to the end of the page
}

type replacement struct{ old, new string }

var (
	languages = []string{"sh", "console", "http", "fga", "go", "json", "yaml", "text"}
	opening   = regexp.MustCompile("^( *)```+ *([^ `]*) *$")
	listItem  = regexp.MustCompile(`^ *([-*+]|\d+[.)]) +`)
)

// parse returns the blocks of a page in their order. Faults name lines of the page.
func parse(text string) (blocks []block, faults []string) {
	fault := func(line int, format string, a ...any) {
		faults = append(faults, fmt.Sprintf("line %d: %s", line, fmt.Sprintf(format, a...)))
	}
	lines := strings.Split(text, "\n")
	var next block // what directives said of the block to come
	pending := 0   // the line of such a directive
	within := 0    // the indentation of the list item that a line may go on
	for i := 0; i < len(lines); i++ {
		line, trimmed := lines[i], strings.TrimSpace(lines[i])
		switch {
		case trimmed == "":
			continue
		case strings.HasPrefix(trimmed, "<!--"):
			at, comment := i+1, ""
			for ; i < len(lines); i++ {
				comment += strings.TrimPrefix(lines[i], indentOf(line)) + "\n"
				if strings.Contains(lines[i], "-->") {
					break
				}
			}
			comment = strings.TrimPrefix(comment, "<!--")
			comment, rest, closed := strings.Cut(comment, "-->")
			if !closed || strings.TrimSpace(rest) != "" {
				fault(at, "a comment does not end, or does not stand on lines of its own")
				return blocks, faults
			}
			hidden, problem := next.direct(comment)
			switch {
			case problem == noDirective && !blockFollows(lines[i+1:]):
				// a remark
			case problem != "":
				fault(at, "%s", problem)
			case hidden != "":
				blocks = append(blocks, block{line: at, language: "sh", text: hidden})
			case next.with != nil:
				blocks = append(blocks, block{line: at, with: next.with})
				next.with = nil
			default:
				pending = at
			}
			continue
		case opening.MatchString(line):
			m := opening.FindStringSubmatch(line)
			next.line, next.language = i+1, m[2]
			for i++; i < len(lines) && strings.TrimSpace(lines[i]) != "```"; i++ {
				next.text += strings.TrimPrefix(lines[i], m[1]) + "\n"
			}
			if i == len(lines) {
				fault(next.line, "a block does not end")
				return blocks, faults
			}
			if !contains(languages, next.language) {
				fault(next.line, "a block has the language %q, want one of %s", next.language, strings.Join(languages, ", "))
			}
			blocks = append(blocks, next)
			next, pending = block{}, 0
			continue
		case len(indentOf(line)) >= within+4 && (i == 0 || strings.TrimSpace(lines[i-1]) == ""):
			fault(i+1, "a block is indented: fence it, and name its language")
		}
		if pending > 0 {
			fault(pending, "a directive is followed by no block")
			next, pending = block{}, 0
		}
		if m := listItem.FindString(line); m != "" {
			within = len(m)
		} else if !strings.HasPrefix(line, " ") {
			within = 0
		}
	}
	if pending > 0 {
		fault(pending, "a directive is followed by no block")
	}
	return blocks, faults
}

// direct takes what a comment says of the block to come; hidden are commands to be run before it.
func (b *block) direct(comment string) (hidden, problem string) {
	first, rest, _ := strings.Cut(comment, "\n")
	name, value, _ := strings.Cut(first, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	lines := strings.TrimRight(rest, "\n ")
	if lines != "" {
		lines += "\n"
	}
	switch name {
	case "not run":
		if b.notRun = value; value == "" {
			return "", "a block is not run, and the comment does not say why"
		}
	case "server":
		b.server, b.url = true, value
	case "file":
		if b.file = value; value == "" {
			return "", "a file has no name"
		}
	case "with":
		for line := range strings.Lines(value + "\n" + lines) {
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			old, to, found := strings.Cut(line+" ", " = ")
			to = strings.TrimSpace(to)
			if !found || old == "" {
				return "", fmt.Sprintf("with %q: want TEXT = TEXT", line)
			}
			b.with = append(b.with, replacement{old, to})
		}
	case "run":
		if lines == "" {
			return "", "a comment runs nothing"
		}
		return lines, ""
	case "setup":
		script, err := os.ReadFile("testdata/setup/" + value + ".sh")
		if err != nil {
			return "", err.Error()
		}
		return string(script), ""
	case "before":
		b.before += lines
	case "after":
		b.after += lines
	default:
		return "", noDirective
	}
	return "", ""
}

const noDirective = "a comment before a block is no directive"

// blockFollows says whether the next line that is not empty opens a block, or is another comment.
func blockFollows(lines []string) bool {
	for _, line := range lines {
		if trimmed := strings.TrimSpace(line); trimmed != "" {
			return opening.MatchString(line) || strings.HasPrefix(trimmed, "<!--")
		}
	}
	return false
}

func indentOf(line string) string { return line[:len(line)-len(strings.TrimLeft(line, " "))] }

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}
