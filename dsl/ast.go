package dsl

import "github.com/ostiary/ostiary/dsl/model"

// The syntax tree, which both forms of a model are read into before they are checked. Every part
// knows where it stands in the source.

// ident is a name that stands somewhere.
type ident struct {
	text string
	at   span
}

// document is one model as it was written.
type document struct {
	schema     ident
	module     ident // of a file that is a module
	types      []*typeDecl
	conditions []*conditionDecl
	at         span // what a fault of the model as a whole points at
}

type typeDecl struct {
	name      ident
	relations []*relationDecl
	extends   bool // the declaration is `extend type`
	origin    model.Origin
}

type relationDecl struct {
	name ident
	expr expr // nil when nothing of it could be read
	// lists are the restriction lists in expr, in the order of the text.
	lists []*listExpr
	// broken is set when a fault of the relation has been reported: what rests on it is not judged.
	broken bool
	origin model.Origin
}

type conditionDecl struct {
	name       ident
	parameters []parameterDecl
	expression string
	used       bool
	broken     bool // a fault of it has been reported
	origin     model.Origin
	// place returns where in the source the byte at an offset of expression stands.
	place func(offset int) int
}

type parameterDecl struct {
	name ident
	typ  model.ParameterType
}

// expr is a node of a relation's expression: *listExpr, *nameExpr, *fromExpr or *setExpr.
type expr interface{ where() span }

// listExpr is a list of type restrictions: "[user, group#member]".
type listExpr struct {
	at           span
	restrictions []restrictionDecl
	broken       bool // a restriction could not be read
}

type restrictionDecl struct {
	at        span
	typ       ident
	relation  ident // text is empty unless a userset
	wildcard  bool
	condition ident // text is empty without one
}

// nameExpr is another relation of the same object.
type nameExpr struct{ relation ident }

// fromExpr is "computed from tupleset".
type fromExpr struct{ computed, tupleset ident }

// setExpr joins operands by one operator. A difference has exactly two.
type setExpr struct {
	at       span
	operator operator
	children []expr
}

func (e *listExpr) where() span { return e.at }
func (e *nameExpr) where() span { return e.relation.at }
func (e *fromExpr) where() span { return e.computed.at.join(e.tupleset.at) }
func (e *setExpr) where() span  { return e.at }

// operator joins the operands of a setExpr.
type operator int

const (
	opUnion operator = iota
	opIntersection
	opDifference
)

func (o operator) String() string { return [...]string{"or", "and", "but not"}[o] }

// model returns the restriction as the compiled model holds it.
func (r restrictionDecl) model() model.Restriction {
	return model.Restriction{Type: r.typ.text, Relation: r.relation.text, Wildcard: r.wildcard, Condition: r.condition.text}
}

// walk calls visit for every node of an expression, parents first.
func walk(e expr, visit func(expr)) {
	if e == nil {
		return
	}
	visit(e)
	if set, ok := e.(*setExpr); ok {
		for _, child := range set.children {
			walk(child, visit)
		}
	}
}

// lower returns the model of a document that has been checked.
func lower(d *document) *model.Model {
	types := make([]*model.Type, 0, len(d.types))
	for _, t := range d.types {
		out := &model.Type{Name: t.name.text, Origin: t.origin, Relations: make([]*model.Relation, 0, len(t.relations))}
		for _, r := range t.relations {
			relation := &model.Relation{Name: r.name.text, Rewrite: lowerExpr(r.expr), Origin: r.origin}
			if len(r.lists) > 0 {
				for _, restriction := range r.lists[0].restrictions {
					relation.Restrictions = append(relation.Restrictions, restriction.model())
				}
			}
			out.Relations = append(out.Relations, relation)
		}
		types = append(types, out)
	}
	conditions := make([]*model.Condition, 0, len(d.conditions))
	for _, c := range d.conditions {
		out := &model.Condition{Name: c.name.text, Expression: c.expression, Origin: c.origin}
		for _, p := range c.parameters {
			out.Parameters = append(out.Parameters, model.Parameter{Name: p.name.text, Type: p.typ})
		}
		conditions = append(conditions, out)
	}
	return model.New(model.SchemaVersion(d.schema.text), types, conditions)
}

func lowerExpr(e expr) model.Rewrite {
	switch e := e.(type) {
	case *nameExpr:
		return model.ComputedUserset{Relation: e.relation.text}
	case *fromExpr:
		return model.TupleToUserset{Tupleset: e.tupleset.text, Computed: e.computed.text}
	case *setExpr:
		if e.operator == opDifference {
			return model.Difference{Base: lowerExpr(e.children[0]), Subtract: lowerExpr(e.children[1])}
		}
		children := make([]model.Rewrite, len(e.children))
		for i, child := range e.children {
			children[i] = lowerExpr(child)
		}
		if e.operator == opIntersection {
			return model.Intersection{Children: children}
		}
		return model.Union{Children: children}
	default:
		return model.Direct{}
	}
}

// raise returns an expression of the model as a syntax tree without positions, for printing.
func raise(rewrite model.Rewrite, restrictions []model.Restriction) expr {
	all := func(operator operator, rewrites ...model.Rewrite) expr {
		set := &setExpr{operator: operator}
		for _, child := range rewrites {
			set.children = append(set.children, raise(child, restrictions))
		}
		return set
	}
	switch rewrite := rewrite.(type) {
	case model.ComputedUserset:
		return &nameExpr{ident{text: rewrite.Relation}}
	case model.TupleToUserset:
		return &fromExpr{computed: ident{text: rewrite.Computed}, tupleset: ident{text: rewrite.Tupleset}}
	case model.Union:
		return all(opUnion, rewrite.Children...)
	case model.Intersection:
		return all(opIntersection, rewrite.Children...)
	case model.Difference:
		return all(opDifference, rewrite.Base, rewrite.Subtract)
	default:
		list := &listExpr{}
		for _, r := range restrictions {
			list.restrictions = append(list.restrictions, restrictionDecl{
				typ: ident{text: r.Type}, relation: ident{text: r.Relation}, wildcard: r.Wildcard, condition: ident{text: r.Condition},
			})
		}
		return list
	}
}
