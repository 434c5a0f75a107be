package bench

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/bench/workload"
)

// Operation is what a run does over and over.
type Operation string

const (
	OpCheck      Operation = "check"       // checks as the workload draws them
	OpCheckHit   Operation = "check-hit"   // of them, those that are allowed
	OpCheckMiss  Operation = "check-miss"  // of them, those that are denied
	OpBatchCheck Operation = "batch-check" // Options.Batch of them in a call
	OpList       Operation = "list-objects"
	OpStreamed   Operation = "streamed-list-objects"
	OpListUsers  Operation = "list-users"
	OpWrite      Operation = "write"     // one new tuple a call
	OpWrite100   Operation = "write-100" // a hundred
	OpDelete     Operation = "delete"    // one tuple a call, of tuples that were written before the run
	OpMixed      Operation = "mixed"     // 99 checks to one write of one new tuple, at random
)

// Operations lists what Run can do.
func Operations() []Operation {
	return []Operation{OpCheck, OpCheckHit, OpCheckMiss, OpBatchCheck, OpList, OpStreamed, OpListUsers,
		OpWrite, OpWrite100, OpDelete, OpMixed}
}

// ParseOperation returns the operation of that name.
func ParseOperation(name string) (Operation, error) {
	if !slices.Contains(Operations(), Operation(name)) {
		names := make([]string, 0, len(Operations()))
		for _, op := range Operations() {
			names = append(names, string(op))
		}
		return "", fmt.Errorf("operation %q is none of %s", name, strings.Join(names, ", "))
	}
	return Operation(name), nil
}

// The parts of a mixed load. Every other load has one part.
const (
	partMain  = 0
	partWrite = 1
)

// mixedWriteIn is how many requests of a mixed load there are to one write.
const mixedWriteIn = 100

// source yields the requests of one worker; nil when there are no more.
type source func() (*request, error)

// pool is the encoded questions of a run. Workers share it, each beginning at a place of its own.
type pool struct{ requests []*request }

func (p pool) source(worker, workers int) source {
	at := worker * len(p.requests) / workers
	return func() (*request, error) {
		r := p.requests[at]
		if at++; at == len(p.requests) {
			at = 0
		}
		return r, nil
	}
}

// encodePool encodes a question to a request each.
func encodePool(questions []workload.Question, encode func(workload.Question) (*request, error)) (pool, error) {
	p := pool{requests: make([]*request, len(questions))}
	for i, q := range questions {
		var err error
		if p.requests[i], err = encode(q); err != nil {
			return pool{}, err
		}
	}
	return p, nil
}

func (o *Options) checkRequest(q workload.Question) (*request, error) {
	message, err := checkMessage(o.Stores, q)
	if err != nil {
		return nil, err
	}
	if o.Linearizable {
		message.Consistency = openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
	}
	return o.Target.encode(methodCheck, message, 1)
}

func (o *Options) listRequest(q workload.Question) (*request, error) {
	switch o.Operation {
	case OpList:
		message, err := listObjectsMessage(o.Stores, q)
		if err != nil {
			return nil, err
		}
		return o.Target.encode(methodListObjects, message, 0)
	case OpStreamed:
		message, err := streamedMessage(o.Stores, q)
		if err != nil {
			return nil, err
		}
		return o.Target.encode(methodStreamed, message, 0)
	}
	message, err := listUsersMessage(o.Stores, q)
	if err != nil {
		return nil, err
	}
	return o.Target.encode(methodListUsers, message, 0)
}

// batchPool puts questions about the same store together, o.Batch in a call.
func (o *Options) batchPool(questions []workload.Question) (pool, error) {
	var p pool
	for _, batch := range batchesOf(questions, o.Batch) {
		message, err := batchMessage(o.Stores, pick(questions, batch))
		if err != nil {
			return pool{}, err
		}
		r, err := o.Target.encode(methodBatchCheck, message, len(batch))
		if err != nil {
			return pool{}, err
		}
		p.requests = append(p.requests, r)
	}
	return p, nil
}

// batchesOf returns the indexes of questions in groups of at most size, each of one store.
func batchesOf(questions []workload.Question, size int) [][]int {
	open := map[int][]int{}
	var stores []int // in the order of their first question
	var done [][]int
	for i, q := range questions {
		if _, seen := open[q.Store]; !seen {
			stores = append(stores, q.Store)
		}
		open[q.Store] = append(open[q.Store], i)
		if len(open[q.Store]) == size {
			done = append(done, open[q.Store])
			open[q.Store] = []int{}
		}
	}
	for _, store := range stores {
		if len(open[store]) > 0 {
			done = append(done, open[store])
		}
	}
	return done
}

func pick(questions []workload.Question, indexes []int) []workload.Question {
	picked := make([]workload.Question, len(indexes))
	for i, index := range indexes {
		picked[i] = questions[index]
	}
	return picked
}

// writeSource writes n new tuples a call.
func (o *Options) writeSource(questions *workload.Questions, n, part int) source {
	waiting := map[int][]ostiary.Edge{} // by store
	return func() (*request, error) {
		for {
			store, e := questions.NewTuple()
			waiting[store] = append(waiting[store], e)
			if len(waiting[store]) < n {
				continue
			}
			message, err := writeMessage(o.Stores[store], waiting[store], nil)
			if err != nil {
				return nil, err
			}
			waiting[store] = nil
			r, err := o.Target.encode(methodWrite, message, n)
			if r != nil {
				r.part = part
			}
			return r, err
		}
	}
}

// placed is a tuple and the number of its store.
type placed struct {
	store int
	edge  ostiary.Edge
}

// deleteSource deletes tuples one by one, until they are all gone.
func (o *Options) deleteSource(tuples []placed) source {
	return func() (*request, error) {
		if len(tuples) == 0 {
			return nil, nil
		}
		next := tuples[0]
		tuples = tuples[1:]
		message, err := writeMessage(o.Stores[next.store], nil, []ostiary.Edge{next.edge})
		if err != nil {
			return nil, err
		}
		return o.Target.encode(methodWrite, message, 1)
	}
}

// mix takes from rare once in mixedWriteIn times, at random, and otherwise from usual.
func mix(usual, rare source, random *rand.Rand) source {
	return func() (*request, error) {
		if random.IntN(mixedWriteIn) == 0 {
			return rare()
		}
		return usual()
	}
}
