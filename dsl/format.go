package dsl

import (
	"strings"
)

// Format returns the text of a model in its one accepted form: a statement a line, two spaces of
// indentation a level, one space between words, an empty line above each type and condition. It keeps
// comments, empty lines between relations (one at most) and the bodies of conditions, and it never
// changes the model. Formatting what it returned changes nothing.
//
// The text is a model, or one module of a modular model. It need not compile, but it must parse; else the error is Diagnostics.
func Format(file string, text []byte) ([]byte, error) {
	src, r, ok := open(file, text, MaxModelBytes)
	if !ok {
		return nil, r.err()
	}
	parsed, _ := read(src, r, formEither)
	if !r.empty() {
		return nil, r.err()
	}
	return []byte(layOut(items(src, parsed))), nil
}

// item is one line of the formatted text: a statement, perhaps of several lines, or a comment.
type item struct {
	text     string
	trailing string // comment at the end of the statement's line
	indent   int    // -1: that of its neighbour
	blank    bool   // an empty line stood above
	section  bool   // wants an empty line above
	glued    bool   // wants none
}

func (i item) isComment() bool { return i.indent < 0 }

// items returns statements and comments in the order of the text. Comments inside a statement of
// several lines go above it.
func items(src *source, s *syntax) []item {
	var out []item
	comments := s.comments
	last := -1 // last line that something stood on
	addComment := func(c span) {
		line := src.lineOf(c.start)
		out = append(out, item{text: commentText(src, c), indent: -1, blank: last >= 0 && line > last+1})
		last = line
	}
	for _, st := range s.statements {
		for len(comments) > 0 && comments[0].start < st.at.start {
			addComment(comments[0])
			comments = comments[1:]
		}
		it := statementItem(st)
		first, end := src.lineOf(st.at.start), src.lineOf(st.at.end)
		it.blank = last >= 0 && first > last+1
		for len(comments) > 0 && (comments[0].start < st.at.end || src.lineOf(comments[0].start) == end) {
			c := comments[0]
			comments = comments[1:]
			if c.start >= st.at.end || src.lineOf(c.start) == end {
				it.trailing = commentText(src, c)
				continue
			}
			out = append(out, item{text: commentText(src, c), indent: -1, blank: it.blank})
			it.blank = false
		}
		out = append(out, it)
		last = end
	}
	for _, c := range comments {
		addComment(c)
	}
	return out
}

func commentText(src *source, c span) string { return strings.TrimRight(src.at(c), " \t") }

func statementItem(s statement) item {
	switch node := s.node.(type) {
	case headerNode:
		return item{text: "model"}
	case schemaNode:
		return item{text: "schema " + node.version, indent: 2, glued: true}
	case moduleNode:
		return item{text: "module " + node.name}
	case *typeDecl:
		if node.extends {
			return item{text: "extend type " + node.name.text, section: true}
		}
		return item{text: "type " + node.name.text, section: true}
	case relationsNode:
		return item{text: "relations", indent: 2, glued: true}
	case *relationDecl:
		return item{text: printDefine(node.name.text, node.expr), indent: 4}
	case *conditionNode:
		return item{text: printCondition(node.decl.name.text, node.decl.parameters, node.body), section: true}
	}
	return item{}
}

// layOut decides on indentation and empty lines. A run of comments belongs to the statement below,
// unless it follows the statement above directly and an empty line follows it.
func layOut(items []item) string {
	var b strings.Builder
	for i := 0; i < len(items); {
		run := i // items[i:run] are comments
		for run < len(items) && items[run].isComment() {
			run++
		}
		attached := run // items[attached:run] stand directly above the statement
		for attached > i && run < len(items) && !(attached < len(items) && items[attached].blank) {
			attached--
		}
		for i < run {
			end := i + 1 // items[i:end] are comments without empty lines between them
			for end < run && !items[end].blank {
				end++
			}
			indent := commentIndent(items, i, end, run)
			blank := items[i].blank || i == attached && items[run].section
			for ; i < end; i++ {
				writeItem(&b, items[i], indent, blank && b.Len() > 0)
				blank = false
			}
		}
		if run < len(items) {
			it := items[run]
			blank := (it.blank && !it.glued) || it.section && (attached == run || items[run].blank)
			writeItem(&b, it, it.indent, blank && b.Len() > 0)
			i++
		}
	}
	return b.String()
}

// commentIndent returns the indentation of the comments at start to end, whose run ends at run.
func commentIndent(items []item, start, end, run int) int {
	follows := start > 0 && !items[start].blank && !items[start-1].isComment()
	free := end == len(items) || items[end].blank && !items[end].glued
	switch {
	case follows && free:
		return items[start-1].indent
	case run < len(items):
		return items[run].indent
	}
	return 0
}

func writeItem(b *strings.Builder, it item, indent int, blank bool) {
	if blank {
		b.WriteByte('\n')
	}
	b.WriteString(strings.Repeat(" ", indent) + it.text)
	if it.trailing != "" {
		b.WriteString(" " + it.trailing)
	}
	b.WriteByte('\n')
}
