package api

import (
	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/dsl"
)

// judgeModelDepth refuses a model whose expressions or types of parameters nest deeper than a model may,
// in the words of package dsl. It comes before everything else that looks at the model: the time that
// OpenFGA's validators need grows with the square of the depth.
func judgeModelDepth(req any) error {
	m, ok := req.(*openfgav1.WriteAuthorizationModelRequest)
	if !ok {
		return nil
	}
	for _, typ := range m.GetTypeDefinitions() {
		for name, u := range typ.GetRelations() {
			if deeper(u, dsl.MaxDepth+1) { // an operand without operators is one level more
				return refuse(codeInvalidModel, "E004: the expression of relation %.60q of type %.60q nests deeper than %d levels; "+
					"give the inner part a relation of its own (MaxDepth)", name, typ.GetType(), dsl.MaxDepth)
			}
		}
	}
	for condition, c := range m.GetConditions() {
		for name, p := range c.GetParameters() {
			if deeperType(p, dsl.MaxDepth) {
				return refuse(codeInvalidModel, "E004: the type of parameter %.60q of condition %.60q nests deeper than %d levels; "+
					"write `any` for the inner part (MaxDepth)", name, condition, dsl.MaxDepth)
			}
		}
	}
	return nil
}

// deeper reports whether an expression has more than left levels. It goes no deeper than that.
func deeper(u *openfgav1.Userset, left int) bool {
	if u == nil {
		return false
	}
	if left == 0 {
		return true
	}
	var children []*openfgav1.Userset
	switch {
	case u.GetUnion() != nil:
		children = u.GetUnion().GetChild()
	case u.GetIntersection() != nil:
		children = u.GetIntersection().GetChild()
	case u.GetDifference() != nil:
		children = []*openfgav1.Userset{u.GetDifference().GetBase(), u.GetDifference().GetSubtract()}
	}
	for _, child := range children {
		if deeper(child, left-1) {
			return true
		}
	}
	return false
}

func deeperType(p *openfgav1.ConditionParamTypeRef, left int) bool {
	if left == 0 {
		return true
	}
	for _, inner := range p.GetGenericTypes() {
		if deeperType(inner, left-1) {
			return true
		}
	}
	return false
}
