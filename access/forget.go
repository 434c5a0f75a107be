package access

import (
	"context"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// forgottenAtOnce bounds how many grants one mutation of Forget takes away.
const forgottenAtOnce = 1_000

// Forget takes away what was granted in a store and in its organizations. The store is gone for good.
func (s *Service) Forget(ctx context.Context, store string) error {
	for more := true; more; {
		_, err := s.changer.ChangeSystem(ctx, "access.forget", "store:"+store, func(v identity.View, m *ostiary.Mutation) error {
			more = false
			for _, f := range []ostiary.Filter{
				{Store: identity.SystemStore, Object: Target{Store: store}.object()},
				{Store: identity.SystemStore, Object: ostiary.ObjectRef{Type: "organization"}},
			} {
				for t, err := range v.Tuples(ctx, f, nil) {
					if err != nil {
						return err
					}
					if t.Object.Type == "organization" && !strings.HasPrefix(t.Object.ID, store+"/") {
						continue
					}
					if len(m.Tuples) == forgottenAtOnce {
						more = true
						break
					}
					m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleRelease, Store: identity.SystemStore,
						Tuple: t.Tuple, Grant: ostiary.Grant{Owner: owner}})
				}
			}
			if len(m.Tuples) == 0 {
				return nil
			}
			d, _, err := v.Document(rightsKey)
			if err != nil {
				return err
			}
			note(m, d.Version)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
