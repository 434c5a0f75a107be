package main

import (
	"context"
	"slices"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/proto"

	"github.com/ostiary/ostiary/dsl/model"
)

// comparison is a pair of stores that are told and asked the same.
type comparison struct {
	ours, theirs *target
}

// servers are the two to compare.
type servers struct {
	ours, theirs openfgav1.OpenFGAServiceClient
}

func (s servers) newComparison(ctx context.Context) (comparison, error) {
	ours, err := newTarget(ctx, s.ours)
	if err != nil {
		return comparison{}, err
	}
	theirs, err := newTarget(ctx, s.theirs)
	return comparison{ours, theirs}, err
}

// both asks both at once.
func (c comparison) both(ctx context.Context, q question) (ours, theirs answer) {
	done := make(chan answer, 1)
	go func() { done <- c.theirs.ask(ctx, q) }()
	ours = c.ours.ask(ctx, q)
	return ours, <-done
}

// difference is a question to which the answers differ.
type difference struct {
	Case    uint64   `json:"case"`
	Class   string   `json:"class"` // empty: unexplained
	Kind    string   `json:"kind"`
	Model   string   `json:"model"`
	Tuples  []string `json:"tuples"`
	Request string   `json:"request"`
	Ours    answer   `json:"ostiary"`
	Theirs  answer   `json:"openfga"`

	state    state
	question question
}

func newDifference(number uint64, s state, q question, ours, theirs answer) *difference {
	d := &difference{Case: number, Kind: q.kind(), Ours: ours, Theirs: theirs, state: s, question: q}
	d.describe()
	return d
}

// describe makes the parts of d that people read.
func (d *difference) describe() {
	d.Model, d.Request = printModel(d.state.model), jsonText(d.question.request)
	if d.question.latest {
		d.Request += " of the latest model"
	}
	d.Tuples = nil
	for _, k := range d.state.tuples {
		d.Tuples = append(d.Tuples, keyText(k))
	}
}

// shrinkSteps bounds the stores that are made to make one difference smaller.
const shrinkSteps = 300

// shrink makes a difference smaller while both servers go on to take model and tuples, the kinds of the
// two answers stay what they are, and nothing explains the difference.
func (d *difference) shrink(ctx context.Context, s servers) {
	steps := 0
	again := func(smaller state, q question) bool {
		if steps++; steps > shrinkSteps {
			return false
		}
		c, ours, theirs, ok := s.replay(ctx, smaller, q)
		if !ok || ours.equal(theirs) || ours.Code != d.Ours.Code || theirs.Code != d.Theirs.Code ||
			explain(ctx, c, smaller, q, ours, theirs) != "" {
			return false
		}
		d.state, d.question, d.Ours, d.Theirs = smaller, q, ours, theirs
		return true
	}
	for progress := true; progress && ctx.Err() == nil; {
		progress = false
		for _, q := range smallerQuestions(d.question) {
			if again(d.state, q) {
				progress = true
				break
			}
		}
		for i := len(d.state.tuples) - 1; i >= 0; i-- {
			fewer := slices.Delete(slices.Clone(d.state.tuples), i, i+1)
			progress = again(state{model: d.state.model, tuples: fewer}, d.question) || progress
		}
		for _, m := range smallerModels(d.state.model) {
			if again(state{model: m, tuples: d.state.tuples}, d.question) {
				progress = true
				break
			}
		}
	}
	d.describe()
}

// replay asks one question about new stores. It is not ok when they do not take the state alike.
func (s servers) replay(ctx context.Context, st state, q question) (c comparison, ours, theirs answer, ok bool) {
	c, err := s.newComparison(ctx)
	if err != nil {
		return c, ours, theirs, false
	}
	ours, theirs = c.both(ctx, question{request: wireModel(st.model)})
	if ours.Code != 0 || theirs.Code != 0 {
		return c, ours, theirs, false
	}
	if len(st.tuples) > 0 {
		ours, theirs = c.both(ctx, question{request: &openfgav1.WriteRequest{Writes: &openfgav1.WriteRequestWrites{TupleKeys: st.tuples}}})
		if ours.Code != 0 || theirs.Code != 0 {
			return c, ours, theirs, false
		}
	}
	ours, theirs = c.both(ctx, q)
	return c, ours, theirs, true
}

// smallerQuestions leave out a contextual tuple, a value of the context or a check of a batch.
func smallerQuestions(q question) []question {
	var all []question
	with := func(change func(m proto.Message)) {
		m := proto.Clone(q.request)
		change(m)
		all = append(all, question{request: m, faulty: q.faulty, latest: q.latest})
	}
	type contextual interface {
		GetContextualTuples() *openfgav1.ContextualTupleKeys
	}
	if req, ok := q.request.(contextual); ok {
		for i := range req.GetContextualTuples().GetTupleKeys() {
			with(func(m proto.Message) {
				keys := m.(contextual).GetContextualTuples()
				keys.TupleKeys = slices.Delete(keys.TupleKeys, i, i+1)
			})
		}
	}
	if req, ok := q.request.(*openfgav1.ListUsersRequest); ok {
		for i := range req.GetContextualTuples() {
			with(func(m proto.Message) {
				req := m.(*openfgav1.ListUsersRequest)
				req.ContextualTuples = slices.Delete(req.ContextualTuples, i, i+1)
			})
		}
	}
	if req, ok := q.request.(*openfgav1.BatchCheckRequest); ok && len(req.GetChecks()) > 1 {
		for i := range req.GetChecks() {
			with(func(m proto.Message) {
				req := m.(*openfgav1.BatchCheckRequest)
				req.Checks = slices.Delete(req.Checks, i, i+1)
			})
		}
	}
	return all
}

// smallerModels leave out a relation, a restriction or a part of a rewrite.
func smallerModels(m *model.Model) []*model.Model {
	var all []*model.Model
	for i, t := range m.Types {
		for j, r := range t.Relations {
			for _, smaller := range append(smallerRelations(r), nil) {
				var types []*model.Type
				for k, u := range m.Types {
					relations := slices.Clone(u.Relations)
					switch {
					case k == i && smaller == nil:
						relations = slices.Delete(relations, j, j+1)
					case k == i:
						relations[j] = smaller
					}
					types = append(types, &model.Type{Name: u.Name, Relations: relations})
				}
				all = append(all, model.New(m.Schema, types, m.Conditions))
			}
		}
	}
	return all
}

func smallerRelations(r *model.Relation) []*model.Relation {
	var all []*model.Relation
	for i := range r.Restrictions {
		if len(r.Restrictions) > 1 {
			all = append(all, &model.Relation{Name: r.Name, Rewrite: r.Rewrite, Restrictions: slices.Delete(slices.Clone(r.Restrictions), i, i+1)})
		}
	}
	for _, w := range parts(r.Rewrite) {
		smaller := &model.Relation{Name: r.Name, Rewrite: w}
		if hasDirect(w) {
			smaller.Restrictions = r.Restrictions
		}
		all = append(all, smaller)
	}
	return all
}

// parts returns the parts of w, and w with one part made smaller.
func parts(w model.Rewrite) []model.Rewrite {
	var all []model.Rewrite
	inList := func(children []model.Rewrite, of func([]model.Rewrite) model.Rewrite) {
		all = append(all, children...)
		for i, c := range children {
			if len(children) > 2 {
				all = append(all, of(slices.Delete(slices.Clone(children), i, i+1)))
			}
			for _, smaller := range parts(c) {
				list := slices.Clone(children)
				list[i] = smaller
				all = append(all, of(list))
			}
		}
	}
	switch w := w.(type) {
	case model.Union:
		inList(w.Children, func(c []model.Rewrite) model.Rewrite { return model.Union{Children: c} })
	case model.Intersection:
		inList(w.Children, func(c []model.Rewrite) model.Rewrite { return model.Intersection{Children: c} })
	case model.Difference:
		inList([]model.Rewrite{w.Base, w.Subtract}, func(c []model.Rewrite) model.Rewrite { return model.Difference{Base: c[0], Subtract: c[1]} })
	}
	return all
}
