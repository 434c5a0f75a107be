package workload

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/model"
)

// maxReplayLineBytes bounds a line of a replay file.
const maxReplayLineBytes = 4 << 20

// replayLine is a line of a replay file: one of its fields is set, and context beside a question.
type replayLine struct {
	Model       string             `json:"model,omitempty"`
	Tuple       *replayTuple       `json:"tuple,omitempty"`
	Check       *replayTuple       `json:"check,omitempty"`
	ListObjects *replayListObjects `json:"list_objects,omitempty"`
	ListUsers   *replayListUsers   `json:"list_users,omitempty"`
	Context     map[string]any     `json:"context,omitempty"`
}

type replayTuple struct {
	User      string           `json:"user"`
	Relation  string           `json:"relation"`
	Object    string           `json:"object"`
	Condition *replayCondition `json:"condition,omitempty"`
}

type replayCondition struct {
	Name    string         `json:"name"`
	Context map[string]any `json:"context,omitempty"`
}

type replayListObjects struct {
	Type     string `json:"type"`
	Relation string `json:"relation"`
	User     string `json:"user"`
}

type replayListUsers struct {
	Object       string `json:"object"`
	Relation     string `json:"relation"`
	UserType     string `json:"user_type"`
	UserRelation string `json:"user_relation,omitempty"`
}

// replay is a workload of one store that a file holds.
type replay struct {
	oneStore
	unnamed
	text   string
	edges  []ostiary.Edge
	checks []Question
	lists  []Question // of objects
	users  []Question // lists of users

	plain   []ostiary.Edge // unconditional tuples that let their subject in by themselves
	through []replayThrough
}

// replayThrough is a tuple with a userset as subject, and one of those who are in the userset.
type replayThrough struct {
	edge   ostiary.Edge
	member ostiary.SubjectRef
}

// Replay reads a workload of one store from newline-delimited JSON, and holds it in memory. The first
// line has the model, each of the others a tuple or a question, in any order, with the names that
// OpenFGA's API gives to the fields:
//
//	{"model": "model\n  schema 1.1\ntype user\n…"}
//	{"tuple": {"user": "user:ann", "relation": "viewer", "object": "doc:1"}}
//	{"tuple": {…, "condition": {"name": "on_shift", "context": {"ends": "2026-01-01T08:00:00Z"}}}}
//	{"check": {"user": "user:ann", "relation": "viewer", "object": "doc:1"}, "context": {}}
//	{"list_objects": {"type": "doc", "relation": "viewer", "user": "user:ann"}}
//	{"list_users": {"object": "doc:1", "relation": "viewer", "user_type": "user"}}
//
// Questions are asked in the order of the file, over and over; sources with different seeds begin at
// different ones. Where the file has no lists, they are derived from its checks; where it has no checks,
// its tuples are asked for. New tuples are those of the file with a new subject or a new object.
func Replay(r io.Reader) (*Workload, error) {
	w := &replay{}
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxReplayLineBytes)
	seen := map[ostiary.Tuple]bool{}
	var m *model.Model
	n := 0
	for scanner.Scan() {
		n++
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		line, err := decodeReplay(scanner.Bytes())
		if err == nil && m == nil {
			m, err = w.begin(line)
		} else if err == nil {
			err = w.add(line, seen)
		}
		if err != nil {
			return nil, fmt.Errorf("replay file, line %d: %w", n, err)
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("replay file, line %d: has more than %d bytes", n+1, maxReplayLineBytes)
	case err != nil:
		return nil, fmt.Errorf("read replay file: %w", err)
	case m == nil:
		return nil, errors.New("replay file: is empty; its first line holds the model")
	case len(w.edges) == 0:
		return nil, errors.New("replay file: has no tuples")
	}
	w.derive()
	w.candidates(m)
	return &Workload{Name: "replay", Scale: "file", Skew: Uniform, Model: w.text, Stores: 1, shape: w}, nil
}

func decodeReplay(data []byte) (*replayLine, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	line := &replayLine{}
	if err := decoder.Decode(line); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value on a line")
	}
	set := 0
	for _, is := range []bool{line.Model != "", line.Tuple != nil, line.Check != nil, line.ListObjects != nil, line.ListUsers != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return nil, errors.New("a line has one of model, tuple, check, list_objects and list_users")
	}
	return line, nil
}

// begin takes the first line.
func (w *replay) begin(line *replayLine) (*model.Model, error) {
	if line.Model == "" {
		return nil, errors.New("the first line must hold the model")
	}
	m, err := dsl.Compile("model", []byte(line.Model))
	if err != nil {
		return nil, fmt.Errorf("compile the model: %w", err)
	}
	w.text = line.Model
	return m, nil
}

// add takes any other line.
func (w *replay) add(line *replayLine, seen map[ostiary.Tuple]bool) error {
	switch {
	case line.Tuple != nil:
		e, err := line.Tuple.edge()
		if err != nil {
			return err
		}
		if seen[e.Tuple] {
			return fmt.Errorf("the tuple %q comes twice", e.Tuple)
		}
		seen[e.Tuple] = true
		w.edges = append(w.edges, e)
	case line.Check != nil:
		t, err := ostiary.NewTuple(line.Check.Object, line.Check.Relation, line.Check.User)
		if err != nil {
			return err
		}
		w.checks = append(w.checks, Question{Object: t.Object, Relation: t.Relation, Subject: t.Subject, Context: line.Context})
	case line.ListObjects != nil:
		l := line.ListObjects
		s, err := ostiary.ParseSubject(l.User)
		if err == nil {
			err = ostiary.ValidateRelation(l.Relation)
		}
		if err != nil {
			return err
		}
		w.lists = append(w.lists, Question{Object: ostiary.ObjectRef{Type: l.Type}, Relation: l.Relation, Subject: s, Context: line.Context})
	case line.ListUsers != nil:
		l := line.ListUsers
		o, err := ostiary.ParseObject(l.Object)
		if err == nil {
			err = ostiary.ValidateRelation(l.Relation)
		}
		if err != nil {
			return err
		}
		w.users = append(w.users, Question{Object: o, Relation: l.Relation,
			Subject: ostiary.SubjectRef{Type: l.UserType, Relation: l.UserRelation}, Context: line.Context})
	default:
		return errors.New("a second model")
	}
	return nil
}

func (t *replayTuple) edge() (ostiary.Edge, error) {
	tuple, err := ostiary.NewTuple(t.Object, t.Relation, t.User)
	if err != nil || t.Condition == nil {
		return ostiary.Edge{Tuple: tuple}, err
	}
	g := ostiary.Grant{Owner: ostiary.OwnerAPI, Condition: t.Condition.Name}
	if len(t.Condition.Context) > 0 {
		if g.Context, err = json.Marshal(t.Condition.Context); err != nil {
			return ostiary.Edge{}, err
		}
	}
	return ostiary.Edge{Tuple: tuple, Conditions: []ostiary.Grant{g}}, nil
}

// derive makes the questions that the file has none of.
func (w *replay) derive() {
	if len(w.checks) == 0 {
		for _, e := range w.edges {
			w.checks = append(w.checks, Question{Object: e.Object, Relation: e.Relation, Subject: e.Subject})
		}
	}
	objects, users := len(w.lists) == 0, len(w.users) == 0
	for _, c := range w.checks {
		if objects {
			w.lists = append(w.lists, Question{Object: ostiary.ObjectRef{Type: c.Object.Type}, Relation: c.Relation, Subject: c.Subject, Context: c.Context})
		}
		if users {
			w.users = append(w.users, Question{Object: c.Object, Relation: c.Relation,
				Subject: ostiary.SubjectRef{Type: c.Subject.Type, Relation: c.Subject.Relation}, Context: c.Context})
		}
	}
}

// candidates finds the tuples that Revocable can go by: unconditional ones of relations where a tuple is
// enough.
func (w *replay) candidates(m *model.Model) {
	members := map[ostiary.SubjectRef]ostiary.SubjectRef{} // one for each userset
	for _, e := range w.edges {
		if !lets(m, e) {
			continue
		}
		w.plain = append(w.plain, e)
		if set := of(e.Object, e.Relation); members[set].ID == "" && !e.Subject.IsUserset() {
			members[set] = e.Subject
		}
	}
	for _, e := range w.plain {
		if member := members[e.Subject]; member.ID != "" {
			w.through = append(w.through, replayThrough{edge: e, member: member})
		}
	}
}

// lets reports whether the subject of a tuple has the relation because of this tuple alone.
func lets(m *model.Model, e ostiary.Edge) bool {
	r := m.Relation(e.Object.Type, e.Relation)
	return len(e.Conditions) == 0 && !e.Subject.IsWildcard() && r != nil && enough(r.Rewrite) && takes(r, e.Subject)
}

// enough reports whether a tuple of a relation gives the relation.
func enough(r model.Rewrite) bool {
	switch r := r.(type) {
	case model.Direct:
		return true
	case model.Union:
		for _, child := range r.Children {
			if enough(child) {
				return true
			}
		}
	}
	return false
}

// takes reports whether the type restrictions admit a subject without a condition.
func takes(r *model.Relation, s ostiary.SubjectRef) bool {
	for _, x := range r.Restrictions {
		if x.Type == s.Type && x.Relation == s.Relation && x.Wildcard == s.IsWildcard() && x.Condition == "" {
			return true
		}
	}
	return false
}

func (w *replay) model() string   { return w.text }
func (w *replay) size(int) int    { return len(w.edges) }
func (w *replay) revocables() int { return len(w.plain) }

func (w *replay) tuples(_ int, out *emitter) {
	for i := 0; i < len(w.edges) && !out.done; i++ {
		out.edge(w.edges[i])
	}
}

func (w *replay) check(q *Questions) Question       { return q.inTurn(w.checks, 0) }
func (w *replay) listObjects(q *Questions) Question { return q.inTurn(w.lists, 1) }
func (w *replay) listUsers(q *Questions) Question   { return q.inTurn(w.users, 2) }

// inTurn returns the next question of a list.
func (q *Questions) inTurn(list []Question, kind int) Question {
	i := (q.offset%uint64(len(list)) + uint64(q.asked[kind])) % uint64(len(list))
	q.asked[kind]++
	return list[i]
}

func (w *replay) newTuple(q *Questions, f fresh) (int, ostiary.Edge) {
	e := w.edges[q.key(len(w.edges))]
	if f.turn%2 == 0 && !e.Subject.IsUserset() && !e.Subject.IsWildcard() {
		e.Subject.ID = f.id
	} else {
		e.Object.ID = f.id
	}
	return 0, e
}

// revocable makes a new object, so that nothing else lets the subject in.
func (w *replay) revocable(q *Questions, f fresh) (int, ostiary.Edge, Question) {
	var e ostiary.Edge
	var s ostiary.SubjectRef
	if f.turn%2 == 1 && len(w.through) > 0 {
		t := w.through[q.key(len(w.through))]
		e, s = t.edge, t.member
	} else {
		e = w.plain[q.key(len(w.plain))]
		s = e.Subject
	}
	e.Object.ID = f.id
	return 0, e, Question{Object: e.Object, Relation: e.Relation, Subject: s}
}
