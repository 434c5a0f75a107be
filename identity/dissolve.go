package identity

import (
	"context"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// goneBody is what stays of an organization that was deleted.
type goneBody struct {
	form
	DeletedNanos int64 `json:"deleted"`
}

// DeleteOrganization deletes an organization that has neither connections nor members, with its catalogue
// and every tuple that names it, its groups, roles, entitlements or sessions, as object or in the subject,
// whoever wrote it. It reads every tuple of the store. The id is never given again, so that what
// applications write of the organization later is granted to nobody.
func (s *Service) DeleteOrganization(ctx context.Context, store, id string) (ostiary.Receipt, error) {
	row := &audit{store: store, organization: id, resource: id, action: "organization.delete"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		_, d, err := readOrganization(v, store, id)
		if err != nil {
			return err
		}
		if err := judgeEmpty(ctx, v, store, id); err != nil {
			return err
		}
		if err := restOnStore(v, m, store); err != nil {
			return err
		}
		gone := goneKey(store, id)
		m.Preconditions = append(m.Preconditions, at(d), absent(gone), ostiary.Precondition{
			Kind: ostiary.FilterMatchesNothing, Filter: ostiary.Filter{
				Store: store, Object: organizationObject(id), Relation: gate.DirectoryMember}})
		m.Documents = append(m.Documents, remove(d.Key), put(gone, goneBody{form{bodyForm}, m.TimeNanos}))
		for _, collection := range []string{rolesOf(store, id), roleValuesOf(store, id)} {
			for d, err := range ostiary.EachDocument(ctx, v, collection, "") {
				if err != nil {
					return err
				}
				m.Documents = append(m.Documents, remove(d.Key))
			}
		}
		if err := removeDomains(ctx, v, m, store, id); err != nil {
			return err
		}
		if err := deleteSessionsOf(ctx, v, m, store, id); err != nil {
			return err
		}
		return deleteTuplesOf(ctx, v, m, store, id)
	})
}

// judgeEmpty refuses the deletion of an organization that has members or connections.
func judgeEmpty(ctx context.Context, v View, store, id string) error {
	members, err := v.Documents(membersOf(store, id), "", 1, false)
	if err != nil {
		return err
	}
	if len(members) > 0 {
		return fmt.Errorf("organization %q has members, such as %s: remove them first: %w", id, members[0].Key.Key, ostiary.ErrExists)
	}
	for c, err := range ostiary.EachDocument(ctx, v, connections, "") {
		if err != nil {
			return err
		}
		if body, err := decode[connectionBody](c); err != nil || body.Store == store && body.Organization == id {
			return orElse(err, fmt.Errorf("organization %q has the connection %s: which must go first: %w", id, c.Key.Key, ostiary.ErrExists))
		}
	}
	return nil
}

// deleteTuplesOf deletes the tuples that name what belongs to an organization.
func deleteTuplesOf(ctx context.Context, v View, m *ostiary.Mutation, store, organization string) error {
	objects := map[ostiary.ObjectRef]bool{}
	subjects := map[ostiary.SubjectRef]bool{}
	for t, err := range v.Tuples(ctx, ostiary.Filter{Store: store}, nil) {
		if err != nil {
			return err
		}
		if o := t.Object; isOf(organization, o) && !objects[o] {
			objects[o] = true
			m.Filters = append(m.Filters, ostiary.FilterDelete{Filter: ostiary.Filter{Store: store, Object: o}})
		}
		if s := t.Subject; isOf(organization, s.Object()) && !subjects[s] {
			subjects[s] = true
			m.Filters = append(m.Filters, ostiary.FilterDelete{Filter: ostiary.Filter{Store: store, Subject: s}})
		}
	}
	return nil
}

// isOf reports whether an object is an organization, or belongs to it by its id.
func isOf(organization string, o ostiary.ObjectRef) bool {
	switch o.Type {
	case gate.Organization:
		return o.ID == organization
	case gate.Group, gate.Role, gate.Entitlement, gate.Session:
		return strings.HasPrefix(o.ID, organization+"/")
	}
	return false
}
