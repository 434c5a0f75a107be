package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/bench/workload"
)

// FreshOptions configures Fresh. Target, Workload and Stores are required.
type FreshOptions struct {
	Target      Target
	Workload    *workload.Workload
	Stores      []Store
	Tries       int // grants to write and revoke
	Concurrency int // zero means 16
	Progress    func(text string)
}

// FreshReport is what Fresh saw.
type FreshReport struct {
	Format      string         `json:"format"`
	Name        string         `json:"name,omitempty"`
	Target      ReportTarget   `json:"target"`
	Workload    ReportWorkload `json:"workload"`
	Tries       int64          `json:"tries"`
	Concurrency int            `json:"concurrency"`
	Elapsed     float64        `json:"elapsed_seconds"`
	Answers     int64          `json:"answers"` // that were compared
	// Wrong counts answers that were not those of the newest acknowledged write, by the path that gave
	// them.
	Wrong     int64            `json:"wrong_answers"`
	WrongBy   map[string]int64 `json:"wrong_answers_by_path"`
	Example   string           `json:"example,omitempty"`
	CheckedBy []string         `json:"paths"`
}

// The paths on which a revoked grant is looked for.
var freshPaths = []string{"check", "batch-check", "list-objects", "streamed-list-objects", "list-users"}

// Fresh writes a grant, sees on every path that it allows, deletes it, and sees at once on every path
// that it does not any more, over and over: after an acknowledged write the same node may not answer
// from before it. Before the grant is written the check is asked too, so that a cache has something
// stale to offer.
func Fresh(ctx context.Context, o FreshOptions) (*FreshReport, error) {
	if o.Concurrency == 0 {
		o.Concurrency = defaultConcurrency
	}
	if o.Tries < 1 || o.Concurrency < 1 || len(o.Stores) != o.Workload.Stores {
		return nil, fmt.Errorf("fresh: %d tries, concurrency %d, %d stores for a workload of %d", o.Tries, o.Concurrency, len(o.Stores), o.Workload.Stores)
	}
	report := &FreshReport{
		Format: reportFormat, Target: ReportTarget{Address: o.Target.Address, Protocol: o.Target.Protocol},
		Workload: describe(o.Workload), Concurrency: o.Concurrency, WrongBy: map[string]int64{}, CheckedBy: freshPaths,
	}
	if o.Progress != nil {
		o.Progress(fmt.Sprintf("writing and revoking %d grants, and asking on every path", o.Tries))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var left, tried atomic.Int64
	left.Store(int64(o.Tries))
	var mu sync.Mutex
	var workers sync.WaitGroup
	start := time.Now()
	for i := range o.Concurrency {
		workers.Go(func() {
			err := withConnection(o.Target, func(c connection) error {
				f := &freshWorker{
					target: o.Target, connection: c, stores: o.Stores,
					questions: o.Workload.Questions(newTupleSeed(i)), wrong: map[string]int64{},
				}
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					f.addTo(report)
				}()
				for left.Add(-1) >= 0 {
					if err := f.try(ctx); err != nil {
						return err
					}
					tried.Add(1)
				}
				return nil
			})
			if err != nil {
				cancel(err)
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("after %d of %d tries: %w", tried.Load(), o.Tries, err)
	}
	report.Tries, report.Elapsed = tried.Load(), round(time.Since(start).Seconds(), 3)
	return report, nil
}

// freshWorker writes and revokes grants on one connection.
type freshWorker struct {
	target     Target
	connection connection
	stores     []Store
	questions  *workload.Questions
	answers    int64
	wrong      map[string]int64
	example    string
}

func (f *freshWorker) addTo(report *FreshReport) {
	report.Answers += f.answers
	for path, n := range f.wrong {
		report.WrongBy[path] += n
		report.Wrong += n
	}
	if report.Example == "" {
		report.Example = f.example
	}
}

// try writes one grant and revokes it.
func (f *freshWorker) try(ctx context.Context) error {
	store, grant, check := f.questions.Revocable()
	check.Store = store
	edges := []ostiary.Edge{grant}
	if err := f.ask(ctx, check, grant, false); err != nil {
		return err
	}
	if err := f.write(ctx, store, edges, nil); err != nil {
		return err
	}
	if err := f.ask(ctx, check, grant, true); err != nil {
		return err
	}
	if err := f.write(ctx, store, nil, edges); err != nil {
		return err
	}
	return f.ask(ctx, check, grant, false)
}

func (f *freshWorker) write(ctx context.Context, store int, writes, deletes []ostiary.Edge) error {
	message, err := writeMessage(f.stores[store], writes, deletes)
	if err != nil {
		return err
	}
	return f.target.roundTrip(ctx, f.connection, methodWrite, message, &openfgav1.WriteResponse{})
}

// ask asks the check on every path and counts the answers that are not want.
func (f *freshWorker) ask(ctx context.Context, check workload.Question, grant ostiary.Edge, want bool) error {
	for _, path := range freshPaths {
		got, certain, err := f.answer(ctx, path, check)
		if err != nil {
			return err
		}
		if !certain {
			continue
		}
		f.answers++
		if got != want {
			f.wrong[path]++
			if f.example != "" {
				continue
			}
			f.example = fmt.Sprintf("%s says %v to %s#%s@%s after the grant %s, want %v", path, got, check.Object, check.Relation, check.Subject, grant.Tuple, want)
		}
	}
	return nil
}

// answer asks on one path. A list that the server may have cut short is not certain to lack anything.
func (f *freshWorker) answer(ctx context.Context, path string, check workload.Question) (allowed, certain bool, err error) {
	switch path {
	case "check":
		message, err := checkMessage(f.stores, check)
		if err != nil {
			return false, false, err
		}
		answer := &openfgav1.CheckResponse{}
		err = f.target.roundTrip(ctx, f.connection, methodCheck, message, answer)
		return answer.GetAllowed(), true, err
	case "batch-check":
		return f.batchAnswer(ctx, check)
	case "list-objects":
		objects, err := listObjectsOnce(ctx, f.target, f.connection, f.stores, check)
		found := slices.Contains(objects, check.Object.String())
		return found, found || len(objects) < comparableResults, err
	case "streamed-list-objects":
		return f.streamedAnswer(ctx, check)
	}
	users, err := listUsersOnce(ctx, f.target, f.connection, f.stores, check)
	found := slices.Contains(users, check.Subject.String()) || slices.Contains(users, check.Subject.Type+":*")
	return found, found || len(users) < comparableResults, err
}

// batchAnswer asks the check twice in one batch: both answers have to agree.
func (f *freshWorker) batchAnswer(ctx context.Context, check workload.Question) (allowed, certain bool, err error) {
	message, err := batchMessage(f.stores, []workload.Question{check, check})
	if err != nil {
		return false, false, err
	}
	r, err := f.target.encode(methodBatchCheck, message, 2)
	if err != nil {
		return false, false, err
	}
	var answers []bool
	var readErr error
	err = f.connection.call(ctx, r, func(data []byte) { answers, readErr = f.target.batch(data, 2) })
	if err := errors.Join(err, readErr); err != nil {
		return false, false, err
	}
	if answers[0] != answers[1] {
		return false, false, fmt.Errorf("a batch answers %s#%s@%s with both yes and no", check.Object, check.Relation, check.Subject)
	}
	return answers[0], true, nil
}

func (f *freshWorker) streamedAnswer(ctx context.Context, check workload.Question) (allowed, certain bool, err error) {
	message, err := streamedMessage(f.stores, check)
	if err != nil {
		return false, false, err
	}
	r, err := f.target.encode(methodStreamed, message, 0)
	if err != nil {
		return false, false, err
	}
	n := 0
	var readErr error
	err = f.connection.call(ctx, r, func(data []byte) {
		object, err := f.target.Protocol.streamed(data)
		readErr = errors.Join(readErr, err)
		allowed = allowed || object == check.Object.String()
		n++
	})
	return allowed, allowed || n < comparableResults, errors.Join(err, readErr)
}

// WriteTable writes a report for people.
func (r *FreshReport) WriteTable(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "server\t%s over %s%s\n", r.Target.Address, r.Target.Protocol, named(r.Name))
	fmt.Fprintf(w, "workload\t%s/%s, %s tuples\n", r.Workload.Name, r.Workload.Scale, grouped(float64(r.Workload.Tuples)))
	fmt.Fprintf(w, "tries\t%s grants written and revoked in %.1f s, %d at once\n", grouped(float64(r.Tries)), r.Elapsed, r.Concurrency)
	fmt.Fprintf(w, "answers\t%s right, %s wrong\n", grouped(float64(r.Answers-r.Wrong)), grouped(float64(r.Wrong)))
	for _, path := range r.CheckedBy {
		if n := r.WrongBy[path]; n > 0 {
			fmt.Fprintf(w, "  %s\t%s wrong\n", path, grouped(float64(n)))
		}
	}
	if r.Example != "" {
		fmt.Fprintf(w, "example\t%s\n", r.Example)
	}
	return w.Flush()
}
