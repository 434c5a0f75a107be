package engine

import (
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
)

// ground is a relation of an object.
type ground struct {
	n  *node
	id string // of the object; its type is the relation's
}

func (g ground) object() ostiary.ObjectRef { return ostiary.ObjectRef{Type: g.n.rel.typ, ID: g.id} }

// link is a tuple that leads to another relation of an object.
type link struct {
	to  ground
	cap level // what the tuple itself is worth
}

// walk is a run from an object towards subjects: what Check and ListUsers share.
type walk struct {
	run
	// links is a stack: the tuples that the evaluation of each relation on the current path has read
	// and not followed yet.
	links []link
}

// take removes the links from base on from the stack and returns a copy.
func (w *walk) take(base int) []link {
	taken := slices.Clone(w.links[base:])
	w.links = w.links[:base]
	return taken
}

// within reports whether depth lies within the limit.
func (w *walk) within(depth int) bool { return depth <= w.maxDepth }

// cutOff is the level of what lies beyond the depth limit.
func (w *walk) cutOff() level {
	w.tooDeep = true
	return maybe
}

// readTupleset pushes the objects that a TTU leads to on w.links and returns where they begin.
func (w *walk) readTupleset(x *expr, id string) (base int) {
	base = len(w.links)
	object := ostiary.ObjectRef{Type: x.rel.typ, ID: id}
	for e, err := range w.reader.Subjects(w.ctx, object, x.tupleset) {
		if err != nil {
			w.err = fmt.Errorf("read the tuples of %s#%s: %w", object, x.tupleset, err)
			break
		}
		if !w.count() {
			break
		}
		if e.Subject.IsUserset() || e.Subject.IsWildcard() {
			continue
		}
		if t := findType(x.targets, e.Subject.Type); t != nil {
			if cap := w.judge(e, t.restriction); cap != no {
				w.links = append(w.links, link{ground{t.node, e.Subject.ID}, cap})
			}
		}
	}
	return base
}
