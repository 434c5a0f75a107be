package dsl

import (
	"sort"
	"strings"
	"unicode/utf8"
)

// span is a half-open range of bytes of the source text.
type span struct{ start, end int }

// join returns the smallest span that holds both.
func (s span) join(t span) span { return span{min(s.start, t.start), max(s.end, t.end)} }

// source is the text being compiled, with what is needed to turn offsets into lines and columns.
type source struct {
	file  string
	text  string
	lines []int // byte offset at which each line begins
	json  bool  // the source is the JSON form: names stand in quotes
}

func newSource(file string, text []byte) *source {
	s := &source{file: file, text: string(text), lines: []int{0}}
	for i := 0; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\n', c == '\r' && (i+1 == len(s.text) || s.text[i+1] != '\n'):
			s.lines = append(s.lines, i+1)
		}
	}
	return s
}

// lineOf returns the index of the line that holds the offset.
func (s *source) lineOf(offset int) int {
	return sort.Search(len(s.lines), func(i int) bool { return s.lines[i] > offset }) - 1
}

// lineSpan returns a line without its end-of-line characters.
func (s *source) lineSpan(line int) span {
	start, end := s.lines[line], len(s.text)
	if line+1 < len(s.lines) {
		end = s.lines[line+1]
	}
	return span{start, start + len(strings.TrimRight(s.text[start:end], "\r\n"))}
}

// at returns the text under a span.
func (s *source) at(p span) string { return s.text[p.start:p.end] }

// clip cuts a span off at the end of its first line, and widens an empty one to a single column.
func (s *source) clip(p span) span {
	line := s.lineSpan(s.lineOf(p.start))
	p.start = min(p.start, line.end)
	p.end = min(max(p.end, p.start), line.end)
	return p
}

// fix returns the line under the span with the span replaced, or nothing where that is not one
// readable line.
func (s *source) fix(p span, replacement string) string {
	line := s.lineSpan(s.lineOf(p.start))
	if p.end > line.end || line.end-line.start > maxSourceLine {
		return ""
	}
	return strings.TrimRight(s.text[line.start:p.start]+replacement+s.text[p.end:line.end], " \t")
}

// columns counts the runes of a text.
func columns(text string) int { return utf8.RuneCountInString(text) }
