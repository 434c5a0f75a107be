package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/fakeidp"
	"github.com/ostiary/ostiary/keyset"
)

// fakeFlags are those of all commands of the fake identity provider.
type fakeFlags struct {
	issuer, keyFile string
}

func newFakeIDPCommand(a *app) *cobra.Command {
	var flags fakeFlags
	cmd := group("fakeidp", "A small identity provider for trials: it does to a server what real ones do",
		`  ostiary fakeidp serve
  ostiary fakeidp token 00u1 --client-id portal
  OSTIARY_SCIM_TOKEN=… ostiary fakeidp scim create ann@acme.test --external-id 00u1 --url http://127.0.0.1:8080/scim/v2/c01m824qgqx05kcwex3kxbcecwz`,
		newFakeServeCommand(a, &flags), newFakeRelyingPartyCommand(a), newFakeTokenCommand(a, &flags), newFakeKeysCommand(a, &flags),
		newFakeRevokeCommand(a, &flags), newFakeSignalCommand(a, &flags), newFakeLogoutCommand(a, &flags), newFakeSCIMCommand(a))
	cmd.Long = `A small identity provider for trials. It asks nobody for a password, and whoever has its key is everybody: never
trust it for anything of worth. A server on this machine trusts it when its own requests may go there:
ostiary serve --dev --egress-allow 127.0.0.0/8.

All commands sign with the key in --key-file, which is made where there is none, so that what one says, the keys
that another serves will prove.`
	cmd.PersistentFlags().StringVar(&flags.issuer, "issuer", "http://127.0.0.1:8090", "URL of the identity provider")
	cmd.PersistentFlags().StringVar(&flags.keyFile, "key-file", "fakeidp-key.pem", "file with its key; made where there is none")
	fromEnv(cmd.PersistentFlags(), "issuer", "key-file")
	return cmd
}

// provider returns the fake identity provider.
func (f fakeFlags) provider(redirects ...string) (*fakeidp.Provider, error) {
	key, err := fakeidp.LoadKey(f.keyFile)
	if err != nil {
		return nil, err
	}
	return fakeidp.New(fakeidp.Options{Issuer: f.issuer, Key: key, RedirectURIs: redirects})
}

func newFakeServeCommand(a *app, flags *fakeFlags) *cobra.Command {
	var redirects []string
	l := listenFlags{addr: "127.0.0.1:8090"}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve discovery, keys, a login without passwords, and signals to poll",
		Long: `Serve discovery, keys, a login by authorization code that asks for no password (/authorize, /token), the configuration
of a transmitter of Shared Signals, and a queue of security event tokens to poll (/sets; what is pushed to /sets/queue waits there).`,
		Example: `  ostiary fakeidp serve
  ostiary fakeidp serve --addr 127.0.0.1:9000 --issuer http://127.0.0.1:9000 --redirect-uri https://portal.test/callback`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("issuer") && cmd.Flags().Changed("addr") {
				flags.issuer = "http://" + l.addr
			}
			p, err := flags.provider(redirects...)
			if err != nil {
				return err
			}
			a.talkf("%s", a.paintErr(red, "FOR TRIALS: this identity provider asks nobody for a password."))
			return l.serve(cmd.Context(), p, func(url string) {
				a.printf("ready: identity provider on %s, issuer %s", url, p.Issuer())
			})
		},
	}
	l.register(cmd.Flags())
	cmd.Flags().StringSliceVar(&redirects, "redirect-uri", nil, "URIs to which a login may lead, beside those on this machine, with commas between")
	return cmd
}

// listenFlags say where a tool for trials listens.
type listenFlags struct {
	addr     string
	anywhere bool
}

func (l *listenFlags) register(f *pflag.FlagSet) {
	f.StringVar(&l.addr, "addr", l.addr, "address to listen on")
	f.BoolVar(&l.anywhere, "anywhere", false, "listen on an address that other machines may reach too")
}

// serve serves until the context ends.
func (l *listenFlags) serve(ctx context.Context, h http.Handler, ready func(url string)) error {
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		return fmt.Errorf("listen (--addr): %w", err)
	}
	if tcp, ok := listener.Addr().(*net.TCPAddr); !l.anywhere && (!ok || !tcp.IP.IsLoopback()) {
		return errors.Join(usagef("--addr %q is not a loopback address, and this is for trials: pass --anywhere if you mean it", l.addr), listener.Close())
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	ready("http://" + listener.Addr().String())
	select {
	case err := <-ended:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	err = server.Close()
	<-ended // it says that the server was closed
	return err
}

func newFakeRelyingPartyCommand(a *app) *cobra.Command {
	rp := &fakeidp.RelyingParty{}
	l := listenFlags{addr: "127.0.0.1:8091"}
	var issuer, keysURL string
	cmd := &cobra.Command{
		Use:   "relying-party",
		Short: "Take logout tokens as an application does, judge them, and print them",
		Long: `Take logout tokens as an application does (OpenID Connect Back-Channel Logout), judge them by the keys of the
server, and print each.`,
		Example: `  ostiary fakeidp relying-party --client-id portal --logout-issuer http://127.0.0.1:8080/stores/01M824QGQX05KCWEX3KXBCECWZ
  ostiary fakeidp relying-party --client-id portal --logout-issuer https://authz.example.com/stores/01M824QGQX05KCWEX3KXBCECWZ --fail-first 3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if issuer == "" || rp.ClientID == "" {
				return usagef("name --logout-issuer, who is believed, and --client-id, whom the tokens are for")
			}
			cache := keyset.NewCache(fakeidp.Getter(nil), keyset.Options{})
			defer cache.Close()
			rp.Issuer, rp.Keys = issuer, cache.URL(cmp.Or(keysURL, issuer+"/jwks.json"))
			rp.Told = a.printLogout
			return l.serve(cmd.Context(), rp, func(url string) { a.printf("ready: register %s/backchannel-logout", url) })
		},
	}
	f := cmd.Flags()
	l.register(f)
	f.StringVar(&issuer, "logout-issuer", "", "who makes the logout tokens: URL of the server, /stores/ and the store's id (required)")
	f.StringVar(&keysURL, "jwks-uri", "", "URL of the issuer's keys (default: the issuer and /jwks.json)")
	f.StringVar(&rp.ClientID, "client-id", "", "the application that this is (required)")
	f.IntVar(&rp.FailFirst, "fail-first", 0, "answer so many good tokens with 503 at first")
	return cmd
}

// printLogout prints what a logout token said, or why it was refused.
func (a *app) printLogout(l fakeidp.Logout, err error) {
	now := time.Now().UTC().Format("15:04:05.000")
	if a.json() {
		line := struct {
			Time string `json:"time"`
			fakeidp.Logout
			Error string `json:"error,omitempty"`
		}{Time: now, Logout: l}
		if err != nil {
			line.Error = err.Error()
		}
		_ = a.printJSON(line) // texts: they can be encoded
		return
	}
	var parts []string
	for _, p := range [][2]string{{"sub", l.Subject}, {"sid", l.SID}, {"jti", l.ID}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	what := "logged out"
	switch {
	case err != nil:
		what = "refused"
		parts = append(parts, err.Error())
	case l.Repeated:
		what = "logged out again"
	}
	a.printf("%s  %s: %s", now, what, strings.Join(parts, ", "))
}
