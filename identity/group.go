package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Group is a group that a connection fills. Its members are tuples, and not part of it.
type Group struct {
	ID            string // ours, for ever
	Version       ostiary.Revision
	CreatedNanos  int64
	ModifiedNanos int64
	GroupInput
}

// GroupInput is what an identity provider says of a group, but for the members.
type GroupInput struct {
	DisplayName string // required; unique whatever its case where Connection.UniqueGroupNames says so
	ExternalID  string // unique in the connection, exactly; may be empty
	Body        []byte // the rest of the resource, in whatever form. It is not looked into.
}

// GroupMember is in a group: a user, or a group whose members are members too. The id says which.
type GroupMember struct{ ID string }

// GroupChange is what becomes of a group. The members are then those of before without Remove, or with Clear
// none of before, and those of Add.
type GroupChange struct {
	GroupInput
	Clear       bool
	Remove, Add []string // ids of users and groups of the connection
}

type groupBody struct {
	form
	DisplayName   string `json:"display_name"`
	ExternalID    string `json:"external_id,omitempty"`
	Body          []byte `json:"body,omitempty"`
	CreatedNanos  int64  `json:"created"`
	ModifiedNanos int64  `json:"modified"`
}

// groupTouchBody is the document that moves when the members of a group change.
type groupTouchBody struct {
	form
	ModifiedNanos int64 `json:"modified"`
}

// maxGroupDepth bounds how deep groups may lie in groups.
const maxGroupDepth = 20

func (in GroupInput) judge() error {
	switch {
	case strings.TrimSpace(in.DisplayName) == "":
		return invalid("displayName is empty")
	case len(in.Body) > maxResourceBody:
		return fmt.Errorf("the group has %d bytes, and may have %d: %w", len(in.Body), maxResourceBody, ostiary.ErrTooBroad)
	}
	return errors.Join(judgeKey(in.DisplayName), judgeKey(in.ExternalID))
}

func (in GroupInput) equal(other GroupInput) bool {
	return in.DisplayName == other.DisplayName && in.ExternalID == other.ExternalID && bytes.Equal(in.Body, other.Body)
}

func (v *DirectoryView) groupLinks(in GroupInput) []link {
	links := []link{{KeyDisplayName, in.DisplayName}}
	if v.connection.UniqueGroupNames() {
		links = append(links, link{keyGroupName, in.DisplayName})
	}
	if in.ExternalID != "" {
		links = append(links, link{KeyExternalID, in.ExternalID})
	}
	return links
}

const resourceGroup = "group"

// storedGroup is a group with the documents that it was read from.
type storedGroup struct {
	Group
	document ostiary.Document
	touch    ostiary.Document
}

func (v *DirectoryView) group(id string) (*storedGroup, error) {
	if !hasKind(id, kindGroup) {
		return nil, notFound("group", id)
	}
	d, there, err := v.view.Document(groupKey(v.connection.ID, id))
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, notFound("group", id)
	}
	return v.openGroup(d)
}

func (v *DirectoryView) openGroup(d ostiary.Document) (*storedGroup, error) {
	body, err := decode[groupBody](d)
	if err != nil {
		return nil, err
	}
	g := &storedGroup{document: d, Group: Group{
		ID: d.Key.Key, Version: d.Version, CreatedNanos: body.CreatedNanos, ModifiedNanos: body.ModifiedNanos,
		GroupInput: GroupInput{DisplayName: body.DisplayName, ExternalID: body.ExternalID, Body: body.Body},
	}}
	key := groupTouchKey(v.connection.ID, d.Key.Key)
	touched, there, err := v.view.Document(key)
	if err != nil {
		return nil, err
	}
	g.touch = touched
	g.touch.Key = key
	if !there {
		return g, nil
	}
	members, err := decode[groupTouchBody](touched)
	g.Version, g.ModifiedNanos = max(g.Version, touched.Version), max(g.ModifiedNanos, members.ModifiedNanos)
	return g, err
}

// Group returns a group of the connection.
func (v *DirectoryView) Group(ctx context.Context, id string) (Group, error) {
	g, err := v.group(id)
	if err != nil {
		return Group{}, err
	}
	return g.Group, ctx.Err()
}

// GroupsBy returns the groups that have a value, which is exact and reads as many documents as there are.
func (v *DirectoryView) GroupsBy(ctx context.Context, key Key, value string) ([]Group, error) {
	ids, err := v.find(resourceGroup, key, value)
	if err != nil {
		return nil, err
	}
	groups := make([]Group, 0, len(ids))
	for _, id := range ids {
		g, err := v.Group(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("follow the link of a %s: %w", key, err)
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// Groups returns the groups of the connection after one, by id.
func (v *DirectoryView) Groups(ctx context.Context, after string) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		for d, err := range ostiary.EachDocument(ctx, v.view, groupsOf(v.connection.ID), after) {
			var g *storedGroup
			if err == nil {
				g, err = v.openGroup(d)
			}
			if err != nil {
				yield(Group{}, err)
				return
			}
			if !yield(g.Group, nil) {
				return
			}
		}
	}
}

// CountGroups returns how many groups the connection has.
func (v *DirectoryView) CountGroups(context.Context) (int, error) {
	return v.view.CountDocuments(groupsOf(v.connection.ID))
}

// CreateGroup makes a group with a new id and its members. An external id that is taken is ErrExists, and so is
// a name where names are unique.
func (d *Directory) CreateGroup(ctx context.Context, in GroupInput, members []string) (Group, error) {
	if err := in.judge(); err != nil {
		return Group{}, err
	}
	g := Group{GroupInput: in}
	row := d.audit("group.create", "")
	receipt, err := d.change(about(ctx, row), func(v *DirectoryView, m *ostiary.Mutation) (err error) {
		if v.connection.stopped() {
			return v.connection.errPaused()
		}
		if g.ID, err = newID(kindGroup, m.TimeNanos); err != nil {
			return err
		}
		row.resource = g.ID
		g.CreatedNanos, g.ModifiedNanos = m.TimeNanos, m.TimeNanos
		c := v.connection
		m.Preconditions = append(m.Preconditions, absent(groupKey(c.ID, g.ID)))
		m.Documents = append(m.Documents, v.putGroup(g))
		m.Tuples = append(m.Tuples, touch(c.Store, v.groupObject(g.ID), gate.InOrganization,
			ostiary.SubjectRef{Type: gate.Organization, ID: c.Organization}, c.owner(g.ID, "organization")))
		if err := v.relink(m, resourceGroup, g.ID, nil, v.groupLinks(in)); err != nil {
			return err
		}
		_, _, err = v.changeMembers(ctx, m, g.ID, GroupChange{Add: members})
		return err
	})
	g.Version = receipt.Revision
	return g, err
}

func (v *DirectoryView) putGroup(g Group) ostiary.DocumentChange {
	return put(groupKey(v.connection.ID, g.ID), groupBody{
		form{bodyForm}, g.DisplayName, g.ExternalID, g.Body, g.CreatedNanos, g.ModifiedNanos})
}

// ChangeGroup changes a group and its members to what change makes of it, and returns it. Where nothing
// would change, nothing is committed; nor where the mass guard holds it, and the error is ErrHeld. Changes of
// members by several at once are all kept, unless one of them clears the group, which then counts as the later
// or the earlier of two. Otherwise it is as ChangeUser.
func (d *Directory) ChangeGroup(
	ctx context.Context, id string, version ostiary.Revision, change func(Group) (GroupChange, error),
) (Group, error) {
	var g Group
	var held error
	row := d.audit("", id)
	var endTurn func() // of those who take members away; nil until this one is found to
	defer func() {
		if endTurn != nil {
			endTurn()
		}
	}()
	receipt, err := d.change(about(ctx, row), func(v *DirectoryView, m *ostiary.Mutation) error {
		row.action, held = "group.change", nil
		old, err := v.group(id)
		if err != nil {
			return err
		}
		g = old.Group
		if err := judgeVersion(version, old.Version); err != nil {
			return err
		}
		c, err := change(old.Group)
		if err != nil {
			return err
		}
		if err := c.judge(); err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(old.document))
		if version != 0 || c.Clear {
			m.Preconditions = append(m.Preconditions, at(old.touch))
		}
		joined, left, err := v.changeMembers(ctx, m, id, c)
		if err != nil {
			return err
		}
		moved, same := joined+left > 0, c.GroupInput.equal(old.GroupInput)
		if v.connection.stopped() && (moved || !same) {
			return v.connection.errPaused()
		}
		if left > 0 && endTurn == nil {
			endTurn = d.service.guardTurn(v.connection.ID, id)
		}
		if stays, err := v.holdsShrinkage(ctx, m, id, left); err != nil || stays {
			row.action, held = "group.hold", v.heldShrinkage(id)
			return err
		}
		if moved {
			m.Documents = append(m.Documents, put(old.touch.Key, groupTouchBody{form{bodyForm}, m.TimeNanos}))
		}
		if !same {
			g.GroupInput, g.ModifiedNanos = c.GroupInput, m.TimeNanos
			m.Documents = append(m.Documents, v.putGroup(g))
			if err := v.relink(m, resourceGroup, id, v.groupLinks(old.GroupInput), v.groupLinks(c.GroupInput)); err != nil {
				return err
			}
			moved = true
		}
		if moved {
			g.ModifiedNanos, g.Version = m.TimeNanos, 0
		}
		return nil
	})
	if g.Version == 0 {
		g.Version = receipt.Revision
	}
	return g, orElse(err, held)
}

// DeleteGroup deletes a group with the tuples of which it is the object or, as a set, the subject, whoever
// wrote them. Where the mass guard holds it, nothing is changed, and the error is ErrHeld.
func (d *Directory) DeleteGroup(ctx context.Context, id string, version ostiary.Revision) (ostiary.Receipt, error) {
	defer d.service.guardTurn(d.connection.ID, id)()
	row := d.audit("", id)
	var held error
	receipt, err := d.change(about(ctx, row), func(v *DirectoryView, m *ostiary.Mutation) error {
		row.action, held = "group.delete", nil
		old, err := v.group(id)
		if err != nil {
			return err
		}
		if err := judgeVersion(version, old.Version); err != nil {
			return err
		}
		if v.connection.stopped() {
			return v.connection.errPaused()
		}
		if stays, err := v.holdsDissolution(ctx, m, id); err != nil || stays {
			row.action, held = "group.hold", v.heldShrinkage(id)
			return err
		}
		if version != 0 {
			m.Preconditions = append(m.Preconditions, at(old.touch))
		}
		return v.dissolve(m, old)
	})
	return receipt, orElse(err, held)
}

// dissolve makes the deletion of a group part of a mutation.
func (v *DirectoryView) dissolve(m *ostiary.Mutation, old *storedGroup) error {
	m.Preconditions = append(m.Preconditions, at(old.document))
	store, object := v.connection.Store, v.groupObject(old.ID)
	filters := []ostiary.Filter{{Store: store, Object: object}}
	for _, relation := range []string{"", "member", gate.Assigned} {
		filters = append(filters, ostiary.Filter{Store: store,
			Subject: ostiary.SubjectRef{Type: object.Type, ID: object.ID, Relation: relation}})
	}
	for _, f := range filters {
		m.Filters = append(m.Filters, ostiary.FilterDelete{Filter: f})
	}
	m.Documents = append(m.Documents, remove(old.document.Key), remove(old.touch.Key))
	return v.relink(m, resourceGroup, old.ID, v.groupLinks(old.GroupInput), nil)
}
