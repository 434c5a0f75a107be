package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot builds the whole command tree. It does no I/O.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "ostiary",
		Short: "Ostiary answers: may this user do this, and what may this user see?",
		Long: `Ostiary is an authorization database. One binary holds the server and this client.

Exit codes: 0 done or allowed, 1 failed, 2 wrong usage, 3 denied, 4 a model or test file is
invalid, 5 the server is unavailable (retry).`,
		Example: `  ostiary serve --dev --data-dir ./data
  ostiary store create acme && ostiary use acme
  ostiary model write model.fga
  ostiary tuple write doc:1#viewer@user:ann
  ostiary check doc:1#viewer@user:ann --explain`,
		Args:              unknownCommand,
		RunE:              showHelp,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.prepare(cmd) },
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v; see '%s --help'", err, cmd.CommandPath())
	})
	root.PersistentFlags().StringVar(&a.output, "output", "text", "form of the answer: text or json")
	fromEnv(root.PersistentFlags(), "output")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))

	for _, g := range []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Try and write models", []*cobra.Command{newDemoCommand(a), newDevCommand(a), newModelCommand(a), newExplainCommand(a)}},
		{"Ask, and change data", []*cobra.Command{
			newStoreCommand(a), newUseCommand(a), newTupleCommand(a),
			newCheckCommand(a), newListObjectsCommand(a), newListUsersCommand(a), newExpandCommand(a), newBlastRadiusCommand(a),
		}},
		{"People and identity providers", []*cobra.Command{
			newOrgCommand(a), newConnectionCommand(a), newUserCommand(a), newSessionCommand(a), newFakeIDPCommand(a),
		}},
		{"Tell applications", []*cobra.Command{
			newApplicationCommand(a), newWebhookCommand(a), newStreamCommand(a), newKeysCommand(a), newOutboxCommand(a),
		}},
		{"Run a server", []*cobra.Command{
			newServeCommand(a), newConfigCommand(a), newDoctorCommand(a), newClusterCommand(a), newAccessCommand(a), newAuditCommand(a),
			newBackupCommand(a), newRestoreCommand(a),
		}},
		{"Measure, and come from OpenFGA", []*cobra.Command{newBenchCommand(a), newImportCommand(a), newShadowCommand(a)}},
		{"Other", []*cobra.Command{newCompletionCommand(a), newVersionCommand(a)}},
	} {
		root.AddGroup(&cobra.Group{ID: g.title, Title: g.title + ":"})
		for _, cmd := range g.commands {
			cmd.GroupID = g.title
		}
		root.AddCommand(g.commands...)
	}
	help := newHelpCommand()
	help.GroupID = "Other"
	root.SetHelpCommand(help)
	usageForArgs(root)
	return root
}

// group returns a command that only holds others: the noun before the verbs.
func group(use, short, example string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: unknownCommand, RunE: showHelp}
	cmd.AddCommand(commands...)
	return cmd
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// unknownCommand refuses arguments of a command that only holds others, with the nearest names.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	message := fmt.Sprintf("%q is no command of '%s'", args[0], cmd.CommandPath())
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("%s; see '%s --help'", message, cmd.CommandPath())
}

// usageForArgs makes every refusal of positional arguments in the tree a usageError.
func usageForArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if _, ok := err.(*usageError); err == nil || ok {
				return err
			}
			switch wanted := strings.Fields(cmd.Use)[1:]; {
			case len(args) > 0 && strings.HasPrefix(err.Error(), "unknown command"): // cobra.NoArgs
				err = fmt.Errorf("%s takes no arguments, and got %q", cmd.CommandPath(), args[0])
			case len(args) == 0 && len(wanted) > 0:
				err = fmt.Errorf("%s wants %s, and got nothing", cmd.CommandPath(), strings.Join(wanted, " "))
			case len(wanted) > 0:
				err = fmt.Errorf("%s wants %s, and got %q", cmd.CommandPath(), strings.Join(wanted, " "), args)
			}
			return usagef("%v; usage: %s; see '%s --help'", err, cmd.UseLine(), cmd.CommandPath())
		}
	}
	for _, child := range cmd.Commands() {
		usageForArgs(child)
	}
}
