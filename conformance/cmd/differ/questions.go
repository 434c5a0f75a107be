package main

import (
	"fmt"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// question is a request without the ids of its store and model, which differ between servers.
type question struct {
	request proto.Message
	faulty  bool // a fault was put into it
	latest  bool // no model is named: the store's latest
}

// kind names the call of a question.
func (q question) kind() string { return callName(q.request) }

func callName(m proto.Message) string {
	name := string(m.ProtoReflect().Descriptor().Name())
	return name[:len(name)-len("Request")]
}

// question draws one.
func (s *scene) question() question {
	q := question{request: s.request(), latest: s.IntN(10) == 0}
	if s.IntN(8) == 0 {
		q.faulty = s.spoil(q.request)
	}
	return q
}

func (s *scene) request() proto.Message {
	switch n := s.IntN(100); {
	case n < 45:
		return &openfgav1.CheckRequest{TupleKey: s.checkKey(), ContextualTuples: s.contextualKeys(), Context: s.context()}
	case n < 53:
		req := &openfgav1.BatchCheckRequest{}
		for i := range 1 + s.IntN(6) {
			req.Checks = append(req.Checks, &openfgav1.BatchCheckItem{CorrelationId: fmt.Sprint("item-", i),
				TupleKey: s.checkKey(), ContextualTuples: s.contextualKeys(), Context: s.context()})
		}
		return req
	case n < 67:
		o := s.objects[s.IntN(len(s.objects))]
		return &openfgav1.ListObjectsRequest{Type: o.Type, Relation: s.relationOf(o.Type), User: s.anySubject(),
			ContextualTuples: s.contextualKeys(), Context: s.context()}
	case n < 72:
		o := s.objects[s.IntN(len(s.objects))]
		return &openfgav1.StreamedListObjectsRequest{Type: o.Type, Relation: s.relationOf(o.Type), User: s.anySubject(),
			ContextualTuples: s.contextualKeys(), Context: s.context()}
	case n < 86:
		o, filter := s.objects[s.IntN(len(s.objects))], s.subjects[s.IntN(len(s.subjects))]
		return &openfgav1.ListUsersRequest{Object: &openfgav1.Object{Type: o.Type, Id: o.ID}, Relation: s.relationOf(o.Type),
			UserFilters:      []*openfgav1.UserTypeFilter{{Type: filter.Type, Relation: filter.Relation}},
			ContextualTuples: s.contextualKeys().GetTupleKeys(), Context: s.context()}
	case n < 91:
		o := s.objects[s.IntN(len(s.objects))]
		return &openfgav1.ExpandRequest{TupleKey: &openfgav1.ExpandRequestTupleKey{Object: o.String(), Relation: s.relationOf(o.Type)},
			ContextualTuples: s.contextualKeys()}
	case n < 96:
		return s.read()
	case n < 98:
		return &openfgav1.ReadChangesRequest{Type: oneOf(s, "", "", s.model.Types[s.IntN(len(s.model.Types))].Name), PageSize: s.pageSize()}
	default:
		return s.write()
	}
}

func oneOf[T any](s *scene, choices ...T) T { return choices[s.IntN(len(choices))] }

func (s *scene) anySubject() string { return s.subjects[s.IntN(len(s.subjects))].String() }

// relationOf returns a relation of a type, most often one that is not a tupleset.
func (s *scene) relationOf(typ string) string {
	relations := s.model.Type(typ).Relations
	for range 3 {
		if r := relations[s.IntN(len(relations))]; !isTupleset(r) {
			return r.Name
		}
	}
	return relations[0].Name
}

func (s *scene) checkKey() *openfgav1.CheckRequestTupleKey {
	o := s.objects[s.IntN(len(s.objects))]
	return &openfgav1.CheckRequestTupleKey{Object: o.String(), Relation: s.relationOf(o.Type), User: s.anySubject()}
}

// contextualKeys are most often none.
func (s *scene) contextualKeys() *openfgav1.ContextualTupleKeys {
	if s.IntN(10) < 6 || len(s.fitting) == 0 {
		return nil
	}
	keys := &openfgav1.ContextualTupleKeys{}
	for range 1 + s.IntN(5) {
		keys.TupleKeys = append(keys.TupleKeys, s.key(s.fitting[s.IntN(len(s.fitting))], 30))
	}
	keys.TupleKeys = unique(keys.TupleKeys)
	return keys
}

// context gives values to the parameters of the model's conditions.
func (s *scene) context() *structpb.Struct {
	values := map[string]any{}
	for _, c := range s.model.Conditions {
		if s.IntN(6) > 0 {
			conditionNamed(c.Name).fill(s.Rand, values, 20)
		}
	}
	return asStruct(values)
}

func (s *scene) pageSize() *wrapperspb.Int32Value {
	if s.IntN(2) == 0 {
		return nil
	}
	return wrapperspb.Int32(int32(1 + s.IntN(5)))
}

// read asks for all tuples, for those of an object, or for those of a subject among a type.
func (s *scene) read() *openfgav1.ReadRequest {
	req := &openfgav1.ReadRequest{PageSize: s.pageSize()}
	o := s.objects[s.IntN(len(s.objects))]
	key := &openfgav1.ReadRequestTupleKey{Object: o.String()}
	switch s.IntN(6) {
	case 0:
		return req
	case 1:
		key.Relation = s.relationOf(o.Type)
	case 2:
		key.User = s.anySubject()
	case 3:
		key.Relation, key.User = s.relationOf(o.Type), s.anySubject()
	case 4:
		key.Object, key.User = o.Type+":", s.anySubject()
	case 5:
		key.Object, key.Relation, key.User = o.Type+":", s.relationOf(o.Type), s.anySubject()
	}
	req.TupleKey = key
	return req
}

// write changes a few tuples, and asks for some that are there already, or are not.
func (s *scene) write() *openfgav1.WriteRequest {
	req := &openfgav1.WriteRequest{}
	if len(s.fitting) == 0 {
		return req
	}
	if s.IntN(2) == 0 {
		req.Deletes = &openfgav1.WriteRequestDeletes{OnMissing: oneOf(s, "", "", "error", "ignore")}
		for range 1 + s.IntN(2) {
			k := s.key(s.fitting[s.IntN(len(s.fitting))], 30)
			if len(s.tuples) > 0 && s.IntN(2) == 0 {
				k = s.tuples[s.IntN(len(s.tuples))]
			}
			req.Deletes.TupleKeys = append(req.Deletes.TupleKeys, &openfgav1.TupleKeyWithoutCondition{Object: k.GetObject(), Relation: k.GetRelation(), User: k.GetUser()})
		}
	}
	if req.Deletes == nil || s.IntN(2) == 0 {
		req.Writes = &openfgav1.WriteRequestWrites{OnDuplicate: oneOf(s, "", "", "error", "ignore")}
		for range 1 + s.IntN(2) {
			k := s.key(s.fitting[s.IntN(len(s.fitting))], 30)
			if len(s.tuples) > 0 && s.IntN(3) == 0 {
				k = proto.CloneOf(s.tuples[s.IntN(len(s.tuples))])
			}
			req.Writes.TupleKeys = append(req.Writes.TupleKeys, k)
		}
	}
	return req
}
