package identity

import (
	"context"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
)

// SplitEvent makes two events of one that tells of several sessions, in its place: each of half of them. It is for an
// event of which more would become than one mutation may hold. One that is not there is no error.
func (s *Service) SplitEvent(ctx context.Context, d ostiary.Document) (ostiary.Receipt, error) {
	store, _, _ := strings.Cut(d.Key.Key, "/")
	row := &audit{store: store, action: "event.split"}
	return s.change(about(ctx, row), func(v View, m *ostiary.Mutation) error {
		d, there, err := v.Document(d.Key)
		if err != nil || !there {
			return err
		}
		body, err := decode[eventBody](d)
		if err != nil {
			return err
		}
		row.resource = body.User
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, remove(d.Key))
		first, second := body.halves()
		for _, half := range []eventBody{first, second} {
			id, err := newULID(body.TimeNanos) // it goes on waiting since then
			if err != nil {
				return fmt.Errorf("make the id of an event: %w", err)
			}
			key := ostiary.DocumentKey{Collection: Events, Key: store + "/" + id.String()}
			m.Preconditions = append(m.Preconditions, absent(key))
			m.Documents = append(m.Documents, put(key, half))
		}
		return nil
	})
}

// halves returns the event with half of its sessions each.
func (b eventBody) halves() (first, second eventBody) {
	n := 0
	for _, g := range b.Sessions {
		n += len(g.IDs)
	}
	first, second = b, b
	first.Sessions, second.Sessions = nil, nil
	left := n / 2
	for _, g := range b.Sessions {
		n := min(left, len(g.IDs))
		left -= n
		if n > 0 {
			first.Sessions = append(first.Sessions, g.part(0, n))
		}
		if n < len(g.IDs) {
			second.Sessions = append(second.Sessions, g.part(n, len(g.IDs)))
		}
	}
	return first, second
}

// part returns the group with some of its sessions.
func (g eventGroup) part(from, to int) eventGroup {
	g.IDs = g.IDs[from:to]
	if len(g.Sealed) > 0 {
		g.Sealed = g.Sealed[from:to]
	}
	return g
}
