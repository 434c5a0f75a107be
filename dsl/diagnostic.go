package dsl

import (
	"fmt"
	"strings"
	"unicode"
)

// Diagnostic is one fault of a model. Line and columns count from 1, columns in Unicode code points;
// EndColumn is the first column behind the fault.
type Diagnostic struct {
	Code      string `json:"code"`
	File      string `json:"file"`
	Line      int    `json:"line"`
	Column    int    `json:"column"`
	EndColumn int    `json:"end_column"`
	Message   string `json:"message"`
	// SourceLine is the line at fault. Of a very long line, as JSON is likely to have, it is the part
	// around the fault, and SourceColumn is the column at which that part begins.
	SourceLine   string `json:"source_line"`
	SourceColumn int    `json:"source_column"`
	// Suggestion says what to do. It may be empty.
	Suggestion string `json:"suggestion,omitempty"`
	// Fix is the corrected line, where it is clear what was meant. It corrects this fault alone.
	Fix string `json:"fix,omitempty"`
}

// Diagnostics are the faults of a model in the order of the text. As an error it is never empty.
type Diagnostics []Diagnostic

// Error returns the faults as people read them: each with its line, a caret under the exact place,
// what to do, and the corrected line where that is clear.
func (ds Diagnostics) Error() string {
	var b strings.Builder
	for i, d := range ds {
		if i > 0 {
			b.WriteByte('\n')
		}
		d.render(&b)
	}
	if len(ds) > 1 {
		fmt.Fprintf(&b, "\n%d errors\n", len(ds))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// String returns the fault as Diagnostics.Error does.
func (d Diagnostic) String() string {
	var b strings.Builder
	d.render(&b)
	return strings.TrimSuffix(b.String(), "\n")
}

func (d Diagnostic) render(b *strings.Builder) {
	number := fmt.Sprint(d.Line)
	margin := strings.Repeat(" ", len(number))
	fmt.Fprintf(b, "%s:%d:%d: error %s: %s\n", d.File, d.Line, d.Column, d.Code, d.Message)
	fmt.Fprintf(b, " %s | %s\n", number, d.SourceLine)
	fmt.Fprintf(b, " %s | %s\n", margin, d.caret())
	if d.Suggestion != "" {
		fmt.Fprintf(b, " %s = help: %s\n", margin, d.Suggestion)
	}
	if d.Fix != "" {
		fmt.Fprintf(b, " %s = fix: %s\n", margin, strings.TrimLeft(d.Fix, " \t"))
	}
}

// caret returns what stands below SourceLine: tabs where it has tabs, so that both lines move alike,
// and two columns for a rune that terminals draw two columns wide.
func (d Diagnostic) caret() string {
	var b strings.Builder
	column := d.SourceColumn
	for _, r := range d.SourceLine {
		switch {
		case column >= d.EndColumn:
			return b.String()
		case column >= d.Column:
			b.WriteString(strings.Repeat("^", runeWidth(r)))
		case r == '\t':
			b.WriteByte('\t')
		default:
			b.WriteString(strings.Repeat(" ", runeWidth(r)))
		}
		column++
	}
	if column <= d.Column { // behind the end of the line
		b.WriteByte('^')
	}
	return b.String()
}

// wide holds the runes that terminals draw two columns wide: East Asian wide and full-width forms
// and the common pictographs (Unicode Standard Annex 11).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115F, Stride: 1}, {Lo: 0x2E80, Hi: 0x303E, Stride: 1}, {Lo: 0x3041, Hi: 0xA4CF, Stride: 1},
		{Lo: 0xAC00, Hi: 0xD7A3, Stride: 1}, {Lo: 0xF900, Hi: 0xFAFF, Stride: 1}, {Lo: 0xFE30, Hi: 0xFE6F, Stride: 1},
		{Lo: 0xFF00, Hi: 0xFF60, Stride: 1}, {Lo: 0xFFE0, Hi: 0xFFE6, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x1F300, Hi: 0x1F64F, Stride: 1}, {Lo: 0x1F900, Hi: 0x1F9FF, Stride: 1}, {Lo: 0x20000, Hi: 0x3FFFD, Stride: 1}},
}

func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}
