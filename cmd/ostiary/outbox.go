package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newOutboxCommand(a *app) *cobra.Command {
	return a.addStoreFlag(a.addClientFlags(group("outbox", "Show what waits to be told to applications, and what was given up",
		"  ostiary outbox status\n  ostiary outbox dead\n  ostiary outbox retry --target webhook/w01m824qgqx05kcwex3kxbcecwz",
		newOutboxStatusCommand(a),
		newOutboxListCommand(a, "list", "List what waits to be told", false), newOutboxListCommand(a, "dead", "List what was given up", true),
		newOutboxRetryCommand(a), newOutboxDropCommand(a))))
}

func newOutboxStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show how much waits, and which targets fail", Args: cobra.NoArgs, Example: "  ostiary outbox status",
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, _ []string) error {
			answer, err := c.GetOutbox(ctx, &ostiaryv1.GetOutboxRequest{StoreId: c.store})
			if err != nil {
				return fmt.Errorf("show the outbox: %w", err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			a.printf("Events        %d", answer.GetEvents())
			a.printf("Deliveries    %d", answer.GetDeliveries())
			a.printf("Dead letters  %d", answer.GetDeadLetters())
			a.printf("Oldest        %s", momentOf(answer.GetOldestAt()))
			if len(answer.GetTargets()) == 0 {
				return nil
			}
			a.printf("")
			var rows [][]string
			for _, t := range answer.GetTargets() {
				rows = append(rows, []string{t.GetTarget(), strconv.FormatUint(t.GetWaiting(), 10), momentOf(t.GetOldestAt()),
					strconv.FormatUint(t.GetFailures(), 10), momentOf(t.GetNextAttemptAt()), orDash(t.GetReason())})
			}
			return a.printTable([]string{"TARGET", "WAITING", "OLDEST", "FAILURES", "NEXT", "REASON"}, rows)
		}),
	}
}

func newOutboxListCommand(a *app, use, short string, dead bool) *cobra.Command {
	var target string
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs, Example: "  ostiary outbox " + use + " --target logout/portal",
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, _ []string) error {
			waiting, letters := &ostiaryv1.ListDeliveriesResponse{}, &ostiaryv1.ListDeadLettersResponse{}
			for token := ""; ; {
				if dead {
					page, err := c.ListDeadLetters(ctx, &ostiaryv1.ListDeadLettersRequest{StoreId: c.store, Target: target, PageSize: 1000, PageToken: token})
					if err != nil {
						return fmt.Errorf("list the dead letters: %w", err)
					}
					letters.DeadLetters = append(letters.DeadLetters, page.GetDeadLetters()...)
					token = page.GetNextPageToken()
				} else {
					page, err := c.ListDeliveries(ctx, &ostiaryv1.ListDeliveriesRequest{StoreId: c.store, Target: target, PageSize: 1000, PageToken: token})
					if err != nil {
						return fmt.Errorf("list the deliveries: %w", err)
					}
					waiting.Deliveries = append(waiting.Deliveries, page.GetDeliveries()...)
					token = page.GetNextPageToken()
				}
				if token == "" {
					break
				}
			}
			switch {
			case a.json() && dead:
				return a.printMessage(letters, nil)
			case a.json():
				return a.printMessage(waiting, nil)
			}
			var rows [][]string
			for _, d := range append(waiting.GetDeliveries(), letters.GetDeadLetters()...) {
				row := []string{d.GetId(), d.GetTarget(), orDash(d.GetUserId()), orDash(d.GetSessionId()), momentOf(d.GetHappenedAt()), momentOf(d.GetQueuedAt())}
				if dead {
					row = append(row, momentOf(d.GetDiedAt()), d.GetReason())
				}
				rows = append(rows, row)
			}
			header := []string{"ID", "TARGET", "USER", "SESSION", "HAPPENED", "QUEUED"}
			if dead {
				header = append(header, "DIED", "REASON")
			}
			return a.printTable(header, rows)
		}),
	}
	cmd.Flags().StringVar(&target, "target", "", "of this target alone: a kind, / and whom")
	return cmd
}

func newOutboxRetryCommand(a *app) *cobra.Command {
	var target string
	var all bool
	cmd := &cobra.Command{
		Use:     "retry [ID…]",
		Short:   "Put dead letters back into their queues",
		Example: "  ostiary outbox retry 01m824qgqx05kcwex3kxbcecwz.00000\n  ostiary outbox retry --target logout/portal\n  ostiary outbox retry --all",
		Args:    cobra.ArbitraryArgs,
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
			if err := judgeSelection(target, all, args); err != nil {
				return err
			}
			sum := &ostiaryv1.RetryDeadLettersResponse{}
			for {
				answer, err := c.RetryDeadLetters(ctx, &ostiaryv1.RetryDeadLettersRequest{StoreId: c.store, Target: target, Ids: args})
				if err != nil {
					return fmt.Errorf("put dead letters back (%d were): %w", sum.GetRetried(), err)
				}
				if sum.Retried += answer.GetRetried(); answer.GetRetried() < lettersAtOnce {
					return a.say(sum, "%d put back", sum.GetRetried())
				}
			}
		}),
	}
	cmd.Flags().StringVar(&target, "target", "", "those of this target: a kind, / and whom")
	cmd.Flags().BoolVar(&all, "all", false, "all of them")
	return cmd
}

func newOutboxDropCommand(a *app) *cobra.Command {
	var target string
	var all bool
	cmd := &cobra.Command{
		Use:     "drop [ID…]",
		Short:   "Forget dead letters: nobody is told",
		Example: "  ostiary outbox drop 01m824qgqx05kcwex3kxbcecwz.00000\n  ostiary outbox drop --target logout/portal",
		Args:    cobra.ArbitraryArgs,
		RunE: a.withOutbox(func(ctx context.Context, c outboxClient, args []string) error {
			if err := judgeSelection(target, all, args); err != nil {
				return err
			}
			sum := &ostiaryv1.DropDeadLettersResponse{}
			for {
				answer, err := c.DropDeadLetters(ctx, &ostiaryv1.DropDeadLettersRequest{StoreId: c.store, Target: target, Ids: args})
				if err != nil {
					return fmt.Errorf("drop dead letters (%d were): %w", sum.GetDropped(), err)
				}
				if sum.Dropped += answer.GetDropped(); answer.GetDropped() < lettersAtOnce {
					return a.say(sum, "%d dropped", sum.GetDropped())
				}
			}
		}),
	}
	cmd.Flags().StringVar(&target, "target", "", "those of this target: a kind, / and whom")
	cmd.Flags().BoolVar(&all, "all", false, "all of them")
	return cmd
}

// lettersAtOnce is how many dead letters one request is about at most.
const lettersAtOnce = 1000

// judgeSelection refuses a command line that would select all dead letters without saying so.
func judgeSelection(target string, all bool, ids []string) error {
	if target == "" && !all && len(ids) == 0 {
		return usagef("which ones? name ids, or pass --target or --all; 'ostiary outbox dead' lists them")
	}
	return nil
}
