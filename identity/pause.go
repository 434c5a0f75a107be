package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
)

// ErrPaused: an operator has paused the connection.
var ErrPaused = errors.New("the connection is paused")

// stopped reports whether a connection takes nothing but deactivations. What is paused by a restore waits for
// its provider, and takes everything.
func (c Connection) stopped() bool { return c.Paused != "" && c.Paused != PausedByRestore }

func (c Connection) errPaused() error {
	return fmt.Errorf("connection %s takes nothing but deactivations, until 'ostiary connection resume %s': %w", c.ID, c.ID, ErrPaused)
}

// PauseConnection lets a connection take nothing but deactivations until ResumeConnection: its provider may
// read, a person who is to be deleted is deactivated, and everything else is refused with ErrPaused. The reason
// is for people. One that is paused stays so, for the reason that it has, except by a restore.
func (s *Service) PauseConnection(ctx context.Context, store, id, reason string) (c Connection, err error) {
	reason = strings.TrimSpace(reason)
	if err := judgeName("reason", reason); err != nil {
		return c, err
	}
	if reason == PausedByRestore || reason == PausedByDeletion {
		return c, invalid("the reason %q is the server's: say it in other words", reason)
	}
	row := &audit{store: store, connection: id, resource: id, action: "connection.pause"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := connectionOf(v, store, id)
		if err != nil {
			return err
		}
		if c, err = decodeConnection(d); err != nil || c.Paused != "" && c.Paused != PausedByRestore {
			return err
		}
		row.organization = c.Organization
		c.Paused, c.Version = reason, 0
		m.Preconditions = append(m.Preconditions, at(d))
		return changePaused(m, d, reason)
	})
	if c.Version == 0 {
		c.Version = receipt.Revision
	}
	return c, err
}

// ConnectionChange is what UpdateConnection changes; nil leaves as it is.
type ConnectionChange struct {
	Name           *string
	Users, Members *GuardLimit
}

// UpdateConnection changes a connection. Where nothing would change, nothing is committed.
func (s *Service) UpdateConnection(ctx context.Context, store, id string, change ConnectionChange) (c Connection, err error) {
	row := &audit{store: store, connection: id, resource: id, action: "connection.update"}
	receipt, err := s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, err := connectionOf(v, store, id)
		if err != nil {
			return err
		}
		if c, err = decodeConnection(d); err != nil {
			return err
		}
		row.organization = c.Organization
		before := c
		if change.Name != nil {
			if c.Name = *change.Name; judgeName("connection", c.Name) != nil {
				return judgeName("connection", c.Name)
			}
		}
		if change.Users != nil {
			c.Guard.Users = *change.Users
		}
		if change.Members != nil {
			c.Guard.Members = *change.Members
		}
		if err := c.Guard.judge(); err != nil || c == before {
			return err
		}
		body, err := decode[connectionBody](d)
		if err != nil {
			return err
		}
		body.Name, body.Guard, c.Version = c.Name, c.Guard, 0
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, put(d.Key, body))
		return nil
	})
	if c.Version == 0 {
		c.Version = receipt.Revision
	}
	return c, err
}
