package identity_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// Where a provider finds groups by name there are no two of the same, however they are made: not by two who make
// them at once, and not by a new name. Elsewhere groups may share one.
func TestGroupNamesAreUnique(t *testing.T) {
	for name, test := range map[string]struct {
		connection identity.Connection
		unique     bool
	}{
		"okta":    {identity.Connection{Kind: identity.KindOkta}, false},
		"generic": {identity.Connection{Kind: identity.KindGeneric}, false},
		"entra":   {identity.Connection{Kind: identity.KindEntra}, true},
		"strict":  {identity.Connection{Kind: identity.KindOkta, Dialect: identity.DialectStrict}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := test.connection
			c.Store, c.Organization, c.Name = store, "acme", name
			c, err := w.service.CreateConnection(w.ctx(), c)
			must(t)(c, err)
			client, _ := w.client(c.ID, identity.ScopeGroupsWrite) // a strict connection takes nothing else
			ctx, d := w.directoryOf(c.ID, w.access(client))
			create := func(name string) (identity.Group, error) {
				return d.CreateGroup(ctx, identity.GroupInput{DisplayName: name}, nil)
			}
			rename := func(id, name string) error {
				_, err := d.ChangeGroup(ctx, id, 0, func(identity.Group) (identity.GroupChange, error) {
					return identity.GroupChange{GroupInput: identity.GroupInput{DisplayName: name}}, nil
				})
				return err
			}
			taken := func(what string, err error) {
				t.Helper()
				if test.unique && !errors.Is(err, ostiary.ErrExists) || !test.unique && err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			staff, err := create("Straße")
			must(t)(staff, err)
			_, err = create("STRASSE")
			taken("a second group of the name", err)
			other, err := create("Other")
			must(t)(other, err)
			taken("a group renamed to the name", rename(other.ID, "strasse"))
			must(t)(nil, rename(staff.ID, "STRASSE"))
			must(t)(nil, rename(staff.ID, "Moved"))
			if test.unique {
				must(t)(nil, rename(other.ID, "Straße"))
				must(t)(d.DeleteGroup(ctx, other.ID, 0))
				must(t)(create("straße"))
			}
			if n := createAtOnce(ctx, d, "New"); test.unique && n != 1 || !test.unique && n != 8 {
				t.Errorf("%d of 8 made a group of one name at once", n)
			}
		})
	}
}

// createAtOnce has 8 make a group of one name, and returns how many did.
func createAtOnce(ctx context.Context, d *identity.Directory, name string) (made int) {
	var wg sync.WaitGroup
	results := make(chan error, 8)
	for range 8 {
		wg.Go(func() {
			_, err := d.CreateGroup(ctx, identity.GroupInput{DisplayName: name}, nil)
			results <- err
		})
	}
	wg.Wait()
	close(results)
	for err := range results {
		if err == nil {
			made++
		}
	}
	return made
}
