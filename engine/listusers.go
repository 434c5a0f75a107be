package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

// UserFilter is a subject shape: plain objects of a type, or with Relation the usersets of it.
type UserFilter struct {
	Type     string
	Relation string // empty for plain objects
}

// String returns the shape as text: "user" or "group#member".
func (f UserFilter) String() string {
	if f.Relation == "" {
		return f.Type
	}
	return f.Type + "#" + f.Relation
}

// ListUsersQuery asks which subjects of one shape have Relation to Object.
type ListUsersQuery struct {
	Object   ostiary.ObjectRef
	Relation string
	Filter   UserFilter
	Context  map[string]any // as in CheckQuery

	// After and Limit cut the list: to what comes after the subject with the id After, and of that to the
	// first Limit. Zero values cut nothing.
	After string
	Limit int
	Work  *Work // as in CheckQuery
}

// String returns the question as text: "document:1#viewer@user".
func (q ListUsersQuery) String() string {
	return q.Object.String() + "#" + q.Relation + "@" + q.Filter.String()
}

// ListUsers returns every subject that q asks for: the wildcard first, the rest by id.
//
// For a filter on plain objects the wildcard "user:*" is in the list exactly when Check allows it as
// subject. Then every user who is not mentioned by a tuple is allowed too; of those mentioned on the
// way from the object, the list holds the ones that Check allows.
//
// Errors are those of Check: the list fails when one of its subjects, or all that are not mentioned,
// depend on a branch beyond the depth limit. It fails also, as in OpenFGA, when a condition on the way
// from the object cannot be evaluated, even where Check would find an answer without it.
func (e *Engine) ListUsers(ctx context.Context, p *Plan, r Reader, q ListUsersQuery) ([]ostiary.SubjectRef, error) {
	users, err := e.listUsers(ctx, p, r, q)
	if err != nil {
		return nil, fmt.Errorf("list users %s: %w", q, err)
	}
	return users, nil
}

func (e *Engine) listUsers(ctx context.Context, p *Plan, r Reader, q ListUsersQuery) ([]ostiary.SubjectRef, error) {
	rel, err := p.relation(q.Object.Type, q.Relation)
	if err != nil {
		return nil, err
	}
	sp, err := p.shapeFor(shape{typ: q.Filter.Type, relation: q.Filter.Relation})
	if err != nil {
		return nil, err
	}
	n := sp.node(rel)
	if n == nil {
		return nil, nil
	}
	u := &users{walk: walk{run: e.newRun(ctx, p, r, q.Context)}, filter: q.Filter, memo: map[ground]foundUsers{}}
	u.sets = &u.own
	defer func() { q.Work.ofList(&u.run) }()
	set := u.outside([]link{{ground{n, q.Object.ID}, yes}}, 0)
	if !u.alive() {
		return nil, u.err
	}
	if u.failed != nil || set.doubtful() {
		if err := u.doubt(); err != nil {
			return nil, err
		}
	}
	ids := make([]string, 0, len(set.named))
	var sorting sorting
	for id, l := range set.named {
		if !u.step() {
			return nil, u.err
		}
		if l == yes && (q.After == "" || q.After == ostiary.Wildcard || id > q.After) {
			sorting.add(leadingBytes(id), uint32(len(ids)))
			ids = append(ids, id)
		}
	}
	sorted := sorting.first(ids, q.Limit)
	found := make([]ostiary.SubjectRef, 0, len(sorted)+1)
	if set.rest == yes && q.After == "" {
		found = append(found, ostiary.SubjectRef{Type: q.Filter.Type, ID: ostiary.Wildcard})
	}
	for i := range sorted {
		found = append(found, ostiary.SubjectRef{Type: q.Filter.Type, ID: ids[sorted[i].at], Relation: q.Filter.Relation})
	}
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	return found, nil
}

// users evaluates relations of objects as sets of subjects of one shape.
type users struct {
	walk
	filter UserFilter
	memo   map[ground]foundUsers
}

type foundUsers struct {
	set      userSet
	doubtful bool
	depth    int
}

// The methods of source, over sets of subjects.

func (u *users) start(g ground) userSet {
	if g.n.reflexive {
		return userSet{named: map[string]level{g.id: yes}}
	}
	return userSet{}
}

func (u *users) local(x *expr, id string) (userSet, int) {
	if x.kind == exprTTU {
		return userSet{}, u.readTupleset(x, id)
	}
	base := len(u.links)
	tuples := u.tuplesOf(x.rel, id)
	var set userSet
	if x.wildcard.any() {
		everyone := ostiary.Tuple{
			Object:   ostiary.ObjectRef{Type: x.rel.typ, ID: id},
			Relation: x.rel.relation,
			Subject:  ostiary.SubjectRef{Type: u.filter.Type, ID: ostiary.Wildcard},
		}
		set.rest = u.exact(tuples.Find(x.wildcardHead), &everyone, &x.wildcard)
	}
	open := false
	for i := range x.usersets {
		t := &x.usersets[i]
		if g := tuples.Find(t.head); g.Open {
			open = true
		} else {
			u.push(g, t)
		}
	}
	named := edges.Group{}
	if x.self.any() {
		named = tuples.Find(x.selfHead)
	}
	if open || named.Open {
		u.stream(&set, x, id, tuples)
	}
	if !named.Open {
		u.addGroup(&set, x, named)
	}
	return set, base
}

// addGroup takes up the tuples to subjects of the shape asked for.
func (u *users) addGroup(set *userSet, x *expr, g edges.Group) {
	n, odd := g.Len(), g.Odd()
	if n+len(odd) == 0 || !u.countMany(n+len(odd)) {
		return
	}
	if x.self.plain {
		if set.named == nil {
			set.named = make(map[string]level, n+len(odd))
		}
		for i := range n {
			if !u.put(set, g.ID(i), yes) {
				return
			}
		}
	}
	for i := range odd {
		u.addNamed(set, odd[i].Subject.ID, u.judgeStored(&odd[i], &x.self))
	}
}

func (u *users) addNamed(set *userSet, id string, l level) {
	if l != no {
		u.put(set, id, max(l, set.rest))
	}
}

// stream reads the tuples of a relation whose groups are open.
func (u *users) stream(set *userSet, x *expr, id string, tuples *edges.Set) {
	object := ostiary.ObjectRef{Type: x.rel.typ, ID: id}
	seq := u.reader.Usersets(u.ctx, object, x.rel.relation)
	if x.self.any() && tuples.Find(x.selfHead).Open {
		seq = u.reader.Subjects(u.ctx, object, x.rel.relation)
	}
	for e, err := range seq {
		if err != nil {
			u.err = fmt.Errorf("read the tuples of %s#%s: %w", object, x.rel.relation, err)
			return
		}
		if !u.count() {
			return
		}
		switch s := e.Subject; {
		case s.IsUserset():
			if t := find(x.usersets, s.Type, s.Relation); t != nil && tuples.Find(t.head).Open {
				if worth := u.judge(e, t.restriction); worth != no {
					u.links = append(u.links, link{ground{t.node, s.ID}, worth})
				}
			}
		case s.Type == u.filter.Type && !s.IsWildcard() && x.self.any():
			u.addNamed(set, s.ID, u.judge(e, x.self))
		}
	}
}

func (u *users) known(g ground, depth int) (userSet, bool) {
	f, ok := u.memo[g]
	return f.set, ok && (!f.doubtful || depth >= f.depth)
}

func (u *users) outside(links []link, depth int) userSet {
	var sets []userSet
	recursive := map[int][]link{} // by component
	for _, k := range links {
		set, ok := u.known(k.to, depth)
		switch {
		case ok:
		case !u.within(depth):
			set = u.cut()
		case k.to.n.recursive:
			recursive[k.to.n.component] = append(recursive[k.to.n.component], k)
			continue
		default:
			set = evaluateOnce(u, k.to, depth)
			u.keep(k.to, set, depth)
		}
		sets = append(sets, u.cap(set, k.cap))
	}
	for _, component := range slices.Sorted(maps.Keys(recursive)) {
		set, s := solveSystem(u, recursive[component], depth)
		for _, unknown := range s.unknowns {
			u.keep(unknown.ground, unknown.low, unknown.depth)
		}
		sets = append(sets, set)
	}
	return u.or(sets)
}

func (u *users) keep(g ground, set userSet, depth int) {
	if u.err == nil {
		u.memo[g] = foundUsers{set: set, doubtful: set.doubtful(), depth: depth}
	}
}

func (*users) shares() bool { return true }

// cut: anyone may be behind the depth limit.
func (u *users) cut() userSet { return userSet{rest: u.cutOff()} }
