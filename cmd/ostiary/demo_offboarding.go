package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/fakeidp"
)

func newDemoOffboardingCommand(a *app) *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "offboarding",
		Short: "Play how a person's access begins and ends, and print it as a timeline",
		Long: `Play how a person's access begins and ends, and print it as a timeline: a fake identity provider provisions
somebody, who logs in and may view a document; it logs the person out (Global Token Revocation), deactivates
and reactivates the person; the application is told. After each step checks are asked, and the command exits
with 1 where an answer is not as it should be.

It plays on a server of its own, or on the one that --server names, in a store that it deletes in the end. That
server must reach this machine to tell the application: ostiary serve --dev --egress-allow 127.0.0.0/8.`,
		Example: `  ostiary demo offboarding
  ostiary demo offboarding --server 127.0.0.1:8081 --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("server") || a.getenv("OSTIARY_SERVER") != "" {
				return a.offboarding(cmd.Context(), keep)
			}
			server, err := a.startDemoServer(cmd.Context(), "127.0.0.1:0", "127.0.0.1:0", func(o *nodeOptions) {
				o.authzenBaseURL = "http://" + o.http.Addr().String()
				o.egressAllow = loopbackNetworks()
			})
			if err != nil {
				return err
			}
			a.client.server = server.grpcAddr
			return errors.Join(a.offboarding(cmd.Context(), keep), server.stop())
		},
	}
	a.addClientFlags(cmd)
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the store")
	return cmd
}

// loopbackNetworks is where this machine is.
func loopbackNetworks() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// offboarding plays the story on the server that a.client names.
func (a *app) offboarding(ctx context.Context, keep bool) (err error) {
	c, err := a.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	s := &story{a: a, c: c, began: time.Now()}
	if s.party, err = newStoryParty(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.party.close()) }()
	if !a.json() {
		a.printf("%s", a.paintOut(bold, fmt.Sprintf("%9s  %-12s %-62s %-34s %9s", "AT", "WHO", "WHAT", "RESULT", "TOOK")))
	}
	told := s.tell(ctx)
	if !keep && s.store != "" {
		told = errors.Join(told, s.clear(context.WithoutCancel(ctx)))
	}
	if a.json() {
		err := a.printJSON(struct {
			OK     bool        `json:"ok"`
			Server string      `json:"server"`
			Steps  []storyStep `json:"steps"`
		}{told == nil, c.address, s.steps})
		if err != nil {
			return err
		}
	}
	var failed *storyError
	switch {
	case errors.As(told, &failed):
		if !a.json() {
			a.printf("\n%s", a.paintOut(red, "The story broke off: "+failed.Error()))
		}
		return errReported
	case told != nil:
		return told
	}
	if !a.json() {
		a.printf("\n%s", a.paintOut(green, "Every step went as it should: a person's access ends when the provider says so, at every door."))
	}
	return nil
}

// story is the play, and what it needs.
type story struct {
	a     *app
	c     *client
	began time.Time
	steps []storyStep

	storyWorld
}

// storyStep is one line of the timeline.
type storyStep struct {
	Millis float64 `json:"at_ms"`
	Who    string  `json:"who"`
	What   string  `json:"what"`
	Result string  `json:"result"`
	Took   float64 `json:"took_ms"`
	OK     bool    `json:"ok"`
}

// storyError says which step did not go as it should.
type storyError struct {
	what string
	err  error
}

func (e *storyError) Error() string { return e.what + ": " + e.err.Error() }
func (e *storyError) Unwrap() error { return e.err }

// Who acts.
const (
	whoServer   = "server"
	whoProvider = "provider"
	whoPortal   = "application"
)

// step does one thing and prints a line of it.
func (s *story) step(who, what string, f func() (result string, err error)) error {
	began := time.Now()
	result, err := f()
	took := time.Since(began)
	step := storyStep{Millis: millis(began.Sub(s.began)), Who: who, What: what, Result: result, Took: millis(took), OK: err == nil}
	if err != nil {
		step.Result, err = err.Error(), &storyError{what, err}
	}
	s.steps = append(s.steps, step)
	if !s.a.json() {
		shown := green
		if err != nil {
			shown = red
		}
		s.a.printf("%6.0f ms  %-12s %-62s %s %6.1f ms", step.Millis, who, what, s.a.paintOut(shown, fmt.Sprintf("%-34s", step.Result)), step.Took)
	}
	return err
}

// tell plays the story.
func (s *story) tell(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		s.prepare, s.provision, s.logInFirst, s.revoke, s.logInAgain, s.deactivate, s.reactivate,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// storyPerson is who is hired.
var storyPerson = fakeidp.Person{UserName: "ann@acme.test", ExternalID: "00u1", GivenName: "Ann", FamilyName: "Ng"}
