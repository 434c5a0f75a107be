package difftest

import (
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine/oracle"
)

// answerer answers questions about one model and one set of tuples.
type answerer interface {
	check(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) (bool, error)
	listObjects(typ, relation string, subject ostiary.SubjectRef) ([]ostiary.ObjectRef, error)
	listUsers(object ostiary.ObjectRef, relation, filterType, filterRelation string) ([]ostiary.SubjectRef, error)
}

// judge is the oracle as an answerer. It never fails.
type judge struct{ *oracle.Oracle }

func newJudge(c testCase) judge {
	var objects []ostiary.ObjectRef
	for typ, ids := range c.ids {
		for _, id := range ids {
			objects = append(objects, ostiary.ObjectRef{Type: typ, ID: id})
		}
	}
	return judge{oracle.New(c.model, c.tuples).Over(objects)}
}

func (j judge) check(object ostiary.ObjectRef, relation string, subject ostiary.SubjectRef) (bool, error) {
	return j.Check(object, relation, subject), nil
}

func (j judge) listObjects(typ, relation string, subject ostiary.SubjectRef) ([]ostiary.ObjectRef, error) {
	return j.ListObjects(typ, relation, subject), nil
}

func (j judge) listUsers(object ostiary.ObjectRef, relation, filterType, filterRelation string) ([]ostiary.SubjectRef, error) {
	return j.ListUsers(object, relation, filterType, filterRelation), nil
}

// disagreement is one question with two answers.
type disagreement struct {
	question  string
	got, want string
}

func (d *disagreement) String() string {
	return fmt.Sprintf("question\n  %s\ngot\n  %s\nwant\n  %s", d.question, d.got, d.want)
}

func (d *disagreement) kind() string {
	switch {
	case d == nil:
		return ""
	case d.got == "allowed" && d.want == "denied":
		return "wrong allow"
	case d.got == "denied" && d.want == "allowed":
		return "wrong deny"
	}
	return "other"
}

// comparison asks every question about a case.
type comparison struct {
	testCase
	got  answerer
	want answerer
	// tolerate says which errors of got are no disagreement. Nil tolerates none.
	tolerate func(error) bool
	// exact says that the lists of users must be equal. Otherwise a list may leave out the plain
	// subjects that a listed wildcard stands for.
	exact bool

	all                  []ostiary.SubjectRef // subjects of the case
	questions, tolerated int
}

// run returns the first disagreement, or nil.
func (c *comparison) run() *disagreement {
	c.all = c.subjects()
	for _, ask := range []func() *disagreement{c.checks, c.objectLists, c.userLists} {
		if d := ask(); d != nil {
			return d
		}
	}
	return nil
}

// failed judges an error of got: whether there was one, and whether it is a disagreement.
func (c *comparison) failed(question func() string, want interface{}, err error) (bool, *disagreement) {
	c.questions++
	if err == nil {
		return false, nil
	}
	if c.tolerate != nil && c.tolerate(err) {
		c.tolerated++
		return true, nil
	}
	return true, &disagreement{question(), "error: " + err.Error(), fmt.Sprint(want)}
}

func (c *comparison) checks() *disagreement {
	for _, n := range c.nodes() {
		for _, subject := range c.all {
			question := func() string { return fmt.Sprintf("check %s#%s@%s", n.object, n.relation, subject) }
			want, _ := c.want.check(n.object, n.relation, subject)
			got, err := c.got.check(n.object, n.relation, subject)
			if failed, d := c.failed(question, decision(want), err); failed {
				if d != nil {
					return d
				}
				continue
			}
			if got != want {
				return &disagreement{question(), decision(got), decision(want)}
			}
		}
	}
	return nil
}

func decision(allowed bool) string {
	if allowed {
		return "allowed"
	}
	return "denied"
}

func (c *comparison) objectLists() *disagreement {
	for _, t := range c.model.Types {
		for _, r := range t.Relations {
			for _, subject := range c.all {
				question := func() string { return fmt.Sprintf("list-objects %s#%s@%s", t.Name, r.Name, subject) }
				want, _ := c.want.listObjects(t.Name, r.Name, subject)
				got, err := c.got.listObjects(t.Name, r.Name, subject)
				if failed, d := c.failed(question, want, err); failed {
					if d != nil {
						return d
					}
					continue
				}
				if !slices.Equal(got, want) {
					return &disagreement{question(), fmt.Sprint(got), fmt.Sprint(want)}
				}
			}
		}
	}
	return nil
}

func (c *comparison) userLists() *disagreement {
	for i, n := range c.nodes() {
		if c.sparse && i%5 != 0 {
			continue
		}
		for _, filter := range filters(c.model) {
			question := func() string { return fmt.Sprintf("list-users %s#%s of %s", n.object, n.relation, filter) }
			want, _ := c.want.listUsers(n.object, n.relation, filter.Type, filter.Relation)
			got, err := c.got.listUsers(n.object, n.relation, filter.Type, filter.Relation)
			if failed, d := c.failed(question, want, err); failed {
				if d != nil {
					return d
				}
				continue
			}
			if c.exact && !slices.Equal(got, want) {
				return &disagreement{question(), fmt.Sprint(got), fmt.Sprint(want)}
			}
			if why := c.compareUsers(n, filter, got); why != "" {
				return &disagreement{question(), fmt.Sprintf("%v: %s", got, why), fmt.Sprint(want)}
			}
		}
	}
	return nil
}

// filters returns the shape of every subject that a list of users can be asked for.
func filters(m *model.Model) []model.Restriction {
	var all []model.Restriction
	for _, t := range m.Types {
		all = append(all, model.Restriction{Type: t.Name})
		for _, r := range t.Relations {
			all = append(all, model.Restriction{Type: t.Name, Relation: r.Name})
		}
	}
	return all
}

// compareUsers says what is wrong with a list of users, or nothing. What is listed must be allowed, and
// what is allowed must be listed, or be a plain subject whose wildcard is listed.
func (c *comparison) compareUsers(n node, filter model.Restriction, got []ostiary.SubjectRef) string {
	listed := map[ostiary.SubjectRef]bool{}
	for i, s := range got {
		if i > 0 && (ostiary.Tuple{Subject: got[i-1]}).Compare(ostiary.Tuple{Subject: s}) >= 0 {
			return fmt.Sprintf("%v is out of order, or twice there", s)
		}
		if s.Type != filter.Type || s.Relation != filter.Relation {
			return fmt.Sprintf("%v is not of the shape asked for", s)
		}
		if allowed, _ := c.want.check(n.object, n.relation, s); !allowed {
			return fmt.Sprintf("%v is listed and denied", s)
		}
		listed[s] = true
	}
	everyone := listed[ostiary.SubjectRef{Type: filter.Type, ID: ostiary.Wildcard}]
	for _, s := range c.all {
		if s.Type != filter.Type || s.Relation != filter.Relation || listed[s] {
			continue
		}
		covered := everyone && !s.IsWildcard() && !s.IsUserset()
		if allowed, _ := c.want.check(n.object, n.relation, s); allowed && !covered {
			return fmt.Sprintf("%v is allowed and not listed", s)
		}
	}
	return ""
}
