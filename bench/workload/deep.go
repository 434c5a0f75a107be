package workload

import "github.com/ostiary/ostiary"

const deepModel = `model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type doc
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
`

// deep has chains, 1,000 at Mid. A chain is 20 groups, each a member of the one before, with a user in
// each and 10 more in the innermost; 20 folders, each in the one before; and 5 documents in the
// innermost folder. The outermost folder has a user as viewer, the folder halfway down the group halfway
// down, and the first document the outermost group. So a path from a document to a user has at most
// 21 steps, four fewer than the depth limit.
type deep struct {
	oneStore
	unnamed
	chains int

	viewer source
}

const (
	deepLevels = 20
	deepDocs   = 5
	deepInner  = 10
	deepUsers  = deepLevels + deepInner // of a chain
)

func newDeep(scale string, seed uint64) shape {
	return &deep{chains: 10 * hundredths(scale), viewer: source(seed).aspect("deep").aspect("viewer")}
}

func (w *deep) model() string { return deepModel }

func (w *deep) size(int) int { return w.chains * (2*(deepLevels-1) + deepUsers + 2 + deepDocs + 1) }

// top returns the user who may view the outermost folder of a chain.
func (w *deep) top(chain int) int { return w.viewer.below(chain, 0, w.chains*deepUsers) }

func (w *deep) tuples(_ int, out *emitter) {
	for c := 0; c < w.chains && !out.done; c++ {
		first := c * deepLevels
		for l := range deepLevels - 1 {
			out.add(object("group", first+l), "member", members("group", first+l+1, "member"))
			out.add(object("folder", first+l+1), "parent", subject("folder", first+l))
		}
		for u := range deepUsers {
			out.add(object("group", first+min(u, deepLevels-1)), "member", subject("user", c*deepUsers+u))
		}
		out.add(object("folder", first), "viewer", subject("user", w.top(c)))
		half := first + deepLevels/2
		out.add(object("folder", half), "viewer", members("group", half, "member"))
		for d := range deepDocs {
			out.add(object("doc", c*deepDocs+d), "parent", subject("folder", first+deepLevels-1))
		}
		out.add(object("doc", c*deepDocs), "viewer", members("group", first, "member"))
	}
}

// check asks half of the time for a document of the user's own chain.
func (w *deep) check(q *Questions) Question {
	user, chain := q.key(w.chains*deepUsers), q.key(w.chains)
	if q.chance(1, 2) {
		chain = user / deepUsers
	}
	return Question{Object: object("doc", chain*deepDocs+q.rng.IntN(deepDocs)), Relation: "viewer", Subject: subject("user", user)}
}

func (w *deep) listObjects(q *Questions) Question {
	return Question{Object: ostiary.ObjectRef{Type: "doc"}, Relation: "viewer", Subject: subject("user", q.key(w.chains*deepUsers))}
}

func (w *deep) listUsers(q *Questions) Question {
	return Question{Object: object("doc", q.key(w.chains*deepDocs)), Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user"}}
}

func (w *deep) newTuple(q *Questions, f fresh) (int, ostiary.Edge) {
	switch f.turn % 4 {
	case 0:
		return 0, edge(object("group", q.key(w.chains*deepLevels)), "member", f.subject("user"))
	case 1:
		return 0, edge(object("folder", q.key(w.chains*deepLevels)), "viewer", f.subject("user"))
	case 2:
		return 0, edge(f.object("doc"), "viewer", subject("user", q.key(w.chains*deepUsers)))
	}
	return 0, edge(f.object("doc"), "parent", subject("folder", q.key(w.chains*deepLevels)))
}

func (w *deep) revocable(q *Questions, f fresh) (int, ostiary.Edge, Question) {
	view := func(o ostiary.ObjectRef, s ostiary.SubjectRef) Question {
		return Question{Object: o, Relation: "viewer", Subject: s}
	}
	chain := q.key(w.chains)
	first, doc := chain*deepLevels, object("doc", chain*deepDocs)
	switch user := f.subject("user"); f.turn % 4 {
	case 0: // a new user in the innermost group, which reaches the document through twenty
		return 0, edge(object("group", first+deepLevels-1), "member", user), view(doc, user)
	case 1: // a new user on the outermost folder
		return 0, edge(object("folder", first), "viewer", user), view(doc, user)
	case 2: // a new document for the outermost group; the user is in the innermost
		doc := f.object("doc")
		return 0, edge(doc, "viewer", members("group", first, "member")), view(doc, subject("user", chain*deepUsers+deepUsers-1))
	}
	// a new document in the innermost folder; the user views the outermost
	doc = f.object("doc")
	return 0, edge(doc, "parent", subject("folder", first+deepLevels-1)), view(doc, subject("user", w.top(chain)))
}
