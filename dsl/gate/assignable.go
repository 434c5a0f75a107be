package gate

import (
	"fmt"
	"slices"

	"github.com/ostiary/ostiary/dsl/model"
)

// The relations that nobody gets by assignment, of whatever type.
var never = []string{"owner", "admin"}

// Judge returns why a relation cannot be assigned by identity providers in a model; nothing where it can. It
// can where
//
//   - it accepts single people directly, and its type is not one of those that identity is made of;
//   - the objects of its type belong to organizations, by a relation that holds nothing else;
//   - it holds people only while they are enabled in the organization of the object, so that an assignment is
//     worth nothing to who is deactivated, or where the object is moved to another organization;
//   - it is neither owner nor admin, and neither of the two is made of it, of the same type or of organizations:
//     what other types make of it is the application's.
func (a Assignable) Judge(m *model.Model, n *Names) Faults {
	l := &linter{model: m, names: n, around: map[place]step{}, assignable: a.Type}
	t, r := m.Type(a.Type), m.Relation(a.Type, a.Relation)
	if t == nil || r == nil {
		return Faults{{Type: a.Type, Relation: a.Relation, Reason: "does not exist", Help: "name a relation of the model"}}
	}
	if n.isGated(a.Type) || a.Type == n.Session.Type || a.Type == n.User {
		l.add(t, r, Fault{Reason: "is of a type that identity itself is made of",
			Help: "assign a relation of an application's type; 'ostiary org role add' makes roles of an organization"})
		return l.faults
	}
	if slices.Contains([]string{User, Organization, Group, Role, Entitlement, Session}, a.Type) ||
		a.Relation == InOrganization && n.InOrganization != InOrganization {
		l.add(t, r, Fault{Reason: "has a name of the identity module that means something else in the model",
			Help: "assign a relation whose type and name are not those of the module"})
		return l.faults
	}
	if l.judgePower(t, r); len(l.faults) > 0 {
		return l.faults
	}
	if !slices.Contains(r.Restrictions, model.Restriction{Type: n.User}) {
		l.add(t, r, Fault{Reason: fmt.Sprintf("does not accept %s directly", n.User),
			Help: fmt.Sprintf("put `%s` among its type restrictions", n.User)})
		return l.faults
	}
	if in := t.Relation(n.InOrganization); in == nil || !l.belongs(in) {
		l.add(t, r, Fault{Reason: fmt.Sprintf("is of a type whose objects belong to no organization by `%s`", n.InOrganization),
			Help: fmt.Sprintf("write `define %s: [%s]` in type %s", n.InOrganization, n.Organization.Type, a.Type)})
		return l.faults
	}
	l.solve()
	if at := (place{a.Type, a.Relation}); !l.closed(at) {
		l.add(t, r, Fault{Reason: "lets people through who are not enabled", Path: l.path(at), Help: l.helpFor(t)})
	}
	return l.faults
}

// closed reports whether a relation that solve has judged lets nobody through who is not enabled.
func (l *linter) closed(at place) bool {
	_, open := l.around[at]
	return !open
}

// judgePower refuses the relations that nobody gets by assignment, and what makes people such.
func (l *linter) judgePower(a *model.Type, r *model.Relation) {
	if slices.Contains(never, r.Name) {
		l.add(a, r, Fault{Reason: "is never assigned", Help: "who is owner or admin is for the application to say"})
		return
	}
	made := place{a.Name, r.Name}
	for _, t := range l.model.Types {
		if t != a && t.Name != l.names.Organization.Type {
			continue
		}
		for _, power := range never {
			at := place{t.Name, power}
			if p := t.Relation(power); p != nil && l.madeOf(t, p.Rewrite, made, map[place]bool{at: true}) {
				what := power
				if t != a {
					what += " of an " + t.Name
				}
				l.add(a, r, Fault{Reason: fmt.Sprintf("would make people %s, which is never assigned", what),
					Help: fmt.Sprintf("leave it out of `define %s`", power)})
			}
		}
	}
}

// madeOf reports whether a rewrite of a relation of a type may hold people because another relation does, of the
// same object or of those that it leads to.
func (l *linter) madeOf(t *model.Type, rw model.Rewrite, other place, seen map[place]bool) bool {
	any := func(children ...model.Rewrite) bool {
		return slices.ContainsFunc(children, func(child model.Rewrite) bool { return l.madeOf(t, child, other, seen) })
	}
	follow := func(typ, relation string) bool {
		at := place{typ, relation}
		if at == other {
			return l.model.Relation(typ, relation) != nil
		}
		t, r := l.model.Type(typ), l.model.Relation(typ, relation)
		if r == nil || seen[at] {
			return false
		}
		seen[at] = true
		return l.madeOf(t, r.Rewrite, other, seen)
	}
	switch rw := rw.(type) {
	case model.ComputedUserset:
		return follow(t.Name, rw.Relation)
	case model.TupleToUserset:
		tupleset := t.Relation(rw.Tupleset)
		return tupleset != nil && slices.ContainsFunc(tupleset.Restrictions, func(to model.Restriction) bool { return follow(to.Type, rw.Computed) })
	case model.Union:
		return any(rw.Children...)
	case model.Intersection:
		return any(rw.Children...)
	case model.Difference:
		return any(rw.Base)
	}
	return false
}
