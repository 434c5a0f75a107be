package engine

import (
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
	sets  *heldSets // own, or those of a batch
	own   heldSets
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
