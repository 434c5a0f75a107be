package dsl

import (
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/dsl/gen"
)

var keywords = []string{"model", "schema", "type", "relations", "define", "condition", "module", "extend"}

// unknown is a line that begins with no keyword. Where a keyword was misspelt, the line still
// declares what it was meant to, so that its name is not reported as undefined elsewhere.
func (b *builder) unknown(first int) {
	w := b.words[first]
	text := b.src.at(w.at)
	b.line = w.at
	f := fault{code: codeUnknownStatement, at: w.at,
		message:    fmt.Sprintf("%s begins no statement", quote(text)),
		suggestion: "a line begins with one of `model`, `schema`, `type`, `relations`, `define`, `condition`"}
	near := ""
	switch {
	case w.kind == gen.ModelLexerUNEXPECTED:
		f = b.unexpectedCharacter(place{word: w})
		f.at = w.at
	case strings.HasPrefix(text, "//"):
		f.suggestion = "comments begin with `#`"
		f.fix = b.src.fix(span{w.at.start, w.at.start + 2}, "#")
	case isOperatorWord(text) || text == "but":
		f.message = fmt.Sprintf("a line cannot begin with %s", quote(text))
		f.suggestion = "write the whole expression on the line of its `define`, or put it into parentheses"
	case w.kind == gen.ModelLexerNAME:
		if near = nearest(text, keywords); near != "" {
			f.suggestion = fmt.Sprintf("did you mean %s?", quote(near))
			f.fix = b.src.fix(w.at, near)
		} else if next := b.words[first+1]; next.kind == gen.ModelLexerCOLON {
			f.suggestion = "a relation is defined by `define`"
			f.fix = b.src.fix(w.at, "define "+text)
			b.typo("define", first)
		}
	}
	b.report.add(f)
	b.typo(near, first+1)
}

// typo declares what a line with a misspelt keyword was meant to declare. The name is the word at
// that index.
func (b *builder) typo(keyword string, name int) {
	id := ident{}
	if w := b.words[name]; w.kind == gen.ModelLexerNAME {
		id = ident{text: b.src.at(w.at), at: w.at}
	}
	switch keyword {
	case "module":
		b.header, b.schema = true, true
	case "extend":
		b.typ, b.relations = &typeDecl{}, false
	case "model":
		b.header = true
	case "schema":
		b.schema = true
		b.out.doc.schema = id
	case "type":
		b.typ, b.relations = &typeDecl{name: id}, false
		if id.text != "" {
			b.out.doc.types = append(b.out.doc.types, b.typ)
		}
	case "relations":
		b.relations = true
	case "define":
		if b.typ != nil && id.text != "" {
			b.relations = true
			b.typ.relations = append(b.typ.relations, &relationDecl{name: id, broken: true})
		}
	case "condition":
		if id.text != "" {
			b.out.doc.conditions = append(b.out.doc.conditions, &conditionDecl{name: id, broken: true})
		}
	}
}
