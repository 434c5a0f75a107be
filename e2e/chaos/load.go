package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	clients = 4
	// batch is how many questions one BatchCheck holds when everything is verified.
	batch = 50
)

// load is clients that grant, revoke and check for as long as a trial lasts. Each client owns its keys,
// so that it knows what the answer must be. A key whose write had no certain outcome is left alone from
// then on: the write may still take effect, whenever.
type load struct {
	c            *cluster
	store, model string

	stop    context.CancelFunc
	running sync.WaitGroup

	acknowledged, unknown, refused, checks, unanswered atomic.Int64

	mu      sync.Mutex
	held    map[string]bool // what is certain: granted, or revoked
	newest  string          // the token of the newest acknowledged write of any client
	wrong   []string        // answers that must not be
	acks    []ack           // by time of acknowledgement
	without []time.Duration // without a leader, after each kill of one
}

type ack struct{ asked, answered time.Time }

const model = `{"schema_version":"1.1","type_definitions":[{"type":"user"},{"type":"doc",
"relations":{"viewer":{"this":{}}},"metadata":{"relations":{"viewer":{"directly_related_user_types":[{"type":"user"}]}}}}]}`

// startLoad makes a store and a model and begins.
func startLoad(ctx context.Context, c *cluster) (*load, error) {
	l := &load{c: c, held: map[string]bool{}}
	var store struct{ ID string }
	if err := l.make(ctx, "/stores", map[string]string{"name": "chaos"}, &store); err != nil {
		return nil, err
	}
	l.store = "/stores/" + store.ID
	if err := l.make(ctx, l.store+"/authorization-models", json.RawMessage(model), &struct{}{}); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	l.stop = stop
	for client := range clients {
		l.running.Go(func() { l.client(running, client) })
	}
	return l, nil
}

func (l *load) make(ctx context.Context, path string, body, into any) error {
	status, token, answer, err := l.c.call(ctx, l.c.nodes[0], http.MethodPost, path, nil, body)
	if err != nil {
		return err
	}
	if status != http.StatusCreated {
		return fmt.Errorf("%s answers %d: %s", path, status, answer)
	}
	l.newest = token
	return json.Unmarshal(answer, into)
}

// end stops the clients and waits for them.
func (l *load) end() {
	l.stop()
	l.running.Wait()
}

func (l *load) client(ctx context.Context, number int) {
	random := rand.New(rand.NewPCG(uint64(number), uint64(time.Now().UnixNano())))
	for serial := 0; ctx.Err() == nil; serial++ {
		object := fmt.Sprintf("doc:%d-%d", number, serial)
		if !l.change(ctx, random, "writes", object) {
			continue
		}
		if random.IntN(4) > 0 {
			l.change(ctx, random, "deletes", object)
		}
	}
}

// change grants or revokes, asks at once whether it holds, and says whether the outcome is certain.
func (l *load) change(ctx context.Context, random *rand.Rand, kind, object string) bool {
	asked := time.Now()
	body := map[string]any{kind: map[string]any{"tuple_keys": []any{tuple(object)}}}
	status, token, _, err := l.c.call(ctx, l.any(random), http.MethodPost, l.store+"/write", nil, body)
	l.mu.Lock()
	switch {
	case notSent(err):
		l.refused.Add(1)
	case err != nil || status == http.StatusInternalServerError:
		l.unknown.Add(1)
		delete(l.held, object)
	case status == http.StatusOK:
		l.acknowledged.Add(1)
		l.held[object] = kind == "writes"
		l.newest = token
		l.acks = append(l.acks, ack{asked, time.Now()})
	default: // a clear refusal: nothing was written
		l.refused.Add(1)
	}
	l.mu.Unlock()
	if err != nil || status != http.StatusOK {
		pause(ctx, 5*time.Millisecond)
		return false
	}
	want := kind == "writes"
	l.check(ctx, l.any(random), object, want, "HIGHER_CONSISTENCY", "")
	for _, n := range l.c.nodes {
		l.check(ctx, n, object, want, "", token)
	}
	return true
}

// notSent says that the connection could not be made.
func notSent(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func tuple(object string) map[string]string {
	return map[string]string{"user": "user:anne", "relation": "viewer", "object": object}
}

func (l *load) any(random *rand.Rand) *node { return l.c.nodes[random.IntN(nodes)] }

// check asks one question. Not to answer is allowed; to answer wrongly is not.
func (l *load) check(ctx context.Context, n *node, object string, want bool, consistency, token string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	body := map[string]any{"tuple_key": tuple(object)}
	headers := map[string]string{}
	if consistency != "" {
		body["consistency"] = consistency
	}
	if token != "" {
		headers["Ostiary-At-Least"] = token
	}
	status, _, answer, err := l.c.call(ctx, n, http.MethodPost, l.store+"/check", headers, body)
	var got struct{ Allowed bool }
	if err != nil || status != http.StatusOK || json.Unmarshal(answer, &got) != nil {
		l.unanswered.Add(1)
		return
	}
	l.checks.Add(1)
	if got.Allowed != want {
		l.accuse(fmt.Sprintf("node %d answers %t for %s (%s%s), which was acknowledged as %t", n.number, got.Allowed, object, consistency, token, want))
	}
}

func (l *load) accuse(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, text)
}

// progress waits until something that was asked from now on is acknowledged, and fails on a wrong answer.
func (l *load) progress(ctx context.Context) error {
	since := time.Now()
	for time.Since(since) < patience {
		l.mu.Lock()
		wrong, n := l.wrong, len(l.acks)
		done := n > 0 && l.acks[n-1].asked.After(since)
		l.mu.Unlock()
		if len(wrong) > 0 {
			return fmt.Errorf("%d wrong answers, the first: %s", len(wrong), wrong[0])
		}
		if done {
			return nil
		}
		pause(ctx, 5*time.Millisecond)
	}
	return fmt.Errorf("no write was acknowledged within %s", patience)
}

// firstAck returns how long after since a write was acknowledged that was asked after it.
func (l *load) firstAck(ctx context.Context, since time.Time) (time.Duration, error) {
	for time.Since(since) < patience && ctx.Err() == nil {
		l.mu.Lock()
		for i := len(l.acks) - 1; i >= 0 && l.acks[i].answered.After(since); i-- {
			if first := l.acks[i]; first.asked.After(since) && (i == 0 || !l.acks[i-1].asked.After(since)) {
				l.mu.Unlock()
				return first.answered.Sub(since), nil
			}
		}
		l.mu.Unlock()
		pause(ctx, time.Millisecond)
	}
	return 0, fmt.Errorf("no write was acknowledged within %s", patience)
}

// verify asks every node, at the newest token, for everything that is certain.
func (l *load) verify(ctx context.Context, c *cluster) error {
	if len(l.wrong) > 0 {
		return fmt.Errorf("%d wrong answers, the first: %s", len(l.wrong), l.wrong[0])
	}
	if len(l.held) == 0 {
		return errors.New("no write was acknowledged in the whole trial")
	}
	var objects []string
	for object := range l.held {
		objects = append(objects, object)
	}
	for _, n := range c.nodes {
		for from := 0; from < len(objects); from += batch {
			if err := l.verifyBatch(ctx, n, objects[from:min(from+batch, len(objects))]); err != nil {
				return fmt.Errorf("verify node %d: %w", n.number, err)
			}
		}
	}
	return nil
}

func (l *load) verifyBatch(ctx context.Context, n *node, objects []string) error {
	var questions []any
	for i, object := range objects {
		questions = append(questions, map[string]any{"tuple_key": tuple(object), "correlation_id": fmt.Sprint(i)})
	}
	status, _, answer, err := l.c.call(ctx, n, http.MethodPost, l.store+"/batch-check",
		map[string]string{"Ostiary-At-Least": l.newest}, map[string]any{"checks": questions})
	if err != nil {
		return err
	}
	var got struct {
		Result map[string]struct{ Allowed *bool }
	}
	if err := json.Unmarshal(answer, &got); err != nil || status != http.StatusOK {
		return fmt.Errorf("batch check answers %d: %s", status, answer)
	}
	for i, object := range objects {
		result := got.Result[fmt.Sprint(i)]
		if allowed := result.Allowed != nil && *result.Allowed; allowed != l.held[object] {
			return fmt.Errorf("%s is allowed: %t, and was acknowledged as %t", object, allowed, l.held[object])
		}
	}
	return nil
}

func (l *load) String() string {
	return fmt.Sprintf("%d writes acknowledged, %d of unknown outcome, %d refused; %d checks answered, %d not",
		l.acknowledged.Load(), l.unknown.Load(), l.refused.Load(), l.checks.Load(), l.unanswered.Load())
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
