package oracle

import (
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/model"
)

// domain numbers the objects and subjects that answers are about.
type domain struct {
	objects  []ostiary.ObjectRef
	subjects []ostiary.SubjectRef

	objectNumber  map[ostiary.ObjectRef]int
	subjectNumber map[ostiary.SubjectRef]int
}

func newDomain(m *model.Model, tuples []Conditional, more []ostiary.ObjectRef) *domain {
	d := &domain{
		objectNumber:  map[ostiary.ObjectRef]int{},
		subjectNumber: map[ostiary.SubjectRef]int{},
	}
	for _, t := range tuples {
		d.addObject(t.Object)
		d.addObject(t.Subject.Object())
	}
	for _, object := range more {
		d.addObject(object)
	}
	for _, t := range m.Types {
		d.addSubject(ostiary.SubjectRef{Type: t.Name, ID: ostiary.Wildcard})
	}
	for _, object := range d.objects {
		d.addSubject(ostiary.SubjectRef{Type: object.Type, ID: object.ID})
		for _, relation := range relationsOf(m, object.Type) {
			d.addSubject(userset(object, relation.Name))
		}
	}
	return d
}

func (d *domain) addObject(o ostiary.ObjectRef) {
	if o.ID == ostiary.Wildcard || d.has(o) {
		return
	}
	d.objectNumber[o] = len(d.objects)
	d.objects = append(d.objects, o)
}

func (d *domain) addSubject(s ostiary.SubjectRef) {
	if _, known := d.subjectNumber[s]; known {
		return
	}
	d.subjectNumber[s] = len(d.subjects)
	d.subjects = append(d.subjects, s)
}

func (d *domain) has(o ostiary.ObjectRef) bool {
	_, known := d.objectNumber[o]
	return known
}

func userset(o ostiary.ObjectRef, relation string) ostiary.SubjectRef {
	return ostiary.SubjectRef{Type: o.Type, ID: o.ID, Relation: relation}
}

func relationsOf(m *model.Model, typ string) []*model.Relation {
	if t := m.Type(typ); t != nil {
		return t.Relations
	}
	return nil
}
