package api_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

// Every change that any test of this package makes through a server must leave a row of the audit that names the
// call, its caller and its request.

// faults are what was wrong with rows.
var faults sync.Map

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
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	v, err := b.Store.View(patient, ostiary.Freshness{AtLeast: r.Revision})
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
	return ""
}

// judgeAudited ends the process after all tests.
func judgeAudited(code int) {
	faults.Range(func(fault, _ any) bool {
		fmt.Println("audit:", fault)
		code = 1
		return true
	})
	os.Exit(code)
}
