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
	held    int           // how many requests wait for an answer
	come    chan struct{} // is closed when there is another SET
	never   bool          // requests that wait get no answer
}

// hold waits for a SET where there is none, and reports whether the receiver does too.
func (x *transmitter) hold(r *http.Request) bool {
	x.held++
	defer func() { x.held-- }()
	for x.never || len(x.sets) == 0 {
		come := x.come
		x.mu.Unlock()
		select {
		case <-come:
		case <-r.Context().Done():
		}
		x.mu.Lock()
		if r.Context().Err() != nil {
			return false
		}
	}
	return true
}

func (x *transmitter) holds() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.held
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
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&q) != nil || q.Max == 0 || !q.Immediately && len(q.Ack)+len(q.Errors) > 0 {
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
	if !q.Immediately && !x.hold(r) {
		return
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
	close(x.come)
	x.come = make(chan struct{})
}

func (x *transmitter) left() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.sets)
}

func newTransmitter(w *world) *transmitter {
	x := &transmitter{sets: map[string]string{}, acked: map[string]bool{}, refused: map[string]string{}, shown: map[string]bool{}, come: make(chan struct{})}
	w.page("/poll", x.answer)
	w.set(func(g *identity.SignalSource) { g.PollURL = w.provider + "/poll" }, identity.SignalSecrets{PollToken: "poll-secret"})
	return x
}

// poll runs a Poller until what it returns is called.
func (w *world) poll(leads func() bool) (end func()) {
	return w.pollWith(receiver.PollOptions{Leads: leads, Every: 10 * time.Millisecond})
}

func (w *world) pollWith(o receiver.PollOptions) (end func()) {
	o.Options, o.Client = w.options, w.client
	p := receiver.NewPoller(o)
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

// A transmitter may wait until there is something to answer; what comes is fetched then. The request ends with the
// leadership, and with the Poller.
func TestLongPoll(t *testing.T) {
	w := newWorld(t)
	x := newTransmitter(w)
	var leads atomic.Bool
	leads.Store(true)
	end := w.pollWith(receiver.PollOptions{Leads: leads.Load, Every: time.Hour, LongPoll: time.Hour})
	defer end()
	for _, id := range []string{"one", "two"} {
		until(t, "it waits", func() bool { return x.holds() == 1 })
		x.put(id, w.jwt(map[string]any{"jti": id}))
		until(t, "it is acknowledged", func() bool { return x.left() == 0 })
	}
	until(t, "it waits", func() bool { return x.holds() == 1 })
	leads.Store(false)
	until(t, "it waits no more", func() bool { return x.holds() == 0 })
	leads.Store(true)
	until(t, "it waits again", func() bool { return x.holds() == 1 })
	end()
	until(t, "it waits no more", func() bool { return x.holds() == 0 })
	if w.observed.polled(false) != 0 {
		t.Error("what was ended is told of as a failure")
	}
}

// A transmitter that lets a request wait for too long is asked again; that is no failure where it answers then.
func TestLongPollIsBounded(t *testing.T) {
	w := newWorld(t)
	x := newTransmitter(w)
	x.never = true
	defer w.pollWith(receiver.PollOptions{Every: time.Hour, LongPoll: 10 * time.Millisecond})()
	until(t, "it has asked again and again", func() bool { return w.observed.polled(true) > 2 })
	x.put("one", w.jwt(map[string]any{"jti": "one"}))
	until(t, "it is acknowledged", func() bool { return x.left() == 0 })
	if w.observed.polled(false) != 0 {
		t.Error("what was held is told of as a failure")
	}
}
