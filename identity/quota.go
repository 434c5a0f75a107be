package identity

import "github.com/ostiary/ostiary"

// restOnQuota makes a change that only adds tuples demand that it leave the store within its quota. A change that takes
// some away, or none, rests on none: who is deactivated is out, however full the store is.
func restOnQuota(v View, m *ostiary.Mutation) error {
	if len(m.Tuples) == 0 || len(m.Filters) > 0 {
		return nil
	}
	for i := range m.Tuples {
		if op := m.Tuples[i].Op; op != ostiary.TupleCreate && op != ostiary.TupleTouch {
			return nil
		}
	}
	store := m.Tuples[0].Store
	_, there, err := v.Document(ostiary.DocumentKey{Collection: ostiary.CollectionQuotas, Key: store})
	if err == nil && there {
		m.RestOnQuota(store)
	}
	return err
}
