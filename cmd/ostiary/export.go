package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

func newTupleExportCommand(a *app) *cobra.Command {
	var format, file string
	var consistency consistencyFlags
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Save all tuples of a store as CSV, JSON or JSON lines",
		Long: `Save all tuples of a store in a form that 'ostiary tuple import' reads, to a file or to stdout. The
file holds the store as it is at one revision: of what is written meanwhile, nothing.`,
		Example: `  ostiary tuple export tuples.csv
  ostiary tuple export --format jsonl | gzip > tuples.jsonl.gz
  ostiary tuple export yesterday.csv --as-of 2026-01-31T12:00:00Z`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file = "-"
			if len(args) == 1 {
				file = args[0]
			}
			if file == "-" && format == "" {
				format = formatCSV
			}
			format, err := fileFormat(file, format)
			if err != nil {
				return err
			}
			preference, err := consistency.preference()
			if err != nil {
				return err
			}
			c, store, err := a.storeClient(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			n := int64(0)
			progress := a.newProgress("exported", 0)
			err = a.writeOutput(file, func(w io.Writer) error {
				out := newRowWriter(w, format)
				request := &openfgav1.ReadRequest{StoreId: store, Consistency: preference}
				var rowErr error
				err := eachTuple(consistency.context(cmd.Context()), c, request, func(t *openfgav1.Tuple) bool {
					rowErr = out.write(t.GetKey())
					n++
					progress.at(n, 0)
					return rowErr == nil
				})
				if err := errors.Join(err, rowErr); err != nil {
					return err
				}
				return out.close()
			})
			progress.finish()
			if err != nil {
				return fmt.Errorf("export to %s: %w", displayName(file), err)
			}
			a.talkf("exported %s", count(int(n), "tuple"))
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "csv, json or jsonl (default: what the name of FILE ends in; csv on stdout)")
	consistency.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{formatCSV, formatJSON, formatJSONL}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// writeOutput has f write to stdout, or to a file that appears under its name once it is whole.
func (a *app) writeOutput(name string, f func(io.Writer) error) error {
	if name == "-" {
		buffered := bufio.NewWriter(a.out)
		return errors.Join(f(buffered), buffered.Flush())
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), ".ostiary-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	buffered := bufio.NewWriter(temporary)
	err = f(buffered)
	if err := errors.Join(err, buffered.Flush(), temporary.Chmod(0o644), temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), name)
}

// rowWriter writes tuples in one of the forms that rowReader reads.
type rowWriter interface {
	write(*openfgav1.TupleKey) error
	close() error // writes what ends the file
}

func newRowWriter(w io.Writer, format string) rowWriter {
	switch format {
	case formatCSV:
		return &csvWriter{csv: csv.NewWriter(w)}
	case formatJSON:
		return &jsonWriter{w: w, open: "[\n  ", between: ",\n  ", end: "\n]\n", empty: "[]\n"}
	}
	return &jsonWriter{w: w, between: "\n", end: "\n"}
}

type csvWriter struct {
	csv    *csv.Writer
	headed bool
}

func (w *csvWriter) head() error {
	if w.headed {
		return nil
	}
	w.headed = true
	return w.csv.Write(csvColumns)
}

func (w *csvWriter) write(key *openfgav1.TupleKey) error {
	t, err := ostiary.NewTuple(key.GetObject(), key.GetRelation(), key.GetUser())
	if err != nil {
		return err
	}
	context, err := contextText(key)
	if err != nil {
		return err
	}
	if err := w.head(); err != nil {
		return err
	}
	return w.csv.Write([]string{t.Subject.Type, t.Subject.ID, t.Subject.Relation, t.Relation,
		t.Object.Type, t.Object.ID, key.GetCondition().GetName(), string(context)})
}

func (w *csvWriter) close() error {
	err := w.head()
	w.csv.Flush()
	return errors.Join(err, w.csv.Error())
}

type jsonWriter struct {
	w                         io.Writer
	open, between, end, empty string
	begun                     bool
}

func (w *jsonWriter) write(key *openfgav1.TupleKey) error {
	t := tupleJSON{User: key.GetUser(), Relation: key.GetRelation(), Object: key.GetObject()}
	if key.GetCondition() != nil {
		context, err := contextText(key)
		if err != nil {
			return err
		}
		t.Condition = &conditionJSON{Name: key.GetCondition().GetName(), Context: context}
	}
	data, err := json.Marshal(t)
	if err != nil {
		return err
	}
	before := w.between
	if !w.begun {
		before = w.open
	}
	w.begun = true
	_, err = fmt.Fprintf(w.w, "%s%s", before, data)
	return err
}

func (w *jsonWriter) close() error {
	end := w.end
	if !w.begun {
		end = w.empty
	}
	_, err := io.WriteString(w.w, end)
	return err
}

// contextText is the context of a tuple's condition as compact JSON, or nil when there is none.
func contextText(key *openfgav1.TupleKey) (json.RawMessage, error) {
	context := key.GetCondition().GetContext()
	if len(context.GetFields()) == 0 {
		return nil, nil
	}
	data, err := protojson.Marshal(context)
	if err != nil {
		return nil, err
	}
	var sorted any
	if err := json.Unmarshal(data, &sorted); err != nil {
		return nil, err
	}
	return json.Marshal(sorted)
}
