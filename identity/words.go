package identity

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// This package is written in the names of the identity module (gate.Organization, gate.Enabled, …). A store
// whose model calls the parts otherwise has a mapping, and words translate at the edge: what is read from a
// view, and what is proposed. No two names of a model become one name of the module, nor the other way round.

// words translate between the names of the identity module and those of a store's model. Nil words change
// nothing. They are immutable.
type words struct {
	types renaming
	// relations of the identity module's types, by type; of other types it is within.
	relations map[string]renaming
	within    renaming
}

// renaming takes the module's names to those of a model, and back.
type renaming struct {
	toModel  map[string]string // by the module's name; empty where the model leaves the part out
	toModule map[string]string
}

// notOurs begins what a name of a model becomes that is one of the module's without being its part. No name of
// a type or relation holds it.
const notOurs = "\x00"

func newRenaming(pairs ...string) renaming {
	r := renaming{map[string]string{}, map[string]string{}}
	for ; len(pairs) > 1; pairs = pairs[2:] {
		r.toModel[pairs[0]] = pairs[1]
		if pairs[1] != "" {
			r.toModule[pairs[1]] = pairs[0]
		}
	}
	return r
}

// model returns the model's name, and whether the model has the part.
func (r renaming) model(name string) (string, bool) {
	if renamed, ours := r.toModel[name]; ours {
		return renamed, renamed != ""
	}
	return strings.TrimPrefix(name, notOurs), true
}

// module returns the module's name.
func (r renaming) module(name string) string {
	if ours, is := r.toModule[name]; is {
		return ours
	}
	if _, taken := r.toModel[name]; taken {
		return notOurs + name
	}
	return name
}

func newWords(n *gate.Names) *words {
	if *n == *gate.Default() {
		return nil
	}
	assigned := func(a gate.AssignedNames, holder string) renaming {
		return newRenaming(gate.InOrganization, a.Organization, gate.Direct, a.Direct, holder, a.Holder)
	}
	return &words{
		types: newRenaming(gate.User, n.User, gate.Organization, n.Organization.Type, gate.Group, n.Group.Type,
			gate.Role, n.Role.Type, gate.Entitlement, n.Entitlement.Type, gate.Session, n.Session.Type),
		relations: map[string]renaming{
			gate.Organization: newRenaming(gate.Enabled, n.Organization.Enabled, gate.DirectoryMember, n.Organization.DirectoryMember,
				gate.Member, n.Organization.Member, gate.Invited, n.Organization.Invited, gate.Live, n.Organization.Live),
			gate.Group: newRenaming(gate.InOrganization, n.Group.Organization, gate.Assigned, n.Group.Assigned, gate.Member, n.Group.Member),
			gate.Role:  assigned(n.Role, gate.Assignee), gate.Entitlement: assigned(n.Entitlement, gate.Holder),
			gate.Session: {}, // its relations have the module's names
		},
		within: newRenaming(gate.InOrganization, n.InOrganization),
	}
}

// relationsOf returns the renaming of the relations of a type of the module's names.
func (w *words) relationsOf(typ string) renaming {
	if r, ours := w.relations[typ]; ours {
		return r
	}
	return w.within
}

// missing is a part that a model leaves out.
type missing struct {
	part string // empty: none
	// relation: it is a single relation, and nothing is lost where it is not written.
	relation bool
}

// model returns a type and relation, which may be empty, as the model calls them.
func (w *words) model(typ, relation string) (string, string, missing) {
	renamed, there := w.types.model(typ)
	if !there {
		return "", "", missing{part: typ}
	}
	if relation == "" {
		return renamed, "", missing{}
	}
	name, there := w.relationsOf(typ).model(relation)
	if !there {
		return "", "", missing{part: typ + "#" + relation, relation: true}
	}
	return renamed, name, missing{}
}

// modelTuple returns a tuple as the model calls it.
func (w *words) modelTuple(t ostiary.Tuple) (ostiary.Tuple, missing) {
	var lacks missing
	if t.Object.Type, t.Relation, lacks = w.model(t.Object.Type, t.Relation); lacks.part != "" {
		return t, lacks
	}
	t.Subject, lacks = w.modelSubject(t.Subject)
	return t, lacks
}

func (w *words) modelSubject(s ostiary.SubjectRef) (_ ostiary.SubjectRef, lacks missing) {
	if s.Type != "" {
		s.Type, s.Relation, lacks = w.model(s.Type, s.Relation)
	}
	return s, lacks
}

// moduleTuple returns a tuple of the model's in the names of the module.
func (w *words) moduleTuple(t ostiary.Tuple) ostiary.Tuple {
	t.Object.Type = w.types.module(t.Object.Type)
	t.Relation = w.relationsOf(t.Object.Type).module(t.Relation)
	t.Subject.Type = w.types.module(t.Subject.Type)
	if t.Subject.Relation != "" {
		t.Subject.Relation = w.relationsOf(t.Subject.Type).module(t.Subject.Relation)
	}
	return t
}

// modelFilter returns a filter as the model calls things. Where it names a relation but no type of objects, it
// cannot be said by a filter: it is left with every relation, and whole is false.
func (w *words) modelFilter(f ostiary.Filter) (_ ostiary.Filter, whole bool, lacks missing) {
	objects := f.ObjectType
	if f.Object.Type != "" {
		objects = f.Object.Type
	}
	whole = objects != "" || f.Relation == ""
	typ, relation := "", ""
	if objects != "" {
		if typ, relation, lacks = w.model(objects, f.Relation); lacks.part != "" {
			return f, whole, lacks
		}
	}
	f.Relation = relation
	if f.Object.Type != "" {
		f.Object.Type = typ
	}
	if f.ObjectType != "" {
		if f.ObjectType, _, lacks = w.model(f.ObjectType, ""); lacks.part != "" {
			return f, whole, lacks
		}
	}
	f.Subject, lacks = w.modelSubject(f.Subject)
	return f, whole, lacks
}

// modelMutation returns a mutation of one store as its model calls things. What rests on or takes away parts
// that the model leaves out is left out; what would write them is refused.
func (w *words) modelMutation(store string, m *ostiary.Mutation) error {
	filters := m.Filters[:0:0]
	for _, f := range m.Filters {
		if f.Filter.Store == store {
			named, whole, lacks := w.modelFilter(f.Filter)
			if lacks.part != "" {
				continue
			}
			if !whole {
				return fmt.Errorf("delete by %+v: a filter by relation needs the type of the objects", f.Filter)
			}
			f.Filter = named
		}
		filters = append(filters, f)
	}
	tuples := m.Tuples[:0:0]
	for _, c := range m.Tuples {
		if c.Store == store {
			named, lacks := w.modelTuple(c.Tuple)
			switch {
			case lacks.part == "":
				c.Tuple = named
			case lacks.relation || c.Op == ostiary.TupleDelete || c.Op == ostiary.TupleRelease:
				continue
			default:
				return invalid("the mapping of the store leaves out %s: its model has none (ostiary org mapping show)", lacks.part)
			}
		}
		tuples = append(tuples, c)
	}
	preconditions := m.Preconditions[:0:0]
	for _, p := range m.Preconditions {
		if p.Kind == ostiary.FilterMatchesNothing && p.Filter.Store == store {
			named, whole, lacks := w.modelFilter(p.Filter)
			if lacks.part != "" {
				continue
			}
			if !whole {
				return fmt.Errorf("rest on %+v: a filter by relation needs the type of the objects", p.Filter)
			}
			p.Filter = named
		}
		if p.Store == store { // a precondition on one tuple
			named, lacks := w.modelTuple(p.Tuple)
			switch {
			case lacks.part == "":
				p.Tuple = named
			case p.Kind == ostiary.TupleAbsent:
				continue
			default:
				return invalid("the mapping of the store leaves out %s", lacks.part)
			}
		}
		preconditions = append(preconditions, p)
	}
	m.Filters, m.Tuples, m.Preconditions = filters, tuples, preconditions
	return nil
}

// mappedView is a view in the names of the identity module.
type mappedView struct {
	View
	mu    sync.Mutex
	known map[string]knownWords // by store; guarded by mu
}

// knownWords are words with the document that they are of.
type knownWords struct {
	*words
	document ostiary.Document
}

// mappedBackend gives views in the names of the identity module.
type mappedBackend struct{ Backend }

// View returns a view in the names of the identity module.
func (b mappedBackend) View(ctx context.Context, f ostiary.Freshness) (View, error) {
	v, err := b.Backend.View(ctx, f)
	if err != nil {
		return nil, err
	}
	return &mappedView{View: v}, nil
}

// words returns those of a store.
func (v *mappedView) words(store string) (*words, error) {
	w, err := v.wordsOf(store)
	return w.words, err
}

func (v *mappedView) wordsOf(store string) (knownWords, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if w, known := v.known[store]; known {
		return w, nil
	}
	mapping, d, err := MappingOf(v.View, store)
	if err != nil {
		return knownWords{}, err
	}
	w := knownWords{newWords(&mapping.Names), d}
	if v.known == nil {
		v.known = map[string]knownWords{}
	}
	v.known[store] = w
	return w, nil
}

// LookUp calls found for each of the tuples that is there, in their order, until it returns false.
func (v *mappedView) LookUp(
	ctx context.Context, store string, tuples []ostiary.Tuple, found func(i int, t ostiary.StoredTuple) bool,
) error {
	w, err := v.words(store)
	if err != nil {
		return err
	}
	if w == nil {
		return v.View.LookUp(ctx, store, tuples, found)
	}
	named, index := make([]ostiary.Tuple, 0, len(tuples)), make([]int, 0, len(tuples))
	for i, t := range tuples {
		if t, lacks := w.modelTuple(t); lacks.part == "" {
			named, index = append(named, t), append(index, i)
		}
	}
	return v.View.LookUp(ctx, store, named, func(i int, t ostiary.StoredTuple) bool {
		t.Tuple = w.moduleTuple(t.Tuple)
		return found(index[i], t)
	})
}

// Tuples returns the tuples that match a filter, in the order of the model's names.
func (v *mappedView) Tuples(ctx context.Context, f ostiary.Filter, after *ostiary.Tuple) iter.Seq2[ostiary.StoredTuple, error] {
	w, err := v.words(f.Store)
	if err != nil {
		return func(yield func(ostiary.StoredTuple, error) bool) { yield(ostiary.StoredTuple{}, err) }
	}
	if w == nil {
		return v.View.Tuples(ctx, f, after)
	}
	named, whole, lacks := w.modelFilter(f)
	if lacks.part != "" {
		return func(func(ostiary.StoredTuple, error) bool) {}
	}
	if after != nil {
		t, _ := w.modelTuple(*after)
		after = &t
	}
	return func(yield func(ostiary.StoredTuple, error) bool) {
		for t, err := range v.View.Tuples(ctx, named, after) {
			if err == nil {
				t.Tuple = w.moduleTuple(t.Tuple)
				if !whole && t.Relation != f.Relation {
					continue
				}
			}
			if !yield(t, err) {
				return
			}
		}
	}
}

// inModelNames puts what a mutation says of tuples in the names of the models of their stores, as a view of
// this package shows them. The mutation rests on their mappings.
func inModelNames(v View, m *ostiary.Mutation) error {
	mapped, ok := v.(*mappedView)
	if !ok {
		return nil
	}
	for store := range storesOf(m) {
		w, err := mapped.wordsOf(store)
		if err == nil && w.words != nil {
			err = w.modelMutation(store, m)
		}
		if err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, RestOnMapping(w.document))
	}
	return nil
}

// storesOf returns the stores whose tuples a mutation names.
func storesOf(m *ostiary.Mutation) map[string]bool {
	stores := map[string]bool{}
	for i := range m.Filters {
		stores[m.Filters[i].Filter.Store] = true
	}
	for i := range m.Tuples {
		stores[m.Tuples[i].Store] = true
	}
	for i := range m.Preconditions {
		switch p := &m.Preconditions[i]; p.Kind {
		case ostiary.FilterMatchesNothing:
			stores[p.Filter.Store] = true
		case ostiary.TuplePresent, ostiary.TupleAbsent, ostiary.TupleAlone:
			stores[p.Store] = true
		}
	}
	return stores
}

// spelled returns a tuple as the model of its store calls it, for people.
func spelled(v View, store string, t ostiary.Tuple) string {
	if mapped, ok := v.(*mappedView); ok {
		if w, err := mapped.words(store); err == nil && w != nil {
			t, _ = w.modelTuple(t)
		}
	}
	return t.String()
}
