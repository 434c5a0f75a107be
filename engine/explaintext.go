package engine

import (
	"fmt"
	"strings"
)

// String returns the tree as text, two spaces to a level, each line an outcome and what came to it.
// Leaves and references that hold a single tuple or relation are shown as that.
func (e *Explanation) String() string {
	var b strings.Builder
	e.write(&b, 0)
	return b.String()
}

func (e *Explanation) write(b *strings.Builder, indent int) {
	if e.skipped() {
		e.Children[0].write(b, indent)
		return
	}
	fmt.Fprintf(b, "%s%-7s  %s", strings.Repeat("  ", indent), e.Outcome, e.label())
	if e.Note != "" {
		fmt.Fprintf(b, " (%s)", e.Note)
	}
	b.WriteByte('\n')
	for _, child := range e.Children {
		child.write(b, indent+1)
	}
	if e.More > 0 {
		fmt.Fprintf(b, "%s… %d more\n", strings.Repeat("  ", indent+1), e.More)
	}
}

// skipped reports whether a line for e would say nothing that its only child does not say.
func (e *Explanation) skipped() bool {
	if len(e.Children) != 1 || e.More > 0 || e.Note != "" {
		return false
	}
	switch e.Kind {
	case KindDirect, KindTupleToUserset, KindComputed:
		return true
	case KindUnion:
		return e.Outcome == OutcomeAllowed
	}
	return false
}

func (e *Explanation) label() string {
	switch e.Kind {
	case KindRelation:
		return e.Object + "#" + e.Relation
	case KindTuple:
		return e.Tuple
	case KindUnion:
		return "or"
	case KindIntersection:
		return "and"
	case KindDifference:
		return "but not"
	}
	return string(e.Kind)
}
