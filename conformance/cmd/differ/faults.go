package main

import (
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Texts that a field may get instead of its own.
var (
	faultyObjects   = []string{"", "doc", "doc:", ":a", "doc:a:b", "doc:a#a", "doc:*", "nothing:a", "doc:a b", "doc a:b", "doc:" + strings.Repeat("x", 300), "user:a", "doc:a\n", "doc:é", "doc:a|b"}
	faultyRelations = []string{"", "nothing", "a b", "a#b", "a:b", "A", strings.Repeat("r", 60), "a@", "*"}
	faultyUsers     = []string{"", "user", "user:", ":a", "user:a#", "user:a#nothing", "nothing:a", "*", "user:*#a", "user:a b", "user:a:b", "user:a#b#c",
		"group:a#nothing", "group:*#a", "doc:a#a", strings.Repeat("u", 600), "user:" + strings.Repeat("u", 600), "user:é", "#a", "user:**"}
	faultyTypes  = []string{"", "nothing", "doc:a", "do c", "user", "doc#a", strings.Repeat("t", 300), "*"}
	faultyIDs    = []string{"", "x", "01JD0000000000000000000000", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "01jd0000000000000000000000", "01JD000000000000000000000"}
	faultyTokens = []string{"x", "AAAA", strings.Repeat("t", 6000), "eyJwayI6IkxBVEVTVCJ9"}
	faultyPages  = []int32{0, -1, 101, 1000000}
	faultyWords  = []string{"nothing", "Ignore", "error ", "ERROR"}
)

// spoil puts a fault into one field of a message, at any depth, and reports whether it found a field.
// What it puts there may happen to be right.
func (s *scene) spoil(m proto.Message) bool {
	var places []func()
	collect(s, m.ProtoReflect(), &places)
	if len(places) == 0 {
		return false
	}
	places[s.IntN(len(places))]()
	return true
}

// collect gathers the changes that can be made to a message.
func collect(s *scene, m protoreflect.Message, places *[]func()) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		text := func(choices []string) {
			if _, is := m.Interface().(*openfgav1.TupleKeyWithoutCondition); is && choices[0] == "" {
				choices = choices[1:] // OpenFGA's memory store takes an empty part of a delete for any
			}
			*places = append(*places, func() { m.Set(f, protoreflect.ValueOfString(oneOf(s, choices...))) })
		}
		switch string(f.Name()) {
		case "object":
			if f.Kind() == protoreflect.StringKind {
				text(faultyObjects)
			} else if m.Has(f) {
				collect(s, m.Mutable(f).Message(), places)
			}
		case "relation":
			text(faultyRelations)
		case "user":
			text(faultyUsers)
		case "type":
			text(faultyTypes)
		case "id":
			text([]string{"", "a b", "a:b", "a#b", "*", strings.Repeat("x", 300)})
		case "name":
			text([]string{"", "nothing", "a b", strings.Repeat("c", 300)})
		case "store_id", "authorization_model_id":
			text(faultyIDs)
		case "continuation_token":
			text(faultyTokens)
		case "correlation_id":
			text([]string{"", "item-0", "a b", strings.Repeat("i", 40), "é"})
		case "on_duplicate", "on_missing":
			text(faultyWords)
		case "page_size":
			*places = append(*places, func() {
				m.Set(f, protoreflect.ValueOfMessage(wrapperspb.Int32(oneOf(s, faultyPages...)).ProtoReflect()))
			})
		case "tuple_key", "contextual_tuples", "writes", "deletes", "condition":
			if f.IsList() {
				collectList(s, m, f, places)
			} else {
				*places = append(*places, func() { m.Clear(f) })
				if m.Has(f) {
					collect(s, m.Mutable(f).Message(), places)
				}
			}
		case "tuple_keys", "user_filters", "checks":
			collectList(s, m, f, places)
		}
	}
}

// collectList gathers the changes to a list: to its elements, the list left empty, an element twice.
func collectList(s *scene, m protoreflect.Message, f protoreflect.FieldDescriptor, places *[]func()) {
	list := m.Mutable(f).List()
	for i := range list.Len() {
		collect(s, list.Get(i).Message(), places)
	}
	if list.Len() == 0 {
		return
	}
	*places = append(*places, func() { m.Clear(f) }, func() {
		twin := proto.Clone(list.Get(s.IntN(list.Len())).Message().Interface())
		list.Append(protoreflect.ValueOfMessage(twin.ProtoReflect()))
	})
}

// spoilModel puts a fault into a model.
func (s *scene) spoilModel(req *openfgav1.WriteAuthorizationModelRequest) {
	d := req.GetTypeDefinitions()[len(req.GetTypeDefinitions())-1]
	relation := s.relationOf(d.GetType())
	switch meta := d.GetMetadata().GetRelations()[relation]; s.IntN(14) {
	case 0:
		req.SchemaVersion = oneOf(s, "", "1.0", "1.2", "2")
	case 1:
		req.TypeDefinitions = append(req.TypeDefinitions, proto.CloneOf(d))
	case 2:
		d.Type = oneOf(s, "", "self", "this", "a b", "a:b", "a#b", strings.Repeat("t", 255), "A")
	case 3:
		d.Relations[oneOf(s, "", "self", "this", "a b", "a#b", strings.Repeat("r", 51))] = d.Relations[relation]
	case 4:
		d.Relations[relation] = &openfgav1.Userset{Userset: &openfgav1.Userset_ComputedUserset{ComputedUserset: &openfgav1.ObjectRelation{Relation: "nothing"}}}
	case 5:
		meta.DirectlyRelatedUserTypes = append(meta.DirectlyRelatedUserTypes, &openfgav1.RelationReference{Type: "nothing"})
	case 6:
		meta.DirectlyRelatedUserTypes = append(meta.DirectlyRelatedUserTypes, &openfgav1.RelationReference{Type: d.GetType(), RelationOrWildcard: &openfgav1.RelationReference_Relation{Relation: "nothing"}})
	case 7:
		meta.DirectlyRelatedUserTypes = append(meta.DirectlyRelatedUserTypes, &openfgav1.RelationReference{Type: "user", Condition: "nothing"})
	case 8:
		meta.DirectlyRelatedUserTypes = nil
	case 9:
		delete(d.Metadata.Relations, relation)
	case 10:
		d.Metadata = nil
	case 11:
		d.Relations[relation] = &openfgav1.Userset{}
	case 12:
		req.TypeDefinitions = nil
	case 13:
		meta.DirectlyRelatedUserTypes = append(meta.DirectlyRelatedUserTypes, meta.DirectlyRelatedUserTypes...)
	}
}
