package api_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/audit"
)

// Every change that any test of this package makes through a server must leave a row of the audit that names the
// call, its caller and its request; and when all tests ran, every method that writes must have left one. So a new
// method that writes fails here until a test calls it.

// audited are the methods whose changes left rows that are in order, and faults what was wrong with others.
var audited, faults sync.Map

// Propose commits a mutation and looks for its row.
func (b backend) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	r, err := b.Store.Propose(ctx, m)
	if err != nil || !r.Changed || r.Repeated {
		return r, err
	}
	if fault := b.judgeRow(ctx, m, r); fault != "" {
		faults.Store(fault, true)
	}
	return r, nil
}

func (b backend) judgeRow(ctx context.Context, m *ostiary.Mutation, r ostiary.Receipt) string {
	call := ostiary.CallOf(ctx)
	if call.Method == "" {
		return "" // a test that proposes by itself, or work of the server's own
	}
	v, err := b.Store.View(context.WithoutCancel(ctx), ostiary.Freshness{AtLeast: r.Revision})
	if err != nil {
		return ""
	}
	defer v.Close()
	row, found, err := v.AuditAt(audit.Place{Revision: r.Revision, Kind: audit.Change})
	if err != nil || !found {
		return fmt.Sprintf("%s left no row: %v", call.Method, err)
	}
	e, err := audit.Decode(row.Key, row.Value)
	switch {
	case err != nil:
		return fmt.Sprintf("%s: %v", call.Method, err)
	case e.Method != call.Method, e.Principal != m.Principal, e.Principal.Kind == "", e.RequestID == "", e.RequestID != m.RequestID, e.Origin == "", e.TimeNanos == 0, e.Total() == 0:
		return fmt.Sprintf("%s left a row that does not say who did what by which request: %.300s", call.Method, fmt.Sprintf("%+v", e))
	}
	audited.Store(call.Method, true)
	return ""
}

// reading are the first words of the names of methods that change nothing.
var reading = []string{"Get", "List", "Read", "Check", "BatchCheck", "Expand", "Explain", "StreamedList", "Evaluation", "Evaluations",
	"SubjectSearch", "ResourceSearch", "ActionSearch", "Verify", "Discover", "CreateBackup", "BlastRadius", "Tail", "Head"}

// writes reports whether a method changes something.
func writes(method string) bool {
	name := method[strings.LastIndexByte(method, '/')+1:]
	if name == "VerifyDomain" {
		return true
	}
	for _, word := range reading {
		if strings.HasPrefix(name, word) {
			return false
		}
	}
	return true
}

// judgeAudited ends the process after all tests.
func judgeAudited(code int) {
	faults.Range(func(fault, _ any) bool {
		fmt.Println("audit:", fault)
		code = 1
		return true
	})
	all := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" &&
		flag.Lookup("test.list").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == ""
	for _, method := range api.Methods() {
		if _, seen := audited.Load(method); all && code == 0 && writes(method) && !seen {
			fmt.Println("audit: no test has called", method, "with a change that left a row: write one, or name it among those that read")
			code = 1
		}
	}
	os.Exit(code)
}
