package scim

import (
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/resource"
)

// catalogue is what users can be given, read once for a call.
type catalogue struct {
	read                func() (roles, entitlements []identity.Role, err error)
	loaded              bool
	roles, entitlements []identity.Role
}

// catalogueOf reads from a view.
func (c *call) catalogueOf(v *identity.DirectoryView) *catalogue {
	return &catalogue{read: func() ([]identity.Role, []identity.Role, error) {
		roles, err := v.Roles(c.ctx)
		if err != nil {
			return nil, nil, err
		}
		entitlements, err := v.Entitlements(c.ctx)
		return roles, entitlements, err
	}}
}

// newestCatalogue reads from a view of its own, for changes that know only the record.
func (c *call) newestCatalogue() *catalogue {
	return &catalogue{read: func() (roles, entitlements []identity.Role, err error) {
		v, err := c.dir.View(c.ctx, ostiary.Freshness{Linearizable: true})
		if err != nil {
			return nil, nil, err
		}
		defer v.Close()
		return c.catalogueOf(v).read()
	}}
}

func (k *catalogue) load() error {
	if k.loaded {
		return nil
	}
	var err error
	k.roles, k.entitlements, err = k.read()
	k.loaded = err == nil
	return err
}

// userResource returns a user as SCIM shows it, without the groups.
func (c *call) userResource(u identity.User, k *catalogue) (*resource.Resource, error) {
	r, err := load(resource.User, u.Body)
	if err != nil {
		return nil, err
	}
	r.SetText("userName", u.UserName)
	r.SetText("externalId", u.ExternalID)
	r.SetBool("active", u.Active)
	if len(u.Roles)+len(u.Entitlements) > 0 {
		if err := k.load(); err != nil {
			return nil, err
		}
	}
	r.SetItems("roles", given(r.Items("roles"), u.Roles, k.roles))
	r.SetItems("entitlements", given(r.Items("entitlements"), u.Entitlements, k.entitlements))
	r.SetMeta(u.ID, c.meta(resource.User, u.ID, u.CreatedNanos, u.ModifiedNanos, u.Version))
	return r, nil
}

// groupResource returns a group as SCIM shows it, without the members.
func (c *call) groupResource(g identity.Group) (*resource.Resource, error) {
	r, err := load(resource.Group, g.Body)
	if err != nil {
		return nil, err
	}
	r.SetText("displayName", g.DisplayName)
	r.SetText("externalId", g.ExternalID)
	r.SetMeta(g.ID, c.meta(resource.Group, g.ID, g.CreatedNanos, g.ModifiedNanos, g.Version))
	return r, nil
}

// grantResource returns a role or an entitlement, under the names of both dialects.
func (c *call) grantResource(k *resource.Kind, role identity.Role) *resource.Resource {
	r := resource.New(k)
	r.SetText("value", role.Value)
	r.SetText("display", role.Display)
	r.SetText("displayName", role.Display)
	r.SetText("type", role.Type)
	r.SetBool("supported", true)
	r.SetMeta(role.ID, resource.Meta{Location: c.base + k.Endpoint + "/" + role.ID})
	return r
}

func load(k *resource.Kind, body []byte) (*resource.Resource, error) {
	if len(body) == 0 {
		return resource.New(k), nil
	}
	return k.Load(body)
}

func (c *call) meta(k *resource.Kind, id string, created, modified int64, v ostiary.Revision) resource.Meta {
	return resource.Meta{Created: time.Unix(0, created), Modified: time.Unix(0, modified), Version: etag(v),
		Location: c.base + k.Endpoint + "/" + id}
}

// given lists what a user has been given: what the client said of each, completed from the catalogue.
func given(said []resource.Item, ids []string, all []identity.Role) []resource.Item {
	items := make([]resource.Item, 0, len(ids))
	for _, id := range ids {
		role := identity.Role{ID: id, Value: id}
		if i := slices.IndexFunc(all, func(r identity.Role) bool { return r.ID == id }); i >= 0 {
			role = all[i]
		}
		it := resource.Item{Value: role.Value}
		if i := slices.IndexFunc(said, func(it resource.Item) bool { return it.Value == role.ID || it.Value == role.Value }); i >= 0 {
			it = said[i]
		}
		if it.Display == "" {
			it.Display = role.Display
		}
		if it.Type == "" {
			it.Type = role.Type
		}
		items = append(items, it)
	}
	return items
}

// userInput returns what identity keeps of a user. A user without "active" is not.
func userInput(r *resource.Resource) identity.UserInput {
	active, _ := r.Bool("active")
	return identity.UserInput{
		UserName: r.Text("userName"), ExternalID: r.Text("externalId"), Active: active,
		Emails: values(r, "emails"), Roles: values(r, "roles"), Entitlements: values(r, "entitlements"), Body: r.Store(),
	}
}

func groupInput(r *resource.Resource) identity.GroupInput {
	return identity.GroupInput{DisplayName: r.Text("displayName"), ExternalID: r.Text("externalId"), Body: r.Store()}
}

func values(r *resource.Resource, name string) []string {
	var all []string
	for _, it := range r.Items(name) {
		all = append(all, it.Value)
	}
	return all
}

// memberIDs returns the ids of members. An id says by itself whether it is a group's.
func memberIDs(items []resource.Item) []string {
	var ids []string
	for _, it := range items {
		ids = append(ids, it.Value)
	}
	return ids
}

// isGroup reports whether the id of a member is that of a group.
func isGroup(id string) bool { return strings.HasPrefix(id, "g") }
