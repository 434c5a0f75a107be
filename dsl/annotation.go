package dsl

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/dsl/model"
)

// MaxLabelBytes bounds the labels of an annotation.
const MaxLabelBytes = 256

// Annotation says of a relation that identity providers may assign it. In the text it is a comment of its own
// directly above the relation:
//
//	# @scim entitlement type="Workspace role" label="Editor"
//	define editor: [user] and enabled from organization
//
// A model in OpenFGA's JSON form, which is how it travels, has no comments, and so no annotations.
type Annotation struct {
	Kind           string // gate.KindRole or gate.KindEntitlement
	Type, Relation string
	// TypeLabel names the sort of role or entitlement, and Label the one that the relation is, both for people.
	// Where the text has none they are the names of type and relation.
	TypeLabel, Label string

	src *source
	at  span
}

// Annotations returns the annotations of a model's text, or of one module of a modular model, in the order of
// the text. The text need not compile, but it must parse. The error is Diagnostics.
func Annotations(file string, text []byte) ([]Annotation, error) {
	src, r, ok := open(file, text, MaxModelBytes)
	if !ok {
		return nil, r.err()
	}
	a := &annotator{src: src, whole: src, report: r}
	if parsed, ok := read(src, r, formEither); ok {
		a.take(parsed)
	}
	return a.done()
}

// ModuleAnnotations returns the annotations of the modules that an fga.mod lists, in its order. Arguments and
// error are those of CompileModules.
func ModuleAnnotations(file string, mod []byte, dir fs.FS) ([]Annotation, error) {
	src, r, ok := open(file, mod, MaxModelBytes)
	if !ok {
		return nil, r.err()
	}
	_, contents := readMod(src, r)
	modules := readModules(src, r, contents, dir)
	names, texts := []string{src.file}, [][]byte{[]byte(src.text)}
	for _, module := range modules {
		names, texts = append(names, moduleName(file, module.name)), append(texts, module.text)
	}
	a := &annotator{whole: join(names, texts), report: r}
	r.src = a.whole
	for i := range modules {
		a.src = a.whole.module(i + 1)
		if !isUTF8(a.src, r) {
			continue
		}
		if parsed, ok := read(a.src, r, formModule); ok {
			a.take(parsed)
		}
	}
	return a.done()
}

// annotator reads the annotations of one file after the other.
type annotator struct {
	src    *source // of the file at hand
	whole  *source // of all files
	report *report
	out    []Annotation
}

func (a *annotator) done() ([]Annotation, error) {
	if err := a.report.err(); err != nil {
		return nil, err
	}
	return a.out, nil
}

const annotationMark = "@scim"

const annotationExample = `write for example: # @scim entitlement type="Workspace role" label="Editor"`

// take adds the annotations of a file. One belongs to the relation on the next line that is no comment.
func (a *annotator) take(parsed *syntax) {
	var typ *typeDecl
	comments := parsed.comments
	for _, st := range parsed.statements {
		first := a.src.lineOf(st.at.start)
		for len(comments) > 0 && comments[0].start < st.at.start {
			relation, _ := st.node.(*relationDecl)
			if typ == nil || !a.leadsTo(comments, first) {
				relation = nil
			}
			a.read(comments[0], typ, relation)
			comments = comments[1:]
		}
		if t, ok := st.node.(*typeDecl); ok {
			typ = t
		}
	}
	for _, c := range comments {
		a.read(c, nil, nil)
	}
}

// leadsTo reports whether the first of the comments stands on a line of its own, and nothing but comments
// stands between it and a line.
func (a *annotator) leadsTo(comments []span, line int) bool {
	at := a.src.lineOf(comments[0].start)
	begin := a.src.lineSpan(at).start
	if strings.TrimSpace(a.src.text[begin:comments[0].start]) != "" {
		return false
	}
	for _, c := range comments[1:] {
		if a.src.lineOf(c.start) != at+1 {
			break
		}
		at++
	}
	return at+1 == line
}

// read takes a comment for an annotation if it begins like one.
func (a *annotator) read(comment span, typ *typeDecl, relation *relationDecl) {
	w := &annotationText{src: a.src, at: comment.start, end: comment.end}
	w.skip("# \t")
	mark := w.word()
	name := a.src.at(mark)
	switch {
	case name == annotationMark:
	case strings.HasPrefix(name, annotationMark), strings.HasPrefix(name, "@") && nearest(name, []string{annotationMark}) != "":
		a.fault(mark, fmt.Sprintf("the annotation %s is not known", quote(name)), fmt.Sprintf("did you mean `%s`?", annotationMark))
		return
	default:
		return
	}
	if relation == nil {
		a.fault(mark, "the annotation belongs to no relation", "put it on a line of its own directly above the `define` that it is about")
		return
	}
	found := Annotation{Type: typ.name.text, Relation: relation.name.text, src: a.whole,
		at: span{mark.start, mark.start + len(strings.TrimRightFunc(a.src.text[mark.start:comment.end], unicode.IsSpace))}}
	kind := w.word()
	found.Kind = a.src.at(kind)
	kinds := []string{gate.KindRole, gate.KindEntitlement}
	if !slices.Contains(kinds, found.Kind) {
		suggestion := "write `role` or `entitlement`: " + annotationExample
		if near := nearest(found.Kind, kinds); near != "" {
			suggestion = fmt.Sprintf("did you mean `%s`?", near)
		}
		a.fault(kind, fmt.Sprintf("the annotation is of the kind %s, which is not known", quote(found.Kind)), suggestion)
		return
	}
	if !a.labels(w, &found) {
		return
	}
	for _, other := range a.out {
		if other.Kind == found.Kind && other.Type == found.Type && other.Relation == found.Relation {
			a.fault(found.at, fmt.Sprintf("the relation %s has two annotations of the kind %s", quote(found.Type+"#"+found.Relation), found.Kind),
				"remove one of the two")
			return
		}
	}
	a.out = append(a.out, found)
}

// labels reads what follows the kind.
func (a *annotator) labels(w *annotationText, found *Annotation) bool {
	fields := map[string]*string{"type": &found.TypeLabel, "label": &found.Label}
	for {
		w.skip(" \t\r")
		if w.done() {
			break
		}
		key := w.until(" \t\r=")
		name := a.src.at(key)
		field := fields[name]
		if field == nil {
			suggestion := "`type` and `label` are known: " + annotationExample
			if near := nearest(name, []string{"type", "label"}); near != "" {
				suggestion = fmt.Sprintf("did you mean `%s`?", near)
			}
			a.fault(key, fmt.Sprintf("%s is not known here, or stands twice", quote(name)), suggestion)
			return false
		}
		value, ok := w.value()
		text := a.src.at(value)
		if fault := labelFault(text); !ok || fault != "" {
			if !ok {
				fault = "is not followed by `=` and a text in quotes"
			}
			a.fault(key.join(value), fmt.Sprintf("%s %s", quote(name), fault), annotationExample)
			return false
		}
		*field = text
		delete(fields, name)
	}
	if found.TypeLabel == "" {
		found.TypeLabel = found.Type
	}
	if found.Label == "" {
		found.Label = found.Relation
	}
	return true
}

// labelFault says what is wrong with a label; nothing where it is right.
func labelFault(text string) string {
	switch {
	case strings.TrimSpace(text) == "":
		return "is empty"
	case len(text) > MaxLabelBytes:
		return fmt.Sprintf("has %d bytes, and may have %d (MaxLabelBytes)", len(text), MaxLabelBytes)
	case strings.ContainsFunc(text, unicode.IsControl):
		return "holds a control character"
	}
	return ""
}

func (a *annotator) fault(at span, message, suggestion string) {
	a.report.add(fault{code: codeAnnotation, at: at, message: message, suggestion: suggestion})
}

// annotationText is the rest of a comment that is being read.
type annotationText struct {
	src     *source
	at, end int
}

func (w *annotationText) done() bool { return w.at >= w.end }

// skip passes over characters.
func (w *annotationText) skip(set string) {
	for !w.done() && strings.IndexByte(set, w.src.text[w.at]) >= 0 {
		w.at++
	}
}

// until takes the text up to one of the characters.
func (w *annotationText) until(set string) span {
	from := w.at
	for !w.done() && strings.IndexByte(set, w.src.text[w.at]) < 0 {
		_, size := utf8.DecodeRuneInString(w.src.text[w.at:w.end])
		w.at += size
	}
	return span{from, w.at}
}

// word takes the next word.
func (w *annotationText) word() span {
	w.skip(" \t\r")
	return w.until(" \t\r")
}

// value takes `="text"`, of which it returns the text.
func (w *annotationText) value() (span, bool) {
	rest := w.src.text[w.at:w.end]
	if !strings.HasPrefix(rest, `="`) {
		return span{w.at, w.at}, false
	}
	w.at += 2
	value := w.until(`"`)
	if w.done() {
		return value, false
	}
	w.at++
	return value, true
}

// Assignables returns what annotations say as the entries of a mapping, judged by the model that they stand in
// and by what it calls the parts of identity. The error is Diagnostics.
func Assignables(annotations []Annotation, m *model.Model, n *gate.Names) ([]gate.Assignable, error) {
	out := make([]gate.Assignable, 0, len(annotations))
	var faults Diagnostics
	for _, a := range annotations {
		entry := gate.Assignable{Kind: a.Kind, Type: a.Type, Relation: a.Relation, TypeLabel: a.TypeLabel, Label: a.Label}
		out = append(out, entry)
		for _, f := range entry.Judge(m, n) {
			faults = append(faults, a.fault(assignableFault(f)))
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return out, nil
}

// fault returns a fault of what the annotation means.
func (a Annotation) fault(message, suggestion string) Diagnostic {
	r := &report{src: a.src}
	return r.diagnostic(fault{code: codeAssignable, at: a.at, message: message, suggestion: suggestion})
}
