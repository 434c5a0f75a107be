package sim

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/storage"
)

// Clients write and read a few registers (documents whose bodies name the write) and flags (tuples that
// are there or not). Every write also creates a tuple that bears its number, so that the history of the
// healed cluster tells of each write whether and when it took effect.

const (
	registers  = 2
	flags      = 2
	collection = "register"
	store      = "simulated"
)

type kind string

const (
	put    kind = "put"
	create kind = "create"
	remove kind = "delete"
	read   kind = "read"
)

type result string

const (
	done    result = "done"
	refused result = "refused"   // because of what was there: the flag is set, or is not
	nothing result = "nothing"   // the error says that nothing was written
	unknown result = "unknown"   // the outcome is
	failed  result = "no answer" // of a read
)

// operation is one question of a client and its answer.
type operation struct {
	id     int
	client int
	node   int
	life   *life
	kind   kind
	key    int // of a register or a flag

	call, back int64 // places in the order of all calls and answers
	result     result
	err        error
	receipt    ostiary.Receipt // of a write

	freshness ostiary.Freshness // of a read
	revision  ostiary.Revision  // that a read was answered at
	seen      state
	digest    [sha256.Size]byte // of all rows, when hashed
	hashed    bool
}

// state is what a read shows.
type state struct {
	registers [registers]int // the write, or 0
	flags     [flags]bool
}

// history is what clients did.
type history struct {
	mu         sync.Mutex
	clock      int64
	operations []*operation
	newest     ostiary.Revision // of all that was acknowledged
}

func (h *history) acknowledged() ostiary.Revision {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest
}

func (h *history) begin(o *operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	o.id, o.call = len(h.operations)+1, h.clock
	h.operations = append(h.operations, o)
}

func (h *history) end(o *operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock++
	o.back = h.clock
	if o.kind != read && o.result == done {
		h.newest = max(h.newest, o.receipt.Revision)
	}
}

// client asks questions until it has asked enough or is stopped.
func (s *simulation) client(id int, stop <-chan struct{}) {
	r := rand.New(rand.NewPCG(s.seed, uint64(100+id)))
	for range s.ops {
		n := s.nodes[r.IntN(len(s.nodes))]
		if n.open() != nil {
			s.ask(n, s.draw(r, id), time.Duration(20+r.IntN(1500))*time.Millisecond)
		}
		select {
		case <-time.After(time.Duration(r.IntN(60)) * time.Millisecond):
		case <-stop:
			return
		}
	}
}

// draw makes up a question.
func (s *simulation) draw(r *rand.Rand, client int) *operation {
	o := &operation{client: client}
	switch at := r.IntN(100); {
	case at < 30:
		o.kind, o.key = put, r.IntN(registers)
	case at < 45:
		o.kind, o.key = create, r.IntN(flags)
	case at < 60:
		o.kind, o.key = remove, r.IntN(flags)
	case at < 80:
		o.kind, o.freshness.Linearizable = read, true
	case at < 90:
		o.kind, o.freshness.AtLeast = read, s.history.acknowledged()
	default:
		o.kind = read
	}
	o.hashed = o.kind == read && r.IntN(4) == 0
	return o
}

// ask puts a question to a node and records the answer.
func (s *simulation) ask(n *node, o *operation, patience time.Duration) {
	l := n.life.Load()
	if l == nil || l.store.Load() == nil {
		return
	}
	o.node, o.life = n.id, l
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.history.begin(o)
	if o.kind == read {
		s.read(ctx, l.store.Load(), o)
	} else {
		s.write(ctx, l.store.Load(), o)
	}
	s.history.end(o)
}

func (s *simulation) write(ctx context.Context, to *raftstore.Store, o *operation) {
	receipt, err := to.Propose(ctx, mutationOf(o))
	o.receipt, o.err = receipt, err
	switch {
	case o.life.over.Load():
		o.result = unknown // the answer of a dead process reaches nobody
	case err == nil:
		o.result = done
	case errors.Is(err, ostiary.ErrOutcomeUnknown):
		o.result = unknown
	case errors.Is(err, ostiary.ErrTupleExists), errors.Is(err, ostiary.ErrTupleMissing):
		o.result = refused
	default:
		o.result = nothing
	}
}

func mutationOf(o *operation) *ostiary.Mutation {
	m := &ostiary.Mutation{
		TimeNanos: time.Now().UnixNano(), Principal: ostiary.Principal{Kind: "internal", Name: strconv.Itoa(o.id)},
		Tuples: []ostiary.TupleChange{changeOf(ostiary.TupleCreate, markOf(o.id))},
	}
	switch o.kind {
	case put:
		m.Documents = []ostiary.DocumentChange{{Key: registerOf(o.key), Body: strconv.AppendInt(nil, int64(o.id), 10)}}
	case create:
		m.Tuples = append(m.Tuples, changeOf(ostiary.TupleCreate, flagOf(o.key)))
	case remove:
		m.Tuples = append(m.Tuples, changeOf(ostiary.TupleDelete, flagOf(o.key)))
	}
	return m
}

func changeOf(op ostiary.TupleOp, t ostiary.Tuple) ostiary.TupleChange {
	return ostiary.TupleChange{Op: op, Store: store, Tuple: t, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}}
}

func tupleOf(objectType string, id int) ostiary.Tuple {
	return ostiary.Tuple{
		Object: ostiary.ObjectRef{Type: objectType, ID: strconv.Itoa(id)}, Relation: "set",
		Subject: ostiary.SubjectRef{Type: "user", ID: "ann"},
	}
}

func flagOf(key int) ostiary.Tuple { return tupleOf("flag", key) }

// markOf is the tuple that bears the number of a write.
func markOf(id int) ostiary.Tuple { return tupleOf("write", id) }

func registerOf(key int) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: collection, Key: strconv.Itoa(key)}
}

func (s *simulation) read(ctx context.Context, from *raftstore.Store, o *operation) {
	freshness := o.freshness
	if s.ignoresFreshness {
		freshness = ostiary.Freshness{}
	}
	view, err := from.View(ctx, freshness)
	if err == nil {
		defer view.Close()
		o.revision = view.Revision()
		o.seen, err = stateOf(view)
	}
	if err == nil && o.hashed {
		o.digest, err = digestOf(view)
	}
	if o.err = err; err != nil || o.life.over.Load() {
		o.result = failed
		return
	}
	o.result = done
}

func stateOf(view *storage.View) (seen state, err error) {
	for i := range registers {
		document, found, err := view.Document(registerOf(i))
		if err != nil {
			return seen, err
		}
		if found {
			if seen.registers[i], err = strconv.Atoi(string(document.Body)); err != nil {
				return seen, err
			}
		}
	}
	for i := range flags {
		if _, seen.flags[i], err = view.Tuple(store, flagOf(i)); err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// digestOf returns the hash of all rows that a view shows: two nodes at the same revision have the same.
func digestOf(view *storage.View) (digest [sha256.Size]byte, err error) {
	h := sha256.New()
	err = view.BackupRows(context.Background(), func(row storage.Row) error {
		h.Write(binary.AppendUvarint(nil, uint64(len(row.Key))))
		h.Write(row.Key)
		h.Write(binary.AppendUvarint(nil, uint64(len(row.Value))))
		h.Write(row.Value)
		return nil
	})
	return [sha256.Size]byte(h.Sum(nil)), err
}

func (o *operation) String() string {
	asked := fmt.Sprintf("#%d client %d at node %d: %s %d", o.id, o.client, o.node, o.kind, o.key)
	answer := fmt.Sprint(o.result)
	switch {
	case o.kind == read:
		asked = fmt.Sprintf("#%d client %d at node %d: read %+v", o.id, o.client, o.node, o.freshness)
		if o.result == done {
			answer = fmt.Sprintf("%+v at revision %d", o.seen, o.revision)
		}
	case o.result == done:
		answer = fmt.Sprintf("done at revision %d", o.receipt.Revision)
	}
	if o.err != nil {
		answer += fmt.Sprintf(" (%v)", o.err)
	}
	return fmt.Sprintf("%s [%d to %d] %s", asked, o.call, o.back, answer)
}
