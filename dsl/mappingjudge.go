package dsl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/dsl/model"
)

// judge compares the mapping with the model: what it names must be there, and take what is written to it.
func (r *mappingReader) judge(m *model.Model) {
	all := slots(&r.mapping.Names)
	types := map[string]string{} // by section
	for _, s := range all {
		if s.isType() && *s.name != "" && r.judgeType(m, s) {
			types[s.section()] = *s.name
		}
	}
	for _, s := range all {
		typ := types[s.section()]
		if s.isType() || typ == "" || *s.name == "" || s.path == "in_organization" {
			continue
		}
		if r.judgeRelation(m, s, typ) {
			r.judgeTakes(m, s, typ)
		}
	}
	r.judgeBelonging(m)
	for i, a := range r.mapping.Assignable {
		r.judgeAssignable(m, r.written[assignablePath(i)], a)
	}
}

func typeNames(m *model.Model) []string {
	names := make([]string, len(m.Types))
	for i, t := range m.Types {
		names[i] = t.Name
	}
	return names
}

func namesOf(t *model.Type) []string {
	names := make([]string, len(t.Relations))
	for i, relation := range t.Relations {
		names[i] = relation.Name
	}
	return names
}

func (r *mappingReader) judgeType(m *model.Model, s slot) bool {
	if m.Type(*s.name) != nil {
		return true
	}
	r.undefined(s, fmt.Sprintf("the model has no type %s", quote(*s.name)), "types of the model", typeNames(m))
	return false
}

func (r *mappingReader) judgeRelation(m *model.Model, s slot, typ string) bool {
	if m.Relation(typ, *s.name) != nil {
		return true
	}
	r.undefined(s, fmt.Sprintf("the type %s has no relation %s", quote(typ), quote(*s.name)), "its relations", namesOf(m.Type(typ)))
	return false
}

// undefined reports a name that the model does not have. Where the file does not name the part, it says how to
// name it or, where that is possible, how to leave it out.
func (r *mappingReader) undefined(s slot, message, kind string, candidates []string) {
	if at, ok := r.written[s.path]; ok {
		suggestion, fix := didYouMean(r.src, at, *s.name, kind, candidates)
		r.report.add(fault{code: codeMappingName, at: at, message: message, suggestion: suggestion, fix: fix})
		return
	}
	suggestion := fmt.Sprintf("say what the model calls it: `%s: NAME`", s.path)
	if section := s.section(); section != "" {
		suggestion = fmt.Sprintf("say what the model calls it: `%s: {%s: NAME}`", section, s.key())
	}
	for _, part := range optionalParts {
		if _, described := r.written[part]; optional[part](s.path) && !described {
			suggestion += fmt.Sprintf(", or that it leaves it out: `without: [%s]`", part)
			break
		}
	}
	r.report.add(fault{code: codeMappingName, at: r.where(s), message: message, suggestion: suggestion})
}

// judgeTakes demands that what identity mutations write to a relation be what it takes directly.
func (r *mappingReader) judgeTakes(m *model.Model, s slot, typ string) {
	n := &r.mapping.Names
	subject := n.User
	switch s.path {
	case "organization.enabled", "organization.directory_member", "organization.invited", "group.assigned", "role.direct", "entitlement.direct":
	case "group.organization", "role.organization", "entitlement.organization":
		subject = n.Organization.Type
	default:
		return // read, or written by nobody yet
	}
	if m.Type(subject) == nil || takes(m.Relation(typ, *s.name), subject) {
		return
	}
	r.report.add(fault{code: codeMappingTakes, at: r.where(s),
		message:    fmt.Sprintf("the relation %s does not take %s directly", quote(typ+"#"+*s.name), quote(subject)),
		suggestion: fmt.Sprintf("write `define %s: [%s]` in the model, so that `%s` can be written to it", *s.name, subject, s.path)})
}

// takes reports whether single objects of a type may be written to a relation without a condition.
func takes(r *model.Relation, typ string) bool {
	return slices.Contains(r.Restrictions, model.Restriction{Type: typ})
}

// judgeBelonging demands of in_organization, where it stands in the file, that some type of the application's
// have it.
func (r *mappingReader) judgeBelonging(m *model.Model) {
	at, ok := r.written["in_organization"]
	if !ok {
		return
	}
	n := &r.mapping.Names
	var others []string
	for _, t := range m.Types {
		for _, relation := range t.Relations {
			if !takes(relation, n.Organization.Type) {
				continue
			}
			if relation.Name == n.InOrganization {
				return
			}
			others = append(others, relation.Name)
		}
	}
	slices.Sort(others)
	suggestion, fix := didYouMean(r.src, at, n.InOrganization, "relations that do", slices.Compact(others))
	r.report.add(fault{code: codeMappingName, at: at, suggestion: suggestion, fix: fix,
		message: fmt.Sprintf("no type has a relation %s that takes %s", quote(n.InOrganization), quote(n.Organization.Type))})
}

// judgeAssignable demands that identity providers may assign an assignable relation.
func (r *mappingReader) judgeAssignable(m *model.Model, at span, a gate.Assignable) {
	if t := m.Type(a.Type); t == nil || t.Relation(a.Relation) == nil {
		name, kind, candidates := a.Type, "types of the model", typeNames(m)
		message := fmt.Sprintf("the model has no type %s", quote(a.Type))
		if t != nil {
			name, kind, candidates = a.Relation, "its relations", namesOf(t)
			message = fmt.Sprintf("the type %s has no relation %s", quote(a.Type), quote(a.Relation))
		}
		suggestion, _ := didYouMean(r.src, at, name, kind, candidates)
		r.report.add(fault{code: codeMappingName, at: at, message: message, suggestion: suggestion})
		return
	}
	for _, f := range a.Judge(m, &r.mapping.Names) {
		message, suggestion := assignableFault(f)
		r.report.add(fault{code: codeAssignable, at: at, message: message, suggestion: suggestion})
	}
}

// assignableFault says what is wrong with an assignable relation, and what to do.
func assignableFault(f gate.Fault) (message, suggestion string) {
	message = fmt.Sprintf("%s %s", quote(f.Type+"#"+f.Relation), f.Reason)
	if len(f.Path) > 0 {
		message += ": " + strings.Join(f.Path, " <- ")
	}
	return message, f.Help
}
