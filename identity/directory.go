package identity

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
)

// Directory is what one token opens: the users and groups of a connection. Service.Directory makes it.
type Directory struct {
	service    *Service
	connection Connection
	scopes     []Scope
	token      credential
}

// Connection returns the connection.
func (d *Directory) Connection() Connection { return d.connection }

// Allow returns nil where the token has a scope, and otherwise ErrForbidden. The methods of a Directory do
// not ask.
func (d *Directory) Allow(scope Scope) error {
	for _, s := range d.scopes {
		if s.covers(scope) {
			return nil
		}
	}
	return fmt.Errorf("%w %s", ErrForbidden, scope)
}

// View returns the directory at one revision. The caller closes it.
func (d *Directory) View(ctx context.Context, f ostiary.Freshness) (*DirectoryView, error) {
	v, err := d.service.backend.View(ctx, f)
	if err != nil {
		return nil, err
	}
	x, err := d.service.secret(ctx)
	if err != nil {
		v.Close()
		return nil, err
	}
	return &DirectoryView{view: v, connection: d.connection, secrets: x}, nil
}

// restOnToken demands that the token be there, not expired, and go on existing until the mutation is applied.
func (d *Directory) restOnToken(v View, m *ostiary.Mutation) error {
	doc, err := d.token.judge(v, m.TimeNanos)
	if err != nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, at(doc))
	return nil
}

// change is Service.change for the connection, as long as the token, the connection and its store are there.
func (d *Directory) change(ctx context.Context, build func(v *DirectoryView, m *ostiary.Mutation) error) (ostiary.Receipt, error) {
	x, err := d.service.secret(ctx)
	if err != nil {
		return ostiary.Receipt{}, err
	}
	useKey, noted := d.useKey()
	noted = noted && d.service.uses.claim(useKey, d.service.backend.Now())
	receipt, err := d.service.change(ctx, func(v View, m *ostiary.Mutation) error {
		c, doc, err := readConnection(v, d.connection.ID)
		if errors.Is(err, ostiary.ErrNotFound) {
			return ErrUnauthenticated // it was deleted while the request was under way
		}
		if err != nil {
			return err
		}
		if err := d.restOnToken(v, m); err != nil {
			return err
		}
		if err := restOnStore(v, m, d.connection.Store); err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(doc))
		if err := build(&DirectoryView{view: v, connection: c, secrets: x}, m); err != nil {
			return err
		}
		if noted && len(m.Filters)+len(m.Tuples)+len(m.Documents) > 0 {
			return use(v, m, useKey)
		}
		return nil
	})
	if noted && (err != nil || !receipt.Changed) {
		d.service.uses.release(useKey)
	}
	return receipt, err
}

// audit returns what the audit says of a change of a resource of the connection.
func (d *Directory) audit(action, resource string) *audit {
	c := d.connection
	return &audit{store: c.Store, organization: c.Organization, connection: c.ID, resource: resource, action: action}
}

func (d *Directory) turn(id string) (end func()) { return d.service.turn(d.connection.ID, id) }

// DirectoryView shows a Directory at one revision. One goroutine uses it.
type DirectoryView struct {
	view       View
	connection Connection
	secrets    *secrets
}

// Revision is the revision that the view shows.
func (v *DirectoryView) Revision() ostiary.Revision { return v.view.Revision() }

// Close ends the view.
func (v *DirectoryView) Close() { v.view.Close() }

// find returns the ids of the resources that have a value.
func (v *DirectoryView) find(resource string, key Key, value string) ([]string, error) {
	link := v.secrets.linkTo(v.connection.ID, resource, key, value, "")
	if key.unique() {
		d, there, err := v.view.Document(link)
		if err != nil || !there {
			return nil, err
		}
		return []string{string(d.Body)}, nil
	}
	var ids []string
	for after := link.Key; ; {
		docs, err := v.view.Documents(link.Collection, after, documentsPerRead, false)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			if len(d.Key.Key) <= len(link.Key) || d.Key.Key[:len(link.Key)] != link.Key {
				return ids, nil
			}
			ids = append(ids, string(d.Body))
		}
		if len(docs) < documentsPerRead {
			return ids, nil
		}
		after = docs[len(docs)-1].Key.Key
	}
}

// link is one value by which a resource can be found.
type link struct {
	key   Key
	value string
}

// relink makes the changes of links that take a resource from one set of values to another. A unique value
// that another resource has is refused.
func (v *DirectoryView) relink(m *ostiary.Mutation, resource, id string, from, to []link) error {
	before, after := v.linkKeys(resource, id, from), v.linkKeys(resource, id, to)
	for i, key := range after {
		if slices.Contains(before, key) {
			continue
		}
		if to[i].key.unique() {
			_, taken, err := v.view.Document(key)
			if err != nil {
				return err
			}
			if taken {
				return fmt.Errorf("%s of the %s is taken: %w", to[i].key, resource, ostiary.ErrExists)
			}
			m.Preconditions = append(m.Preconditions, absent(key))
		}
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: key, Body: []byte(id)})
	}
	for _, key := range before {
		if !slices.Contains(after, key) {
			m.Documents = append(m.Documents, remove(key))
		}
	}
	return nil
}

func (v *DirectoryView) linkKeys(resource, id string, links []link) []ostiary.DocumentKey {
	keys := make([]ostiary.DocumentKey, len(links))
	for i, l := range links {
		keys[i] = v.secrets.linkTo(v.connection.ID, resource, l.key, l.value, id)
	}
	return keys
}

// judgeVersion compares the version that a client has seen, where it says so, with what is stored.
func judgeVersion(seen, stored ostiary.Revision) error {
	if seen != 0 && seen != stored {
		return fmt.Errorf("the resource is at version %d, and not at %d: %w", stored, seen, ostiary.ErrPrecondition)
	}
	return nil
}
