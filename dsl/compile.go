package dsl

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/ostiary/ostiary/dsl/model"
)

// Compile returns the model that a text in the DSL describes. The file name stands in diagnostics
// only. The error is always Diagnostics: every fault that was found, in the order of the text.
func Compile(file string, text []byte) (*model.Model, error) {
	src, r, ok := open(file, text, MaxModelBytes)
	if !ok {
		return nil, r.err()
	}
	parsed, ok := read(src, r, formModel)
	if ok && !parsed.modular {
		c := newChecker(src, r, parsed.doc)
		c.authoring = true
		c.check()
	}
	if !r.empty() {
		return nil, r.err()
	}
	return lower(parsed.doc), nil
}

// CompileJSON returns the model that OpenFGA's JSON form of an authorization model describes. It
// takes the names of fields in snake_case and in camelCase, as protojson does, and the model alone or
// under the key "authorization_model", as the API returns it. The marks of modular models become
// the origins of types, relations and conditions.
//
// It checks what Compile checks, except for what the API of OpenFGA lets pass though it is a likely
// mistake: an unused condition, a restriction or operand twice. The error is always Diagnostics.
func CompileJSON(file string, data []byte) (*model.Model, error) {
	src, r, ok := open(file, data, MaxJSONBytes)
	if !ok {
		return nil, r.err()
	}
	src.json = true
	doc, ok := readJSON(src, r)
	if ok {
		newChecker(src, r, doc).check()
	}
	if !r.empty() {
		return nil, r.err()
	}
	return lower(doc), nil
}

// open makes a source of a text, unless it is too large or not a text.
func open(file string, text []byte, limit int) (*source, *report, bool) {
	if len(text) > limit {
		src := newSource(file, nil)
		r := &report{src: src}
		r.add(fault{code: codeTooLarge,
			message:    fmt.Sprintf("the model has %d bytes", len(text)),
			suggestion: fmt.Sprintf("a model has at most %d bytes", limit)})
		return src, r, false
	}
	text = bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")) // editors on Windows write a byte order mark
	src := newSource(file, text)
	r := &report{src: src}
	return src, r, isUTF8(src, r)
}

// isUTF8 reports whether the text is UTF-8, and where it is not.
func isUTF8(src *source, r *report) bool {
	for i := src.base; i < len(src.text); {
		c, size := utf8.DecodeRuneInString(src.text[i:])
		if c == utf8.RuneError && size == 1 {
			r.add(fault{code: codeNotUTF8, at: span{i, i + 1},
				message:    fmt.Sprintf("the byte 0x%02X is not valid UTF-8", src.text[i]),
				suggestion: "save the file as UTF-8"})
			return false
		}
		i += size
	}
	return true
}
