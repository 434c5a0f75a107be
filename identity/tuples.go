package identity

import (
	"context"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

func userSubject(id string) ostiary.SubjectRef {
	return ostiary.SubjectRef{Type: gate.User, ID: id}
}

func organizationObject(id string) ostiary.ObjectRef {
	return ostiary.ObjectRef{Type: gate.Organization, ID: id}
}

// groupObject names a group of an organization, which stands in the id, so that whose gate counts can be
// told from the name alone.
func groupObject(organization, id string) ostiary.ObjectRef {
	return ostiary.ObjectRef{Type: gate.Group, ID: organization + "/" + id}
}

// touch adds the grant of an owner, without condition.
func touch(store string, o ostiary.ObjectRef, relation string, s ostiary.SubjectRef, owner string) ostiary.TupleChange {
	return ostiary.TupleChange{Op: ostiary.TupleTouch, Store: store, Grant: ostiary.Grant{Owner: owner},
		Tuple: ostiary.Tuple{Object: o, Relation: relation, Subject: s}}
}

// release removes the grant of an owner where there is one, and leaves those of others.
func release(store string, o ostiary.ObjectRef, relation string, s ostiary.SubjectRef, owner string) ostiary.TupleChange {
	c := touch(store, o, relation, s, owner)
	c.Op = ostiary.TupleRelease
	return c
}

// granted reports which tuples hold a grant of an owner.
func granted(ctx context.Context, v View, store, owner string, tuples []ostiary.Tuple) ([]bool, error) {
	has := make([]bool, len(tuples))
	if len(tuples) == 0 {
		return has, nil
	}
	err := v.LookUp(ctx, store, tuples, func(i int, t ostiary.StoredTuple) bool {
		for _, g := range t.Grants {
			has[i] = has[i] || g.Owner == owner
		}
		return true
	})
	return has, err
}
