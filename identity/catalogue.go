package identity

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Catalogue is what the people of an organization can be given, at the revision of a view: the roles and
// entitlements that an operator has made, and of each relation that the store's mapping calls assignable one
// for each object that is the organization's.
//
// An object is the organization's where its tuple to an organization is the only one it has, names that
// organization, and is bound neither to a condition nor to a time. One goroutine uses a Catalogue.
type Catalogue struct {
	view                View
	store, organization string
	mapping             *gate.Mapping
	document            ostiary.Document // of the mapping
	words               *words
	own                 []Role // by id
	most                int    // objects that one list reads
}

// maxAssignableObjects bounds the objects that one list of a catalogue reads. What lies beyond can be assigned,
// and found by its id or value.
const maxAssignableObjects = 100_000

func readCatalogue(v View, store, organization string) (*Catalogue, error) {
	own, err := readRoles(v, store, organization)
	if err != nil {
		return nil, err
	}
	mapping, d, err := MappingOf(v, store)
	if err != nil {
		return nil, err
	}
	w, err := wordsOf(v, store)
	return &Catalogue{view: v, store: store, organization: organization, mapping: mapping, document: d, words: w, own: own,
		most: maxAssignableObjects}, err
}

// Catalogue returns what the people of the connection's organization can be given.
func (v *DirectoryView) Catalogue() (*Catalogue, error) {
	return readCatalogue(v.view, v.connection.Store, v.connection.Organization)
}

// kindAssigned begins the ids of roles and entitlements that are relations of objects. The letter of a role or
// an entitlement follows, and the value.
const kindAssigned = "m"

// assigned is a relation of an object that can be given, in the names of the model, as the mapping has them.
type assigned struct {
	kind     string // kindRole or kindEntitlement
	object   ostiary.ObjectRef
	relation string
}

// value names it for identity providers: "workspace:W#editor".
func (a assigned) value() string { return a.object.String() + "#" + a.relation }

// id returns the value in a form that is safe in URLs. It says all, so that a tuple that was written can be
// found when object and mapping have changed.
func (a assigned) id() string {
	return kindAssigned + a.kind + base64.RawURLEncoding.EncodeToString([]byte(a.value()))
}

// parseAssigned reads an id.
func parseAssigned(id string) (assigned, bool) {
	for _, kind := range []string{kindRole, kindEntitlement} {
		rest, ok := strings.CutPrefix(id, kindAssigned+kind)
		if !ok {
			continue
		}
		value, err := base64.RawURLEncoding.Strict().DecodeString(rest)
		if err != nil {
			return assigned{}, false
		}
		a, ok := parseAssignedValue(kind, string(value))
		return a, ok && a.id() == id
	}
	return assigned{}, false
}

// parseAssignedValue reads a value.
func parseAssignedValue(kind, value string) (assigned, bool) {
	s, err := ostiary.ParseSubject(value)
	if err != nil || !s.IsUserset() || len(s.Object().String()) > ostiary.MaxObjectBytes {
		return assigned{}, false
	}
	return assigned{kind, s.Object(), s.Relation}, true
}

// in returns object and relation as a view of this package shows them.
func (a assigned) in(w *words) (ostiary.ObjectRef, string) {
	o, relation := a.object, a.relation
	if w != nil {
		o.Type = w.types.module(o.Type)
		relation = w.relationsOf(o.Type).module(relation)
	}
	return o, relation
}

// wordsOf returns the words by which a view shows a store; nil where it shows the model's own.
func wordsOf(v View, store string) (*words, error) {
	if mapped, ok := v.(*mappedView); ok {
		return mapped.words(store)
	}
	return nil, nil
}

// letterOf returns the letter of ids of roles, or of entitlements.
func letterOf(entitlement bool) string {
	if entitlement {
		return kindEntitlement
	}
	return kindRole
}

// entry returns the entry of the mapping that lets a relation be assigned.
func (k *Catalogue) entry(a assigned) (gate.Assignable, bool) {
	for _, entry := range k.mapping.Assignable {
		if entry.Kind == called(a.kind) && entry.Type == a.object.Type && entry.Relation == a.relation {
			return entry, true
		}
	}
	return gate.Assignable{}, false
}

// called returns what a mapping calls a kind of ids.
func called(kind string) string {
	if kind == kindEntitlement {
		return gate.KindEntitlement
	}
	return gate.KindRole
}

// entries returns those of the mapping of one kind, by type and relation.
func (k *Catalogue) entries(kind string) []gate.Assignable {
	var all []gate.Assignable
	for _, entry := range k.mapping.Assignable {
		if entry.Kind == called(kind) {
			all = append(all, entry)
		}
	}
	slices.SortFunc(all, func(a, b gate.Assignable) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Relation, b.Relation))
	})
	return all
}

// belonging is the tuple that makes the object of something that can be given the organization's.
func (k *Catalogue) belonging(a assigned) ostiary.Tuple {
	o, _ := a.in(k.words)
	return ostiary.Tuple{Object: o, Relation: gate.InOrganization, Subject: ostiary.SubjectRef{Type: gate.Organization, ID: k.organization}}
}

// isOurs reports whether the object of something that can be given is the organization's, and no other's.
func (k *Catalogue) isOurs(ctx context.Context, a assigned) (bool, error) {
	want := k.belonging(a)
	ours := false
	for t, err := range k.view.Tuples(ctx, ostiary.Filter{Store: k.store, Object: want.Object, Relation: want.Relation}, nil) {
		if err != nil || t.Tuple != want || !isForGood(t) {
			return false, err
		}
		ours = true
	}
	return ours, nil
}

// isForGood reports whether somebody has written a tuple without condition and time.
func isForGood(t ostiary.StoredTuple) bool {
	return slices.ContainsFunc(t.Grants, func(g ostiary.Grant) bool { return g.Condition == "" && g.ExpiryNanos == 0 })
}

// role describes a relation of an object.
func (a assigned) role(entry gate.Assignable) Role {
	return Role{
		ID: a.id(), Entitlement: a.kind == kindEntitlement, Value: a.value(),
		Display: fmt.Sprintf("%s (%s)", entry.Label, a.object.ID), Type: entry.TypeLabel,
		Description: fmt.Sprintf("The relation %s of %s.", a.relation, a.object),
	}
}

// Find returns the role, or the entitlement, of an id or a value.
func (k *Catalogue) Find(ctx context.Context, entitlement bool, name string) (Role, bool, error) {
	for _, r := range k.own {
		if r.Entitlement == entitlement && (r.ID == name || r.Value == name) {
			return r, true, nil
		}
	}
	a, ok := parseAssigned(name)
	if !ok {
		a, ok = parseAssignedValue(letterOf(entitlement), name)
	}
	if !ok || a.kind != letterOf(entitlement) {
		return Role{}, false, nil
	}
	entry, ok := k.entry(a)
	if !ok {
		return Role{}, false, nil
	}
	ours, err := k.isOurs(ctx, a)
	if err != nil || !ours {
		return Role{}, false, err
	}
	return a.role(entry), true, nil
}

// Describe returns what is known of a role or an entitlement that a person was given, by its id, whether or not
// it is in the catalogue still.
func (k *Catalogue) Describe(id string) Role {
	if i := slices.IndexFunc(k.own, func(r Role) bool { return r.ID == id }); i >= 0 {
		return k.own[i]
	}
	a, ok := parseAssigned(id)
	if !ok {
		return Role{ID: id, Value: id, Display: id}
	}
	entry, ok := k.entry(a)
	if !ok {
		entry = gate.Assignable{TypeLabel: a.object.Type, Label: a.relation}
	}
	return a.role(entry)
}

// All returns the roles, or the entitlements, after one of them: those of an operator by id, then relations by
// type, object and name. A list of more than maxAssignableObjects objects is ErrTooBroad.
func (k *Catalogue) All(ctx context.Context, entitlement bool, after string) iter.Seq2[Role, error] {
	return func(yield func(Role, error) bool) {
		from, beyond := parseAssigned(after)
		for _, r := range k.own {
			if r.Entitlement == entitlement && !beyond && r.ID > after && !yield(r, nil) {
				return
			}
		}
		entries := k.entries(letterOf(entitlement))
		left := k.most
		for len(entries) > 0 {
			n := 1 // the entries of one type
			for n < len(entries) && entries[n].Type == entries[0].Type {
				n++
			}
			if !beyond || entries[0].Type >= from.object.Type {
				if !k.eachOf(ctx, entries[:n], from, &left, yield) {
					return
				}
			}
			entries = entries[n:]
		}
	}
}

// eachOf yields the relations of the objects of one type after one of them, until that returns false.
func (k *Catalogue) eachOf(ctx context.Context, entries []gate.Assignable, from assigned, left *int, yield func(Role, error) bool) bool {
	first := assigned{letterOf(entries[0].Kind == gate.KindEntitlement), ostiary.ObjectRef{Type: entries[0].Type}, entries[0].Relation}
	each := func(id, after string) bool {
		if *left--; *left < 0 {
			yield(Role{}, fmt.Errorf("organization %s has more than %d objects of which relations can be assigned: find them by value: %w",
				k.organization, k.most, ostiary.ErrTooBroad))
			return false
		}
		a := first
		a.object.ID = id
		ours, err := k.isOurs(ctx, a)
		if err != nil {
			yield(Role{}, err)
			return false
		}
		for _, entry := range entries {
			if a.relation = entry.Relation; ours && a.relation > after && !yield(a.role(entry), nil) {
				return false
			}
		}
		return true
	}
	all := k.belonging(first)
	filter := ostiary.Filter{Store: k.store, Subject: all.Subject, ObjectType: all.Object.Type, Relation: all.Relation}
	var after *ostiary.Tuple
	if from.object.Type == first.object.Type {
		if !each(from.object.ID, from.relation) {
			return false
		}
		t := k.belonging(from)
		after = &t
	}
	for t, err := range k.view.Tuples(ctx, filter, after) {
		if err != nil {
			yield(Role{}, err)
			return false
		}
		if !each(t.Object.ID, "") {
			return false
		}
	}
	return true
}

// Types returns the sorts of the roles, or of the entitlements, for people, sorted.
func (k *Catalogue) Types(entitlement bool) []string {
	types := []string{}
	for _, r := range k.own {
		if r.Entitlement == entitlement && r.Type != "" {
			types = append(types, r.Type)
		}
	}
	for _, entry := range k.entries(letterOf(entitlement)) {
		types = append(types, entry.TypeLabel)
	}
	slices.Sort(types)
	return slices.Compact(types)
}
