package identity

import (
	"github.com/ostiary/ostiary"
)

// DocumentLists is the part of a View by which many gates are read.
type DocumentLists interface {
	Documents
	Documents(collection, afterKey string, limit int, descending bool) ([]ostiary.Document, error)
}

// GateReader reads the gates of many people of a store, who are asked about in the order of their ids. One
// goroutine uses it; StoreGate.Reader makes it.
//
// Most people have no gate document, so it looks for the next one that is there, which tells of everybody
// before it. Where that has proved of no use, because almost everybody has one, it asks for each.
type GateReader struct {
	gate  StoreGate
	view  DocumentLists
	store string

	at     string             // the person asked about last
	ahead  []ostiary.Document // the gates from there on, without a gap
	all    bool               // there are none behind ahead
	asked  int                // people that ahead has told of, since it was read
	found  int                // of these, with a gate
	wasted int                // how often in a row ahead has told of one person alone
}

// maxWasted is how often in a row looking ahead may be of no use.
const maxWasted = 8

// Reader returns a reader of the gates of a store, in the view that the gate was read from or another one that
// shows the same documents.
func (x StoreGate) Reader(v DocumentLists, store string) *GateReader {
	return &GateReader{gate: x, view: v, store: store}
}

// Of returns what stands against a person.
func (r *GateReader) Of(user string) (Gate, error) {
	if len(r.gate.waiting) > 0 || user < r.at || r.wasted == maxWasted {
		return r.gate.Of(r.view, r.store, user)
	}
	r.at = user
	if err := r.look(user); err != nil {
		return Gate{}, err
	}
	r.asked++
	if len(r.ahead) == 0 || r.ahead[0].Key.Key != user {
		return Gate{}, nil
	}
	r.found++
	g, err := decodeGate(r.ahead[0])
	return r.gate.judge(g), err
}

// look makes ahead the gates from a person on.
func (r *GateReader) look(user string) error {
	after := before(user)
	for r.pass(user); len(r.ahead) == 0 && !r.all; r.pass(user) {
		if r.wasted++; r.asked != 1 {
			r.wasted = 0
		}
		limit := min(4+2*r.found, documentsPerRead)
		docs, err := r.view.Documents(gatesOf(r.store), after, limit, false)
		if err != nil {
			return err
		}
		r.ahead, r.all, r.asked, r.found = docs, len(docs) < limit, 0, 0
		if !r.all {
			after = docs[limit-1].Key.Key
		}
	}
	return nil
}

// pass drops the gates of those before a person.
func (r *GateReader) pass(user string) {
	for len(r.ahead) > 0 && r.ahead[0].Key.Key < user {
		r.ahead = r.ahead[1:]
	}
}

// before returns a text behind which a person's id comes first, or among ids in UTF-8 at once.
func before(user string) string {
	last := len(user) - 1
	if last < 0 || user[last] == 0 {
		return user[:max(last, 0)]
	}
	return user[:last] + string([]byte{user[last] - 1, 0xff})
}
