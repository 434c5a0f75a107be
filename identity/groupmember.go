package identity

import (
	"context"
	"iter"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

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
