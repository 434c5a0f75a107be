package api

import (
	"context"
	"fmt"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// Expand returns the rewrite of a relation with the tuples of one object put in, one step deep.
func (s *Server) Expand(ctx context.Context, req *openfgav1.ExpandRequest) (*openfgav1.ExpandResponse, error) {
	k := req.GetTupleKey()
	if k.GetObject() == "" || k.GetRelation() == "" {
		return nil, refuse(codeExpandInput, "Invalid input. Make sure you provide an object and a relation")
	}
	q, err := s.ask(ctx, req.GetConsistency(), req.GetStoreId(), req.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	defer q.close()
	reader, err := s.withContextual(q, req.GetContextualTuples().GetTupleKeys(), codeValidation)
	if err != nil {
		return nil, err
	}
	object, err := parseObject(k.GetObject())
	if err == nil {
		err = q.model.checkRelation(object.Type, k.GetRelation())
	}
	if err != nil {
		return nil, wrapFault("", err)
	}
	x, err := s.engine.Expand(ctx, q.model.Plan, reader, object, k.GetRelation())
	if err != nil {
		return nil, err
	}
	return &openfgav1.ExpandResponse{Tree: &openfgav1.UsersetTree{Root: wireExpansion(x)}}, nil
}

func wireExpansion(x *engine.Expansion) *openfgav1.UsersetTree_Node {
	node := &openfgav1.UsersetTree_Node{Name: userset(x.Object, x.Relation)}
	switch x.Kind {
	case engine.KindDirect:
		users := &openfgav1.UsersetTree_Users{Users: make([]string, len(x.Subjects))}
		for i, s := range x.Subjects {
			users.Users[i] = s.String()
		}
		node.Value = leaf(&openfgav1.UsersetTree_Leaf{Value: &openfgav1.UsersetTree_Leaf_Users{Users: users}})
	case engine.KindComputed:
		node.Value = leaf(&openfgav1.UsersetTree_Leaf{Value: &openfgav1.UsersetTree_Leaf_Computed{
			Computed: &openfgav1.UsersetTree_Computed{Userset: x.Usersets[0].String()},
		}})
	case engine.KindTupleToUserset:
		followed := &openfgav1.UsersetTree_TupleToUserset{Tupleset: userset(x.Object, x.Tupleset)}
		for _, s := range x.Usersets {
			followed.Computed = append(followed.Computed, &openfgav1.UsersetTree_Computed{Userset: s.String()})
		}
		node.Value = leaf(&openfgav1.UsersetTree_Leaf{Value: &openfgav1.UsersetTree_Leaf_TupleToUserset{TupleToUserset: followed}})
	case engine.KindUnion:
		node.Value = &openfgav1.UsersetTree_Node_Union{Union: wireExpansions(x.Children)}
	case engine.KindIntersection:
		node.Value = &openfgav1.UsersetTree_Node_Intersection{Intersection: wireExpansions(x.Children)}
	case engine.KindDifference:
		node.Value = &openfgav1.UsersetTree_Node_Difference{Difference: &openfgav1.UsersetTree_Difference{
			Base: wireExpansion(x.Children[0]), Subtract: wireExpansion(x.Children[1]),
		}}
	default:
		panic(fmt.Sprintf("expansion has the kind %q, which openfga.v1 has no node for", x.Kind))
	}
	return node
}

func wireExpansions(all []*engine.Expansion) *openfgav1.UsersetTree_Nodes {
	nodes := &openfgav1.UsersetTree_Nodes{}
	for _, x := range all {
		nodes.Nodes = append(nodes.Nodes, wireExpansion(x))
	}
	return nodes
}

func leaf(l *openfgav1.UsersetTree_Leaf) *openfgav1.UsersetTree_Node_Leaf {
	return &openfgav1.UsersetTree_Node_Leaf{Leaf: l}
}

func userset(o ostiary.ObjectRef, relation string) string { return o.String() + "#" + relation }
