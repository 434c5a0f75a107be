package workload

import "github.com/ostiary/ostiary"

const gdriveModel = `model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define owner: [user] or owner from parent
    define editor: [user, group#member] or owner or editor from parent
    define viewer: [user, user:*, group#member] or editor or viewer from parent
type doc
  relations
    define parent: [folder]
    define owner: [user]
    define editor: [user, group#member] or owner or editor from parent
    define commenter: [user, group#member] or editor
    define viewer: [user, user:*, group#member] or commenter or viewer from parent
    define can_share: owner or editor from parent
    define can_read: viewer
    define can_write: editor
`

// gdrive is a place for documents. At Mid each of 2,000 users owns a tree of ten folders with fan-out 3
// and five documents in each folder: 100,000 documents. A document has its owner and 0 to 2 other
// people, one in 10 a group as commenter, one in 100 everybody; one folder in 20 has a group as editor.
// Users are in two of 200 groups each; one group in 5 is a member of another.
type gdrive struct {
	oneStore
	unnamed
	users, groups, folders, docs int

	memberOf, nested, above  source
	folderShared, docShared  source
	guests, guest, docPublic source
}

const (
	gdriveMemberships = 2
	gdriveFolders     = 10 // of a user
	gdriveDocs        = 5  // in a folder
	gdriveFanOut      = 3
	gdriveNestedIn    = 5
	gdriveFolderIn    = 20
	gdriveDocIn       = 10
	gdrivePublicIn    = 100
)

func newGdrive(scale string, seed uint64) shape {
	n, s := hundredths(scale), source(seed).aspect("gdrive")
	return &gdrive{
		users: 20 * n, groups: 2*n + 3, folders: 20 * n * gdriveFolders, docs: 20 * n * gdriveFolders * gdriveDocs,
		memberOf: s.aspect("member of"), nested: s.aspect("nested"), above: s.aspect("above"),
		folderShared: s.aspect("folder shared"), docShared: s.aspect("doc shared"),
		guests: s.aspect("guests"), guest: s.aspect("guest"), docPublic: s.aspect("doc public"),
	}
}

func (w *gdrive) model() string { return gdriveModel }

func (w *gdrive) size(int) int {
	nested := w.nested.count(w.groups, gdriveNestedIn)
	if w.nested.oneIn(0, gdriveNestedIn) {
		nested-- // nothing is above the first group
	}
	guests := 0
	for i := w.docs / 3 * 3; i < w.docs; i++ {
		guests += w.guestsOf(i)
	}
	return gdriveMemberships*w.users + nested +
		w.folders + w.folderShared.count(w.folders, gdriveFolderIn) + // a parent or an owner
		2*w.docs + w.docs/3*3 + guests +
		w.docShared.count(w.docs, gdriveDocIn) + w.docPublic.count(w.docs, gdrivePublicIn)
}

func (w *gdrive) owner(doc int) int { return doc / gdriveDocs / gdriveFolders }

func (w *gdrive) guestsOf(doc int) int { return (doc + w.guests.below(doc/3, 0, 3)) % 3 }

func (w *gdrive) groupsOf(buf []int, user int) []int {
	return w.memberOf.distinct(buf, user, gdriveMemberships, w.groups)
}

// folderGroup returns the group that edits a folder which is shared.
func (w *gdrive) folderGroup(folder int) int { return w.folderShared.below(folder, 1, w.groups) }

func (w *gdrive) tuples(_ int, out *emitter) {
	var buf []int
	for u := 0; u < w.users && !out.done; u++ {
		buf = w.groupsOf(buf[:0], u)
		for _, g := range buf {
			out.add(object("group", g), "member", subject("user", u))
		}
	}
	for g := 1; g < w.groups && !out.done; g++ {
		if w.nested.oneIn(g, gdriveNestedIn) {
			out.add(object("group", w.above.below(g, 0, g)), "member", members("group", g, "member"))
		}
	}
	for f := 0; f < w.folders && !out.done; f++ {
		folder, user, k := object("folder", f), f/gdriveFolders, f%gdriveFolders
		if k == 0 {
			out.add(folder, "owner", subject("user", user))
		} else {
			out.add(folder, "parent", subject("folder", user*gdriveFolders+(k-1)/gdriveFanOut))
		}
		if w.folderShared.oneIn(f, gdriveFolderIn) {
			out.add(folder, "editor", members("group", w.folderGroup(f), "member"))
		}
	}
	for d := 0; d < w.docs && !out.done; d++ {
		w.document(d, out)
	}
}

func (w *gdrive) document(d int, out *emitter) {
	doc := object("doc", d)
	out.add(doc, "parent", subject("folder", d/gdriveDocs))
	out.add(doc, "owner", subject("user", w.owner(d)))
	for i, u := range w.guest.distinct(nil, d, w.guestsOf(d), w.users) {
		out.add(doc, []string{"viewer", "editor"}[i], subject("user", u))
	}
	if w.docShared.oneIn(d, gdriveDocIn) {
		out.add(doc, "commenter", members("group", w.docShared.below(d, 1, w.groups), "member"))
	}
	if w.docPublic.oneIn(d, gdrivePublicIn) {
		out.add(doc, "viewer", everybody("user"))
	}
}

// check asks one time in four for a document of the user's own.
func (w *gdrive) check(q *Questions) Question {
	user, doc := q.key(w.users), q.key(w.docs)
	if q.chance(1, 4) {
		own := gdriveFolders * gdriveDocs
		doc = user*own + q.key(own)
	}
	relation := "can_read"
	switch {
	case q.chance(1, 10):
		relation = "can_share"
	case q.chance(1, 4):
		relation = "can_write"
	}
	return Question{Object: object("doc", doc), Relation: relation, Subject: subject("user", user)}
}

func (w *gdrive) listObjects(q *Questions) Question {
	return Question{Object: ostiary.ObjectRef{Type: "doc"}, Relation: "can_read", Subject: subject("user", q.key(w.users))}
}

func (w *gdrive) listUsers(q *Questions) Question {
	return Question{Object: object("doc", q.key(w.docs)), Relation: "can_read", Subject: ostiary.SubjectRef{Type: "user"}}
}

func (w *gdrive) newTuple(q *Questions, f fresh) (int, ostiary.Edge) {
	return 0, documentTuple(q, f, w.users, w.groups, w.folders, w.docs)
}

func (w *gdrive) revocable(q *Questions, f fresh) (int, ostiary.Edge, Question) {
	write := func(o ostiary.ObjectRef, s ostiary.SubjectRef) Question {
		return Question{Object: o, Relation: "can_write", Subject: s}
	}
	switch user := f.subject("user"); f.turn % 4 {
	case 0: // a new user on a document
		doc := object("doc", q.key(w.docs))
		return 0, edge(doc, "editor", user), write(doc, user)
	case 1: // a new user in a group that edits a folder
		folder := w.folderShared.chosen(q.key(w.folders/gdriveFolderIn), gdriveFolderIn)
		doc := object("doc", folder*gdriveDocs+q.rng.IntN(gdriveDocs))
		return 0, edge(object("group", w.folderGroup(folder)), "member", user), write(doc, user)
	case 2: // a new document for a group of a user
		u, doc := q.key(w.users), f.object("doc")
		return 0, edge(doc, "editor", members("group", w.groupsOf(nil, u)[0], "member")), write(doc, subject("user", u))
	}
	// a new document in a folder, for the owner of the topmost folder
	folder, doc := q.key(w.folders), f.object("doc")
	return 0, edge(doc, "parent", subject("folder", folder)), write(doc, subject("user", folder/gdriveFolders))
}
