package scim

import (
	"encoding/json"
	"net/http"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/scim/patch"
	"github.com/ostiary/ostiary/scim/resource"
	"github.com/ostiary/ostiary/scim/scimerr"
)

var groupVerbs = &verbs{
	create: (*call).createGroup,
	change: map[string]func(*call, string) (answer, error){
		http.MethodPut:    (*call).putGroup,
		http.MethodPatch:  (*call).patchGroup,
		http.MethodDelete: (*call).deleteGroup,
	},
	scope: identity.ScopeGroupsWrite,
}

// maxMembersShown bounds the members in one answer, all groups of a list together.
const maxMembersShown = 200_000

// readGroup reads the body as a group and its members.
func (c *call) readGroup() (*resource.Resource, []string, error) {
	body, err := c.object()
	if err != nil {
		return nil, nil, err
	}
	c.request.Attributes = resource.Group.Names(body)
	r, members, err := resource.Group.Read(body, c.dialect)
	return r, memberIDs(members), err
}

func (c *call) createGroup() (answer, error) {
	r, members, err := c.readGroup()
	if err != nil {
		return answer{}, err
	}
	g, err := c.dir.CreateGroup(c.ctx, groupInput(r), members)
	if err != nil {
		return answer{}, err
	}
	return c.groupAnswer(http.StatusCreated, g)
}

func (c *call) putGroup(id string) (answer, error) {
	r, members, err := c.readGroup()
	if err != nil {
		return answer{}, err
	}
	version, err := c.expected(c.groupVersion(id))
	if err != nil {
		return answer{}, err
	}
	g, err := c.dir.ChangeGroup(c.ctx, id, version, func(identity.Group) (identity.GroupChange, error) {
		return identity.GroupChange{GroupInput: groupInput(r), Clear: true, Add: members}, nil
	})
	if err != nil {
		return answer{}, err
	}
	return c.groupAnswer(http.StatusOK, g)
}

// patchGroup changes a group. It answers 204, as Entra expects, unless attributes are asked for.
func (c *call) patchGroup(id string) (answer, error) {
	body, err := c.object()
	if err != nil {
		return answer{}, err
	}
	p, err := patch.Parse(resource.Group, body, c.dialect)
	if err != nil {
		return answer{}, err
	}
	c.request.Attributes = p.Attributes()
	version, err := c.expected(c.groupVersion(id))
	if err != nil {
		return answer{}, err
	}
	g, err := c.dir.ChangeGroup(c.ctx, id, version, func(now identity.Group) (identity.GroupChange, error) {
		change := identity.GroupChange{GroupInput: now.GroupInput, Clear: p.Members.Clear,
			Remove: p.Members.Remove, Add: memberIDs(p.Members.Add)}
		before, err := c.groupResource(now)
		if err != nil {
			return change, err
		}
		after, err := p.Apply(before)
		if err == nil && !after.Equal(before) {
			change.GroupInput = groupInput(after)
		}
		return change, err
	})
	if err != nil {
		return answer{}, err
	}
	if c.params["attributes"] == "" {
		return answer{status: http.StatusNoContent, location: c.location(resource.Group, g.ID), tag: etag(g.Version), revision: g.Version}, nil
	}
	return c.groupAnswer(http.StatusOK, g)
}

func (c *call) location(k *resource.Kind, id string) string { return c.base + k.Endpoint + "/" + id }

func (c *call) deleteGroup(id string) (answer, error) {
	version, err := c.expected(c.groupVersion(id))
	if err != nil {
		return answer{}, err
	}
	receipt, err := c.dir.DeleteGroup(c.ctx, id, version)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent, revision: receipt.Revision}, nil
}

func (c *call) groupVersion(id string) func() (ostiary.Revision, error) {
	return func() (ostiary.Revision, error) {
		v, err := c.dir.View(c.ctx, ostiary.Freshness{Linearizable: true})
		if err != nil {
			return 0, err
		}
		defer v.Close()
		g, err := v.Group(c.ctx, id)
		return g.Version, err
	}
}

func (c *call) groupAnswer(status int, g identity.Group) (answer, error) {
	a := answer{status: status, location: c.location(resource.Group, g.ID), tag: etag(g.Version), revision: g.Version}
	if c.inBulk {
		return a, nil
	}
	projection, err := resource.Group.Project(c.params["attributes"], c.params["excludedAttributes"])
	if err != nil {
		projection = resource.Projection{} // the change is made: the client gets everything
	}
	v, err := c.dir.View(c.ctx, ostiary.Freshness{AtLeast: g.Version})
	if err != nil {
		return a, err
	}
	defer v.Close()
	r, err := c.groupResource(g)
	if err != nil {
		return a, err
	}
	shown := 0
	a.body, err = c.appendGroup(nil, v, r, projection, &shown)
	return a, err
}

// appendGroup appends a group, with its members where the answer shows them. Shown counts the members of the
// whole answer.
func (c *call) appendGroup(dst []byte, v *identity.DirectoryView, r *resource.Resource, p resource.Projection, shown *int) ([]byte, error) {
	dst = r.AppendJSON(dst, p)
	if !p.Wants(resource.Group, "members") {
		return dst, nil
	}
	without := len(dst)
	dst = append(dst[:len(dst)-1], `,"members":[`...)
	value, ref, kind := p.Wants(resource.Group, "members.value"), p.Wants(resource.Group, "members.$ref"), p.Wants(resource.Group, "members.type")
	first := true
	for m, err := range v.Members(c.ctx, r.Text("id")) {
		if err != nil {
			return nil, err
		}
		if *shown++; *shown > maxMembersShown {
			return nil, scimerr.Bad(scimerr.TooMany, "the answer would hold more than %d members: send excludedAttributes=members", maxMembersShown)
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = c.appendMember(dst, m.ID, value, ref, kind)
	}
	if first { // no members are no attribute
		return append(dst[:without-1], '}'), nil
	}
	return append(dst, "]}"...), nil
}

func (c *call) appendMember(dst []byte, id string, value, ref, kind bool) []byte {
	of := resource.User
	if isGroup(id) {
		of = resource.Group
	}
	dst = append(dst, '{')
	add := func(name, text string) {
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		quoted, _ := json.Marshal(text) // a string: it cannot fail
		dst = append(append(append(append(dst, '"'), name...), `":`...), quoted...)
	}
	if value {
		add("value", id)
	}
	if ref {
		add("$ref", c.location(of, id))
	}
	if kind {
		add("type", of.Name)
	}
	return append(dst, '}')
}
