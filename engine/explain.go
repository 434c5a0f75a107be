package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
)

// Outcome is what a node of an Explanation came to.
type Outcome string

// The outcomes. A cycle is a branch that leads back to where it came from, which adds nothing, so it is
// a denial; depth is a branch beyond the depth limit, which is an error. A branch that is skipped was not
// evaluated, since others had decided.
const (
	OutcomeAllowed Outcome = "allowed"
	OutcomeDenied  Outcome = "denied"
	OutcomeError   Outcome = "error"
	OutcomeCycle   Outcome = "cycle"
	OutcomeDepth   Outcome = "depth"
	OutcomeSkipped Outcome = "skipped"
)

// KindBothEnded stands for Check's walk from the subject, which an explanation itself does without.
const KindBothEnded Kind = "both-ended"

// Explanation says why a check came out as it did: where it allows, one path that does; where it
// denies, every branch that was tried; where it fails, the branches that left it open.
type Explanation struct {
	Outcome  Outcome `json:"outcome"`
	Kind     Kind    `json:"kind"`
	Object   string  `json:"object,omitempty"`   // of relations
	Relation string  `json:"relation,omitempty"` // of relations
	Tuple    string  `json:"tuple,omitempty"`    // of tuples
	// Note adds what the rest cannot say, for people.
	Note     string         `json:"note,omitempty"`
	Children []*Explanation `json:"children,omitempty"`
	// More counts children and others that were left out because the tree would have become too large.
	More int `json:"more,omitempty"`

	// Others are branches that did not decide: what they came to, or that they were skipped.
	Others []*Explanation `json:"others,omitempty"`
	// Conditions are those of a tuple that were evaluated.
	Conditions []ExplainedCondition `json:"conditions,omitempty"`
	// Contextual: the tuple came with the question.
	Contextual bool `json:"contextual,omitempty"`
	// Undefined: it depends on itself through a subtracted side, which denies.
	Undefined bool `json:"undefined,omitempty"`
	Cost      Cost `json:"cost,omitzero"`
}

// The bounds of an explanation.
const (
	maxExplanationNodes    = 500
	maxExplanationChildren = 50
)

// Explain answers q as Check does and says why. The outcome of the root is Check's, which is asked:
// allowed, denied, depth for ostiary.ErrDepthExceeded, error for ostiary.ErrConditionUndecided, with its text
// in Note. The tree is found by a walk from the object alone. Where that cannot tell what Check, from the
// subject too, can, the root's note says so; where it would read too much, the root stands alone. Other errors of
// Check, such as unknown names and failed reads, are returned.
func (e *Engine) Explain(ctx context.Context, p *Plan, r Reader, q CheckQuery) (*Explanation, error) {
	root, l, err := e.explain(ctx, p, r, &q)
	if err != nil && !errors.Is(err, ostiary.ErrTooBroad) {
		return nil, fmt.Errorf("explain %s: %w", q, err)
	}
	if err := e.conclude(ctx, p, r, &q, root, l); err != nil {
		return nil, fmt.Errorf("explain %s: %w", q, err)
	}
	if err != nil {
		root.Note = joinNotes(root.Note, "not explained: "+err.Error())
	}
	return root, nil
}

// explain returns the tree for q and the level that it comes to. Beside ostiary.ErrTooBroad the tree is a root alone.
func (e *Engine) explain(ctx context.Context, p *Plan, r Reader, q *CheckQuery) (*Explanation, level, error) {
	alone := newExplanation(KindRelation, OutcomeDenied)
	alone.Object, alone.Relation = q.Object.String(), q.Relation
	c := &check{explained: true}
	n, err := e.begin(ctx, c, p, r, q)
	if err != nil {
		return nil, no, err
	}
	if n == nil {
		alone.Note = fmt.Sprintf("the model has no way from %s to a subject like %s", q.Relation, q.Subject)
		return alone, no, nil
	}
	c.meter = newMeter(r)
	whole := c.meter.begin(c.reads)
	l := c.value(n, q.Object.ID, 0)
	spent := c.meter.since(whole, c.reads)
	if c.err != nil {
		return alone, no, c.err
	}
	c.reads, c.meterOnce = 0, true // what follows reads again, and has the same bound
	x := &explainer{check: c, budget: maxExplanationNodes, path: map[ground]bool{}, shown: map[ground]bool{}}
	root := x.relation(ground{n, q.Object.ID}, l, 0)
	x.showOthers()
	if c.err != nil {
		return alone, no, c.err
	}
	root.addUp()
	root.Cost.TotalReads, root.Cost.TotalNanos = max(root.Cost.TotalReads, spent.Reads), max(root.Cost.TotalNanos, spent.Nanos)
	return root, l, nil
}

// conclude asks Check and gives its answer to the root of a tree that comes to l.
func (e *Engine) conclude(ctx context.Context, p *Plan, r Reader, q *CheckQuery, root *Explanation, l level) error {
	c := checks.Get().(*check)
	defer c.release()
	m := newMeter(r)
	whole := m.begin(0)
	d, err := e.check(ctx, c, p, r, q)
	spent := m.since(whole, c.reads)
	switch {
	case errors.Is(err, ostiary.ErrDepthExceeded):
		root.Outcome, root.Note = OutcomeDepth, joinNotes(root.Note, err.Error())
	case errors.Is(err, ostiary.ErrConditionUndecided):
		root.Outcome, root.Note = OutcomeError, joinNotes(root.Note, err.Error())
	case err != nil:
		return err
	case len(root.Children) > 0 && (l == yes) != (d == ostiary.Allowed) && l != maybe:
		return fmt.Errorf("the walk from the object comes to %s, and Check to %s", root.Outcome, d)
	default:
		if was := root.Outcome; was != Outcome(d.String()) && len(root.Children) > 0 {
			root.Note = joinNotes(root.Note, fmt.Sprintf("from the object alone it cannot be told (%s), from the subject it is %s", was, d))
		} else if l == maybe {
			root.Note = "undefined: it depends on itself through a subtracted side"
		}
		root.Outcome = Outcome(d.String())
	}
	if c.sideReads > 0 {
		side := newExplanation(KindBothEnded, OutcomeSkipped)
		if root.Outcome == OutcomeAllowed || root.Outcome == OutcomeDenied {
			side.Outcome = root.Outcome
		}
		side.Note = fmt.Sprintf("Check walked from %s as well and read %d tuples upward", q.Subject, c.sideReads)
		side.Cost = Cost{Reads: spent.Reads, Nanos: spent.Nanos, Cached: spent.Cached, Fetched: spent.Fetched,
			TotalReads: spent.Reads, TotalNanos: spent.Nanos}
		root.Others = append(root.Others, side)
	}
	return nil
}

func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

func newExplanation(kind Kind, outcome Outcome) *Explanation {
	return &Explanation{Kind: kind, Outcome: outcome}
}

// explainer walks the rewrites again, guided by the values that a check has found.
type explainer struct {
	*check
	budget int
	path   map[ground]bool // from the root to here
	shown  map[ground]bool
	later  []func() // show others, once what decided is shown
}

func (x *explainer) outcome(l level) Outcome {
	switch {
	case l == yes:
		return OutcomeAllowed
	case l == no:
		return OutcomeDenied
	case x.failed != nil:
		return OutcomeError
	case x.tooDeep:
		return OutcomeDepth
	}
	return OutcomeDenied // undefined
}

// relation explains why a relation of an object has level l.
func (x *explainer) relation(g ground, l level, depth int) *Explanation {
	x.budget--
	out := newExplanation(KindRelation, x.outcome(l))
	out.Object, out.Relation = g.object().String(), g.n.rel.relation
	out.Undefined = x.undefined(l)
	switch {
	case g.n.reflexive && g.id == x.subject.ID:
		out.Note = "the subject itself"
		return out
	case g.n.expr == nil:
		return out
	case l != yes && x.path[g]:
		out.Outcome = OutcomeCycle
		return out
	case l == maybe && depth > x.maxDepth:
		out.Outcome = OutcomeDepth
		return out
	case x.shown[g]:
		out.Note = "explained above"
		return out
	}
	x.path[g], x.shown[g] = true, true
	s := &site{ground: g, depth: depth, rank: x.rankOf(g), holds: l == yes}
	out.Children = []*Explanation{x.rewrite(s, g.n.expr, l)}
	delete(x.path, g)
	return out
}

func (x *explainer) rankOf(g ground) int {
	f, _ := x.memo.get(g)
	return f.rank
}

// site is the relation of an object whose rewrite is being explained.
type site struct {
	ground
	depth int
	// rank is that of the value of ground, which holds. Of its own component only values of a lower rank can
	// have made it yes: without this an explanation could go round in a circle.
	rank  int
	holds bool
	read  map[*expr][]step // leaves that have been read already
	other *site            // see exact
}

// exact returns s for parts that did not make it yes: their values count whatever their rank.
func (s *site) exact() *site {
	if !s.holds {
		return s
	}
	if s.other == nil {
		s.other = &site{ground: s.ground, depth: s.depth}
	}
	return s.other
}

// side returns s for an operand of a part: what is subtracted makes nothing yes.
func (s *site) side(part *expr, i int) *site {
	if part.kind == exprDifference && i == 1 {
		return s.exact()
	}
	return s
}

// at returns the level of a reference from s.
func (x *explainer) at(s *site, to ground, depth int) level {
	if to.n.component != s.n.component {
		return x.value(to.n, to.id, depth)
	}
	if to.n.reflexive && to.id == x.subject.ID {
		return yes
	}
	f, ok := x.memo.get(to)
	switch {
	case !ok && depth > x.maxDepth:
		return maybe
	case !ok && !s.holds: // the evaluation had no need of it
		return x.value(to.n, to.id, depth)
	case !ok || s.holds && f.level == yes && f.rank >= s.rank:
		return no
	}
	return f.level
}

// step is a tuple of a leaf, with what it leads to.
type step struct {
	tuple ostiary.Tuple
	note  string // what its condition came to
	conds []ExplainedCondition
	cap   level   // what the tuple itself is worth
	to    *ground // nil: the tuple names the subject itself
	found level   // of to
}

func (s step) level() level { return min(s.cap, s.found) }

// steps returns the tuples of a leaf. Those that decide it by themselves come first.
func (x *explainer) steps(s *site, leaf *expr) []step {
	all, ok := s.read[leaf]
	if !ok {
		all = x.readSteps(s, leaf)
		for i := range all {
			if to := all[i].to; to != nil {
				all[i].found = x.at(s, *to, s.depth+1)
			}
		}
		if s.read == nil {
			s.read = map[*expr][]step{}
		}
		s.read[leaf] = all
	}
	return all
}

func (x *explainer) readSteps(s *site, leaf *expr) []step {
	if x.meter.enter(&x.run, leaf, s.id) {
		defer x.meter.leave(&x.run)
	}
	var all []step
	judged := map[ostiary.Tuple]step{}
	x.noticed = func(e ostiary.Edge, allowed restriction, l level) {
		if _, known := judged[e.Tuple]; known {
			return
		}
		it := step{tuple: e.Tuple, note: x.describe(e, allowed), conds: x.explainConditions(e, allowed), cap: l, found: yes}
		judged[e.Tuple] = it
		if l == no { // the question passed it over; an explanation shows why
			all = append(all, it)
		}
	}
	t := ostiary.Tuple{Object: s.object(), Relation: leaf.rel.relation}
	var base int
	if leaf.kind == exprTTU {
		t.Relation = leaf.tupleset
		base = x.readTupleset(leaf, s.id)
	} else {
		base = len(x.links)
		for _, exact := range []struct {
			subject ostiary.SubjectRef
			allowed restriction
		}{
			{x.subject, leaf.self},
			{ostiary.SubjectRef{Type: x.subject.Type, ID: ostiary.Wildcard}, leaf.wildcard},
			{x.subject, subjectTarget(leaf, x.subject)},
		} {
			if t.Subject = exact.subject; exact.allowed.any() {
				if l := x.has(t, exact.allowed); l != no {
					all = append(all, step{tuple: t, note: judged[t].note, conds: judged[t].conds, cap: l, found: yes})
				}
			}
		}
		if len(leaf.usersets) > 0 {
			x.readUsersets(leaf, s.id, no)
		}
	}
	x.noticed = nil
	links := x.take(base)
	slices.SortStableFunc(links, func(a, b link) int { // as tuples lie, however they were read
		return cmp.Or(cmp.Compare(a.to.n.rel.typ, b.to.n.rel.typ), cmp.Compare(a.to.id, b.to.id), cmp.Compare(a.to.n.rel.relation, b.to.n.rel.relation))
	})
	for _, k := range links {
		t.Subject = ostiary.SubjectRef{Type: k.to.n.rel.typ, ID: k.to.id}
		if leaf.kind == exprDirect {
			t.Subject.Relation = k.to.n.rel.relation
		}
		to := k.to
		all = append(all, step{tuple: t, note: judged[t].note, conds: judged[t].conds, cap: k.cap, to: &to})
	}
	return all
}

// subjectTarget returns what the tuples of a leaf that name a userset subject exactly must look like.
func subjectTarget(leaf *expr, subject ostiary.SubjectRef) restriction {
	if t := find(leaf.usersets, subject.Type, subject.Relation); t != nil && subject.IsUserset() {
		return t.restriction
	}
	return restriction{}
}

// level returns the level of a part of the rewrite at s, from the values that are known.
func (x *explainer) level(s *site, part *expr) level {
	switch part.kind {
	case exprDirect, exprTTU:
		l := no
		for _, step := range x.steps(s, part) {
			l = max(l, step.level())
		}
		return l
	case exprComputed:
		return x.at(s, ground{part.targets[0].node, s.id}, s.depth)
	case exprDifference:
		return min(x.level(s, part.operands[0]), x.level(s.exact(), part.operands[1]).not())
	}
	l := x.level(s, part.operands[0])
	for _, operand := range part.operands[1:] {
		if part.kind == exprUnion {
			l = max(l, x.level(s, operand))
		} else {
			l = min(l, x.level(s, operand))
		}
	}
	return l
}

// rewrite explains why a part of the rewrite at s has level l.
func (x *explainer) rewrite(s *site, part *expr, l level) *Explanation {
	x.budget--
	switch part.kind {
	case exprDirect, exprTTU:
		return x.leaf(s, part, l)
	case exprComputed:
		if part := (ground{part.targets[0].node, s.id}); part.n.rel.part {
			inner := &site{ground: part, depth: s.depth, rank: x.rankOf(part), holds: l == yes}
			return x.rewrite(inner, part.n.expr, l)
		}
		out := newExplanation(KindComputed, x.outcome(l))
		x.addChild(out, func() *Explanation { return x.relation(ground{part.targets[0].node, s.id}, l, s.depth) })
		return out
	}
	out := newExplanation(kindOf(part), x.outcome(l))
	out.Undefined = x.undefined(l)
	for i, operand := range part.operands {
		if x.err != nil {
			break
		}
		side := s.side(part, i)
		worth := x.level(side, operand)
		effect := worth
		if part.kind == exprDifference && i == 1 {
			effect = worth.not()
		}
		// An operand with another effect than the whole did not decide it. The base of a difference is
		// shown even so where the subtracted side decided, for it says what was taken away.
		if effect != l && part.kind != exprDifference {
			x.other(out, side, operand, worth)
			continue
		}
		x.addChild(out, func() *Explanation { return x.rewrite(side, operand, worth) })
		if l == yes && part.kind == exprUnion || l == no && part.kind == exprDifference && worth == no {
			for _, rest := range part.operands[i+1:] {
				out.Others = append(out.Others, skipped(s, rest))
			}
			break
		}
	}
	return out
}

func (x *explainer) leaf(s *site, part *expr, l level) *Explanation {
	out := newExplanation(kindOf(part), x.outcome(l))
	out.Undefined = x.undefined(l)
	steps := x.steps(s, part)
	out.Cost = x.meter.of(part, s.id)
	if len(steps) == 0 {
		out.Note = fmt.Sprintf("no tuple %s#%s@%s", s.object(), part.rel.relation, x.subject)
		if part.kind == exprTTU {
			out.Note = fmt.Sprintf("no tuple of %s#%s leads on", s.object(), part.tupleset)
		}
		return out
	}
	decided := false
	for _, step := range steps {
		switch {
		case step.level() != l && step.cap != yes && len(step.conds) > 0: // its condition is worth knowing
			x.afterwards(func() { x.addOther(out, func() *Explanation { return x.tupleAlone(step) }) })
		case step.level() == l && !decided:
			x.addChild(out, func() *Explanation { return x.tuple(s, step) })
			decided = l == yes
		}
	}
	return out
}

func (x *explainer) tuple(s *site, step step) *Explanation {
	out := x.tupleAlone(step)
	if step.to != nil {
		child := x.relation(*step.to, step.found, s.depth+1)
		out.Children = []*Explanation{child}
		if step.cap == yes {
			out.Outcome = child.Outcome
		}
	}
	return out
}

// tupleAlone explains a tuple without what it leads to.
func (x *explainer) tupleAlone(step step) *Explanation {
	x.budget--
	out := newExplanation(KindTuple, x.outcome(min(step.cap, step.found)))
	out.Tuple, out.Note, out.Conditions, out.Contextual = step.tuple.String(), step.note, step.conds, isContextual(x.reader, step.tuple)
	return out
}

// addChild adds what build returns, or counts it where the tree is full.
func (x *explainer) addChild(out *Explanation, build func() *Explanation) {
	if x.budget <= 0 || len(out.Children) >= maxExplanationChildren {
		out.More++
		return
	}
	out.Children = append(out.Children, build())
}
