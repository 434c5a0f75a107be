package identity

import (
	"context"

	"github.com/ostiary/ostiary"
)

// SetSessionSubjects says whether, in a store with organizations, a question about a session is one about its
// person as long as the session lives. Without it a session is a subject as any other.
func (s *Service) SetSessionSubjects(ctx context.Context, store string, on bool) (ostiary.Receipt, error) {
	return s.change(about(ctx, &audit{store: store, action: "session.subjects"}), func(v View, m *ostiary.Mutation) error {
		body, d, err := gatedStore(v, store)
		if err != nil || body.SessionSubjects == on {
			return err
		}
		body.SessionSubjects = on
		m.Preconditions = append(m.Preconditions, at(d))
		m.Documents = append(m.Documents, put(d.Key, body))
		return restOnStore(v, m, store)
	})
}

// SessionSubjects returns what SetSessionSubjects has set.
func (s *Service) SessionSubjects(ctx context.Context, store string) (on bool, err error) {
	err = s.read(ctx, func(v View) error {
		body, _, err := gatedStore(v, store)
		on = body.SessionSubjects
		return err
	})
	return on, err
}

// SessionSubjects reports whether a question about a session is one about its person.
func (x StoreGate) SessionSubjects() bool { return x.sessions }
