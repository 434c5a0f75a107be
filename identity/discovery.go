package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ostiary/ostiary"
)

// Discovered is where the people of a mail domain belong.
type Discovered struct {
	Organization Organization
	Connections  []Connection // by id; of very many the first
}

const (
	// maxMailBytes is what an address may have, by RFC 5321.
	maxMailBytes = 254
	// maxDiscovered bounds the connections of an answer.
	maxDiscovered = 100
)

// mailDomain returns the domain of an address. What is before it is not looked at, except that there is
// something.
func mailDomain(email string) (string, error) {
	at := strings.LastIndexByte(email, '@')
	if at <= 0 || len(email) > maxMailBytes {
		return "", invalid("an e-mail address has the form name@domain, and at most %d bytes", maxMailBytes)
	}
	return NormalDomain(email[at+1:])
}

// Discover returns the organization whose verified domain is that of an address, and its connections. It
// answers by the domain alone, so that it tells nobody who exists. An empty store stands for that store of
// the cluster in which the domain is verified; where there are several, one must be named.
func (s *Service) Discover(ctx context.Context, store, email string) (found Discovered, err error) {
	name, err := mailDomain(email)
	if err != nil {
		return Discovered{}, err
	}
	err = s.read(ctx, func(v View) error {
		if store == "" {
			if store, err = storeOfDomain(ctx, v, name); err != nil {
				return err
			}
		} else if err := storeExists(v, store); err != nil {
			return err
		}
		organization, _, err := domainOwner(v, store, name)
		if err != nil {
			return err
		}
		if organization == "" {
			return notFound("verified domain", name)
		}
		if found.Organization, _, err = readOrganization(v, store, organization); err != nil {
			return err
		}
		found.Connections, err = connectionsIn(ctx, v, store, organization, maxDiscovered)
		return err
	})
	return found, err
}

// storeOfDomain returns the one store in which a domain is verified. Stores that were deleted do not count.
func storeOfDomain(ctx context.Context, v View, name string) (store string, err error) {
	for d, err := range ostiary.EachDocument(ctx, v, domainOwnersOf(name), "") {
		if err != nil {
			return "", err
		}
		switch err := storeExists(v, d.Key.Key); {
		case errors.Is(err, ostiary.ErrNotFound):
		case err != nil:
			return "", err
		case store != "":
			return "", invalid("the domain %s is verified in more than one store: name the store", name)
		default:
			store = d.Key.Key
		}
	}
	if store == "" {
		return "", notFound("verified domain", name)
	}
	return store, nil
}

// connectionsIn returns up to limit connections of an organization, by id.
func connectionsIn(ctx context.Context, v View, store, organization string, limit int) (all []Connection, err error) {
	for d, err := range ostiary.EachDocument(ctx, v, connectionsOf(store, organization), "") {
		if err != nil {
			return nil, err
		}
		c, _, err := readConnection(v, d.Key.Key)
		if errors.Is(err, ostiary.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("follow the list of connections of organization %q: %w", organization, err)
		}
		if all = append(all, c); len(all) == limit {
			break
		}
	}
	return all, nil
}
