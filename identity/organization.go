package identity

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Organization is a customer, tenant or company within a store.
type Organization struct {
	Store        string
	ID           string // holds no "/"; stands in tuples
	Name         string // for people
	CreatedNanos int64
	Version      ostiary.Revision
}

type settingsBody struct {
	form
	SinceNanos int64 `json:"since"`
	// RevokedBeforeNanos: what was logged in at that time or before is not any more, whoever it is.
	RevokedBeforeNanos int64 `json:"revoked_before,omitempty"`
	// Waiting are the connections whose people are denied until they have synchronized, sorted.
	Waiting []string `json:"waiting,omitempty"`
	// GateOff is there while the gate is off.
	GateOff *gateOffBody `json:"gate_off,omitempty"`
	// SessionSubjects: who asks about a session asks about its person.
	SessionSubjects bool `json:"session_subjects,omitempty"`
}

type organizationBody struct {
	form
	Name         string `json:"name"`
	CreatedNanos int64  `json:"created"`
}

var organizationID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// maxNameBytes bounds the names that operators give.
const maxNameBytes = 256

func judgeName(what, name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return invalid("the name of the %s is empty", what)
	case len(name) > maxNameBytes:
		return invalid("the name of the %s has %d bytes, and may have %d", what, len(name), maxNameBytes)
	case !utf8.ValidString(name):
		return invalid("the name of the %s is not UTF-8", what)
	}
	return nil
}

// CreateOrganization makes an organization, with the id given or, where that is empty, one of its own. An
// id of an organization that was deleted is refused for ever: what was granted to it is nobody's. The first
// one of a store turns the store's gate on: the store's model must pass it, and no tuple of an identity
// relation may be there.
func (s *Service) CreateOrganization(ctx context.Context, store, id, name string) (Organization, error) {
	if err := judgeName("organization", name); err != nil {
		return Organization{}, err
	}
	if id != "" && !organizationID.MatchString(id) {
		return Organization{}, invalid("organization id %.100q may hold lower-case letters, digits, - and _, must begin with a letter or digit, and have at most 63 of them: %s",
			id, organizationID)
	}
	o := Organization{Store: store, ID: id, Name: name}
	row := &audit{store: store, organization: id, resource: id, action: "organization.create"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) (err error) {
		o.CreatedNanos = m.TimeNanos
		if id == "" {
			if o.ID, err = newID(kindOrganization, m.TimeNanos); err != nil {
				return err
			}
			row.organization, row.resource = o.ID, o.ID
		}
		key := organizationKey(store, o.ID)
		if _, there, err := v.Document(key); err != nil || there {
			return orElse(err, fmt.Errorf("organization %q: %w", o.ID, ostiary.ErrExists))
		}
		gone := goneKey(store, o.ID)
		if _, there, err := v.Document(gone); err != nil || there {
			return orElse(err, fmt.Errorf("organization %q was deleted, and the id is not given again: %w", o.ID, ostiary.ErrExists))
		}
		if err := restOnStore(v, m, store); err != nil {
			return err
		}
		if err := s.turnGateOn(ctx, v, m, store); err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, absent(key), absent(gone))
		m.Documents = append(m.Documents, put(key, organizationBody{form{bodyForm}, name, m.TimeNanos}))
		return nil
	})
	o.Version = receipt.Revision
	return o, err
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// restOnStore demands that the store exist, and go on existing until the mutation is applied.
func restOnStore(v View, m *ostiary.Mutation, store string) error {
	d, there, err := v.Document(storeKey(store))
	if err != nil {
		return err
	}
	if !there {
		return notFound("store", store)
	}
	m.Preconditions = append(m.Preconditions, at(d))
	return nil
}

// turnGateOn makes a store one with organizations, unless it is one.
func (s *Service) turnGateOn(ctx context.Context, v View, m *ostiary.Mutation, store string) error {
	d, there, err := v.Document(settingsKey(store))
	if err != nil {
		return err
	}
	d.Key = settingsKey(store)
	m.Preconditions = append(m.Preconditions, at(d))
	if there {
		return nil
	}
	if s.options.JudgeModel != nil {
		rest, err := s.options.JudgeModel(ctx, v, store)
		if err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, rest...)
	}
	for _, f := range managedFilters(store) {
		for t, err := range v.Tuples(ctx, f, nil) {
			return orElse(err, fmt.Errorf("the tuple %s is of a relation that identity providers write, and must go first: %w",
				spelled(v, store, t.Tuple), ostiary.ErrExists))
		}
		m.Preconditions = append(m.Preconditions, ostiary.Precondition{Kind: ostiary.FilterMatchesNothing, Filter: f})
	}
	m.Documents = append(m.Documents, put(settingsKey(store), settingsBody{form: form{bodyForm}, SinceNanos: m.TimeNanos}))
	return nil
}

// managedFilters select the tuples of the relations that identity mutations write.
func managedFilters(store string) []ostiary.Filter {
	filters := []ostiary.Filter{{Store: store, Object: ostiary.ObjectRef{Type: gate.Session}}}
	for _, r := range gate.Default().Managed() {
		filters = append(filters, ostiary.Filter{Store: store, Object: ostiary.ObjectRef{Type: r.Type}, Relation: r.Name})
	}
	return filters
}

// HasOrganizations reports whether a store has, or had, organizations: its gate is on then.
func HasOrganizations(v View, store string) (bool, ostiary.Document, error) {
	d, there, err := v.Document(settingsKey(store))
	d.Key = settingsKey(store)
	return there, d, err
}

// GateMoves returns what must hold for the gate of a store to be as a document of HasOrganizations says.
func GateMoves(d ostiary.Document) ostiary.Precondition { return at(d) }

func readOrganization(v View, store, id string) (Organization, ostiary.Document, error) {
	key := organizationKey(store, id)
	if !organizationID.MatchString(id) {
		return Organization{}, ostiary.Document{}, notFound("organization", id)
	}
	d, there, err := v.Document(key)
	if err != nil {
		return Organization{}, d, err
	}
	if !there {
		return Organization{}, d, notFound("organization", id)
	}
	o, err := decodeOrganization(store, d)
	return o, d, err
}

func decodeOrganization(store string, d ostiary.Document) (Organization, error) {
	body, err := decode[organizationBody](d)
	return Organization{Store: store, ID: d.Key.Key, Name: body.Name, CreatedNanos: body.CreatedNanos, Version: d.Version}, err
}

// Organization returns an organization of a store.
func (s *Service) Organization(ctx context.Context, store, id string) (o Organization, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		o, _, err = readOrganization(v, store, id)
		return err
	})
	return o, err
}

// Organizations returns up to limit organizations of a store, by id, after one.
func (s *Service) Organizations(ctx context.Context, store, after string, limit int) (all []Organization, err error) {
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		docs, err := v.Documents(organizationsOf(store), after, limit, false)
		if err != nil {
			return err
		}
		for _, d := range docs {
			o, err := decodeOrganization(store, d)
			if err != nil {
				return err
			}
			all = append(all, o)
		}
		return nil
	})
	return all, err
}

func storeExists(v View, store string) error {
	_, there, err := v.Document(storeKey(store))
	if err == nil && !there {
		err = notFound("store", store)
	}
	return err
}

// read runs f over the newest view.
func (s *Service) read(ctx context.Context, f func(v View) error) error {
	v, err := s.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return err
	}
	defer v.Close()
	return f(v)
}
