package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/ssf/receiver"
)

func newConnectionSignalsCommand(a *app) *cobra.Command {
	return group("signals", "Let an identity provider tell what happens to people, sessions and devices (Shared Signals)",
		"  ostiary connection signals set c01m824qgqx05kcwex3kxbcecwz --issuer https://acme.okta.com --audience https://authz.example.com",
		newSignalsSetCommand(a), newSignalsShowCommand(a), newSignalsPolicyCommand(a), newSignalsClearCommand(a))
}

func newSignalsSetCommand(a *app) *cobra.Command {
	g := &ostiaryv1.SignalSource{}
	var keysFile, authorizationFile, pollTokenFile string
	var policy []string
	cmd := &cobra.Command{
		Use:   "set CONNECTION",
		Short: "Say by what security event tokens a provider tells what happens, and print where to push them",
		Long: `Say by what security event tokens the provider of a connection tells what happens (Shared Signals, CAEP, RISC).
What was set before is replaced, secrets too. By default sessions end that the provider revokes, and of everything else
an audit row tells: --policy says otherwise (see 'ostiary connection signals policy --help').

Tokens are pushed to the URL that is printed, or fetched from --poll-url. The keys are those that the transmitter's
configuration (/.well-known/ssf-configuration) leads to, unless you say otherwise.`,
		Example: `  ostiary connection signals set c01m824qgqx05kcwex3kxbcecwz --issuer https://acme.okta.com --audience https://authz.example.com
  ostiary connection signals set c01m824qgqx05kcwex3kxbcecwz --issuer https://idp.example.com --audience rp --authorization-file header.txt
  ostiary connection signals set c01m824qgqx05kcwex3kxbcecwz --issuer https://idp.example.com --audience rp --poll-url https://idp.example.com/poll/1 --poll-token-file token.txt`,
		Args: cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) (err error) {
			switch {
			case g.Issuer == "" || len(g.Audience) == 0:
				return usagef("name --issuer and --audience: by them the server knows the provider's tokens")
			case keysFile != "" && g.JwksUri != "":
				return usagef("--jwks and --jwks-uri are two ways to find the same keys: name one")
			}
			if g.Policy, err = parsePolicy(policy); err != nil {
				return err
			}
			if g.Jwks, err = textOf("--jwks", keysFile); err != nil {
				return err
			}
			if g.PushAuthorization, err = secretOf("--authorization-file", authorizationFile); err != nil {
				return err
			}
			if g.PollToken, err = secretOf("--poll-token-file", pollTokenFile); err != nil {
				return err
			}
			var header metadata.MD
			answer, err := c.SetSignalSource(ctx, &ostiaryv1.SetSignalSourceRequest{StoreId: c.store, ConnectionId: args[0], Source: g}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("set the signals of connection %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			g.Authorized = g.PushAuthorization != ""
			a.printSignals(g, answer.GetEndpointUrl(), args[0])
			return nil
		}),
	}
	f := cmd.Flags()
	f.StringVar(&g.Issuer, "issuer", "", "who makes the tokens (iss), exactly (required)")
	f.StringSliceVar(&g.Audience, "audience", nil, "for whom they are (aud), as the transmitter knows this receiver, with commas between (required)")
	f.StringVar(&g.SubjectIssuer, "subject-issuer", "", "another issuer by whose subjects people may be named")
	f.StringVar(&keysFile, "jwks", "", "file with the transmitter's public keys as a JWK set")
	f.StringVar(&g.JwksUri, "jwks-uri", "", "URL of the transmitter's public keys")
	f.StringSliceVar(&policy, "policy", nil, "what becomes of events: EVENT=ACTION, with commas between")
	f.StringSliceVar(&g.CriticalSubjectMembers, "critical", nil, "parts of subjects that the transmitter calls critical, with commas between")
	f.StringVar(&g.PollUrl, "poll-url", "", "fetch the tokens from here instead")
	f.StringVar(&pollTokenFile, "poll-token-file", "", "file with the bearer token to show there")
	f.StringVar(&authorizationFile, "authorization-file", "", "file with what the Authorization header of a push must be, as the stream was created with")
	f.BoolVar(&g.Off, "off", false, "refuse all tokens")
	return cmd
}

// secretOf returns the secret in a file, without the end of its line.
func secretOf(flag, file string) (string, error) {
	text, err := textOf(flag, file)
	if text = strings.TrimRight(text, "\r\n"); err == nil && file != "" && text == "" {
		err = usagef("the file of %s is empty", flag)
	}
	return text, err
}

// parsePolicy reads EVENT=ACTION.
func parsePolicy(pairs []string) (map[string]string, error) {
	policy := map[string]string{}
	for _, pair := range pairs {
		event, action, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok {
			return nil, usagef("%q is not of the form EVENT=ACTION", pair)
		}
		policy[event] = action
	}
	return policy, nil
}

// parsePolicyFile reads lines of "EVENT: ACTION", which is YAML and may hold comments.
func parsePolicyFile(text string) (map[string]string, error) {
	policy, n := map[string]string{}, 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		event, action, ok := strings.Cut(line, ":")
		event, action = strings.TrimSpace(event), strings.TrimSpace(action)
		if _, twice := policy[event]; !ok || twice || event == "" || action == "" {
			return nil, usagef("line %d of the policy is not 'EVENT: ACTION', or names its event again: %q", n, line)
		}
		policy[event] = action
	}
	return policy, nil
}

func (a *app) printSignals(g *ostiaryv1.SignalSource, url, connection string) {
	if url == "" {
		url = receiver.Prefix + connection
		a.talkf("the server does not know its own URL (serve --public-url): put the URL at which it is reached before this path")
	}
	keys := "by the configuration of the transmitter"
	switch {
	case g.GetJwksUri() != "":
		keys = g.GetJwksUri()
	case g.GetJwks() != "":
		keys = "given"
	}
	if g.GetPollUrl() != "" {
		a.printf("Polled          %s", g.GetPollUrl())
	} else {
		a.printf("Endpoint URL    %s", url)
		header := "any"
		if g.GetAuthorized() {
			header = "as it was set"
		}
		a.printf("Authorization   %s", header)
	}
	a.printf("Issuer          %s", g.GetIssuer())
	if g.GetSubjectIssuer() != "" {
		a.printf("Subject issuer  %s", g.GetSubjectIssuer())
	}
	a.printf("Audience        %s", strings.Join(g.GetAudience(), ", "))
	a.printf("Keys            %s", keys)
	if len(g.GetCriticalSubjectMembers()) > 0 {
		a.printf("Critical        %s", strings.Join(g.GetCriticalSubjectMembers(), ", "))
	}
	state := "on"
	if g.GetOff() {
		state = "off"
	}
	a.printf("State           %s", state)
}

func newSignalsShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show CONNECTION",
		Short:   "Show by what security event tokens a provider tells what happens, and what becomes of each event",
		Example: "  ostiary connection signals show c01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			answer, err := c.GetSignalSource(ctx, &ostiaryv1.GetSignalSourceRequest{StoreId: c.store, ConnectionId: args[0]})
			if err != nil {
				return fmt.Errorf("show the signals of connection %q: %w", args[0], err)
			}
			if a.json() {
				return a.printMessage(answer, nil)
			}
			a.printSignals(answer.GetSource(), answer.GetEndpointUrl(), args[0])
			state := answer.GetState()
			if state.GetLastUsedAt() != nil {
				a.printf("Last used       %s", dateOf(state.GetLastUsedAt()))
			}
			if state.GetVerifiedAt() != nil {
				a.printf("Verified        %s, state %q", dateOf(state.GetVerifiedAt()), state.GetVerificationState())
			}
			if state.GetStreamStatus() != "" {
				a.printf("Stream          %s", state.GetStreamStatus())
			}
			for _, event := range slices.Sorted(maps.Keys(answer.GetActions())) {
				a.printf("%-34s  %s", event, answer.GetActions()[event])
			}
			return nil
		}),
	}
}

func newSignalsPolicyCommand(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "policy CONNECTION [EVENT=ACTION…]",
		Short: "Say what becomes of events",
		Long:  "Say what becomes of events, in the place of what was said before: events that are not named have their default,\nthe first action of each line.\n\n" + policyHelp(),
		Example: `  ostiary connection signals policy c01m824qgqx05kcwex3kxbcecwz account-disabled=disable account-enabled=enable
  ostiary connection signals policy c01m824qgqx05kcwex3kxbcecwz --file policy.yaml`,
		Args: cobra.MinimumNArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			if file != "" && len(args) > 1 {
				return usagef("--file and EVENT=ACTION say the same: use one")
			}
			policy, err := parsePolicy(args[1:])
			if err == nil && file != "" {
				var text []byte
				if text, err = os.ReadFile(file); err != nil {
					return fmt.Errorf("read the policy: %w", err)
				}
				policy, err = parsePolicyFile(string(text))
			}
			if err != nil {
				return err
			}
			answer, err := c.SetSignalPolicy(ctx, &ostiaryv1.SetSignalPolicyRequest{StoreId: c.store, ConnectionId: args[0], Policy: policy})
			if err != nil {
				return fmt.Errorf("set the policy of connection %q: %w", args[0], err)
			}
			return a.say(answer, "set what becomes of %d kinds of events of connection %s; the others have their default", len(policy), args[0])
		}),
	}
	cmd.Flags().StringVar(&file, "file", "", "read it from lines of 'EVENT: ACTION'")
	return cmd
}

// policyHelp lists the actions of each event.
func policyHelp() string {
	var b strings.Builder
	for _, event := range identity.SignalEvents() {
		fmt.Fprintf(&b, "  %-34s  %s\n", event, strings.Join(identity.SignalActions(event), ", "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func newSignalsClearCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "clear CONNECTION",
		Short:   "Take no security event tokens any more, and forget the secrets of the stream",
		Example: "  ostiary connection signals clear c01m824qgqx05kcwex3kxbcecwz",
		Args:    cobra.ExactArgs(1),
		RunE: a.withIdentity(func(ctx context.Context, c identityClient, args []string) error {
			answer, err := c.ClearSignalSource(ctx, &ostiaryv1.ClearSignalSourceRequest{StoreId: c.store, ConnectionId: args[0]})
			if err != nil {
				return fmt.Errorf("clear the signals of connection %q: %w", args[0], err)
			}
			return a.say(answer, "connection %s takes no signals any more", args[0])
		}),
	}
}
