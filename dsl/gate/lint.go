package gate

import (
	"fmt"
	"strings"

	"github.com/ostiary/ostiary/dsl/model"
)

// Fault is one way around the gate.
type Fault struct {
	Type, Relation string
	// Path leads from the relation to where a person enters who may not be enabled, a step a part:
	// "organization#support_agent", "[user]". It may be empty.
	Path []string
	// Reason says what is wrong, and Help what to do.
	Reason, Help string
}

// String returns the fault in one line.
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s#%s %s", f.Type, f.Relation, f.Reason)
	if len(f.Path) > 0 {
		fmt.Fprintf(&b, ": %s", strings.Join(f.Path, " <- "))
	}
	if f.Help != "" {
		fmt.Fprintf(&b, "; %s", f.Help)
	}
	return b.String()
}

// Faults are the ways around the gate of one model. As an error they are never empty.
type Faults []Fault

// Error returns the faults, one a line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Lint returns the ways around the gate of a model whose parts have the names given, in the order of the
// model; none where it is proved that there are none.
func Lint(m *model.Model, n *Names) Faults {
	l := &linter{model: m, names: n, around: map[place]step{}}
	if m.Relation(n.Organization.Type, n.Organization.Enabled) == nil {
		return Faults{{Type: n.Organization.Type, Relation: n.Organization.Enabled, Reason: "does not exist",
			Help: "a store with organizations needs the identity module, which 'ostiary org init' writes, or a mapping from before its first organization ('ostiary org mapping set')"}}
	}
	l.solve()
	for _, t := range m.Types {
		for _, r := range t.Relations {
			l.judge(t, r)
		}
	}
	return l.faults
}

// place is a relation of a type.
type place struct{ typ, relation string }

func (p place) String() string { return p.typ + "#" + p.relation }

// step says why a relation lets people through who are not enabled: by another relation, or where next is
// zero by what stands in text.
type step struct {
	next place
	text string
}

// linter finds the relations of gated types that people pass without being enabled. A relation is taken to
// hold none until a way is found, which is right for relations that lead back to themselves: they hold what
// enters somewhere.
type linter struct {
	model  *model.Model
	names  *Names
	around map[place]step
	faults Faults
	// assignable is a type of the application's that is judged like a gated one: one of its relations is
	// assigned by identity providers. It is empty otherwise.
	assignable string
}

// isGated is Names.isGated, and includes the assignable type.
func (l *linter) isGated(typ string) bool {
	return l.names.isGated(typ) || typ != "" && typ == l.assignable
}

// belonging is Names.belonging, and knows the assignable type.
func (l *linter) belonging(typ string) string {
	if typ == l.assignable {
		return l.names.InOrganization
	}
	return l.names.Belonging(typ)
}

// enabled is the relation that is the gate.
func (l *linter) enabled() place {
	return place{l.names.Organization.Type, l.names.Organization.Enabled}
}

// solve finds the ways, until there are no more.
func (l *linter) solve() {
	for grown := true; grown; {
		grown = false
		for _, t := range l.model.Types {
			for _, r := range t.Relations {
				at := place{t.Name, r.Name}
				if _, found := l.around[at]; found || !l.isGated(t.Name) || at == l.enabled() {
					continue
				}
				if why, open := l.open(t, r, r.Rewrite); open {
					l.around[at] = why
					grown = true
				}
			}
		}
	}
}

// open reports whether a rewrite holds people who are not enabled, as far as is known by now.
func (l *linter) open(t *model.Type, r *model.Relation, rw model.Rewrite) (step, bool) {
	switch rw := rw.(type) {
	case model.Direct:
		return l.openDirect(r)
	case model.ComputedUserset:
		return l.openAt(t.Name, rw.Relation)
	case model.TupleToUserset:
		return l.openFrom(t, rw)
	case model.Union:
		for _, child := range rw.Children {
			if why, open := l.open(t, r, child); open {
				return why, true
			}
		}
		return step{}, false
	case model.Intersection:
		var first step
		for i, child := range rw.Children {
			why, open := l.open(t, r, child)
			if !open {
				return step{}, false
			}
			if i == 0 {
				first = why
			}
		}
		return first, true
	case model.Difference:
		return l.open(t, r, rw.Base)
	}
	return step{text: fmt.Sprintf("a rewrite of the kind %T", rw)}, true // not known: nothing is proved
}

// openAt judges a relation of a gated type. Who is enabled is no way around the gate.
func (l *linter) openAt(typ, relation string) (step, bool) {
	at := place{typ, relation}
	if l.names.IsRaw(typ, relation) {
		return step{next: at}, true
	}
	_, open := l.around[at]
	return step{next: at}, open
}

// openDirect judges what is written directly: people, and sets of people, which may be of another
// organization.
func (l *linter) openDirect(r *model.Relation) (step, bool) {
	for _, restriction := range r.Restrictions {
		if restriction.Relation != "" || restriction.Type == l.names.User {
			return step{text: "[" + restriction.String() + "]"}, true
		}
	}
	return step{}, false
}

// openFrom judges a tuple-to-userset. It is no way around the gate where it leads from a group, role or
// entitlement to its organization, and there to what passes the gate. Of any other nothing is proved.
func (l *linter) openFrom(t *model.Type, rw model.TupleToUserset) (step, bool) {
	if t.Name == l.names.Organization.Type || rw.Tupleset != l.belonging(t.Name) {
		return step{text: rw.Computed + " from " + rw.Tupleset}, true
	}
	return l.openAt(l.names.Organization.Type, rw.Computed)
}

func (l *linter) judge(t *model.Type, r *model.Relation) {
	at := place{t.Name, r.Name}
	l.judgeReferences(t, r)
	switch {
	case at == l.enabled():
		l.judgeEnabled(r)
	case l.names.isGated(t.Name) && t.Name != l.names.Organization.Type && r.Name == l.names.Belonging(t.Name):
		l.judgeBelonging(t, r)
	case l.names.IsRaw(t.Name, r.Name):
		l.judgeRaw(t, r)
	default:
		if _, open := l.around[at]; open {
			l.add(t, r, Fault{Reason: "lets people through who are not enabled", Path: l.path(at), Help: l.helpFor(t)})
		}
	}
}

func (l *linter) helpFor(t *model.Type) string {
	enabled := l.names.Organization.Enabled
	if t.Name == l.names.Organization.Type {
		return fmt.Sprintf("join it with `and %s`", enabled)
	}
	return fmt.Sprintf("join it with `and %s from %s`", enabled, l.belonging(t.Name))
}

// path follows the steps from a relation to where people enter.
func (l *linter) path(at place) []string {
	path := []string{at.String()}
	for len(path) <= len(l.around)+1 {
		why, found := l.around[at]
		switch {
		case !found:
			return path
		case why.next == (place{}):
			return append(path, why.text)
		}
		at = why.next
		path = append(path, at.String())
	}
	return path
}

// judgeEnabled demands that organization#enabled hold what is written to it, or less.
func (l *linter) judgeEnabled(r *model.Relation) {
	organization := l.model.Type(l.names.Organization.Type)
	if !narrowed(r.Rewrite) {
		l.add(organization, r, Fault{Reason: "is not made of tuples alone",
			Help: fmt.Sprintf("write `define %s: [%s]`; `and` and `but not` may narrow it", r.Name, l.names.User)})
	}
	for _, restriction := range r.Restrictions {
		if restriction.Relation != "" {
			l.add(organization, r, Fault{
				Reason: fmt.Sprintf("takes the set %s, and whoever is in it would be enabled", restriction),
				Help:   "leave it out: each person is enabled by a tuple of their own",
			})
		}
	}
}

// narrowed reports whether a rewrite is what was written directly, or a part of it.
func narrowed(rw model.Rewrite) bool {
	switch rw := rw.(type) {
	case model.Direct:
		return true
	case model.Intersection:
		for _, child := range rw.Children {
			if narrowed(child) {
				return true
			}
		}
	case model.Difference:
		return narrowed(rw.Base)
	}
	return false
}

// judgeBelonging demands that a group, role or entitlement belong to an organization and to nothing else.
func (l *linter) judgeBelonging(t *model.Type, r *model.Relation) {
	organization := l.names.Organization.Type
	if l.belongs(r) {
		return
	}
	l.add(t, r, Fault{Reason: fmt.Sprintf("is not exactly [%s]", organization),
		Help: fmt.Sprintf("write `define %s: [%s]`: whose gate counts must be plain", r.Name, organization)})
}

// belongs reports whether a relation holds organizations and nothing else.
func (l *linter) belongs(r *model.Relation) bool {
	_, direct := r.Rewrite.(model.Direct)
	return direct && len(r.Restrictions) == 1 && r.Restrictions[0] == (model.Restriction{Type: l.names.Organization.Type})
}

// judgeRaw demands that a raw relation of a gated type hold what is written to it, so that it is not filled
// from elsewhere.
func (l *linter) judgeRaw(t *model.Type, r *model.Relation) {
	if t.Name != l.names.Session.Type && !narrowed(r.Rewrite) {
		l.add(t, r, Fault{Reason: "is not made of tuples alone", Help: "it holds what the identity provider says, and nothing else"})
	}
}

// judgeReferences refuses what leads from another type to a raw relation. What a session says of its
// subject may be joined with the gate by the organization itself.
func (l *linter) judgeReferences(t *model.Type, r *model.Relation) {
	refuse := func(target place) {
		if target.typ == l.names.Session.Type && t.Name == l.names.Organization.Type {
			return // judged as every relation of an organization
		}
		l.add(t, r, Fault{Reason: fmt.Sprintf("refers to %s, which holds people who are not enabled", target),
			Help: l.instead(target)})
	}
	for _, restriction := range r.Restrictions {
		if restriction.Relation != "" && l.names.IsRaw(restriction.Type, restriction.Relation) {
			refuse(place{restriction.Type, restriction.Relation})
		}
	}
	l.eachFrom(r.Rewrite, func(rw model.TupleToUserset) {
		tupleset := t.Relation(rw.Tupleset)
		if tupleset == nil {
			return
		}
		seen := map[string]bool{}
		for _, restriction := range tupleset.Restrictions {
			if l.names.IsRaw(restriction.Type, rw.Computed) && l.model.Relation(restriction.Type, rw.Computed) != nil && !seen[restriction.Type] {
				seen[restriction.Type] = true
				refuse(place{restriction.Type, rw.Computed})
			}
		}
	})
}

// instead names the relation to refer to in the place of a raw one.
func (l *linter) instead(target place) string {
	n := l.names
	passes := place{n.Organization.Type, n.Organization.Live}
	switch target.typ {
	case n.Organization.Type:
		passes = place{target.typ, n.Organization.Member}
	case n.Group.Type:
		passes = place{target.typ, n.Group.Member}
	case n.Role.Type:
		passes = place{target.typ, n.Role.Holder}
	case n.Entitlement.Type:
		passes = place{target.typ, n.Entitlement.Holder}
	}
	if passes.relation == "" {
		return "leave it out"
	}
	return "use " + passes.String()
}

func (l *linter) eachFrom(rw model.Rewrite, visit func(model.TupleToUserset)) {
	switch rw := rw.(type) {
	case model.TupleToUserset:
		visit(rw)
	case model.Union:
		for _, child := range rw.Children {
			l.eachFrom(child, visit)
		}
	case model.Intersection:
		for _, child := range rw.Children {
			l.eachFrom(child, visit)
		}
	case model.Difference:
		l.eachFrom(rw.Base, visit)
		l.eachFrom(rw.Subtract, visit)
	}
}

func (l *linter) add(t *model.Type, r *model.Relation, f Fault) {
	f.Type, f.Relation = t.Name, r.Name
	l.faults = append(l.faults, f)
}
