package dsl

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ostiary/ostiary/dsl/condition"
	"github.com/ostiary/ostiary/dsl/model"
)

// MaxConditions bounds the conditions of one model. It is OpenFGA's.
const MaxConditions = 25

// expressions compiles the expression of every condition whose parts could all be read.
func (c *checker) expressions() {
	if len(c.doc.conditions) > MaxConditions {
		c.report.add(fault{code: codeConditionBounds, at: c.doc.conditions[MaxConditions].name.at,
			message:    fmt.Sprintf("the model has %d conditions", len(c.doc.conditions)),
			suggestion: fmt.Sprintf("a model has at most %d conditions (MaxConditions)", MaxConditions)})
		return
	}
	for _, d := range c.doc.conditions {
		if !d.broken && d.expression != "" {
			c.compileCondition(d)
		}
	}
}

func (c *checker) compileCondition(d *conditionDecl) {
	bounds := fault{code: codeConditionBounds, at: d.name.at}
	switch {
	case len(d.expression) > condition.MaxExpressionBytes:
		bounds.message = fmt.Sprintf("the expression of condition %s has %d bytes", quote(d.name.text), len(d.expression))
		bounds.suggestion = fmt.Sprintf("an expression has at most %d bytes; make two conditions of it", condition.MaxExpressionBytes)
	case len(d.parameters) > condition.MaxParameters:
		bounds.message = fmt.Sprintf("condition %s has %d parameters", quote(d.name.text), len(d.parameters))
		bounds.suggestion = fmt.Sprintf("a condition has at most %d parameters", condition.MaxParameters)
	}
	if bounds.message != "" {
		c.report.add(bounds)
		return
	}
	compiled, names := &model.Condition{Name: d.name.text, Expression: d.expression}, map[string]bool{}
	for _, p := range d.parameters {
		if names[p.name.text] || !isWhole(p.typ) {
			return // it has been reported
		}
		names[p.name.text] = true
		compiled.Parameters = append(compiled.Parameters, model.Parameter{Name: p.name.text, Type: p.typ})
	}
	_, err := condition.Compile(compiled, condition.Options{})
	var faulty *condition.CompileError
	if !errors.As(err, &faulty) {
		return
	}
	for _, f := range faulty.Faults {
		c.report.add(c.expressionFault(d, f))
	}
}

// isWhole reports whether a parameter's type is one that the language has.
func isWhole(t model.ParameterType) bool {
	if isContainer(t.Name) {
		return t.Element != nil && isWhole(*t.Element)
	}
	if t.Element != nil {
		return false
	}
	for _, name := range parameterTypes {
		if name == t.Name {
			return true
		}
	}
	return false
}

func (c *checker) expressionFault(d *conditionDecl, f condition.Fault) fault {
	out := fault{code: codeExpression, at: d.name.at,
		message:    fmt.Sprintf("condition %s: %s", quote(d.name.text), strings.ReplaceAll(f.Message, "'", "`")),
		suggestion: "an expression is CEL over the parameters of the condition, and yields true or false, such as `x < 100`"}
	if f.Offset < 0 {
		return out
	}
	if d.place != nil {
		start := d.place(f.Offset)
		out.at = span{start, start + len(token(d.expression[f.Offset:]))}
	}
	if c.src.json {
		out.message += fmt.Sprintf(" (line %d, column %d of the expression)", f.Line, f.Column)
	}
	name := token(d.expression[f.Offset:])
	switch {
	case strings.HasPrefix(f.Message, "undeclared reference to '"+name+"'") && len(d.parameters) > 0:
		var names []string
		for _, p := range d.parameters {
			names = append(names, p.name.text)
		}
		out.suggestion, out.fix = didYouMean(c.src, out.at, name, "its parameters", names)
		if c.src.json {
			out.fix = ""
		}
	case strings.Contains(f.Message, "no matching overload"):
		out.suggestion = "CEL converts nothing by itself: both sides have the same type, and conversions are written, such as `double(x) < 1.5`"
	}
	return out
}

// token returns the word, or the single character, that a text begins with.
func token(text string) string {
	end := strings.IndexFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	switch {
	case end > 0:
		return text[:end]
	case end < 0:
		return text
	}
	_, size := utf8.DecodeRuneInString(text)
	return text[:size]
}

// mapped is a text whose bytes know where in the source they came from.
type mapped struct {
	text []byte
	from []int
}

func (m *mapped) add(b byte, from int) {
	if n := len(m.text); b == '\n' && n > 0 && m.text[n-1] == '\r' {
		m.text, m.from = m.text[:n-1], m.from[:n-1]
	}
	m.text, m.from = append(m.text, b), append(m.from, from)
}

// place returns where the byte stands that is at an offset of the text without white space around it.
func (m *mapped) place(offset int) int {
	if len(m.from) == 0 {
		return 0
	}
	i := len(m.text) - len(strings.TrimLeftFunc(string(m.text), unicode.IsSpace)) + offset
	if end := len(strings.TrimRightFunc(string(m.text), unicode.IsSpace)); i >= end && end > 0 {
		return m.from[end-1] + 1
	}
	return m.from[min(i, len(m.from)-1)]
}

// bodyPlaces maps the result of expressionOf to the source.
func bodyPlaces(text string, at span, comments []span) *mapped {
	m := &mapped{}
	for _, kept := range keptSpans(text, at, comments) {
		for i := kept.start; i < kept.end; i++ {
			m.add(text[i], i)
		}
	}
	return m
}

// literalPlaces maps the text of a JSON string to the source. at is the string with its quotes.
func literalPlaces(text string, at span) *mapped {
	m := &mapped{}
	for i := at.start + 1; i < at.end-1; {
		if text[i] != '\\' || i+1 >= at.end-1 {
			m.add(text[i], i)
			i++
			continue
		}
		decoded, size := unescape(text[i:at.end])
		for _, b := range []byte(decoded) {
			m.add(b, i)
		}
		i += size
	}
	return m
}

// unescape decodes the escape that a text begins with, and returns its length.
func unescape(text string) (string, int) {
	if text[1] != 'u' {
		if i := strings.IndexByte("bfnrt", text[1]); i >= 0 {
			return "\b\f\n\r\t"[i : i+1], 2
		}
		return text[1:2], 2
	}
	r, size := hex4(text), 6
	if utf16.IsSurrogate(r) && len(text) >= 12 && text[6] == '\\' && text[7] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(text[6:])); pair != utf8.RuneError {
			return string(pair), 12
		}
	}
	return string(r), min(size, len(text))
}

func hex4(text string) rune {
	var r rune
	if len(text) >= 6 {
		fmt.Sscanf(text[2:6], "%04x", &r)
	}
	return r
}
