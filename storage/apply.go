package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// maxBatchBytes bounds the Pebble batch that the entries of one call share: beyond it, what is there
// is committed before the next entry. One entry is never cut.
const maxBatchBytes = 16 << 20

// Entry is one entry of the log.
type Entry struct {
	Index, Term uint64
	Mutation    *ostiary.Mutation // nil: the index advances, without effect
}

// Outcome is what became of one entry.
type Outcome struct {
	Receipt ostiary.Receipt // zero when Err is set
	// Err is the refusal of the mutation: the same on every node, with the state unchanged by the
	// entry.
	Err error
}

// Apply applies entries in order and returns an outcome for each. It commits one Pebble batch with
// their effects, the apply index and the clock, and publishes the state that new views show; it cuts
// the batch before an entry whose filters must see the entries before it, and after it, and where the
// batch becomes large.
//
// An entry at or below the apply index is in the database already and is skipped. Its outcome holds a
// receipt with its revision and no error: what it was refused for, if it was, is no longer known.
//
// The stamp of a mutation is its own time or the newest stamp applied before it, whichever is later.
// A mutation that is refused, or repeats another one, does not move that clock. A grant that has expired by the stamp is not there for
// the judgement of preconditions and of creations and deletions of tuples; it stays stored until it
// is replaced, released, or met by a filter delete.
//
// What is committed is not durable yet; see Durable and Sync.
//
// Apply is called by one goroutine at a time. An error means that the database has failed or is
// corrupt, that the outcomes are unknown, and that the process must end.
func (s *Store) Apply(entries []Entry) ([]Outcome, error) {
	var outcomes []Outcome
	err := s.guard.Run(func() (err error) {
		outcomes, err = s.applier.apply(s, entries)
		return err
	})
	if err != nil {
		err = fmt.Errorf("apply %d entries: %w", len(entries), err)
		s.guard.Fail(err)
		return nil, err
	}
	return outcomes, nil
}

// applier is the state of Apply between entries.
type applier struct {
	overlay overlay
	counts  counts
	batch   *pebble.Batch // effects of the entries since the last commit
	progress
	committed uint64 // the apply index in the database
	cache     *edgeCache
	prefix    []byte // scratch

	memory  memory
	audit   auditor
	waiting rows // of the mutation that is applied

	// Tests lower these. None changes what is stored.
	maxBatchBytes   int
	minRangeDelete  int
	maxWaitingBytes int
	reorderBytes    int
	// beforeLateRaise breaks the cache: cells are raised after the picture is published and this is run.
	beforeLateRaise func()
	late            []func()
	// maxCollected is the bound of that name. Unlike the others it is part of what entries mean.
	maxCollected int
}

func (a *applier) init(db *pebble.DB, p progress) {
	a.overlay = overlay{
		db:        db,
		tuples:    map[string]*tupleCell{},
		documents: map[ostiary.DocumentKey]*documentCell{},
	}
	a.batch = db.NewBatch()
	a.progress = p
	a.committed = p.index
	a.maxBatchBytes = maxBatchBytes
	a.minRangeDelete = minRangeDelete
	a.maxWaitingBytes = maxWaitingBytes
	a.reorderBytes = reorderBytes
	a.maxCollected = maxCollected
	a.memory.init(db)
}

func (a *applier) close() {
	_ = a.overlay.closeIterator() // there is none, unless Apply has failed
	if a.batch != nil {
		_ = a.batch.Close() // frees memory; nothing of it is wanted
		a.batch = nil
	}
}

func (a *applier) apply(s *Store, entries []Entry) ([]Outcome, error) {
	outcomes := make([]Outcome, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.Index <= a.index {
			outcomes[i].Receipt.Revision = ostiary.Revision(e.Index)
			continue
		}
		alone := readsRanges(e.Mutation)
		if alone || a.batch.Len() > a.maxBatchBytes {
			if err := a.commit(s); err != nil {
				return nil, err
			}
		}
		if err := a.applyEntry(e, &outcomes[i]); err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Index, err)
		}
		if alone {
			if err := a.commit(s); err != nil {
				return nil, err
			}
		}
	}
	return outcomes, a.commit(s)
}

// readsRanges reports whether m reads ranges of the database, which does not show the entries of an
// uncommitted batch, or deletes ranges, which the overlay does not know.
func readsRanges(m *ostiary.Mutation) bool {
	if m == nil {
		return false
	}
	if _, collects := collectionOf(m); collects || setsQuota(m) {
		return true
	}
	if _, trims := auditTrimOf(m); trims {
		return true
	}
	for i := range m.Preconditions {
		switch m.Preconditions[i].Kind {
		case ostiary.FilterMatchesNothing, ostiary.TupleAlone, ostiary.FilterOwnedAlone:
			return true
		}
	}
	return len(m.Filters) > 0
}

// commit writes the batch with the progress and publishes the state.
func (a *applier) commit(s *Store) error {
	if a.index == a.committed {
		return nil
	}
	if err := writeProgress(a.batch, a.progress); err != nil {
		return err
	}
	if err := a.batch.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("commit batch up to index %d: %w", a.index, err)
	}
	if err := s.guard.Failure(); err != nil { // Pebble's Fatalf on this goroutine does not return here
		return err
	}
	if err := a.batch.Close(); err != nil {
		return fmt.Errorf("close batch up to index %d: %w", a.index, err)
	}
	a.batch = s.db.NewBatch()
	if err := a.overlay.reset(); err != nil {
		return fmt.Errorf("read before index %d: %w", a.index, err)
	}
	a.memory.committed()
	a.committed = a.index
	s.publish(a.progress)
	if a.beforeLateRaise != nil {
		a.beforeLateRaise()
		for _, raise := range a.late {
			raise()
		}
		a.late = nil
	}
	return nil
}

// raise tells the cache of edges that a tuple changes, before anybody can see it.
func (a *applier) raise(store string, t ostiary.Tuple, r ostiary.Revision) {
	switch {
	case a.cache == nil:
	case a.beforeLateRaise != nil:
		a.late = append(a.late, func() { a.cache.raise(nil, store, t, r) })
	default:
		a.prefix = a.cache.raise(a.prefix, store, t, r)
	}
}

// applyEntry gives the entry its outcome. The error is a failure of the database.
func (a *applier) applyEntry(e *Entry, out *Outcome) error {
	if e.Mutation != nil {
		m := &mutation{
			Mutation: e.Mutation, applier: a, revision: ostiary.Revision(e.Index),
			stamp: max(e.Mutation.TimeNanos, a.clock), batch: a.overlay.db.NewBatch(),
		}
		defer func() { _ = m.batch.Close() }() // frees memory
		defer a.waiting.clear()                // of a mutation that is refused
		err := m.apply()
		var refusal *refusal
		switch {
		case err == nil && m.repeats != nil:
			out.Receipt = m.repeats.Receipt
		case err == nil:
			out.Receipt = ostiary.Receipt{Revision: m.revision, Changed: m.changed, TimeNanos: m.stamp}
			a.clock = m.stamp
			if len(e.Mutation.Documents) > 0 {
				a.documents = e.Index
			}
		case errors.As(err, &refusal):
			out.Err = refusal.err
		default:
			return err
		}
	}
	a.index, a.term = e.Index, e.Term
	return nil
}

// refusal is the error of a mutation that is judged and found wanting, told apart from the failures
// of the database.
type refusal struct{ err error }

func (r *refusal) Error() string { return r.err.Error() }

func refuse(err error) error { return &refusal{err} }
