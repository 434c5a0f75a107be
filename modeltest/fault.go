package modeltest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ostiary/ostiary/dsl"
)

// Fault is one thing that is wrong with a store file, or with a file that it names.
type Fault struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // from 1; 0 when the file as a whole is meant
	Message string `json:"message"`
	// Diagnostic is set for a fault of the model.
	Diagnostic *dsl.Diagnostic `json:"diagnostic,omitempty"`
}

// String returns the fault in one line, or as the model compiler shows it.
func (f Fault) String() string {
	switch {
	case f.Diagnostic != nil:
		return f.Diagnostic.String()
	case f.Line == 0:
		return fmt.Sprintf("%s: %s", f.File, f.Message)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
}

// Faults are what is wrong with a store file. As an error it is never empty.
type Faults []Fault

// Error returns the faults, one below the other.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// maxFaults bounds the faults that are reported at once.
const maxFaults = 100

// faults collects what is wrong while a suite is loaded.
type faults struct {
	list    Faults
	dropped int
}

func (f *faults) addf(file string, line int, format string, args ...any) {
	f.add(Fault{File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

func (f *faults) add(fault Fault) {
	if len(f.list) >= maxFaults {
		f.dropped++
		return
	}
	f.list = append(f.list, fault)
}

// err returns the faults in the order of the lines of each file, or nil.
func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	order := map[string]int{}
	for _, fault := range f.list {
		if _, seen := order[fault.File]; !seen {
			order[fault.File] = len(order)
		}
	}
	slices.SortStableFunc(f.list, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	if f.dropped > 0 {
		last := f.list[len(f.list)-1]
		f.list = append(f.list, Fault{File: last.File, Line: last.Line, Message: fmt.Sprintf("%d more faults are not shown", f.dropped)})
	}
	return f.list
}
