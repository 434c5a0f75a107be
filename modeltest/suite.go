package modeltest

import (
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
)

// Suite is a store file with everything that it names.
type Suite struct {
	File string
	Name string
	// Model is what the tuples and tests are about.
	Model *model.Model
	// Tuples hold in every test.
	Tuples []Tuple
	Tests  []Test
	// Files are all files that were read, the store file first, for whoever watches them.
	Files []string
}

// Tuple is a tuple, perhaps with a condition, and where it stands.
type Tuple struct {
	ostiary.Edge
	File string
	Line int
}

// Test is one test of a suite: tuples of its own, and questions with expected answers.
type Test struct {
	Name        string
	Description string
	Line        int
	Tuples      []Tuple
	Questions   []Question
}

// Kind is the kind of a question.
type Kind string

// The kinds of questions.
const (
	KindCheck       Kind = "check"
	KindListObjects Kind = "list_objects"
	KindListUsers   Kind = "list_users"
)

// Question is one question with its expected answer.
type Question struct {
	Kind     Kind
	Line     int // of the assertion
	Relation string
	// Object is asked about by check and list_users, Subject by check and list_objects.
	Object  ostiary.ObjectRef
	Subject ostiary.SubjectRef
	// Type is the type of the objects that list_objects asks for.
	Type string
	// Filters are the forms of the users that list_users asks for: "user", "group#member".
	Filters []Filter
	// Context is the context of the request as encoding/json decodes it, numbers as json.Number, or nil.
	Context map[string]any

	Allowed bool     // expected of check
	Members []string // expected of the lists, sorted
}

// Filter is a form of users: a type, or the usersets of one of its relations.
type Filter struct{ Type, Relation string }

// String returns "user" or "group#member".
func (f Filter) String() string {
	if f.Relation == "" {
		return f.Type
	}
	return f.Type + "#" + f.Relation
}

// String returns the question as text: "doc:1#viewer@user:ann".
func (q Question) String() string {
	switch q.Kind {
	case KindListObjects:
		return q.Type + "#" + q.Relation + "@" + q.Subject.String()
	case KindListUsers:
		text := q.Object.String() + "#" + q.Relation + "@"
		for i, f := range q.Filters {
			if i > 0 {
				text += "|"
			}
			text += f.String()
		}
		return text
	}
	return ostiary.Tuple{Object: q.Object, Relation: q.Relation, Subject: q.Subject}.String()
}
