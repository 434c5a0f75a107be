package main

import (
	"maps"
	"slices"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine/oracle"
)

// confuses reports whether OpenFGA allows what the oracle denies, and what the oracle allows as soon as
// the usersets of other relations are read as OpenFGA reads them: where a relation may be given to
// itself, as "define member: [group#member, group#guest]", OpenFGA takes group:a#guest for group:a#member.
func confuses(s state, q question, ours, theirs answer) bool {
	return misreads(s, q, ours, theirs, func(contextual []*openfgav1.TupleKey) (state, []*openfgav1.TupleKey) {
		return confusedState(s), confusedKeys(s.model, contextual)
	})
}

// misreads reports whether the oracle denies what OpenFGA allows, and allows it in the state that as
// makes of s and the contextual tuples.
func misreads(s state, q question, ours, theirs answer, as func([]*openfgav1.TupleKey) (state, []*openfgav1.TupleKey)) bool {
	judge := func(k *openfgav1.CheckRequestTupleKey, contextual *openfgav1.ContextualTupleKeys, context *structpb.Struct) bool {
		right := s.oracles(contextual.GetTupleKeys(), context, nil)
		other, keys := as(contextual.GetTupleKeys())
		misread := other.oracles(keys, context, nil)
		allows := func(o *oracle.Oracle) bool { return oracleCheck(o, k) }
		return len(right) > 0 && !slices.ContainsFunc(right, allows) && slices.ContainsFunc(misread, allows)
	}
	switch req := q.request.(type) {
	case *openfgav1.CheckRequest:
		return slices.Equal(ours.Items, []string{"denied"}) && judge(req.GetTupleKey(), req.GetContextualTuples(), req.GetContext())
	case *openfgav1.BatchCheckRequest:
		return eachItem(req, ours, theirs, func(item *openfgav1.BatchCheckItem, our, their string) bool {
			return our == "denied" && their == "allowed" && judge(item.GetTupleKey(), item.GetContextualTuples(), item.GetContext())
		})
	}
	return false
}

func confusedState(s state) state {
	return state{model: s.model, tuples: confusedKeys(s.model, s.tuples)}
}

// confusedKeys adds, to each userset of another relation, that of the relation itself.
func confusedKeys(m *model.Model, keys []*openfgav1.TupleKey) []*openfgav1.TupleKey {
	all := slices.Clone(keys)
	for _, k := range keys {
		object, subject := subjectOf(k.GetObject()), subjectOf(k.GetUser())
		r := m.Relation(object.Type, k.GetRelation())
		if r == nil || subject.Type != object.Type || subject.Relation == "" || subject.Relation == r.Name {
			continue
		}
		recursive := func(x model.Restriction) bool { return x.Type == object.Type && x.Relation == r.Name }
		if slices.ContainsFunc(r.Restrictions, recursive) {
			subject.Relation = r.Name
			twin := proto.CloneOf(k)
			twin.User = subject.String()
			all = append(all, twin)
		}
	}
	return all
}

// hides reports whether a check is allowed by the oracle, and denied as soon as a tuple whose condition is
// false takes the other one with it, where one is of the user and one of the wildcard of its type.
func hides(s state, q question, ours, theirs answer) bool {
	judge := func(k *openfgav1.CheckRequestTupleKey, contextual *openfgav1.ContextualTupleKeys, context *structpb.Struct) bool {
		keys := unique(slices.Concat(contextual.GetTupleKeys(), s.tuples))
		wildcard := subjectOf(k.GetUser()).Type + ":*"
		pair := func(a, b *openfgav1.TupleKey) bool {
			return a.GetObject() == b.GetObject() && a.GetRelation() == b.GetRelation() &&
				(a.GetUser() == wildcard && b.GetUser() == k.GetUser() || a.GetUser() == k.GetUser() && b.GetUser() == wildcard)
		}
		kept := slices.DeleteFunc(slices.Clone(keys), func(hidden *openfgav1.TupleKey) bool {
			return slices.ContainsFunc(keys, func(by *openfgav1.TupleKey) bool {
				return pair(hidden, by) && failsCondition(by, context)
			})
		})
		right, hidden := s.oracle(contextual.GetTupleKeys(), context), state{model: s.model, tuples: kept}.oracle(nil, context)
		return right != nil && hidden != nil && oracleCheck(right, k) && !oracleCheck(hidden, k)
	}
	switch req := q.request.(type) {
	case *openfgav1.CheckRequest:
		return slices.Equal(ours.Items, []string{"allowed"}) && judge(req.GetTupleKey(), req.GetContextualTuples(), req.GetContext())
	case *openfgav1.BatchCheckRequest:
		return eachItem(req, ours, theirs, func(item *openfgav1.BatchCheckItem, our, their string) bool {
			return our == "allowed" && their == "denied" && judge(item.GetTupleKey(), item.GetContextualTuples(), item.GetContext())
		})
	}
	return false
}

// failsCondition reports whether a tuple has a condition that is known to be false.
func failsCondition(k *openfgav1.TupleKey, context *structpb.Struct) bool {
	c := conditionNamed(k.GetCondition().GetName())
	if c == nil {
		return false
	}
	values := context.AsMap()
	maps.Copy(values, k.GetCondition().GetContext().AsMap())
	holds, known := c.eval(values)
	return known && !holds
}
