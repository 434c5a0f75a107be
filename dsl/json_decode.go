package dsl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/dsl/model"
)

// jsonDecoder makes a document of OpenFGA's JSON form.
type jsonDecoder struct {
	src    *source
	report *report
}

// readJSON parses a model in JSON into a document. It reports false when the document is not worth
// checking, because parts of it could not be read.
func readJSON(src *source, r *report) (*document, bool) {
	root, ok := parseJSON(src, r)
	if !ok {
		return nil, false
	}
	d := &jsonDecoder{src: src, report: r}
	if root.kind == kindObject && len(root.members) == 1 && snake(root.members[0].key.text) == "authorization_model" {
		root = root.members[0].value
	}
	doc := &document{at: span{root.at.start, root.at.start + 1}}
	fields, ok := d.fields(root, "a model", "schema_version", "type_definitions", "conditions", "id", "created_at")
	if !ok {
		return nil, false
	}
	d.schema(doc, fields["schema_version"])
	for _, item := range d.list(fields["type_definitions"], "`type_definitions`") {
		if t := d.typ(item); t != nil {
			doc.types = append(doc.types, t)
		}
	}
	for _, m := range d.entries(fields["conditions"], "`conditions`") {
		if c := d.condition(m); c != nil {
			doc.conditions = append(doc.conditions, c)
		}
	}
	return doc, r.empty()
}

func (d *jsonDecoder) schema(doc *document, v *jsonValue) {
	if v == nil {
		d.report.add(fault{code: codeMissingSchema, at: doc.at, message: "the model does not say which schema version it is written in",
			suggestion: "add `\"schema_version\": \"1.1\"`"})
		return
	}
	text, ok := d.text(v, "`schema_version`")
	if !ok {
		return
	}
	doc.schema = ident{text: text, at: v.at}
	if text != string(model.Schema11) && text != string(model.Schema12) {
		f := schemaFault(d.src, doc.schema)
		f.fix = d.src.fix(v.at, `"1.1"`)
		d.report.add(f)
	}
}

// fields returns the members of an object by their names in snake_case. Members that are null count
// as absent, as protojson has it.
func (d *jsonDecoder) fields(v *jsonValue, what string, known ...string) (map[string]*jsonValue, bool) {
	if !d.is(v, kindObject, what) {
		return nil, false
	}
	out := map[string]*jsonValue{}
	for _, m := range v.members {
		name := snake(m.key.text)
		switch {
		case !slices.Contains(known, name):
			f := fault{code: codeJSONField, at: m.key.at, message: fmt.Sprintf("%s has no field %s", what, quote(m.key.text))}
			if near := nearest(name, known); near != "" {
				f.suggestion = fmt.Sprintf("did you mean %s?", quote(near))
				f.fix = d.src.fix(m.key.at, `"`+near+`"`)
			} else {
				f.suggestion = "its fields are " + strings.Join(known, ", ")
			}
			d.report.add(f)
		case out[name] != nil:
			d.report.add(fault{code: codeJSONField, at: m.key.at, message: fmt.Sprintf("field %s stands twice", quote(m.key.text)),
				suggestion: "remove one of the two"})
		case m.value.kind != kindNull:
			out[name] = m.value
		}
	}
	return out, true
}

// is reports whether a value is of a kind, and adds a fault when it is not.
func (d *jsonDecoder) is(v *jsonValue, want kind, what string) bool {
	if v.kind == want {
		return true
	}
	d.report.add(fault{code: codeJSONKind, at: v.at, message: fmt.Sprintf("%s is %s", what, v.kind),
		suggestion: fmt.Sprintf("it has to be %s", want)})
	return false
}

func (d *jsonDecoder) list(v *jsonValue, what string) []*jsonValue {
	if v == nil || !d.is(v, kindArray, what) {
		return nil
	}
	return v.items
}

// entries returns the members of an object that maps names to values.
func (d *jsonDecoder) entries(v *jsonValue, what string) []jsonMember {
	if v == nil || !d.is(v, kindObject, what) {
		return nil
	}
	return v.members
}

func (d *jsonDecoder) text(v *jsonValue, what string) (string, bool) {
	if v == nil || !d.is(v, kindString, what) {
		return "", false
	}
	return v.text, true
}

// name returns a required string as a name that stands somewhere.
func (d *jsonDecoder) name(fields map[string]*jsonValue, field string, in span) (ident, bool) {
	v := fields[field]
	if v == nil {
		d.missing(field, in)
		return ident{}, false
	}
	text, ok := d.text(v, quote(field))
	if ok && text == "" {
		d.report.add(fault{code: codeJSONMissing, at: v.at, message: fmt.Sprintf("field %s is empty", quote(field)), suggestion: "give it a name, or remove it"})
		return ident{}, false
	}
	return ident{text: text, at: v.at}, ok
}

func (d *jsonDecoder) missing(field string, in span) {
	d.report.add(fault{code: codeJSONMissing, at: span{in.start, in.start + 1},
		message: fmt.Sprintf("field %s is missing in this object", quote(field)), suggestion: "add it"})
}

func (d *jsonDecoder) typ(v *jsonValue) *typeDecl {
	fields, ok := d.fields(v, "a type definition", "type", "relations", "metadata")
	if !ok {
		return nil
	}
	name, ok := d.name(fields, "type", v.at)
	if !ok {
		return nil
	}
	t := &typeDecl{name: name}
	lists, origins := d.metadata(t, fields["metadata"])
	for _, m := range d.entries(fields["relations"], "`relations`") {
		r := &relationDecl{name: m.key, origin: origins[m.key.text]}
		list := lists[m.key.text]
		faults := d.report.count()
		r.expr = d.rewrite(m.value, r, list, 0)
		t.relations = append(t.relations, r)
		if d.report.count() == faults {
			d.matchRestrictions(r, list)
		}
	}
	return t
}

// matchRestrictions reports a relation that takes direct tuples without saying which, or says which
// without taking any.
func (d *jsonDecoder) matchRestrictions(r *relationDecl, list *listExpr) {
	some := list != nil && (list.broken || len(list.restrictions) > 0)
	switch {
	case len(r.lists) > 0 && !some:
		d.report.add(fault{code: codeJSONRestrictions, at: r.name.at,
			message:    fmt.Sprintf("relation %s has `this`, but no type restrictions", quote(r.name.text)),
			suggestion: "add its `directly_related_user_types` to the `metadata` of the type"})
	case len(r.lists) == 0 && some:
		d.report.add(fault{code: codeJSONRestrictions, at: list.at,
			message:    fmt.Sprintf("relation %s has type restrictions, but no `this`", quote(r.name.text)),
			suggestion: "add `this` to the relation, or remove the restrictions"})
	}
}

// metadata returns the type restrictions and origins of a type's relations, and sets its own origin.
func (d *jsonDecoder) metadata(t *typeDecl, v *jsonValue) (map[string]*listExpr, map[string]model.Origin) {
	if v == nil {
		return nil, nil
	}
	fields, ok := d.fields(v, "`metadata`", "relations", "module", "source_info")
	if !ok {
		return nil, nil
	}
	t.origin = d.origin(fields)
	out, origins := map[string]*listExpr{}, map[string]model.Origin{}
	for _, m := range d.entries(fields["relations"], "`relations`") {
		if m.value.kind == kindNull {
			continue
		}
		relation, ok := d.fields(m.value, "the metadata of a relation", "directly_related_user_types", "module", "source_info")
		if !ok {
			continue
		}
		if out[m.key.text] != nil {
			d.report.add(fault{code: codeJSONField, at: m.key.at, message: fmt.Sprintf("the metadata of relation %s stands twice", quote(m.key.text)),
				suggestion: "remove one of the two"})
		}
		list := &listExpr{at: m.key.at}
		if types := relation["directly_related_user_types"]; types != nil {
			list.at = types.at
			for _, item := range d.list(types, "`directly_related_user_types`") {
				if r, ok := d.restriction(item); ok {
					list.restrictions = append(list.restrictions, r)
				} else {
					list.broken = true
				}
			}
		}
		out[m.key.text], origins[m.key.text] = list, d.origin(relation)
	}
	return out, origins
}

// origin reads the fields of metadata that say which module something comes from.
func (d *jsonDecoder) origin(fields map[string]*jsonValue) model.Origin {
	var out model.Origin
	out.Module, _ = d.text(orEmpty(fields["module"]), "`module`")
	if info := fields["source_info"]; info != nil {
		if inner, ok := d.fields(info, "`source_info`", "file"); ok {
			out.File, _ = d.text(orEmpty(inner["file"]), "`file`")
		}
	}
	return out
}

// orEmpty returns an empty string for an absent value.
func orEmpty(v *jsonValue) *jsonValue {
	if v == nil {
		return &jsonValue{kind: kindString}
	}
	return v
}

func (d *jsonDecoder) restriction(v *jsonValue) (restrictionDecl, bool) {
	out := restrictionDecl{at: v.at}
	fields, ok := d.fields(v, "a type restriction", "type", "relation", "wildcard", "condition")
	if !ok {
		return out, false
	}
	if out.typ, ok = d.name(fields, "type", v.at); !ok {
		return out, false
	}
	if fields["relation"] != nil {
		if out.relation, ok = d.name(fields, "relation", v.at); !ok {
			return out, false
		}
	}
	if w := fields["wildcard"]; w != nil {
		if _, ok := d.fields(w, "`wildcard`"); !ok {
			return out, false
		}
		out.wildcard = true
	}
	if out.wildcard && out.relation.text != "" {
		d.report.add(fault{code: codeRestriction, at: v.at, message: "a type restriction is both a wildcard and a userset",
			suggestion: "keep either `wildcard` or `relation`"})
		return out, false
	}
	if c := fields["condition"]; c != nil {
		text, ok := d.text(c, "`condition`")
		out.condition = ident{text: text, at: c.at}
		return out, ok
	}
	return out, true
}

var rewriteFields = []string{"this", "computed_userset", "tuple_to_userset", "union", "intersection", "difference"}

// rewrite reads one userset expression. What it returns after a fault is never checked.
func (d *jsonDecoder) rewrite(v *jsonValue, r *relationDecl, list *listExpr, depth int) expr {
	if depth > MaxDepth+1 { // an operand without operators is one level more
		d.report.add(fault{code: codeTooDeep, at: v.at, message: fmt.Sprintf("the expression nests deeper than %d levels", MaxDepth),
			suggestion: "give the inner part a relation of its own (MaxDepth)"})
		return nil
	}
	faults := d.report.count()
	fields, ok := d.fields(v, "a relation's expression", rewriteFields...)
	if !ok || d.report.count() > faults {
		return nil
	}
	if len(fields) != 1 {
		message := fmt.Sprintf("the expression of relation %s is empty", quote(r.name.text))
		if len(fields) > 1 {
			message = fmt.Sprintf("an expression of relation %s has %d forms at once", quote(r.name.text), len(fields))
		}
		d.report.add(fault{code: codeJSONRewrite, at: v.at, message: message,
			suggestion: "it has exactly one of this, computedUserset, tupleToUserset, union, intersection, difference"})
		return nil
	}
	switch {
	case fields["this"] != nil:
		d.fields(fields["this"], "`this`")
		if list == nil {
			list = &listExpr{at: v.at}
		}
		r.lists = append(r.lists, list)
		return list
	case fields["computed_userset"] != nil:
		return &nameExpr{d.objectRelation(fields["computed_userset"], "`computedUserset`")}
	case fields["tuple_to_userset"] != nil:
		return d.from(fields["tuple_to_userset"])
	case fields["union"] != nil:
		return d.set(opUnion, "`union`", fields["union"], r, list, depth)
	case fields["intersection"] != nil:
		return d.set(opIntersection, "`intersection`", fields["intersection"], r, list, depth)
	}
	return d.difference(fields["difference"], r, list, depth)
}

// objectRelation reads {"object": "", "relation": "viewer"}. The object never means anything.
func (d *jsonDecoder) objectRelation(v *jsonValue, what string) ident {
	fields, ok := d.fields(v, what, "object", "relation")
	if !ok {
		return ident{}
	}
	name, _ := d.name(fields, "relation", v.at)
	return name
}

func (d *jsonDecoder) from(v *jsonValue) expr {
	fields, ok := d.fields(v, "`tupleToUserset`", "tupleset", "computed_userset")
	if !ok {
		return nil
	}
	out := &fromExpr{}
	for _, field := range []string{"tupleset", "computed_userset"} {
		if fields[field] == nil {
			d.missing(field, v.at)
			return nil
		}
	}
	out.tupleset = d.objectRelation(fields["tupleset"], "`tupleset`")
	out.computed = d.objectRelation(fields["computed_userset"], "`computedUserset`")
	return out
}

func (d *jsonDecoder) set(o operator, what string, v *jsonValue, r *relationDecl, list *listExpr, depth int) expr {
	fields, ok := d.fields(v, what, "child")
	if !ok {
		return nil
	}
	children := d.list(fields["child"], "`child`")
	if len(children) < 2 {
		d.report.add(fault{code: codeJSONRewrite, at: v.at, message: fmt.Sprintf("%s has fewer than two children", what),
			suggestion: "join at least two expressions, or use the one child by itself"})
		return nil
	}
	set := &setExpr{at: v.at, operator: o}
	for _, child := range children {
		set.children = append(set.children, d.rewrite(child, r, list, depth+1))
	}
	return set
}

func (d *jsonDecoder) difference(v *jsonValue, r *relationDecl, list *listExpr, depth int) expr {
	fields, ok := d.fields(v, "`difference`", "base", "subtract")
	if !ok {
		return nil
	}
	set := &setExpr{at: v.at, operator: opDifference}
	for _, field := range []string{"base", "subtract"} {
		if fields[field] == nil {
			d.missing(field, v.at)
			return nil
		}
		set.children = append(set.children, d.rewrite(fields[field], r, list, depth+1))
	}
	return set
}

func (d *jsonDecoder) condition(m jsonMember) *conditionDecl {
	fields, ok := d.fields(m.value, "a condition", "name", "expression", "parameters", "metadata")
	if !ok {
		return nil
	}
	c := &conditionDecl{name: m.key}
	if name, ok := d.name(fields, "name", m.value.at); ok && name.text != m.key.text {
		d.report.add(fault{code: codeInvalidName, at: name.at,
			message:    fmt.Sprintf("condition %s stands under the key %s", quote(name.text), quote(m.key.text)),
			suggestion: "the key and the name have to be equal"})
	}
	if v := fields["expression"]; v != nil {
		if text, ok := d.text(v, "`expression`"); ok {
			before := d.report.count()
			c.expression = d.expression(text, v.at)
			c.broken = d.report.count() > before
			c.place = func(offset int) int { return literalPlaces(d.src.text, v.at).place(offset) }
		}
	} else {
		d.missing("expression", m.value.at)
	}
	if about := fields["metadata"]; about != nil {
		if inner, ok := d.fields(about, "the metadata of a condition", "module", "source_info"); ok {
			c.origin = d.origin(inner)
		}
	}
	for _, p := range d.entries(fields["parameters"], "`parameters`") {
		c.parameters = append(c.parameters, parameterDecl{name: p.key, typ: d.parameterType(p.value, 0)})
	}
	return c
}

// expression judges a CEL expression only so far that it can stand between braces.
func (d *jsonDecoder) expression(text string, at span) string {
	text = strings.TrimSpace(unixLines(text))
	f := fault{code: codeJSONExpression, at: at}
	switch b := scanBody(text+"\n}", 0); {
	case text == "":
		f.message = "the expression of the condition is empty"
		f.suggestion = "write a CEL expression such as `x < 100`"
	case b.end != len(text)+1:
		f.message = "braces or quotes do not pair up in the expression of the condition"
		f.suggestion = "close every string, and every `{` with `}`"
	case len(b.comments) > 0:
		f.message = "`#` stands outside of strings in the expression of the condition"
		f.suggestion = "comments in CEL begin with `//`"
	default:
		return text
	}
	d.report.add(f)
	return text
}

func (d *jsonDecoder) parameterType(v *jsonValue, depth int) model.ParameterType {
	fields, ok := d.fields(v, "the type of a parameter", "type_name", "generic_types")
	if !ok {
		return model.ParameterType{}
	}
	name, ok := d.name(fields, "type_name", v.at)
	if !ok {
		return model.ParameterType{}
	}
	out := model.ParameterType{Name: strings.ToLower(strings.TrimPrefix(name.text, "TYPE_NAME_"))}
	elements := d.list(fields["generic_types"], "`generic_types`")
	if len(elements) > 1 {
		d.report.add(fault{code: codeParameterType, at: v.at, message: fmt.Sprintf("the type of the parameter has %d element types", len(elements)),
			suggestion: "list and map have one, all others none"})
		return out
	}
	if f, bad := parameterTypeFault(d.src, ident{text: out.Name, at: name.at}, len(elements) == 1, depth); bad {
		f.fix = "" // it would be the DSL's
		d.report.add(f)
		return out
	}
	if len(elements) == 1 {
		element := d.parameterType(elements[0], depth+1)
		out.Element = &element
	}
	return out
}
