package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"testing"
	"time"

	"github.com/ostiary/ostiary/bench/workload"
)

// startEcho serves an Echo and returns its addresses.
func startEcho(t *testing.T) map[Protocol]string {
	t.Helper()
	listeners := make([]net.Listener, 2)
	for i := range listeners {
		var err error
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Echo{}.Serve(ctx, listeners[0], listeners[1]) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("serve the echo: %v", err)
		}
	})
	return map[Protocol]string{GRPC: listeners[0].Addr().String(), HTTP: listeners[1].Addr().String()}
}

func smallOrg(t *testing.T) *workload.Workload {
	t.Helper()
	w, err := workload.New("org", workload.Options{Scale: workload.Small, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestRunAgainstTheEcho(t *testing.T) {
	addresses := startEcho(t)
	w := smallOrg(t)
	for protocol, address := range addresses {
		for _, op := range []Operation{OpCheck, OpBatchCheck, OpList, OpListUsers, OpWrite, OpWrite100, OpMixed, OpDelete} {
			t.Run(string(protocol)+"/"+string(op), func(t *testing.T) {
				target := Target{Address: address, Protocol: protocol}
				stores, err := Seed(t.Context(), target, w, func(int) {})
				if err != nil {
					t.Fatal(err)
				}
				report := runUntilAnswered(t, Options{
					Target: target, Workload: w, Stores: stores, Operation: op,
					Concurrency: 2, Warmup: 20 * time.Millisecond,
					Pool: 100, Prefill: 100_000, ServerPIDs: []int{os.Getpid()},
				})
				if report.Requests == 0 || report.Failed != 0 {
					t.Fatalf("%d requests, %d failed: %v", report.Requests, report.Failed, report.ErrorExamples)
				}
				if op == OpCheck && *report.AllowedShare != 0 {
					t.Errorf("the echo allowed a share of %v", *report.AllowedShare)
				}
				want := map[Operation]float64{OpBatchCheck: 50, OpWrite100: 100, OpList: 0, OpListUsers: 0}
				if items, listed := want[op]; listed && report.ItemsPerRequest != items {
					t.Errorf("%v items a request, want %v", report.ItemsPerRequest, items)
				}
				var text bytes.Buffer
				if err := report.WriteTable(&text); err != nil {
					t.Fatal(err)
				}
				data, err := json.Marshal(report)
				if err != nil {
					t.Fatal(err)
				}
				again, err := ReadReport(bytes.NewReader(data))
				if err != nil || again.Latency != report.Latency {
					t.Errorf("read what was written: %v, %+v", err, again)
				}
			})
		}
	}
}

// runUntilAnswered runs for longer and longer until something is answered in the measured time: on a busy
// machine that may take a while.
func runUntilAnswered(t *testing.T, o Options) *Report {
	t.Helper()
	for o.Duration = 120 * time.Millisecond; ; o.Duration *= 4 {
		report, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if report.Requests+report.Failed > 0 || o.Duration > 20*time.Second {
			return report
		}
	}
}

// TestOpenLoopCountsFromWhenDue holds up a server and finds the wait in the latencies of all requests
// that fell due meanwhile.
func TestOpenLoopCountsFromWhenDue(t *testing.T) {
	hold := &heldConnection{until: time.Now().Add(200 * time.Millisecond)}
	start := time.Now()
	w := &worker{
		protocol: GRPC, connection: hold, tally: newTally(),
		next:   func() (*request, error) { return &request{method: methodWrite, items: 1}, nil },
		window: window{from: start, until: start.Add(100 * time.Millisecond), slot: 100 * time.Millisecond},
	}
	total, err := drive(t.Context(), []*worker{w}, 1000, start)
	if err != nil {
		t.Fatal(err)
	}
	latency := total.parts[partMain].latency
	if latency.n != 100 {
		t.Errorf("%d requests, want the 100 that fell due", latency.n)
	}
	// The last of them fell due 100 ms before the server went on.
	if first := latency.quantile(0.01); first < 90*time.Millisecond {
		t.Errorf("the shortest latency is %v: it counts from when the request was sent", first)
	}
}

// heldConnection answers nothing before a time.
type heldConnection struct{ until time.Time }

func (c *heldConnection) call(_ context.Context, _ *request, message func([]byte)) error {
	time.Sleep(time.Until(c.until))
	message(nil)
	return nil
}

func (c *heldConnection) close() error { return nil }

// TestRunCountsRefusals asks for streams over HTTP, which the echo does not have.
func TestRunCountsRefusals(t *testing.T) {
	report := runUntilAnswered(t, Options{
		Target: Target{Address: startEcho(t)[HTTP], Protocol: HTTP}, Workload: smallOrg(t), Stores: []Store{{ID: "x"}},
		Operation: OpStreamed, Digest: -1, Pool: 10,
	})
	if report.Requests != 0 || report.Failed == 0 || report.Errors["http 404"] != report.Failed || report.Latency.Count != 0 {
		t.Errorf("%d requests, %d failed, errors %v, %d latencies", report.Requests, report.Failed, report.Errors, report.Latency.Count)
	}
}

func TestOptionsAreJudged(t *testing.T) {
	_, err := Run(t.Context(), Options{Workload: smallOrg(t), Operation: OpCheck, Concurrency: -1, Rate: -1})
	if err == nil {
		t.Fatal("a run with no store, no duration and a negative rate began")
	}
}
