package main

import (
	"math/rand/v2"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
)

// scene is a model, the tuples that are written and what questions are drawn from.
type scene struct {
	*rand.Rand
	model    *model.Model
	ids      map[string][]string
	fitting  []restricted // every tuple that may be written
	tuples   []*openfgav1.TupleKey
	objects  []ostiary.ObjectRef  // those with relations
	subjects []ostiary.SubjectRef // every shape
}

// restricted is a tuple and the condition of the restriction that lets it be written.
type restricted struct {
	ostiary.Tuple
	condition string
}

// newScene draws a scene. The same seed and number give the same scene and the same questions.
func newScene(seed uint64, number uint64, withConditions bool) *scene {
	r := rand.New(rand.NewPCG(seed, number))
	s := &scene{Rand: r, model: drawModel(r, withConditions), ids: map[string][]string{}}
	for _, t := range s.model.Types {
		for i := range 2 + r.IntN(3) {
			s.ids[t.Name] = append(s.ids[t.Name], string(rune('a'+i)))
		}
	}
	s.enumerate()
	for _, i := range r.Perm(len(s.fitting))[:min(len(s.fitting), 4+r.IntN(16))] {
		s.tuples = append(s.tuples, s.key(s.fitting[i], 30))
	}
	s.tuples = unique(s.tuples)
	return s
}

func (s *scene) enumerate() {
	for _, t := range s.model.Types {
		s.subjects = append(s.subjects, ostiary.SubjectRef{Type: t.Name, ID: ostiary.Wildcard})
		for _, id := range s.ids[t.Name] {
			s.subjects = append(s.subjects, ostiary.SubjectRef{Type: t.Name, ID: id})
			for _, r := range t.Relations {
				s.subjects = append(s.subjects, ostiary.SubjectRef{Type: t.Name, ID: id, Relation: r.Name})
				s.enumerateRelation(ostiary.ObjectRef{Type: t.Name, ID: id}, r)
			}
			if len(t.Relations) > 0 {
				s.objects = append(s.objects, ostiary.ObjectRef{Type: t.Name, ID: id})
			}
		}
	}
}

func (s *scene) enumerateRelation(object ostiary.ObjectRef, r *model.Relation) {
	for _, restriction := range r.Restrictions {
		ids := s.ids[restriction.Type]
		if restriction.Wildcard {
			ids = []string{ostiary.Wildcard}
		}
		for _, id := range ids {
			subject := ostiary.SubjectRef{Type: restriction.Type, ID: id, Relation: restriction.Relation}
			tuple := ostiary.Tuple{Object: object, Relation: r.Name, Subject: subject}
			if restriction.Relation == r.Name && subject.Object() == object {
				continue // says that the set holds itself, which cannot be written
			}
			s.fitting = append(s.fitting, restricted{tuple, restriction.Condition})
		}
	}
}

// key is a tuple on the wire, with a context for its condition.
func (s *scene) key(t restricted, wrongOneIn int) *openfgav1.TupleKey {
	k := &openfgav1.TupleKey{Object: t.Object.String(), Relation: t.Relation, User: t.Subject.String()}
	if c := conditionNamed(t.condition); c != nil {
		k.Condition = &openfgav1.RelationshipCondition{Name: c.name}
		if s.IntN(2) == 0 {
			values := map[string]any{}
			c.fill(s.Rand, values, wrongOneIn)
			k.Condition.Context = asStruct(values)
		}
	}
	return k
}

// unique keeps the first of the tuples that differ in their condition alone.
func unique(keys []*openfgav1.TupleKey) []*openfgav1.TupleKey {
	seen, kept := map[string]bool{}, []*openfgav1.TupleKey(nil)
	for _, k := range keys {
		if text := k.GetObject() + "#" + k.GetRelation() + "@" + k.GetUser(); !seen[text] {
			seen[text] = true
			kept = append(kept, k)
		}
	}
	return kept
}
