package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// maxIDTokenFile bounds what is read of a file that is to hold an ID token.
const maxIDTokenFile = 64 << 10

func newSessionLoginCommand(a *app) *cobra.Command {
	r := &ostiaryv1.CreateSessionFromIDTokenRequest{}
	var file string
	var age, life time.Duration
	cmd := &cobra.Command{
		Use:   "login CONNECTION",
		Short: "Record the session of a person by an ID token, and print its id",
		Long: `Record the session of a person by an ID token of the connection's OpenID provider ('ostiary connection oidc'), and
print its id, with which it stands in tuples and questions. The ID token is read from a file, or from standard input
where that is "-": it opens doors and does not belong on a command line.`,
		Example: `  ostiary session login c01m824qgqx05kcwex3kxbcecwz --id-token-file token.jwt
  ostiary session login c01m824qgqx05kcwex3kxbcecwz --id-token-file - --nonce n-0S6_WzA2Mj --max-age 5m < token.jwt`,
		Args: cobra.ExactArgs(1),
		RunE: a.withSessions(func(ctx context.Context, c sessionClient, args []string) (err error) {
			switch {
			case file == "":
				return usagef("where is the ID token? pass --id-token-file FILE, or - for standard input")
			case age < 0 || life < 0:
				return usagef("--max-age and --expires-in are not negative")
			}
			if r.IdToken, err = readIDToken(a.in, file); err != nil {
				return err
			}
			if age > 0 {
				r.MaxAge = durationpb.New(age)
			}
			if life > 0 {
				r.ExpiresAt = timestamppb.New(time.Now().Add(life))
			}
			r.StoreId, r.ConnectionId = c.store, args[0]
			made, err := c.CreateSessionFromIDToken(ctx, r)
			if err != nil {
				return fmt.Errorf("log in by an ID token of connection %q: %w", args[0], err)
			}
			return a.say(made, "%s", made.GetSession().GetId())
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "id-token-file", "", "file that holds the ID token; - is standard input (required)")
	flags.StringVar(&r.Nonce, "nonce", "", "that the ID token must have")
	flags.StringVar(&r.ClientId, "client", "", "the application (default: the audience of the ID token)")
	flags.StringVar(&r.DeviceId, "device", "", "the device")
	flags.DurationVar(&age, "max-age", 0, "how long ago the person may have authenticated")
	flags.DurationVar(&life, "expires-in", 0, "how long the session lives (default 12h after the ID token was made)")
	return cmd
}

func readIDToken(in io.Reader, file string) (string, error) {
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("read the ID token: %w", err)
		}
		defer opened.Close()
		in = opened
	}
	text, err := io.ReadAll(io.LimitReader(in, maxIDTokenFile))
	if err != nil {
		return "", fmt.Errorf("read the ID token from %q: %w", file, err)
	}
	return strings.TrimSpace(string(text)), nil
}
