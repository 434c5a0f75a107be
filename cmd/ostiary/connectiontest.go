package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func newConnectionTestCommand(a *app) *cobra.Command {
	var flags probeFlags
	cmd := &cobra.Command{
		Use:   "test CONNECTION",
		Short: "Do over HTTP what an identity provider does with a connection",
		Long: `Do over HTTP, at the connection's SCIM URL, what an identity provider does when it tries a connection, and
say of each step whether it went well, how long it took, and what to do where it did not: read the
configuration, look for a person who does not exist, be refused with a wrong token. With --write, a person
and a group that nobody else has are made, changed and deleted, and checks are asked in between.

Without a token and without a client, it makes a token for 5 minutes (of a connection of dialect
ipsie-strict: a client) and ends it afterwards. Run it where the provider's requests come from, or with
--url, to try what stands in front of the server. Certificates are judged by the roots of this machine. It
exits with 0 where every step went well, and else with 1.`,
		Example: `  ostiary connection test c01m824qgqx05kcwex3kxbcecwz
  ostiary connection test c01m824qgqx05kcwex3kxbcecwz --url https://authz.example.com --write
  ostiary connection test c01m824qgqx05kcwex3kxbcecwz --scim-token-file - < token`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			shown, err := a.givenCredentials(flags)
			if err != nil {
				return err
			}
			c, store, err := a.storeClient(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			admin := identityClient{ostiaryv1.NewIdentityServiceClient(c.conn), store}
			answer, err := admin.GetConnection(cmd.Context(), &ostiaryv1.GetConnectionRequest{StoreId: store, Id: args[0]})
			if err != nil {
				return fmt.Errorf("show the connection %q: %w", args[0], err)
			}
			t := &connectionTest{a: a, admin: admin, fga: c.fga, connection: answer.GetConnection(), shown: shown}
			if t.scim, err = newProbe(flags.url, t.connection, a.client.timeout); err != nil {
				return err
			}
			return t.run(cmd.Context(), flags.write)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.url, "url", "", "URL to try in the place of the server's own: https://authz.example.com")
	f.StringVar(&flags.tokenFile, "scim-token-file", "", "file with the token to show, - for stdin (or the token itself in $OSTIARY_SCIM_TOKEN)")
	f.StringVar(&flags.clientID, "client-id", "", "OAuth client to get an access token as")
	f.StringVar(&flags.secretFile, "client-secret-file", "", "file with its secret, - for stdin (or the secret itself in $OSTIARY_SCIM_CLIENT_SECRET)")
	f.BoolVar(&flags.write, "write", false, "make, change and delete a person and a group too")
	return cmd
}

type probeFlags struct {
	url, tokenFile, clientID, secretFile string
	write                                bool
}

// credentials are what is shown to the SCIM endpoint: a token, or a client that gets one.
type credentials struct {
	token            string
	clientID, secret string
	end              func(context.Context) error // ends what was made for the test; nil: nothing was
}

// givenCredentials reads those that the caller gives; nil where there are none.
func (a *app) givenCredentials(f probeFlags) (*credentials, error) {
	if f.tokenFile != "" && f.clientID != "" {
		return nil, usagef("--scim-token-file and --client-id are two ways to be let in: name one")
	}
	if f.clientID == "" && f.secretFile != "" {
		return nil, usagef("--client-secret-file needs --client-id")
	}
	file, variable := f.tokenFile, "OSTIARY_SCIM_TOKEN"
	if f.clientID != "" {
		file, variable = f.secretFile, "OSTIARY_SCIM_CLIENT_SECRET"
	}
	secret := a.getenv(variable)
	if file != "" {
		text, err := a.readFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the token or the secret: %w", err)
		}
		if secret = strings.TrimSpace(string(text)); secret == "" {
			return nil, usagef("%s is empty", displayName(file))
		}
	}
	switch {
	case f.clientID != "" && secret == "":
		return nil, usagef("--client-id needs the client's secret: --client-secret-file, or $OSTIARY_SCIM_CLIENT_SECRET")
	case f.clientID != "":
		return &credentials{clientID: f.clientID, secret: secret}, nil
	case secret == "":
		return nil, nil
	}
	return &credentials{token: secret}, nil
}

// testStep is what is said of one step.
type testStep struct {
	Step   string `json:"step"`
	OK     bool   `json:"ok"`
	Millis int64  `json:"milliseconds"`
	Detail string `json:"detail,omitempty"`
	Advice string `json:"advice,omitempty"`
}

// adviceError is a failure with what to do about it.
type adviceError struct {
	detail, advice string
	halt           bool // no further request can go better
}

func (e *adviceError) Error() string { return e.detail }

// step runs one step and prints what came of it. It reports whether it went well.
func (t *connectionTest) step(what string, f func() (detail string, err error)) bool {
	began := time.Now()
	detail, err := f()
	s := testStep{Step: what, OK: err == nil, Millis: time.Since(began).Milliseconds(), Detail: detail}
	if err != nil {
		s.Detail = err.Error()
		if known, ok := err.(*adviceError); ok {
			s.Advice = known.advice
			t.halted = t.halted || known.halt
		}
		t.failed++
	}
	t.steps = append(t.steps, s)
	if t.a.json() {
		return s.OK
	}
	mark, text := t.a.paintOut(green, "ok    "), fmt.Sprintf("%s (%d ms)", s.Step, s.Millis)
	if !s.OK {
		mark = t.a.paintOut(red, "failed")
	}
	if s.Detail != "" {
		text += ": " + s.Detail
	}
	t.a.printf("%s  %s", mark, text)
	if s.Advice != "" {
		t.a.printf("        %s", s.Advice)
	}
	return s.OK
}

// report ends the test.
func (t *connectionTest) report() error {
	switch {
	case t.a.json():
		err := t.a.printJSON(struct {
			Connection string     `json:"connection"`
			URL        string     `json:"url"`
			OK         bool       `json:"ok"`
			Steps      []testStep `json:"steps"`
		}{t.connection.GetId(), t.scim.url, t.failed == 0, t.steps})
		if err != nil {
			return err
		}
	case t.failed == 0:
		t.a.printf("the connection works")
	default:
		t.a.printf("%d of %d steps failed", t.failed, len(t.steps))
	}
	if t.failed > 0 {
		return errReported
	}
	return nil
}

// letIn returns an authorization for the SCIM endpoint, and what ends what was made for it.
func (t *connectionTest) letIn(ctx context.Context, write bool) (end func(context.Context) error, ok bool) {
	shown := t.shown
	if shown == nil {
		made := &credentials{}
		strict := t.connection.GetDialect() == "ipsie-strict"
		what := "make a token for 5 minutes"
		if strict {
			what = "make a client"
		}
		if !t.step(what, func() (string, error) { return "", t.makeCredentials(ctx, made, strict, write) }) {
			return nil, false
		}
		shown, end = made, made.end
	}
	if shown.clientID == "" {
		t.scim.token = shown.token
		return end, true
	}
	return end, t.step("get an access token", func() (string, error) {
		var err error
		t.scim.token, err = t.scim.accessToken(ctx, shown.clientID, shown.secret)
		return "from " + t.scim.tokenURL, err
	})
}

// makeCredentials makes what is ended after the test.
func (t *connectionTest) makeCredentials(ctx context.Context, into *credentials, strict, write bool) error {
	const name = "connection test"
	scopes, id := []string{"users:r", "groups:r"}, t.connection.GetId()
	if write {
		scopes = []string{"users:w", "groups:w"}
	}
	if strict {
		made, err := t.admin.CreateClient(ctx, &ostiaryv1.CreateClientRequest{
			StoreId: t.admin.store, ConnectionId: id, Name: name, Method: "client_secret", Scopes: scopes})
		if err != nil {
			return &adviceError{detail: err.Error(), advice: "show one that there is by --client-id and --client-secret-file"}
		}
		into.clientID, into.secret = made.GetClient().GetId(), made.GetSecret()
		into.end = func(ctx context.Context) error {
			_, err := t.admin.DeleteClient(ctx, &ostiaryv1.DeleteClientRequest{StoreId: t.admin.store, ConnectionId: id, Id: into.clientID})
			return withAdvice(err, "ostiary connection client delete "+id+" "+into.clientID)
		}
		return nil
	}
	made, err := t.admin.CreateToken(ctx, &ostiaryv1.CreateTokenRequest{
		StoreId: t.admin.store, ConnectionId: id, Name: name, Scopes: scopes, ExpiresAt: inFiveMinutes()})
	if err != nil {
		return &adviceError{detail: err.Error(), advice: "show one that there is by --scim-token-file"}
	}
	into.token = made.GetSecret()
	into.end = func(ctx context.Context) error {
		_, err := t.admin.RevokeToken(ctx, &ostiaryv1.RevokeTokenRequest{StoreId: t.admin.store, ConnectionId: id, Id: made.GetToken().GetId()})
		return withAdvice(err, "it expires within 5 minutes; or: ostiary connection token revoke "+id+" "+made.GetToken().GetId())
	}
	return nil
}

func withAdvice(err error, advice string) error {
	if err == nil {
		return nil
	}
	return &adviceError{detail: err.Error(), advice: advice}
}

// adviceOn says what to do about an answer of the SCIM endpoint that is not the one that should come.
func (t *connectionTest) adviceOn(status int, retryAfter string) string {
	id := t.connection.GetId()
	switch {
	case status >= 300 && status < 400:
		return "identity providers do not follow: give them, and --url, the address that it leads to"
	case status == http.StatusUnauthorized && t.shown == nil:
		return "the URL leads to another server, or what stands in front of it drops the header Authorization"
	case status == http.StatusUnauthorized && t.connection.GetDialect() == "ipsie-strict":
		return "the dialect ipsie-strict takes OAuth access tokens alone: ostiary connection client list " + id
	case status == http.StatusUnauthorized:
		return "the token is of another connection, revoked or expired: ostiary connection token list " + id
	case status == http.StatusForbidden:
		return "the token has too few scopes, or what stands in front of the server refuses: ostiary connection token list " + id
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return "what stands in front of the server must pass /scim/v2/ and /oauth/ on, with every method and the path as it is"
	case status == http.StatusTooManyRequests:
		return "wait " + cmp.Or(retryAfter, "some") + " s; where deletions are held: ostiary connection show " + id
	case status == http.StatusServiceUnavailable && t.connection.GetPaused() != "":
		return "ostiary connection resume " + id
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		return "what stands in front of the server does not reach it"
	case status >= 500:
		return "see the log of the server, and ostiary connection log " + id
	case status >= 400:
		return "see ostiary connection log " + id
	}
	return "this is not Ostiary's answer: does the URL lead to it?"
}
