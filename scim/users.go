package scim

import (
	"net/http"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/patch"
	"github.com/ostiary/ostiary/scim/resource"
)

var userVerbs = &verbs{
	create: (*call).createUser,
	change: map[string]func(*call, string) (answer, error){
		http.MethodPut:    (*call).putUser,
		http.MethodPatch:  (*call).patchUser,
		http.MethodDelete: (*call).deleteUser,
	},
	scope: identity.ScopeUsersWrite,
}

// readUser reads the body as a user.
func (c *call) readUser() (*resource.Resource, error) {
	body, err := c.object()
	if err != nil {
		return nil, err
	}
	c.request.Attributes = resource.User.Names(body)
	r, _, err := resource.User.Read(body, c.dialect)
	return r, err
}

func (c *call) createUser() (answer, error) {
	r, err := c.readUser()
	if err != nil {
		return answer{}, err
	}
	if _, said := r.Bool("active"); !said {
		r.SetBool("active", true)
	}
	u, err := c.dir.CreateUser(c.ctx, userInput(r))
	if err != nil {
		return answer{}, err
	}
	return c.userAnswer(http.StatusCreated, u, false)
}

// putUser replaces a user. What the body does not have is cleared, but for "active", which stays as it is: a
// client that says nothing about it must not let anybody in.
func (c *call) putUser(id string) (answer, error) {
	r, err := c.readUser()
	if err != nil {
		return answer{}, err
	}
	version, err := c.expected(c.userVersion(id))
	if err != nil {
		return answer{}, err
	}
	_, said := r.Bool("active")
	u, err := c.dir.ChangeUser(c.ctx, id, version, func(now identity.User) (identity.UserInput, error) {
		after := r.Clone()
		if !said {
			after.SetBool("active", now.Active)
		}
		return userInput(after), nil
	})
	if err != nil {
		return answer{}, err
	}
	return c.userAnswer(http.StatusOK, u, true)
}

func (c *call) patchUser(id string) (answer, error) {
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	p, err := patch.Parse(resource.User, body, c.dialect)
	if err != nil {
		return answer{}, err
	}
	c.request.Attributes = p.Attributes()
	version, err := c.expected(c.userVersion(id))
	if err != nil {
		return answer{}, err
	}
	k := c.newestCatalogue()
	defer k.close()
	u, err := c.dir.ChangeUser(c.ctx, id, version, func(now identity.User) (identity.UserInput, error) {
		before, err := c.userResource(now, k)
		if err != nil {
			return identity.UserInput{}, err
		}
		after, err := p.Apply(before)
		if err != nil || after.Equal(before) {
			return now.UserInput, err
		}
		return userInput(after), nil
	})
	if err != nil {
		return answer{}, err
	}
	return c.userAnswer(http.StatusOK, u, true)
}

func (c *call) deleteUser(id string) (answer, error) {
	version, err := c.expected(c.userVersion(id))
	if err != nil {
		return answer{}, err
	}
	receipt, err := c.dir.DeleteUser(c.ctx, id, version)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent, revision: receipt.Revision}, nil
}

func (c *call) userVersion(id string) func() (ostiary.Revision, error) {
	return func() (ostiary.Revision, error) {
		v, err := c.dir.View(c.ctx, ostiary.Freshness{Linearizable: true})
		if err != nil {
			return 0, err
		}
		defer v.Close()
		u, err := v.User(c.ctx, id)
		return u.Version, err
	}
}

// userAnswer answers with a user after a change. One that has just been made is in no group.
func (c *call) userAnswer(status int, u identity.User, grouped bool) (answer, error) {
	a := answer{status: status, location: c.base + resource.User.Endpoint + "/" + u.ID, tag: etag(u.Version), revision: u.Version}
	if c.inBulk {
		return a, nil
	}
	projection, err := resource.User.Project(c.params["attributes"], c.params["excludedAttributes"])
	if err != nil {
		projection = resource.Projection{} // the change is made: the client gets everything
	}
	v, err := c.dir.View(c.ctx, ostiary.Freshness{AtLeast: u.Version})
	if err != nil {
		return a, err
	}
	defer v.Close()
	r, err := c.userResource(u, c.catalogueOf(v))
	if err != nil {
		return a, err
	}
	if grouped {
		if err := c.addGroups(v, r, projection); err != nil {
			return a, err
		}
	}
	a.body = r.AppendJSON(nil, projection)
	return a, nil
}

// addGroups adds the groups that a user is in, where the answer shows them and the token may read groups.
func (c *call) addGroups(v *identity.DirectoryView, r *resource.Resource, p resource.Projection) error {
	if !p.Wants(resource.User, "groups") || c.dir.Allow(identity.ScopeGroupsRead) != nil {
		return nil
	}
	groups, err := v.GroupsOf(c.ctx, r.Text("id"))
	if err != nil {
		return err
	}
	items := make([]resource.Item, len(groups))
	for i, g := range groups {
		items[i] = resource.Item{Value: g.ID, Display: g.DisplayName, Type: "direct", Ref: c.base + resource.Group.Endpoint + "/" + g.ID}
	}
	r.SetItems("groups", items)
	return nil
}
