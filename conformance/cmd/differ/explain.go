package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine/oracle"
)

// The differences that are meant to be. docs/conformance.md gives the reasons.
const (
	// OpenFGA denies what stands under a subtracted side as soon as it meets a cycle there; ours is the
	// least fixed point, and the oracle agrees with us.
	classCycle = "cycle under a subtracted side"
	// OpenFGA adds plain subjects and wildcards of the type to a list of usersets.
	classShapes = "shapes in a list of usersets"
	// OpenFGA takes the userset of another relation for that of a relation that holds itself, and allows.
	classConfused = "a userset of another relation beside a recursive one"
	// OpenFGA takes a recursive "a from p" to hold for every type that p leads to, and allows.
	classFollowed = "a recursive from over several types"
	// OpenFGA lets a user's own tuple whose condition is false hide the wildcard behind a userset, or the
	// wildcard the user's own tuple.
	classHidden = "a wildcard beside a tuple whose condition is false"
	// OpenFGA gives several answers to the same question.
	classUndecided = "OpenFGA answers both ways"
	// OpenFGA lists what its own check denies, or leaves out what it allows; ours is as that check says.
	classOwnCheck = "a list of OpenFGA's against its own check"
	// OpenFGA reads a stored tuple beside the contextual one that differs in its condition alone; ours reads
	// the contextual one in its place.
	classBeside = "a contextual tuple in place of a stored one"
	// OpenFGA fails on a condition that cannot be decided, and ours is the answer whatever it would be.
	classNeedless = "OpenFGA fails on a condition that changes nothing"
	// Ostiary fails on a condition that changes nothing only because both sides of a "but not" hold it: it
	// knows three values, not which of them hang together.
	classOurs = "Ostiary fails on a condition that changes nothing"
	// OpenFGA answers, although the answer depends on a condition that cannot be decided.
	classSilent = "OpenFGA answers although a condition cannot be decided"
	// OpenFGA does not ask whether a store exists before it looks for the model or the tuples in it.
	classStore = "a store that does not exist"
	// OpenFGA looks for objects and users that no tuple can have, and finds none.
	classMalformed = "Read and ListUsers of a malformed object or user"
	// OpenFGA does not see every way to an entry point, and refuses a model that has one.
	classEntry = "an entry point that OpenFGA does not see"
)

// The numbers of errors by which differences are told apart.
const (
	codeValidation    = uint32(openfgav1.ErrorCode_validation_error)
	codeModelInvalid  = uint32(openfgav1.ErrorCode_invalid_authorization_model)
	codeStoreNotFound = uint32(openfgav1.NotFoundErrorCode_store_id_not_found)
)

// explainRefusal returns the class of a difference between a refusal and another answer, or "".
func explainRefusal(q question, ours, theirs answer) string {
	kind := q.kind()
	switch {
	case q.faulty && ours.Code == codeStoreNotFound:
		return classStore
	case q.faulty && (kind == "Read" || kind == "ListUsers") && ours.Code == codeValidation && theirs.Code == 0:
		return classMalformed
	case kind == "WriteAuthorizationModel" && ours.Code == 0 && theirs.Code == codeModelInvalid &&
		(strings.Contains(theirs.Message, "no entrypoints") || strings.Contains(theirs.Message, "potential loop")):
		return classEntry
	}
	return ""
}

// repeats is how often OpenFGA is asked again when it differs.
const repeats = 10

// explain returns the class of a difference that is meant to be, or "".
func explain(ctx context.Context, c comparison, state state, q question, ours, theirs answer) string {
	if class := explainRefusal(q, ours, theirs); class != "" {
		return class
	}
	if req, ok := q.request.(*openfgav1.ListUsersRequest); ok && ours.Code == 0 && theirs.Code == 0 {
		shaped := theirs
		shaped.Items = ofShape(req.GetUserFilters(), theirs.Items)
		if ours.equal(shaped) {
			return classShapes
		}
		theirs = shaped
	}
	if ours.Code == 0 && theirs.Code == 0 && hasDifference(state.model) && oracleAgrees(state, q, ours, theirs) {
		return classCycle
	}
	if ours.Code == 0 && theirs.Code == 0 && confuses(state, q, ours, theirs) {
		return classConfused
	}
	if ours.Code == 0 && theirs.Code == 0 && follows(state, q, ours, theirs) {
		return classFollowed
	}
	if ours.Code == 0 && theirs.Code == 0 && hides(state, q, ours, theirs) {
		return classHidden
	}
	if ours.Code == 0 && theirs.Code == 0 && ownCheckAgrees(ctx, c, q, ours, theirs) {
		return classOwnCheck
	}
	if ours.Code == 0 && theirs.Code == 0 && standsBeside(state, q, ours, theirs) {
		return classBeside
	}
	if class := explainUndecided(state, q, ours, theirs); class != "" {
		return class
	}
	for range repeats {
		if c.theirs.ask(ctx, q).equal(ours) {
			return classUndecided
		}
	}
	return ""
}

// ownCheckAgrees reports whether OpenFGA's check says of everything in which two lists differ what our
// list says.
func ownCheckAgrees(ctx context.Context, c comparison, q question, ours, theirs answer) bool {
	check := func(item string) *openfgav1.CheckRequest {
		switch req := q.request.(type) {
		case *openfgav1.ListObjectsRequest:
			return &openfgav1.CheckRequest{ContextualTuples: req.GetContextualTuples(), Context: req.GetContext(),
				TupleKey: &openfgav1.CheckRequestTupleKey{Object: item, Relation: req.GetRelation(), User: req.GetUser()}}
		case *openfgav1.StreamedListObjectsRequest:
			return &openfgav1.CheckRequest{ContextualTuples: req.GetContextualTuples(), Context: req.GetContext(),
				TupleKey: &openfgav1.CheckRequestTupleKey{Object: item, Relation: req.GetRelation(), User: req.GetUser()}}
		case *openfgav1.ListUsersRequest:
			object := req.GetObject().GetType() + ":" + req.GetObject().GetId()
			return &openfgav1.CheckRequest{ContextualTuples: &openfgav1.ContextualTupleKeys{TupleKeys: req.GetContextualTuples()}, Context: req.GetContext(),
				TupleKey: &openfgav1.CheckRequestTupleKey{Object: object, Relation: req.GetRelation(), User: item}}
		}
		return nil
	}
	agrees := func(items []string, want string) bool {
		for _, item := range items {
			req := check(item)
			if req == nil || !slices.Equal(c.theirs.ask(ctx, question{request: req, latest: q.latest}).Items, []string{want}) {
				return false
			}
		}
		return true
	}
	return agrees(outside(theirs.Items, ours.Items), "denied") && agrees(outside(ours.Items, theirs.Items), "allowed")
}

// outside returns the elements of part that do not stand in whole.
func outside(part, whole []string) []string {
	return slices.DeleteFunc(slices.Clone(part), func(s string) bool { return slices.Contains(whole, s) })
}

func ofShape(filters []*openfgav1.UserTypeFilter, users []string) []string {
	var kept []string
	for _, user := range users {
		_, relation, _ := strings.Cut(user, "#")
		if len(filters) == 1 && relation == filters[0].GetRelation() {
			kept = append(kept, user)
		}
	}
	return kept
}

func hasDifference(m *model.Model) bool {
	for _, t := range m.Types {
		for _, r := range t.Relations {
			if anyPart(r.Rewrite, func(w model.Rewrite) bool { _, is := w.(model.Difference); return is }) {
				return true
			}
		}
	}
	return false
}

// oracleAgrees reports whether ours is what the oracle says, and theirs lacks something and adds nothing.
func oracleAgrees(state state, q question, ours, theirs answer) bool {
	switch req := q.request.(type) {
	case *openfgav1.CheckRequest:
		o := state.oracle(req.GetContextualTuples().GetTupleKeys(), req.GetContext())
		return o != nil && oracleCheck(o, req.GetTupleKey()) && slices.Equal(ours.Items, []string{"allowed"})
	case *openfgav1.BatchCheckRequest:
		return eachItem(req, ours, theirs, func(item *openfgav1.BatchCheckItem, our, their string) bool {
			o := state.oracle(item.GetContextualTuples().GetTupleKeys(), item.GetContext())
			return our == "allowed" && their == "denied" && o != nil && oracleCheck(o, item.GetTupleKey())
		})
	case *openfgav1.ListObjectsRequest:
		return objectsAgree(state, req, ours, theirs)
	case *openfgav1.StreamedListObjectsRequest:
		return objectsAgree(state, &openfgav1.ListObjectsRequest{Type: req.GetType(), Relation: req.GetRelation(), User: req.GetUser(),
			ContextualTuples: req.GetContextualTuples(), Context: req.GetContext()}, ours, theirs)
	case *openfgav1.ListUsersRequest:
		o := state.oracle(req.GetContextualTuples(), req.GetContext())
		if o == nil || len(req.GetUserFilters()) != 1 {
			return false
		}
		var want []string
		object := ostiary.ObjectRef{Type: req.GetObject().GetType(), ID: req.GetObject().GetId()}
		for _, s := range o.ListUsers(object, req.GetRelation(), req.GetUserFilters()[0].GetType(), req.GetUserFilters()[0].GetRelation()) {
			want = append(want, s.String())
		}
		return slices.Equal(ours.Items, sorted(want)) && within(theirs.Items, ours.Items)
	}
	return false
}

func objectsAgree(state state, req *openfgav1.ListObjectsRequest, ours, theirs answer) bool {
	o := state.oracle(req.GetContextualTuples().GetTupleKeys(), req.GetContext())
	if o == nil {
		return false
	}
	var want []string
	for _, object := range o.ListObjects(req.GetType(), req.GetRelation(), subjectOf(req.GetUser())) {
		want = append(want, object.String())
	}
	return slices.Equal(ours.Items, sorted(want)) && within(theirs.Items, ours.Items)
}

// eachItem reports whether is holds for every check of a batch in which the answers differ.
func eachItem(req *openfgav1.BatchCheckRequest, ours, theirs answer, is func(item *openfgav1.BatchCheckItem, our, their string) bool) bool {
	for _, item := range req.GetChecks() {
		our, their := answerOf(ours.Items, item.GetCorrelationId()), answerOf(theirs.Items, item.GetCorrelationId())
		if our != their && !is(item, our, their) {
			return false
		}
	}
	return len(ours.Items) == len(theirs.Items)
}

func answerOf(items []string, id string) string {
	for _, item := range items {
		if text, ok := strings.CutPrefix(item, id+"="); ok {
			return text
		}
	}
	return ""
}

// within reports whether every element of part stands in whole.
func within(part, whole []string) bool {
	return len(outside(part, whole)) == 0
}

func oracleCheck(o *oracle.Oracle, k *openfgav1.CheckRequestTupleKey) bool {
	return o.Check(subjectOf(k.GetObject()).Object(), k.GetRelation(), subjectOf(k.GetUser()))
}

// subjectOf parses a subject that a server has taken.
func subjectOf(text string) ostiary.SubjectRef {
	object, relation, _ := strings.Cut(text, "#")
	typ, id, _ := strings.Cut(object, ":")
	return ostiary.SubjectRef{Type: typ, ID: id, Relation: relation}
}

// state is what a store holds when a question is asked.
type state struct {
	model  *model.Model
	tuples []*openfgav1.TupleKey
	// beside says that a contextual tuple stands beside a stored one that differs in its condition alone,
	// as OpenFGA has it at times; else it stands in its place.
	beside bool
}

// oracle evaluates the tuples whose conditions hold. It is nil when a condition cannot be decided.
func (s state) oracle(contextual []*openfgav1.TupleKey, context *structpb.Struct) *oracle.Oracle {
	if all := s.oracles(contextual, context, nil); len(all) == 1 {
		return all[0]
	}
	return nil
}

// maxUndecided bounds the tuples whose conditions cannot be decided: there is an oracle for each way to
// decide them.
const maxUndecided = 13

// oracles returns an oracle for each way in which the conditions that cannot be decided may turn out;
// one when all can be decided, none when there are too many ways. With an object, they answer questions
// about it alone.
func (s state) oracles(contextual []*openfgav1.TupleKey, context *structpb.Struct, object *ostiary.ObjectRef) []*oracle.Oracle {
	var certain, undecided []ostiary.Tuple
	keys := slices.Concat(contextual, s.tuples)
	if !s.beside {
		keys = unique(keys)
	}
	if object != nil {
		keys = reachable(*object, keys)
	}
	for _, k := range keys {
		tuple := ostiary.Tuple{Object: subjectOf(k.GetObject()).Object(), Relation: k.GetRelation(), Subject: subjectOf(k.GetUser())}
		holds, known := true, true
		if name := k.GetCondition().GetName(); name != "" {
			holds, known = false, false
			if c := conditionNamed(name); c != nil {
				values := context.AsMap()
				maps.Copy(values, k.GetCondition().GetContext().AsMap())
				holds, known = c.eval(values)
			}
		}
		switch {
		case !known:
			undecided = append(undecided, tuple)
		case holds:
			certain = append(certain, tuple)
		}
	}
	ways := 1 << min(len(undecided), maxUndecided)
	step := 1
	switch {
	case len(undecided) > 0 && !hasDifference(s.model):
		every := 1<<min(len(undecided), 62) - 1 // more tuples only allow more: the least and the most say it all
		ways, step = every+1, every
	case len(undecided) > maxUndecided:
		return nil
	}
	m := unconditional(s.model)
	var all []*oracle.Oracle
	for way := 0; way < ways; way += step {
		tuples := slices.Clone(certain)
		for i, t := range undecided {
			if way&(1<<i) != 0 {
				tuples = append(tuples, t)
			}
		}
		all = append(all, oracle.New(m, tuples))
	}
	return all
}

// reachable returns the tuples of an object, of the subjects of these tuples, and so on: no other can
// change an answer about the object.
func reachable(object ostiary.ObjectRef, keys []*openfgav1.TupleKey) []*openfgav1.TupleKey {
	seen := map[ostiary.ObjectRef]bool{object: true}
	for grown := true; grown; {
		grown = false
		for _, k := range keys {
			if subject := subjectOf(k.GetUser()).Object(); seen[subjectOf(k.GetObject()).Object()] && !seen[subject] {
				seen[subject], grown = true, true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(keys), func(k *openfgav1.TupleKey) bool { return !seen[subjectOf(k.GetObject()).Object()] })
}

// unconditional is a model whose restrictions name no conditions.
func unconditional(m *model.Model) *model.Model {
	var types []*model.Type
	for _, t := range m.Types {
		plain := &model.Type{Name: t.Name}
		for _, r := range t.Relations {
			copied := &model.Relation{Name: r.Name, Rewrite: r.Rewrite}
			for _, restriction := range r.Restrictions {
				restriction.Condition = ""
				if !slices.Contains(copied.Restrictions, restriction) {
					copied.Restrictions = append(copied.Restrictions, restriction)
				}
			}
			plain.Relations = append(plain.Relations, copied)
		}
		types = append(types, plain)
	}
	return model.New(m.Schema, types, nil)
}
