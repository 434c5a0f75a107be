package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
)

func newRestoreCommand(a *app) *cobra.Command {
	var dir, at string
	var revision uint64
	var trust bool
	cmd := &cobra.Command{
		Use:   "restore FILE...",
		Short: "Make a new data folder from backups",
		Long: `Make the data folder of a new cluster from a full backup and the increments that follow from it, in any
order. The folder must be empty or not exist; nothing is ever overwritten. Without --to-revision or
--to-time it is everything that the backups hold.

The new cluster has an id of its own, so consistency tokens and page tokens of the old one are refused;
its revisions go on after the restored one.

Organizations come back as of an older time, so sessions end, logins from before are refused, and tokens of
connections are revoked. People whom a connection manages are denied everything until the connection is given
a new token, its provider has synchronized, and 'ostiary connection resume' says so: who was deactivated or
deleted since the backup is not let in. --trust-connections lets them in at once, as the backup has them.`,
		Example: `  ostiary restore monday.ostb tuesday.ostb --data-dir ./restored
  ostiary restore monday.ostb --data-dir ./restored --to-time 2026-01-31T12:00:00Z
  ostiary serve --data-dir ./restored --dev`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return usagef("name the folder to restore into: --data-dir DIR")
			}
			o := raftstore.RestoreOptions{Dir: dir, ToRevision: ostiary.Revision(revision), Logger: slog.New(slog.DiscardHandler)}
			if cmd.Flags().Changed("to-revision") && revision == 0 {
				return usagef("--to-revision 0 is before the first revision")
			}
			if at != "" {
				t, err := time.Parse(time.RFC3339, at)
				if err != nil || t.Year() < 1971 || t.Year() > 2261 {
					return usagef("--to-time %q is no time such as 2026-01-31T12:00:00Z", at)
				}
				o.ToNanos = t.UnixNano()
			}
			if o.ToNanos != 0 && o.ToRevision != 0 {
				return usagef("--to-revision and --to-time are both given: name one")
			}
			return a.restore(cmd.Context(), o, identity.AfterRestoreOptions{TrustConnections: trust}, args)
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "data-dir", "", "folder to make; it must be empty or not exist")
	f.StringVar(&dir, "data", "", "the same as --data-dir")
	_ = f.MarkHidden("data")
	f.Uint64Var(&revision, "to-revision", 0, "restore this revision")
	f.BoolVar(&trust, "trust-connections", false, "let people in as the backup has them, before their connections have synchronized")
	f.StringVar(&at, "to-time", "", "restore what there was at this time (RFC 3339)")
	return cmd
}

// restored is what the command answers in JSON.
type restored struct {
	DataDir  string           `json:"data_dir"`
	Revision ostiary.Revision `json:"revision"`
	Cluster  string           `json:"cluster_id"`
	From     string           `json:"from_cluster_id"`
	Rows     int64            `json:"rows"`
	Used     int              `json:"backups_used"`
	// What was settled of organizations.
	SessionTuples int                 `json:"session_tuples_deleted"`
	Tokens        int                 `json:"tokens_revoked"`
	Waiting       []waitingConnection `json:"waiting_connections,omitempty"`
}

// waitingConnection is one whose people are denied until 'connection resume'.
type waitingConnection struct {
	ID           string `json:"id"`
	Store        string `json:"store_id"`
	Organization string `json:"organization_id"`
}

func (a *app) restore(ctx context.Context, o raftstore.RestoreOptions, after identity.AfterRestoreOptions, files []string) error {
	var size int64
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return err
		}
		size += info.Size()
		o.Sources = append(o.Sources, raftstore.BackupSource{Name: name, Open: func() (io.ReadCloser, error) { return os.Open(name) }})
	}
	progress := a.newProgress("restored", size)
	o.Progress = progress.at
	var settled identity.Settled
	o.Settle = func(ctx context.Context, x *raftstore.Settling) (err error) {
		settled, err = identity.New(settling{x}, identity.Options{}).AfterRestore(ctx, after)
		return err
	}
	done, err := raftstore.Restore(ctx, o)
	progress.finish()
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w; give the folder a disk with more room", err)
	}
	if err != nil {
		return err
	}
	answer := restored{DataDir: o.Dir, Revision: done.Revision, Cluster: hexID(done.Cluster), From: hexID(done.From),
		Rows: done.Rows, Used: done.Used, SessionTuples: settled.SessionTuples, Tokens: settled.Tokens}
	for _, c := range settled.Connections {
		answer.Waiting = append(answer.Waiting, waitingConnection(c))
	}
	if a.json() {
		return a.printJSON(answer)
	}
	a.printf("restored revision %d of cluster %s into %s", answer.Revision, answer.From, answer.DataDir)
	a.printf("  new cluster   %s", answer.Cluster)
	a.printf("  rows          %s of %s", thousands(answer.Rows), count(answer.Used, "backup"))
	if answer.SessionTuples > 0 {
		a.printf("  sessions      ended; %s deleted", count(answer.SessionTuples, "tuple"))
	}
	if answer.Tokens > 0 {
		a.printf("  tokens        %s of connections revoked", count(answer.Tokens, "token"))
	}
	for _, c := range answer.Waiting {
		a.printf("  waiting       connection %s of %s, store %s: its people are denied", c.ID, c.Organization, c.Store)
	}
	a.printf("start it with: ostiary serve --data-dir %s", answer.DataDir)
	if len(answer.Waiting) > 0 {
		a.printf("then, for each connection that waits: ostiary connection token create ID, let its provider synchronize, ostiary connection resume ID")
	}
	return nil
}

// settling makes what is restored a backend of package identity.
type settling struct{ *raftstore.Settling }

func (s settling) View(ctx context.Context, f ostiary.Freshness) (identity.View, error) {
	return s.Settling.View(ctx, f)
}
