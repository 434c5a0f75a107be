package difftest

import (
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
)

// testCase is one random model with tuples. Questions are about ids[T] for each type T.
type testCase struct {
	model  *model.Model
	tuples []ostiary.Tuple
	ids    map[string][]string
	sparse bool // ask about few usersets, and for few lists of users
}

// source decides what a generator leaves open. Smaller numbers should mean simpler cases.
type source interface {
	intn(n int) int             // in [0, n)
	subset(n, atMost int) []int // distinct numbers in [0, n), in any order
}

// rapidSource lets rapid decide, so that it can shrink.
type rapidSource struct{ t *rapid.T }

func (s rapidSource) intn(n int) int {
	if n <= 1 {
		return 0
	}
	return rapid.IntRange(0, n-1).Draw(s.t, "n")
}

func (s rapidSource) subset(n, atMost int) []int {
	if n == 0 {
		return nil
	}
	most := min(n, atMost)
	least := rapid.IntRange(0, most*2/3).Draw(s.t, "least") // or rapid keeps to a handful
	return rapid.SliceOfNDistinct(rapid.IntRange(0, n-1), least, most, rapid.ID[int]).Draw(s.t, "subset")
}

// cases is the generator of a family for rapid.
func cases(f family) *rapid.Generator[testCase] {
	return rapid.Custom(func(t *rapid.T) testCase { return f.generate(rapidSource{t}) })
}

// family is a way to make cases.
type family struct {
	name    string
	model   func(source) *model.Model
	objects [2]int // least and most objects of a type
	tuples  int    // most
	misfits bool   // add tuples that do not fit the model
	chained bool   // join each object mostly to the next of its type
}

func (f family) generate(s source) testCase {
	c := testCase{model: f.model(s), ids: map[string][]string{}}
	for _, t := range c.model.Types {
		n := f.objects[0] + s.intn(f.objects[1]-f.objects[0]+1)
		if f.chained && (t.Name == "user" || t.Name == "doc") {
			n = 2
		}
		for i := range n {
			c.ids[t.Name] = append(c.ids[t.Name], string(rune('a'+i%26))+strings.Repeat("'", i/26))
		}
	}
	fitting := c.fittingTuples()
	if f.chained {
		c.sparse = true
		c.tuples = c.chain(s, fitting)
		return c
	}
	for _, i := range s.subset(len(fitting), f.tuples) {
		c.tuples = append(c.tuples, fitting[i])
	}
	if f.misfits {
		for range s.intn(4) {
			if t := c.anyTuple(s); !slices.Contains(c.tuples, t) {
				c.tuples = append(c.tuples, t)
			}
		}
	}
	return c
}

// fittingTuples returns every tuple over the ids that has the shape of a type restriction, conditions
// left aside.
func (c testCase) fittingTuples() []ostiary.Tuple {
	var all []ostiary.Tuple
	seen := map[ostiary.Tuple]bool{}
	c.eachNode(func(object ostiary.ObjectRef, relation *model.Relation) {
		for _, r := range relation.Restrictions {
			ids := c.ids[r.Type]
			if r.Wildcard {
				ids = []string{ostiary.Wildcard}
			}
			for _, id := range ids {
				t := ostiary.Tuple{Object: object, Relation: relation.Name,
					Subject: ostiary.SubjectRef{Type: r.Type, ID: id, Relation: r.Relation}}
				if !seen[t] {
					seen[t] = true
					all = append(all, t)
				}
			}
		}
	})
	return all
}

// chain returns the tuples that join an object to the next of its type, or the first and the last to
// anything, but for a few.
func (c testCase) chain(s source, fitting []ostiary.Tuple) []ostiary.Tuple {
	links := slices.DeleteFunc(fitting, func(t ostiary.Tuple) bool {
		at, last := slices.Index(c.ids[t.Object.Type], t.Object.ID), len(c.ids[t.Object.Type])-1
		if t.Object.Type == t.Subject.Type {
			return slices.Index(c.ids[t.Subject.Type], t.Subject.ID) != at+1
		}
		return at != 0 && at != last
	})
	for _, i := range s.subset(len(links), 12) {
		links[i] = ostiary.Tuple{}
	}
	return slices.DeleteFunc(links, func(t ostiary.Tuple) bool { return t == ostiary.Tuple{} })
}

// anyTuple returns a tuple of names of the model, whatever its restrictions say.
func (c testCase) anyTuple(s source) ostiary.Tuple {
	nodes := c.nodes()
	subjects := c.subjects()
	n := nodes[s.intn(len(nodes))]
	return ostiary.Tuple{Object: n.object, Relation: n.relation, Subject: subjects[s.intn(len(subjects))]}
}

// node is a relation of an object.
type node struct {
	object   ostiary.ObjectRef
	relation string
}

func (c testCase) eachNode(visit func(ostiary.ObjectRef, *model.Relation)) {
	for _, t := range c.model.Types {
		for _, id := range c.ids[t.Name] {
			for _, r := range t.Relations {
				visit(ostiary.ObjectRef{Type: t.Name, ID: id}, r)
			}
		}
	}
}

// nodes returns every relation of every object.
func (c testCase) nodes() []node {
	var all []node
	c.eachNode(func(object ostiary.ObjectRef, r *model.Relation) { all = append(all, node{object, r.Name}) })
	return all
}

// subjects returns every subject: the wildcard and the objects of each type, and their usersets.
func (c testCase) subjects() []ostiary.SubjectRef {
	var all []ostiary.SubjectRef
	for _, t := range c.model.Types {
		all = append(all, ostiary.SubjectRef{Type: t.Name, ID: ostiary.Wildcard})
		for _, id := range c.ids[t.Name] {
			all = append(all, ostiary.SubjectRef{Type: t.Name, ID: id})
		}
	}
	for i, n := range c.nodes() {
		if !c.sparse || i%23 == 0 {
			all = append(all, ostiary.SubjectRef{Type: n.object.Type, ID: n.object.ID, Relation: n.relation})
		}
	}
	return all
}

// withStranger returns c with one more object of each type, which no tuple mentions.
func (c testCase) withStranger() testCase {
	ids := map[string][]string{}
	for typ, known := range c.ids {
		ids[typ] = append(slices.Clone(known), "new")
	}
	c.ids = ids
	return c
}

func (c testCase) withTuples(tuples []ostiary.Tuple) testCase {
	c.tuples = tuples
	return c
}
