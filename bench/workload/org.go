package workload

import (
	"sync"

	"github.com/ostiary/ostiary"
)

const orgModel = `model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define owner: [user]
    define viewer: [user, user:*, group#member]
    define edit: owner or edit from parent
    define view: viewer or edit or view from parent
type doc
  relations
    define parent: [folder]
    define owner: [user]
    define editor: [user, group#member]
    define viewer: [user, user:*, group#member]
    define banned: [user]
    define edit: (editor or owner or edit from parent) but not banned
    define view: (viewer or editor or owner or view from parent) but not banned
`

// org is a company. At Mid it has 10,000 users with 5 direct memberships each; 1,000 groups in 4
// levels of the same size, each group of a lower level a member of one of the level above; 5,000 folders
// in a tree of fan-out 8, each with an owner (cubic skew) and a group as viewer; 50,000 documents, each
// in a random folder, with an owner, 0 to 2 direct viewers, one in 4 with a group as editor, one in 50
// with a banned user, one in 500 public: 229,000 tuples. Small is a hundredth, Large ten times and Huge
// 87 times that (20 million tuples).
type org struct {
	oneStore
	users, groups, folders, docs int

	group, membership         source
	folderOwner, folderViewer source
	docFolder, docOwner       source
	docViewers, docViewer     source
	docEditor, docBanned      source
	docPublic                 source

	index func() *orgIndex
}

const (
	orgMemberships = 5
	orgLevels      = 4
	orgFanOut      = 8
	orgEditorsIn   = 4
	orgBannedIn    = 50
	orgPublicIn    = 500
)

// hundredths is the size of a scale where Small is 1.
func hundredths(scale string) int {
	return map[string]int{Small: 1, Mid: 100, Large: 1_000, Huge: 8_720}[scale]
}

func newOrg(scale string, seed uint64) shape {
	n, s := hundredths(scale), source(seed).aspect("org")
	w := &org{
		users: 100 * n, groups: 10 * n, folders: 50 * n, docs: 500 * n,
		group: s.aspect("group"), membership: s.aspect("membership"),
		folderOwner: s.aspect("folder owner"), folderViewer: s.aspect("folder viewer"),
		docFolder: s.aspect("doc folder"), docOwner: s.aspect("doc owner"),
		docViewers: s.aspect("doc viewers"), docViewer: s.aspect("doc viewer"),
		docEditor: s.aspect("doc editor"), docBanned: s.aspect("doc banned"),
		docPublic: s.aspect("doc public"),
	}
	w.index = sync.OnceValue(w.buildIndex)
	return w
}

func (w *org) model() string { return orgModel }

func (w *org) size(int) int {
	direct := w.docs / 3 * 3 // 0, 1 and 2 viewers for every three documents
	for i := w.docs / 3 * 3; i < w.docs; i++ {
		direct += w.viewers(i)
	}
	return w.users*min(orgMemberships, w.groups) +
		w.groups - w.level(1) + // memberships of groups
		w.folders - 1 + 2*w.folders +
		2*w.docs + direct +
		w.docEditor.count(w.docs, orgEditorsIn) +
		w.docBanned.count(w.docs, orgBannedIn) +
		w.docPublic.count(w.docs, orgPublicIn)
}

// level returns the first group of a level.
func (w *org) level(l int) int { return l * w.groups / orgLevels }

// above returns the group that the group g is a member of, and false on the highest level.
func (w *org) above(g int) (int, bool) {
	for l := orgLevels - 1; l > 0; l-- {
		if first := w.level(l); g >= first {
			from := w.level(l - 1)
			return from + w.group.below(g, 0, first-from), true
		}
	}
	return 0, false
}

// parent returns the folder that the folder f is in, and false for the root.
func (w *org) parent(f int) (int, bool) { return (f - 1) / orgFanOut, f > 0 }

func (w *org) owner(folder int) int { return w.folderOwner.skewed(folder, 0, w.users) }

// viewers returns how many direct viewers a document has.
func (w *org) viewers(doc int) int { return (doc + w.docViewers.below(doc/3, 0, 3)) % 3 }

func (w *org) memberships(buf []int, user int) []int {
	return w.membership.distinct(buf, user, orgMemberships, w.groups)
}

func (w *org) folder(doc int) int { return w.docFolder.below(doc, 0, w.folders) }

// editor returns the group that may edit a document, and false where there is none.
func (w *org) editor(doc int) (int, bool) {
	return w.docEditor.below(doc, 1, w.groups), w.docEditor.oneIn(doc, orgEditorsIn)
}

func (w *org) public(doc int) bool { return w.docPublic.oneIn(doc, orgPublicIn) }

func (w *org) tuples(_ int, out *emitter) {
	var buf []int
	for u := 0; u < w.users && !out.done; u++ {
		buf = w.memberships(buf[:0], u)
		for _, g := range buf {
			out.add(object("group", g), "member", subject("user", u))
		}
	}
	for g := 0; g < w.groups && !out.done; g++ {
		if up, ok := w.above(g); ok {
			out.add(object("group", up), "member", members("group", g, "member"))
		}
	}
	for f := 0; f < w.folders && !out.done; f++ {
		folder := object("folder", f)
		if up, ok := w.parent(f); ok {
			out.add(folder, "parent", subject("folder", up))
		}
		out.add(folder, "owner", subject("user", w.owner(f)))
		out.add(folder, "viewer", members("group", w.folderViewer.below(f, 0, w.groups), "member"))
	}
	for d := 0; d < w.docs && !out.done; d++ {
		w.document(d, out)
	}
}

func (w *org) document(d int, out *emitter) {
	doc := object("doc", d)
	out.add(doc, "parent", subject("folder", w.folder(d)))
	out.add(doc, "owner", subject("user", w.docOwner.below(d, 0, w.users)))
	for _, u := range w.docViewer.distinct(nil, d, w.viewers(d), w.users) {
		out.add(doc, "viewer", subject("user", u))
	}
	if g, ok := w.editor(d); ok {
		out.add(doc, "editor", members("group", g, "member"))
	}
	if w.docBanned.oneIn(d, orgBannedIn) {
		out.add(doc, "banned", subject("user", w.docBanned.below(d, 1, w.users)))
	}
	if w.public(d) {
		out.add(doc, "viewer", everybody("user"))
	}
}

func (w *org) check(q *Questions) Question {
	relation := "view"
	if q.chance(1, 3) {
		relation = "edit"
	}
	return Question{Object: object("doc", q.key(w.docs)), Relation: relation, Subject: subject("user", q.key(w.users))}
}

func (w *org) listObjects(q *Questions) Question {
	return Question{Object: ostiary.ObjectRef{Type: "doc"}, Relation: "view", Subject: subject("user", q.key(w.users))}
}

func (w *org) listUsers(q *Questions) Question {
	return Question{Object: object("doc", q.key(w.docs)), Relation: "view", Subject: ostiary.SubjectRef{Type: "user"}}
}

func (w *org) newTuple(q *Questions, f fresh) (int, ostiary.Edge) {
	return 0, documentTuple(q, f, w.users, w.groups, w.folders, w.docs)
}

// documentTuple shares a document, adds a member to a group, makes a document for a user, and puts one into a
// folder, in turn.
func documentTuple(q *Questions, f fresh, users, groups, folders, docs int) ostiary.Edge {
	switch f.turn % 4 {
	case 0:
		return edge(object("doc", q.key(docs)), "viewer", f.subject("user"))
	case 1:
		return edge(object("group", q.key(groups)), "member", f.subject("user"))
	case 2:
		return edge(f.object("doc"), "viewer", subject("user", q.key(users)))
	}
	return edge(f.object("doc"), "parent", subject("folder", q.key(folders)))
}

// revocable asks for edit, which a public document does not give.
func (w *org) revocable(q *Questions, f fresh) (int, ostiary.Edge, Question) {
	edit := func(o ostiary.ObjectRef, s ostiary.SubjectRef) Question {
		return Question{Object: o, Relation: "edit", Subject: s}
	}
	switch f.turn % 4 {
	case 0: // a new user on a document
		doc, user := object("doc", q.key(w.docs)), f.subject("user")
		return 0, edge(doc, "editor", user), edit(doc, user)
	case 1: // a new user in a group that edits a document
		d := w.docEditor.chosen(q.key(w.docs/orgEditorsIn), orgEditorsIn)
		group, _ := w.editor(d)
		user := f.subject("user")
		return 0, edge(object("group", group), "member", user), edit(object("doc", d), user)
	case 2: // a new document for a group; the user is in it or in one below
		u := q.key(w.users)
		group := w.memberships(nil, u)[0]
		if up, ok := w.above(group); ok && q.chance(1, 2) {
			group = up
		}
		doc := f.object("doc")
		return 0, edge(doc, "editor", members("group", group, "member")), edit(doc, subject("user", u))
	}
	// a new document in a folder; the user owns it or the one above
	folder := q.key(w.folders)
	owner := w.owner(folder)
	if up, ok := w.parent(folder); ok && q.chance(1, 2) {
		owner = w.owner(up)
	}
	doc := f.object("doc")
	return 0, edge(doc, "parent", subject("folder", folder)), edit(doc, subject("user", owner))
}
