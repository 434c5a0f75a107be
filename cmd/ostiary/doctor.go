package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// finding is what the doctor has to say of one thing.
type finding struct {
	Check  string `json:"check"`
	Level  string `json:"level"` // "ok", "warning" or "fault"
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"`
}

func fine(check, format string, args ...any) finding {
	return finding{Check: check, Level: "ok", Found: fmt.Sprintf(format, args...)}
}

func warning(check, advice, format string, args ...any) finding {
	return finding{Check: check, Level: "warning", Found: fmt.Sprintf(format, args...), Advice: advice}
}

func fault(check, advice, format string, args ...any) finding {
	return finding{Check: check, Level: "fault", Found: fmt.Sprintf(format, args...), Advice: advice}
}

func newDoctorCommand(a *app) *cobra.Command {
	serve, flags := newServe()
	cmd := &cobra.Command{
		Use:   "doctor [flags of serve]",
		Short: "Look for what keeps a server from running well, and say what to do",
		Long: `Look at this machine as 'serve' with these settings would find it: the settings, the data folder and its disk,
memory, open files, the clock, certificates, files with secrets, other nodes, and the server itself where it runs.
Nothing is changed, but for a file of 4 KiB in the data folder, which is removed again. Exit code 1 where there is a fault.`,
		Example: `  ostiary doctor --config-file /etc/ostiary/ostiary.yaml
  ostiary doctor --dev --data-dir ./data --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.reportFindings(examine(cmd.Context(), *serve))
		},
	}
	cmd.Flags().AddFlagSet(flags)
	return cmd
}

// examine makes every check.
func examine(ctx context.Context, flags serveFlags) []finding {
	var all []finding
	for _, check := range []func(context.Context, serveFlags) []finding{
		checkSettings, checkFolder, checkMemory, checkOpenFiles, checkClock, checkTLS, checkCertificate, checkSecrets, checkPeers, checkServer,
	} {
		all = append(all, check(ctx, flags)...)
	}
	return all
}

func (a *app) reportFindings(all []finding) error {
	faults := 0
	rows := make([][]string, len(all))
	for i, f := range all {
		level := f.Level
		switch level {
		case "fault":
			faults++
			level = a.paintOut(red, level)
		case "warning":
			level = a.paintOut(yellow, level)
		}
		found := f.Found
		if f.Advice != "" {
			found += ": " + f.Advice
		}
		rows[i] = []string{legible(f.Check), level, legible(found)}
	}
	var err error
	if a.json() {
		err = a.printJSON(all)
	} else {
		err = a.printCells([]string{"CHECK", "RESULT", "FOUND"}, rows)
	}
	if faults > 0 {
		err = errors.Join(err, fmt.Errorf("%d faults", faults))
	}
	return err
}
