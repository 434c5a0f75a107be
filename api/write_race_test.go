package api_test

import (
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
)

// racers is how many clients send the same request at once.
const racers = 16

// race sends the same request from all racers at once and returns their answers.
func race(t *testing.T, c client, method string, f fields) []answer {
	t.Helper()
	answers := make([]answer, racers)
	start := make(chan struct{})
	var clients sync.WaitGroup
	for i := range answers {
		clients.Go(func() {
			<-start
			answers[i] = c.ask(t, method, f)
		})
	}
	close(start)
	clients.Wait()
	return answers
}

func succeeded(a answer) bool { return a.code == codes.OK && a.status < 300 }

// A write that says to ignore what is there already, and a delete that says to ignore what is missing,
// succeed for everybody who sends them, whoever comes first. Without that exactly one succeeds.
func TestRacingWrites(t *testing.T) {
	onBoth(t, func(t *testing.T, _ *harness, c client) {
		store, _ := c.newStore(t, testModel)
		tuples := []string{"doc:1#parent@folder:a", "doc:1#viewer@group:eng#member", "doc:1#viewer@user:*", "doc:1#viewer@user:ann"}
		written := func(want []string) {
			t.Helper()
			if got := tupleTexts(t, c.ok(t, "Read", fields{"store_id": store})); !slices.Equal(got, want) {
				t.Fatalf("got tuples %q, want %q", got, want)
			}
		}
		write := func(side, option, value string) fields {
			k := keys(tuples...)
			k[option] = value
			return fields{"store_id": store, side: k}
		}
		for range 5 {
			for _, a := range race(t, c, "Write", write("writes", "on_duplicate", "ignore")) {
				if !succeeded(a) {
					t.Errorf("a write that ignores duplicates: got %d %d %s", a.code, a.status, a.message)
				}
			}
			written(tuples)
			for _, a := range race(t, c, "Write", write("deletes", "on_missing", "ignore")) {
				if !succeeded(a) {
					t.Errorf("a delete that ignores what is missing: got %d %d %s", a.code, a.status, a.message)
				}
			}
			written([]string{})
		}
		for _, side := range []struct{ name, option string }{{"writes", "on_duplicate"}, {"deletes", "on_missing"}} {
			won := 0
			for _, a := range race(t, c, "Write", write(side.name, side.option, "error")) {
				switch {
				case succeeded(a):
					won++
				case a.code != codeWriteFailed && a.name != "write_failed_due_to_invalid_input":
					t.Errorf("%s: got %d %q %s", side.name, a.code, a.name, a.message)
				}
			}
			if won != 1 {
				t.Errorf("%s: %d of %d racing clients succeeded, want 1", side.name, won, racers)
			}
		}
		if n := len(c.ok(t, "ReadChanges", fields{"store_id": store, "page_size": 100}).list(t, "changes")); n != 5*2*len(tuples)+2*len(tuples) {
			t.Errorf("got %d changes, want each tuple written and deleted once a round", n)
		}
	})
}

const codeWriteFailed = codes.Code(2017)
