package dsl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/dsl/condition"
)

// explanation is the long text of a code. The examples are compiled by a test: wrong has the fault,
// right has none.
type explanation struct {
	code, name string
	text       string
	wrong      string // empty where an example would be a page long
	right      string
	json       bool // the examples are JSON
	annotation bool // the fault is one of the annotations
}

// Explain returns the long text of a diagnostic code: what it means, why it is a fault, an example
// and its correction. It takes a code ("E101", in any case) or its name ("undefined-type").
func Explain(code string) (text string, ok bool) {
	for _, e := range explanations {
		if strings.EqualFold(e.code, code) || strings.EqualFold(e.name, code) {
			return e.String(), true
		}
	}
	return "", false
}

// Codes returns every diagnostic code, sorted.
func Codes() []string {
	out := make([]string, 0, len(explanations))
	for _, e := range explanations {
		out = append(out, e.code)
	}
	slices.Sort(out)
	return out
}

func (e explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n\n%s\n", e.code, e.name, e.text)
	for _, part := range [...]struct{ title, text string }{{"Wrong", e.wrong}, {"Right", e.right}} {
		if part.text == "" {
			continue
		}
		fmt.Fprintf(&b, "\n%s:\n\n", part.title)
		for line := range strings.SplitSeq(strings.TrimRight(part.text, "\n"), "\n") {
			b.WriteString(strings.TrimRight("    "+line, " ") + "\n")
		}
	}
	return b.String()
}

// doc is a model with one type `doc` that has the given relations, for examples.
func doc(defines ...string) string {
	return "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    " + strings.Join(defines, "\n    ") + "\n"
}

const header = "model\n  schema 1.1\n"

// withCondition is a model that uses the condition written below it.
func withCondition(text string) string {
	return doc("define viewer: [user with c]") + text + "\n"
}

var explanations = []explanation{
	{code: codeTooLarge, name: "model-too-large",
		text: fmt.Sprintf("A model has at most %d bytes as text and %d as JSON. The whole model is loaded for\nevery question, so it has to stay small. Data belongs in tuples, not in the model.", MaxModelBytes, MaxJSONBytes)},
	{code: codeNotUTF8, name: "not-utf8",
		text: "The text holds bytes that are not UTF-8. Save the file as UTF-8, with or without a byte order mark."},
	{code: codeTooManyTypes, name: "too-many-types",
		text: fmt.Sprintf("A model has at most %d types, as in OpenFGA. Types that differ in name alone can usually be one type\nwith ids that tell them apart.", MaxTypes)},
	{code: codeTooDeep, name: "nested-too-deeply",
		text: fmt.Sprintf("Parentheses, JSON values and types of parameters nest at most %d levels. Give the inner part of an\nexpression a relation of its own, which reads better too.", MaxDepth)},
	{code: codeTooManyErrors, name: "too-many-errors",
		text: fmt.Sprintf("At most %d faults are reported at once. Correct those first; many of the others will go with them.", MaxDiagnostics)},
	{code: codeEmptyModel, name: "empty-model",
		text:  "A model has at least one type. Without one no tuple can be written and no question asked.",
		wrong: header, right: header + "type user\n"},

	{code: codeCharacter, name: "unexpected-character",
		text:  "The character has no meaning at this place. Often it is a special space that was pasted from a document,\nor a sign of the notation for tuples.",
		wrong: doc("define viewer: [*]"), right: doc("define viewer: [user:*]")},
	{code: codeUnexpected, name: "unexpected-word",
		text:  "The statement is complete before this word, or cannot hold it. Every statement stands on a line of its own,\nand a comment begins with `#` behind a space.",
		wrong: header + "type user person\n", right: header + "type user # a person\n"},
	{code: codeMissingColon, name: "missing-colon",
		text:  "The name of a relation is followed by `:`.",
		wrong: doc("define viewer [user]"), right: doc("define viewer: [user]")},
	{code: codeMissingName, name: "missing-name",
		text:  "`type`, `define` and `condition` are followed by the name of what they declare.",
		wrong: doc("define : [user]"), right: doc("define viewer: [user]")},
	{code: codeUnclosed, name: "unpaired-bracket",
		text:  "A bracket is opened and not closed, or closed and not opened. Inside brackets a line may end, but not a statement.",
		wrong: doc("define viewer: [user"), right: doc("define viewer: [user]")},
	{code: codeMissingOperand, name: "missing-operand",
		text:  "`or`, `and` and `but not` join what stands on their left and on their right; one of the two is missing.",
		wrong: doc("define viewer: [user] or"), right: doc("define editor: [user]", "define viewer: [user] or editor")},
	{code: codeMissingOperator, name: "missing-operator",
		text:  "Two operands stand side by side. They are joined by `or` (in one of them), `and` (in both) or `but not`\n(in the first and not in the second). No other spelling is known.",
		wrong: doc("define editor: [user]", "define viewer: [user] | editor"), right: doc("define editor: [user]", "define viewer: [user] or editor")},
	{code: codeUnknownStatement, name: "unknown-statement",
		text:  "Every line begins with a keyword: model, schema, type, relations, define, condition. An expression stands on\nthe line of its `define`; only inside brackets it may go on below.",
		wrong: header + "typ user\n", right: header + "type user\n"},
	{code: codeMisplaced, name: "misplaced-statement",
		text:  "The statement is known, but not at this place. A model is: `model`, `schema 1.1`, then types, each with at most\none `relations` and `define` lines below it, then conditions.",
		wrong: header + "define viewer: [user]\ntype user\n", right: doc("define viewer: [user]")},
	{code: codeMissingModel, name: "missing-model",
		text:  "The first line of a model is `model`, the second says the version of the language.",
		wrong: "type user\n", right: header + "type user\n"},
	{code: codeMissingSchema, name: "missing-schema",
		text:  "A model says which version of the language it is written in: `schema 1.1`.",
		wrong: "model\ntype user\n", right: header + "type user\n"},
	{code: codeUnsupportedSchema, name: "unsupported-schema",
		text:  "The compiler reads schema 1.1, and 1.2 in one file. Models of schema 1.0 have no type restrictions and have to be\nrewritten; OpenFGA has dropped them too.",
		wrong: "model\n  schema 1.0\ntype user\n", right: header + "type user\n"},
	{code: codeModular, name: "modular-model",
		text:  "`module` and `extend type` belong to modular models (schema 1.2), which are spread over several files. One of\nthe files is no model by itself: compile the `fga.mod` that lists them all.",
		wrong: "module shop\ntype order\n", right: header + "type order\n"},
	{code: codeRestriction, name: "malformed-restriction",
		text:  "A type restriction says which subjects may be written to a relation: `user` (single users), `user:*` (everybody),\n`group#member` (all members of a group), each perhaps followed by `with` and a condition. There is at least one.",
		wrong: doc("define viewer: [user:ann]"), right: doc("define viewer: [user]")},
	{code: codeMisplacedRestrictions, name: "misplaced-restrictions",
		text:  "Type restrictions stand in brackets, as an operand of an expression. `from` takes the names of relations, not\nrestrictions, and `with` belongs to one restriction inside the brackets.",
		wrong: doc("define viewer: doc#editor", "define editor: [user]"), right: doc("define viewer: [doc#editor]", "define editor: [user]")},
	{code: codeMixedOperators, name: "mixed-operators",
		text:  "Different operators side by side could be read in two ways, and the difference decides who has access. So\nparentheses are required. The same operator may be repeated, but `but not` takes exactly two operands.\n\nThe corrected line that is shown groups `and` first, then `or`, then `but not`, which grants least. Check that it is\nwhat you mean.",
		wrong: doc("define a: [user]", "define b: [user]", "define viewer: a or b and [user]"),
		right: doc("define a: [user]", "define b: [user]", "define viewer: a or (b and [user])")},
	{code: codeMissingRelations, name: "missing-relations",
		text:  "The relations of a type stand below a line `relations`.",
		wrong: header + "type user\ntype doc\n  define viewer: [user]\n", right: doc("define viewer: [user]")},
	{code: codeEmptyRelations, name: "empty-relations",
		text:  "A line `relations` is followed by at least one `define`. A type without relations goes without the line.",
		wrong: header + "type user\n  relations\n", right: header + "type user\n"},
	{code: codeCondition, name: "malformed-condition",
		text:  "A condition has a name, parameters with their types in parentheses, and a CEL expression in braces.",
		wrong: withCondition("condition c(x int) { x < 100 }"), right: withCondition("condition c(x: int) { x < 100 }")},
	{code: codeUnclosedCondition, name: "unclosed-condition",
		text:  "The brace behind a condition's parameters has no counterpart. Braces in strings and comments do not count.",
		wrong: withCondition("condition c(x: int) { x < 100"), right: withCondition("condition c(x: int) { x < 100 }")},
	{code: codeEmptyCondition, name: "empty-condition",
		text:  "A condition without an expression decides nothing.",
		wrong: withCondition("condition c(x: int) { }"), right: withCondition("condition c(x: int) { x < 100 }")},
	{code: codeParameterType, name: "unknown-parameter-type",
		text:  "A parameter has one of the types bool, string, int, uint, double, duration, timestamp, ipaddress, any, list<T> and\nmap<T>. The keys of a map are strings.",
		wrong: withCondition("condition c(x: integer) { x < 100 }"), right: withCondition("condition c(x: int) { x < 100 }")},

	{code: codeExpression, name: "faulty-expression",
		text:  "The expression of a condition is not CEL, names something that is no parameter, mixes types, or does not yield\ntrue or false. CEL converts nothing by itself: an int is compared with an int.",
		wrong: withCondition("condition c(x: int) { x < 1.5 }"), right: withCondition("condition c(x: int) { double(x) < 1.5 }")},
	{code: codeConditionBounds, name: "condition-too-large",
		text: fmt.Sprintf("A model has at most %d conditions, a condition at most %d parameters, and its expression at most %d bytes.",
			MaxConditions, condition.MaxParameters, condition.MaxExpressionBytes),
		wrong: withCondition("condition c(x: int) { x < " + strings.Repeat("1 + ", 150) + "1 }"), right: withCondition("condition c(x: int) { x < 151 }")},

	{code: codeNotModule, name: "not-a-module",
		text: "Every file that an `fga.mod` lists begins with `module NAME`. It has no `model` and no `schema` line: the\nschema version stands in the `fga.mod`. Several files may have the same module name."},
	{code: codeModFile, name: "mod-file",
		text: "An `fga.mod` is YAML with two fields: `schema: '1.2'`, in quotes, and `contents`, the list of the model's files."},
	{code: codeModuleFile, name: "module-file",
		text: fmt.Sprintf("A file that an `fga.mod` lists cannot be read. Files lie in the folder of the `fga.mod` or below it, are called\nNAME.fga, and are listed once. There are at most %d, and together they have at most %d bytes.", MaxModuleFiles, MaxModelBytes)},

	{code: codeAnnotation, name: "malformed-annotation", annotation: true,
		text: "A comment that begins with `@scim` says that identity providers may assign the relation below it. It names a kind,\n" +
			"`role` or `entitlement`, and may give two labels for people: `type` and `label`, each in quotes, of which a `\"` can\n" +
			"be no part. It stands on a line of its own directly above the `define`. A relation has one of each kind at most.",
		wrong: doc("# @scim licence", "define editor: [user]"), right: doc(`# @scim entitlement type="Workspace role" label="Editor"`, "define editor: [user]")},
	{code: codeAssignable, name: "not-assignable",
		text: "The relation cannot be assigned by identity providers. It has to accept `user` directly, and to hold people only while\n" +
			"they are enabled in the organization of its object, so its type has `define organization: [organization]` and the\n" +
			"relation joins `and enabled from organization`. Nobody becomes `owner` or `admin` by assignment, also not by way of\n" +
			"another relation, and the types of identity itself are filled in other ways.\n\n" +
			"Where applications grant the relation too, to people whom no organization knows, give it a part of its own:\n\n" +
			"    # @scim entitlement type=\"Workspace role\" label=\"Editor\"\n" +
			"    define assigned_editor: [user] and enabled from organization\n" +
			"    define editor: [user] or assigned_editor"},

	{code: codeMapping, name: "mapping-file",
		text: "An identity mapping is YAML with the fields `user`, `in_organization`, `organization`, `group`, `role`, `entitlement`,\n`session`, `without` and `assignable`. It names what the model calls otherwise than the identity module does, and\nlists below `without` what the model leaves out. docs/identity-mapping.md describes each field."},
	{code: codeMappingName, name: "mapping-undefined",
		text: "An identity mapping names a type or relation that the model does not have, or does not say what the model calls a\npart that the model has under another name. A part that the model leaves out stands in the list `without`."},
	{code: codeMappingTakes, name: "mapping-not-direct",
		text: "Identity providers write people to the relation that an identity mapping names, so it takes people directly, without\na condition: `define assigned: [user]`. The relation that leads to the organization takes organizations."},
	{code: codeMappingClash, name: "mapping-clash",
		text: "Two parts of an identity mapping have the same name. What identity providers say and what passes the gate are two\nrelations, such as `assigned` and `member` of a group: the second is made of the first `and enabled from organization`."},

	{code: codeUndefinedType, name: "undefined-type",
		text:  "A type restriction names a type that the model does not declare.",
		wrong: doc("define viewer: [usr]"), right: doc("define viewer: [user]")},
	{code: codeUndefinedRelation, name: "undefined-relation",
		text:  "An expression names a relation that its type does not have, or a userset names one that the other type does not\nhave. A relation of another object is reached by `from`: `viewer from parent`.",
		wrong: doc("define editor: [user]", "define viewer: [user] or edtor"), right: doc("define editor: [user]", "define viewer: [user] or editor")},
	{code: codeUndefinedCondition, name: "undefined-condition",
		text:  "A type restriction names a condition that the model does not declare.",
		wrong: doc("define viewer: [user with c]"), right: withCondition("condition c(x: int) { x < 100 }")},
	{code: codeUndefinedExtension, name: "undefined-extension",
		text: "`extend type` adds relations to a type that a module of the same model declares with `type`. No file that\nthe `fga.mod` lists declares this one."},
	{code: codeUndefinedComputed, name: "undefined-relation-behind-from",
		text:  "`X from P` takes relation X of the objects that P leads to. None of the types that P may hold has such a relation.\nIt is enough that one of them has.",
		wrong: doc("define parent: [user]", "define viewer: viewer from parent"),
		right: doc("define parent: [doc]", "define viewer: [user] or viewer from parent")},
	{code: codeDuplicateType, name: "duplicate-type",
		text:  "A type is declared twice.",
		wrong: header + "type user\ntype user\n", right: header + "type user\n"},
	{code: codeDuplicateRelation, name: "duplicate-relation",
		text:  "A type defines a relation twice. Join the two definitions by `or` if both are meant.",
		wrong: doc("define viewer: [user]", "define viewer: [user:*]"), right: doc("define viewer: [user, user:*]")},
	{code: codeDuplicateCondition, name: "duplicate-condition",
		text:  "A condition is declared twice.",
		wrong: withCondition("condition c(x: int) { x < 1 }\ncondition c(x: int) { x < 2 }"), right: withCondition("condition c(x: int) { x < 1 }")},
	{code: codeDuplicateRestriction, name: "duplicate-restriction",
		text:  "A type restriction stands twice in a list. The same type with and without a condition, or with another condition,\ncounts as different.",
		wrong: doc("define viewer: [user, user]"), right: doc("define viewer: [user, user:*]")},
	{code: codeDuplicateParameter, name: "duplicate-parameter",
		text:  "A condition has two parameters of one name.",
		wrong: withCondition("condition c(x: int, x: string) { x < 1 }"), right: withCondition("condition c(x: int) { x < 1 }")},
	{code: codeDuplicateOperand, name: "duplicate-operand",
		text:  "An operator joins an operand with itself: most likely another one was meant.",
		wrong: doc("define a: [user]", "define viewer: a or a"), right: doc("define a: [user]", "define b: [user]", "define viewer: a or b")},
	{code: codeDuplicateList, name: "second-restriction-list",
		text:  "A relation has one list of type restrictions, since a tuple does not say through which of several lists it was\nwritten. Give the second list a relation of its own.",
		wrong: doc("define viewer: [user] or [user:*]"), right: doc("define viewer: [user, user:*]")},
	{code: codeDuplicateExtension, name: "duplicate-extension",
		text: "A file extends a type once, and does not extend a type that it declares itself. Put all the relations that\nthe file gives to the type below one line."},
	{code: codeReservedWord, name: "reserved-word",
		text:  "`self` and `this` cannot name types and relations. `or`, `and`, `from` and `with` cannot name anything, because they\nhave a meaning in expressions.",
		wrong: header + "type self\n", right: header + "type person\n"},
	{code: codeInvalidName, name: "invalid-name",
		text:  "A name holds no white space, no control characters and none of : # @ * , ( ) [ ] { } < >. In the JSON form, a condition\nalso stands under its own name.",
		wrong: `{"schema_version": "1.1", "type_definitions": [{"type": "us er"}]}`, right: `{"schema_version": "1.1", "type_definitions": [{"type": "user"}]}`, json: true},
	{code: codeNameTooLong, name: "name-too-long",
		text:  fmt.Sprintf("The name of a type has at most %d bytes of UTF-8, that of a relation, condition or parameter at most %d.", maxTypeName, maxRelationName),
		wrong: doc("define viewer_of_a_document_that_somebody_shared_with_them: [user]"), right: doc("define viewer: [user]")},
	{code: codeUnusedCondition, name: "unused-condition",
		text:  "No type restriction names the condition, so it never decides anything. The API accepts such a model; the compiler\nreports it, because a forgotten condition means access without it.",
		wrong: header + "type user\ncondition c(x: int) { x < 100 }\n", right: withCondition("condition c(x: int) { x < 100 }")},

	{code: codeNoEntryPoint, name: "no-entry-point",
		text:  "Nobody can ever be in the relation, whatever is written: each way into it leads through itself or through another\nsuch relation. A way in is a type restriction that is not a userset. For `and` and `but not` all operands count.",
		wrong: doc("define viewer: [doc#viewer]"), right: doc("define viewer: [user, doc#viewer]")},
	{code: codeComputedCycle, name: "computed-cycle",
		text:  "A relation is computed from itself, directly or over other relations of the same object. That adds nothing to\nwho is in it. Recursion over other objects is fine: `[user] or viewer from parent`.",
		wrong: doc("define a: [user] or b", "define b: [user] or a"), right: doc("define a: [user] or b", "define b: [user]")},
	{code: codeTuplesetNotDirect, name: "tupleset-not-direct",
		text:  "What stands behind `from` is followed tuple by tuple and not evaluated, so it has to be defined by type restrictions\nalone, without `or`, `and`, `but not` or other relations.",
		wrong: doc("define owner: [doc]", "define parent: [doc] or owner", "define viewer: [user] or viewer from parent"),
		right: doc("define parent: [doc]", "define viewer: [user] or viewer from parent")},
	{code: codeTuplesetRestricted, name: "tupleset-holds-sets",
		text:  "What stands behind `from` leads to single objects. It cannot hold everybody (`folder:*`) or a userset (`folder#owner`).",
		wrong: doc("define parent: [doc, doc:*]", "define viewer: [user] or viewer from parent"),
		right: doc("define parent: [doc]", "define viewer: [user] or viewer from parent")},

	{code: codeJSONSyntax, name: "malformed-json", json: true,
		text:  "The text is not JSON, or something follows the model.",
		wrong: `{"schema_version": "1.1", "type_definitions": [{"type": "user"}]`, right: `{"schema_version": "1.1", "type_definitions": [{"type": "user"}]}`},
	{code: codeJSONField, name: "unknown-field", json: true,
		text:  "An object of the JSON form has a field that means nothing there, or has one twice.",
		wrong: `{"schema_version": "1.1", "type_definitons": [{"type": "user"}]}`, right: `{"schema_version": "1.1", "type_definitions": [{"type": "user"}]}`},
	{code: codeJSONKind, name: "wrong-kind", json: true,
		text:  "A value of the JSON form is of another kind than it has to be, such as a string where a list belongs.",
		wrong: `{"schema_version": "1.1", "type_definitions": {"type": "user"}}`, right: `{"schema_version": "1.1", "type_definitions": [{"type": "user"}]}`},
	{code: codeJSONMissing, name: "missing-field", json: true,
		text:  "An object of the JSON form lacks a field, or the field is empty.",
		wrong: `{"schema_version": "1.1", "type_definitions": [{"relations": {}}]}`, right: `{"schema_version": "1.1", "type_definitions": [{"type": "user"}]}`},
	{code: codeJSONRewrite, name: "malformed-rewrite", json: true,
		text:  "An expression of the JSON form has exactly one of the fields this, computedUserset, tupleToUserset, union, intersection\nand difference. A union or intersection has at least two children.",
		wrong: `{"schema_version": "1.1", "type_definitions": [{"type": "user", "relations": {"friend": {}}}]}`, right: `{"schema_version": "1.1", "type_definitions": [{"type": "user", "relations": {"friend": {"this": {}}},
  "metadata": {"relations": {"friend": {"directly_related_user_types": [{"type": "user"}]}}}}]}`},
	{code: codeJSONRestrictions, name: "restrictions-without-this", json: true,
		text:  "In the JSON form a relation has type restrictions in the metadata of its type exactly when its expression has `this`.",
		wrong: `{"schema_version": "1.1", "type_definitions": [{"type": "user", "relations": {"friend": {"this": {}}}}]}`, right: `{"schema_version": "1.1", "type_definitions": [{"type": "user", "relations": {"friend": {"this": {}}},
  "metadata": {"relations": {"friend": {"directly_related_user_types": [{"type": "user"}]}}}}]}`},
	{code: codeJSONExpression, name: "malformed-expression", json: true,
		text: "The expression of a condition in the JSON form is empty, or its braces and quotes do not pair up, so that it cannot be\nwritten in the DSL.",
		wrong: `{"schema_version": "1.1", "type_definitions": [{"type": "user"}],
  "conditions": {"c": {"name": "c", "expression": "x < 100 }", "parameters": {"x": {"type_name": "TYPE_NAME_INT"}}}}}`,
		right: `{"schema_version": "1.1", "type_definitions": [{"type": "user"}],
  "conditions": {"c": {"name": "c", "expression": "x < 100", "parameters": {"x": {"type_name": "TYPE_NAME_INT"}}}}}`},
}
