package identity

import (
	"context"
	"strings"
)

// Assignable returns what of the objects of an organization can be given, after one by its id: relations that are
// roles, then those that are entitlements, each by type, object and name. One page that reads more than
// maxAssignableObjects objects is ErrTooBroad.
func (s *Service) Assignable(ctx context.Context, store, organization, after string, limit int) (all []Role, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		if _, _, err := readOrganization(v, store, organization); err != nil {
			return err
		}
		k, err := readCatalogue(v, store, organization)
		if err != nil {
			return err
		}
		k.own = nil
		from, _ := parseAssigned(after)
		if from.kind != kindEntitlement {
			if all, err = k.page(ctx, false, after, limit); err != nil || len(all) == limit {
				return err
			}
			after = ""
		}
		rest, err := k.page(ctx, true, after, limit-len(all))
		all = append(all, rest...)
		return err
	})
	return all, err
}

// page returns the first of All.
func (k *Catalogue) page(ctx context.Context, entitlement bool, after string, limit int) (page []Role, err error) {
	for r, err := range k.All(ctx, entitlement, after) {
		if err != nil || len(page) == limit {
			return page, err
		}
		page = append(page, r)
	}
	return page, nil
}

// IsRelation reports whether a role or an entitlement is a relation of an object, and not one that an operator has
// made.
func (r Role) IsRelation() bool { return strings.HasPrefix(r.ID, kindAssigned) }
