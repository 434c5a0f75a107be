package workload

import "github.com/ostiary/ostiary"

const wideModel = `model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type doc
  relations
    define viewer: [user, group#member]
`

// wide has a group of very many users, g0, and a document shared with very many groups, d0. At Large
// g0 has 1,000,000 users and d0 is shared with 10,000 groups of ten users; Mid is a tenth of that in the
// size of g0 and the number of groups alike, Small a thousandth and Huge ten times. There are as many
// other documents as groups: every second one is shared with g0, the others with one group each.
type wide struct {
	oneStore
	users, groups, docs int

	memberOf, docShared source
}

const (
	wideGroup    = 10 // users in each small group
	wideSharedIn = 2  // one of so many documents is shared with the wide group
)

func newWide(scale string, seed uint64) shape {
	n := map[string]int{Small: 10, Mid: 1_000, Large: 10_000, Huge: 100_000}[scale]
	s := source(seed).aspect("wide")
	return &wide{users: 100 * n, groups: n, docs: n,
		memberOf: s.aspect("member of"), docShared: s.aspect("doc shared")}
}

func (w *wide) model() string { return wideModel }

func (w *wide) size(int) int { return w.users + w.groups*wideGroup + w.groups + w.docs }

// shared reports whether a document other than d0 is shared with the wide group.
func (w *wide) shared(doc int) bool { return w.docShared.oneIn(doc-1, wideSharedIn) }

// group returns the group that a document other than d0 is shared with.
func (w *wide) group(doc int) int {
	if w.shared(doc) {
		return 0
	}
	return doc
}

func (w *wide) tuples(_ int, out *emitter) {
	for u := 0; u < w.users && !out.done; u++ {
		out.add(object("group", 0), "member", subject("user", u))
	}
	var buf []int
	for g := 1; g <= w.groups && !out.done; g++ {
		buf = w.memberOf.distinct(buf[:0], g, wideGroup, w.users)
		for _, u := range buf {
			out.add(object("group", g), "member", subject("user", u))
		}
		out.add(object("doc", 0), "viewer", members("group", g, "member"))
	}
	for d := 1; d <= w.docs && !out.done; d++ {
		out.add(object("doc", d), "viewer", members("group", w.group(d), "member"))
	}
}

// check asks one time in three for the document of many groups. One user in two is in no group.
func (w *wide) check(q *Questions) Question {
	doc, user := 0, q.key(w.users)
	if !q.chance(1, 3) {
		doc = 1 + q.key(w.docs)
	}
	if q.chance(1, 2) {
		user += w.users
	}
	return Question{Object: object("doc", doc), Relation: "viewer", Subject: subject("user", user)}
}

func (w *wide) listObjects(q *Questions) Question {
	return Question{Object: ostiary.ObjectRef{Type: "doc"}, Relation: "viewer", Subject: subject("user", q.key(w.users))}
}

// listUsers asks for documents of small groups. See named for the others.
func (w *wide) listUsers(q *Questions) Question {
	block := q.key(w.docs / wideSharedIn)
	doc := 1 + block*wideSharedIn
	if w.shared(doc) {
		doc++
	}
	return Question{Object: object("doc", doc), Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user"}}
}

// named has users-of-groups, the users of all small groups, and users-of-group, those of the wide one.
func (w *wide) named(name string) (Question, bool) {
	q := Question{Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user"}}
	switch name {
	case "users-of-groups":
		q.Object = object("doc", 0)
	case "users-of-group":
		q.Object = object("doc", 1+w.docShared.chosen(0, wideSharedIn))
	default:
		return Question{}, false
	}
	return q, true
}

func (w *wide) newTuple(q *Questions, f fresh) (int, ostiary.Edge) {
	switch f.turn % 4 {
	case 0:
		return 0, edge(object("group", 0), "member", f.subject("user"))
	case 1:
		return 0, edge(object("group", 1+q.key(w.groups)), "member", f.subject("user"))
	case 2:
		return 0, edge(f.object("doc"), "viewer", members("group", 0, "member"))
	}
	return 0, edge(f.object("doc"), "viewer", subject("user", q.key(w.users)))
}

func (w *wide) revocable(q *Questions, f fresh) (int, ostiary.Edge, Question) {
	view := func(o ostiary.ObjectRef, s ostiary.SubjectRef) Question {
		return Question{Object: o, Relation: "viewer", Subject: s}
	}
	switch user := f.subject("user"); f.turn % 4 {
	case 0: // a new user on a document
		doc := object("doc", q.key(w.docs+1))
		return 0, edge(doc, "viewer", user), view(doc, user)
	case 1: // a new user in the wide group
		doc := 1 + w.docShared.chosen(q.key(w.docs/wideSharedIn), wideSharedIn)
		return 0, edge(object("group", 0), "member", user), view(object("doc", doc), user)
	case 2: // a new user in one of many groups
		return 0, edge(object("group", 1+q.key(w.groups)), "member", user), view(object("doc", 0), user)
	}
	// a new document for the wide group
	doc := f.object("doc")
	return 0, edge(doc, "viewer", members("group", 0, "member")), view(doc, subject("user", q.key(w.users)))
}
