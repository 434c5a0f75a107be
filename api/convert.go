package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/ostiary/ostiary"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func timestamp(nanos int64) *timestamppb.Timestamp { return timestamppb.New(time.Unix(0, nanos)) }

// encodeDocument returns the JSON form of a message without the spaces that protojson varies.
func encodeDocument(m proto.Message) ([]byte, error) {
	loose, err := protojson.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	var buf bytes.Buffer
	if err := json.Compact(&buf, loose); err != nil {
		return nil, fmt.Errorf("encode %s: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return buf.Bytes(), nil
}

// decodeDocument reads what encodeDocument wrote. Fields of a later release are left out.
func decodeDocument(d ostiary.Document, m proto.Message) error {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(d.Body, m); err != nil {
		return fmt.Errorf("decode document %q at version %d: %w: %w", d.Key, d.Version, err, ostiary.ErrCorrupt)
	}
	return nil
}

// grantOf returns the grant that a tuple key asks for. The context is a JSON object with sorted keys,
// or nil where there is none or it is empty.
func grantOf(k *openfgav1.TupleKey) (ostiary.Grant, error) {
	g := ostiary.Grant{Owner: ostiary.OwnerAPI, Condition: k.GetCondition().GetName()}
	if fields := k.GetCondition().GetContext(); len(fields.GetFields()) > 0 {
		context, err := json.Marshal(fields.AsMap())
		if err != nil { // a number that is not one
			return g, unfitCondition("condition context is not JSON: %v", err)
		}
		g.Context = context
	}
	return g, nil
}

// conditionOf returns the wire form of a grant's condition, or nil where it has none.
func conditionOf(g ostiary.Grant) (*openfgav1.RelationshipCondition, error) {
	if g.Condition == "" {
		return nil, nil
	}
	context := &structpb.Struct{}
	if len(g.Context) > 0 {
		if err := protojson.Unmarshal(g.Context, context); err != nil {
			return nil, fmt.Errorf("decode context of condition %q: %w: %w", g.Condition, err, ostiary.ErrCorrupt)
		}
	}
	return &openfgav1.RelationshipCondition{Name: g.Condition, Context: context}, nil
}

// wireTuple returns the wire form of a tuple with one of its grants.
func wireTuple(t ostiary.Tuple, g ostiary.Grant) (*openfgav1.TupleKey, error) {
	condition, err := conditionOf(g)
	if err != nil {
		return nil, fmt.Errorf("tuple %q: %w", t, err)
	}
	return &openfgav1.TupleKey{
		User: t.Subject.String(), Relation: t.Relation, Object: t.Object.String(), Condition: condition,
	}, nil
}

// shownGrant picks the grant that stands for a tuple in a list: a live one without condition if there
// is one, else the live one of plain Write, else the first that lives. It returns false when none does.
func shownGrant(t ostiary.StoredTuple, nowNanos int64) (ostiary.Grant, bool) {
	var shown ostiary.Grant
	found := false
	for _, g := range t.Grants {
		switch {
		case !g.Live(nowNanos):
		case g.Condition == "":
			return g, true
		case !found || g.Owner == ostiary.OwnerAPI:
			shown, found = g, true
		}
	}
	return shown, found
}

// wireUser returns a subject as ListUsers answers it.
func wireUser(s ostiary.SubjectRef) *openfgav1.User {
	switch {
	case s.IsUserset():
		return &openfgav1.User{User: &openfgav1.User_Userset{
			Userset: &openfgav1.UsersetUser{Type: s.Type, Id: s.ID, Relation: s.Relation},
		}}
	case s.IsWildcard():
		return &openfgav1.User{User: &openfgav1.User_Wildcard{Wildcard: &openfgav1.TypedWildcard{Type: s.Type}}}
	}
	return &openfgav1.User{User: &openfgav1.User_Object{Object: &openfgav1.Object{Type: s.Type, Id: s.ID}}}
}

// positionBytes writes the parts of a position in a list, which hold no NUL.
func positionBytes(parts ...string) []byte {
	var buf []byte
	for i, part := range parts {
		if i > 0 {
			buf = append(buf, 0)
		}
		buf = append(buf, part...)
	}
	return buf
}

// positionTuple reads the tuple at which a page ended, or nil at the start.
func positionTuple(position []byte) (*ostiary.Tuple, error) {
	if position == nil {
		return nil, nil
	}
	parts := bytes.Split(position, []byte{0})
	if len(parts) != 3 {
		return nil, errPageToken
	}
	t, err := ostiary.NewTuple(string(parts[0]), string(parts[1]), string(parts[2]))
	if err != nil {
		return nil, errPageToken
	}
	return &t, nil
}
