package main

import (
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// app is one run of the program: where it reads and writes, what it asks the environment, and what
// the flags that all commands share were set to. Tests make their own.
type app struct {
	in     io.Reader
	out    io.Writer // the answer
	err    io.Writer // talk
	getenv func(string) string
	// environ returns the whole environment; nil: there is none.
	environ func() []string
	// executable is the binary that 'bench run' starts a server of; empty means the one that runs.
	executable string
	// program is how this run was called, for commands that a person is to copy.
	program string
	// outTerminal and errTerminal say whether a person watches out and err.
	outTerminal, errTerminal bool
	// progressEvery is the pause between two plain progress lines where err is not a terminal.
	progressEvery time.Duration
	// reloadEvery is how often a server looks at files that may have changed; 0: reload.Pause.
	reloadEvery time.Duration
	// followEvery is how often 'connection log --follow' asks; zero means logPeriod.
	followEvery time.Duration
	// ready is told the addresses once the server serves; nil tells nobody.
	ready func(grpcAddr, httpAddr string)

	output  string // "text" or "json"
	client  clientFlags
	origins map[string]origin // of the flags of the command that runs
}

func newApp() *app {
	return &app{
		in:            os.Stdin,
		out:           os.Stdout,
		err:           os.Stderr,
		getenv:        os.Getenv,
		environ:       os.Environ,
		program:       os.Args[0],
		outTerminal:   term.IsTerminal(int(os.Stdout.Fd())),
		errTerminal:   term.IsTerminal(int(os.Stderr.Fd())),
		progressEvery: 2 * time.Second,
	}
}

// run executes one command line and returns the exit code of the process.
func (a *app) run(ctx context.Context, args []string) int {
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	a.printError(err)
	return exitCode(err)
}
