package receiver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/ssf/receiver"
)

// transmitter is the poll endpoint of a stream: what is not acknowledged is sent again.
type transmitter struct {
	mu      sync.Mutex
	sets    map[string]string
	acked   map[string]bool
	refused map[string]string
	shown   map[string]bool
	fails   int // how many requests it answers with 503 yet
	asked   int
}

func (x *transmitter) answer(rw http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked++
	x.shown[r.Header.Get("Authorization")] = true
	if x.fails > 0 {
		x.fails--
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var q struct {
		Max         int      `json:"maxEvents"`
		Immediately bool     `json:"returnImmediately"`
		Ack         []string `json:"ack"`
		Errors      map[string]struct {
			Err, Description string
		} `json:"setErrs"`
	}
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&q) != nil || !q.Immediately || q.Max == 0 {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, id := range q.Ack {
		x.acked[id] = true
		delete(x.sets, id)
	}
	for id, e := range q.Errors {
		x.refused[id] = e.Err
		delete(x.sets, id)
	}
	sets := map[string]string{}
	for id, set := range x.sets {
		if len(sets) < q.Max {
			sets[id] = set
		}
	}
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(map[string]any{"sets": sets, "moreAvailable": len(sets) < len(x.sets)})
}

// put adds a SET.
func (x *transmitter) put(id, set string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sets[id] = set
}

func (x *transmitter) left() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.sets)
}

func newTransmitter(w *world) *transmitter {
	x := &transmitter{sets: map[string]string{}, acked: map[string]bool{}, refused: map[string]string{}, shown: map[string]bool{}}
	w.page("/poll", x.answer)
	w.set(func(g *identity.SignalSource) { g.PollURL = w.provider + "/poll" }, identity.SignalSecrets{PollToken: "poll-secret"})
	return x
}

// poll runs a Poller until what it returns is called.
func (w *world) poll(leads func() bool) (end func()) {
	p := receiver.NewPoller(receiver.PollOptions{Options: w.options, Client: w.client, Leads: leads, Every: 10 * time.Millisecond})
	ctx, stop := context.WithCancel(w.t.Context())
	var tasks sync.WaitGroup
	tasks.Go(func() { p.Run(ctx) })
	return func() {
		stop()
		tasks.Wait()
	}
}

// IDENTITY d.3: SETs are acknowledged once they are committed, and those that are none are refused by their code.
func TestPoll(t *testing.T) {
	w := newWorld(t)
	x := newTransmitter(w)
	x.fails = 1
	x.put("good", w.jwt(map[string]any{"jti": "good"}))
	x.put("other", w.jwt(map[string]any{"jti": "other", "aud": "https://other.test"}))
	x.put("under another name", w.jwt(map[string]any{"jti": "x"}))
	x.put("bad", "x")
	for i := range 15 { // more than it asks for at once
		id := fmt.Sprint("more-", i)
		x.put(id, w.jwt(map[string]any{"jti": id}))
	}
	defer w.poll(nil)()
	until(t, "everything is answered", func() bool { return x.left() == 0 })
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.acked["good"] || x.refused["other"] != "invalid_audience" || x.refused["bad"] != "invalid_request" ||
		x.refused["under another name"] != "invalid_request" || len(x.refused) != 3 {
		t.Errorf("acknowledged %v, refused %v", x.acked, x.refused)
	}
	if !x.shown["Bearer poll-secret"] || len(x.shown) != 1 {
		t.Errorf("shown %v", x.shown)
	}
	if w.live() != 0 {
		t.Error("ann was not logged out")
	}
	if w.observed.polled(false) == 0 || w.observed.seen("poll end-sessions") != len(x.acked) {
		t.Errorf("told of %v, %d failures", w.observed.outcomes, w.observed.polled(false))
	}
}

// Only the node that leads asks; what a leader has done and not acknowledged comes to the next, where it does nothing.
func TestPollByTheLeader(t *testing.T) {
	w := newWorld(t)
	x := newTransmitter(w)
	var leads atomic.Bool
	end := w.poll(leads.Load)
	x.put("one", w.jwt(map[string]any{"jti": "one"}))
	// A push of the same SET: as if this node had taken it and lost the leadership before it acknowledged.
	w.push(w.path(), x.sets["one"]).want(http.StatusAccepted, "")
	leads.Store(true)
	until(t, "it is acknowledged", func() bool { return x.left() == 0 })
	if w.observed.seen("poll repeated") == 0 || w.observed.seen("poll end-sessions") != 0 {
		t.Errorf("told of %v", w.observed.outcomes)
	}
	end()

	var asked atomic.Int64
	w.page("/other", func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	w.set(func(g *identity.SignalSource) { g.PollURL = w.provider + "/other" }, identity.SignalSecrets{})
	defer w.poll(func() bool { return false })()
	time.Sleep(50 * time.Millisecond) // nothing to wait for: a node that asked would be seen at times
	if n := asked.Load(); n != 0 {
		t.Errorf("a node that does not lead asked %d times", n)
	}
}

// A change of the place, and turning signals off, take effect while a Poller runs.
func TestPollFollowsTheSetting(t *testing.T) {
	w := newWorld(t)
	x := newTransmitter(w)
	defer w.poll(nil)()
	until(t, "it asks", func() bool { return w.observed.polled(true) > 0 })
	w.page("/second", func(rw http.ResponseWriter, r *http.Request) { x.answer(rw, r) })
	w.page("/poll", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusGone) })
	w.set(func(g *identity.SignalSource) { g.PollURL = w.provider + "/second" }, identity.SignalSecrets{})
	x.put("one", w.jwt(map[string]any{"jti": "one"}))
	until(t, "it asks at the other place", func() bool { return x.left() == 0 })
	x.mu.Lock()
	shown := x.shown[""]
	x.mu.Unlock()
	if !shown || w.live() != 0 {
		t.Errorf("shown %v, %d sessions are left", x.shown, w.live())
	}
}

// A node that loses the leadership for a moment asks again.
func TestPollAfterAMoment(t *testing.T) {
	w := newWorld(t)
	x := newTransmitter(w)
	x.put("one", w.jwt(map[string]any{"jti": "one"}))
	var calls atomic.Int64
	defer w.poll(func() bool { return calls.Add(1) != 2 })()
	until(t, "it is acknowledged", func() bool { return x.left() == 0 })
}
