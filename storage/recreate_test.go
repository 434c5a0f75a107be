package storage

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// A tuple whose grants have all expired is created anew, by whomever, while its past stays what it was.
func TestCreateAfterExpiry(t *testing.T) {
	for name, owner := range map[string]string{"the same owner": ostiary.OwnerAPI, "another owner": "scim"} {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, vfs.NewMem())
			c := change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann")
			c.Grant.ExpiryNanos = 20
			first := mustApply(t, s, &ostiary.Mutation{TimeNanos: 10, Tuples: []ostiary.TupleChange{c}}).Revision
			c.Grant.Owner, c.Grant.ExpiryNanos = owner, 40
			second := mustApply(t, s, &ostiary.Mutation{TimeNanos: 30, Tuples: []ostiary.TupleChange{c}}).Revision
			c.Grant.Owner, c.Grant.ExpiryNanos = "rule", 50 // joins a tuple that lives
			third := mustApply(t, s, &ostiary.Mutation{TimeNanos: 35, Tuples: []ostiary.TupleChange{c}}).Revision
			for _, tc := range []struct {
				at, created ostiary.Revision
				nanos       int64
			}{{first, first, 10}, {second, second, 30}, {third, second, 30}} {
				v, err := s.ViewAt(tc.at)
				if err != nil {
					t.Fatal(err)
				}
				got, found, err := v.Tuple(testStore, c.Tuple)
				v.Close()
				if err != nil || !found || got.Created != tc.created || got.CreatedNanos != tc.nanos {
					t.Errorf("at revision %d: got %v, %d, %d, %v; want created at %d, time %d",
						tc.at, found, got.Created, got.CreatedNanos, err, tc.created, tc.nanos)
				}
			}
			if err := viewOf(t, s).Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
