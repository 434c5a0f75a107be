package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestRequestDeadline looks at the context of a request at its bound, with a client that has none, a
// later and an earlier one, and with and without somebody who waits for Done.
func TestRequestDeadline(t *testing.T) {
	const bound = 10 * time.Second
	for _, c := range []struct {
		name   string
		client time.Duration // 0: none
		ends   time.Duration
	}{
		{"no deadline of the client", 0, bound}, {"a later one", time.Minute, bound}, {"an earlier one", time.Second, time.Second},
	} {
		for _, waits := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					parent := t.Context()
					if c.client > 0 {
						var cancel context.CancelFunc
						parent, cancel = context.WithTimeout(parent, c.client)
						defer cancel()
					}
					start := time.Now()
					r := &request{Context: parent}
					r.endBy(start.Add(bound))
					defer r.end()
					if deadline, ok := r.Deadline(); !ok || deadline.Sub(start) != c.ends {
						t.Fatalf("deadline after %v, %v, want %v", deadline.Sub(start), ok, c.ends)
					}
					derived, cancel := context.WithTimeout(context.WithValue(r, valueKey{}, "v"), time.Hour)
					if !waits {
						cancel()
						derived = r
					}
					defer cancel()
					time.Sleep(c.ends - time.Nanosecond)
					if err := derived.Err(); err != nil {
						t.Fatalf("%v before its time", err)
					}
					if waits {
						<-derived.Done()
					} else {
						time.Sleep(time.Nanosecond)
					}
					synctest.Wait()
					if err := derived.Err(); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got %v at the deadline", err)
					}
					if took := time.Since(start); took != c.ends {
						t.Errorf("ended after %v, want %v", took, c.ends)
					}
				})
			})
		}
	}
}

// TestRequestCancelled cancels the transport's context: the request's ends with it, whether or not
// somebody waits.
func TestRequestCancelled(t *testing.T) {
	for _, waits := range []bool{false, true} {
		parent, cancel := context.WithCancel(t.Context())
		r := &request{Context: parent}
		r.endBy(time.Now().Add(time.Hour))
		if waits {
			r.Done()
		}
		cancel()
		if err := r.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("waits=%v: got %v after the client left", waits, err)
		}
		<-r.Done()
		r.end()
	}
}

// valueKey is the key of a value that a test puts into a context.
type valueKey struct{}
