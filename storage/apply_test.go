package storage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

func TestApplyWriteReadDelete(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	r := mustApply(t, s, &ostiary.Mutation{TimeNanos: 7, Tuples: []ostiary.TupleChange{
		change1(t, ostiary.TupleCreate, "doc:1#viewer@user:ann"),
		change1(t, ostiary.TupleCreate, "doc:1#viewer@user:*"),
		change1(t, ostiary.TupleCreate, "doc:1#viewer@group:eng#member"),
		change1(t, ostiary.TupleCreate, "doc:2#owner@user:ann"),
	}})
	if want := (ostiary.Receipt{Revision: 1, Changed: true, TimeNanos: 7}); r != want {
		t.Errorf("receipt %+v, want %+v", r, want)
	}
	before := viewOf(t, s)
	want := []string{"doc:1#viewer@user:*", "doc:1#viewer@group:eng#member", "doc:1#viewer@user:ann", "doc:2#owner@user:ann"}
	if got := tuplesOf(t, before, ostiary.Filter{Store: testStore}); !slices.Equal(got, want) {
		t.Errorf("tuples %q, want %q", got, want)
	}

	out := applyOne(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{
		change1(t, ostiary.TupleDelete, "doc:1#viewer@user:ann"),
		change1(t, ostiary.TupleDelete, "doc:9#viewer@user:ann"),
	}})
	var te *ostiary.TupleError
	if !errors.Is(out.Err, ostiary.ErrTupleMissing) || !errors.As(out.Err, &te) || te.Part != "tuple" || te.Tuple != tuple(t, "doc:9#viewer@user:ann") {
		t.Errorf("delete of an absent tuple: %v", out.Err)
	}
	if got := tuplesOf(t, viewOf(t, s), ostiary.Filter{Store: testStore}); !slices.Equal(got, want) {
		t.Errorf("after a refused mutation: tuples %q, want %q", got, want)
	}

	mustApply(t, s, &ostiary.Mutation{Filters: []ostiary.FilterDelete{{
		Filter: ostiary.Filter{Store: testStore, Subject: ostiary.SubjectRef{Type: "user", ID: "ann"}},
	}}})
	if got := tuplesOf(t, viewOf(t, s), ostiary.Filter{Store: testStore}); !slices.Equal(got, want[:2]) {
		t.Errorf("after the filter delete: tuples %q, want %q", got, want[:2])
	}
	if got := tuplesOf(t, before, ostiary.Filter{Store: testStore}); !slices.Equal(got, want) {
		t.Errorf("the older view changed: tuples %q, want %q", got, want)
	}
}

// granted makes a tuple change with a grant of any kind.
func granted(t testing.TB, op ostiary.TupleOp, text string, g ostiary.Grant) ostiary.TupleChange {
	t.Helper()
	c := change1(t, op, text)
	c.Grant = g
	return c
}

// TestTupleChanges: each case begins with one tuple of owner "api" and one of two owners.
func TestTupleChanges(t *testing.T) {
	const plain, shared = "doc:1#viewer@user:ann", "doc:2#viewer@user:ann"
	api, scim := ostiary.Grant{Owner: "api"}, ostiary.Grant{Owner: "scim:c/r/a"}
	office := ostiary.Grant{Owner: "api", Condition: "office"}
	ignore := func(c ostiary.TupleChange) ostiary.TupleChange {
		c.IfExists, c.IfMissing = true, true
		return c
	}
	tests := []struct {
		name    string
		changes []ostiary.TupleChange
		err     error  // nil: accepted
		text    string // in the error
		changed bool
	}{
		{"create what is there", []ostiary.TupleChange{granted(t, ostiary.TupleCreate, plain, api)}, ostiary.ErrTupleExists, plain, false},
		{"create what is there, if it is not", []ostiary.TupleChange{ignore(granted(t, ostiary.TupleCreate, plain, api))}, nil, "", false},
		{"create with another condition", []ostiary.TupleChange{granted(t, ostiary.TupleCreate, plain, office)}, ostiary.ErrConflict, "another condition", false},
		{"create with another condition, if it is not there", []ostiary.TupleChange{ignore(granted(t, ostiary.TupleCreate, plain, office))}, ostiary.ErrConflict, plain, false},
		{"create for another owner", []ostiary.TupleChange{granted(t, ostiary.TupleCreate, plain, scim)}, nil, "", true},
		{"touch without a difference", []ostiary.TupleChange{granted(t, ostiary.TupleTouch, plain, api)}, nil, "", false},
		{"touch with a condition", []ostiary.TupleChange{granted(t, ostiary.TupleTouch, plain, office)}, nil, "", true},
		{"delete", []ostiary.TupleChange{granted(t, ostiary.TupleDelete, plain, api)}, nil, "", true},
		{"delete what another owner holds too", []ostiary.TupleChange{granted(t, ostiary.TupleDelete, shared, api)}, ostiary.ErrTupleOwned, "scim:c/r/a", false},
		{"delete what only another owner holds", []ostiary.TupleChange{ignore(granted(t, ostiary.TupleDelete, plain, scim))}, ostiary.ErrTupleOwned, "owner api", false},
		{"delete what is not there", []ostiary.TupleChange{granted(t, ostiary.TupleDelete, "doc:3#viewer@user:ann", api)}, ostiary.ErrTupleMissing, "doc:3", false},
		{"delete what is not there, if it is", []ostiary.TupleChange{ignore(granted(t, ostiary.TupleDelete, "doc:3#viewer@user:ann", api))}, nil, "", false},
		{"release", []ostiary.TupleChange{granted(t, ostiary.TupleRelease, shared, scim)}, nil, "", true},
		{"release what one does not hold", []ostiary.TupleChange{granted(t, ostiary.TupleRelease, plain, scim)}, nil, "", false},
		{"release, then delete", []ostiary.TupleChange{granted(t, ostiary.TupleRelease, shared, scim), granted(t, ostiary.TupleDelete, shared, api)}, nil, "", true},
		{"delete, then delete", []ostiary.TupleChange{granted(t, ostiary.TupleDelete, plain, api), granted(t, ostiary.TupleDelete, plain, api)}, ostiary.ErrTupleMissing, plain, false},
		{"an unknown operation", []ostiary.TupleChange{granted(t, 9, plain, api)}, errInvalid, "operation 9", false},
		{"no owner", []ostiary.TupleChange{granted(t, ostiary.TupleTouch, plain, ostiary.Grant{})}, errInvalid, "owner", false},
		{"a NUL byte", []ostiary.TupleChange{{Op: ostiary.TupleTouch, Store: testStore, Grant: api, Tuple: ostiary.Tuple{
			Object: ostiary.ObjectRef{Type: "doc", ID: "1\x00"}, Relation: "r", Subject: ostiary.SubjectRef{Type: "user", ID: "a"}}}}, ostiary.ErrTupleInvalid, "NUL", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := openTest(t, vfs.NewMem())
			mustApply(t, s, &ostiary.Mutation{Tuples: []ostiary.TupleChange{
				granted(t, ostiary.TupleCreate, plain, api), granted(t, ostiary.TupleCreate, shared, api), granted(t, ostiary.TupleCreate, shared, scim),
			}})
			before := dump(t, s)
			// What comes before a refused change must not stay.
			m := &ostiary.Mutation{Tuples: append([]ostiary.TupleChange{ignore(granted(t, ostiary.TupleCreate, plain, api))}, tt.changes...)}
			out := applyOne(t, s, m)
			if !errors.Is(out.Err, tt.err) || tt.err != nil && !strings.Contains(out.Err.Error(), tt.text) {
				t.Fatalf("error %v, want %v with %q", out.Err, tt.err, tt.text)
			}
			var te *ostiary.TupleError
			if tt.err != nil && tt.err != errInvalid && (!errors.As(out.Err, &te) || te.Part != "tuple") {
				t.Errorf("error %#v is not a *TupleError of the whole tuple", out.Err)
			}
			if out.Receipt.Changed != tt.changed {
				t.Errorf("changed %v, want %v", out.Receipt.Changed, tt.changed)
			}
			if same := withoutMeta(dump(t, s)) == withoutMeta(before); same == tt.changed {
				t.Errorf("rows are the same: %v", same)
			}
			if err := viewOf(t, s).Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// withoutMeta drops the rows of the meta table from a dump.
func withoutMeta(dump string) string {
	kept := ""
	for line := range strings.Lines(dump) {
		if !strings.HasPrefix(line, "6d") {
			kept += line
		}
	}
	return kept
}

func TestFilterDeleteBounds(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	m := &ostiary.Mutation{}
	for i := range 200 {
		m.Tuples = append(m.Tuples, change1(t, ostiary.TupleCreate, fmt.Sprintf("doc:%d#viewer@user:ann", i)))
	}
	m.Tuples = append(m.Tuples, change1(t, ostiary.TupleCreate, "doc:1#viewer@user:anna"))
	mustApply(t, s, m)
	before := dump(t, s)
	ann := ostiary.Filter{Store: testStore, Subject: ostiary.SubjectRef{Type: "user", ID: "ann"}}
	out := applyOne(t, s, &ostiary.Mutation{Filters: []ostiary.FilterDelete{{Filter: ann, Max: 150}}})
	if !errors.Is(out.Err, ostiary.ErrTooBroad) || !strings.Contains(out.Err.Error(), "200") || !strings.Contains(out.Err.Error(), "150") {
		t.Errorf("a filter over its bound: %v, want ErrTooBroad with 200 and 150", out.Err)
	}
	if withoutMeta(dump(t, s)) != withoutMeta(before) {
		t.Error("a refused filter delete changed rows")
	}
	for _, f := range []ostiary.Filter{
		{Store: testStore},
		{Store: testStore, Subject: ostiary.SubjectRef{Type: "group", ID: "g", Relation: ostiary.AnyRelation}},
		{Subject: ann.Subject},
		{Store: testStore, Subject: ann.Subject, Owner: "api"},
		{Store: testStore, Object: ostiary.ObjectRef{ID: "1"}},
		{Store: testStore, Owner: "api\x00doc"},
	} {
		if out := applyOne(t, s, &ostiary.Mutation{Filters: []ostiary.FilterDelete{{Filter: f}}}); !errors.Is(out.Err, errInvalid) {
			t.Errorf("filter %+v: %v, want an invalid mutation", f, out.Err)
		}
	}
	r := mustApply(t, s, &ostiary.Mutation{
		Filters: []ostiary.FilterDelete{{Filter: ann}},
		Tuples:  []ostiary.TupleChange{change1(t, ostiary.TupleCreate, "doc:7#viewer@user:ann")},
	})
	v := viewOf(t, s)
	if got, want := tuplesOf(t, v, ostiary.Filter{Store: testStore}), []string{"doc:1#viewer@user:anna", "doc:7#viewer@user:ann"}; !slices.Equal(got, want) {
		t.Errorf("tuples %q, want %q", got, want)
	}
	if st, _, err := v.Tuple(testStore, tuple(t, "doc:7#viewer@user:ann")); err != nil || st.Created != r.Revision {
		t.Errorf("a tuple deleted and created in one mutation: %+v, %v", st, err)
	}
	if err := v.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}
