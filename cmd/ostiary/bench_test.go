package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/bench"
	"github.com/ostiary/ostiary/bench/workload"
)

// benchArgs are a run of a fraction of a second against a server.
func benchArgs(addr string, more ...string) []string {
	return append([]string{"bench", "run", "--addr", addr, "--scale", "small", "--warmup", "50ms", "--duration", "150ms", "--pool", "500"}, more...)
}

func TestBenchRun(t *testing.T) {
	// What is slow on a busy machine is not to fail.
	grpcAddr, url := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) { o.limits.RequestTimeout = time.Minute })
	c := newCLI(t, grpcAddr)
	digests := map[string]string{}
	for _, op := range bench.Operations() {
		for protocol, args := range map[string][]string{
			"grpc": benchArgs(grpcAddr), "http": benchArgs(strings.TrimPrefix(url, "http://"), "--http"),
		} {
			t.Run(string(op)+"/"+protocol, func(t *testing.T) {
				c := &cli{t: t, env: c.env}
				report, _ := benchUntilAnswered(t, c, 1, append(args, "--op", string(op), "--prefill", "2000", "--output", "json"))
				if report.Requests == 0 || report.Failed > 0 {
					t.Fatalf("%d requests, %d failed: %v", report.Requests, report.Failed, report.ErrorExamples)
				}
				if op == bench.OpCheckHit && *report.AllowedShare != 1 || op == bench.OpCheckMiss && *report.AllowedShare != 0 {
					t.Errorf("a share of %v is allowed", *report.AllowedShare)
				}
				if report.Questions.Digest != "" {
					if other := digests[string(op)]; other != "" && other != report.Questions.Digest {
						t.Errorf("over %s the answers differ from those over the other protocol", protocol)
					}
					digests[string(op)] = report.Questions.Digest
				}
			})
		}
	}
}

// benchUntilAnswered runs for longer and longer until enough is answered in the measured time, and something
// of each part of a mixed load: on a busy machine that may take a while. It returns the report as text too.
func benchUntilAnswered(t *testing.T, c *cli, enough int64, args []string) (*bench.Report, string) {
	t.Helper()
	for _, duration := range []string{"150ms", "1s", "5s", "20s"} {
		out := c.must(append(args, "--duration", duration)...)
		report, err := bench.ReadReport(strings.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if report.Requests >= enough && (report.Operation != bench.OpMixed || report.Parts["write"].Count > 0) {
			return report, out
		}
	}
	t.Fatalf("%d requests, or no write of a mixed load, were not answered in 20 seconds", enough)
	return nil, ""
}

func TestBenchOpenLoop(t *testing.T) {
	c := newCLI(t, "")
	out := c.must(benchArgs(startNode(t, api.Anonymous()), "--rate", "200", "--output", "json")...)
	report, err := bench.ReadReport(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if report.Requests != 30 {
		t.Errorf("%d requests at 200 a second for 0.15 s, want 30", report.Requests)
	}
}

func TestBenchFresh(t *testing.T) {
	grpcAddr, url := startNodeHTTP(t, api.Anonymous())
	for _, args := range [][]string{{grpcAddr}, {strings.TrimPrefix(url, "http://"), "--http"}} {
		out := newCLI(t, "").must(benchArgs(args[0], append(args[1:], "--op", "fresh", "--tries", "40")...)...)
		wantContains(t, "report", out, "600 right, 0 wrong")
	}
}

// TestBenchLag writes at a server and asks it, and then asks one that denies everything.
func TestBenchLag(t *testing.T) {
	w, err := workload.New("org", workload.Options{Scale: workload.Small, Seed: workload.DefaultSeed})
	if err != nil {
		t.Fatal(err)
	}
	at := func(address string) bench.Target { return bench.Target{Address: address, Protocol: bench.GRPC} }
	o := bench.LagOptions{Writer: at(startNode(t, api.Anonymous())), Workload: w, Writes: 20}
	o.Reader = o.Writer
	if o.Stores, err = bench.Seed(t.Context(), o.Writer, w, func(int) {}); err != nil {
		t.Fatal(err)
	}
	report, err := bench.Lag(t.Context(), o)
	if err != nil || report.Visible.Count != 20 || report.Write.P50 == 0 || report.Visible.P50 == 0 || report.Plain.P50 == 0 {
		t.Errorf("20 writes and the checks after them: %+v, %v", report, err)
	}
	o.Reader = at(startBenchEcho(t))
	if _, err := bench.Lag(t.Context(), o); err == nil || !strings.Contains(err.Error(), "denies") {
		t.Errorf("a node that does not see the writes: %v", err)
	}
}

// TestBenchFreshFindsStaleAnswers asks a server that denies everything: the grants that it does not see
// are wrong answers.
func TestBenchFreshFindsStaleAnswers(t *testing.T) {
	code, out, _ := newCLI(t, "").run(benchArgs(startBenchEcho(t), "--op", "fresh", "--tries", "10")...)
	if code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	wantContains(t, "report", out, "50 wrong", "list-users", "check says false")
}

func startBenchEcho(t *testing.T) (grpcAddr string) {
	t.Helper()
	a, _, _ := newCLI(t, "").app("")
	addresses := make(chan string, 1)
	a.ready = func(grpcAddr, _ string) { addresses <- grpcAddr }
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- a.run(ctx, []string{"bench", "echo", "--grpc-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"})
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != exitDone {
			t.Errorf("the echo ends with exit code %d", code)
		}
	})
	return <-addresses
}

func TestBenchCompare(t *testing.T) {
	c := newCLI(t, "")
	dir := t.TempDir()
	reports := map[string]string{}
	for name, addr := range map[string]string{"ostiary": startNode(t, api.Anonymous()), "echo": startBenchEcho(t)} {
		page := filepath.Join(dir, name+".html")
		// As many as it takes to draw a slowest hundredth.
		_, out := benchUntilAnswered(t, c, 300, benchArgs(addr, "--output", "json", "--name", name, "--html", page))
		reports[name] = write(t, name+".json", out)
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		wantContains(t, "page", string(text), "<svg", "99 %", name, "Throughput over time")
		if strings.Contains(string(text), "http") || strings.Contains(string(text), "<script") {
			t.Errorf("the page fetches something or runs a script")
		}
	}
	code, out, err := c.run("bench", "compare", reports["echo"], reports["ostiary"])
	if code != exitFailed {
		t.Errorf("exit code %d, want %d: the echo's answers are wrong; stderr %s", code, exitFailed, err)
	}
	wantContains(t, "comparison", out, "requests per second", "the answers to the same", "A: echo", "B: ostiary")
	var comparison bench.Comparison
	if err := json.Unmarshal([]byte(c.must("bench", "compare", reports["ostiary"], reports["ostiary"], "--output", "json")), &comparison); err != nil {
		t.Fatal(err)
	}
	if comparison.AnswersDiffer || comparison.Metrics[0].Ratio != 1 {
		t.Errorf("a report differs from itself: %+v", comparison)
	}
}

func TestBenchSeedReuse(t *testing.T) {
	addr := startNode(t, api.Anonymous())
	c := newCLI(t, addr)
	ids := strings.Fields(c.must("bench", "seed", "--addr", addr, "--scale", "small"))
	c.must(benchArgs(addr, ids...)...)
	tuples := filepath.Join(t.TempDir(), "tuples.csv")
	model := filepath.Join(t.TempDir(), "model.fga")
	c.must("bench", "seed", "--scale", "small", "--file", tuples, "--model-file", model)
	c.must("store", "create", "again", "--use")
	c.must("model", "write", model)
	c.must("tuple", "import", tuples)
	code, out, err := c.run("bench", "seed", "--scale", "small")
	if code != exitUsage {
		t.Errorf("a seed of nothing: exit code %d\n%s%s", code, out, err)
	}
}

func TestBenchStartsAServer(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the binary")
	}
	a, out, talk := newCLI(t, "").app("")
	a.executable = buildBinary(t)
	code := a.run(t.Context(), []string{"bench", "run", "--scale", "small", "--warmup", "0s", "--duration", "200ms", "--pool", "500", "--cold", "--", "--history-retention", "1h"})
	if code != exitDone {
		t.Fatalf("exit code %d\n%s%s", code, out, talk)
	}
	wantContains(t, "report", out.String(), "p99.9", "CPU a request", "inside it", "Check: p50", "errors       none")
	code = a.run(t.Context(), []string{"bench", "run", "--", "--no-such-flag"})
	if code == exitDone {
		t.Error("a server with a flag that it does not know starts")
	}
	wantContains(t, "talk", talk.String(), "no-such-flag")
}

func TestBenchUsage(t *testing.T) {
	for _, args := range [][]string{
		{"--op", "think"}, {"--workload", "nothing"}, {"--scale", "tiny"},
		{"--addr", "127.0.0.1:1", "--", "--dev"}, {"--addr", "127.0.0.1:1", "--cold"}, {"--addr", "127.0.0.1:1", "--store", "a,b", "--model", "c"},
	} {
		code, out, err := newCLI(t, "").run(append([]string{"bench", "run"}, args...)...)
		if code != exitUsage {
			t.Errorf("%q: exit code %d, want %d\n%s%s", args, code, exitUsage, out, err)
		}
	}
}
