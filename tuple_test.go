package ostiary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNewTuple(t *testing.T) {
	long := strings.Repeat("x", 600)
	for _, test := range []struct {
		name                      string
		object, relation, subject string
		fault                     string // part of the message, empty when valid
	}{
		{"plain", "doc:1", "viewer", "user:ann", ""},
		{"userset", "doc:1", "viewer", "group:eng#member", ""},
		{"wildcard", "doc:1", "viewer", "user:*", ""},
		{"e-mail id", "doc:a@b", "viewer", "user:ann@example.com", ""},
		{"slash and dot", "repository:org/core.io", "viewer", "user:a/b", ""},
		{"pipe", "doc:1", "viewer", "user:auth0|5f", ""},
		{"id with a star inside", "doc:a*b", "viewer", "user:*x", ""},

		{"object without type", ":1", "viewer", "user:ann", "no type"},
		{"object without id", "doc:", "viewer", "user:ann", "no id"},
		{"object without colon", "doc", "viewer", "user:ann", "type:id"},
		{"object is empty", "", "viewer", "user:ann", "type:id"},
		{"object with hash", "doc:1#2", "viewer", "user:ann", "one of : #"},
		{"object with colon", "doc:1:2", "viewer", "user:ann", "one of : #"},
		{"object with space", "doc:1 2", "viewer", "user:ann", "white space"},
		{"object is a wildcard", "doc:*", "viewer", "user:ann", "wildcard"},
		{"object with NUL", "doc:1\x00", "viewer", "user:ann", "U+0000"},
		{"object too long", "doc:" + long, "viewer", "user:ann", "longer than 256"},
		{"type with at", "d@c:1", "viewer", "user:ann", "type with"},
		{"relation is empty", "doc:1", "", "user:ann", "empty relation"},
		{"relation with hash", "doc:1", "a#b", "user:ann", "relation with"},
		{"relation with at", "doc:1", "a@b", "user:ann", "relation with"},
		{"relation with space", "doc:1", "a b", "user:ann", "white space"},
		{"relation too long", "doc:1", strings.Repeat("r", 51), "user:ann", "longer than 50"},
		{"user is empty", "doc:1", "viewer", "", "type:id"},
		{"user without id", "doc:1", "viewer", "user:", "no id"},
		{"user with colon in id", "doc:1", "viewer", "user:a:b", "one of : #"},
		{"user with empty relation", "doc:1", "viewer", "group:eng#", "empty relation"},
		{"user with two relations", "doc:1", "viewer", "group:eng#a#b", "relation with"},
		{"wildcard with relation", "doc:1", "viewer", "group:*#member", "wildcard"},
		{"user with tab", "doc:1", "viewer", "user:a\tb", "white space"},
		{"user with DEL", "doc:1", "viewer", "user:a\x7f", "U+007F"},
		{"user not UTF-8", "doc:1", "viewer", "user:\xff", "UTF-8"},
		{"user too long", "doc:1", "viewer", "user:" + long, "longer than 512"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tuple, err := NewTuple(test.object, test.relation, test.subject)
			if test.fault == "" {
				if err != nil {
					t.Fatal(err)
				}
				if tuple.Object.String() != test.object || tuple.Subject.String() != test.subject {
					t.Errorf("got %v, want %s#%s@%s", tuple, test.object, test.relation, test.subject)
				}
				if again, err := ParseTuple(tuple.String()); err != nil || again != tuple {
					t.Errorf("ParseTuple(%q): got %v, %v", tuple, again, err)
				}
				return
			}
			if !errors.Is(err, ErrTupleInvalid) || !strings.Contains(err.Error(), test.fault) {
				t.Errorf("got error %v, want ErrTupleInvalid that says %q", err, test.fault)
			}
			var detail *TupleError
			if !errors.As(err, &detail) || detail.Part == "" {
				t.Errorf("error %v names no part", err)
			}
		})
	}
}

func TestCompareIsTheOrderOfTheTable(t *testing.T) {
	var tuples []Tuple
	for _, text := range []string{
		"doc:1#editor@user:zed", "doc:1#viewer@user:*", "doc:1#viewer@group:eng#member", "doc:1#viewer@group:eng",
		"doc:1#viewer@user:ann", "doc:2#editor@user:ann", "folder:1#viewer@user:ann",
	} {
		tuple, err := ParseTuple(text)
		if err != nil {
			t.Fatal(err)
		}
		tuples = append(tuples, tuple)
	}
	for i, a := range tuples {
		for j, b := range tuples {
			if got := a.Compare(b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("Compare(%v, %v): got %d", a, b, got)
			}
		}
	}
}

func TestEdgeOfGrants(t *testing.T) {
	tuple, err := ParseTuple("doc:1#viewer@user:ann")
	if err != nil {
		t.Fatal(err)
	}
	at := func(seconds int64) int64 { return time.Unix(seconds, 0).UnixNano() }
	expired := Grant{Owner: "a", ExpiryNanos: at(10)}
	conditional := Grant{Owner: "b", Condition: "c"}
	for _, test := range []struct {
		name        string
		grants      []Grant
		live        bool
		conditional bool
	}{
		{"plain", []Grant{{Owner: "api"}}, true, false},
		{"expired", []Grant{expired}, false, false},
		{"expires later", []Grant{{Owner: "api", ExpiryNanos: at(30)}}, true, false},
		{"expires now", []Grant{{Owner: "api", ExpiryNanos: at(20)}}, false, false},
		{"conditional", []Grant{conditional}, true, true},
		{"expired or conditional", []Grant{expired, conditional}, true, true},
		{"conditional or plain", []Grant{conditional, {Owner: "c"}}, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			edge, live := StoredTuple{Tuple: tuple, Grants: test.grants}.Edge(at(20))
			if live != test.live || (len(edge.Conditions) > 0) != test.conditional {
				t.Errorf("got %+v, %v", edge, live)
			}
		})
	}
}

func TestToken(t *testing.T) {
	cluster := ClusterID{1, 2, 3}
	token := NewToken(cluster, 42)
	if r, err := token.Revision(cluster); err != nil || r != 42 {
		t.Errorf("got %d, %v, want 42", r, err)
	}
	if _, err := token.Revision(ClusterID{9}); !errors.Is(err, ErrTokenInvalid) || !strings.Contains(err.Error(), "another cluster") {
		t.Errorf("token of another cluster: got error %v", err)
	}
	for i := range len(token) {
		damaged := []byte(token)
		if damaged[i] = 'A'; damaged[i] == token[i] {
			damaged[i] = 'B'
		}
		if r, err := Token(damaged).Revision(cluster); err == nil && r != 42 {
			t.Errorf("token with byte %d changed reads as revision %d", i, r)
		}
	}
	for _, text := range []Token{"", "x", "not base64 !", Token(strings.Repeat("A", 1000))} {
		if _, err := text.Revision(cluster); !errors.Is(err, ErrTokenInvalid) {
			t.Errorf("token %.20q: got error %v, want ErrTokenInvalid", text, err)
		}
	}
}

func TestSentinelsAreDistinct(t *testing.T) {
	all := Sentinels()
	for i, err := range all {
		if slices.Contains(all[i+1:], err) {
			t.Errorf("%v is listed twice", err)
		}
	}
}

func TestMayPass(t *testing.T) {
	passing := []error{ErrConflict, ErrNotLeader, ErrRevisionNotYet, ErrStale, ErrUpgradePending, ErrDiskFull, ErrUnavailable, ErrOutcomeUnknown}
	for _, err := range append(Sentinels(), context.Canceled, context.DeadlineExceeded) {
		want := slices.Contains(passing, err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
		if got := MayPass(fmt.Errorf("read: %w", err)); got != want {
			t.Errorf("%v may pass: %v, want %v", err, got, want)
		}
	}
}

func FuzzParseTuple(f *testing.F) {
	f.Add("doc:1#viewer@user:ann")
	f.Add("doc:1#viewer@group:eng#member")
	f.Add("a:b#c@d:*")
	f.Fuzz(func(t *testing.T, text string) {
		tuple, err := ParseTuple(text)
		if err != nil {
			return
		}
		if tuple.String() != text {
			t.Fatalf("%q parses to %q", text, tuple)
		}
		if strings.ContainsRune(text, 0) {
			t.Fatalf("%q has NUL and is accepted", text)
		}
		if err := tuple.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
