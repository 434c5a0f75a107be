package receiver

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/ssf"
)

// PollOptions configures NewPoller. Client must be set too.
type PollOptions struct {
	Options
	// Client makes the requests.
	Client *egress.Client
	// Leads reports whether this node leads: one that does not asks nobody. Nil: it always does.
	Leads func() bool
	// Every is how long it waits where there was nothing to fetch. Zero means 10 s.
	Every time.Duration
	// LongPoll is how long a transmitter may wait with its answer until there is something to fetch. Zero means 30 s.
	LongPoll time.Duration
}

const (
	defaultPollEvery = 10 * time.Second
	defaultLongPoll  = 30 * time.Second
	// leadsEvery is how soon it is noticed that this node does not lead any more, or does.
	leadsEvery = 250 * time.Millisecond
	// placesEvery is how often it looks for places that were set.
	placesEvery = time.Second
	// setsPerPoll is how many SETs are asked for at once: an answer of as many of the greatest length is bounded by
	// what package egress takes.
	setsPerPoll = 10
	// pollSoon is how long it waits where there may be more at once.
	pollSoon = 50 * time.Millisecond
	// maxPollWait bounds how long it waits after failures.
	maxPollWait = 5 * time.Minute
	// maxPollsAtOnce bounds the requests under way that are answered at once, and maxLongPolls those that may wait.
	// Places for which there is none of the latter are asked again and again.
	maxPollsAtOnce = 16
	maxLongPolls   = 128
)

// Poller fetches SETs, on the node that leads. What it has done and not acknowledged when that changes comes again to
// the next one, where it does nothing.
type Poller struct {
	o     PollOptions
	turns chan struct{} // holds one for each request under way
	longs chan struct{} // holds one for each that may wait
	tasks sync.WaitGroup
	// patient is Client, but for the time that an answer may take.
	patient *egress.Client
}

// NewPoller returns a Poller.
func NewPoller(o PollOptions) *Poller {
	o.Options = o.filled()
	if o.Every == 0 {
		o.Every = defaultPollEvery
	}
	if o.Leads == nil {
		o.Leads = func() bool { return true }
	}
	if o.LongPoll == 0 {
		o.LongPoll = defaultLongPoll
	}
	return &Poller{o: o, turns: make(chan struct{}, maxPollsAtOnce), longs: make(chan struct{}, maxLongPolls), patient: o.Client.Within(2 * o.LongPoll)}
}

// polled is a place that is asked by a goroutine of its own.
type polled struct {
	place identity.SignalPoll
	stop  context.CancelFunc
}

// Run fetches SETs until ctx ends.
func (p *Poller) Run(ctx context.Context) {
	defer p.tasks.Wait()
	running := map[string]polled{}
	defer func() {
		for _, task := range running {
			task.stop()
		}
	}()
	var looked time.Time // at the places, while this node leads
	for {
		switch leads := p.o.Leads(); {
		case !leads:
			looked = time.Time{}
			p.adjust(ctx, running, nil)
		case time.Since(looked) >= min(p.o.Every, placesEvery):
			looked = time.Now()
			places, err := p.o.Service.SignalPolls(ctx)
			if err == nil {
				p.adjust(ctx, running, places)
			} else if ctx.Err() == nil {
				p.o.Logger.Warn("places to fetch signals from are not known", "error", err)
			}
		}
		if !wait(ctx, min(p.o.Every, leadsEvery)) {
			return
		}
	}
}

// adjust ends the tasks of places that are none any more, and begins those that are missing.
func (p *Poller) adjust(ctx context.Context, running map[string]polled, places []identity.SignalPoll) {
	for connection, task := range running {
		if !slices.Contains(places, task.place) {
			task.stop()
			delete(running, connection)
		}
	}
	for _, place := range places {
		if _, there := running[place.Connection]; there {
			continue
		}
		taskCtx, stop := context.WithCancel(ctx)
		running[place.Connection] = polled{place, stop}
		p.tasks.Go(func() { p.ask(taskCtx, place) })
	}
}

// wait returns after a while, and false where ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// pollRequest is a request for SETs (RFC 8936, section 2.2).
type pollRequest struct {
	MaxEvents         int                `json:"maxEvents"`
	ReturnImmediately bool               `json:"returnImmediately"`
	Ack               []string           `json:"ack,omitempty"`
	Errors            map[string]refusal `json:"setErrs,omitempty"`
}

// pollAnswer is the answer (RFC 8936, section 2.3).
type pollAnswer struct {
	Sets map[string]string `json:"sets"`
	More bool              `json:"moreAvailable"`
}

// ask fetches SETs from a place until ctx ends. What it has to acknowledge it does at once; with nothing to say it lets
// the transmitter wait for something to answer.
func (p *Poller) ask(ctx context.Context, place identity.SignalPoll) {
	request := pollRequest{MaxEvents: setsPerPoll, ReturnImmediately: true}
	pause := time.Duration(0)
	for wait(ctx, pause) {
		if !p.o.Leads() {
			pause = p.o.Every // it may lead again before Run has noticed
			continue
		}
		began, quick := time.Now(), request.ReturnImmediately
		answer, after, err := p.post(ctx, place, request)
		request.ReturnImmediately = true
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errHeld) {
			pause = pollSoon // the next request shows whether the transmitter answers at all
			continue
		}
		if p.o.Observer != nil {
			p.o.Observer.Polled(err == nil)
		}
		if err != nil {
			pause = backOff(pause, after)
			p.o.Logger.Warn("signals cannot be fetched", "connection", place.Connection, "error", err, "again_in", pause)
			continue
		}
		request.Ack, request.Errors = nil, nil
		whole := p.takeAll(ctx, place, answer.Sets, &request)
		done := len(request.Ack)+len(request.Errors) > 0
		request.ReturnImmediately = done || !whole
		switch {
		case !whole:
			pause = p.o.Every
		case done || quick:
			pause = pollSoon
		default: // it has waited, or does not know how to
			pause = max(pollSoon, p.o.Every-time.Since(began))
		}
	}
}

// backOff returns how long to wait after one more failure: twice as long, with some of it by chance, and not less
// than was asked for.
func backOff(last, after time.Duration) time.Duration {
	next := min(max(2*last, time.Second), maxPollWait)
	return min(max(next/2+rand.N(next/2+1), after), maxPollWait)
}

// takeAll takes SETs, and notes in the next request what became of each. It reports whether that is all of them: the
// others come again.
func (p *Poller) takeAll(ctx context.Context, place identity.SignalPoll, sets map[string]string, next *pollRequest) bool {
	caller, err := p.o.Service.SignalSourceOf(ctx, place.Connection)
	if err != nil {
		return false
	}
	whole := true
	for _, id := range slices.Sorted(maps.Keys(sets)) {
		_, err := p.o.take(ctx, caller, byPoll, sets[id], func(set ssf.SET) error {
			if set.ID != id {
				return refuse(codeRequest, "the jti is not the one that the SET was sent under")
			}
			return nil
		})
		var known refusal
		switch {
		case err == nil:
			next.Ack = append(next.Ack, id)
		case errors.As(err, &known):
			if next.Errors == nil {
				next.Errors = map[string]refusal{}
			}
			next.Errors[id] = known
		default:
			whole = false
			if !passing(err) && ctx.Err() == nil && !errors.Is(err, identity.ErrSignalsOff) {
				p.o.Logger.Error("signal not taken", "connection", place.Connection, "error", err)
			}
		}
	}
	return whole
}

// errHeld: the transmitter had nothing to answer for as long as it may wait.
var errHeld = errors.New("nothing was answered for long")

// post is send when it is its turn: of a request whose answer may wait, or where too many do, of one that is answered
// at once.
func (p *Poller) post(ctx context.Context, place identity.SignalPoll, request pollRequest) (answer pollAnswer, after time.Duration, err error) {
	if !request.ReturnImmediately {
		select {
		case p.longs <- struct{}{}:
			defer func() { <-p.longs }()
			whole, stop := context.WithTimeout(ctx, p.o.LongPoll)
			defer stop()
			answer, after, err = p.send(whole, p.patient, place, request)
			// A server that sees the request end may still answer it, with nothing, before the connection is closed.
			if nothing := err != nil || len(answer.Sets) == 0; nothing && whole.Err() != nil && ctx.Err() == nil {
				err = errHeld
			}
			return answer, after, err
		default:
			request.ReturnImmediately = true
		}
	}
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		return answer, 0, ctx.Err()
	}
	return p.send(ctx, p.o.Client, place, request)
}

// send sends a request for SETs. After is how long the transmitter asks to wait.
func (p *Poller) send(
	ctx context.Context, client *egress.Client, place identity.SignalPoll, request pollRequest,
) (answer pollAnswer, after time.Duration, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return answer, 0, fmt.Errorf("encode a request for signals: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, place.URL, bytes.NewReader(body))
	if err != nil {
		return answer, 0, egress.ErrURL // what it says repeats the URL
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "ostiary")
	if place.Token != "" {
		r.Header.Set("Authorization", "Bearer "+place.Token)
	}
	response, err := client.Do(r)
	if err != nil {
		return answer, 0, err
	}
	if response.Status != http.StatusOK && response.Status != http.StatusAccepted && response.Status != http.StatusNoContent {
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
			after = time.Duration(min(seconds, int(maxPollWait/time.Second))) * time.Second
		}
		return answer, after, fmt.Errorf("the transmitter answers with status %d", response.Status)
	}
	if len(response.Body) > 0 && json.Unmarshal(response.Body, &answer) != nil {
		return answer, 0, errors.New("the transmitter's answer is not JSON as it should be")
	}
	if len(answer.Sets) > setsPerPoll {
		for _, id := range slices.Sorted(maps.Keys(answer.Sets))[setsPerPoll:] {
			delete(answer.Sets, id) // they come again
		}
		answer.More = true
	}
	return answer, 0, nil
}
