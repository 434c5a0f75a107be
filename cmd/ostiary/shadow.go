package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// shadowFlags are what 'shadow' can be told.
type shadowFlags struct {
	primary        string
	secondary      string
	secondaryToken string
	listen         string
	ids            string
	sample         float64
	mirrorWrites   bool
	log            string
	every          time.Duration
	timeout        time.Duration
	concurrency    int
	listLimit      int
}

func newShadowCommand(a *app) *cobra.Command {
	var flags shadowFlags
	cmd := &cobra.Command{
		Use:   "shadow --primary URL --secondary URL",
		Short: "Forward live traffic to one server, ask another too, and report where they differ",
		Long: `Listen for OpenFGA's HTTP API and pass every request on to the primary, whose answer the client gets.
Questions (check, batch-check, list-objects, streamed-list-objects, list-users, read, expand) are asked of
the secondary too, afterwards and beside the client's way: it never waits for the secondary, and questions
are left out and counted when the secondary cannot keep up.

Answers are compared by what they say: lists as sets, errors by status and code. Where two differ, both
servers are asked once more after a moment, so that a write under way is not taken for a difference.
Not compared: what the primary refuses for want of a right, pages of read, lists that a limit cut.

--ids takes the state file of 'ostiary import openfga', and gives stores and models the ids that they have
at the other server, whichever of the two is the primary. --mirror-writes repeats tuple writes that the
primary took, in their order; models, stores and assertions are not mirrored.

A line on stderr says every --every how it stands; at SIGINT or SIGTERM a summary is printed. The exit code
is 1 where a difference was found, a write was not mirrored, or the secondary failed to answer. The lines
of --log hold questions and answers with the names of users and objects.`,
		Example: `  ostiary shadow --primary http://127.0.0.1:8080 --secondary http://127.0.0.1:9080 \
    --ids ostiary-import.json --mirror-writes --log differences.jsonl
  ostiary shadow --primary https://fga.example.com --secondary http://127.0.0.1:9080 --sample 0.05`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.shadow(cmd.Context(), flags) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.primary, "primary", "", "address of the HTTP API that answers the clients")
	f.StringVar(&flags.secondary, "secondary", "", "address of the HTTP API that is asked too")
	f.StringVar(&flags.secondaryToken, "secondary-token", "", "key to authenticate with at --secondary; the clients' own go to --primary alone")
	f.StringVar(&flags.listen, "listen", "127.0.0.1:8090", "address for the clients")
	f.StringVar(&flags.ids, "ids", "", "state file of 'ostiary import openfga' (default: ids are the same at both)")
	f.Float64Var(&flags.sample, "sample", 1, "share of the questions that the secondary is asked")
	f.BoolVar(&flags.mirrorWrites, "mirror-writes", false, "repeat tuple writes at the secondary")
	f.StringVar(&flags.log, "log", "", "file for the differences, one JSON object a line")
	f.DurationVar(&flags.every, "every", 10*time.Second, "pause between two lines on stderr")
	f.DurationVar(&flags.timeout, "timeout", 10*time.Second, "time that the secondary may take for one question")
	f.IntVar(&flags.concurrency, "concurrency", 16, "questions to the secondary at once")
	f.IntVar(&flags.listLimit, "list-limit", 1000, "length at which the servers cut lists: one so long is not compared")
	fromEnv(f, "secondary-token")
	return cmd
}

// maxShadowConcurrency bounds --concurrency.
const maxShadowConcurrency = 1024

func (f shadowFlags) validate() error {
	var faults []error
	if f.primary == "" || f.secondary == "" {
		faults = append(faults, errors.New("--primary and --secondary are needed: the addresses of two HTTP APIs"))
	}
	if !(f.sample > 0 && f.sample <= 1) {
		faults = append(faults, fmt.Errorf("--sample %v is not above 0 and at most 1", f.sample))
	}
	if f.concurrency < 1 || f.concurrency > maxShadowConcurrency {
		faults = append(faults, fmt.Errorf("--concurrency %d is not from 1 to %d", f.concurrency, maxShadowConcurrency))
	}
	if f.every <= 0 || f.timeout <= 0 {
		faults = append(faults, errors.New("--every and --timeout must be more than nothing"))
	}
	if f.listLimit < 1 {
		faults = append(faults, fmt.Errorf("--list-limit %d is less than 1", f.listLimit))
	}
	if len(faults) > 0 {
		return usagef("%v", errors.Join(faults...))
	}
	return nil
}

// shadowDrain bounds the time that requests and questions under way may take at the end.
const shadowDrain = 10 * time.Second

// shadow serves until ctx ends.
func (a *app) shadow(ctx context.Context, flags shadowFlags) (err error) {
	s, err := newShadow(flags)
	if err != nil {
		return err
	}
	if flags.log != "" {
		file, err := os.OpenFile(flags.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open the file for differences: %w", err)
		}
		defer file.Close()
		s.tally.log = file
	}
	listener, err := net.Listen("tcp", flags.listen)
	if err != nil {
		return fmt.Errorf("listen for clients (--listen): %w", err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	a.talkf("ready: http://%s answers from %s and asks %s", listener.Addr(), s.primary, s.secondary)
	if a.ready != nil {
		a.ready("", listener.Addr().String())
	}
	asking, stopAsking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAsking()
	var workers sync.WaitGroup
	s.start(asking, &workers)

	ticker := time.NewTicker(flags.every)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-ticker.C:
			a.talkf("%s  %s", time.Now().Format(time.TimeOnly), s.tally.summary().line())
		case <-ctx.Done():
			running = false
		case err := <-served:
			return fmt.Errorf("serve on %s: %w", listener.Addr(), err)
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), shadowDrain)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		_ = server.Close() // clients that do not end
	}
	s.end()
	stop := context.AfterFunc(ending, stopAsking)
	workers.Wait()
	stop()
	return a.printShadow(s.tally.summary())
}

func (a *app) printShadow(sum shadowSummary) error {
	if a.json() {
		if err := a.printJSON(sum); err != nil {
			return err
		}
	} else {
		rows := make([][]string, 0, len(sum.Questions))
		for _, q := range sum.Questions {
			rows = append(rows, []string{
				q.Kind, thousands(q.Agreed), thousands(q.Differed), thousands(q.Settled), thousands(q.NotComparable), thousands(q.Failed),
				q.Primary.text(), q.Secondary.text(),
			})
		}
		if err := a.printTable([]string{"QUESTION", "AGREE", "DIFFER", "SETTLED", "NOT COMPARABLE", "FAILED", "PRIMARY ms p50 p95 p99", "SECONDARY ms p50 p95 p99"}, rows); err != nil {
			return err
		}
		a.printf("%s", strings.Join(sum.notes(), "; "))
		if sum.LastFailure != "" {
			a.talkf("the secondary last failed with: %s", sum.LastFailure)
		}
	}
	if sum.Differed+sum.Failed+sum.WritesRefused+sum.WritesDropped > 0 {
		return errReported
	}
	return nil
}
