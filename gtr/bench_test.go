package gtr_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
)

// newBenchWorld has its data on a real folder, so that every change waits for its fsync.
func newBenchWorld(b *testing.B) *world {
	b.Helper()
	return newWorldIn(b, raftstore.Options{Dir: b.TempDir()}, nil)
}

// cpuTime returns the CPU time that the process has taken.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// together calls f for each number below n, by 32 goroutines.
func together(n int, f func(i int)) {
	var all sync.WaitGroup
	work := make(chan int)
	for range 32 {
		all.Go(func() {
			for i := range work {
				f(i)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	all.Wait()
}

// logInAs logs somebody in as an application reports it, with what the identity provider calls the session.
func (w *world) logInAs(u identity.User) {
	w.t.Helper()
	_, err := w.service.CreateSession(w.operator(), store, identity.SessionInput{
		Organization: "acme", User: u.ID, AuthNanos: w.backend.Now(), Client: "portal", Connection: w.connection.ID,
		Issuer: w.provider, SID: fmt.Sprint("sid", w.count.Add(1)), Device: "laptop", AMR: []string{"pwd", "otp"},
	})
	if err != nil {
		w.t.Error(err)
	}
}

// people makes people with sessions, whom the provider calls x0, x1, …
func (w *world) people(people, sessions int) []identity.User {
	w.t.Helper()
	ctx, d, err := w.service.Directory(w.t.Context(), w.connection.ID, "Bearer "+w.token(w.connection))
	if err != nil {
		w.t.Fatal(err)
	}
	made := make([]identity.User, people)
	together(people, func(i int) {
		var err error
		made[i], err = d.CreateUser(ctx, identity.UserInput{UserName: fmt.Sprint("user", i), ExternalID: fmt.Sprint("x", i), Active: true})
		if err != nil {
			w.t.Error(err)
			return
		}
		for range sessions {
			w.logInAs(made[i])
		}
	})
	return made
}

// BenchmarkRevocation revokes people with sessions, one after the other: asked by the provider over HTTP with an
// opaque token, with a JWT, and by an operator. Run it with a number of revocations, such as -benchtime 300x: so
// many people log in before.
func BenchmarkRevocation(b *testing.B) {
	for _, sessions := range []int{1, 100, 10_000} {
		for _, by := range []string{"token", "jwt", "operator"} {
			b.Run(fmt.Sprintf("sessions=%d/by=%s", sessions, by), func(b *testing.B) {
				w := newBenchWorld(b)
				people := w.people(b.N, sessions)
				shown := make([]string, b.N)
				token := w.token(w.connection, identity.ScopeRevoke)
				for i := range shown {
					if shown[i] = token; by == "jwt" {
						shown[i] = w.jwt(nil)
					}
				}
				took := make([]time.Duration, b.N)
				b.ReportAllocs()
				b.ResetTimer()
				cpu := cpuTime(b)
				for i, u := range people {
					begin := time.Now()
					if by == "operator" {
						if _, err := w.service.RevokeSessions(w.operator(), store, u.ID, "acme", "left"); err != nil {
							b.Fatal(err)
						}
					} else {
						w.post(w.path(), shown[i], w.named(fmt.Sprint("x", i))).want(http.StatusNoContent)
					}
					took[i] = time.Since(begin)
				}
				b.StopTimer()
				b.ReportMetric((cpuTime(b)-cpu).Seconds()*1e3/float64(b.N), "cpu-ms/op")
				for _, u := range []identity.User{people[0], people[b.N-1]} {
					if n := w.live(u); n != 0 {
						b.Errorf("%d sessions are left", n)
					}
				}
				slices.Sort(took)
				b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
				b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
			})
		}
	}
}

// BenchmarkRevocations revokes people with one session each, by 32 clients. Run it with a number of revocations,
// such as -benchtime 5000x.
func BenchmarkRevocations(b *testing.B) {
	w := newBenchWorld(b)
	token := w.token(w.connection, identity.ScopeRevoke)
	w.people(b.N, 1)
	b.ReportAllocs()
	b.ResetTimer()
	cpu := cpuTime(b)
	together(b.N, func(i int) { w.post(w.path(), token, w.named(fmt.Sprint("x", i))).want(http.StatusNoContent) })
	b.StopTimer()
	b.ReportMetric((cpuTime(b)-cpu).Seconds()*1e3/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "revocations/s")
}
