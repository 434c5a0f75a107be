package main

import (
	"fmt"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/dsl/model"
)

// wireModel is the request that writes a model. It is a conversion of its own, so that a fault in
// package dsl cannot hide here.
func wireModel(m *model.Model) *openfgav1.WriteAuthorizationModelRequest {
	req := &openfgav1.WriteAuthorizationModelRequest{SchemaVersion: string(m.Schema)}
	for _, t := range m.Types {
		d := &openfgav1.TypeDefinition{Type: t.Name}
		if len(t.Relations) > 0 {
			d.Relations = map[string]*openfgav1.Userset{}
			d.Metadata = &openfgav1.Metadata{Relations: map[string]*openfgav1.RelationMetadata{}}
		}
		for _, r := range t.Relations {
			d.Relations[r.Name] = wireRewrite(r.Rewrite)
			meta := &openfgav1.RelationMetadata{}
			for _, restriction := range r.Restrictions {
				meta.DirectlyRelatedUserTypes = append(meta.DirectlyRelatedUserTypes, wireRestriction(restriction))
			}
			d.Metadata.Relations[r.Name] = meta
		}
		req.TypeDefinitions = append(req.TypeDefinitions, d)
	}
	for _, c := range m.Conditions {
		if req.Conditions == nil {
			req.Conditions = map[string]*openfgav1.Condition{}
		}
		wire := &openfgav1.Condition{Name: c.Name, Expression: c.Expression, Parameters: map[string]*openfgav1.ConditionParamTypeRef{}}
		for _, p := range c.Parameters {
			wire.Parameters[p.Name] = wireType(p.Type)
		}
		req.Conditions[c.Name] = wire
	}
	return req
}

func wireType(t model.ParameterType) *openfgav1.ConditionParamTypeRef {
	number, ok := openfgav1.ConditionParamTypeRef_TypeName_value["TYPE_NAME_"+strings.ToUpper(t.Name)]
	if !ok {
		panic(fmt.Sprintf("no parameter type %s", t.Name))
	}
	ref := &openfgav1.ConditionParamTypeRef{TypeName: openfgav1.ConditionParamTypeRef_TypeName(number)}
	if t.Element != nil {
		ref.GenericTypes = []*openfgav1.ConditionParamTypeRef{wireType(*t.Element)}
	}
	return ref
}

func wireRestriction(r model.Restriction) *openfgav1.RelationReference {
	ref := &openfgav1.RelationReference{Type: r.Type, Condition: r.Condition}
	switch {
	case r.Wildcard:
		ref.RelationOrWildcard = &openfgav1.RelationReference_Wildcard{Wildcard: &openfgav1.Wildcard{}}
	case r.Relation != "":
		ref.RelationOrWildcard = &openfgav1.RelationReference_Relation{Relation: r.Relation}
	}
	return ref
}

func wireRewrite(w model.Rewrite) *openfgav1.Userset {
	switch w := w.(type) {
	case model.Direct:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_This{This: &openfgav1.DirectUserset{}}}
	case model.ComputedUserset:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_ComputedUserset{ComputedUserset: &openfgav1.ObjectRelation{Relation: w.Relation}}}
	case model.TupleToUserset:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_TupleToUserset{TupleToUserset: &openfgav1.TupleToUserset{
			Tupleset: &openfgav1.ObjectRelation{Relation: w.Tupleset}, ComputedUserset: &openfgav1.ObjectRelation{Relation: w.Computed}}}}
	case model.Union:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_Union{Union: wireChildren(w.Children)}}
	case model.Intersection:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_Intersection{Intersection: wireChildren(w.Children)}}
	case model.Difference:
		return &openfgav1.Userset{Userset: &openfgav1.Userset_Difference{Difference: &openfgav1.Difference{
			Base: wireRewrite(w.Base), Subtract: wireRewrite(w.Subtract)}}}
	}
	panic(fmt.Sprintf("no rewrite of %T", w))
}

func wireChildren(children []model.Rewrite) *openfgav1.Usersets {
	set := &openfgav1.Usersets{}
	for _, c := range children {
		set.Child = append(set.Child, wireRewrite(c))
	}
	return set
}

// printModel prints a model as DSL; it prints what package dsl refuses too.
func printModel(m *model.Model) string {
	var b strings.Builder
	fmt.Fprintf(&b, "model\n  schema %s\n", m.Schema)
	for _, t := range m.Types {
		fmt.Fprintf(&b, "type %s\n", t.Name)
		if len(t.Relations) > 0 {
			b.WriteString("  relations\n")
		}
		for _, r := range t.Relations {
			fmt.Fprintf(&b, "    define %s: %s\n", r.Name, printRewrite(r, r.Rewrite, false))
		}
	}
	for _, c := range m.Conditions {
		var parameters []string
		for _, p := range c.Parameters {
			parameters = append(parameters, p.Name+": "+p.Type.String())
		}
		fmt.Fprintf(&b, "condition %s(%s) {\n  %s\n}\n", c.Name, strings.Join(parameters, ", "), c.Expression)
	}
	return b.String()
}

func printRewrite(r *model.Relation, w model.Rewrite, inner bool) string {
	join := func(word string, parts ...model.Rewrite) string {
		var texts []string
		for _, p := range parts {
			texts = append(texts, printRewrite(r, p, true))
		}
		if text := strings.Join(texts, word); !inner {
			return text
		} else {
			return "(" + text + ")"
		}
	}
	switch w := w.(type) {
	case model.Direct:
		var shapes []string
		for _, restriction := range r.Restrictions {
			shapes = append(shapes, restriction.String())
		}
		return "[" + strings.Join(shapes, ", ") + "]"
	case model.ComputedUserset:
		return w.Relation
	case model.TupleToUserset:
		return w.Computed + " from " + w.Tupleset
	case model.Union:
		return join(" or ", w.Children...)
	case model.Intersection:
		return join(" and ", w.Children...)
	case model.Difference:
		return join(" but not ", w.Base, w.Subtract)
	}
	panic(fmt.Sprintf("no rewrite of %T", w))
}
