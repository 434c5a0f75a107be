package storage

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
)

// validate refuses what would break the keys: parts that are empty or hold the separator. Everything
// else about a mutation was the proposer's to judge.
func (m *mutation) validate() error {
	for i := range m.Preconditions {
		if err := validatePrecondition(&m.Preconditions[i], m.MinVersion); err != nil {
			return fmt.Errorf("precondition %d: %w", i, err)
		}
		if needed := kindNeeds(m.Preconditions[i].Kind); m.MinVersion < needed {
			return fmt.Errorf("precondition %d: its kind needs a minimum version of %d, not %d: %w", i, needed, m.MinVersion, errInvalid)
		}
	}
	for i := range m.Filters {
		if err := validateFilter(&m.Filters[i].Filter, m.MinVersion); err != nil {
			return fmt.Errorf("filter delete %d: %w", i, err)
		}
	}
	for i := range m.Tuples {
		c := &m.Tuples[i]
		if !isPart(c.Store) || !isPart(c.Grant.Owner) {
			return fmt.Errorf("tuple change %d: store %q or owner %q is empty or holds NUL: %w", i, c.Store, c.Grant.Owner, errInvalid)
		}
		if err := validateTuple(c.Tuple); err != nil {
			return err
		}
	}
	for i := range m.Documents {
		if err := validateDocument(m.Documents[i].Key); err != nil {
			return err
		}
	}
	if err := m.validateIdempotencyKey(); err != nil {
		return err
	}
	return errors.Join(m.validateCollection(), m.validateAuditTrim(), m.validateQuota())
}

func isPart(text string) bool { return text != "" && strings.IndexByte(text, separator) < 0 }

func validateTuple(t ostiary.Tuple) error {
	reason := ""
	switch {
	case !isPart(t.Object.Type) || !isPart(t.Object.ID):
		reason = "has an object with an empty part or a NUL byte"
	case !isPart(t.Relation):
		reason = "has a relation that is empty or holds a NUL byte"
	case !isPart(t.Subject.Type) || !isPart(t.Subject.ID) || strings.IndexByte(t.Subject.Relation, separator) >= 0:
		reason = "has a subject with an empty part or a NUL byte"
	default:
		return nil
	}
	return &ostiary.TupleError{Tuple: t, Part: "tuple", Reason: reason, Err: ostiary.ErrTupleInvalid}
}

func validateDocument(k ostiary.DocumentKey) error {
	if isPart(k.Collection) && isPart(k.Key) {
		return nil
	}
	return fmt.Errorf("document key %q has an empty part or a NUL byte: %w", k, errInvalid)
}

// kindNeeds returns the minimum version that a kind of precondition needs.
func kindNeeds(k ostiary.PreconditionKind) uint32 {
	switch k {
	case ostiary.TupleAlone:
		return ostiary.ReleaseTupleAlone
	case ostiary.FilterOwnedAlone:
		return ostiary.ReleaseFilters
	case ostiary.WithinQuota:
		return ostiary.ReleaseQuotas
	}
	return 0
}

func validatePrecondition(p *ostiary.Precondition, minVersion uint32) error {
	switch p.Kind {
	case ostiary.DocumentAtVersion:
		return validateDocument(p.Document)
	case ostiary.TuplePresent, ostiary.TupleAbsent, ostiary.TupleAlone:
		if !isPart(p.Store) {
			return fmt.Errorf("store %q is empty or holds NUL: %w", p.Store, errInvalid)
		}
		return validateTuple(p.Tuple)
	case ostiary.WithinQuota:
		if !isPart(p.Store) {
			return fmt.Errorf("store %q is empty or holds NUL: %w", p.Store, errInvalid)
		}
		return nil
	case ostiary.FilterMatchesNothing:
		return validateFilter(&p.Filter, minVersion)
	case ostiary.FilterOwnedAlone:
		if p.Filter.Owner == "" {
			return fmt.Errorf("it names no owner: %w", errInvalid)
		}
		f := p.Filter
		f.Owner = ""
		return errors.Join(validateFilter(&f, minVersion), validateFilterText(&p.Filter))
	}
	return fmt.Errorf("its kind %d is unknown: %w", p.Kind, errInvalid)
}

// validateFilter demands exactly one of object, subject and owner, whole enough for a prefix; an owner may be
// there beside another from ReleaseFilters on.
func validateFilter(f *ostiary.Filter, minVersion uint32) error {
	set := 0
	if f.Object != (ostiary.ObjectRef{}) {
		set++
	}
	if f.Subject != (ostiary.SubjectRef{}) {
		set++
	}
	if f.Owner != "" && (set == 0 || minVersion < ostiary.ReleaseFilters) {
		set++
	}
	switch {
	case set != 1:
		return fmt.Errorf("a filter sets %d of object, subject and owner, not exactly one: %w", set, errInvalid)
	case f.Object.ID != "" && f.Object.Type == "":
		return fmt.Errorf("object %q of a filter has an id and no type: %w", f.Object, errInvalid)
	case f.Subject != (ostiary.SubjectRef{}) && (f.Subject.Type == "" || f.Subject.ID == ""):
		return fmt.Errorf("subject %q of a filter has no type or no id: %w", f.Subject, errInvalid)
	case f.Subject.Relation == ostiary.AnyRelation && minVersion < ostiary.ReleaseFilters:
		return fmt.Errorf("subject %q of a filter needs a minimum version of %d: %w", f.Subject, ostiary.ReleaseFilters, errInvalid)
	}
	return validateFilterText(f)
}

// validateFilterText refuses a filter that could reach into the keys of others.
func validateFilterText(f *ostiary.Filter) error {
	if !isPart(f.Store) {
		return fmt.Errorf("store %q of a filter is empty or holds NUL: %w", f.Store, errInvalid)
	}
	for _, part := range []string{f.Object.Type, f.Object.ID, f.Subject.Type, f.Subject.ID, f.Subject.Relation, f.Owner, f.Relation, f.ObjectType} {
		if strings.IndexByte(part, separator) >= 0 {
			return fmt.Errorf("part %q of a filter holds NUL: %w", part, errInvalid)
		}
	}
	return nil
}
