package dsl

import (
	"fmt"
	"slices"

	"github.com/antlr4-go/antlr/v4"

	"github.com/ostiary/ostiary/dsl/gen"
	"github.com/ostiary/ostiary/dsl/model"
)

// syntax is a source that has been parsed.
type syntax struct {
	doc        *document
	statements []statement
	comments   []span
	// modular is set when the source was refused as part of a modular model: names may be declared
	// elsewhere.
	modular bool
}

// form is what a text has to be.
type form int

const (
	formModel  form = iota // a whole model, which begins with `model`
	formModule             // one file of a modular model, which begins with `module`
	formEither             // any of the two, to be formatted
)

// statement is one statement of the source, for the formatter.
type statement struct {
	at   span
	node any // headerNode, schemaNode, moduleNode, relationsNode, *typeDecl, *relationDecl or *conditionNode
}

type (
	headerNode    struct{}
	schemaNode    struct{ version string }
	moduleNode    struct{ name string }
	relationsNode struct{}
	conditionNode struct {
		decl *conditionDecl
		body string // as it was written, comments included
	}
)

// builder makes a document of a parse tree and checks the order of the statements.
type builder struct {
	src    *source
	words  []word
	report *report
	form   form
	out    syntax

	failures map[antlr.Tree]bool // the nodes that the parser gave up in

	header, schema bool      // whether `model` and `schema` have been seen
	typ            *typeDecl // the type whose relations follow, or nil
	relations      bool      // whether its `relations` line has been seen
	line           span      // of the statement at hand
}

// read parses a source into a document. The document holds whatever could be read. It reports false
// when nothing could.
func read(src *source, r *report, f form) (*syntax, bool) {
	words, comments, ok := scan(src, r)
	if !ok {
		return nil, false
	}
	parsed := parse(words)
	b := &builder{src: src, words: words, report: r, form: f, failures: parsed.failed, line: span{src.base, src.base}}
	b.out.doc = &document{at: b.line}
	b.out.comments = comments
	for _, e := range parsed.errors {
		b.syntaxFault(e)
	}
	for _, line := range parsed.file.AllLine() {
		if u := line.Unknown(); u != nil {
			b.unknown(u.GetStart().GetLine())
		} else if s := line.Statement(); s != nil {
			b.statement(s)
		}
	}
	b.endHeader()
	return &b.out, true
}

// statement dispatches on the one child that a statement has. A statement that the parser gave up at
// its first word has none.
func (b *builder) statement(s gen.IStatementContext) {
	first := s.GetStart().GetLine()
	b.line = span{b.words[first].at.start, b.words[b.statementEnd(first)].at.end}
	switch {
	case s.ModelHeader() != nil:
		b.modelHeader(first)
	case s.SchemaVersion() != nil:
		b.schemaVersion(first, s.SchemaVersion())
	case s.ModuleHeader() != nil:
		b.moduleHeader(first, b.ident(s.ModuleHeader().Name()))
	case s.ExtendType() != nil:
		b.extendType(first, b.ident(s.ExtendType().Name()))
	case s.TypeHeader() != nil:
		b.endHeader()
		b.typeHeader(b.ident(s.TypeHeader().Name()))
	case s.RelationsHeader() != nil:
		b.endHeader()
		b.relationsHeader(first)
	case s.Define() != nil:
		b.endHeader()
		b.define(first, s.Define())
	case s.Condition() != nil:
		b.endHeader()
		b.condition(s.Condition())
	}
}

// statementEnd returns the index of the last word of the statement that begins at first.
func (b *builder) statementEnd(first int) int {
	last := first
	for b.words[last+1].kind != gen.ModelLexerNEWLINE && b.words[last+1].kind != antlr.TokenEOF {
		last++
	}
	return last
}

func (b *builder) keep(node any) {
	b.out.statements = append(b.out.statements, statement{at: b.line, node: node})
}

func (b *builder) moduleHeader(first int, name ident) {
	switch {
	case b.form == formModel:
		b.header, b.schema = true, true
		b.refuseModular(first)
		return
	case b.header:
		b.misplaced(first, "`module` stands once, on the first line")
		return
	}
	b.header, b.schema = true, true
	b.out.doc.module = name
	b.out.doc.at = b.words[first].at
	b.keep(moduleNode{name.text})
}

func (b *builder) extendType(first int, name ident) {
	if b.form == formModel {
		b.header, b.schema = true, true
		b.refuseModular(first)
		b.typ, b.relations = &typeDecl{}, false // collects relations that nobody looks at
		return
	}
	b.endHeader()
	b.typ, b.relations = &typeDecl{name: name, extends: true}, false
	if name.text != "" {
		b.out.doc.types = append(b.out.doc.types, b.typ)
	}
	b.keep(b.typ)
}

func (b *builder) modelHeader(first int) {
	if b.form == formModule {
		b.notModule(first)
		return
	}
	if b.header {
		b.misplaced(first, "`model` stands once, on the first line")
		return
	}
	b.header = true
	b.schema = b.words[first+1].kind == gen.ModelLexerSCHEMA // on the same line, which has been reported
	b.out.doc.at = b.words[first].at
	b.keep(headerNode{})
}

func (b *builder) schemaVersion(first int, s gen.ISchemaVersionContext) {
	switch {
	case b.form == formModule:
		b.notModule(first) // has been said when `model` stands above
		return
	case b.schema:
		b.misplaced(first, "`schema` stands once, below `model`")
		return
	case !b.header:
		b.missingHeader(b.words[first].at)
	}
	b.schema = true
	version := b.ident(s.Name())
	b.out.doc.schema = version
	b.keep(schemaNode{version.text})
	if version.text != "" && version.text != string(model.Schema11) && version.text != string(model.Schema12) {
		b.report.add(schemaFault(b.src, version))
	}
}

func schemaFault(src *source, version ident) fault {
	return fault{code: codeUnsupportedSchema, at: version.at,
		message:    fmt.Sprintf("schema version %s is not supported", quote(version.text)),
		suggestion: "this version of the compiler reads schema `1.1`",
		fix:        src.fix(version.at, string(model.Schema11))}
}

// endHeader reports what is missing above the first declaration, or at the end of an empty model.
func (b *builder) endHeader() {
	at := b.line
	if at.end > at.start {
		at = b.src.clip(at)
	}
	if !b.header {
		b.header, b.schema = true, true // one fault is enough
		b.missingHeader(at)
	}
	if !b.schema {
		b.schema = true
		b.report.add(fault{code: codeMissingSchema, at: b.out.doc.at,
			message:    "the model does not say which schema version it is written in",
			suggestion: "write `schema 1.1` on the line below `model`"})
	}
}

func (b *builder) missingHeader(at span) {
	b.header = true
	if b.form == formModule {
		b.report.add(fault{code: codeNotModule, at: at,
			message:    "a file of a modular model begins with the line `module NAME`",
			suggestion: "begin with the module's name, such as `module core`"})
		return
	}
	b.report.add(fault{code: codeMissingModel, at: at,
		message:    "a model begins with the line `model`",
		suggestion: "begin with `model`, and `schema 1.1` on the line below"})
}

func (b *builder) misplaced(first int, rule string) {
	w := b.words[first]
	b.report.add(fault{code: codeMisplaced, at: w.at,
		message: fmt.Sprintf("%s cannot stand here", quote(b.src.at(w.at))), suggestion: rule})
}

func (b *builder) refuseModular(first int) {
	b.out.modular = true
	w := b.words[first]
	b.report.add(fault{code: codeModular, at: w.at,
		message:    fmt.Sprintf("%s stands in a file of a modular model, which is no model by itself", quote(b.src.at(w.at))),
		suggestion: "compile the `fga.mod` that lists this file"})
}

// notModule reports a model of its own among the files of a modular model, once.
func (b *builder) notModule(first int) {
	if !b.header || b.out.doc.module.text != "" {
		b.report.add(fault{code: codeNotModule, at: b.words[first].at,
			message:    fmt.Sprintf("%s begins a whole model, not a file of a modular model", quote(b.src.at(b.words[first].at))),
			suggestion: "begin with `module NAME`; the schema version stands in `fga.mod`"})
	}
	b.header, b.schema = true, true
}

func (b *builder) typeHeader(name ident) {
	b.typ, b.relations = &typeDecl{name: name}, false
	if name.text != "" {
		b.out.doc.types = append(b.out.doc.types, b.typ)
	}
	b.keep(b.typ)
}

func (b *builder) relationsHeader(first int) {
	switch {
	case b.typ == nil:
		b.misplaced(first, "`relations` stands below the `type` whose relations follow")
		return
	case b.relations:
		b.misplaced(first, "a type has one `relations` line, and its relations below it")
		return
	}
	b.relations = true
	b.keep(relationsNode{})
	for next := first + 1; ; next++ {
		switch b.words[next].kind {
		case gen.ModelLexerNEWLINE:
			continue
		case antlr.TokenEOF, gen.ModelLexerTYPE, gen.ModelLexerCONDITION, gen.ModelLexerEXTEND:
			b.report.add(fault{code: codeEmptyRelations, at: b.words[first].at,
				message:    fmt.Sprintf("no relation of type %s follows `relations`", quote(b.typ.name.text)),
				suggestion: "add `define` lines below, or remove this line"})
		}
		return
	}
}

func (b *builder) define(first int, d gen.IDefineContext) {
	r := &relationDecl{name: b.ident(d.Name())}
	if e := d.Expression(); e != nil {
		r.expr = b.expression(e, r)
	}
	r.broken = r.broken || r.expr == nil || b.failed(d)
	switch b.words[b.statementStop(d)+1].kind {
	case gen.ModelLexerWILDCARD, gen.ModelLexerUNEXPECTED:
		r.expr, r.broken = nil, true // "user:*" without brackets: its type is no relation
	}
	b.addRelation(first, r)
}

// statementStop returns the index of the last word that the parser took for a statement.
func (b *builder) statementStop(d gen.IDefineContext) int {
	if stop := d.GetStop(); stop != nil {
		return stop.GetLine()
	}
	return d.GetStart().GetLine()
}

func (b *builder) addRelation(first int, r *relationDecl) {
	switch {
	case b.typ == nil:
		b.misplaced(first, "a relation stands below `relations` of its `type`")
		return
	case !b.relations:
		b.relations = true
		b.report.add(fault{code: codeMissingRelations, at: b.words[first].at,
			message:    fmt.Sprintf("`relations` is missing between type %s and its first relation", quote(b.typ.name.text)),
			suggestion: "write `relations` on a line of its own above this one"})
	}
	b.keep(r)
	if r.name.text != "" {
		b.typ.relations = append(b.typ.relations, r)
	}
}

// failed reports whether the parser gave up somewhere in this part of the tree.
func (b *builder) failed(node antlr.Tree) bool {
	if len(b.failures) == 0 {
		return false
	}
	if b.failures[node] {
		return true
	}
	return slices.ContainsFunc(node.GetChildren(), b.failed)
}

// ident returns the word of a name, or an empty one where the parser found none.
func (b *builder) ident(n gen.INameContext) ident {
	if n == nil || b.failed(n) {
		return ident{}
	}
	at := b.words[n.GetStart().GetLine()].at
	return ident{text: b.src.at(at), at: at}
}

func (b *builder) wordAt(t antlr.Token) span { return b.words[t.GetLine()].at }

// condition keeps a condition whose parts could all be read.
func (b *builder) condition(c gen.IConditionContext) {
	name := b.ident(c.Name())
	if name.text == "" {
		return
	}
	b.typ = nil
	decl := &conditionDecl{name: name}
	b.out.doc.conditions = append(b.out.doc.conditions, decl)
	if c.Parameters() != nil {
		for _, p := range c.Parameters().AllParameter() {
			if n := b.ident(p.Name()); n.text != "" {
				decl.parameters = append(decl.parameters, parameterDecl{name: n, typ: b.parameterType(p.ParameterType(), 0)})
			}
		}
	}
	if c.BODY() == nil {
		decl.broken = true
		return
	}
	w := b.words[c.BODY().GetSymbol().GetLine()]
	decl.expression = expressionOf(b.src.text, w.at, w.body.comments)
	decl.broken = w.body.unclosed
	decl.place = func(offset int) int { return bodyPlaces(b.src.text, w.at, w.body.comments).place(offset) }
	if decl.expression == "" && !decl.broken {
		b.report.add(fault{code: codeEmptyCondition, at: name.at,
			message:    fmt.Sprintf("condition %s has no expression", quote(name.text)),
			suggestion: "write a CEL expression between `{` and `}`, such as `x < 100`"})
	}
	b.keep(&conditionNode{decl: decl, body: b.src.at(w.at)})
}

var parameterTypes = []string{
	"bool", "string", "int", "uint", "double", "duration", "timestamp", "ipaddress", "any", "list", "map",
}

func isContainer(name string) bool { return name == "list" || name == "map" }

func (b *builder) parameterType(t gen.IParameterTypeContext, depth int) model.ParameterType {
	if t == nil || b.failed(t) {
		return model.ParameterType{}
	}
	name := b.ident(t.Name())
	out := model.ParameterType{Name: name.text}
	inner := t.ParameterType()
	if inner != nil && depth < MaxDepth {
		element := b.parameterType(inner, depth+1)
		out.Element = &element
	}
	if f, bad := parameterTypeFault(b.src, name, inner != nil, depth); bad {
		b.report.add(f)
	}
	return out
}

// parameterTypeFault judges one name in a parameter's type, and whether it has an element type.
func parameterTypeFault(src *source, name ident, element bool, depth int) (fault, bool) {
	f := fault{code: codeParameterType, at: name.at}
	switch {
	case depth >= MaxDepth:
		f.code = codeTooDeep
		f.message = fmt.Sprintf("the type nests deeper than %d levels", MaxDepth)
		f.suggestion = "write `any` for the inner part (MaxDepth)"
	case !slices.Contains(parameterTypes, name.text):
		f.message = fmt.Sprintf("%s is not a type of a parameter", quote(name.text))
		f.suggestion, f.fix = didYouMean(src, name.at, name.text, "types", parameterTypes)
		if f.fix == "" {
			f.suggestion = "the types are bool, string, int, uint, double, duration, timestamp, ipaddress, any, list<…> and map<…>"
		}
	case isContainer(name.text) && !element:
		f.message = fmt.Sprintf("%s does not say what it holds", quote(name.text))
		f.suggestion = fmt.Sprintf("write for example `%s<string>`", name.text)
		f.fix = src.fix(name.at, name.text+"<string>")
	case element && !isContainer(name.text):
		f.message = fmt.Sprintf("%s holds no other type", quote(name.text))
		f.suggestion = "only list and map do, as in `list<string>`"
	default:
		return fault{}, false
	}
	return f, true
}
