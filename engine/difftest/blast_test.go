package difftest

import (
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine"
)

// What a change is said to give and to take is the difference of what the oracle says before and after it.
func TestBlastRadiusEqualsBruteForce(t *testing.T) {
	for _, f := range []family{families[0], families[3], families[5], families[6]} {
		t.Run(f.name, rapid.MakeCheck(func(t *rapid.T) {
			before := cases(f).Draw(t, "before")
			after := before
			if rapid.Bool().Draw(t, "another model") {
				other := f.generate(rapidSource{t})
				after.model = other.model
				for typ, ids := range other.ids {
					after.ids = maps.Clone(after.ids)
					after.ids[typ] = ids
				}
			}
			fitting := after.fittingTuples()
			after.tuples = slices.Clone(before.tuples)
			for _, i := range (rapidSource{t}).subset(len(before.tuples), 3) {
				after.tuples = slices.DeleteFunc(after.tuples, func(x ostiary.Tuple) bool { return x == before.tuples[i] })
			}
			for _, i := range (rapidSource{t}).subset(len(fitting), 3) {
				if !slices.Contains(after.tuples, fitting[i]) {
					after.tuples = append(after.tuples, fitting[i])
				}
			}
			got, err := blastRadius(t, before, after, engine.BlastQuery{})
			if err != nil || got.Truncated != "" {
				t.Fatalf("%v%v%v, cut at %q", before, after, err, got.Truncated)
			}
			found := map[ostiary.Tuple]bool{}
			for _, s := range got.Shifts {
				if s.Undecided {
					t.Fatalf("%s is undecided", s)
				}
				found[s.Tuple] = s.Gained
			}
			if want := bruteForce(before, after, got.Relations); !maps.Equal(found, want) {
				t.Fatalf("before\n%vafter\n%vof %v\ngot  %v\nwant %v", before, after, got.Relations, found, want)
			}
			// A bound takes shifts away, and says so; it makes none up.
			few, err := blastRadius(t, before, after, engine.BlastQuery{Relations: got.Relations, MaxShifts: 1, MaxObjects: 2, MaxSubjects: 2})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range few.Shifts {
				if gained, ok := found[s.Tuple]; !ok || gained != s.Gained {
					t.Fatalf("within bounds %s is said to be gained: %t", s, s.Gained)
				}
			}
			if len(few.Shifts) < len(found) && few.Truncated == "" {
				t.Fatalf("got %d of %d shifts, and nothing says so", len(few.Shifts), len(found))
			}
		}))
	}
}

func blastRadius(t *rapid.T, before, after testCase, q engine.BlastQuery) (*engine.Blast, error) {
	var put []ostiary.Edge
	var gone []ostiary.Tuple
	for _, x := range before.tuples {
		if !slices.Contains(after.tuples, x) {
			gone = append(gone, x)
			q.Changed = append(q.Changed, x)
		}
	}
	for _, x := range after.tuples {
		if !slices.Contains(before.tuples, x) {
			put = append(put, ostiary.Edge{Tuple: x})
			q.Changed = append(q.Changed, x)
		}
	}
	q.Tuples = tupleSeq(before.tuples)
	q.MaxTime = time.Hour
	base := engine.NewMemory(edges(before.tuples))
	return engine.New(engine.Options{MaxDepth: deep}).BlastRadius(t.Context(), engine.World{Plan: engine.Compile(before.model), Reader: base},
		engine.World{Plan: engine.Compile(after.model), Reader: engine.Changed(base, put, gone)}, q)
}

func tupleSeq(all []ostiary.Tuple) iter.Seq2[ostiary.Tuple, error] {
	return func(yield func(ostiary.Tuple, error) bool) {
		for _, x := range all {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// bruteForce asks the oracle everything, before and after.
func bruteForce(before, after testCase, relations []engine.RelationRef) map[ostiary.Tuple]bool {
	objects, subjects := map[ostiary.ObjectRef]bool{}, map[ostiary.SubjectRef]bool{}
	for _, x := range slices.Concat(before.tuples, after.tuples) {
		objects[x.Object] = true
		for _, s := range []ostiary.SubjectRef{x.Subject, {Type: x.Subject.Type, ID: x.Subject.ID}, {Type: x.Object.Type, ID: x.Object.ID}} {
			if !s.IsUserset() {
				subjects[s] = true
			}
		}
	}
	judges := [2]judge{newJudge(before), newJudge(after)}
	shifts := map[ostiary.Tuple]bool{}
	for o := range objects {
		for _, r := range relations {
			for s := range subjects {
				if o.Type != r.Type {
					continue
				}
				var answers [2]bool
				for i, c := range []testCase{before, after} {
					answers[i] = c.model.Relation(r.Type, r.Relation) != nil && c.model.Type(s.Type) != nil && judges[i].Check(o, r.Relation, s)
				}
				if answers[0] != answers[1] {
					shifts[ostiary.Tuple{Object: o, Relation: r.Relation, Subject: s}] = answers[1]
				}
			}
		}
	}
	return shifts
}
