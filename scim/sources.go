package scim

import (
	"errors"
	"iter"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/resource"
)

// users reads users.
func (c *call) users() source {
	convert := func(v *identity.DirectoryView) func(identity.User) (*resource.Resource, error) {
		k := c.catalogueOf(v)
		return func(u identity.User) (*resource.Resource, error) { return c.userResource(u, k) }
	}
	get := func(v *identity.DirectoryView, id string) (*resource.Resource, error) {
		u, err := v.User(c.ctx, id)
		if err != nil {
			return nil, err
		}
		return convert(v)(u)
	}
	return source{
		kind: resource.User, read: identity.ScopeUsersRead, get: get,
		scan: func(v *identity.DirectoryView, after string) iter.Seq2[*resource.Resource, error] {
			return converted(v.Users(c.ctx, after), convert(v))
		},
		skip:  func(v *identity.DirectoryView, n int) (string, int, error) { return v.SkipUsers(c.ctx, n) },
		count: func(v *identity.DirectoryView) (int, error) { return v.CountUsers(c.ctx) },
		find: func(v *identity.DirectoryView, key resource.Key) ([]*resource.Resource, bool, error) {
			by, ok := map[string]identity.Key{"userName": identity.KeyUserName, "externalId": identity.KeyExternalID,
				"emails.value": identity.KeyEmail}[key.Attr]
			switch {
			case key.Attr == "id":
				return one(get(v, key.Value))
			case !ok:
				return nil, false, nil
			}
			found, err := v.UsersBy(c.ctx, by, key.Value)
			return all(found, err, convert(v))
		},
		apart: func(v *identity.DirectoryView, r *resource.Resource) resource.Apart {
			return func(_, group string) (bool, error) {
				if err := c.dir.Allow(identity.ScopeGroupsRead); err != nil {
					return false, err
				}
				return hasMember(v.HasMember(c.ctx, group, r.Text("id")))
			}
		},
		show: func(dst []byte, v *identity.DirectoryView, r *resource.Resource, p resource.Projection, _ *int) ([]byte, error) {
			if err := c.addGroups(v, r, p); err != nil {
				return nil, err
			}
			return r.AppendJSON(dst, p), nil
		},
	}
}

// groups reads groups.
func (c *call) groups() source {
	get := func(v *identity.DirectoryView, id string) (*resource.Resource, error) {
		g, err := v.Group(c.ctx, id)
		if err != nil {
			return nil, err
		}
		return c.groupResource(g)
	}
	return source{
		kind: resource.Group, read: identity.ScopeGroupsRead, get: get,
		scan: func(v *identity.DirectoryView, after string) iter.Seq2[*resource.Resource, error] {
			return converted(v.Groups(c.ctx, after), c.groupResource)
		},
		skip:  func(v *identity.DirectoryView, n int) (string, int, error) { return v.SkipGroups(c.ctx, n) },
		count: func(v *identity.DirectoryView) (int, error) { return v.CountGroups(c.ctx) },
		find: func(v *identity.DirectoryView, key resource.Key) ([]*resource.Resource, bool, error) {
			var found []identity.Group
			var err error
			switch key.Attr {
			case "id":
				return one(get(v, key.Value))
			case "externalId":
				found, err = v.GroupsBy(c.ctx, identity.KeyExternalID, key.Value)
			case "displayName":
				found, err = v.GroupsBy(c.ctx, identity.KeyDisplayName, key.Value)
			case "members.value":
				found, err = v.GroupsOf(c.ctx, key.Value)
			default:
				return nil, false, nil
			}
			return all(found, err, c.groupResource)
		},
		apart: func(v *identity.DirectoryView, r *resource.Resource) resource.Apart {
			return func(_, member string) (bool, error) { return hasMember(v.HasMember(c.ctx, r.Text("id"), member)) }
		},
		show: func(dst []byte, v *identity.DirectoryView, r *resource.Resource, p resource.Projection, shown *int) ([]byte, error) {
			return c.appendGroup(dst, v, r, p, shown)
		},
	}
}

// grants reads roles or entitlements; for Okta those of a sort.
func (c *call) grants(k *resource.Kind, sort string) source {
	entitlement := k == resource.Entitlement
	list := func(v *identity.DirectoryView, after string) iter.Seq2[identity.Role, error] {
		return func(yield func(identity.Role, error) bool) {
			all, err := v.Catalogue()
			if err != nil {
				yield(identity.Role{}, err)
				return
			}
			listed := c.inEndpoint(all, k, sort)
			for r, err := range all.All(c.ctx, entitlement, after) {
				if (err != nil || listed(r)) && !yield(r, err) {
					return
				}
			}
		}
	}
	find := func(v *identity.DirectoryView, by func(identity.Role) string, name string) (*resource.Resource, error) {
		all, err := v.Catalogue()
		if err != nil {
			return nil, err
		}
		r, found, err := all.Find(c.ctx, entitlement, name)
		if err != nil {
			return nil, err
		}
		if !found || by(r) != name {
			return nil, ostiary.ErrNotFound
		}
		return c.grantResource(k, r), nil
	}
	byID := func(r identity.Role) string { return r.ID }
	byValue := func(r identity.Role) string { return r.Value }
	return source{
		kind: k, read: identity.ScopeRolesRead,
		get: func(v *identity.DirectoryView, id string) (*resource.Resource, error) { return find(v, byID, id) },
		scan: func(v *identity.DirectoryView, after string) iter.Seq2[*resource.Resource, error] {
			return converted(list(v, after), func(r identity.Role) (*resource.Resource, error) { return c.grantResource(k, r), nil })
		},
		count: func(v *identity.DirectoryView) (int, error) {
			end, err := c.beginList()
			if err != nil {
				return 0, err
			}
			defer end()
			n := 0
			for _, err := range list(v, "") {
				if err != nil {
					return 0, err
				}
				n++
			}
			return n, nil
		},
		find: func(v *identity.DirectoryView, key resource.Key) ([]*resource.Resource, bool, error) {
			switch key.Attr {
			case "id":
				return one(find(v, byID, key.Value))
			case "value":
				return one(find(v, byValue, key.Value))
			}
			return nil, false, nil
		},
		apart: func(*identity.DirectoryView, *resource.Resource) resource.Apart {
			return nil // the schema has no attribute that is kept apart
		},
		show: func(dst []byte, _ *identity.DirectoryView, r *resource.Resource, p resource.Projection, _ *int) ([]byte, error) {
			return r.AppendJSON(dst, p), nil
		},
	}
}

// converted makes resources of records as they are read.
func converted[T any](records iter.Seq2[T, error], convert func(T) (*resource.Resource, error)) iter.Seq2[*resource.Resource, error] {
	return func(yield func(*resource.Resource, error) bool) {
		for record, err := range records {
			var r *resource.Resource
			if err == nil {
				r, err = convert(record)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// all makes resources of the records that an index found.
func all[T any](records []T, err error, convert func(T) (*resource.Resource, error)) ([]*resource.Resource, bool, error) {
	if err != nil {
		return nil, true, err
	}
	found := make([]*resource.Resource, len(records))
	for i, record := range records {
		if found[i], err = convert(record); err != nil {
			return nil, true, err
		}
	}
	return found, true, nil
}

// one makes a list of a resource that may not be there.
func one(r *resource.Resource, err error) ([]*resource.Resource, bool, error) {
	if errors.Is(err, ostiary.ErrNotFound) {
		return nil, true, nil
	}
	if err != nil {
		return nil, true, err
	}
	return []*resource.Resource{r}, true, nil
}

// hasMember takes a group that does not exist for one without members.
func hasMember(ok bool, err error) (bool, error) {
	if errors.Is(err, ostiary.ErrNotFound) {
		return false, nil
	}
	return ok, err
}
