package workload

import "github.com/ostiary/ostiary"

// orgIndex estimates how long the lists of the org workload are.
type orgIndex struct {
	ownedBy   map[int][]int32 // folders by owner
	viewedBy  [][]int32       // folders by the group that views them
	docsUnder []int32         // documents in a folder and the folders in it
	members   []int32         // users in a group and the groups in it, counted as often as they are in one
}

func (w *org) buildIndex() *orgIndex {
	x := &orgIndex{
		ownedBy: map[int][]int32{}, viewedBy: make([][]int32, w.groups),
		docsUnder: make([]int32, w.folders), members: make([]int32, w.groups),
	}
	for d := range w.docs {
		x.docsUnder[w.folder(d)]++
	}
	for f := w.folders - 1; f >= 0; f-- {
		x.ownedBy[w.owner(f)] = append(x.ownedBy[w.owner(f)], int32(f))
		group := w.folderViewer.below(f, 0, w.groups)
		x.viewedBy[group] = append(x.viewedBy[group], int32(f))
		if up, ok := w.parent(f); ok {
			x.docsUnder[up] += x.docsUnder[f]
		}
	}
	var buf []int
	for u := range w.users {
		buf = w.memberships(buf[:0], u)
		for _, g := range buf {
			x.members[g]++
		}
	}
	for g := w.groups - 1; g >= 0; g-- {
		if up, ok := w.above(g); ok {
			x.members[up] += x.members[g]
		}
	}
	return x
}

// visible estimates how many documents a user may view: those in folders that the user or a group of
// the user sees, and the mean of those that are shared by themselves.
func (w *org) visible(x *orgIndex, user int) int {
	groups := map[int]bool{}
	for _, g := range w.memberships(nil, user) {
		for ok := true; ok; g, ok = w.above(g) {
			groups[g] = true
		}
	}
	seen := map[int]bool{}
	for g := range groups {
		for _, f := range x.viewedBy[g] {
			seen[int(f)] = true
		}
	}
	for _, f := range x.ownedBy[user] {
		seen[int(f)] = true
	}
	docs := 0
	for f := range seen {
		if !w.inside(seen, f) {
			docs += int(x.docsUnder[f])
		}
	}
	alone := w.docs/orgEditorsIn*len(groups)/w.groups + 2*w.docs/w.users + w.docs/orgPublicIn
	return docs + alone - alone*docs/w.docs
}

// inside reports whether one of the folders above f is in the set.
func (w *org) inside(set map[int]bool, f int) bool {
	for up, ok := w.parent(f); ok; up, ok = w.parent(up) {
		if set[up] {
			return true
		}
	}
	return false
}

// viewersOf estimates how many users may view a document.
func (w *org) viewersOf(x *orgIndex, doc int) int {
	n := 1 + w.viewers(doc)
	if g, ok := w.editor(doc); ok {
		n += int(x.members[g])
	}
	for f, ok := w.folder(doc), true; ok; f, ok = w.parent(f) {
		n += 1 + int(x.members[w.folderViewer.below(f, 0, w.groups)])
	}
	return n
}

// orgCandidates bounds how many users or documents named looks at.
const orgCandidates = 10_000

func (w *org) named(name string) (Question, bool) {
	switch name {
	case "list-2200", "list-10000":
		want := map[string]int{"list-2200": 2_200, "list-10000": 10_000}[name]
		user := nearest(min(w.users, orgCandidates), want, func(u int) int { return w.visible(w.index(), u) })
		return Question{Object: ostiary.ObjectRef{Type: "doc"}, Relation: "view", Subject: subject("user", user)}, true
	case "users-1000":
		doc := nearest(min(w.docs, orgCandidates), 1_000, func(d int) int {
			if w.public(d) {
				return 0
			}
			return w.viewersOf(w.index(), d)
		})
		return Question{Object: object("doc", doc), Relation: "view", Subject: ostiary.SubjectRef{Type: "user"}}, true
	}
	return Question{}, false
}

// nearest returns the first index below n whose value is nearest to want.
func nearest(n, want int, value func(int) int) int {
	best, distance := 0, -1
	for i := range n {
		d := value(i) - want
		if d < 0 {
			d = -d
		}
		if distance < 0 || d < distance {
			best, distance = i, d
		}
	}
	return best
}
