package engine_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

func tuplesOf(all []ostiary.Edge) iter.Seq2[ostiary.Tuple, error] {
	return func(yield func(ostiary.Tuple, error) bool) {
		for _, e := range all {
			if !yield(e.Tuple, nil) {
				return
			}
		}
	}
}

// blastWorld is many documents in one folder, which a group may view, and a user who is banned from one.
func blastWorld(t *testing.T) (*engine.Plan, []ostiary.Edge) {
	p := plan(typ("user"), typ("group", relation("member", this(), "user, group#member")),
		typ("folder", relation("viewer", this(), "user, group#member")),
		typ("doc", relation("parent", this(), "folder"), relation("banned", this(), "user"),
			relation("viewer", butNot(from("viewer", "parent"), computed("banned")), "")))
	text := "folder:f#viewer@group:g#member group:g#member@user:ann doc:7#banned@user:bob doc:elsewhere#parent@folder:other "
	for i := range 100 {
		text += fmt.Sprintf("doc:%d#parent@folder:f ", i)
	}
	return p, edges(t, text)
}

func blast(t *testing.T, p *engine.Plan, stored []ostiary.Edge, put, gone string, q engine.BlastQuery) *engine.Blast {
	t.Helper()
	base := engine.NewMemory(stored)
	var deleted []ostiary.Tuple
	for _, e := range edges(t, gone) {
		deleted = append(deleted, e.Tuple)
	}
	q.Changed = slices.Clone(deleted)
	for _, e := range edges(t, put) {
		q.Changed = append(q.Changed, e.Tuple)
	}
	q.Tuples = tuplesOf(stored)
	if q.MaxTime == 0 {
		q.MaxTime = time.Hour
	}
	found, err := engine.New(engine.Options{}).BlastRadius(t.Context(), engine.World{Plan: p, Reader: base},
		engine.World{Plan: p, Reader: engine.Changed(base, edges(t, put), deleted)}, q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestBlastRadius(t *testing.T) {
	p, stored := blastWorld(t)
	found := blast(t, p, stored, "group:g#member@user:bob", "", engine.BlastQuery{})
	if len(found.Shifts) != 99 || found.Subjects != 1 || found.Objects != 100 || found.Truncated != "" || fmt.Sprint(found.Relations) != "[doc#viewer]" {
		t.Errorf("who joins the group: %d shifts of %d objects and %d subjects, %v, cut at %q",
			len(found.Shifts), found.Objects, found.Subjects, found.Relations, found.Truncated)
	}
	for _, s := range found.Shifts {
		if !s.Gained || s.Subject.ID != "bob" || s.Object.ID == "7" || s.Object.ID == "elsewhere" {
			t.Errorf("%+v", s)
		}
	}
	found = blast(t, p, stored, "", "folder:f#viewer@group:g#member", engine.BlastQuery{Relations: []engine.RelationRef{{Type: "doc", Relation: "viewer"}, {Type: "folder", Relation: "viewer"}}})
	if len(found.Shifts) != 101 || found.Shifts[0].Gained {
		t.Errorf("what the group loses: %d shifts", len(found.Shifts))
	}
	if found := blast(t, p, stored, "folder:unused#viewer@user:bob", "", engine.BlastQuery{}); len(found.Shifts) != 0 || found.Objects != 0 {
		t.Errorf("a folder without documents: %+v", found)
	}
	if found := blast(t, p, stored, "group:g#member@user:bob", "", engine.BlastQuery{SubjectTypes: []string{"group"}}); len(found.Shifts) != 0 {
		t.Errorf("of groups: %+v", found)
	}
}

func TestBlastRadiusIsBounded(t *testing.T) {
	p, stored := blastWorld(t)
	for bound, q := range map[string]engine.BlastQuery{
		"shifts": {MaxShifts: 10}, "objects": {MaxObjects: 20}, "time": {MaxTime: time.Nanosecond},
	} {
		found := blast(t, p, stored, "group:g#member@user:bob", "", q)
		if found.Truncated != bound || len(found.Shifts) >= 99 {
			t.Errorf("cut at %q with %d shifts, want %s", found.Truncated, len(found.Shifts), bound)
		}
	}
	if found := blast(t, p, stored, "folder:f#viewer@user:*", "", engine.BlastQuery{MaxTuples: 50}); found.Truncated != "tuples" {
		t.Errorf("cut at %q, want tuples", found.Truncated)
	}
	if found := blast(t, p, stored, "", "folder:f#viewer@group:g#member folder:f#viewer@user:bob", engine.BlastQuery{MaxSubjects: 1}); found.Truncated != "subjects" {
		t.Errorf("cut at %q, want subjects", found.Truncated)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := engine.NewMemory(stored)
	w := engine.World{Plan: p, Reader: r}
	if _, err := engine.New(engine.Options{}).BlastRadius(ctx, w, w, engine.BlastQuery{Changed: []ostiary.Tuple{stored[0].Tuple}, Tuples: tuplesOf(stored)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v of a cancelled question", err)
	}
	if _, err := engine.New(engine.Options{}).BlastRadius(t.Context(), w, w, engine.BlastQuery{Relations: []engine.RelationRef{{Type: "doc", Relation: "nope"}}}); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("got %v of a relation that nobody knows", err)
	}
}

// Where a condition cannot be evaluated, nothing is said to be gained or lost.
func TestBlastRadiusUndecided(t *testing.T) {
	p := conditionalPlan(t)
	put := granted(t, "below", `{"limit": 3}`)
	base := engine.NewMemory(nil)
	e, _, err := put.Has(t.Context(), edges(t, "doc:1#viewer@user:ann")[0].Tuple)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		values map[string]any
		want   string
	}{
		{nil, "doc:1#viewer@user:ann undecided"},
		{map[string]any{"x": 1.0}, "doc:1#viewer@user:ann gained"},
		{map[string]any{"x": 5.0}, ""},
	} {
		found, err := engine.New(engine.Options{}).BlastRadius(t.Context(), engine.World{Plan: p, Reader: base},
			engine.World{Plan: p, Reader: engine.Changed(base, []ostiary.Edge{e}, nil)},
			engine.BlastQuery{Changed: []ostiary.Tuple{e.Tuple}, Tuples: tuplesOf(nil), Context: tc.values, MaxTime: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range found.Shifts {
			word := "lost"
			switch {
			case s.Undecided:
				word = "undecided"
			case s.Gained:
				word = "gained"
			}
			got = append(got, s.String()+" "+word)
		}
		if strings.Join(got, ", ") != tc.want {
			t.Errorf("with %v: got %v, want %q", tc.values, got, tc.want)
		}
	}
}
