package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// migrateFlags are what 'import openfga' can be told.
type migrateFlags struct {
	url       string
	urlToken  string
	stores    []string
	state     string
	rejects   string
	maxTuples int
	sample    int
	recopy    bool
}

// maxSampledTuples bounds --sample: the sampled tuples are held in memory.
const maxSampledTuples = 100_000

func newImportCommand(a *app) *cobra.Command {
	return a.addClientFlags(group("import", "Copy what another server holds",
		"  ostiary import openfga --url http://127.0.0.1:8080 --server 127.0.0.1:9081",
		newImportOpenFGACommand(a)))
}

func newImportOpenFGACommand(a *app) *cobra.Command {
	var flags migrateFlags
	cmd := &cobra.Command{
		Use:   "openfga --url URL",
		Short: "Copy stores, models, tuples and assertions from a running OpenFGA",
		Long: `Copy stores, models, tuples with their conditions, and assertions from a running OpenFGA, over its HTTP
API, to the server of --server. Nothing is changed at the source.

A server chooses the ids of stores and models, so they change: the state file says which id became which.
It also says how far the import is. Run the same command again to go on after an interruption, and, after
the copy, to follow what was written to and deleted from the source since: new models, and every change of
a tuple. Run it a last time when the source takes no more writes.

At the end of every run the tuples of both servers are compared, and both are asked sampled checks. The
exit code is 1 where they differ, or where the server refused a tuple or a model.`,
		Example: `  ostiary import openfga --url http://127.0.0.1:8080 --server 127.0.0.1:9081
  OSTIARY_URL_TOKEN=secret ostiary import openfga --url https://fga.example.com --store acme --rejects rejects.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.importOpenFGA(cmd.Context(), flags) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.url, "url", "", "address of the HTTP API to copy from")
	f.StringVar(&flags.urlToken, "url-token", "", "key to authenticate with at --url (--token is for --server)")
	f.StringArrayVar(&flags.stores, "store", nil, "name or id of a store at --url, may be repeated (default: every store)")
	f.StringVar(&flags.state, "state", "ostiary-import.json", "file that says how far the import is and which id became which")
	f.StringVar(&flags.rejects, "rejects", "", "file for the tuples that the server refuses")
	f.IntVar(&flags.maxTuples, "max-tuples-per-write", defaultTuplesPerWrite, "tuples in one call to --server")
	f.IntVar(&flags.sample, "sample", 200, "tuples of each store about which both servers are asked in the end (0: none)")
	f.BoolVar(&flags.recopy, "recopy", false, "read all tuples of the source again, not only the changes")
	fromEnv(f, "url-token")
	return cmd
}

func (f migrateFlags) validate() error {
	var faults []error
	if f.url == "" {
		faults = append(faults, errors.New("--url is missing: pass the address of OpenFGA's HTTP API, such as http://127.0.0.1:8080"))
	}
	if f.maxTuples < 1 || f.maxTuples > maxTuplesPerWrite {
		faults = append(faults, fmt.Errorf("--max-tuples-per-write %d is not from 1 to %d", f.maxTuples, maxTuplesPerWrite))
	}
	if f.sample < 0 || f.sample > maxSampledTuples {
		faults = append(faults, fmt.Errorf("--sample %d is not from 0 to %d", f.sample, maxSampledTuples))
	}
	if len(faults) > 0 {
		return usagef("%v", errors.Join(faults...))
	}
	return nil
}

// migrator copies from a source to a target.
type migrator struct {
	app     *app
	flags   migrateFlags
	source  *client
	sourceC *restConn
	target  *client
	state   *migration
	rejects *rejects
	told    int // refusals told on stderr
}

// migrated is what a run did; it is the JSON answer.
type migrated struct {
	Stores  []*storeReport `json:"stores"`
	Same    bool           `json:"same"` // nothing was refused and no difference was found
	State   string         `json:"state"`
	Seconds float64        `json:"seconds"`
}

// storeReport is what a run did for one store, with counts of the whole import where it says so.
type storeReport struct {
	Name          string      `json:"name"`
	Source        string      `json:"source_id"`
	Target        string      `json:"target_id"`
	Models        int         `json:"models"`         // at the target, of the whole import
	ModelsRefused int         `json:"models_refused"` // of the whole import
	Copied        int64       `json:"tuples_copied"`
	Changes       int64       `json:"changes_followed"`
	Rejected      int64       `json:"tuples_rejected"` // of the whole import
	Assertions    int         `json:"assertions"`
	Comparison    *comparison `json:"comparison"`
}

func (r *storeReport) same() bool {
	return r.ModelsRefused == 0 && r.Rejected == 0 && r.Comparison.same()
}

func (a *app) importOpenFGA(ctx context.Context, flags migrateFlags) error {
	if err := flags.validate(); err != nil {
		return err
	}
	conn, err := newRESTConn("--url", flags.url, flags.urlToken, a.client.timeout)
	if err != nil {
		return err
	}
	state, err := openMigration(flags.state, conn.base.String(), a.client.server)
	if err != nil {
		return err
	}
	target, err := a.dial()
	if err != nil {
		return err
	}
	defer target.Close()
	rejects, err := openRejects(flags.rejects, "-", formatJSONL, "")
	if err != nil {
		return err
	}
	m := &migrator{
		app: a, flags: flags, sourceC: conn, target: target, state: state, rejects: rejects,
		source: &client{fga: openfgav1.NewOpenFGAServiceClient(retrying{conn}), address: conn.base.String()},
	}
	started := time.Now()
	result, err := m.run(ctx)
	if err := errors.Join(err, rejects.close()); err != nil {
		return fmt.Errorf("import from %s: %w", conn.base, err)
	}
	result.Seconds = time.Since(started).Seconds()
	return a.printMigrated(result)
}

func (m *migrator) run(ctx context.Context) (*migrated, error) {
	stores, err := m.chosenStores(ctx)
	if err != nil {
		return nil, err
	}
	result := &migrated{Stores: []*storeReport{}, Same: true, State: m.state.path}
	for _, store := range stores {
		report, err := m.copyStore(ctx, store)
		if err != nil {
			return nil, fmt.Errorf("store %q (%s): %w; run the command again to go on", store.GetName(), store.GetId(), err)
		}
		result.Stores = append(result.Stores, report)
		result.Same = result.Same && report.same()
	}
	return result, nil
}

// chosenStores returns the stores of the source that are to be copied.
func (m *migrator) chosenStores(ctx context.Context) ([]*openfgav1.Store, error) {
	var chosen []*openfgav1.Store
	found := map[string]int{}
	err := m.source.eachStore(ctx, "", func(s *openfgav1.Store) {
		for _, wanted := range m.flags.stores {
			if wanted == s.GetName() || wanted == s.GetId() {
				found[wanted]++
			}
		}
		if len(m.flags.stores) == 0 || slices.Contains(m.flags.stores, s.GetName()) || slices.Contains(m.flags.stores, s.GetId()) {
			chosen = append(chosen, s)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("list the stores: %w", err)
	}
	for _, wanted := range m.flags.stores {
		switch n := found[wanted]; {
		case n == 0:
			return nil, usagef("--store %q: %s has no store of that name or id", wanted, m.source.address)
		case n > 1:
			return nil, usagef("--store %q: %d stores of %s are called so: pass an id", wanted, n, m.source.address)
		}
	}
	if len(chosen) == 0 {
		m.app.talkf("%s has no stores", m.source.address)
	}
	return chosen, nil
}

func (m *migrator) copyStore(ctx context.Context, store *openfgav1.Store) (*storeReport, error) {
	s, err := m.targetStore(ctx, store)
	if err != nil {
		return nil, err
	}
	report := &storeReport{Name: s.Name, Source: s.Source, Target: s.Target}
	if err := m.copyModels(ctx, s); err != nil {
		return nil, err
	}
	if len(s.targets()) > 0 { // without a model there are no tuples to be written
		if err := m.copyTuples(ctx, s, report); err != nil {
			return nil, err
		}
		if err := m.followChanges(ctx, s, report); err != nil {
			return nil, err
		}
		if report.Assertions, err = m.copyAssertions(ctx, s); err != nil {
			return nil, err
		}
	}
	report.Models = len(s.targets())
	report.ModelsRefused = len(s.Models) - report.Models
	report.Rejected = s.Tuples.Rejected
	if report.Comparison, err = m.compare(ctx, s); err != nil {
		return nil, err
	}
	return report, nil
}

func (a *app) printMigrated(result *migrated) error {
	if a.json() {
		if err := a.printJSON(result); err != nil {
			return err
		}
	} else {
		for _, s := range result.Stores {
			a.printf("%s  %s -> %s", a.paintOut(bold, s.Name), s.Source, s.Target)
			a.printf("  %s, %s copied, %s followed, %s", count(s.Models, "model"), count(int(s.Copied), "tuple"),
				count(int(s.Changes), "change"), count(s.Assertions, "assertion"))
			if s.Rejected > 0 || s.ModelsRefused > 0 {
				a.printf("  %s: %s, %s", a.paintOut(red, "refused by the server"), count(s.ModelsRefused, "model"), count(int(s.Rejected), "tuple"))
			}
			for _, line := range s.Comparison.lines() {
				a.printf("  %s", line)
			}
		}
		a.printf("%s in %.1f s; ids and progress are in %s", count(len(result.Stores), "store"), result.Seconds, result.State)
	}
	if !result.Same {
		a.talkf("the servers differ: when the source takes no more writes, run the command again; --recopy reads everything anew")
		return errReported
	}
	return nil
}
