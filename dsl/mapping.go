package dsl

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/dsl/model"
)

// The limits of a mapping file.
const (
	// MaxMappingBytes bounds its text.
	MaxMappingBytes = 256 << 10
	// MaxAssignable bounds the relations that it lets identity providers assign.
	MaxAssignable = 1000
)

// ReadMapping returns what an identity mapping says, a file in YAML: what the model calls the parts of the
// identity module, where it calls them otherwise, which it leaves out, and which of its relations identity
// providers may assign. It is judged by the model, or where that is nil by itself. The error is Diagnostics.
func ReadMapping(file string, text []byte, m *model.Model) (*gate.Mapping, error) {
	if len(text) > MaxMappingBytes {
		r := &report{src: newSource(file, nil)}
		r.add(fault{code: codeTooLarge, message: fmt.Sprintf("the mapping has %d bytes", len(text)),
			suggestion: fmt.Sprintf("a mapping has at most %d bytes (MaxMappingBytes)", MaxMappingBytes)})
		return nil, r.err()
	}
	src, report, ok := open(file, text, MaxMappingBytes)
	if !ok {
		return nil, report.err()
	}
	r := &mappingReader{modReader: modReader{src: src, report: report}, mapping: gate.Mapping{Names: *gate.Default()}, written: map[string]span{}}
	if root := r.root(); root != nil {
		r.read(root)
	}
	if m != nil && report.empty() {
		r.judge(m)
	}
	if !report.empty() {
		return nil, report.err()
	}
	return &r.mapping, nil
}

// mappingReader reads an identity mapping.
type mappingReader struct {
	modReader
	mapping gate.Mapping
	// written is where a name stands, by its path in the file. One that does not stand there has its default.
	written map[string]span
}

// slot is a place for a name in a mapping, by its path in the file.
type slot struct {
	path string // "user", "group.assigned"
	name *string
}

// section returns the first part of the path, of a path that has two.
func (s slot) section() string {
	section, _, ok := strings.Cut(s.path, ".")
	if !ok {
		return ""
	}
	return section
}

// key returns the last part of the path.
func (s slot) key() string { return s.path[strings.IndexByte(s.path, '.')+1:] }

func (s slot) isType() bool { return s.path == "user" || s.key() == "type" }

// slots returns the places for names, in the order in which PrintMapping prints them.
func slots(n *gate.Names) []slot {
	return []slot{
		{"user", &n.User}, {"in_organization", &n.InOrganization},
		{"organization.type", &n.Organization.Type}, {"organization.enabled", &n.Organization.Enabled},
		{"organization.directory_member", &n.Organization.DirectoryMember}, {"organization.member", &n.Organization.Member},
		{"organization.invited", &n.Organization.Invited}, {"organization.live", &n.Organization.Live},
		{"group.type", &n.Group.Type}, {"group.organization", &n.Group.Organization},
		{"group.assigned", &n.Group.Assigned}, {"group.member", &n.Group.Member},
		{"role.type", &n.Role.Type}, {"role.organization", &n.Role.Organization},
		{"role.direct", &n.Role.Direct}, {"role.assignee", &n.Role.Holder},
		{"entitlement.type", &n.Entitlement.Type}, {"entitlement.organization", &n.Entitlement.Organization},
		{"entitlement.direct", &n.Entitlement.Direct}, {"entitlement.holder", &n.Entitlement.Holder},
		{"session.type", &n.Session.Type},
	}
}

// The keys of a mapping that are no names.
const (
	keyWithout    = "without"
	keyAssignable = "assignable"
)

// optional lists the parts that a model may leave out, with the paths of their names.
var optional = map[string]func(path string) bool{
	"group":       func(path string) bool { return strings.HasPrefix(path, "group.") },
	"role":        func(path string) bool { return strings.HasPrefix(path, "role.") },
	"entitlement": func(path string) bool { return strings.HasPrefix(path, "entitlement.") },
	"session":     func(path string) bool { return path == "session.type" || path == "organization.live" },
	"invited":     func(path string) bool { return path == "organization.invited" },
	"live":        func(path string) bool { return path == "organization.live" },
}

// optionalParts are the keys of optional, in the order in which they are told.
var optionalParts = []string{"group", "role", "entitlement", "session", "invited", "live"}

const mappingExample = "write for example `organization: {type: tenant}`, or `without: [role]`"

func (r *mappingReader) faultAt(at span, message, suggestion string) {
	r.report.add(fault{code: codeMapping, at: at, message: message, suggestion: suggestion})
}

// root returns the mapping of the file, or nil.
func (r *mappingReader) root() *yaml.Node {
	decoder := yaml.NewDecoder(strings.NewReader(r.src.text))
	var root, more yaml.Node
	err := decoder.Decode(&root)
	if err != nil && !errors.Is(err, io.EOF) {
		at, message := r.syntaxFault(err)
		r.faultAt(at, "the file is not YAML: "+message, mappingExample)
		return nil
	}
	if err != nil || root.Kind != yaml.DocumentNode || root.Content[0].Kind != yaml.MappingNode {
		r.faultAt(span{0, 0}, "an identity mapping is a YAML mapping", mappingExample)
		return nil
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		at := span{0, 0}
		if err == nil {
			at = r.at(&more)
		}
		r.faultAt(at, "the file holds more than one document", "write one mapping in a file")
		return nil
	}
	return root.Content[0]
}

// field is a key of a mapping with its value.
type field struct {
	name  string
	at    span
	value *yaml.Node
}

// fields returns the fields of a YAML mapping whose keys are known, in the order of the text.
func (r *mappingReader) fields(n *yaml.Node, what string, known []string) []field {
	if n.Kind != yaml.MappingNode {
		r.faultAt(r.at(n), what+" is not a mapping", "its fields are "+list(known))
		return nil
	}
	var all []field
	for pairs := n.Content; len(pairs) > 1; pairs = pairs[2:] {
		f := field{pairs[0].Value, r.at(pairs[0]), pairs[1]}
		switch {
		case pairs[0].Kind != yaml.ScalarNode || !slices.Contains(known, f.name):
			suggestion, fix := didYouMean(r.src, f.at, f.name, "its fields", known)
			r.report.add(fault{code: codeMapping, at: f.at, message: fmt.Sprintf("%s has no field %s", what, quote(f.name)),
				suggestion: suggestion, fix: fix})
		case slices.ContainsFunc(all, func(o field) bool { return o.name == f.name }):
			r.faultAt(f.at, fmt.Sprintf("the field %s stands twice", quote(f.name)), "remove one of the two")
		default:
			all = append(all, f)
		}
	}
	return all
}

func list(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = quote(name)
	}
	return strings.Join(quoted, ", ")
}

// text returns the text of a scalar.
func (r *mappingReader) text(n *yaml.Node, what string) (string, bool) {
	if n.Kind != yaml.ScalarNode || n.Value == "" || n.ShortTag() == "!!null" {
		r.faultAt(r.at(n), what+" is not a text", "write a name; put it in quotes where YAML takes it for something else")
		return "", false
	}
	return n.Value, true
}

// read takes what the file says.
func (r *mappingReader) read(root *yaml.Node) {
	all := slots(&r.mapping.Names)
	var top []string
	for _, s := range all {
		if key := cmp.Or(s.section(), s.path); !slices.Contains(top, key) {
			top = append(top, key)
		}
	}
	var without, assignable *yaml.Node
	for _, f := range r.fields(root, "the mapping", append(top, keyWithout, keyAssignable)) {
		switch f.name {
		case keyWithout:
			without = f.value
		case keyAssignable:
			assignable = f.value
		default:
			r.section(all, f)
		}
	}
	if _, ok := r.written["in_organization"]; ok {
		for _, s := range all {
			if _, ok := r.written[s.path]; s.key() == "organization" && !ok {
				*s.name = r.mapping.InOrganization
			}
		}
	}
	if without != nil {
		r.without(all, without)
	}
	r.distinct(all)
	if assignable != nil {
		r.assignable(assignable)
	}
}

// section takes the names of one field: a name, or a mapping of names.
func (r *mappingReader) section(all []slot, f field) {
	var known []string
	for _, s := range all {
		switch {
		case s.path == f.name:
			r.name(s, f.value)
			return
		case s.section() == f.name:
			known = append(known, s.key())
		}
	}
	r.written[f.name] = f.at
	for _, sub := range r.fields(f.value, quote(f.name), known) {
		for _, s := range all {
			if s.path == f.name+"."+sub.name {
				r.name(s, sub.value)
			}
		}
	}
}

// name takes one name.
func (r *mappingReader) name(s slot, n *yaml.Node) {
	text, ok := r.text(n, quote(s.path))
	if !ok {
		return
	}
	kind := "relation"
	if s.isType() {
		kind = "type"
	}
	if fault, bad := nameFault(kind, text, r.at(n)); bad {
		r.report.add(fault)
		return
	}
	*s.name = text
	r.written[s.path] = r.at(n)
}

// without leaves out parts.
func (r *mappingReader) without(all []slot, n *yaml.Node) {
	if n.Kind != yaml.SequenceNode {
		r.faultAt(r.at(n), "`without` is not a list", "write for example `without: [role, entitlement]`")
		return
	}
	for _, item := range n.Content {
		text, ok := r.text(item, "an entry of `without`")
		if !ok {
			continue
		}
		leavesOut := optional[text]
		if leavesOut == nil {
			suggestion, fix := didYouMean(r.src, r.at(item), text, "the parts that can be left out", optionalParts)
			r.report.add(fault{code: codeMapping, at: r.at(item), message: fmt.Sprintf("%s is no part that can be left out", quote(text)),
				suggestion: suggestion, fix: fix})
			continue
		}
		if at, ok := r.written[text]; ok {
			r.faultAt(at, fmt.Sprintf("%s is left out below `without`, and described here", quote(text)), "remove one of the two")
		}
		for _, s := range all {
			if !leavesOut(s.path) {
				continue
			}
			if at, ok := r.written[s.path]; ok {
				if _, told := r.written[text]; !told {
					r.faultAt(at, fmt.Sprintf("%s is named here, and %s is left out below `without`", quote(s.path), quote(text)), "remove one of the two")
				}
			}
			*s.name = ""
		}
	}
}

// distinct refuses two types, or two relations of one type, of the same name.
func (r *mappingReader) distinct(all []slot) {
	for i, s := range all {
		if *s.name == "" || s.path == "in_organization" {
			continue
		}
		for _, other := range all[:i] {
			both := s.isType() && other.isType() || !s.isType() && !other.isType() && s.section() == other.section()
			if both && *s.name == *other.name && other.path != "in_organization" {
				at := r.where(s)
				if _, ok := r.written[s.path]; !ok {
					at = r.where(other)
				}
				r.report.add(fault{code: codeMappingClash, at: at, message: fmt.Sprintf("%s and %s are both called %s",
					quote(other.path), quote(s.path), quote(*s.name)), suggestion: "each part is another type, and another relation of its type"})
			}
		}
	}
}

// where returns where a name stands, or else its section, or the beginning of the file.
func (r *mappingReader) where(s slot) span {
	if at, ok := r.written[s.path]; ok {
		return at
	}
	return r.written[s.section()]
}

// assignable takes the relations that identity providers may assign.
func (r *mappingReader) assignable(n *yaml.Node) {
	const example = "write for example `- {kind: entitlement, relation: workspace#editor, type: Workspace role, label: Editor}`"
	switch {
	case n.Kind != yaml.SequenceNode:
		r.faultAt(r.at(n), "`assignable` is not a list", example)
		return
	case len(n.Content) > MaxAssignable:
		r.faultAt(r.at(n.Content[MaxAssignable]), fmt.Sprintf("`assignable` has %d entries", len(n.Content)),
			fmt.Sprintf("it has at most %d (MaxAssignable)", MaxAssignable))
		return
	}
	for _, item := range n.Content {
		var a gate.Assignable
		relation := ""
		places := map[string]*string{"kind": &a.Kind, "relation": &relation, "type": &a.TypeLabel, "label": &a.Label}
		at := r.at(item)
		for _, f := range r.fields(item, "an entry of `assignable`", []string{"kind", "relation", "type", "label"}) {
			text, ok := r.text(f.value, quote(f.name))
			if !ok {
				continue
			}
			*places[f.name] = text
			where := r.at(f.value)
			if f.name == "relation" {
				at = where
			}
			if fault := labelFault(text); fault != "" {
				r.faultAt(where, fmt.Sprintf("%s %s", quote(f.name), fault), example)
			}
			if f.name == "kind" && text != gate.KindRole && text != gate.KindEntitlement {
				suggestion, fix := didYouMean(r.src, where, text, "kinds", []string{gate.KindRole, gate.KindEntitlement})
				r.report.add(fault{code: codeMapping, at: where, message: fmt.Sprintf("the kind %s is not known", quote(text)), suggestion: suggestion, fix: fix})
			}
		}
		if item.Kind != yaml.MappingNode {
			continue
		}
		var ok bool
		if a.Type, a.Relation, ok = strings.Cut(relation, "#"); !ok || a.Kind == "" {
			r.faultAt(at, "an entry of `assignable` names its `kind`, and its `relation` as type#relation", example)
			continue
		}
		a.TypeLabel, a.Label = cmp.Or(a.TypeLabel, a.Type), cmp.Or(a.Label, a.Relation)
		if slices.ContainsFunc(r.mapping.Assignable, func(o gate.Assignable) bool {
			return o.Kind == a.Kind && o.Type == a.Type && o.Relation == a.Relation
		}) {
			r.faultAt(at, fmt.Sprintf("the relation %s stands twice as %s", quote(relation), a.Kind), "remove one of the two")
			continue
		}
		r.written[assignablePath(len(r.mapping.Assignable))] = at
		r.mapping.Assignable = append(r.mapping.Assignable, a)
	}
}

func assignablePath(i int) string { return fmt.Sprintf("%s[%d]", keyAssignable, i) }

// PrintMapping returns a mapping as a file that ReadMapping reads: what differs from the names of the identity
// module, and what is assignable.
func PrintMapping(m *gate.Mapping) []byte {
	var b bytes.Buffer
	names, usual := m.Names, *gate.Default()
	for _, s := range slots(&usual) {
		if s.key() == "organization" {
			*s.name = names.InOrganization // what follows from it is not repeated
		}
	}
	inUse, section := slots(&usual), ""
	for i, s := range slots(&names) {
		if *s.name == "" || *s.name == *inUse[i].name {
			continue
		}
		if in := s.section(); in != section {
			section = in
			fmt.Fprintf(&b, "%s:\n", in)
		}
		indent := ""
		if section != "" {
			indent = "  "
		}
		fmt.Fprintf(&b, "%s%s: %s\n", indent, s.key(), yamlText(*s.name))
	}
	if without := leftOut(&names); len(without) > 0 {
		fmt.Fprintf(&b, "%s: [%s]\n", keyWithout, strings.Join(without, ", "))
	}
	if len(m.Assignable) > 0 {
		fmt.Fprintf(&b, "%s:\n", keyAssignable)
	}
	for _, a := range m.Assignable {
		fmt.Fprintf(&b, "  - kind: %s\n    relation: %s\n    type: %s\n    label: %s\n",
			a.Kind, yamlText(a.Type+"#"+a.Relation), yamlText(a.TypeLabel), yamlText(a.Label))
	}
	if b.Len() == 0 {
		return []byte("{}\n")
	}
	return b.Bytes()
}

// leftOut returns the parts that names leave out.
func leftOut(n *gate.Names) []string {
	var out []string
	for _, part := range optionalParts {
		if part == "live" && n.Session.Type == "" {
			continue // with the sessions
		}
		absent := true
		for _, s := range slots(n) {
			absent = absent && (!optional[part](s.path) || *s.name == "")
		}
		if absent {
			out = append(out, part)
		}
	}
	return out
}

// yamlText returns a text as YAML that cannot be taken for anything else.
func yamlText(text string) string {
	data, err := yaml.Marshal(text)
	if err != nil {
		panic(fmt.Sprintf("encode the text %q: %v", text, err)) // it is valid UTF-8
	}
	return strings.TrimSuffix(string(data), "\n")
}
