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
		for d, err := range each(ctx, v.view, groupsOf(v.connection.ID), after) {
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

func (v *DirectoryView) groupObject(id string) ostiary.ObjectRef {
	return groupObject(v.connection.Organization, id)
}

func (v *DirectoryView) memberOwner(group string) string { return v.connection.owner(group, "members") }

// memberSubject returns the subject that a member is in tuples.
func (v *DirectoryView) memberSubject(id string) (ostiary.SubjectRef, error) {
	switch {
	case hasKind(id, kindUser):
		return userSubject(id), nil
	case hasKind(id, kindGroup):
		return ostiary.SubjectRef{Type: gate.Group, ID: v.groupObject(id).ID, Relation: "member"}, nil
	}
	return ostiary.SubjectRef{}, invalid("member %.100q is neither a user nor a group of the connection", id)
}

// memberOf returns the id of the member that a subject is.
func memberOf(s ostiary.SubjectRef) string {
	return s.ID[strings.LastIndexByte(s.ID, '/')+1:]
}

func (v *DirectoryView) assigned(group, member string) (ostiary.Tuple, error) {
	s, err := v.memberSubject(member)
	return ostiary.Tuple{Object: v.groupObject(group), Relation: gate.Assigned, Subject: s}, err
}

// Members returns the members of a group, nested groups before users, each by id. The group must exist.
func (v *DirectoryView) Members(ctx context.Context, group string) iter.Seq2[GroupMember, error] {
	filter := ostiary.Filter{Store: v.connection.Store, Owner: v.memberOwner(group)}
	return func(yield func(GroupMember, error) bool) {
		for t, err := range v.view.Tuples(ctx, filter, nil) {
			if !yield(GroupMember{memberOf(t.Subject)}, err) || err != nil {
				return
			}
		}
	}
}

// HasMember reports whether a user or a group is directly in a group.
func (v *DirectoryView) HasMember(ctx context.Context, group, member string) (bool, error) {
	t, err := v.assigned(group, member)
	if err != nil || !hasKind(group, kindGroup) {
		return false, nil // there is no such member
	}
	has, err := granted(ctx, v.view, v.connection.Store, v.memberOwner(group), []ostiary.Tuple{t})
	return err == nil && has[0], err
}

// GroupsOf returns the groups that a user or a group is directly in, by id.
func (v *DirectoryView) GroupsOf(ctx context.Context, member string) ([]Group, error) {
	s, err := v.memberSubject(member)
	if err != nil {
		return nil, nil
	}
	var groups []Group
	filter := ostiary.Filter{Store: v.connection.Store, Subject: s, Relation: gate.Assigned, ObjectType: gate.Group}
	for t, err := range v.view.Tuples(ctx, filter, nil) {
		if err != nil {
			return nil, err
		}
		id := t.Object.ID[strings.LastIndexByte(t.Object.ID, '/')+1:]
		for _, grant := range t.Grants {
			if grant.Owner != v.memberOwner(id) {
				continue
			}
			g, err := v.Group(ctx, id)
			if err != nil {
				return nil, err
			}
			groups = append(groups, g)
		}
	}
	return groups, nil
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

// changeMembers makes the changes of tuples that take the members of a group from what the view shows to
// what c asks for, and returns how many join and leave. A member to be added must exist.
func (v *DirectoryView) changeMembers(
	ctx context.Context, m *ostiary.Mutation, group string, c GroupChange,
) (joining, leaving int, err error) {
	adding := make(map[string]bool, len(c.Add))
	for _, id := range c.Add {
		adding[id] = true
	}
	removing := make(map[string]bool, len(c.Remove))
	var leave []string
	for _, id := range c.Remove {
		if !removing[id] && !adding[id] && (hasKind(id, kindUser) || hasKind(id, kindGroup)) {
			removing[id] = true
			leave = append(leave, id)
		}
	}
	if c.Clear {
		leave = leave[:0]
		for member, err := range v.Members(ctx, group) {
			if err != nil {
				return 0, 0, err
			}
			if !adding[member.ID] {
				leave = append(leave, member.ID)
			}
		}
	}
	join := distinctIDs(c.Add)
	joined, err := v.memberTuples(ctx, group, join)
	if err != nil {
		return 0, 0, err
	}
	left, err := v.memberTuples(ctx, group, leave)
	if err != nil {
		return 0, 0, err
	}
	store, owner := v.connection.Store, v.memberOwner(group)
	for i, t := range joined.tuples {
		if joined.there[i] {
			continue
		}
		if err := v.restOnMember(ctx, m, group, join[i]); err != nil {
			return 0, 0, err
		}
		m.Tuples = append(m.Tuples, touch(store, t.Object, t.Relation, t.Subject, owner))
		joining++
	}
	for i, t := range left.tuples {
		if left.there[i] {
			m.Tuples = append(m.Tuples, release(store, t.Object, t.Relation, t.Subject, owner))
			leaving++
		}
	}
	return joining, leaving, nil
}

// distinctIDs is distinct for many.
func distinctIDs(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	kept := make([]string, 0, len(ids))
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			kept = append(kept, id)
		}
	}
	return kept
}

// memberTuples are the tuples of members, and which of them the connection has written.
type memberTuples struct {
	tuples []ostiary.Tuple
	there  []bool
}

func (v *DirectoryView) memberTuples(ctx context.Context, group string, members []string) (memberTuples, error) {
	all := memberTuples{tuples: make([]ostiary.Tuple, len(members))}
	var err error
	for i, id := range members {
		if all.tuples[i], err = v.assigned(group, id); err != nil {
			return all, err
		}
	}
	all.there, err = granted(ctx, v.view, v.connection.Store, v.memberOwner(group), all.tuples)
	return all, err
}

// restOnMember demands that a member to be added be of the connection, and go on existing until the mutation
// is applied.
func (v *DirectoryView) restOnMember(ctx context.Context, m *ostiary.Mutation, group, id string) error {
	if hasKind(id, kindGroup) {
		d, there, err := v.view.Document(groupKey(v.connection.ID, id))
		if err != nil {
			return err
		}
		if !there {
			return invalid("member %s is no group of the connection", id)
		}
		m.Preconditions = append(m.Preconditions, at(d))
		return v.judgeNesting(ctx, group, id)
	}
	d, there, err := v.view.Document(managedKey(v.connection.Store, id))
	if err != nil {
		return err
	}
	if there {
		body, err := decode[managedBody](d)
		if err != nil {
			return err
		}
		there = body.Connection == v.connection.ID
	}
	if !there {
		return invalid("member %s is no user of the connection", id)
	}
	m.Preconditions = append(m.Preconditions, at(d))
	return nil
}

// judgeNesting refuses a group that would come to lie in itself, or too deep, by what the view shows. Two
// who nest groups into each other at once may both succeed: evaluation bears cycles.
func (v *DirectoryView) judgeNesting(ctx context.Context, group, member string) error {
	seen := map[string]bool{}
	level := []string{member}
	for depth := 1; len(level) > 0; depth++ {
		if depth > maxGroupDepth {
			return invalid("group %s would lie more than %d groups deep", member, maxGroupDepth)
		}
		var next []string
		for _, id := range level {
			if id == group {
				return invalid("group %s would be a member of itself, by way of %s", group, member)
			}
			for m, err := range v.Members(ctx, id) {
				if err != nil {
					return err
				}
				if !hasKind(m.ID, kindGroup) {
					break // usersets come first
				}
				if !seen[m.ID] {
					seen[m.ID] = true
					next = append(next, m.ID)
				}
			}
		}
		level = next
	}
	return nil
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
