package dsl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/dsl/gen"
)

// expression makes a syntax tree of what the parser read of an expression, or nil of nothing. What
// was read in front of a syntax error is kept, so that its names are still judged.
func (b *builder) expression(ctx gen.IExpressionContext, r *relationDecl) expr {
	var operands []expr
	for _, o := range ctx.AllOperand() {
		e := b.operand(o, r)
		if e == nil {
			r.broken = true
			break
		}
		operands = append(operands, e)
	}
	operators := b.operators(ctx)
	if len(operands) == 0 {
		return nil
	}
	if len(operators) >= len(operands) { // an operand is missing, and that has been reported
		r.broken = true
		operators = operators[:len(operands)-1]
	}
	if b.mixed(operators) {
		r.broken = true
		b.mixedFault(ctx, operands, operators)
	}
	return grouped(operands, operators)
}

func (b *builder) operators(ctx gen.IExpressionContext) []operator {
	var out []operator
	for _, o := range ctx.AllOperator() {
		switch b.words[o.GetStart().GetLine()].kind {
		case gen.ModelLexerOR:
			out = append(out, opUnion)
		case gen.ModelLexerAND:
			out = append(out, opIntersection)
		default:
			out = append(out, opDifference)
		}
	}
	return out
}

// mixed reports whether operators stand side by side that need parentheses: different ones, or more
// than one `but not`.
func (b *builder) mixed(operators []operator) bool {
	for i, o := range operators {
		if i > 0 && (o != operators[0] || o == opDifference) {
			return true
		}
	}
	return false
}

// grouped makes one tree of operands and the operators between them. Where operators are mixed, which
// is refused, it groups as the corrected line does: `and` before `or` before `but not`, since that
// grants least.
func grouped(operands []expr, operators []operator) expr {
	for _, operator := range []operator{opIntersection, opUnion} {
		operands, operators = group(operands, operators, operator)
	}
	e := operands[0]
	for i := range operators {
		e = &setExpr{at: e.where().join(operands[i+1].where()), operator: opDifference, children: []expr{e, operands[i+1]}}
	}
	return e
}

// group joins the operands that stand between operators of one kind.
func group(operands []expr, operators []operator, kind operator) ([]expr, []operator) {
	outOperands, outOperators := []expr{operands[0]}, []operator(nil)
	var open *setExpr // the group that the last operand belongs to
	for i, o := range operators {
		next := operands[i+1]
		if o != kind {
			open = nil
			outOperands, outOperators = append(outOperands, next), append(outOperators, o)
			continue
		}
		if open == nil {
			last := outOperands[len(outOperands)-1]
			open = &setExpr{at: last.where(), operator: kind, children: []expr{last}}
			outOperands[len(outOperands)-1] = open
		}
		open.children = append(open.children, next)
		open.at = open.at.join(next.where())
	}
	return outOperands, outOperators
}

func (b *builder) mixedFault(ctx gen.IExpressionContext, operands []expr, operators []operator) {
	all := ctx.AllOperand()
	at := b.wordAt(ctx.GetStart())
	if stop := all[len(operands)-1].GetStop(); stop != nil {
		at = at.join(b.wordAt(stop))
	}
	names := make([]string, 0, 3)
	for _, o := range operators {
		if name := quote(o.String()); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	message := "operators " + strings.Join(names, ", ") + " stand side by side without parentheses"
	if len(names) == 1 {
		message = "`but not` takes one operand on each side"
	}
	b.report.add(fault{code: codeMixedOperators, at: at, message: message,
		suggestion: "put parentheses around the part that belongs together; check that the grouping below is the one you mean",
		fix:        b.src.fix(at, printExpr(grouped(operands, operators), false))})
}

func (b *builder) operand(ctx gen.IOperandContext, r *relationDecl) expr {
	switch {
	case ctx.Restrictions() != nil:
		return b.restrictions(ctx.Restrictions(), r)
	case ctx.Group() != nil:
		if ctx.Group().Expression() == nil {
			return nil
		}
		return b.expression(ctx.Group().Expression(), r)
	case ctx.Reference() != nil:
		return b.reference(ctx.Reference())
	}
	return nil
}

func (b *builder) reference(ctx gen.IReferenceContext) expr {
	names := ctx.AllName()
	if len(names) == 0 {
		return nil
	}
	first := b.ident(names[0])
	if ctx.FROM() == nil {
		return &nameExpr{first}
	}
	if len(names) < 2 {
		return nil
	}
	tupleset := b.ident(names[1])
	if tupleset.text == "" {
		return nil
	}
	return &fromExpr{computed: first, tupleset: tupleset}
}

// restrictions reads a list as far as the parser read it.
func (b *builder) restrictions(ctx gen.IRestrictionsContext, r *relationDecl) expr {
	first := ctx.GetStart().GetLine()
	list := &listExpr{at: b.words[first].at}
	if ctx.GetStop() != nil {
		list.at = list.at.join(b.wordAt(ctx.GetStop()))
	}
	for _, c := range ctx.AllRestriction() {
		if b.failed(c) {
			r.broken = true
			continue
		}
		if decl, ok := b.restriction(c); ok {
			list.restrictions = append(list.restrictions, decl)
		} else {
			r.broken = true
		}
	}
	r.lists = append(r.lists, list)
	return list
}

func (b *builder) restriction(ctx gen.IRestrictionContext) (restrictionDecl, bool) {
	d := restrictionDecl{at: b.wordAt(ctx.GetStart())}
	if ctx.GetStop() != nil {
		d.at = d.at.join(b.wordAt(ctx.GetStop()))
	}
	names := ctx.AllName()
	if ctx.WITH() != nil && len(names) > 0 {
		d.condition = b.ident(names[len(names)-1])
		names = names[:len(names)-1]
	}
	if ctx.USERSET() == nil {
		if len(names) == 0 {
			return d, false
		}
		d.typ = b.ident(names[0])
		d.wildcard = ctx.WILDCARD() != nil
		return d, true
	}
	return d, b.userset(b.wordAt(ctx.USERSET().GetSymbol()), &d)
}

// userset takes "group#member" apart.
func (b *builder) userset(at span, d *restrictionDecl) bool {
	text := b.src.at(at)
	typ, relation, _ := strings.Cut(text, "#")
	d.typ = ident{text: typ, at: span{at.start, at.start + len(typ)}}
	d.relation = ident{text: relation, at: span{at.start + len(typ) + 1, at.end}}
	f := fault{code: codeRestriction, at: at}
	switch {
	case relation == "":
		f.message = fmt.Sprintf("a relation is missing behind `#` in %s", quote(text))
		f.suggestion = "a userset is written `group#member`, without spaces"
	case strings.Contains(relation, "#"):
		f.message = fmt.Sprintf("%s holds more than one `#`", quote(text))
		f.suggestion = "a userset names one type and one relation: `group#member`"
	default:
		return true
	}
	b.report.add(f)
	return false
}
