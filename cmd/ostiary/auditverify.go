package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/audit"
	"github.com/ostiary/ostiary/raftstore/backup"
)

// auditProgressRows is how many rows pass until the command says how far it is.
const auditProgressRows = 100_000

func newAuditVerifyCommand(a *app) *cobra.Command {
	var from, head, file string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify that no row was altered, dropped, inserted or moved",
		Long: `Verify the chain of the audit: of a server, or of a backup (--backup FILE, without a server). The rows are fetched and verified
here, so that a server cannot claim what is not so. With --head the chain must hold a head that was kept elsewhere: only
that tells whether somebody who could write to the disks made the whole chain anew. With --from only the rows after a
head are fetched. A chain that is broken is exit code 1, and the command names the first row at fault.`,
		Example: "  ostiary audit verify\n  ostiary audit verify --head 4711/1/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n  ostiary audit verify --backup full.backup",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, err := newAuditVerifier(a, from, head)
			if err != nil {
				return err
			}
			if file != "" {
				if from != "" {
					return usagef("--from goes with a server: a backup is read whole")
				}
				err = v.file(file)
			} else {
				err = a.withAudit(func(ctx context.Context, _ *client, client ostiaryv1.AuditServiceClient, _ []string) error {
					return v.server(ctx, client, from)
				})(cmd, nil)
			}
			if err != nil {
				return err
			}
			return v.report()
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "a head that was verified before: verify what came after it")
	cmd.Flags().StringVar(&head, "head", "", "a head that was kept elsewhere, which the chain must hold")
	cmd.Flags().StringVar(&file, "backup", "", "verify the audit in this file of a full backup instead of a server's")
	return cmd
}

// auditVerifier takes rows one after another.
type auditVerifier struct {
	app    *app
	chain  *audit.Chain
	wanted *audit.Head // nil: none
	met    bool
}

func newAuditVerifier(a *app, from, head string) (*auditVerifier, error) {
	v := &auditVerifier{app: a, chain: &audit.Chain{}}
	if from != "" {
		h, err := audit.ParseHead(from)
		if err != nil {
			return nil, usagef("--from: %v", err)
		}
		v.chain = audit.After(h)
	}
	if head != "" {
		h, err := audit.ParseHead(head)
		if err != nil {
			return nil, usagef("--head: %v", err)
		}
		v.wanted, v.met = &h, head == from
	}
	return v, nil
}

func (v *auditVerifier) add(key, value []byte) error {
	if _, err := v.chain.Add(key, value); err != nil {
		return err
	}
	if head, _ := v.chain.Head(); v.wanted != nil && head == *v.wanted {
		v.met = true
	}
	if rows := v.chain.Rows(); rows%auditProgressRows == 0 {
		v.app.talkf("%d rows verified", rows)
	}
	return nil
}

func (v *auditVerifier) server(ctx context.Context, client ostiaryv1.AuditServiceClient, from string) error {
	stream, err := client.TailAudit(ctx, &ostiaryv1.TailAuditRequest{After: from, Once: true, Raw: true})
	for err == nil {
		var m *ostiaryv1.TailAuditResponse
		if m, err = stream.Recv(); err == nil {
			if err := v.add(m.GetKey(), m.GetValue()); err != nil {
				return err
			}
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("fetch the audit: %w", err)
}

func (v *auditVerifier) file(name string) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	in, err := backup.NewReader(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer in.Close()
	if !in.Manifest().Full() {
		return usagef("%s is an increment, which holds a part of the audit: name a full backup", name)
	}
	for {
		row, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(row.Key) > 0 && row.Key[0] == audit.Table {
			if err := v.add(row.Key, row.Value); err != nil {
				return err
			}
		}
	}
}

// report says what was verified.
func (v *auditVerifier) report() error {
	if err := v.chain.End(); err != nil {
		return err
	}
	head, begun := v.chain.Head()
	if v.wanted != nil && !v.met {
		return fmt.Errorf("the chain has no row %s: rows were altered or dropped since that head was taken, or it is of another cluster", v.wanted)
	}
	if v.app.json() {
		text := ""
		if begun {
			text = head.String()
		}
		return v.app.printJSON(map[string]any{"rows": v.chain.Rows(), "head": text})
	}
	if !begun {
		v.app.printf("there is no audit yet")
		return nil
	}
	v.app.printf("%d rows are in order; the head is %s", v.chain.Rows(), head)
	return nil
}
