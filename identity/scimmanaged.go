package identity

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
)

// ErrManagedBySCIM is why a login makes nobody: the provider says over SCIM who is there.
var ErrManagedBySCIM = errors.New("SCIM manages the connection")

// restOnUnmanaged demands that SCIM neither manage a connection, nor come to, until a mutation is applied: that
// nobody has a token or client for it, and that it has made nobody. Whoever makes a token or a client writes the
// connection, on which the mutation rests too.
func restOnUnmanaged(v View, m *ostiary.Mutation, c Connection) error {
	why, err := managedBySCIM(v, c)
	if err != nil {
		return err
	}
	if why != "" {
		return fmt.Errorf("connection %s has %s: people are made there and not by logging in: %w", c.ID, why, ErrManagedBySCIM)
	}
	m.Preconditions = append(m.Preconditions, absent(provisionedKey(c.ID)))
	return nil
}

// managedBySCIM says by what SCIM manages a connection; empty where it does not.
func managedBySCIM(v View, c Connection) (string, error) {
	if _, there, err := v.Document(provisionedKey(c.ID)); err != nil || there {
		return "people whom SCIM has made", err
	}
	tokens, err := v.Documents(tokensOf(c.ID), "", maxTokens, false)
	if err != nil {
		return "", err
	}
	for _, d := range tokens {
		if t, err := decodeToken(d); err != nil || opensSCIM(t.Scopes) {
			return "a SCIM token", err
		}
	}
	clients, err := v.Documents(clientsOf(c.ID), "", maxClients, false)
	if err != nil {
		return "", err
	}
	for _, d := range clients {
		if k, err := decodeClient(c.ID, d); err != nil || opensSCIM(k.Scopes) {
			return "an OAuth client for SCIM", err
		}
	}
	// People of before it was noted that SCIM has made them came before all whom logins made.
	first, err := v.Documents(usersOf(c.ID), "", 1, false)
	if err != nil || len(first) == 0 {
		return "", err
	}
	s, err := readSubjects(v, c.ID, first[0].Key.Key)
	if err != nil || s.body.Made {
		return "", err
	}
	return "people whom SCIM has made", nil
}

func opensSCIM(scopes []Scope) bool {
	return slices.ContainsFunc(scopes, func(s Scope) bool { return slices.Contains(Scopes(), s) })
}

// noteProvisioned notes that SCIM makes people of a connection.
func noteProvisioned(v View, m *ostiary.Mutation, connection string) error {
	_, there, err := v.Document(provisionedKey(connection))
	if err == nil && !there {
		m.Documents = append(m.Documents, put(provisionedKey(connection), form{bodyForm}))
	}
	return err
}
