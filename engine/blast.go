package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/ostiary/ostiary"
)

// World is a plan with what it is asked of.
type World struct {
	Plan   *Plan
	Reader Reader
}

// BlastQuery asks who gains and who loses what between two worlds that differ in their models, or in some tuples.
// Subjects are plain objects that some tuple of either world names, and typed wildcards.
type BlastQuery struct {
	// Relations are those asked about. Empty: those that come into no other relation of either model.
	Relations []RelationRef
	// SubjectTypes are those of the subjects. Empty: all.
	SubjectTypes []string
	// Changed are the tuples that the worlds differ in, by presence or by condition.
	Changed []ostiary.Tuple
	// Tuples yields every tuple of the world before. It is gone through only where the change may concern
	// everybody.
	Tuples iter.Seq2[ostiary.Tuple, error]
	// Context holds values for the parameters of conditions.
	Context map[string]any

	// The bounds: of relations of objects that may be affected, of subjects, of shifts found, of tuples of Tuples that are
	// gone through, and of time. Zero: the defaults.
	MaxObjects, MaxSubjects, MaxShifts, MaxTuples int
	MaxTime                                       time.Duration
}

// The defaults of the bounds of a BlastQuery.
const (
	DefaultMaxBlastObjects  = 100_000
	DefaultMaxBlastSubjects = 10_000
	DefaultMaxBlastShifts   = 10_000
	DefaultMaxBlastTuples   = 1_000_000
	DefaultMaxBlastTime     = 5 * time.Second
)

// Shift is something that somebody gains or loses.
type Shift struct {
	ostiary.Tuple // as a question
	Gained        bool
	// Undecided: a check cannot be answered, in one world or in both, and Gained means nothing.
	Undecided bool
}

// Blast is what BlastRadius has found. Every shift in it is so.
type Blast struct {
	Shifts []Shift // by object, relation, subject
	// Objects and Subjects are how many were compared, Relations what was asked about.
	Objects, Subjects int
	Relations         []RelationRef
	// Truncated is empty where the shifts are all there are. Otherwise it names the bound that was met first.
	Truncated string
}

// BlastRadius compares two worlds. A relation that a world's model does not have is denied to everybody there. The
// error is that of a failed read, a cancelled context, or ostiary.ErrTupleInvalid for a relation that neither knows.
//
// What may differ is found by walking upward from what changed, in both worlds; each subject's relations to it are
// then asked in both. A tuple concerns those alone who are in its subject, before or after.
func (e *Engine) BlastRadius(ctx context.Context, before, after World, q BlastQuery) (*Blast, error) {
	b := &blast{engine: e, ctx: ctx, worlds: [2]World{before, after}, q: q, found: &Blast{Relations: q.Relations},
		on: dependenceOf(before.Plan.Model(), after.Plan.Model()), grounds: map[blastGround]bool{}, subjects: map[ostiary.SubjectRef]bool{}}
	b.bounds()
	for _, r := range q.Relations {
		if !b.on.all[r] {
			return nil, fmt.Errorf("neither model has the relation %s: %w", r, ostiary.ErrTupleInvalid)
		}
	}
	if len(q.Relations) == 0 {
		b.found.Relations = b.on.tops()
	}
	err := b.run()
	if err != nil && !errors.Is(err, errBlastCut) {
		return nil, fmt.Errorf("compare before and after: %w", err)
	}
	slices.SortFunc(b.found.Shifts, func(x, y Shift) int { return x.Compare(y.Tuple) })
	return b.found, nil
}

// blast is one comparison.
type blast struct {
	engine   *Engine
	ctx      context.Context
	worlds   [2]World
	q        BlastQuery
	on       *dependence
	wanted   map[RelationRef]bool // what comes into those asked about
	grounds  map[blastGround]bool // that may be affected
	queue    []blastGround
	subjects map[ostiary.SubjectRef]bool // that may be
	deadline time.Time
	found    *Blast
}

// blastGround is a relation of an object.
type blastGround struct {
	object   ostiary.ObjectRef
	relation string
}

func (g blastGround) ref() RelationRef { return RelationRef{g.object.Type, g.relation} }

// errBlastCut ends a comparison at a bound; found.Truncated says at which.
var errBlastCut = errors.New("a bound was met")

func (b *blast) bounds() {
	b.q.MaxObjects = cmp.Or(b.q.MaxObjects, DefaultMaxBlastObjects)
	b.q.MaxSubjects = cmp.Or(b.q.MaxSubjects, DefaultMaxBlastSubjects)
	b.q.MaxShifts = cmp.Or(b.q.MaxShifts, DefaultMaxBlastShifts)
	b.q.MaxTuples = cmp.Or(b.q.MaxTuples, DefaultMaxBlastTuples)
	b.deadline = time.Now().Add(cmp.Or(b.q.MaxTime, DefaultMaxBlastTime))
}

// cut notes that a bound was met, which leaves what was found true and perhaps not all.
func (b *blast) cut(bound string) {
	if b.found.Truncated == "" {
		b.found.Truncated = bound
	}
}

// alive fails where the request or its time has ended.
func (b *blast) alive() error {
	if err := b.ctx.Err(); err != nil {
		return err
	}
	if time.Now().After(b.deadline) {
		b.cut("time")
		return errBlastCut
	}
	return nil
}

func (b *blast) run() error {
	b.wanted = b.on.below(b.found.Relations)
	differ := redefined(b.worlds[0].Plan.Model(), b.worlds[1].Plan.Model(), b.on.all)
	differ = slices.DeleteFunc(differ, func(r RelationRef) bool { return !b.wanted[r] })
	if err := b.findSubjects(len(differ) > 0); err != nil {
		return err
	}
	if len(differ) > 0 {
		if err := b.mentioned(func(t ostiary.Tuple) {
			for _, r := range differ {
				if t.Object.Type == r.Type {
					b.affect(t.Object, r.Relation)
				}
			}
		}); err != nil {
			return err
		}
	}
	for _, t := range b.q.Changed {
		b.affect(t.Object, t.Relation)
		for _, f := range b.on.tuplesets[RelationRef{t.Object.Type, t.Relation}] {
			b.affect(t.Object, f.Relation)
		}
	}
	if err := b.spread(); err != nil && !errors.Is(err, errBlastCut) {
		return err
	}
	return b.compare()
}

// compare asks both worlds for the relations of each subject to what may be affected.
func (b *blast) compare() error {
	asked := map[RelationRef][]ostiary.ObjectRef{}
	for g := range b.grounds {
		if slices.Contains(b.found.Relations, g.ref()) {
			asked[g.ref()] = append(asked[g.ref()], g.object)
			b.found.Objects++
		}
	}
	relations := slices.SortedFunc(maps.Keys(asked), compareRelationRefs)
	for _, r := range relations {
		slices.SortFunc(asked[r], func(x, y ostiary.ObjectRef) int { return cmp.Compare(x.ID, y.ID) })
	}
	subjects := slices.SortedFunc(maps.Keys(b.subjects), compareSubjects)
	for _, s := range subjects {
		for _, r := range relations {
			if err := b.compareFor(s, r, asked[r]); err != nil {
				return err
			}
		}
		b.found.Subjects++
	}
	return nil
}

// fewObjects is up to how many objects are checked one by one; of more, lists are compared.
const fewObjects = 32

// compareFor compares the relation of one subject to objects.
func (b *blast) compareFor(s ostiary.SubjectRef, r RelationRef, objects []ostiary.ObjectRef) error {
	if err := b.alive(); err != nil {
		return err
	}
	if len(objects) > fewObjects {
		sets, err := b.lists(s, r)
		if err != nil {
			return err
		}
		if sets != nil {
			for _, o := range objects {
				if err := b.note(o, r.Relation, s, sets[0][o], sets[1][o]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	batches := [2]*Batch{}
	for i, w := range b.worlds {
		batches[i] = b.engine.Batch(w.Plan, w.Reader)
		defer batches[i].Close()
	}
	for i, o := range objects {
		if i%pollEvery == pollEvery-1 {
			if err := b.alive(); err != nil {
				return err
			}
		}
		if err := b.checkBoth(batches, o, r.Relation, s); err != nil {
			return err
		}
	}
	return nil
}

// lists returns the objects to which a subject has a relation in each world, or nil where a list cannot be told.
func (b *blast) lists(s ostiary.SubjectRef, r RelationRef) (*[2]map[ostiary.ObjectRef]bool, error) {
	var sets [2]map[ostiary.ObjectRef]bool
	for i, w := range b.worlds {
		sets[i] = map[ostiary.ObjectRef]bool{}
		if !w.knows(r, s) {
			continue
		}
		list, err := b.engine.ListObjects(b.ctx, w.Plan, w.Reader, ListObjectsQuery{Type: r.Type, Relation: r.Relation, Subject: s, Context: b.q.Context})
		if undecided(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, o := range list {
			sets[i][o] = true
		}
	}
	return &sets, nil
}

// knows reports whether the model of w has a relation, and the type of a subject.
func (w World) knows(r RelationRef, s ostiary.SubjectRef) bool {
	m := w.Plan.Model()
	return m.Relation(r.Type, r.Relation) != nil && m.Type(s.Type) != nil
}

// undecided reports whether a question failed for what it is about, and not for want of a reader.
func undecided(err error) bool {
	return errors.Is(err, ostiary.ErrConditionUndecided) || errors.Is(err, ostiary.ErrDepthExceeded) || errors.Is(err, ostiary.ErrTooBroad)
}

func (b *blast) checkBoth(batches [2]*Batch, o ostiary.ObjectRef, relation string, s ostiary.SubjectRef) error {
	var answers [2]bool
	for i, w := range b.worlds {
		if !w.knows(RelationRef{o.Type, relation}, s) {
			continue
		}
		d, err := batches[i].Check(b.ctx, CheckQuery{Object: o, Relation: relation, Subject: s, Context: b.q.Context})
		if undecided(err) {
			return b.add(Shift{Tuple: ostiary.Tuple{Object: o, Relation: relation, Subject: s}, Undecided: true})
		}
		if err != nil {
			return err
		}
		answers[i] = d == ostiary.Allowed
	}
	return b.note(o, relation, s, answers[0], answers[1])
}

func (b *blast) note(o ostiary.ObjectRef, relation string, s ostiary.SubjectRef, before, after bool) error {
	if before == after {
		return nil
	}
	return b.add(Shift{Tuple: ostiary.Tuple{Object: o, Relation: relation, Subject: s}, Gained: after})
}

func (b *blast) add(s Shift) error {
	if len(b.found.Shifts) >= b.q.MaxShifts {
		b.cut("shifts")
		return errBlastCut
	}
	b.found.Shifts = append(b.found.Shifts, s)
	return nil
}
