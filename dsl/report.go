package dsl

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// The limits of a model. A model beyond one of them is refused with a diagnostic that names it.
const (
	// MaxModelBytes bounds the text of a model in the DSL.
	MaxModelBytes = 256 << 10
	// MaxJSONBytes bounds the JSON form of a model, which is longer than the DSL says the same in.
	MaxJSONBytes = 4 * MaxModelBytes
	// MaxDepth bounds how deep expressions, JSON values and parameter types may nest.
	MaxDepth = 64
	// MaxTypes bounds the types of one model. It is OpenFGA's default.
	MaxTypes = 100
	// MaxDiagnostics bounds the faults that are reported at once.
	MaxDiagnostics = 100
)

// maxSourceLine is the number of bytes of a source line that a diagnostic shows at most.
const maxSourceLine = 240

// fault is a Diagnostic in the making.
type fault struct {
	code       string
	at         span
	message    string
	suggestion string
	fix        string
}

// report collects the faults of one source.
type report struct {
	src     *source
	faults  []fault
	dropped int // faults beyond MaxDiagnostics
}

// add records a fault. Beyond MaxDiagnostics it counts it only: the compiler runs on, since its work
// is bounded by the size of the text.
func (r *report) add(f fault) {
	if r.full() {
		r.dropped++
		return
	}
	r.faults = append(r.faults, f)
}

// full reports whether a further fault would only be counted, so that its text need not be made.
func (r *report) full() bool { return len(r.faults) >= MaxDiagnostics }

// count returns the number of faults so far.
func (r *report) count() int { return len(r.faults) + r.dropped }

func (r *report) empty() bool { return len(r.faults) == 0 }

// err returns the faults as Diagnostics in the order of the text, or nil.
func (r *report) err() error {
	if r.empty() {
		return nil
	}
	slices.SortStableFunc(r.faults, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.at.start, b.at.start), cmp.Compare(a.at.end, b.at.end), cmp.Compare(a.code, b.code))
	})
	var out Diagnostics
	for i, f := range r.faults {
		if i > 0 && f == r.faults[i-1] {
			continue
		}
		out = append(out, r.diagnostic(f))
	}
	if r.dropped > 0 {
		last := r.faults[len(r.faults)-1].at
		out = append(out, r.diagnostic(fault{
			code: codeTooManyErrors, at: last,
			message:    fmt.Sprintf("too many errors: %d more are not shown", r.dropped),
			suggestion: fmt.Sprintf("correct the %d errors above first (MaxDiagnostics)", len(out)),
		}))
	}
	return out
}

func (r *report) diagnostic(f fault) Diagnostic {
	at := r.src.clip(f.at)
	index := r.src.lineOf(at.start)
	line := r.src.lineSpan(index)
	file, number := r.src.place(at.start)
	column := columns(r.src.text[line.start:at.start]) + 1
	shown := window(r.src.text, line, at)
	return Diagnostic{
		Code: f.code, File: file, Line: number, Column: column,
		EndColumn:    column + max(1, columns(r.src.at(at))),
		Message:      f.message,
		SourceLine:   printable(r.src.at(shown)),
		SourceColumn: columns(r.src.text[line.start:shown.start]) + 1,
		Suggestion:   f.suggestion, Fix: printable(f.fix),
	}
}

// window returns the part of a line that is shown: all of it, or of a long line what lies around
// the fault.
func window(text string, line, at span) span {
	if line.end-line.start <= maxSourceLine {
		return line
	}
	start := max(line.start, at.start-maxSourceLine/3)
	end := min(line.end, start+maxSourceLine)
	for start > line.start && !isRuneStart(text[start]) {
		start--
	}
	for end < line.end && !isRuneStart(text[end]) {
		end++
	}
	return span{start, end}
}

func isRuneStart(b byte) bool { return b&0xC0 != 0x80 }

// printable replaces what would garble a terminal, rune by rune, so that columns stay what they are.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && (r < 0x20 || r >= 0x7F && r < 0xA0 || r == 0x2028 || r == 0x2029) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// quote puts a text of the model into backticks, cut to a readable length.
func quote(text string) string {
	const most = 60
	if columns(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return "`" + printable(text) + "`"
}
