package dsl

import (
	"fmt"
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
	base  int   // where the text to parse begins: a module's parser sees the files before it as well
	parts []part
}

// part is one file of a source that holds several: fga.mod and its modules.
type part struct {
	file      string
	at        span
	firstLine int // index in lines
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

// join returns the texts as one source, so that a span says which file it lies in.
func join(names []string, texts [][]byte) *source {
	var all []byte
	parts := make([]part, len(names))
	for i, text := range texts {
		parts[i] = part{file: names[i], at: span{len(all), len(all) + len(text)}}
		all = append(append(all, text...), '\n')
	}
	s := newSource(names[0], all)
	s.parts = parts
	for i := range parts {
		parts[i].firstLine = s.lineOf(parts[i].at.start)
	}
	return s
}

// module returns one file of a source of several, to be parsed. Its spans are those of s.
func (s *source) module(i int) *source {
	p := s.parts[i]
	return &source{file: p.file, text: s.text[:p.at.end], lines: s.lines[:s.lineOf(p.at.end)+1], base: p.at.start}
}

// place returns the file of an offset, and the line in it, from 1.
func (s *source) place(offset int) (file string, line int) {
	line = s.lineOf(offset)
	for i := len(s.parts) - 1; i >= 0; i-- {
		if p := s.parts[i]; offset >= p.at.start {
			return p.file, line - p.firstLine + 1
		}
	}
	return s.file, line + 1
}

// lineSeen returns how a message about one place names the line of another.
func (s *source) lineSeen(other, from span) string {
	file, line := s.place(other.start)
	if here, _ := s.place(from.start); here != file {
		return fmt.Sprintf("line %d of %s", line, file)
	}
	return fmt.Sprintf("line %d", line)
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
