package main

import (
	"context"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/metadata"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// consistencyFlags are the flags that say how new an answer must be, or how old.
type consistencyFlags struct {
	atLeast string
	asOf    string
	mode    string
}

func (f *consistencyFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.atLeast, "at-least", "", "consistency token: answer from a state at least as new")
	cmd.Flags().StringVar(&f.asOf, "as-of", "", "consistency token, or a time such as 2026-01-31T12:00:00Z: answer as of then, within the server's --history-retention")
	cmd.Flags().StringVar(&f.mode, "consistency", "minimize-latency", "minimize-latency, or higher-consistency for an answer that holds every acknowledged write")
	_ = cmd.RegisterFlagCompletionFunc("consistency",
		cobra.FixedCompletions([]string{"minimize-latency", "higher-consistency"}, cobra.ShellCompDirectiveNoFileComp))
}

func (f *consistencyFlags) preference() (openfgav1.ConsistencyPreference, error) {
	switch f.mode {
	case "minimize-latency":
		return openfgav1.ConsistencyPreference_MINIMIZE_LATENCY, nil
	case "higher-consistency":
		return openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY, nil
	}
	return 0, usagef("--consistency %q is neither minimize-latency nor higher-consistency", f.mode)
}

// context returns ctx with the tokens that are given.
func (f *consistencyFlags) context(ctx context.Context) context.Context {
	if f.atLeast != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, headerAtLeast, f.atLeast)
	}
	if f.asOf != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, headerAsOf, f.asOf)
	}
	return ctx
}
