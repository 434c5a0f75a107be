package main

import (
	"slices"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary/dsl/model"
)

// confuses reports whether OpenFGA allows what the oracle denies, and what the oracle allows as soon as
// the usersets of other relations are read as OpenFGA reads them: where a relation may be given to
// itself, as "define member: [group#member, group#guest]", OpenFGA takes group:a#guest for group:a#member.
func confuses(state state, q question, ours, theirs answer) bool {
	judge := func(k *openfgav1.CheckRequestTupleKey, contextual *openfgav1.ContextualTupleKeys, context *structpb.Struct) bool {
		right := state.oracle(contextual.GetTupleKeys(), context)
		confused := confusedState(state).oracle(confusedKeys(state.model, contextual.GetTupleKeys()), context)
		return right != nil && confused != nil && !oracleCheck(right, k) && oracleCheck(confused, k)
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
