package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// How 'connection log --follow' asks: as often, and each time for so long before the newest entry that it has
// seen, because a change may be logged a little after one that began later.
const (
	logPeriod  = time.Second
	logOverlap = 10 * time.Second
	logPage    = 1_000
)

func newConnectionLogCommand(a *app) *cobra.Command {
	var follow bool
	var limit int32
	cmd := &cobra.Command{
		Use:   "log CONNECTION",
		Short: "Show the requests of a connection, and what each changed of tuples",
		Long: `Show the requests of a connection, oldest first, without values: ids, and the names of attributes. Below a
request stands what it changed of tuples, with the owner of each grant.

Changes come from the audit and the changelog, whatever node made them. Requests that changed nothing or
were refused are remembered by the node that answered them, the newest 100 of each, until it ends: of a
cluster, ask the node that the provider reaches.`,
		Example: `  ostiary connection log c01m824qgqx05kcwex3kxbcecwz
  ostiary connection log c01m824qgqx05kcwex3kxbcecwz --follow`,
		Args: cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			if limit < 1 || limit > logPage {
				return usagef("--limit %d is not between 1 and %d", limit, logPage)
			}
			request := &ostiaryv1.ReadConnectionLogRequest{StoreId: c.store, Id: args[0], Limit: limit}
			seen := map[string]bool{}
			for {
				newest, err := a.logOnce(ctx, c, request, seen)
				if follow && ctx.Err() != nil {
					return nil // interrupted
				}
				if err != nil || !follow {
					return err
				}
				if !newest.IsZero() {
					request.After = ulidBefore(newest.Add(-logOverlap))
				}
				request.Limit = logPage
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(cmp.Or(a.followEvery, logPeriod)):
				}
			}
		}),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on, until interrupted")
	cmd.Flags().Int32Var(&limit, "limit", 100, "how many of the newest entries to begin with, 1 to 1000")
	return cmd
}

// ulidBefore returns an id that comes before those of a time.
func ulidBefore(t time.Time) string {
	var id ulid.ULID
	_ = id.SetTime(uint64(max(t.UnixMilli(), 0))) // of a time before the year 10889
	return id.String()
}

// logOnce prints the entries that have not been seen, and returns the time of the newest.
func (a *app) logOnce(
	ctx context.Context, c identityClient, request *ostiaryv1.ReadConnectionLogRequest, seen map[string]bool,
) (newest time.Time, err error) {
	for {
		answer, err := c.ReadConnectionLog(ctx, request)
		if err != nil {
			return newest, fmt.Errorf("read the log of connection %q: %w", request.GetId(), err)
		}
		entries := answer.GetEntries()
		for _, e := range entries {
			newest = e.GetTime().AsTime()
			if seen[e.GetId()] {
				continue
			}
			seen[e.GetId()] = true
			if a.json() {
				if err := a.printMessage(e, nil); err != nil {
					return newest, err
				}
				continue
			}
			for _, line := range logLines(e) {
				a.printf("%s", line)
			}
		}
		if request.GetAfter() == "" || len(entries) < int(request.GetLimit()) {
			return newest, nil
		}
		request.After = entries[len(entries)-1].GetId()
	}
}

// logLines prints an entry: what was asked, and below it what became of tuples.
func logLines(e *ostiaryv1.ConnectionLogEntry) []string {
	words := []string{e.GetTime().AsTime().Local().Format("2006-01-02 15:04:05.000")}
	if e.GetMethod() != "" {
		words = append(words, e.GetMethod(), e.GetPath())
	}
	if len(e.GetAttributes()) > 0 {
		words = append(words, "("+strings.Join(e.GetAttributes(), ", ")+")")
	}
	if e.GetAction() != "" {
		words = append(words, e.GetAction(), e.GetResource())
	}
	switch {
	case e.GetRevision() != 0:
		words = append(words, fmt.Sprintf("revision %d", e.GetRevision()))
	default:
		words = append(words, strings.TrimSpace(fmt.Sprintf("%d %s", e.GetStatus(), e.GetReason())))
	}
	if e.GetPrincipal() != "" {
		words = append(words, "by", e.GetPrincipal())
	}
	if e.GetRequestId() != "" {
		words = append(words, "request", e.GetRequestId())
	}
	lines := []string{strings.Join(words, " ")}
	for _, change := range e.GetChanges() {
		lines = append(lines, "    "+change)
	}
	if e.GetMore() > 0 {
		lines = append(lines, fmt.Sprintf("    and %d more", e.GetMore()))
	}
	if e.GetForgotten() {
		lines = append(lines, "    what became of tuples is not kept any more (serve --history-retention)")
	}
	return lines
}
