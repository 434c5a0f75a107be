package outbox_test

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/egress"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/outbox"
	"github.com/ostiary/ostiary/raftstore"
)

const store = "S"

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// backend adapts the real store, with a clock of the test's.
type backend struct {
	*raftstore.Store
	clock *clock
}

func (b backend) View(ctx context.Context, f ostiary.Freshness) (identity.View, error) {
	return b.Store.View(ctx, f)
}

func (b backend) Now() int64 { return time.Now().UnixNano() + b.clock.ahead.Load() }

// clock is ahead of the real one by what the test says. Who waits for it is woken when it is moved.
type clock struct {
	ahead atomic.Int64
	mu    sync.Mutex
	moved chan struct{}
}

func newClock() *clock { return &clock{moved: make(chan struct{})} }

func (c *clock) move(d time.Duration) {
	c.ahead.Add(int64(d))
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.moved)
	c.moved = make(chan struct{})
}

// after fires when the clock is moved, whatever the time: the worker looks at the clock again.
func (c *clock) after(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	moved := c.moved
	c.mu.Unlock()
	fired := make(chan time.Time, 1)
	go func() {
		select {
		case <-moved:
		case <-time.After(min(d, patience)):
		}
		fired <- time.Time{}
	}()
	return fired
}

// world is a store in memory with an organization, and a worker over it.
type world struct {
	t       *testing.T
	disk    vfs.FS
	raft    *raftstore.Store
	service *identity.Service
	backend backend
	clock   *clock
	client  *egress.Client
	leads   atomic.Bool
	stop    func()
	options func(*outbox.Options)

	raftOptions raftstore.Options
}

func newWorld(t *testing.T) *world { return newWorldWith(t, raftstore.Options{}) }

func newWorldWith(t *testing.T, o raftstore.Options) *world {
	t.Helper()
	w := &world{t: t, raftOptions: o, disk: vfs.NewMem(), clock: newClock(), client: egress.New(egress.Options{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Timeout: patience})}
	t.Cleanup(w.client.Close)
	w.leads.Store(true)
	w.open()
	t.Cleanup(func() {
		w.halt()
		if err := w.raft.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := w.raft.Propose(t.Context(), &ostiary.Mutation{
		TimeNanos: w.raft.Now(), Principal: ostiary.Principal{Kind: "preshared", Name: "test"},
		Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "store", Key: store}, Body: []byte("{}")}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.CreateOrganization(w.ctx(), store, "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	return w
}

// open opens the store as it is on the disk.
func (w *world) open() {
	w.t.Helper()
	o := w.raftOptions
	o.Dir, o.FS = "data", w.disk
	raft, err := raftstore.Open(w.t.Context(), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.raft, w.backend = raft, backend{raft, w.clock}
	w.service = identity.New(w.backend, identity.Options{})
}

func (w *world) ctx() context.Context {
	return ostiary.WithPrincipal(w.t.Context(), ostiary.Principal{Kind: "preshared", Name: "test"})
}

// work begins to work with some kinds; halt ends it.
func (w *world) work(kinds ...outbox.Kind) {
	w.t.Helper()
	o := outbox.Options{
		Backend: w.backend, Identity: w.service, Leads: w.leads.Load, Kinds: kinds, After: w.clock.after,
		Random: func(n int64) int64 { return n - 1 },
	}
	if w.options != nil {
		w.options(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		outbox.New(o).Run(ctx)
	}()
	w.stop = func() {
		cancel()
		<-ended
	}
}

func (w *world) halt() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// member makes a person of the organization.
func (w *world) member(user string) {
	w.t.Helper()
	if _, err := w.service.AddMember(w.ctx(), store, "acme", user); err != nil {
		w.t.Fatal(err)
	}
}

// end logs a person in and out, by n sessions, and returns their ids.
func (w *world) end(user, client string, n int) []string {
	w.t.Helper()
	var ids []string
	for range n {
		made, err := w.service.CreateSession(w.ctx(), store, identity.SessionInput{
			Organization: "acme", User: user, Client: client, AuthNanos: w.backend.Now()})
		if err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, made.ID)
	}
	if _, err := w.service.RevokeSessions(w.ctx(), store, user, "acme", "test"); err != nil {
		w.t.Fatal(err)
	}
	return ids
}

// until waits until a condition holds.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("it never holds that %s; waiting: %+v", what, w.queues())
		}
	}
}

func (w *world) view() identity.View {
	w.t.Helper()
	v, err := w.raft.View(w.t.Context(), ostiary.Freshness{})
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func (w *world) queues() []outbox.Backlog {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	all, err := outbox.Queues(w.t.Context(), v, store)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func (w *world) letters() []outbox.Letter {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	all, err := outbox.Letters(v, store, outbox.Filter{}, "", 100_000)
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// idle reports whether neither an event nor a delivery waits.
func (w *world) idle() bool {
	v := w.view()
	defer v.Close()
	events, err := v.CountDocuments(identity.Events)
	if err != nil {
		w.t.Fatal(err)
	}
	waiting, err := v.CountDocuments("outbox")
	if err != nil {
		w.t.Fatal(err)
	}
	return events+waiting == 0
}

// fake is a kind that tells each application of each session of its, and notes what it sent.
type fake struct {
	mu   sync.Mutex
	sent []outbox.Delivery
	// judge says what becomes of a delivery. Nil: it is taken.
	judge func(d outbox.Delivery) error
}

func (f *fake) Name() string { return "fake" }

func (f *fake) Route(_ context.Context, v identity.View, e identity.Event) (all []outbox.Delivery, err error) {
	for _, s := range e.Sessions {
		if _, there, err := identity.ApplicationIn(v, e.Store, s.Client); err != nil || !there {
			if err != nil {
				return nil, err
			}
			continue
		}
		all = append(all, outbox.Delivery{To: s.Client, User: e.User, Session: s.ID, Payload: []byte("of " + s.ID)})
	}
	return all, nil
}

func (f *fake) Send(_ context.Context, d outbox.Delivery) error {
	f.mu.Lock()
	f.sent = append(f.sent, d)
	judge := f.judge
	f.mu.Unlock()
	if string(d.Payload) != "of "+d.Session {
		return errors.New("the payload is another one")
	}
	if judge == nil {
		return nil
	}
	return judge(d)
}

// told returns how often each session was told, and fails the test where one was by several ids.
func (f *fake) told(t *testing.T) map[string]int {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	ids, n := map[string]string{}, map[string]int{}
	for _, d := range f.sent {
		if id := ids[d.Session]; id != "" && id != d.ID {
			t.Errorf("session %s was told by the ids %s and %s", d.Session, id, d.ID)
		}
		ids[d.Session] = d.ID
		n[d.Session]++
	}
	return n
}

// all returns what was sent, in its order.
func (f *fake) all() []outbox.Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

func (w *world) application(client string) {
	w.t.Helper()
	if _, err := w.service.CreateApplication(w.ctx(), identity.Application{
		Store: store, Client: client, Name: client, LogoutURI: "https://" + client + ".example/logout"}, ""); err != nil {
		w.t.Fatal(err)
	}
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func newFlag(on bool) *atomic.Bool {
	b := &atomic.Bool{}
	b.Store(on)
	return b
}
