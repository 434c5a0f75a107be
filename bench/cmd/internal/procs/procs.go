// Package procs starts the servers that a benchmark measures, in processes of their own, and ends them.
package procs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"
)

// Group is processes that belong together. One goroutine uses it. The zero Group is empty.
type Group struct{ running []*process }

// process is one that this program started.
type process struct {
	command *exec.Cmd
	ended   chan struct{}
	end     os.Signal // that ends it
}

// Launch starts a process, which Stop ends by the signal. What it says is added to a file.
func (g *Group) Launch(logFile string, end os.Signal, command *exec.Cmd) error {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", command.Path, err)
	}
	p := &process{command: command, ended: make(chan struct{}), end: end}
	go func() {
		_ = command.Wait()
		close(p.ended)
	}()
	g.running = append(g.running, p)
	return nil
}

// PIDs returns the ids of the processes.
func (g *Group) PIDs() []int {
	var pids []int
	for _, p := range g.running {
		pids = append(pids, p.command.Process.Pid)
	}
	return pids
}

// LastArgs returns the command line of the process that was launched last.
func (g *Group) LastArgs() []string { return g.running[len(g.running)-1].command.Args }

// Stop ends what was started, the last first.
func (g *Group) Stop() error {
	var faults []error
	for i := len(g.running) - 1; i >= 0; i-- {
		p := g.running[i]
		_ = p.command.Process.Signal(p.end) // it may have ended
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
			_ = p.command.Process.Kill()
			<-p.ended
			faults = append(faults, fmt.Errorf("%s did not end and was killed", p.command.Path))
		}
	}
	g.running = nil
	return errors.Join(faults...)
}

// Answers waits until something listens on an address.
func (g *Group) Answers(ctx context.Context, address, logFile string) error {
	last := g.running[len(g.running)-1]
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-last.ended:
			log, _ := os.ReadFile(logFile)
			return fmt.Errorf("%s ended at once:\n%s", last.command.Path, log)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("nothing listens on %s after 30 seconds", address)
}
