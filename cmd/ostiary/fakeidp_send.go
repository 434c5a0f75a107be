package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/fakeidp"
)

// The formats in which the fake identity provider names people.
const (
	subjectIssuerSubject = "iss_sub"
	subjectEmail         = "email"
	subjectOpaque        = "opaque"
)

// subjectOf returns the identifier that names somebody in a format.
func subjectOf(p *fakeidp.Provider, format, name string) (map[string]any, error) {
	switch format {
	case subjectIssuerSubject:
		return fakeidp.IssuerSubject(p.Issuer(), name), nil
	case subjectEmail:
		return fakeidp.Email(name), nil
	case subjectOpaque:
		return fakeidp.Opaque(name), nil
	}
	return nil, usagef("--format %q is none of %s, %s, %s", format, subjectIssuerSubject, subjectEmail, subjectOpaque)
}

// printAnswer says what a server answered, and fails where that is none of what success is.
func (a *app) printAnswer(what string, answer fakeidp.Answer, success ...int) error {
	if !slices.Contains(success, answer.Status) {
		return answer.Want(what, success...)
	}
	token := answer.Header.Get(headerToken)
	if a.json() {
		return a.printJSON(map[string]any{"status": answer.Status, headerToken: token, "milliseconds": answer.Took.Milliseconds()})
	}
	line := fmt.Sprintf("%d %s in %s", answer.Status, http.StatusText(answer.Status), answer.Took.Round(100*time.Microsecond))
	if token != "" {
		line += ", token " + token
	}
	a.printf("%s", line)
	return nil
}

// claimsOf reads name=value, where value is JSON or else a text.
func claimsOf(flag string, all []string) (map[string]any, error) {
	claims := map[string]any{}
	for _, text := range all {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("%s %q is not name=value", flag, text)
		}
		var parsed any = value
		if json.Unmarshal([]byte(value), &parsed) != nil {
			parsed = value
		}
		claims[name] = parsed
	}
	return claims, nil
}

func newFakeTokenCommand(a *app, flags *fakeFlags) *cobra.Command {
	var l fakeidp.Login
	var ago, session time.Duration
	var extra []string
	cmd := &cobra.Command{
		Use:   "token SUBJECT",
		Short: "Print an ID token of a person who logs in now",
		Example: `  ostiary fakeidp token 00u1 --client-id portal
  ostiary fakeidp token 00u1 --client-id portal --sid 102Zk4v --acr urn:mfa --amr pwd,otp --session-expires-in 8h
  ostiary fakeidp token 00u1 --client-id portal --auth-age 2h --claim oid=9f8e`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := flags.provider()
			if err != nil {
				return err
			}
			if l.ClientID == "" {
				return usagef("name the application that the token is for: --client-id")
			}
			if l.Extra, err = claimsOf("--claim", extra); err != nil {
				return err
			}
			l.Subject, l.AuthTime = args[0], time.Now().Add(-ago)
			if session != 0 {
				l.SessionExpiry = time.Now().Add(session)
			}
			token, err := p.IDToken(l)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(map[string]string{"id_token": token})
			}
			a.printf("%s", token)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&l.ClientID, "client-id", "", "the application (aud, required)")
	f.StringVar(&l.SID, "sid", "", "the provider's session")
	f.StringVar(&l.ACR, "acr", "", "authentication context")
	f.StringSliceVar(&l.AMR, "amr", nil, "authentication methods")
	f.StringVar(&l.Nonce, "nonce", "", "what the application sent")
	f.DurationVar(&l.Life, "expires-in", 0, "how long the token is good for (default 5m)")
	f.DurationVar(&ago, "auth-age", 0, "how long ago the person has authenticated")
	f.DurationVar(&session, "session-expires-in", 0, "when the application must ask again (session_expiry)")
	f.StringArrayVar(&extra, "claim", nil, "further claim, as name=value; null leaves one out")
	return cmd
}

func newFakeKeysCommand(a *app, flags *fakeFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "keys",
		Short:   "Print the public key as a JWK set",
		Example: "  ostiary fakeidp keys > keys.json\n  ostiary connection gtr set c01m824qgqx05kcwex3kxbcecwz --issuer http://127.0.0.1:8090 --subject portal --jwks keys.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			p, err := flags.provider()
			if err != nil {
				return err
			}
			return a.printRaw(p.KeySet())
		},
	}
}

func newFakeRevokeCommand(a *app, flags *fakeFlags) *cobra.Command {
	var url, application, format string
	cmd := &cobra.Command{
		Use:   "revoke SUBJECT",
		Short: "Ask that a person be logged out, as Okta's Universal Logout does",
		Long: `Ask that a person be logged out (Global Token Revocation), as Okta's Universal Logout does: with a JWT of type
global-token-revocation+jwt, signed for this one request.`,
		Example: `  ostiary fakeidp revoke 00u1 --client-id 0oa1 --url http://127.0.0.1:8080/gtr/c01m824qgqx05kcwex3kxbcecwz
  ostiary fakeidp revoke ann@acme.test --format email --client-id 0oa1 --url http://127.0.0.1:8080/gtr/c01m824qgqx05kcwex3kxbcecwz`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := flags.provider()
			if err != nil {
				return err
			}
			if url == "" || application == "" {
				return usagef("name --url and --client-id: 'ostiary connection gtr show' prints both")
			}
			subject, err := subjectOf(p, format, args[0])
			if err != nil {
				return err
			}
			answer, err := p.Revoke(cmd.Context(), nil, url, application, subject)
			if err != nil {
				return fmt.Errorf("revoke %q: %w", args[0], err)
			}
			return a.printAnswer("revoke "+args[0], answer, http.StatusNoContent)
		},
	}
	cmd.Flags().StringVar(&url, "url", "", "endpoint of the connection (required)")
	cmd.Flags().StringVar(&application, "client-id", "", "client id of the application, as set with --subject (required)")
	cmd.Flags().StringVar(&format, "format", subjectIssuerSubject, "how the person is named: iss_sub, email or opaque")
	return cmd
}

// The URIs of events (Shared Signals, CAEP, RISC).
const (
	ssfEvents  = "https://schemas.openid.net/secevent/ssf/event-type/"
	caepEvents = "https://schemas.openid.net/secevent/caep/event-type/"
	riscEvents = "https://schemas.openid.net/secevent/risc/event-type/"
)

// eventURI returns the URI of an event that is named shortly, or by the URI itself.
func eventURI(name string) (string, error) {
	caep := []string{"session-revoked", "credential-change", "assurance-level-change", "token-claims-change", "device-compliance-change",
		"session-established", "session-presented", "risk-level-change"}
	risc := []string{"account-disabled", "account-enabled", "account-purged", "account-credential-change-required", "credential-compromise",
		"identifier-changed", "identifier-recycled", "sessions-revoked", "recovery-activated", "recovery-information-changed"}
	ssf := []string{"verification", "stream-updated"}
	switch {
	case slices.Contains(ssf, name):
		return ssfEvents + name, nil
	case slices.Contains(caep, name):
		return caepEvents + name, nil
	case slices.Contains(risc, name):
		return riscEvents + name, nil
	case strings.Contains(name, ":"):
		return name, nil
	}
	return "", usagef("event %q is no URI, and none of %s", name, strings.Join(slices.Concat(caep, risc, ssf), ", "))
}

func newFakeSignalCommand(a *app, flags *fakeFlags) *cobra.Command {
	var url, authorization, format string
	var fields []string
	e := fakeidp.SecurityEvent{}
	cmd := &cobra.Command{
		Use:   "signal EVENT SUBJECT",
		Short: "Tell a receiver of an event (Shared Signals: CAEP and RISC)",
		Long: `Push a security event token to a receiver. EVENT is the last part of its URI, as session-revoked, or a URI. To let
it wait to be polled, push it to /sets/queue of 'ostiary fakeidp serve'.`,
		Example: `  ostiary fakeidp signal session-revoked 00u1 --audience https://authz.example.com --url http://127.0.0.1:8080/signals/c01m824qgqx05kcwex3kxbcecwz
  ostiary fakeidp signal credential-change 00u1 --as-okta --field credential_type=password --field change_type=update --audience https://authz.example.com --url http://127.0.0.1:8090/sets/queue
  ostiary fakeidp signal verification stream-1 --format opaque --field state=hello --audience https://authz.example.com --url http://127.0.0.1:8080/signals/c01m824qgqx05kcwex3kxbcecwz`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := flags.provider()
			if err != nil {
				return err
			}
			if url == "" {
				return usagef("name --url, where the receiver takes events")
			}
			if e.Type, err = eventURI(args[0]); err != nil {
				return err
			}
			if e.Subject, err = subjectOf(p, format, args[1]); err != nil {
				return err
			}
			if e.Fields, err = claimsOf("--field", fields); err != nil {
				return err
			}
			token, _, err := p.SecurityEventToken(e)
			if err != nil {
				return err
			}
			answer, err := fakeidp.Push(cmd.Context(), nil, url, authorization, token)
			if err != nil {
				return fmt.Errorf("tell of %s: %w", args[0], err)
			}
			return a.printAnswer("tell of "+args[0], answer, http.StatusAccepted)
		},
	}
	f := cmd.Flags()
	f.StringVar(&url, "url", "", "where the receiver takes events (required)")
	f.StringVar(&e.Audience, "audience", "", "the receiver (aud)")
	f.StringVar(&authorization, "authorization", "", "header that the receiver wants to see")
	f.StringVar(&format, "format", subjectIssuerSubject, "how the person is named: iss_sub, email or opaque")
	f.StringArrayVar(&fields, "field", nil, "field of the event, as name=value")
	f.BoolVar(&e.AsOkta, "as-okta", false, "put the subject into the event, and give its time in milliseconds")
	return cmd
}

func newFakeLogoutCommand(a *app, flags *fakeFlags) *cobra.Command {
	var url, application, subject, sid string
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "Send a logout token (OpenID Connect Back-Channel Logout)",
		Example: `  ostiary fakeidp logout --sid 102Zk4v --client-id portal --url http://127.0.0.1:8091/backchannel-logout
  ostiary fakeidp logout --sub 00u1 --client-id portal --url http://127.0.0.1:8091/backchannel-logout`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := flags.provider()
			if err != nil {
				return err
			}
			if url == "" || application == "" || subject+sid == "" {
				return usagef("name --url, --client-id, and --sub or --sid")
			}
			token, err := p.LogoutToken(application, subject, sid, nil)
			if err != nil {
				return err
			}
			answer, err := fakeidp.LogOut(cmd.Context(), nil, url, token)
			if err != nil {
				return fmt.Errorf("send a logout token: %w", err)
			}
			return a.printAnswer("send a logout token", answer, http.StatusOK, http.StatusNoContent)
		},
	}
	f := cmd.Flags()
	f.StringVar(&url, "url", "", "where logout tokens are taken (required)")
	f.StringVar(&application, "client-id", "", "whom the token is for (aud, required)")
	f.StringVar(&subject, "sub", "", "the person; without --sid all sessions")
	f.StringVar(&sid, "sid", "", "the session")
	return cmd
}
