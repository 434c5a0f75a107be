package identity

import (
	"context"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Role is a role or an entitlement in the catalogue of an organization: what an identity provider may assign.
type Role struct {
	ID          string // stands in tuples
	Entitlement bool
	Value       string // by which providers name it; unique among the roles, or the entitlements
	Display     string // for people
	Type        string // may be empty
	Description string // for people; empty for what an operator has made
}

type roleBody struct {
	form
	Entitlement bool   `json:"entitlement,omitempty"`
	Value       string `json:"value"`
	Display     string `json:"display"`
	Type        string `json:"type,omitempty"`
}

// maxRoles bounds the catalogue of an organization.
const maxRoles = 1_000

// roleObject names a role or an entitlement by its id.
func roleObject(organization, id string) ostiary.ObjectRef {
	if strings.HasPrefix(id, kindEntitlement) {
		return ostiary.ObjectRef{Type: gate.Entitlement, ID: organization + "/" + id}
	}
	return ostiary.ObjectRef{Type: gate.Role, ID: organization + "/" + id}
}

// CreateRole adds a role or an entitlement to the catalogue of an organization. ID of r is set by it.
func (s *Service) CreateRole(ctx context.Context, store, organization string, r Role) (Role, error) {
	if err := judgeName("role", r.Value); err != nil {
		return r, err
	}
	_, isID := parseAssigned(r.Value)
	if isID || hasKind(r.Value, kindRole) || hasKind(r.Value, kindEntitlement) {
		return r, invalid("the value %q has the form of an id, by which another could be meant", r.Value)
	}
	if a, ok := parseAssignedValue(kindRole, r.Value); ok {
		return r, invalid("the value %q means the relation %s of %s", r.Value, a.relation, a.object)
	}
	if r.Display == "" {
		r.Display = r.Value
	}
	row := &audit{store: store, organization: organization, action: "role.create"}
	_, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) (err error) {
		_, d, err := readOrganization(v, store, organization)
		if err != nil {
			return err
		}
		if err := restOnStore(v, m, store); err != nil {
			return err
		}
		all, err := readRoles(v, store, organization)
		if err != nil {
			return err
		}
		kind, value := kindRole, "role-value:"
		if r.Entitlement {
			kind, value = kindEntitlement, "entitlement-value:"
		}
		for _, other := range all {
			if other.Entitlement == r.Entitlement && other.Value == r.Value {
				return fmt.Errorf("the value %q is in the catalogue of organization %s: %w", r.Value, organization, ostiary.ErrExists)
			}
		}
		if len(all) >= maxRoles {
			return fmt.Errorf("organization %s has %d roles and entitlements, and may have %d (maxRoles): %w",
				organization, len(all), maxRoles, ostiary.ErrTooBroad)
		}
		if r.ID, err = newID(kind, m.TimeNanos); err != nil {
			return err
		}
		row.resource = r.ID
		taken := ostiary.DocumentKey{Collection: roleValuesOf(store, organization), Key: value + r.Value}
		m.Preconditions = append(m.Preconditions, at(d), absent(taken), absent(roleKey(store, organization, r.ID)))
		m.Documents = append(m.Documents,
			ostiary.DocumentChange{Key: d.Key, Body: d.Body}, // so that roles made at once are counted
			put(roleKey(store, organization, r.ID), roleBody{form{bodyForm}, r.Entitlement, r.Value, r.Display, r.Type}),
			ostiary.DocumentChange{Key: taken, Body: []byte(r.ID)})
		m.Tuples = append(m.Tuples, touch(store, roleObject(organization, r.ID), gate.InOrganization,
			ostiary.SubjectRef{Type: gate.Organization, ID: organization}, memberOwner(organization, r.ID)))
		return nil
	})
	return r, err
}

func readRoles(v View, store, organization string) ([]Role, error) {
	docs, err := v.Documents(rolesOf(store, organization), "", maxRoles, false)
	if err != nil {
		return nil, err
	}
	all := make([]Role, 0, len(docs))
	for _, d := range docs {
		body, err := decode[roleBody](d)
		if err != nil {
			return nil, err
		}
		all = append(all, Role{ID: d.Key.Key, Entitlement: body.Entitlement, Value: body.Value, Display: body.Display, Type: body.Type})
	}
	return all, nil
}

// Roles returns the catalogue of an organization, by id.
func (s *Service) Roles(ctx context.Context, store, organization string) (all []Role, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		if _, _, err := readOrganization(v, store, organization); err != nil {
			return err
		}
		all, err = readRoles(v, store, organization)
		return err
	})
	return all, err
}
