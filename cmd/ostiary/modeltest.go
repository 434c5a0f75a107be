package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/modeltest"
)

// testFlags are what 'model test' can be told.
type testFlags struct {
	filter string
	junit  string
}

func newModelTestCommand(a *app) *cobra.Command {
	var flags testFlags
	cmd := &cobra.Command{
		Use:   "test FILE...",
		Short: "Run the tests of store files, without a server",
		Long: `Run the tests of store files (.fga.yaml, in the form of the fga command line) in process, without a
server: a model or model_file, tuples, and tests with check, list_objects and list_users. Of a folder,
every .fga.yaml below it is run. A wrong answer is shown with what was expected, what came, and why.

The coverage names the relations and rewrites that no test touched: those through which the explanation
of no answer leads.

Exit code 4 when a test fails or a file is invalid. --output json gives everything as data, --junit a
report for CI.`,
		Example: `  ostiary model test store.fga.yaml
  ostiary model test tests/ --filter '^folders' --output json
  ostiary model test *.fga.yaml --junit report.xml

A store file, store.fga.yaml:

  model: |
    model
      schema 1.1
    type user
    type doc
      relations
        define owner: [user]
        define viewer: [user] or owner
  tuples:
    - {user: user:ann, relation: owner, object: doc:1}
  tests:
    - name: an owner views
      check:
        - user: user:ann
          object: doc:1
          assertions: {viewer: true}
      list_users:
        - object: doc:1
          user_filter: [{type: user}]
          assertions: {viewer: {users: [user:ann]}}`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.testModels(cmd.Context(), args, flags) },
	}
	cmd.Flags().StringVar(&flags.filter, "filter", "", "run the tests whose name matches this regular expression")
	cmd.Flags().StringVar(&flags.junit, "junit", "", "write a JUnit report to this file as well")
	_ = cmd.MarkFlagFilename("junit", "xml")
	return cmd
}

// testModels runs the tests of all files and reports what came out.
func (a *app) testModels(ctx context.Context, args []string, flags testFlags) error {
	var options modeltest.Options
	if flags.filter != "" {
		filter, err := regexp.Compile(flags.filter)
		if err != nil {
			return usagef("--filter: %v", err)
		}
		options.Only = filter.MatchString
	}
	files, err := storeFiles(args)
	if err != nil {
		return err
	}
	started := time.Now()
	progress := a.newProgress("tests", int64(len(files)))
	outcomes := make([]modeltest.Outcome, 0, len(files))
	asked := 0
	for i, file := range files {
		outcome, err := testFile(ctx, file, options)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, outcome)
		if outcome.Result != nil {
			asked += len(outcome.Result.Tests)
		}
		progress.at(int64(asked), int64(i+1))
		if !a.json() {
			progress.interrupt(func() { a.showOutcome(outcome) })
		}
	}
	progress.finish()
	if flags.junit != "" {
		report, err := modeltest.JUnit(outcomes)
		if err != nil {
			return err
		}
		if err := os.WriteFile(flags.junit, report, 0o644); err != nil {
			return fmt.Errorf("write the JUnit report: %w", err)
		}
	}
	return a.concludeTests(outcomes, flags, time.Since(started))
}

// testFile loads and runs one file. A file that is invalid is an outcome; one that cannot be read is
// an error.
func testFile(ctx context.Context, file string, options modeltest.Options) (modeltest.Outcome, error) {
	outcome := modeltest.Outcome{File: file}
	suite, err := modeltest.Load(file)
	var faults modeltest.Faults
	switch {
	case errors.As(err, &faults):
		outcome.Err = err
		return outcome, nil
	case err != nil:
		return outcome, err
	}
	outcome.Result, err = suite.Run(ctx, options)
	return outcome, err
}

// storeFiles returns the store files that arguments name, in their order; of a folder those below it.
func storeFiles(args []string) ([]string, error) {
	var out []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if !modeltest.IsStoreFile(arg) {
				return nil, usagef("%s is no store file: tests stand in NAME.fga.yaml; 'ostiary model validate' compiles a model", arg)
			}
			out = append(out, arg)
			continue
		}
		before := len(out)
		err = filepath.WalkDir(arg, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && (strings.HasSuffix(path, ".fga.yaml") || strings.HasSuffix(path, ".fga.yml")) {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(out) == before {
			return nil, usagef("no file below %s is called NAME.fga.yaml", arg)
		}
	}
	return out, nil
}

// showOutcome prints what came of one file.
func (a *app) showOutcome(o modeltest.Outcome) {
	a.printf("%s", a.paintOut(bold, o.File))
	if o.Err != nil {
		a.printf("%s", indent(o.Err.Error(), "  "))
		return
	}
	for _, t := range o.Result.Tests {
		word := a.paintOut(green, "pass")
		if !t.Passed {
			word = a.paintOut(red, "FAIL")
		}
		a.printf("  %s  %s %s", word, t.Name, a.paintOut(faint, "("+count(len(t.Assertions), "assertion")+")"))
		for _, failed := range t.Failures() {
			a.printf("        %s:%d: %s", o.File, failed.Line, strings.TrimLeft(indent(failed.String(), "        "), " "))
		}
	}
	if len(o.Result.Tests) > 0 {
		a.printf("  coverage: %s", strings.TrimLeft(indent(o.Result.Coverage.String(), "  "), " "))
	}
}

// indent puts a prefix before every line of a text, and takes the last line end away.
func indent(text, prefix string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		b.WriteString(prefix + line)
	}
	return b.String()
}

// testReport is the JSON answer of 'model test'.
type testReport struct {
	Passed bool       `json:"passed"`
	Files  []testedAs `json:"files"`
}

// testedAs is what came of one file: a result, or the faults of the file.
type testedAs struct {
	File   string            `json:"file"`
	Result *modeltest.Result `json:"result,omitempty"`
	Faults modeltest.Faults  `json:"faults,omitempty"`
}

// concludeTests sums up, and returns the error that the exit code comes from.
func (a *app) concludeTests(outcomes []modeltest.Outcome, flags testFlags, elapsed time.Duration) error {
	tests, failedTests, assertions, failed, invalid, skipped := 0, 0, 0, 0, 0, 0
	report := testReport{Files: []testedAs{}}
	for _, o := range outcomes {
		entry := testedAs{File: o.File, Result: o.Result}
		if o.Err != nil {
			invalid++
			errors.As(o.Err, &entry.Faults)
		} else {
			assertions, failed, skipped = assertions+o.Result.Passed+o.Result.Failed, failed+o.Result.Failed, skipped+o.Result.Skipped
			for _, t := range o.Result.Tests {
				tests++
				if !t.Passed {
					failedTests++
				}
			}
		}
		report.Files = append(report.Files, entry)
	}
	report.Passed = failed == 0 && invalid == 0
	switch {
	case a.json():
		if err := a.printJSON(report); err != nil {
			return err
		}
	default:
		text := fmt.Sprintf("%s, %s (%s): ", count(len(outcomes), "file"), count(tests, "test"), count(assertions, "assertion"))
		if report.Passed && tests == 0 {
			text += "nothing was tested"
		} else if report.Passed {
			text += a.paintOut(green, "all passed")
		} else {
			text += a.paintOut(red, fmt.Sprintf("%s failed (%s), %s invalid", count(failedTests, "test"), count(failed, "assertion"), count(invalid, "file")))
		}
		a.printf("%s in %s", text, elapsed.Round(time.Millisecond))
	}
	switch {
	case !report.Passed:
		return errInvalidFile
	case flags.filter != "" && tests == 0 && skipped > 0:
		return usagef("--filter %q matches the name of none of the %s", flags.filter, count(skipped, "test"))
	}
	return nil
}
