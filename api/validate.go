package api

import (
	"errors"
	"fmt"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/condition"
	"github.com/ostiary/ostiary/dsl/model"
)

// fault says in OpenFGA's words what is wrong with a part of a request. Each method puts its own words
// and number around it.
type fault struct {
	kind faultKind
	text string
}

type faultKind uint8

const (
	faultForm      faultKind = iota // a part is malformed
	faultType                       // a type is not in the model
	faultRelation                   // a relation is not in the model
	faultFit                        // a tuple does not fit the model's type restrictions
	faultCondition                  // a tuple's condition is missing, wrong, or has a faulty context
)

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return ostiary.ErrTupleInvalid }

func malformed(format string, args ...any) error {
	return &fault{kind: faultForm, text: fmt.Sprintf(format, args...)}
}

func unfitCondition(format string, args ...any) error {
	return &fault{kind: faultCondition, text: fmt.Sprintf(format, args...)}
}

func unfit(format string, args ...any) error {
	return &fault{kind: faultFit, text: fmt.Sprintf(format, args...)}
}

// parseObject parses an object that stands in a question or a tuple.
func parseObject(text string) (ostiary.ObjectRef, error) {
	if _, id, _ := strings.Cut(text, ":"); id == ostiary.Wildcard {
		return ostiary.ObjectRef{}, malformed("the 'object' field cannot reference a typed wildcard")
	}
	o, err := ostiary.ParseObject(text)
	if err != nil {
		return o, malformed("invalid 'object' field format")
	}
	return o, nil
}

// parseSubject parses a user.
func parseSubject(text string) (ostiary.SubjectRef, error) {
	if text != "" && !strings.Contains(text, ":") {
		return ostiary.SubjectRef{}, malformed("the 'user' field must be an object (e.g. document:1) or an " +
			"'object#relation' or a typed wildcard (e.g. group:*)")
	}
	s, err := ostiary.ParseSubject(text)
	if err != nil {
		return s, malformed("the 'user' field is malformed")
	}
	return s, nil
}

func parseRelation(text string) error {
	if ostiary.ValidateRelation(text) != nil {
		return malformed("the 'relation' field is malformed")
	}
	return nil
}

// tupleKey is what the several tuple keys of openfga.v1 have in common.
type tupleKey interface {
	GetUser() string
	GetRelation() string
	GetObject() string
}

// parseTuple parses a tuple key, in the order in which OpenFGA finds faults.
func parseTuple(k tupleKey) (ostiary.Tuple, error) {
	subject, err := parseSubject(k.GetUser())
	if err != nil {
		return ostiary.Tuple{}, err
	}
	object, err := parseObject(k.GetObject())
	if err != nil {
		return ostiary.Tuple{}, err
	}
	if err := parseRelation(k.GetRelation()); err != nil {
		return ostiary.Tuple{}, err
	}
	return ostiary.Tuple{Object: object, Relation: k.GetRelation(), Subject: subject}, nil
}

func (m *authModel) checkType(name string) error {
	if m.Model.Type(name) == nil {
		return &fault{kind: faultType, text: fmt.Sprintf("type '%s' not found", name)}
	}
	return nil
}

func (m *authModel) checkRelation(typ, relation string) error {
	if err := m.checkType(typ); err != nil {
		return err
	}
	if m.Model.Relation(typ, relation) == nil {
		return &fault{kind: faultRelation, text: fmt.Sprintf("relation '%s#%s' not found", typ, relation)}
	}
	return nil
}

// checkSubject reports whether the model knows the type of a subject and, of a userset, its relation.
func (m *authModel) checkSubject(s ostiary.SubjectRef) error {
	if s.IsUserset() {
		return m.checkRelation(s.Type, s.Relation)
	}
	return m.checkType(s.Type)
}

// checkNames reports whether the model knows every name in a tuple.
func (m *authModel) checkNames(t ostiary.Tuple) error {
	if err := m.checkSubject(t.Subject); err != nil {
		return err
	}
	return m.checkRelation(t.Object.Type, t.Relation)
}

// checkFit reports whether a tuple with a condition (its name, or "") may be written under the model.
func (m *authModel) checkFit(t ostiary.Tuple, name string) error {
	if err := m.checkNames(t); err != nil {
		return err
	}
	typ, relation, s := t.Object.Type, t.Relation, t.Subject
	if m.isTupleset(typ, relation) {
		switch {
		case s.IsUserset():
			return unfit("unexpected user '%s' with tupleset relation '%s#%s'", s, typ, relation)
		case s.IsWildcard():
			return unfit("unexpected wildcard relationship with tupleset relation '%s#%s'", typ, relation)
		}
	}
	shape, plain, conditioned := matchRestrictions(m.Model.Relation(typ, relation).Restrictions, s, name)
	switch {
	case !shape && s.IsWildcard():
		return unfit("the typed wildcard '%s' is not an allowed type restriction for '%s#%s'", s, typ, relation)
	case !shape && s.IsUserset():
		return unfit("'%s#%s' is not an allowed type restriction for '%s#%s'", s.Type, s.Relation, typ, relation)
	case !shape:
		return unfit("type '%s' is not an allowed type restriction for '%s#%s'", s.Type, typ, relation)
	case name == "" && !plain:
		return unfitCondition("condition is missing")
	case name != "" && name != condition.Inline && m.Model.Condition(name) == nil:
		return unfitCondition("undefined condition")
	case name != "" && !conditioned:
		return unfitCondition("invalid condition for type restriction")
	}
	return nil
}

// matchRestrictions says whether a subject has the shape of some restriction, of one without a
// condition, and of one with the condition named.
func matchRestrictions(all []model.Restriction, s ostiary.SubjectRef, condition string) (shape, plain, conditioned bool) {
	for _, r := range all {
		if r.Type != s.Type || r.Relation != s.Relation || r.Wildcard != s.IsWildcard() {
			continue
		}
		shape = true
		plain = plain || r.Condition == ""
		conditioned = conditioned || r.Condition == condition
	}
	return shape, plain, conditioned
}

// checkContext reports whether a condition context may be stored: every value is of the type of its
// parameter.
func (m *authModel) checkContext(g ostiary.Grant) error {
	err := m.Plan.CheckContext(g)
	var value *condition.ValueError
	var expression *condition.CompileError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &value) && value.Unknown:
		return unfitCondition("found invalid context parameter: %s", value.Parameter)
	case errors.As(err, &value):
		return unfitCondition("%s", valueWords(value))
	case errors.As(err, &expression):
		return unfitCondition("failed to compile expression on condition '%s' - %v", g.Condition, err)
	}
	return unfitCondition("%v", err)
}

// invalidTuple is the refusal of a tuple in a Write or among contextual tuples.
func invalidTuple(code codes.Code, k *openfgav1.TupleKey, cause error) error {
	text := fmt.Sprintf("%s#%s@%s", k.GetObject(), k.GetRelation(), k.GetUser())
	if name := k.GetCondition().GetName(); name != "" {
		text += fmt.Sprintf(" (condition %s)", name)
	}
	return &refusal{code: code, text: fmt.Sprintf("Invalid tuple '%s'. Reason: %v", text, cause), cause: cause}
}

// wrapFault puts words before a fault; other errors pass.
func wrapFault(prefix string, err error) error {
	var f *fault
	if !errors.As(err, &f) {
		return err
	}
	return &refusal{code: codeValidation, text: prefix + f.text, cause: err}
}

// numberFault gives an unknown type and an unknown relation the numbers of their own that the lists
// answer with; other errors pass.
func numberFault(err error) error {
	var f *fault
	if !errors.As(err, &f) {
		return err
	}
	code := codeValidation
	switch f.kind {
	case faultType:
		code = codeTypeNotFound
	case faultRelation:
		code = codeRelationNotFound
	}
	return &refusal{code: code, text: f.text, cause: err}
}
