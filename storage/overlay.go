package storage

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// overlay is the state of the keys that the entries of one batch have touched, so that entry k+1 sees
// entry k before the batch is committed. A mutation works on staged copies; what it staged counts
// only once it is accepted, and is forgotten by the next mutation otherwise.
//
// A map of decoded states was chosen over an indexed batch: the batch is written once, in order, and
// a refused mutation leaves nothing in it to be undone.
type overlay struct {
	db        *pebble.DB
	it        *pebble.Iterator // over the state before the batch; opened at the first read of a batch
	tuples    map[string]*tupleCell
	documents map[ostiary.DocumentKey]*documentCell
	absence   absence
	mutation  uint64 // number of the mutation in progress, to tell its staged copies from older ones
	touched   []*tupleCell
	touchedD  []*documentCell
	inBatch   []*documentCell // accepted.inBatch is set
	key       []byte          // scratch
	memory    []byte          // scratch: the keys of reverses
	reverses  []reverseCell   // scratch
}

type tupleCell struct {
	key      string // in the tuple table
	store    string
	tuple    ostiary.Tuple
	before   tupleState // before the mutation in progress, its filters included
	accepted tupleState // after the last accepted mutation, and the filters of the one in progress
	staged   tupleState // after what the mutation in progress has done so far
	stagedBy uint64
}

// reverseCell is a tuple with its key in the reverse table.
type reverseCell struct {
	key  []byte
	cell *tupleCell
}

type documentCell struct {
	accepted, staged documentState
	stagedBy, keptBy uint64
}

type documentState struct {
	exists  bool
	version ostiary.Revision
	inBatch bool   // written by an entry of the batch, which the database does not show
	body    []byte // with inBatch; otherwise nil unless it was just read
}

// maxKnownDocuments bounds the documents of which the overlay remembers the version after a batch.
const maxKnownDocuments = 1024

// maxScratchBytes bounds the memory that is kept for the next mutation.
const maxScratchBytes = 1 << 20

// reset is called when the batch is committed. The states of documents are kept, without their bodies:
// nearly every mutation asks for the version of its store's, and documents change here alone.
func (o *overlay) reset() error {
	clear(o.tuples)
	if len(o.documents) > maxKnownDocuments {
		clear(o.documents)
	}
	for _, c := range o.inBatch {
		c.accepted.inBatch, c.accepted.body = false, nil
	}
	o.inBatch = o.inBatch[:0]
	clear(o.reverses) // lets go of the cells
	if cap(o.memory) > maxScratchBytes {
		o.memory, o.reverses = nil, nil
	}
	o.begin()
	return o.closeIterator()
}

func (o *overlay) closeIterator() error {
	it := o.it
	if o.it = nil; it == nil {
		return nil
	}
	return it.Close()
}

// probe opens the iterator that serves all reads of a batch.
func (o *overlay) probe() (err error) {
	if o.it == nil {
		o.it, err = newProbe(o.db)
	}
	return err
}

// read returns the state of a tuple before the batch.
func (o *overlay) read(key []byte) (tupleState, error) {
	if err := o.probe(); err != nil {
		return tupleState{}, err
	}
	return probeTuple(o.it, key)
}

// readWhole returns the state of a document before the batch, with its body.
func (o *overlay) readWhole(key ostiary.DocumentKey) (s documentState, err error) {
	if err := o.probe(); err != nil {
		return s, err
	}
	o.key = appendDocumentKey(o.key[:0], key)
	s.exists, err = probeDocument(o.it, o.key, func(version ostiary.Revision, body []byte) {
		s.version, s.body = version, append([]byte{}, body...)
	})
	return s, err
}

// begin forgets what the mutation before has staged.
func (o *overlay) begin() {
	o.mutation++
	o.touched = o.touched[:0]
	o.touchedD = o.touchedD[:0]
}

// accept makes what is staged the state that the next mutation sees.
func (o *overlay) accept() {
	for _, c := range o.touched {
		c.before, c.accepted = c.staged, c.staged
	}
	for _, c := range o.touchedD {
		c.accepted = c.staged
		if c.accepted.inBatch {
			o.inBatch = append(o.inBatch, c)
		}
	}
}

// stage returns the cell of a tuple with its staged copy up to date. The filters are those of the
// mutation in progress: they have taken effect in the batch, where a read of the database does not
// see them. seen, when not zero, is a revision at which the tuple was absent.
func (o *overlay) stage(store string, t ostiary.Tuple, filters *filterSet, seen ostiary.Revision) (*tupleCell, error) {
	o.key = appendTupleKey(o.key[:0], store, t)
	c, ok := o.tuples[string(o.key)]
	if !ok {
		var state tupleState
		if !o.absence.holds(o.key, seen) {
			var err error
			if state, err = o.read(o.key); err != nil {
				return nil, fmt.Errorf("read tuple %q of store %q: %w", t, store, err)
			}
		}
		c = &tupleCell{key: string(o.key), store: store, tuple: t, before: state}
		state.grants = filters.leaves(store, t, state.grants)
		c.accepted = state
		o.tuples[c.key] = c
	}
	if c.stagedBy != o.mutation {
		c.staged, c.stagedBy = c.accepted, o.mutation
		o.touched = append(o.touched, c)
	}
	return c, nil
}

// peek returns the state that the mutation in progress began with, without keeping it.
func (o *overlay) peek(store string, t ostiary.Tuple) (tupleState, error) {
	o.key = appendTupleKey(o.key[:0], store, t)
	if c, ok := o.tuples[string(o.key)]; ok {
		return c.accepted, nil
	}
	state, err := o.read(o.key)
	if err != nil {
		return tupleState{}, fmt.Errorf("read tuple %q of store %q: %w", t, store, err)
	}
	return state, nil
}

// stageDocument returns the cell of a document with its staged copy up to date. Where it has to be read and
// whole is set, its body is there too.
func (o *overlay) stageDocument(key ostiary.DocumentKey, whole bool) (*documentCell, error) {
	c, ok := o.documents[key]
	if !ok {
		var state documentState
		var err error
		if whole {
			state, err = o.readWhole(key)
		} else {
			state, err = readDocumentState(o.db, key)
		}
		if err != nil {
			return nil, fmt.Errorf("read document %q: %w", key, err)
		}
		c = &documentCell{accepted: state}
		o.documents[key] = c
	}
	if c.stagedBy != o.mutation {
		c.staged, c.stagedBy = c.accepted, o.mutation
		o.touchedD = append(o.touchedD, c)
	}
	return c, nil
}

// withoutFiltered returns the grants of t that a delete by f leaves, and those that it removes.
func withoutFiltered(f *ostiary.Filter, t ostiary.StoredTuple) (left, removed []ostiary.Grant) {
	if len(t.Grants) == 0 || !matches(f, t) {
		return t.Grants, nil
	}
	if f.Owner == "" {
		return nil, t.Grants
	}
	i := grantOf(t.Grants, f.Owner)
	return withoutGrant(t.Grants, i), t.Grants[i : i+1]
}

// withoutGrant returns a copy of grants without the i-th.
func withoutGrant(grants []ostiary.Grant, i int) []ostiary.Grant {
	left := make([]ostiary.Grant, 0, len(grants)-1)
	left = append(left, grants[:i]...)
	return append(left, grants[i+1:]...)
}

// withGrant returns a copy of grants with g added, or replaced where its owner has one.
func withGrant(grants []ostiary.Grant, g ostiary.Grant) []ostiary.Grant {
	out := make([]ostiary.Grant, 0, len(grants)+1)
	placed := false
	for _, old := range grants {
		if !placed && old.Owner >= g.Owner {
			out, placed = append(out, g), true
		}
		if old.Owner != g.Owner {
			out = append(out, old)
		}
	}
	if !placed {
		out = append(out, g)
	}
	return out
}

// errInvalid marks a mutation that no proposer should have made. It changes nothing.
var errInvalid = errors.New("invalid mutation")
