package storage

import "github.com/ostiary/ostiary"

// filterSet is the filters of a mutation that have taken effect. What they leave of a tuple is found by
// making, of the tuple, every filter of the set that could match it: so that it costs the forms that the
// filters have, of which there are a dozen at most, and not their number.
type filterSet struct {
	filters map[ostiary.Filter]struct{}
	forms   []filterForm // each once
	asked   int          // how many filters were looked for; tests count it
}

// filterForm says which fields of a filter are set.
type filterForm struct{ object, objectID, subject, anyUserset, owner, relation, objectType bool }

func formOf(f *ostiary.Filter) filterForm {
	return filterForm{
		object: f.Object.Type != "", objectID: f.Object.ID != "",
		subject: f.Subject != (ostiary.SubjectRef{}), anyUserset: f.Subject.Relation == ostiary.AnyRelation,
		owner: f.Owner != "", relation: f.Relation != "", objectType: f.ObjectType != "",
	}
}

// of returns the filter of the form that matches a tuple of a store, but for its owner.
func (form filterForm) of(store string, t ostiary.Tuple) ostiary.Filter {
	f := ostiary.Filter{Store: store}
	if form.object {
		f.Object.Type = t.Object.Type
	}
	if form.objectID {
		f.Object.ID = t.Object.ID
	}
	if form.subject {
		f.Subject = t.Subject
	}
	if form.anyUserset && t.Subject.IsUserset() { // another subject is none of the set
		f.Subject.Relation = ostiary.AnyRelation
	}
	if form.relation {
		f.Relation = t.Relation
	}
	if form.objectType {
		f.ObjectType = t.Object.Type
	}
	return f
}

// add adds a filter, and reports whether it was not in the set.
func (s *filterSet) add(f ostiary.Filter) bool {
	if _, there := s.filters[f]; there {
		return false
	}
	if s.filters == nil {
		s.filters = map[ostiary.Filter]struct{}{}
	}
	s.filters[f] = struct{}{}
	form := formOf(&f)
	for _, known := range s.forms {
		if known == form {
			return true
		}
	}
	s.forms = append(s.forms, form)
	return true
}

func (s *filterSet) has(f ostiary.Filter) bool {
	s.asked++
	_, there := s.filters[f]
	return there
}

// leaves returns the grants of a tuple that the filters leave. Those that are given are not changed.
func (s *filterSet) leaves(store string, t ostiary.Tuple, grants []ostiary.Grant) []ostiary.Grant {
	for _, form := range s.forms {
		f := form.of(store, t)
		if !form.owner {
			if len(grants) > 0 && s.has(f) {
				return nil
			}
			continue
		}
		for i := 0; i < len(grants); {
			if f.Owner = grants[i].Owner; s.has(f) {
				grants = withoutGrant(grants, i)
			} else {
				i++
			}
		}
	}
	return grants
}
