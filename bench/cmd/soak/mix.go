package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ostiary/ostiary/fakeidp"
)

// mix is what goes on beside the checks, at a fixed pace: what it makes it takes away again, so that the data stays
// the same, and it judges every answer.
type mix struct {
	c      *cluster
	s      *scene
	stop   context.CancelFunc
	ending sync.WaitGroup

	changes  atomic.Int64 // of tuples
	noted    atomic.Int64 // changes of people and sessions, of which the audit keeps a row for a day and more
	answered atomic.Int64

	mu      sync.Mutex
	wrong   []string
	refused []string // the first of them
	errors  int64
}

// The parts of the mix: how many clients, and how often a second each goes through its steps.
var parts = []struct {
	name    string
	clients int
	pace    float64
	step    func(m *mix, ctx context.Context, c *caller, worker, turn int) error
}{
	{"tuples", 2, 20, (*mix).grantAndRevoke},
	{"people", 1, 4, (*mix).deactivateAndActivate},
	{"sessions", 1, 4, (*mix).logInAndOut},
	{"hires", 1, 0.2, (*mix).hireAndFire},
}

// keptNotes bounds how many texts are kept of each sort of fault.
const keptNotes = 20

func startMix(ctx context.Context, c *cluster, s *scene) *mix {
	ctx, stop := context.WithCancel(ctx)
	m := &mix{c: c, s: s, stop: stop}
	for _, part := range parts {
		for worker := range part.clients {
			m.ending.Go(func() {
				client := newCaller(c)
				defer client.close()
				ticker := time.NewTicker(time.Duration(float64(time.Second) / part.pace))
				defer ticker.Stop()
				for turn := 0; ; turn++ {
					// A step that has begun is gone through, so that it leaves nothing behind.
					if err := part.step(m, context.WithoutCancel(ctx), client, worker, turn); err != nil {
						m.fail(fmt.Errorf("%s: %w", part.name, err))
					}
					select {
					case <-ticker.C:
					case <-ctx.Done():
						return
					}
				}
			})
		}
	}
	return m
}

// end waits until the last steps are gone through.
func (m *mix) end() {
	m.stop()
	m.ending.Wait()
}

func (m *mix) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.errors++; len(m.refused) < keptNotes {
		m.refused = append(m.refused, err.Error())
	}
}

func (m *mix) node(turn int) *node { return m.c.nodes[turn%len(m.c.nodes)] }

// expect asks a question, on another node than the one that changed something, and notes a wrong answer.
func (m *mix) expect(ctx context.Context, c *caller, turn int, store, token string, t tupleKey, want bool) error {
	n := m.node(turn + 1)
	got, err := c.check(ctx, n, store, token, t)
	if err != nil {
		return err
	}
	m.answered.Add(1)
	if got != want {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.wrong) < keptNotes {
			m.wrong = append(m.wrong, fmt.Sprintf("%s answers %t for %v in store %s at token %s, not %t", n.name, got, t, store, token, want))
		}
	}
	return nil
}

// grantsPerWorker is how many different tuples a client writes and deletes.
const grantsPerWorker = 500

func (m *mix) grantAndRevoke(ctx context.Context, c *caller, worker, turn int) error {
	n, store := m.node(turn), m.s.stores[0].ID
	t := tuple("user:soak", "editor", fmt.Sprintf("doc:soak-%d-%d", worker, turn%grantsPerWorker))
	asked := tuple(t.User, "edit", t.Object)
	for _, kind := range []string{"writes", "deletes"} {
		var token string
		if err := c.write(ctx, n, store, kind, t, &token); err != nil {
			return err
		}
		m.changes.Add(1)
		if err := m.expect(ctx, c, turn, store, token, asked, kind == "writes"); err != nil {
			return err
		}
	}
	return nil
}

// logInAndOut is about the first half of the people: a session opens what needs one, and a revocation closes it.
func (m *mix) logInAndOut(ctx context.Context, c *caller, _, turn int) error {
	n, id := m.node(turn), m.s.ids[turn%(people/2)]
	base := "/ostiary/v1/stores/" + m.s.people
	asked := tuple("user:"+id, "can_view", "document:1")
	for _, step := range []struct {
		path string
		body any
		want bool
	}{
		{base + "/sessions", map[string]any{"organization_id": "acme", "user_id": id, "client_id": "portal", "auth_time": time.Now().UTC()}, true},
		{base + "/session-revocations", map[string]any{"organization_id": "acme", "user_id": id}, false},
	} {
		token, err := c.call(ctx, n, step.path, "", step.body, nil)
		if err != nil {
			return err
		}
		m.noted.Add(1)
		if err := m.expect(ctx, c, turn, m.s.people, token, asked, step.want); err != nil {
			return err
		}
	}
	return nil
}

// deactivateAndActivate is about the other half: the identity provider takes everything from somebody and gives it back.
func (m *mix) deactivateAndActivate(ctx context.Context, c *caller, _, turn int) error {
	id := m.s.ids[people/2+turn%(people/2)]
	for _, active := range []bool{false, true} {
		scim := m.scim(turn, c)
		answer, err := scim.SetActive(ctx, id, active)
		if err != nil {
			return err
		}
		m.noted.Add(1)
		asked := tuple("user:"+id, "viewer", "document:1")
		if err := m.expect(ctx, c, turn, m.s.people, answer.Header.Get("Ostiary-Token"), asked, active); err != nil {
			return err
		}
	}
	return nil
}

// hireAndFire provisions somebody and deletes the person again.
func (m *mix) hireAndFire(ctx context.Context, c *caller, _, turn int) error {
	scim := m.scim(turn, c)
	name := fmt.Sprintf("temp%d", turn)
	id, _, err := scim.Create(ctx, fakeidp.Person{UserName: name + "@acme.test", ExternalID: "00u" + name, GivenName: name})
	if err != nil {
		return err
	}
	m.noted.Add(2)
	_, err = scim.Delete(ctx, id)
	return err
}

// scim is a client of SCIM on a node, over the caller's connections.
func (m *mix) scim(turn int, c *caller) *fakeidp.SCIM {
	one := *m.s.scim[turn%len(m.s.scim)]
	one.Client = &http.Client{Timeout: callTimeout, Transport: c.client.Transport}
	return &one
}
