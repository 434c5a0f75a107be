package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// importFlags are what 'tuple import' can be told.
type importFlags struct {
	format      string
	rejects     string
	maxTuples   int
	concurrency int
	onDuplicate string
	model       string
}

// The bounds of the flags of 'tuple import'.
const (
	defaultTuplesPerWrite = 100    // OpenFGA's default limit on one Write call
	maxTuplesPerWrite     = 10_000 // a server may have been told to take more than the default
	maxImportConcurrency  = 256
)

func newTupleImportCommand(a *app) *cobra.Command {
	var flags importFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Load tuples from a CSV, JSON or JSON lines file",
		Long: `Load tuples from a file; '-' is standard input. Tuples that exist are kept, so that an import can be
repeated. A row that cannot be loaded is reported with its file and line, does not stop the others, and
makes the exit code 1. --rejects collects such rows in a file that can be corrected and imported again.

CSV begins with a header of these columns, in any order, the ones in brackets optional:
  user_type,user_id,[user_relation,]relation,object_type,object_id[,condition_name,condition_context]
JSON is an array of {"user","relation","object","condition":{"name","context"}}, JSON lines one such
object a line. Lines of CSV and JSON lines that begin with # are comments.`,
		Example: `  ostiary tuple import tuples.csv
  ostiary tuple import tuples.jsonl --rejects rejects.jsonl
  gunzip < tuples.csv.gz | ostiary tuple import - --format csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.importFile(cmd.Context(), args[0], flags) },
	}
	cmd.Flags().StringVar(&flags.format, "format", "", "csv, json or jsonl (default: what the name of FILE ends in)")
	cmd.Flags().StringVar(&flags.rejects, "rejects", "", "file for the rows that cannot be loaded")
	cmd.Flags().IntVar(&flags.maxTuples, "max-tuples-per-write", defaultTuplesPerWrite, "tuples in one call")
	cmd.Flags().IntVar(&flags.concurrency, "concurrency", 16, "calls under way at once")
	cmd.Flags().StringVar(&flags.onDuplicate, "on-duplicate", "ignore", "what to do about a tuple that exists: ignore or error")
	cmd.Flags().StringVar(&flags.model, "model", "", "id of the model to judge the tuples by (default: the newest)")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{formatCSV, formatJSON, formatJSONL}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f importFlags) validate() error {
	var faults []error
	if f.maxTuples < 1 || f.maxTuples > maxTuplesPerWrite {
		faults = append(faults, fmt.Errorf("--max-tuples-per-write %d is not from 1 to %d", f.maxTuples, maxTuplesPerWrite))
	}
	if f.concurrency < 1 || f.concurrency > maxImportConcurrency {
		faults = append(faults, fmt.Errorf("--concurrency %d is not from 1 to %d", f.concurrency, maxImportConcurrency))
	}
	if f.onDuplicate != "ignore" && f.onDuplicate != "error" {
		faults = append(faults, fmt.Errorf("--on-duplicate %q is neither ignore nor error", f.onDuplicate))
	}
	if len(faults) > 0 {
		return usagef("%v", errors.Join(faults...))
	}
	return nil
}

// imported is what an import did; it is the JSON answer.
type imported struct {
	Loaded   int64   `json:"loaded"` // tuples that are in the store now, new or there before
	Rejected int64   `json:"rejected"`
	Seconds  float64 `json:"seconds"`
}

func (a *app) importFile(ctx context.Context, name string, flags importFlags) error {
	if err := flags.validate(); err != nil {
		return err
	}
	format, err := fileFormat(name, flags.format)
	if err != nil {
		return err
	}
	in, size, err := a.openInput(name)
	if err != nil {
		return err
	}
	defer in.Close()
	rows, err := newRowReader(in, format)
	if err != nil {
		return fmt.Errorf("import %s: %w", displayName(name), err)
	}
	rejects, err := openRejects(flags.rejects, name, format, rows.rejectHeader())
	if err != nil {
		return err
	}
	c, store, err := a.storeClient(ctx)
	if err != nil {
		return errors.Join(err, rejects.close())
	}
	defer c.Close()

	started := time.Now()
	progress := a.newProgress("imported", size)
	var waiting sync.Once
	load := &importer{client: c, store: store, flags: flags, waiting: func() {
		waiting.Do(func() { a.talkf("the server is away; trying again for some seconds") })
	}}
	result := imported{}
	lastLine := 0
	err = load.run(ctx, rows, func(r row) error {
		lastLine = r.line
		if r.fault == nil {
			result.Loaded++
		} else {
			result.Rejected++
			progress.interrupt(func() { a.talkf("%s:%d: %v", displayName(name), r.line, r.fault) })
			if err := rejects.add(displayName(name), r); err != nil {
				return err
			}
		}
		progress.at(result.Loaded+result.Rejected, r.end)
		return nil
	})
	progress.finish()
	err = errors.Join(err, rejects.close())
	result.Seconds = time.Since(started).Seconds()
	if err != nil {
		return fmt.Errorf("import %s: stopped after line %d (%s loaded, %s rejected; a repeated import keeps what is there): %w",
			displayName(name), lastLine, thousands(result.Loaded), thousands(result.Rejected), err)
	}
	return a.printImported(result, flags.rejects)
}

func (a *app) printImported(result imported, rejects string) error {
	if a.json() {
		if err := a.printJSON(result); err != nil {
			return err
		}
	} else {
		rate := int64(float64(result.Loaded+result.Rejected) / max(result.Seconds, 0.001))
		a.printf("loaded %s, rejected %s (%.2f s, %s/s)",
			count(int(result.Loaded), "tuple"), thousands(result.Rejected), result.Seconds, thousands(rate))
	}
	if result.Rejected == 0 {
		return nil
	}
	if rejects != "" {
		a.talkf("the rejected rows are in %s: correct them, then 'ostiary tuple import %s'", rejects, rejects)
	} else {
		a.talkf("--rejects FILE collects the rejected rows, to be corrected and imported again")
	}
	return errReported
}

// openInput opens a file to import, and returns its size, 0 when that is not known.
func (a *app) openInput(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(a.in), 0, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	if info.IsDir() {
		return nil, 0, errors.Join(fmt.Errorf("import %s: it is a folder", name), file.Close())
	}
	if !info.Mode().IsRegular() {
		return file, 0, nil
	}
	return file, info.Size(), nil
}

// rejects collects the rows that could not be loaded. A nil *rejects collects nothing. The file is
// there from the start, so that one that cannot be written stops the import before it begins, and is
// removed again when no row was rejected.
type rejects struct {
	file   *os.File
	rows   int
	header string // written before the first row
}

// openRejects creates the file for rejected rows; no name is no file. The rows keep the form that
// they had, so that the file can be imported again, JSON of an array as JSON lines.
func openRejects(name, input, format, header string) (*rejects, error) {
	if name == "" {
		return nil, nil
	}
	want := formatCSV
	if format != formatCSV {
		want = formatJSONL
	}
	if ext := strings.ToLower(filepath.Ext(name)); ext != "" {
		if got, err := fileFormat(name, ""); err == nil && (got == formatCSV) != (want == formatCSV) {
			return nil, usagef("--rejects %s: rows of %s are rejected as %s; name the file .%s", name, displayName(input), want, want)
		}
	}
	if same, err := sameFile(name, input); err != nil {
		return nil, err
	} else if same {
		return nil, usagef("--rejects %s is the file that is imported", name)
	}
	file, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create the file for rejected rows: %w", err)
	}
	return &rejects{file: file, header: header}, nil
}

// sameFile reports whether two names lead to one file. One that does not exist is no other's.
func sameFile(a, b string) (bool, error) {
	first, err := os.Stat(a)
	if errors.Is(err, os.ErrNotExist) || b == "-" {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	second, err := os.Stat(b)
	if err != nil {
		return false, err
	}
	return os.SameFile(first, second), nil
}

func (r *rejects) add(name string, rejected row) error {
	if r == nil {
		return nil
	}
	reason := strings.ReplaceAll(rejected.fault.Error(), "\n", " ")
	_, err := fmt.Fprintf(r.file, "%s# %s:%d: %s\n%s\n", r.header, name, rejected.line, reason, rejected.raw)
	r.header = ""
	r.rows++
	if err != nil {
		return fmt.Errorf("write the rejected rows: %w", err)
	}
	return nil
}

func (r *rejects) close() error {
	if r == nil {
		return nil
	}
	err := r.file.Close()
	if err == nil && r.rows == 0 {
		err = os.Remove(r.file.Name())
	}
	if err != nil {
		return fmt.Errorf("write the rejected rows: %w", err)
	}
	return nil
}
