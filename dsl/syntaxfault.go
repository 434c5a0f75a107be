package dsl

import (
	"fmt"
	"strings"

	"github.com/antlr4-go/antlr/v4"

	"github.com/ostiary/ostiary/dsl/gen"
)

// place is where the parser gave up, in the terms that a message needs.
type place struct {
	rule     int // innermost rule that is not the rule of names
	wantName bool
	word     word // the word that does not fit
	before   word // the word before it on the same line
	index    int  // of word
	first    int  // index of the first word of the statement
}

// syntaxFault says what is wrong at the word where the parser gave up.
func (b *builder) syntaxFault(e syntaxError) {
	if b.report.full() {
		b.report.dropped++
		return
	}
	p := place{rule: e.rule, word: b.words[e.word], index: e.word, first: e.word, wantName: e.name}
	for p.first > 0 && b.words[p.first-1].kind != gen.ModelLexerNEWLINE {
		p.first--
	}
	p.before = b.words[max(p.first, p.index-1)]
	f := b.faultAt(p)
	if f.at == (span{}) {
		f.at = b.shown(p)
	}
	b.report.add(f)
}

// shown is the place that a caret stands under: the word that does not fit, or the end of the line.
func (b *builder) shown(p place) span {
	if b.ended(p) {
		return span{p.before.at.end, p.before.at.end}
	}
	return p.word.at
}

// ended reports whether the statement ended where something was still to come.
func (b *builder) ended(p place) bool {
	return p.word.kind == gen.ModelLexerNEWLINE || p.word.kind == antlr.TokenEOF
}

func (b *builder) faultAt(p place) fault {
	if p.word.kind == gen.ModelLexerUNEXPECTED {
		return b.unexpectedCharacter(p)
	}
	if p.wantName && isOperatorWord(b.text(p.word)) && p.rule != gen.ModelParserRULE_reference {
		return operatorNameFault(namedThing(p.rule), b.text(p.word), p.word.at)
	}
	switch p.rule {
	case gen.ModelParserRULE_typeHeader, gen.ModelParserRULE_extendType:
		return b.typeNameFault(p)
	case gen.ModelParserRULE_moduleHeader:
		return fault{code: codeMissingName, message: "`module` is not followed by a name", suggestion: "write for example `module core`"}
	case gen.ModelParserRULE_schemaVersion:
		return fault{code: codeMissingSchema, message: "`schema` is not followed by a version", suggestion: "write `schema 1.1`"}
	case gen.ModelParserRULE_define:
		return b.defineFault(p)
	case gen.ModelParserRULE_operand, gen.ModelParserRULE_reference:
		return b.operandFault(p)
	case gen.ModelParserRULE_operator:
		return fault{code: codeMissingOperator, message: "`but` is not followed by `not`",
			suggestion: "the operator is `but not`", fix: b.src.fix(p.before.at, "but not")}
	case gen.ModelParserRULE_group:
		return b.groupFault(p)
	case gen.ModelParserRULE_restrictions, gen.ModelParserRULE_restriction:
		return b.restrictionFault(p)
	case gen.ModelParserRULE_condition, gen.ModelParserRULE_parameters, gen.ModelParserRULE_parameter,
		gen.ModelParserRULE_parameterType:
		return b.conditionFault(p)
	case gen.ModelParserRULE_line:
		return b.lineFault(p)
	}
	return b.unexpected(p, "")
}

func (b *builder) text(w word) string { return b.src.at(w.at) }

// named returns how a message names the word that does not fit.
func (b *builder) named(p place) string {
	if b.ended(p) {
		return "the end of the line"
	}
	return quote(b.text(p.word))
}

func (b *builder) unexpected(p place, suggestion string) fault {
	return fault{code: codeUnexpected, message: "unexpected " + b.named(p), suggestion: suggestion}
}

func namedThing(rule int) string {
	switch rule {
	case gen.ModelParserRULE_define:
		return "relation"
	case gen.ModelParserRULE_condition:
		return "condition"
	case gen.ModelParserRULE_parameter:
		return "parameter"
	}
	return "type"
}

func (b *builder) unexpectedCharacter(p place) fault {
	text := b.text(p.word)
	f := fault{code: codeCharacter}
	for _, r := range text {
		f.message = "unexpected " + strings.Replace(describeRune(r), "`", "character `", 1)
	}
	switch text {
	case "*":
		f.suggestion = "everybody of a type is written `user:*`, without spaces, in a type restriction"
	case "@":
		f.suggestion = "`@` stands in tuples; a model speaks of types and relations alone"
	default:
		f.suggestion = "remove it, or replace it by a plain space"
	}
	return f
}

func (b *builder) typeNameFault(p place) fault {
	if b.words[p.first].kind == gen.ModelLexerEXTEND && p.index == p.first+1 {
		return fault{code: codeUnexpected, message: "`extend` is not followed by `type`", suggestion: "write for example `extend type organization`"}
	}
	f := fault{code: codeMissingName, message: "`type` is not followed by a name", suggestion: "write for example `type user`"}
	if p.word.kind == gen.ModelLexerUSERSET {
		name, comment, _ := strings.Cut(b.text(p.word), "#")
		f.code = codeUnexpected
		f.message = fmt.Sprintf("unexpected `#` behind the name of type %s", quote(name))
		f.suggestion = "a comment begins with `#` behind a space"
		f.fix = b.src.fix(p.word.at, name+" #"+comment)
	}
	return f
}

func (b *builder) defineFault(p place) fault {
	if p.wantName {
		return fault{code: codeMissingName, message: "`define` is not followed by the name of a relation",
			suggestion: "write for example `define viewer: [user]`"}
	}
	name := b.text(p.before)
	f := fault{code: codeMissingColon, message: fmt.Sprintf("`:` is missing behind relation %s", quote(name))}
	switch {
	case b.ended(p):
		f.suggestion = fmt.Sprintf("write `define %s:` and what the relation holds, such as `[user]`", name)
	case b.text(p.word) == "=" || b.text(p.word) == ":=":
		f.fix = b.src.fix(span{p.before.at.end, p.word.at.end}, ":")
	default:
		f.fix = b.src.fix(span{p.before.at.end, p.before.at.end}, ":")
	}
	return f
}

func (b *builder) operandFault(p place) fault {
	f := fault{code: codeMissingOperand}
	before := b.text(p.before)
	switch {
	case p.word.kind == gen.ModelLexerLBRACK && p.before.kind == gen.ModelLexerFROM:
		f.code = codeMisplacedRestrictions
		f.message = "type restrictions cannot stand behind `from`"
		f.suggestion = "give the restrictions a relation of their own, and name that behind `from`"
		return f
	case p.word.kind == gen.ModelLexerUSERSET || p.word.kind == gen.ModelLexerWILDCARD:
		return b.bareRestriction(p)
	case p.word.kind == gen.ModelLexerRBRACK || p.word.kind == gen.ModelLexerRBRACE:
		return fault{code: codeUnclosed, message: b.named(p) + " closes nothing", suggestion: "remove it, or open the bracket"}
	case p.before.kind == gen.ModelLexerCOLON:
		f.message = fmt.Sprintf("relation %s has no definition", quote(b.text(b.words[p.first+1])))
		f.suggestion = "say what it holds: type restrictions such as `[user]`, or other relations"
		if isOperatorWord(b.text(p.word)) {
			f.message = fmt.Sprintf("nothing stands before %s", b.named(p))
			f.suggestion = "an operator joins two operands"
		}
	case p.before.kind == gen.ModelLexerLPAREN && p.word.kind == gen.ModelLexerRPAREN:
		f.message = "nothing stands between the parentheses"
		f.suggestion = "put an expression there, or remove them"
	default:
		f.message = fmt.Sprintf("nothing stands behind %s", quote(before))
		f.suggestion = "an operator joins two operands; add the second or remove the operator"
		if p.before.kind == gen.ModelLexerFROM {
			f.suggestion = "`from` is followed by a relation of this type, as in `viewer from parent`"
		}
	}
	return f
}

// bareRestriction is a restriction outside of brackets: "define viewer: group#member".
func (b *builder) bareRestriction(p place) fault {
	at := p.word.at
	if p.word.kind != gen.ModelLexerUSERSET {
		at = p.before.at.join(at)
	}
	return fault{code: codeMisplacedRestrictions, at: at,
		message:    fmt.Sprintf("%s is a type restriction and stands outside of brackets", quote(b.src.at(at))),
		suggestion: "put type restrictions into brackets",
		fix:        b.src.fix(at, "["+b.src.at(at)+"]")}
}

// groupFault is what follows an expression inside parentheses and does not close them.
func (b *builder) groupFault(p place) fault {
	if b.ended(p) || p.word.kind == gen.ModelLexerRBRACK || p.word.kind == gen.ModelLexerRBRACE {
		return fault{code: codeUnclosed, at: b.opening(p, gen.ModelLexerLPAREN, gen.ModelLexerRPAREN),
			message:    "`(` is not closed",
			suggestion: "close it with `)` on the same line"}
	}
	return b.afterOperand(p)
}

// opening returns the innermost bracket of that kind that is open at p.
func (b *builder) opening(p place, open, closing int) span {
	depth := 0
	for i := p.index - 1; i >= p.first; i-- {
		switch b.words[i].kind {
		case closing:
			depth++
		case open:
			if depth == 0 {
				return b.words[i].at
			}
			depth--
		}
	}
	return span{}
}

var operatorSpellings = map[string]string{
	"|": "or", "||": "or", "OR": "or", "Or": "or", "+": "or", "&": "and", "&&": "and", "AND": "and", "And": "and",
	"-": "but not", "!": "but not", "not": "but not", "NOT": "but not", "except": "but not", "butnot": "but not",
	"FROM": "from", "From": "from", "->": "from",
}

// afterOperand is a word that follows an operand and neither joins nor ends it.
func (b *builder) afterOperand(p place) fault {
	text := b.text(p.word)
	f := fault{code: codeMissingOperator}
	switch p.word.kind {
	case gen.ModelLexerFROM:
		f.code = codeMisplacedRestrictions
		f.message = "`from` cannot follow " + b.operandKind(p.before)
		f.suggestion = "`from` joins two relations: `viewer from parent`"
		if p.before.kind == gen.ModelLexerNAME {
			f.code = codeUnexpected
			f.message = "`from` cannot follow another `from`"
			f.suggestion = "give the inner step a relation of its own on the type that it leads to"
		}
		return f
	case gen.ModelLexerRPAREN, gen.ModelLexerRBRACK, gen.ModelLexerRBRACE:
		return fault{code: codeUnclosed, message: quote(text) + " closes nothing", suggestion: "remove it, or open the bracket"}
	case gen.ModelLexerCOMMA:
		f.message = "operands are not joined by `,`"
		f.suggestion = "join them by `or`, `and` or `but not`"
		return f
	case gen.ModelLexerWILDCARD:
		return b.bareRestriction(p)
	case gen.ModelLexerWITH:
		f.code = codeMisplacedRestrictions
		f.message = "`with` stands outside of brackets"
		f.suggestion = "a condition belongs to one type restriction: `[user with condition]`"
		return f
	case gen.ModelLexerCOLON:
		f.code = codeUnexpected
		f.message = "unexpected `:`"
		f.suggestion = "one relation a line; types stand in brackets"
		return f
	}
	if strings.HasPrefix(text, "//") {
		f.code = codeUnexpected
		f.message = "unexpected `//`"
		f.suggestion = "comments begin with `#`"
		f.fix = b.src.fix(span{p.word.at.start, p.word.at.start + 2}, "#")
		return f
	}
	if word, ok := operatorSpellings[text]; ok {
		f.message = fmt.Sprintf("%s is not an operator", quote(text))
		f.suggestion = fmt.Sprintf("write %s", quote(word))
		f.fix = b.src.fix(p.word.at, word)
		return f
	}
	f.message = fmt.Sprintf("an operator is missing before %s", b.named(p))
	f.suggestion = "join operands by `or`, `and` or `but not`"
	if near := nearest(text, []string{"or", "and", "from"}); near != "" && p.word.kind == gen.ModelLexerNAME &&
		b.words[p.index+1].kind != gen.ModelLexerNEWLINE {
		f.suggestion = fmt.Sprintf("did you mean %s?", quote(near))
		f.fix = b.src.fix(p.word.at, near)
	}
	return f
}

func (b *builder) operandKind(w word) string {
	switch w.kind {
	case gen.ModelLexerRBRACK:
		return "type restrictions"
	case gen.ModelLexerRPAREN:
		return "parentheses"
	}
	return quote(b.text(w))
}

func (b *builder) restrictionFault(p place) fault {
	f := fault{code: codeRestriction}
	inList := "type restrictions are separated by commas: `[user, user:*, group#member]`"
	switch {
	case b.ended(p):
		at := b.opening(p, gen.ModelLexerLBRACK, gen.ModelLexerRBRACK)
		f = fault{code: codeUnclosed, at: at, message: "`[` is not closed", suggestion: "close the type restrictions with `]`"}
		if b.commentWithin(span{at.start, p.word.at.start}) {
			f.suggestion = "close it with `]`; a `#` behind a space begins a comment, so write `group#member` without spaces"
		}
	case p.wantName:
		f.message = "`with` is not followed by the name of a condition"
		f.suggestion = "write for example `[user with office_hours]`"
	case p.word.kind == gen.ModelLexerRBRACK && p.before.kind == gen.ModelLexerLBRACK:
		f.message = "the list of type restrictions is empty"
		f.suggestion = "name at least one type, as in `[user]`"
	case p.word.kind == gen.ModelLexerRBRACK:
		f.message = "a type restriction is missing behind " + quote(b.text(p.before))
		f.suggestion = "name another type, or remove the comma"
		if p.before.kind == gen.ModelLexerCOMMA {
			f.fix = b.src.fix(p.before.at, "")
		}
	case p.word.kind == gen.ModelLexerCOLON && b.text(b.words[p.index+1]) == "*":
		f.at = p.before.at.join(b.words[p.index+1].at)
		f.message = "spaces stand inside the wildcard"
		f.suggestion = "everybody of a type is written without spaces: `user:*`"
		f.fix = b.src.fix(f.at, b.text(p.before)+":*")
	case p.word.kind == gen.ModelLexerCOLON:
		at := p.before.at.join(p.word.at)
		if next := b.words[p.index+1]; next.kind == gen.ModelLexerNAME {
			at = at.join(next.at)
		}
		f.at = at
		f.message = fmt.Sprintf("%s names one object", quote(b.src.at(at)))
		f.suggestion = "a type restriction names a type, a userset or everybody of a type: `[user, group#member, user:*]`"
		f.fix = b.src.fix(at, b.text(p.before))
	case p.word.kind == gen.ModelLexerWILDCARD_USERSET:
		f.message = fmt.Sprintf("%s is both everybody and a userset", quote(b.text(p.before)+b.text(p.word)))
		f.suggestion = "write either `user:*` or `group#member`"
	case p.rule == gen.ModelParserRULE_restrictions && isOperatorWord(b.text(p.word)) && !b.closedLater(p):
		return fault{code: codeUnclosed, at: b.opening(p, gen.ModelLexerLBRACK, gen.ModelLexerRBRACK),
			message:    "`[` is not closed",
			suggestion: "close the type restrictions with `]`",
			fix:        b.src.fix(span{p.before.at.end, p.before.at.end}, "]")}
	case p.rule == gen.ModelParserRULE_restrictions && isOperatorWord(b.text(p.word)):
		f.message = fmt.Sprintf("%s stands between type restrictions", b.named(p))
		f.suggestion = inList
		f.fix = b.src.fix(span{p.before.at.end, p.word.at.end}, ",")
	case p.rule == gen.ModelParserRULE_restrictions && p.word.kind != gen.ModelLexerCOMMA:
		f.message = fmt.Sprintf("a comma is missing before %s", b.named(p))
		f.suggestion = inList
		f.fix = b.src.fix(span{p.before.at.end, p.before.at.end}, ",")
	default:
		f.message = fmt.Sprintf("%s is not a type restriction", b.named(p))
		f.suggestion = inList
	}
	return f
}

// closedLater reports whether a list of type restrictions is closed on the same line after all.
func (b *builder) closedLater(p place) bool {
	for i := p.index; !b.ended(place{word: b.words[i]}); i++ {
		switch b.words[i].kind {
		case gen.ModelLexerRBRACK:
			return true
		case gen.ModelLexerLBRACK:
			return false
		}
	}
	return false
}

func (b *builder) commentWithin(at span) bool {
	for _, c := range b.out.comments {
		if c.start >= at.start && c.end <= at.end {
			return true
		}
	}
	return false
}

func (b *builder) conditionFault(p place) fault {
	f := fault{code: codeCondition, suggestion: "a condition is written `condition name(x: int) { x < 100 }`"}
	switch {
	case p.wantName && p.rule == gen.ModelParserRULE_condition:
		f.code = codeMissingName
		f.message = "`condition` is not followed by a name"
	case p.wantName && p.rule == gen.ModelParserRULE_parameter:
		f.message = "the name of a parameter is missing"
	case p.wantName:
		f.message = "the type of a parameter is missing"
		f.suggestion = "write for example `x: int` or `names: list<string>`"
	case p.rule == gen.ModelParserRULE_parameter:
		f.message = fmt.Sprintf("`:` is missing behind parameter %s", quote(b.text(p.before)))
		f.suggestion = "a parameter is written with its type: `x: int`"
	case p.rule == gen.ModelParserRULE_parameterType:
		f.message = "`<` is not closed"
		f.suggestion = "write for example `list<string>`"
	case p.before.kind == gen.ModelLexerRPAREN:
		f.message = "the expression of the condition is missing"
	case p.index == p.first+2:
		f.message = fmt.Sprintf("condition %s has no parameters", quote(b.text(p.before)))
	default:
		f.message = fmt.Sprintf("unexpected %s among the parameters", b.named(p))
	}
	return f
}

// lineFault is a word that follows a complete statement.
func (b *builder) lineFault(p place) fault {
	first := b.words[p.first]
	if first.kind == gen.ModelLexerDEFINE {
		return b.afterOperand(p)
	}
	f := b.unexpected(p, fmt.Sprintf("every statement stands on a line of its own; %s is complete", quote(b.text(first))))
	if strings.HasPrefix(b.text(p.word), "//") {
		f.suggestion = "comments begin with `#`"
		f.fix = b.src.fix(span{p.word.at.start, p.word.at.start + 2}, "#")
	}
	return f
}
