package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/fakeidp"
)

var offboardingTries = flag.Int("offboarding-tries", 0, "how many revocations TestOffboarding tries on each cluster (0: a few)")

// TestOffboarding ends the access of people, again and again, while they log in on every node: after the answer to
// a revocation or a deactivation no node allows anything by a session of before, at HIGHER_CONSISTENCY or at the token
// of the answer, and no login of before is let in. How long it takes until no node allows at default consistency is
// measured and logged. 'make offboarding TRIES=10000' is the long form.
func TestOffboarding(t *testing.T) {
	for _, test := range []struct {
		name   string
		clocks []time.Duration // how far each node's clock is ahead
	}{
		{"one node", []time.Duration{0}},
		{"three nodes, clocks five minutes apart", []time.Duration{0, 5 * time.Minute, -5 * time.Minute}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tries := *offboardingTries
			if tries == 0 {
				if tries = 100; testing.Short() {
					tries = 20
				}
			}
			w := newOffboarding(t, test.clocks)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute+time.Duration(tries)*time.Second)
			defer cancel()
			var left atomic.Int64
			left.Store(int64(tries))
			var workers sync.WaitGroup
			for i := range 4 {
				p := w.hire(fmt.Sprint("p", i))
				workers.Go(func() {
					for n := left.Add(-1); n >= 0 && !t.Failed(); n = left.Add(-1) {
						if err := w.try(ctx, p, int(n)); err != nil {
							t.Errorf("try %d: %v", n, err)
						}
					}
				})
			}
			workers.Wait()
			w.figures.report(t, tries)
			w.run("org", "verify", "acme", w.inStore())
		})
	}
}

// offboardingFigures are what the tries of a test have seen.
type offboardingFigures struct {
	mu                      sync.Mutex
	flips                   []time.Duration // from an answer until a node denies at default consistency
	logins, refused, denied int             // of racers, and checks that had to be denied
	idTokens                int             // tries with one
}

func (f *offboardingFigures) report(t *testing.T, tries int) {
	t.Helper()
	if t.Failed() {
		return
	}
	slices.Sort(f.flips)
	at := func(part float64) time.Duration {
		return f.flips[int(part*float64(len(f.flips)-1))].Round(10 * time.Microsecond)
	}
	t.Logf("%d revocations, %d of them after a login by an ID token, %d checks denied, of the racing logins %d let in before and %d refused", tries, f.idTokens, f.denied, f.logins, f.refused)
	t.Logf("until a node denies at default consistency: p50 %s, p99 %s, at most %s", at(0.5), at(0.99), at(1))
}

// try lets a person in, ends the person's access at some node while logins race, and sees that it has ended.
func (w *offboarding) try(ctx context.Context, p *hired, n int) error {
	var session, token string
	auth, idToken := w.now(), ""
	if second := auth.Truncate(time.Second); second.After(p.ended) { // auth_time counts seconds: an ID token can say that it is later
		var err error
		if idToken, err = w.idp.IDToken(fakeidp.Login{Subject: p.externalID, ClientID: offboardingApplication, AuthTime: second, SID: fmt.Sprint(p.id, n)}); err != nil {
			return err
		}
		auth = second
	}
	err := patiently(ctx, func() (err error) {
		if idToken != "" {
			session, token, err = w.showIDToken(ctx, w.any(), idToken)
		} else {
			session, token, err = w.logIn(ctx, w.any(), p, auth)
		}
		return err
	})
	if err != nil {
		return err
	}
	bySession, byPerson := asked{"viewer", "session:" + session}, asked{"can_view", "user:" + p.id}
	if err := w.allAtOnce(ctx, true, token, bySession, byPerson); err != nil {
		return err
	}
	race := w.race(ctx, p, session, auth, idToken)
	time.Sleep(time.Duration(rand.Int64N(int64(2 * time.Millisecond))))
	token, deactivated, err := w.end(ctx, p, n)
	if err != nil {
		race.stop()
		return err
	}
	race.answered()
	p.ended = w.now()
	flips := w.untilDenied(ctx, session)
	errs := []error{w.everywhere(ctx, false, token, bySession, byPerson)}
	let, refused, err := race.stop()
	questions := []asked{bySession, byPerson}
	for _, id := range let {
		questions = append(questions, asked{"viewer", "session:" + id})
	}
	if deactivated {
		questions = append(questions, asked{"viewer", "user:" + p.id})
	}
	errs = append(errs, err, w.allAtOnce(ctx, false, token, questions...))
	for _, n := range w.nodes {
		err := patiently(ctx, func() error { _, _, err := w.logIn(ctx, n, p, auth); return err })
		if refused++; status.Code(unwrapped(err)) != codes.FailedPrecondition {
			errs = append(errs, fmt.Errorf("a login at %s by an assertion of before: got %v, want that it is refused", n.server, err))
		}
		if idToken == "" {
			continue
		}
		err = patiently(ctx, func() error { _, _, err := w.showIDToken(ctx, n, idToken); return err })
		if refused++; status.Code(unwrapped(err)) != codes.PermissionDenied {
			errs = append(errs, fmt.Errorf("a login at %s by an ID token of before: got %v, want that it is refused", n.server, err))
		}
	}
	took, err := flips()
	errs = append(errs, err)
	w.figures.mu.Lock()
	w.figures.flips = append(w.figures.flips, took...)
	if idToken != "" {
		w.figures.idTokens++
	}
	w.figures.logins, w.figures.refused = w.figures.logins+len(let), w.figures.refused+refused
	w.figures.denied += (2 + len(questions)) * 2 * len(w.nodes)
	w.figures.mu.Unlock()
	if deactivated {
		errs = append(errs, patiently(ctx, func() error {
			_, err := w.any().scim.SetActive(ctx, p.id, true)
			return err
		}))
	}
	return errors.Join(errs...)
}

func (w *offboarding) any() *offboardingNode { return w.nodes[rand.IntN(len(w.nodes))] }

// end ends a person's access at some node, as Okta's Universal Logout does or otherwise, and returns the token of the
// answer.
func (w *offboarding) end(ctx context.Context, p *hired, n int) (token string, deactivated bool, err error) {
	err = patiently(ctx, func() error {
		node := w.any()
		var answer fakeidp.Answer
		var err error
		switch n % 10 {
		case 3:
			deactivated = true
			answer, err = node.scim.SetActive(ctx, p.id, false)
		case 7:
			var header metadata.MD
			_, err = node.sessions.RevokeSessions(ctx, &ostiaryv1.RevokeSessionsRequest{StoreId: w.store, UserId: p.id}, grpc.Header(&header))
			token = first(header.Get(headerToken))
			return err
		default:
			subject := []map[string]any{fakeidp.IssuerSubject(w.idp.Issuer(), p.externalID), fakeidp.Email(p.email), fakeidp.Opaque(p.id)}[n%3]
			// What the JWT names is the cluster's URL, also where the request goes to another node.
			answer, err = w.revokeAt(ctx, node, subject)
		}
		token = answer.Header.Get(headerToken)
		return err
	})
	if err == nil && token == "" {
		err = errors.New("the answer has no token")
	}
	return token, deactivated, err
}

// revokeAt sends a revocation, made for the cluster's URL, to a node.
func (w *offboarding) revokeAt(ctx context.Context, n *offboardingNode, subject map[string]any) (fakeidp.Answer, error) {
	path := "/gtr/" + w.connection
	jwt, err := w.idp.RevocationToken(w.nodes[0].url+path, offboardingApplication, nil)
	if err != nil {
		return fakeidp.Answer{}, err
	}
	answer, err := fakeidp.RevokeBy(ctx, nil, n.url+path, jwt, subject)
	if err == nil {
		err = answer.Want("revoke", http.StatusNoContent)
	}
	return answer, err
}

// untilDenied asks every node at default consistency until it denies by a session. It returns at once; flips waits for
// the times that it took.
func (w *offboarding) untilDenied(ctx context.Context, session string) (flips func() ([]time.Duration, error)) {
	began := time.Now()
	took, failed := make([]time.Duration, len(w.nodes)), make([]error, len(w.nodes))
	var running sync.WaitGroup
	for i, n := range w.nodes {
		running.Go(func() {
			for allowed := true; allowed && failed[i] == nil; {
				allowed, failed[i] = n.check(ctx, w.store, "viewer", "session:"+session, freshness{})
			}
			took[i] = time.Since(began)
		})
	}
	return func() ([]time.Duration, error) {
		running.Wait()
		return took, errors.Join(failed...)
	}
}

// loginRace is a person's logins by an assertion of before, and touches of a session, on every node.
type loginRace struct {
	ended   atomic.Bool  // the racers stop
	over    atomic.Int64 // when the answer came, by this machine's clock in ns; 0: not yet
	running sync.WaitGroup

	mu      sync.Mutex
	let     []string // sessions
	refused int
	errs    []error
}

// racerCalls bounds the logins and touches of one racer.
const racerCalls = 6

// race starts one racer for each node, and returns once each has logged in.
func (w *offboarding) race(ctx context.Context, p *hired, session string, auth time.Time, idToken string) *loginRace {
	r := &loginRace{}
	begun := make(chan struct{}, len(w.nodes))
	for _, n := range w.nodes {
		r.running.Go(func() {
			for i := 0; i < racerCalls && !r.ended.Load(); i++ {
				started := time.Now().UnixNano()
				what, id := "a login", ""
				var err error
				if i%3 == 2 {
					what = "a touch"
					_, err = n.sessions.TouchSession(ctx, &ostiaryv1.TouchSessionRequest{StoreId: w.store, Id: session, ExpiresAt: timestamppb.New(w.now().Add(24 * time.Hour))})
				} else if i%3 == 1 && idToken != "" {
					what = "a login by an ID token"
					id, _, err = w.showIDToken(ctx, n, idToken)
				} else {
					id, _, err = w.logIn(ctx, n, p, auth)
				}
				r.note(what, id, started, err)
				if i == 0 {
					begun <- struct{}{}
				}
			}
		})
	}
	for range w.nodes {
		<-begun
	}
	return r
}

// note keeps what became of a login or a touch.
func (r *loginRace) note(what, id string, started int64, err error) {
	over := r.over.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.refused++
		return
	case over != 0 && started > over:
		r.errs = append(r.errs, fmt.Errorf("%s that began %s after the answer was let in", what, time.Duration(started-over)))
	}
	if id != "" {
		r.let = append(r.let, id)
	}
}

// answered notes that access has ended: what begins from now on is refused.
func (r *loginRace) answered() { r.over.Store(time.Now().UnixNano()) }

// stop waits for the racers and returns the sessions that they were given, how often they were refused, and what they
// should not have got.
func (r *loginRace) stop() (let []string, refused int, err error) {
	r.ended.Store(true)
	r.running.Wait()
	return r.let, r.refused, errors.Join(r.errs...)
}
