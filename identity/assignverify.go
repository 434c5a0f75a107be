package identity

import (
	"context"
	"strings"

	"github.com/ostiary/ostiary"
)

// assignments expects what the roles and entitlements of a person mean to tuples, and reports those that are not
// in the catalogue any more: the object has left the organization, or the mapping does not name the relation.
func (f *verifier) assignments(ctx context.Context, v *DirectoryView, u User) error {
	for _, given := range []struct {
		attribute string
		ids       []string
	}{{"roles", u.Roles}, {"entitlements", u.Entitlements}} {
		for _, id := range given.ids {
			c, err := v.assignment(touch, given.attribute, id, u.ID)
			if err != nil {
				return err
			}
			f.expect(c)
			stays, err := f.inCatalogue(ctx, v, given.attribute == "entitlements", id)
			if err != nil {
				return err
			}
			if !stays {
				f.report("user "+u.ID, "was given %s, which is not the organization's to give any more; the next change of the user takes it away",
					f.catalogue.Describe(id).Value)
			}
		}
	}
	return nil
}

// inCatalogue asks the catalogue once for each role and entitlement.
func (f *verifier) inCatalogue(ctx context.Context, v *DirectoryView, entitlement bool, id string) (bool, error) {
	if f.catalogue == nil {
		k, err := v.Catalogue()
		if err != nil {
			return false, err
		}
		f.catalogue, f.given = k, map[string]bool{}
	}
	if stays, known := f.given[id]; known {
		return stays, nil
	}
	_, stays, err := f.catalogue.Find(ctx, entitlement, id)
	if len(f.given) < maxGoneKept {
		f.given[id] = stays
	}
	return stays, err
}

// assigned judges the grants of a tuple of the application's: what a connection of the organization owns, some
// resource must say, and no grant belongs to a connection that is gone.
func (f *verifier) assigned(t ostiary.StoredTuple) error {
	for _, g := range t.Grants {
		if !strings.HasPrefix(g.Owner, "scim:") {
			continue
		}
		id, _, _, _ := splitOwner(g.Owner)
		d, there, err := f.view.Document(connectionKey(id))
		if err != nil {
			return err
		}
		if !there {
			f.report(f.spell(grantOf{t.Tuple, g.Owner}), "its connection is gone")
			continue
		}
		c, err := decodeConnection(d)
		if err != nil {
			return err
		}
		if c.Store != f.store || c.Organization != f.organization {
			continue // another organization's to verify
		}
		if err := f.grant(grantOf{t.Tuple, g.Owner}); err != nil {
			return err
		}
	}
	return nil
}
