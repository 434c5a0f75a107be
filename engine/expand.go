package engine

import (
	"context"
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
)

// Kind says which part of a model a node of an Expansion or an Explanation stands for.
type Kind string

// The kinds. Relation and tuple occur in explanations alone.
const (
	KindRelation       Kind = "relation"
	KindDirect         Kind = "direct"
	KindComputed       Kind = "computed"
	KindTupleToUserset Kind = "tuple-to-userset"
	KindUnion          Kind = "union"
	KindIntersection   Kind = "intersection"
	KindDifference     Kind = "difference"
	KindTuple          Kind = "tuple"
)

// Expansion is the rewrite of a relation with the tuples of one object put in, one step deep: usersets
// are named and not followed.
type Expansion struct {
	Object   ostiary.ObjectRef
	Relation string
	Kind     Kind
	// Subjects are those written directly, of KindDirect.
	Subjects []ostiary.SubjectRef
	// Tupleset is the relation that a KindTupleToUserset follows.
	Tupleset string
	// Usersets are what a KindTupleToUserset leads to, and the one of a KindComputed.
	Usersets []ostiary.SubjectRef
	// Children are the operands; of a KindDifference base and subtract.
	Children []*Expansion
}

// Expand returns the expansion of a relation of an object. Tuples that do not fit the type restrictions
// are left out. Tuples with a condition are in, since an expansion decides nothing.
func (e *Engine) Expand(ctx context.Context, p *Plan, r Reader, object ostiary.ObjectRef, relation string) (*Expansion, error) {
	rel, err := p.relation(object.Type, relation)
	if err == nil {
		err = ctx.Err()
	}
	x := &expansion{run: e.newRun(ctx, p, r, nil), plan: p, rel: rel, object: object}
	var out *Expansion
	if err == nil {
		out = x.expand(rel.def.Rewrite)
		err = x.err
	}
	if err != nil {
		return nil, fmt.Errorf("expand %s#%s: %w", object, relation, err)
	}
	return out, nil
}

type expansion struct {
	run
	plan   *Plan
	rel    *relation
	object ostiary.ObjectRef
}

func (x *expansion) expand(rw model.Rewrite) *Expansion {
	out := &Expansion{Object: x.object, Relation: x.rel.relation}
	switch rw := rw.(type) {
	case model.Direct:
		out.Kind, out.Subjects = KindDirect, x.subjects(x.rel)
	case model.ComputedUserset:
		out.Kind, out.Usersets = KindComputed, []ostiary.SubjectRef{userset(x.object, rw.Relation)}
	case model.TupleToUserset:
		out.Kind, out.Tupleset = KindTupleToUserset, rw.Tupleset
		if tupleset := x.plan.byName[relationName{x.rel.typ, rw.Tupleset}]; tupleset != nil {
			for _, s := range x.subjects(tupleset) {
				out.Usersets = append(out.Usersets, userset(s.Object(), rw.Computed))
			}
		}
	case model.Union:
		out.Kind, out.Children = KindUnion, x.expandAll(rw.Children)
	case model.Intersection:
		out.Kind, out.Children = KindIntersection, x.expandAll(rw.Children)
	case model.Difference:
		out.Kind, out.Children = KindDifference, x.expandAll([]model.Rewrite{rw.Base, rw.Subtract})
	}
	return out
}

func (x *expansion) expandAll(children []model.Rewrite) []*Expansion {
	out := make([]*Expansion, len(children))
	for i, child := range children {
		out[i] = x.expand(child)
	}
	return out
}

// subjects returns what is written directly to a relation of the object.
func (x *expansion) subjects(rel *relation) []ostiary.SubjectRef {
	var found []ostiary.SubjectRef
	for e, err := range x.reader.Subjects(x.ctx, x.object, rel.relation) {
		if err != nil {
			x.err = fmt.Errorf("read the tuples of %s#%s: %w", x.object, rel.relation, err)
			break
		}
		if !x.count() {
			break
		}
		if rel.allowedFor(shapeOf(e.Subject)).fits(e) {
			found = append(found, e.Subject)
		}
	}
	return found
}

func userset(o ostiary.ObjectRef, relation string) ostiary.SubjectRef {
	return ostiary.SubjectRef{Type: o.Type, ID: o.ID, Relation: relation}
}
