package scim

import (
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/resource"
)

// catalogue is what users can be given, read for a call once it is needed.
type catalogue struct {
	read func() (*identity.Catalogue, error)
	all  *identity.Catalogue
	// done ends what read has opened. Nil: nothing.
	done func()
}

// catalogueOf reads from a view, which has to be open for as long as the catalogue is used.
func (c *call) catalogueOf(v *identity.DirectoryView) *catalogue {
	return &catalogue{read: v.Catalogue}
}

// newestCatalogue reads from a view of its own, for changes that know only the record. The caller closes it.
func (c *call) newestCatalogue() *catalogue {
	k := &catalogue{}
	var v *identity.DirectoryView
	k.read = func() (_ *identity.Catalogue, err error) {
		if v == nil {
			if v, err = c.dir.View(c.ctx, ostiary.Freshness{Linearizable: true}); err != nil {
				return nil, err
			}
			k.done = v.Close
		}
		return v.Catalogue()
	}
	return k
}

func (k *catalogue) close() {
	if k.done != nil {
		k.done()
	}
}

// describe returns what is known of the roles or entitlements that a user has.
func (k *catalogue) describe(ids []string) ([]identity.Role, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if k.all == nil {
		all, err := k.read()
		if err != nil {
			return nil, err
		}
		k.all = all
	}
	roles := make([]identity.Role, len(ids))
	for i, id := range ids {
		roles[i] = k.all.Describe(id)
	}
	return roles, nil
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
	roles, err := k.describe(u.Roles)
	if err != nil {
		return nil, err
	}
	entitlements, err := k.describe(u.Entitlements)
	if err != nil {
		return nil, err
	}
	r.SetItems("roles", given(r.Items("roles"), roles))
	r.SetItems("entitlements", given(r.Items("entitlements"), entitlements))
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
	if role.Type == "" && role.Entitlement && c.dir.Connection().Kind == identity.KindOkta {
		r.SetText("type", k.Name) // the name of its resource type
	}
	r.SetText("description", role.Description)
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
func given(said []resource.Item, roles []identity.Role) []resource.Item {
	items := make([]resource.Item, 0, len(roles))
	for _, role := range roles {
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
