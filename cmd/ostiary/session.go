package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newSessionCommand(a *app) *cobra.Command {
	return a.addStoreFlag(a.addClientFlags(group("session", "Report the sessions of people, list them and end them",
		"  ostiary session create ann --org acme\n  ostiary session list --user ann\n  ostiary session revoke ann --org acme",
		newSessionCreateCommand(a), newSessionLoginCommand(a), newSessionListCommand(a), newSessionShowCommand(a), newSessionTouchCommand(a),
		newSessionDeleteCommand(a), newSessionRevokeCommand(a), newSessionSubjectsCommand(a))))
}

// sessionClient asks a server's SessionService about one store.
type sessionClient struct {
	ostiaryv1.SessionServiceClient
	store string // its id
}

// withSessions returns what a command runs: f, with a client for the store that the command is about.
func (a *app) withSessions(f func(ctx context.Context, c sessionClient, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, store, err := a.storeClient(cmd.Context())
		if err != nil {
			return err
		}
		defer c.Close()
		return f(cmd.Context(), sessionClient{ostiaryv1.NewSessionServiceClient(c.conn), store}, args)
	}
}

// say prints an answer as JSON where that is asked for, and otherwise a line.
func (a *app) say(answer proto.Message, format string, args ...any) error {
	if a.json() {
		return a.printMessage(answer, nil)
	}
	a.printf(format, args...)
	return nil
}

func newSessionCreateCommand(a *app) *cobra.Command {
	s := &ostiaryv1.Session{}
	var life time.Duration
	var auth string
	cmd := &cobra.Command{
		Use:   "create USER",
		Short: "Report a session of a person, and print its id",
		Long: `Report a session of a person, and print its id, with which it stands in tuples and questions. A person who was
logged out has to authenticate again first: --auth-time says when that was.`,
		Example: `  ostiary session create ann --org acme
  ostiary session create ann --org acme --client portal --expires-in 8h --auth-time 2026-01-31T09:00:00Z --acr urn:mfa --amr pwd,otp`,
		Args: cobra.ExactArgs(1),
		RunE: a.withSessions(func(ctx context.Context, c sessionClient, args []string) error {
			if s.OrganizationId == "" {
				return usagef("whose session is it? pass --org ORG; 'ostiary org list' shows the organizations")
			}
			if life < 0 {
				return usagef("--expires-in %s is negative", life)
			}
			if life > 0 {
				s.ExpiresAt = timestamppb.New(time.Now().Add(life))
			}
			if auth != "" {
				at, err := time.Parse(time.RFC3339, auth)
				if err != nil {
					return usagef("--auth-time %q is no time such as 2026-01-31T09:00:00Z", auth)
				}
				s.AuthTime = timestamppb.New(at)
			}
			s.UserId = args[0]
			made, err := c.CreateSession(ctx, &ostiaryv1.CreateSessionRequest{StoreId: c.store, Session: s})
			if err != nil {
				return fmt.Errorf("create a session of %q: %w", args[0], err)
			}
			return a.say(made, "%s", made.GetSession().GetId())
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&s.OrganizationId, "org", "", "id of the organization")
	flags.StringVar(&s.ClientId, "client", "", "the application")
	flags.StringVar(&s.DeviceId, "device", "", "the device")
	flags.StringVar(&s.ConnectionId, "connection", "", "the connection that reports it")
	flags.StringVar(&s.Issuer, "issuer", "", "the identity provider")
	flags.StringVar(&s.Sid, "sid", "", "what the identity provider calls the session")
	flags.StringVar(&s.Layer, "layer", "", "idp, broker, app, refresh_token, api_token or pat (default app)")
	flags.StringVar(&s.Acr, "acr", "", "authentication context")
	flags.StringSliceVar(&s.Amr, "amr", nil, "authentication methods")
	flags.StringVar(&auth, "auth-time", "", "when the person has authenticated")
	flags.DurationVar(&life, "expires-in", 0, "how long it lives (default 12h)")
	flags.StringVar(&s.ParentId, "parent", "", "the session that it was made of")
	flags.StringVar(&s.ActorId, "actor", "", "who acts as the person")
	return cmd
}

// sessionFilterFlags adds the flags that select sessions.
func sessionFilterFlags(flags *pflag.FlagSet) *ostiaryv1.SessionFilter {
	f := &ostiaryv1.SessionFilter{}
	flags.StringVar(&f.OrganizationId, "org", "", "of this organization")
	flags.StringVar(&f.UserId, "user", "", "of this person")
	flags.StringVar(&f.ActorId, "actor", "", "in which this person acts for others")
	flags.StringVar(&f.ClientId, "client", "", "by this application")
	flags.StringVar(&f.DeviceId, "device", "", "on this device")
	flags.StringVar(&f.ParentId, "parent", "", "made of this session")
	flags.StringVar(&f.ConnectionId, "connection", "", "reported by this connection")
	flags.StringVar(&f.Issuer, "issuer", "", "of this identity provider")
	flags.StringVar(&f.Sid, "sid", "", "of this session of the identity provider")
	return f
}

func newSessionListCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the sessions that have not ended",
		Example: "  ostiary session list --user ann\n  ostiary session list --issuer https://acme.okta.com --sid 102Zk4v",
		Args:    cobra.NoArgs,
	}
	filter := sessionFilterFlags(cmd.Flags())
	cmd.RunE = a.withSessions(func(ctx context.Context, c sessionClient, _ []string) error {
		all := &ostiaryv1.ListSessionsResponse{}
		for token := ""; ; {
			page, err := c.ListSessions(ctx, &ostiaryv1.ListSessionsRequest{StoreId: c.store, Filter: filter, PageSize: 1_000, PageToken: token})
			if err != nil {
				return fmt.Errorf("list the sessions: %w", err)
			}
			all.Sessions = append(all.Sessions, page.GetSessions()...)
			if token = page.GetNextPageToken(); token == "" {
				break
			}
		}
		return a.printSessions(all, all.GetSessions()...)
	})
	return cmd
}

func (a *app) printSessions(answer proto.Message, all ...*ostiaryv1.Session) error {
	if a.json() {
		return a.printMessage(answer, nil)
	}
	rows := make([][]string, 0, len(all))
	for _, s := range all {
		rows = append(rows, []string{s.GetId(), s.GetUserId(), s.GetLayer(), cmp.Or(s.GetClientId(), "-"), cmp.Or(s.GetDeviceId(), "-"),
			dateOf(s.GetCreatedAt()), dateOf(s.GetExpiresAt())})
	}
	return a.printTable([]string{"ID", "USER", "LAYER", "CLIENT", "DEVICE", "CREATED", "EXPIRES"}, rows)
}

func newSessionShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show SESSION",
		Short:   "Show one session",
		Example: "  ostiary session show acme/s01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: a.withSessions(func(ctx context.Context, c sessionClient, args []string) error {
			answer, err := c.GetSession(ctx, &ostiaryv1.GetSessionRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("show the session %q: %w", args[0], err)
			}
			return a.printSessions(answer, answer.GetSession())
		}),
	}
}

func newSessionTouchCommand(a *app) *cobra.Command {
	var life time.Duration
	cmd := &cobra.Command{
		Use:     "touch SESSION",
		Short:   "Note that a session is in use, and let it live longer",
		Long:    "Note that a session is in use, and let it live longer, but not past its bounds. One that has ended stays so.",
		Example: "  ostiary session touch acme/s01m824qgqx05kcwex3kxbcecwz --expires-in 1h",
		Args:    cobra.ExactArgs(1),
		RunE: a.withSessions(func(ctx context.Context, c sessionClient, args []string) error {
			request := &ostiaryv1.TouchSessionRequest{StoreId: c.store, Id: args[0]}
			if life < 0 {
				return usagef("--expires-in %s is negative", life)
			}
			if life > 0 {
				request.ExpiresAt = timestamppb.New(time.Now().Add(life))
			}
			answer, err := c.TouchSession(ctx, request)
			if err != nil {
				return fmt.Errorf("touch the session %q: %w", args[0], err)
			}
			return a.say(answer, "%s ends at %s", args[0], dateOf(answer.GetSession().GetExpiresAt()))
		}),
	}
	cmd.Flags().DurationVar(&life, "expires-in", 0, "how long it is to live from now (0: as long as it did)")
	return cmd
}

func newSessionDeleteCommand(a *app) *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "delete [SESSION]",
		Short: "End a session, or those that flags select, and what was made of them",
		Long: `End a session, or those that flags select, and what was made of them. Who has a valid assertion logs in
again at once: 'ostiary session revoke' is for the other case.`,
		Example: "  ostiary session delete acme/s01m824qgqx05kcwex3kxbcecwz\n  ostiary session delete --client portal --dry-run",
		Args:    cobra.MaximumNArgs(1),
	}
	filter := sessionFilterFlags(cmd.Flags())
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only count")
	cmd.RunE = a.withSessions(func(ctx context.Context, c sessionClient, args []string) error {
		if len(args) == 1 {
			if dry || !proto.Equal(filter, &ostiaryv1.SessionFilter{}) {
				return usagef("name a session or pass flags that select some, not both")
			}
			answer, err := c.DeleteSession(ctx, &ostiaryv1.DeleteSessionRequest{StoreId: c.store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("end the session %q: %w", args[0], err)
			}
			return a.say(answer, "%d ended", answer.GetEnded())
		}
		if proto.Equal(filter, &ostiaryv1.SessionFilter{}) {
			return usagef("which sessions? name one, or pass flags that select some, such as --user")
		}
		answer, err := c.DeleteSessions(ctx, &ostiaryv1.DeleteSessionsRequest{StoreId: c.store, Filter: filter, DryRun: dry})
		if err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
		if dry {
			return a.say(answer, "%d would end", answer.GetEnded())
		}
		return a.say(answer, "%d ended", answer.GetEnded())
	})
	return cmd
}

func newSessionRevokeCommand(a *app) *cobra.Command {
	request := &ostiaryv1.RevokeSessionsRequest{}
	cmd := &cobra.Command{
		Use:   "revoke USER",
		Short: "End all sessions of a person, and let only who authenticates again log in",
		Long: `End all sessions of a person in an organization, or in all, and those in which the person acts for
others. Only who has authenticated after it may log in again.`,
		Example: "  ostiary session revoke ann --org acme --reason \"laptop stolen\"",
		Args:    cobra.ExactArgs(1),
		RunE: a.withSessions(func(ctx context.Context, c sessionClient, args []string) error {
			request.StoreId, request.UserId = c.store, args[0]
			answer, err := c.RevokeSessions(ctx, request)
			if err != nil {
				return fmt.Errorf("revoke the sessions of %q: %w", args[0], err)
			}
			return a.say(answer, "%d ended", answer.GetEnded())
		}),
	}
	cmd.Flags().StringVar(&request.OrganizationId, "org", "", "in this organization (default: in all)")
	cmd.Flags().StringVar(&request.Reason, "reason", "", "for people")
	return cmd
}

func newSessionSubjectsCommand(a *app) *cobra.Command {
	set := func(on bool) func(*cobra.Command, []string) error {
		return a.withSessions(func(ctx context.Context, c sessionClient, _ []string) error {
			answer, err := c.SetSessionSubjects(ctx, &ostiaryv1.SetSessionSubjectsRequest{StoreId: c.store, On: on})
			if err != nil {
				return fmt.Errorf("set session subjects: %w", err)
			}
			return a.say(answer, "%s", onOff(on))
		})
	}
	return group("subjects", "Say whether a question about a session is one about its person", "  ostiary session subjects on",
		&cobra.Command{
			Use: "on", Short: "Let a session stand for its person in questions", Args: cobra.NoArgs, RunE: set(true),
			Long: `Let a session stand for its person in questions, as long as it lives. Conditions see acr, amr, auth_time, device and
organization of the session.`,
			Example: "  ostiary session subjects on\n  ostiary check document:1#viewer@session:acme/s01m824qgqx05kcwex3kxbcecwz",
		},
		&cobra.Command{
			Use: "off", Short: "Let a session be a subject as any other", Args: cobra.NoArgs, RunE: set(false),
			Example: "  ostiary session subjects off",
		},
		&cobra.Command{
			Use: "show", Short: "Show which it is", Args: cobra.NoArgs, Example: "  ostiary session subjects show",
			RunE: a.withSessions(func(ctx context.Context, c sessionClient, _ []string) error {
				answer, err := c.GetSessionSubjects(ctx, &ostiaryv1.GetSessionSubjectsRequest{StoreId: c.store})
				if err != nil {
					return fmt.Errorf("show session subjects: %w", err)
				}
				return a.say(answer, "%s", onOff(answer.GetOn()))
			}),
		})
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
