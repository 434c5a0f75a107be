package identity

import (
	"context"

	"github.com/ostiary/ostiary"
)

// SystemStore is the store whose tuples say which callers may do what (package access). It has no document
// like other stores: no request finds it, no list shows it, and it is never deleted, since whoever is asked
// for a store asks for its document first. No store gets its id, for ids of stores are ULIDs.
const SystemStore = "system"

// ChangeSystem commits a change of the system store, as other changes are: computed in a linearizable view,
// again where what it rests on has moved, and with a row of the audit. Package access alone calls it.
func (s *Service) ChangeSystem(
	ctx context.Context, action, resource string, build func(v View, m *ostiary.Mutation) error,
) (ostiary.Receipt, error) {
	return s.change(about(ctx, &audit{store: SystemStore, action: action, resource: resource}), build)
}

// OrganizationOf returns the organization of a connection of a store, and false where the store has no such
// connection. A receiver of streams counts as a connection of no organization: it is the store's to let in.
func OrganizationOf(v Documents, store, connection string) (organization string, there bool, err error) {
	if hasKind(connection, kindReceiver) {
		d, there, err := v.Document(receiverKey(connection))
		if err != nil || !there {
			return "", false, err
		}
		body, err := decode[receiverBody](d)
		return "", body.Store == store, err
	}
	if !hasKind(connection, kindConnection) {
		return "", false, nil
	}
	d, there, err := v.Document(connectionKey(connection))
	if err != nil || !there {
		return "", false, err
	}
	body, err := decode[connectionBody](d)
	if err != nil || body.Store != store {
		return "", false, err
	}
	return body.Organization, true, nil
}

// ManagedElsewhere reports whether a connection of another organization of a store manages a person.
func ManagedElsewhere(v Documents, store, organization, user string) (bool, error) {
	d, there, err := v.Document(managedKey(store, user))
	if err != nil || !there {
		return false, err
	}
	body, err := decode[managedBody](d)
	return body.Organization != organization, err
}

// SystemLog returns up to limit rows about changes of the system store, newest first, from before a row of it on;
// with an empty before, from the newest on. They are kept as long as those of other stores.
func (s *Service) SystemLog(ctx context.Context, before string, limit int) (rows []AuditRow, err error) {
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	docs, err := v.Documents(auditOf(SystemStore), before, limit, true)
	if err != nil {
		return nil, err
	}
	for _, d := range docs {
		row, err := decodeAudit(d)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}
