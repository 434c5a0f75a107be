package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// checksPerBatch is OpenFGA's limit.
const checksPerBatch = 50

// property asks one server a list, and the check of each object or user that could stand in it, with the
// same contextual tuples and context:
//
//	o in ListObjects(u, r)  exactly when  Check(o, r, u)  exactly when  u in ListUsers(o, r)
//
// A list of users says that everybody of a type is in it by the wildcard; then single users need not
// stand in it. It returns what it asked and, when the property does not hold, how.
func (s *scene) property(ctx context.Context, t *target) (asked int, q question, problem string) {
	if s.IntN(2) == 0 {
		return s.objectsProperty(ctx, t)
	}
	return s.usersProperty(ctx, t)
}

func (s *scene) objectsProperty(ctx context.Context, t *target) (int, question, string) {
	o := s.objects[s.IntN(len(s.objects))]
	req := &openfgav1.ListObjectsRequest{Type: o.Type, Relation: s.relationOf(o.Type), User: s.anySubject(),
		ContextualTuples: s.contextualKeys(), Context: s.context()}
	q := question{request: req}
	listed := t.ask(ctx, question{request: req})
	var keys []*openfgav1.CheckRequestTupleKey
	for _, id := range s.ids[o.Type] {
		keys = append(keys, &openfgav1.CheckRequestTupleKey{Object: o.Type + ":" + id, Relation: req.GetRelation(), User: req.GetUser()})
	}
	checked, failed := s.checkAll(ctx, t, keys, req.GetContextualTuples(), req)
	if listed.Code != 0 {
		return len(keys) + 1, q, listFailed(listed, failed)
	}
	for i, k := range keys {
		if in := slices.Contains(listed.Items, k.GetObject()); checked[i] != answerWord(in) && !undecided(checked[i]) {
			return len(keys) + 1, q, fmt.Sprintf("%s: check says %s, the list %v", k.GetObject(), checked[i], listed.Items)
		}
	}
	return len(keys) + 1, q, ""
}

func (s *scene) usersProperty(ctx context.Context, t *target) (int, question, string) {
	o, filter := s.objects[s.IntN(len(s.objects))], s.subjects[s.IntN(len(s.subjects))]
	contextual := s.contextualKeys()
	req := &openfgav1.ListUsersRequest{Object: &openfgav1.Object{Type: o.Type, Id: o.ID}, Relation: s.relationOf(o.Type),
		UserFilters:      []*openfgav1.UserTypeFilter{{Type: filter.Type, Relation: filter.Relation}},
		ContextualTuples: contextual.GetTupleKeys(), Context: s.context()}
	q := question{request: req}
	listed := t.ask(ctx, question{request: req})
	var keys []*openfgav1.CheckRequestTupleKey
	for _, u := range s.subjects {
		if u.Type == filter.Type && u.Relation == filter.Relation {
			keys = append(keys, &openfgav1.CheckRequestTupleKey{Object: o.String(), Relation: req.GetRelation(), User: u.String()})
		}
	}
	checked, failed := s.checkAll(ctx, t, keys, contextual, req)
	if listed.Code != 0 {
		return len(keys) + 1, q, listFailed(listed, failed)
	}
	everybody := filter.Relation == "" && slices.Contains(listed.Items, filter.Type+":*")
	for i, k := range keys {
		in := slices.Contains(listed.Items, k.GetUser())
		covered := everybody && !strings.HasSuffix(k.GetUser(), ":*")
		if checked[i] != answerWord(in) && !undecided(checked[i]) && (in || !covered) {
			return len(keys) + 1, q, fmt.Sprintf("%s: check says %s, the list %v", k.GetUser(), checked[i], listed.Items)
		}
	}
	return len(keys) + 1, q, ""
}

// answerWord is what a check should say of something that is listed or not.
func answerWord(in bool) string { return allowed(in) }

// undecided reports whether a check failed: a list may leave out what a failed check is about.
func undecided(text string) bool { return strings.HasPrefix(text, "error") }

// listFailed judges a list that failed: some check must fail too, unless the list met a parameter that
// is missing on a path that no check of these needs.
func listFailed(listed answer, failed bool) string {
	if failed || listed.Code == 2000 {
		return ""
	}
	return fmt.Sprintf("the list fails with %v, and no check does", listed)
}

// checkAll asks the checks in batches and returns "allowed", "denied" or the error of each.
func (s *scene) checkAll(ctx context.Context, t *target, keys []*openfgav1.CheckRequestTupleKey, contextual *openfgav1.ContextualTupleKeys, like withContext) (texts []string, failed bool) {
	for part := range slices.Chunk(keys, checksPerBatch) {
		req := &openfgav1.BatchCheckRequest{}
		for i, k := range part {
			req.Checks = append(req.Checks, &openfgav1.BatchCheckItem{CorrelationId: fmt.Sprint(i), TupleKey: k, ContextualTuples: contextual, Context: like.GetContext()})
		}
		a := t.ask(ctx, question{request: req})
		for i := range part {
			text := answerOf(a.Items, fmt.Sprint(i))
			if a.Code != 0 {
				text = a.String()
			}
			failed = failed || undecided(text)
			texts = append(texts, text)
		}
	}
	return texts, failed
}

// withContext is a question that carries a context.
type withContext interface{ GetContext() *structpb.Struct }
