package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/engine/edges"
)

const (
	// recentSets is how many objects, and how many subjects, a Reader remembers.
	recentSets = 8
	// idleIterators is how many iterators a picture keeps for the next reader. One that is made anew
	// finds its way into the tables again (go test ./storage -run '^$' -bench NewReader).
	idleIterators = 8
	// iteratorReaders is how many readers use an iterator: it shows the tables as they lay when it was
	// made, and those that compactions made since are faster.
	iteratorReaders = 1024
)

// workspace is what a Reader works with: readers of all views take turns with it. A Reader has one from
// its first question until it is closed.
type workspace struct {
	builder edges.Builder
	idle    []cursor // iterators of the view that no sequence is using
	lower   []byte   // scratch, as all here never held across a yield
	upper   []byte
	skip    []byte
	head    []byte // of a group
	run     []byte // of the row that was packed before, behind the prefix
	objects labels
	others  labels // subjects

	cache    *edgeCache // nil where the reader has none
	revision uint64     // of the view
	use      use
}

// labels makes the labels of objects or subjects of one store, and remembers the last sets that were read.
type labels struct {
	first  int    // the length of the part that all have in common
	hash   uint64 // of that part
	label  []byte // begins with it
	recent recent
}

func (l *labels) begin(table byte, store string) {
	l.label = appendStorePrefix(l.label[:0], table, store)
	l.first, l.hash = len(l.label), hashFirst(l.label)
}

// ofObject makes the label of an object and returns its hash.
func (l *labels) ofObject(o *ostiary.ObjectRef) uint64 {
	l.label = append(append(l.label[:l.first], o.Type...), separator)
	l.label = append(append(l.label, o.ID...), separator)
	return hashKey(l.label, l.first, l.hash)
}

// ofSubject makes the label of a subject and returns its hash.
func (l *labels) ofSubject(s *ostiary.SubjectRef) uint64 {
	l.label = append(appendSubject(l.label[:l.first], *s), separator)
	return hashKey(l.label, l.first, l.hash)
}

// recent is the last sets that a reader has read.
type recent struct {
	hashes [recentSets]uint64 // of the labels of sets
	sets   [recentSets]*packed
	victim int // the place that is given up next
}

// ofGroup turns the label of a subject, which l made last, into that of its tuples with a relation to
// objects of a type, and returns its hash. It does not end with a separator, as the labels of subjects do.
func (l *labels) ofGroup(objectType, relation string) uint64 {
	l.label = append(append(append(l.label, objectType...), separator), relation...)
	return hashKey(l.label, l.first, l.hash)
}

func (r *recent) find(label []byte, hash uint64) *packed {
	for i, h := range r.hashes {
		if h == hash && r.sets[i] != nil && r.sets[i].set.Label() == string(label) {
			return r.sets[i]
		}
	}
	return nil
}

func (r *recent) forget() {
	if r.victim > 0 || r.sets[0] != nil {
		*r = recent{}
	}
}

func (r *recent) keep(p *packed) {
	r.hashes[r.victim], r.sets[r.victim] = p.hash, p
	r.victim = (r.victim + 1) % recentSets
}

// begin makes sure that the reader has a workspace.
func (r *Reader) begin() error {
	if r.workspace != nil {
		return nil
	}
	if !isPart(r.store) {
		return fmt.Errorf("store %q is empty or holds NUL", r.store)
	}
	if err := r.view.enlist(r); err != nil {
		return err
	}
	r.workspace = r.view.store.workspaces.get()
	r.builder.Shapes = &r.view.store.shapes
	if !r.view.past {
		r.workspace.cache = r.view.store.cache
	}
	r.revision = uint64(r.view.Revision())
	r.objects.begin(tableTuple, r.store)
	r.others.begin(tableReverse, r.store)
	return nil
}

// Close gives back what the reader holds. The reader may be used again until its view closes.
func (r *Reader) Close() {
	if r.workspace == nil {
		return
	}
	r.view.strike(r)
	r.end()
}

// end gives the workspace back.
func (r *Reader) end() {
	w := r.workspace
	if w == nil {
		return
	}
	r.workspace = nil
	for _, it := range w.idle {
		r.view.retire(it)
	}
	clear(w.idle)
	w.idle = w.idle[:0]
	w.objects.recent.forget()
	w.others.recent.forget()
	if w.cache != nil {
		w.cache.note(w.use)
		w.cache, w.use = nil, use{}
	}
	r.view.store.workspaces.put(w)
}

// workspaces are those that no reader has.
type workspaces struct{ pool sync.Pool }

func (p *workspaces) get() *workspace {
	if w, ok := p.pool.Get().(*workspace); ok {
		return w
	}
	return &workspace{}
}

// maxWorkspaceBytes bounds a workspace that is kept.
const maxWorkspaceBytes = 1 << 20

func (p *workspaces) put(w *workspace) {
	w.builder.Reset()
	if w.builder.Bytes() <= maxWorkspaceBytes {
		p.pool.Put(w)
	}
}

// iterator returns an iterator that no sequence is using.
func (r *Reader) iterator(ctx context.Context) (cursor, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	if n := len(r.idle); n > 0 {
		it := r.idle[n-1]
		r.idle = r.idle[:n-1]
		if past, ok := it.(*pastCursor); ok {
			past.ctx = ctx
		}
		return it, nil
	}
	return r.view.newCursor(ctx)
}

// giveBack takes an iterator that a sequence has finished with. One that has failed, or whose reader was
// closed meanwhile, is not used again.
func (r *Reader) giveBack(it cursor) {
	if it.Error() != nil || r.workspace == nil {
		_ = it.Close() // the error was reported by the read that met it
		return
	}
	r.idle = append(r.idle, it)
}

// retire takes an iterator from a reader that has ended.
func (v *View) retire(it cursor) {
	if fresh, ok := it.(*newestCursor); ok && v.shared.keep(fresh) {
		return
	}
	if err := it.Close(); err != nil { // every read has reported its own error before
		v.store.logger.Debug("iterator closed with an error", "error", err)
	}
}

// newCursor returns a cursor over the tables as they stood at the view's revision.
func (v *View) newCursor(ctx context.Context) (cursor, error) {
	if v.past {
		return newPastCursor(ctx, v.shared.snap, v.at)
	}
	if it := v.shared.take(); it != nil {
		return it, nil
	}
	it, err := v.shared.snap.NewIter(nil)
	if err != nil {
		return nil, readError(err)
	}
	return &newestCursor{Iterator: it}, nil
}

// newestCursor reads what a picture shows.
type newestCursor struct {
	*pebble.Iterator
	readers int // that have used it
}

// idlers are the iterators of a picture that no reader has.
type idlers struct {
	mu   sync.Mutex
	list []*newestCursor
}

func (i *idlers) keep(it *newestCursor) bool {
	it.readers++
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.list) == idleIterators || it.readers >= iteratorReaders {
		return false
	}
	i.list = append(i.list, it)
	return true
}

func (i *idlers) closeIterators() (err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, it := range i.list {
		err = errors.Join(err, it.Close())
	}
	i.list = nil
	return err
}

func (i *idlers) take() *newestCursor {
	i.mu.Lock()
	defer i.mu.Unlock()
	n := len(i.list)
	if n == 0 {
		return nil
	}
	it := i.list[n-1]
	i.list = i.list[:n-1]
	return it
}

// enlist makes the view end r when it closes.
func (v *View) enlist(r *Reader) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.mu.closed {
		return fmt.Errorf("the view at revision %d is closed: %w", v.Revision(), ostiary.ErrUnavailable)
	}
	v.mu.readers = append(v.mu.readers, r)
	return nil
}

// strike forgets r.
func (v *View) strike(r *Reader) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, other := range v.mu.readers {
		if other == r {
			last := len(v.mu.readers) - 1
			v.mu.readers[i], v.mu.readers[last] = v.mu.readers[last], nil
			v.mu.readers = v.mu.readers[:last]
			return
		}
	}
}
