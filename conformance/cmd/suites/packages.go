package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// event is a line of `go test -json`.
type event struct {
	Action, Test, Output string
}

// openfgaPackages runs the tests that OpenFGA publishes, which are a module of their own.
func (r *runner) openfgaPackages(ctx context.Context) error {
	if r.packages == "" {
		return nil
	}
	command := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout=300s", ".")
	command.Dir = r.packages
	command.Env = append(os.Environ(), "OSTIARY_CONFORMANCE_GRPC="+r.grpcAddr)
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("run OpenFGA's test packages: %w", err)
	}
	outcomes, readErr := readEvents(stdout)
	var exit *exec.ExitError
	if err := command.Wait(); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run OpenFGA's test packages: %w", err)
	}
	if readErr != nil {
		return fmt.Errorf("read the results of OpenFGA's test packages: %w", readErr)
	}
	rows, failures := outcomes.rows()
	if len(rows) == 0 || exit != nil && len(failures) == 0 {
		return fmt.Errorf("OpenFGA's test packages did not run to their end:\n%s", outcomes.output)
	}
	for _, row := range rows {
		r.table.add(row)
		r.printFailures(row.suite, failures[row.suite])
	}
	return nil
}

// outcomes are the ends of tests, by name, and the end of what was printed outside of tests.
type outcomes struct {
	ends   map[string]string // pass, fail or skip
	errors map[string]string // what failing tests printed
	output string
}

func readEvents(in io.Reader) (*outcomes, error) {
	o := &outcomes{ends: map[string]string{}, errors: map[string]string{}}
	scanner := bufio.NewScanner(in)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var e event
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			o.output += scanner.Text() + "\n"
			continue
		}
		switch e.Action {
		case "pass", "fail", "skip":
			if e.Test != "" {
				o.ends[e.Test] = e.Action
			}
		case "output", "build-output":
			if e.Test == "" {
				o.output += e.Output
			} else if strings.Contains(e.Output, "rpc error") || strings.Contains(e.Output, "expected") || strings.Contains(e.Output, "actual") {
				o.errors[e.Test] += " " + strings.Join(strings.Fields(e.Output), " ")
			}
		}
	}
	return o, scanner.Err()
}

// rows are one for each test function, and the failures of each. Only tests without subtests count: an
// assertion is one test.
func (o *outcomes) rows() ([]row, map[string][]string) {
	parents := map[string]bool{}
	for name := range o.ends {
		for i := range name {
			if name[i] == '/' {
				parents[name[:i]] = true
			}
		}
	}
	counts, failures := map[string]*row{}, map[string][]string{}
	for name, end := range o.ends {
		function, _, _ := strings.Cut(name, "/")
		suite := "OpenFGA's packages, " + function
		if parents[name] && (end != "fail" || o.failsBelow(name)) {
			continue
		}
		if counts[suite] == nil {
			counts[suite] = &row{suite: suite}
		}
		switch end {
		case "pass":
			counts[suite].passed++
		case "skip":
			counts[suite].skipped++
		case "fail":
			counts[suite].failed++
			failures[suite] = append(failures[suite], name+":"+o.errors[name])
		}
	}
	var rows []row
	for _, row := range counts {
		rows = append(rows, *row)
		slices.Sort(failures[row.suite])
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.suite, b.suite) })
	return rows, failures
}

// failsBelow reports whether a subtest of a failed test failed: then it is the one to count.
func (o *outcomes) failsBelow(name string) bool {
	for other, end := range o.ends {
		if end == "fail" && strings.HasPrefix(other, name+"/") {
			return true
		}
	}
	return false
}
