package dsl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// kind is the kind of a JSON value, in the words of messages.
type kind string

const (
	kindObject kind = "an object"
	kindArray  kind = "a list"
	kindString kind = "a string"
	kindOther  kind = "a number or boolean"
	kindNull   kind = "null"
)

// jsonValue is a JSON value that knows where it stands.
type jsonValue struct {
	kind    kind
	at      span
	text    string // of a string
	members []jsonMember
	items   []*jsonValue
}

type jsonMember struct {
	key   ident
	value *jsonValue
}

// jsonReader reads JSON into values with positions, and no deeper than MaxDepth allows.
type jsonReader struct {
	src     *source
	report  *report
	decoder *json.Decoder
}

// maxJSONDepth bounds the nesting of JSON values: an expression of MaxDepth levels takes three
// values a level, inside a handful of others.
const maxJSONDepth = 3*MaxDepth + 16

func parseJSON(src *source, r *report) (*jsonValue, bool) {
	d := json.NewDecoder(strings.NewReader(src.text))
	d.UseNumber()
	reader := &jsonReader{src: src, report: r, decoder: d}
	v, ok := reader.value(0)
	if !ok {
		return nil, false
	}
	if rest := strings.TrimLeft(src.text[v.at.end:], " \t\r\n"); rest != "" {
		at := len(src.text) - len(rest)
		r.add(fault{code: codeJSONSyntax, at: span{at, at + 1}, message: "the JSON value is followed by something else",
			suggestion: "a model is one JSON object"})
		return nil, false
	}
	return v, true
}

// token returns the next token and where it stands.
func (r *jsonReader) token() (json.Token, span, bool) {
	start := int(r.decoder.InputOffset())
	for start < len(r.src.text) && strings.IndexByte(" \t\r\n,:", r.src.text[start]) >= 0 {
		start++
	}
	t, err := r.decoder.Token()
	if err == nil {
		return t, span{start, int(r.decoder.InputOffset())}, true
	}
	at, message := start, strings.TrimPrefix(err.Error(), "json: ")
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = max(0, int(syntax.Offset)-1)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		at, message = len(r.src.text), "the text ends before the JSON value does"
	}
	at = min(at, len(r.src.text))
	r.report.add(fault{code: codeJSONSyntax, at: span{at, min(at+1, len(r.src.text))}, message: "malformed JSON: " + message,
		suggestion: "check the brackets, quotes and commas here and just before"})
	return nil, span{}, false
}

func (r *jsonReader) value(depth int) (*jsonValue, bool) {
	t, at, ok := r.token()
	if !ok {
		return nil, false
	}
	return r.valueOf(t, at, depth)
}

func (r *jsonReader) valueOf(t json.Token, at span, depth int) (*jsonValue, bool) {
	if depth > maxJSONDepth {
		r.report.add(fault{code: codeTooDeep, at: at, message: fmt.Sprintf("JSON values nest deeper than %d levels", maxJSONDepth),
			suggestion: "give the inner part of the expression a relation of its own (MaxDepth)"})
		return nil, false
	}
	v := &jsonValue{at: at}
	switch t := t.(type) {
	case string:
		v.kind, v.text = kindString, t
	case nil:
		v.kind = kindNull
	case json.Delim:
		v.kind = kindObject
		if t == '[' {
			v.kind = kindArray
		}
		return v, r.children(v, depth)
	default:
		v.kind = kindOther
	}
	return v, true
}

// children reads the members of an object or the items of a list, up to the closing bracket.
func (r *jsonReader) children(v *jsonValue, depth int) bool {
	for {
		t, at, ok := r.token()
		if !ok {
			return false
		}
		if t == json.Delim('}') || t == json.Delim(']') {
			v.at.end = at.end
			return true
		}
		if v.kind == kindArray {
			item, ok := r.valueOf(t, at, depth+1)
			if !ok {
				return false
			}
			v.items = append(v.items, item)
			continue
		}
		key := ident{text: t.(string), at: at} // the decoder lets nothing else stand there
		value, ok := r.value(depth + 1)
		if !ok {
			return false
		}
		v.members = append(v.members, jsonMember{key, value})
	}
}

// snake returns a field's name in snake_case: "computedUserset" and "computed_userset" are one.
func snake(name string) string {
	var b bytes.Buffer
	for i := 0; i < len(name); i++ {
		if c := name[i]; c >= 'A' && c <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			b.WriteByte(c + 'a' - 'A')
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
