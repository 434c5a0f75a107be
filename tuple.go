package ostiary

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on the parts of a tuple, in bytes of UTF-8. They are OpenFGA's.
const (
	MaxTypeBytes     = 254
	MaxRelationBytes = 50
	MaxObjectBytes   = 256 // of "type:id"
	MaxSubjectBytes  = 512 // of "type:id" or "type:id#relation"
)

// Wildcard is the id that stands for every object of a type, as in "user:*".
const Wildcard = "*"

// ObjectRef names an object: "type:id".
type ObjectRef struct {
	Type string
	ID   string
}

// String returns "type:id".
func (o ObjectRef) String() string { return o.Type + ":" + o.ID }

// SubjectRef is the right-hand side of a tuple. It has one of three kinds: an object ("user:ann"),
// a typed wildcard ("user:*", ID is Wildcard), or a userset ("group:eng#member", Relation is set).
type SubjectRef struct {
	Type     string
	ID       string
	Relation string // empty unless the subject is a userset
}

// IsUserset reports whether s names a set such as "group:eng#member".
func (s SubjectRef) IsUserset() bool { return s.Relation != "" }

// IsWildcard reports whether s is a typed wildcard such as "user:*".
func (s SubjectRef) IsWildcard() bool { return s.Relation == "" && s.ID == Wildcard }

// Object returns the object part of s: "group:eng" for "group:eng#member".
func (s SubjectRef) Object() ObjectRef { return ObjectRef{Type: s.Type, ID: s.ID} }

// String returns "type:id", "type:*" or "type:id#relation".
func (s SubjectRef) String() string {
	if s.Relation == "" {
		return s.Type + ":" + s.ID
	}
	return s.Type + ":" + s.ID + "#" + s.Relation
}

// Tuple is one fact: Subject has Relation to Object. Tuples are comparable.
type Tuple struct {
	Object   ObjectRef
	Relation string
	Subject  SubjectRef
}

// String returns "type:id#relation@subject".
func (t Tuple) String() string {
	return t.Object.String() + "#" + t.Relation + "@" + t.Subject.String()
}

// Compare orders tuples by object type, object id, relation, subject kind (wildcard, userset, object)
// and subject. It is the order of the tuple table.
func (t Tuple) Compare(u Tuple) int {
	for _, c := range [...]int{
		strings.Compare(t.Object.Type, u.Object.Type),
		strings.Compare(t.Object.ID, u.Object.ID),
		strings.Compare(t.Relation, u.Relation),
		t.Subject.kindRank() - u.Subject.kindRank(),
		strings.Compare(t.Subject.Type, u.Subject.Type),
		strings.Compare(t.Subject.ID, u.Subject.ID),
		strings.Compare(t.Subject.Relation, u.Subject.Relation),
	} {
		if c != 0 {
			return c
		}
	}
	return 0
}

func (s SubjectRef) kindRank() int {
	switch {
	case s.IsWildcard():
		return 0
	case s.IsUserset():
		return 1
	}
	return 2
}

// Grant is what one owner says of a tuple: the tuple holds while at least one of its grants does.
// A grant without a condition holds until its expiry.
type Grant struct {
	// Owner names who wrote it: "api", "scim:<connection>/<resource>/<attribute>", "rule:<id>".
	Owner string
	// Condition is the name of a condition of the model, or empty.
	Condition string
	// Context is the condition's context as a JSON object with sorted keys, or nil.
	Context []byte
	// ExpiryNanos is when the grant ends, in nanoseconds since 1970 UTC. Zero means never.
	ExpiryNanos int64
}

// Live reports whether g has not expired at the given time (nanoseconds since 1970 UTC).
func (g Grant) Live(nowNanos int64) bool { return g.ExpiryNanos == 0 || nowNanos < g.ExpiryNanos }

// OwnerAPI is the owner of what is written with the plain Write call.
const OwnerAPI = "api"

// StoredTuple is a tuple with everything that storage knows of it.
type StoredTuple struct {
	Tuple
	Grants  []Grant  // at least one, sorted by owner, one per owner
	Created Revision // when the tuple came into being; later changes of its grants keep it
	// CreatedNanos is the stamp of the mutation that created it, in nanoseconds since 1970 UTC.
	CreatedNanos int64
}

// Edge is a live tuple as evaluation sees it: expired grants are gone.
type Edge struct {
	Tuple
	// Conditions holds the live grants when every one of them has a condition. It is empty when the
	// tuple holds without condition.
	Conditions []Grant
}

// Edge returns t as evaluation sees it at the given time, and false when every grant has expired.
func (t StoredTuple) Edge(nowNanos int64) (Edge, bool) {
	var conditional []Grant
	for _, g := range t.Grants {
		if !g.Live(nowNanos) {
			continue
		}
		if g.Condition == "" {
			return Edge{Tuple: t.Tuple}, true
		}
		conditional = append(conditional, g)
	}
	return Edge{Tuple: t.Tuple, Conditions: conditional}, len(conditional) > 0
}

// ParseObject parses "type:id". The error is a *TupleError that is ErrTupleInvalid.
func ParseObject(text string) (ObjectRef, error) {
	if len(text) > MaxObjectBytes {
		return ObjectRef{}, invalid("object", text, fmt.Sprintf("is longer than %d bytes", MaxObjectBytes))
	}
	typ, id, ok := strings.Cut(text, ":")
	if !ok {
		return ObjectRef{}, invalid("object", text, "is not of the form type:id")
	}
	o := ObjectRef{Type: typ, ID: id}
	if err := o.validate("object", text); err != nil {
		return ObjectRef{}, err
	}
	if id == Wildcard {
		return ObjectRef{}, invalid("object", text, "is a typed wildcard, which can only be a user")
	}
	return o, nil
}

// ParseSubject parses "type:id", "type:*" or "type:id#relation". The error is a *TupleError that is
// ErrTupleInvalid.
func ParseSubject(text string) (SubjectRef, error) {
	if len(text) > MaxSubjectBytes {
		return SubjectRef{}, invalid("user", text, fmt.Sprintf("is longer than %d bytes", MaxSubjectBytes))
	}
	object, relation, isUserset := strings.Cut(text, "#")
	typ, id, ok := strings.Cut(object, ":")
	if !ok {
		return SubjectRef{}, invalid("user", text, "is not of the form type:id, type:* or type:id#relation")
	}
	s := SubjectRef{Type: typ, ID: id, Relation: relation}
	if err := s.Object().validate("user", text); err != nil {
		return SubjectRef{}, err
	}
	if !isUserset {
		return s, nil
	}
	if id == Wildcard {
		return SubjectRef{}, invalid("user", text, "joins a wildcard and a relation, which has no meaning")
	}
	if err := validateRelation("user", text, relation); err != nil {
		return SubjectRef{}, err
	}
	return s, nil
}

// ParseTuple parses "type:id#relation@subject".
func ParseTuple(text string) (Tuple, error) {
	object, rest, ok := strings.Cut(text, "#")
	if !ok {
		return Tuple{}, invalid("tuple", text, "is not of the form type:id#relation@user")
	}
	relation, subject, ok := strings.Cut(rest, "@")
	if !ok {
		return Tuple{}, invalid("tuple", text, "is not of the form type:id#relation@user")
	}
	return NewTuple(object, relation, subject)
}

// NewTuple parses the three parts of a tuple as they stand in an OpenFGA tuple key. The error is a
// *TupleError that is ErrTupleInvalid and names the faulty part.
func NewTuple(object, relation, subject string) (Tuple, error) {
	o, err := ParseObject(object)
	if err != nil {
		return Tuple{}, err
	}
	if err := ValidateRelation(relation); err != nil {
		return Tuple{}, err
	}
	s, err := ParseSubject(subject)
	if err != nil {
		return Tuple{}, err
	}
	return Tuple{Object: o, Relation: relation, Subject: s}, nil
}

// Validate reports the first part of t that could not have come from NewTuple.
func (t Tuple) Validate() error {
	_, err := NewTuple(t.Object.String(), t.Relation, t.Subject.String())
	return err
}

// ValidateRelation reports whether name can be the name of a relation.
func ValidateRelation(name string) error { return validateRelation("relation", name, name) }

func (o ObjectRef) validate(part, text string) error {
	switch {
	case o.Type == "":
		return invalid(part, text, "has no type before the colon")
	case len(o.Type) > MaxTypeBytes:
		return invalid(part, text, fmt.Sprintf("has a type longer than %d bytes", MaxTypeBytes))
	case o.ID == "":
		return invalid(part, text, "has no id after the colon")
	case strings.ContainsAny(o.Type, "#@*"):
		return invalid(part, text, "has a type with one of # @ *")
	case strings.ContainsAny(o.ID, ":#"):
		return invalid(part, text, "has an id with one of : #")
	}
	return validateText(part, text)
}

func validateRelation(part, text, relation string) error {
	switch {
	case relation == "":
		return invalid(part, text, "has an empty relation")
	case len(relation) > MaxRelationBytes:
		return invalid(part, text, fmt.Sprintf("has a relation longer than %d bytes", MaxRelationBytes))
	case strings.ContainsAny(relation, ":#@*"):
		return invalid(part, text, "has a relation with one of : # @ *")
	}
	return validateText(part, text)
}

// validateText refuses what no part of a tuple may hold: white space, control characters (NUL above
// all, which separates the parts of storage keys) and bytes that are not UTF-8.
func validateText(part, text string) error {
	if !utf8.ValidString(text) {
		return invalid(part, text, "is not valid UTF-8")
	}
	for _, r := range text {
		if unicode.IsSpace(r) {
			return invalid(part, text, "has white space")
		}
		if unicode.IsControl(r) {
			return invalid(part, text, fmt.Sprintf("has the control character U+%04X", r))
		}
	}
	return nil
}

func invalid(part, text, reason string) error {
	return &TupleError{Part: part, Text: text, Reason: reason, Err: ErrTupleInvalid}
}
