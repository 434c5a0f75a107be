package main

import (
	"fmt"
	"slices"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/oracle"
)

// conditionFailed is how OpenFGA says that a condition cannot be decided.
const conditionFailed = "failed to evaluate relationship condition"

// explainUndecided returns the class of a difference in which one side failed on a condition that cannot
// be decided, or "". It asks the oracle for each way in which the conditions may turn out: when all
// answers are the same, none of these conditions changes anything.
func explainUndecided(state state, q question, ours, theirs answer) string {
	if req, ok := q.request.(*openfgav1.BatchCheckRequest); ok {
		return explainUndecidedBatch(state, req, ours, theirs)
	}
	possible := possibleAnswers(state, q)
	switch {
	case len(possible) == 0:
		return ""
	case ours.Code == 0 && theirs.Code == codeValidation && strings.Contains(theirs.Message, conditionFailed):
		if len(possible) == 1 && possible[0] == strings.Join(uncovered(ours.Items), " ") {
			return classNeedless
		}
	case ours.Code == codeValidation && strings.Contains(ours.Message, conditionFailed) && theirs.Code == 0:
		if len(possible) > 1 {
			return classSilent
		}
		if hasDifference(state.model) && possible[0] == strings.Join(uncovered(theirs.Items), " ") {
			return classOurs
		}
	}
	return ""
}

func explainUndecidedBatch(state state, req *openfgav1.BatchCheckRequest, ours, theirs answer) string {
	failed, class := fmt.Sprint("error ", codeValidation), ""
	explained := eachItem(req, ours, theirs, func(item *openfgav1.BatchCheckItem, our, their string) bool {
		possible := possibleAnswers(state, checkOf(item))
		switch {
		case their == failed && slices.Equal(possible, []string{our}):
			class = classNeedless
		case our == failed && len(possible) > 1:
			class = classSilent
		case our == failed && hasDifference(state.model) && slices.Equal(possible, []string{their}):
			class = classOurs
		default:
			return false
		}
		return true
	})
	if !explained {
		return ""
	}
	return class
}

// possibleAnswers are the distinct answers of the oracles to a question; none when there are too many
// oracles, or when the question is not of the kind that they answer.
func possibleAnswers(state state, q question) []string {
	var answers []string
	var about *ostiary.ObjectRef
	each := func(contextual []*openfgav1.TupleKey, context withContext, ask func(o *oracle.Oracle) []string) []string {
		for _, o := range state.oracles(contextual, context.GetContext(), about) {
			if text := strings.Join(sorted(ask(o)), " "); !slices.Contains(answers, text) {
				answers = append(answers, text)
			}
		}
		return answers
	}
	objects := func(typ, relation, user string) func(o *oracle.Oracle) []string {
		return func(o *oracle.Oracle) []string { return texts(o.ListObjects(typ, relation, subjectOf(user))) }
	}
	switch req := q.request.(type) {
	case *openfgav1.CheckRequest:
		object := subjectOf(req.GetTupleKey().GetObject()).Object()
		about = &object
		return each(req.GetContextualTuples().GetTupleKeys(), req, func(o *oracle.Oracle) []string {
			return []string{allowed(oracleCheck(o, req.GetTupleKey()))}
		})
	case *openfgav1.ListObjectsRequest:
		return each(req.GetContextualTuples().GetTupleKeys(), req, objects(req.GetType(), req.GetRelation(), req.GetUser()))
	case *openfgav1.StreamedListObjectsRequest:
		return each(req.GetContextualTuples().GetTupleKeys(), req, objects(req.GetType(), req.GetRelation(), req.GetUser()))
	case *openfgav1.ListUsersRequest:
		if len(req.GetUserFilters()) != 1 {
			return nil
		}
		object := ostiary.ObjectRef{Type: req.GetObject().GetType(), ID: req.GetObject().GetId()}
		about = &object
		filter := req.GetUserFilters()[0]
		return each(req.GetContextualTuples(), req, func(o *oracle.Oracle) []string {
			return uncovered(texts(o.ListUsers(object, req.GetRelation(), filter.GetType(), filter.GetRelation())))
		})
	}
	return nil
}

// uncovered leaves out the users of a list for whom its wildcard stands: a condition that puts one there a
// second time changes nothing.
func uncovered(users []string) []string {
	var kept []string
	for _, user := range users {
		typ, id, _ := strings.Cut(user, ":")
		if id == ostiary.Wildcard || strings.Contains(id, "#") || !slices.Contains(users, typ+":"+ostiary.Wildcard) {
			kept = append(kept, user)
		}
	}
	return kept
}

// standsBeside reports whether the oracle gives our answer when contextual tuples stand in the place of
// stored ones, and OpenFGA's when they stand beside them.
func standsBeside(s state, q question, ours, theirs answer) bool {
	judge := func(q question, our, their string) bool {
		beside := s
		beside.beside = true
		return slices.Equal(possibleAnswers(s, q), []string{our}) && slices.Equal(possibleAnswers(beside, q), []string{their})
	}
	if req, ok := q.request.(*openfgav1.BatchCheckRequest); ok {
		return eachItem(req, ours, theirs, func(item *openfgav1.BatchCheckItem, our, their string) bool {
			return judge(checkOf(item), our, their)
		})
	}
	return judge(q, strings.Join(uncovered(ours.Items), " "), strings.Join(uncovered(theirs.Items), " ")) && inPlace(s, q)
}

// inPlace reports whether a contextual tuple of a question stands in the place of a stored one.
func inPlace(s state, q question) bool {
	var keys []*openfgav1.TupleKey
	switch req := q.request.(type) {
	case *openfgav1.ListUsersRequest:
		keys = req.GetContextualTuples()
	case interface {
		GetContextualTuples() *openfgav1.ContextualTupleKeys
	}:
		keys = req.GetContextualTuples().GetTupleKeys()
	}
	all := slices.Concat(keys, s.tuples)
	return len(unique(all)) < len(all)
}

// checkOf is a check of a batch as a question of its own.
func checkOf(item *openfgav1.BatchCheckItem) question {
	return question{request: &openfgav1.CheckRequest{
		TupleKey: item.GetTupleKey(), ContextualTuples: item.GetContextualTuples(), Context: item.GetContext()}}
}

func texts[T fmt.Stringer](list []T) []string {
	var all []string
	for _, x := range list {
		all = append(all, x.String())
	}
	return all
}
