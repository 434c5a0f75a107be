package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/fakeidp"
)

func newFakeSCIMCommand(a *app) *cobra.Command {
	client := &fakeidp.SCIM{}
	var tokenFile string
	// with returns what a command runs: f, with a client that has been told where and with what token to ask.
	with := func(f func(ctx context.Context, name string) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			client.Token = a.getenv("OSTIARY_SCIM_TOKEN")
			if tokenFile != "" {
				text, err := a.readFile(tokenFile)
				if err != nil {
					return fmt.Errorf("read the token: %w", err)
				}
				client.Token = strings.TrimSpace(string(text))
			}
			if client.URL == "" || client.Token == "" {
				return usagef("name --url, and the token in --scim-token-file or $OSTIARY_SCIM_TOKEN: 'ostiary connection create' prints both")
			}
			return f(cmd.Context(), args[0])
		}
	}
	const where = " --url http://127.0.0.1:8080/scim/v2/c01m824qgqx05kcwex3kxbcecwz"
	var person fakeidp.Person
	create := &cobra.Command{
		Use: "create USER-NAME", Short: "Look for a person, create who is not there, and print the id", Args: cobra.ExactArgs(1),
		Example: "  ostiary fakeidp scim create ann@acme.test --external-id 00u1 --given-name Ann" + where,
		RunE: with(func(ctx context.Context, name string) error {
			person.UserName = name
			id, answer, err := client.Create(ctx, person)
			if err != nil {
				return err
			}
			if a.json() {
				return a.printJSON(map[string]string{"id": id, headerToken: answer.Header.Get(headerToken)})
			}
			a.printf("%s", id)
			return nil
		}),
	}
	create.Flags().StringVar(&person.ExternalID, "external-id", "", "the identity provider's id of the person")
	create.Flags().StringVar(&person.GivenName, "given-name", "", "given name")
	create.Flags().StringVar(&person.FamilyName, "family-name", "", "family name")
	create.Flags().StringVar(&person.Email, "email", "", "e-mail address (default: the user name)")
	change := func(verb, short string, f func(ctx context.Context, id string) (fakeidp.Answer, error)) *cobra.Command {
		return &cobra.Command{
			Use: verb + " ID", Short: short, Args: cobra.ExactArgs(1),
			Example: "  ostiary fakeidp scim " + verb + " u01m824qgqx05kcwex3kxbcecwz" + where,
			RunE: with(func(ctx context.Context, id string) error {
				answer, err := f(ctx, id)
				if err != nil {
					return err
				}
				return a.printAnswer(verb+" "+id, answer, http.StatusOK, http.StatusNoContent)
			}),
		}
	}
	cmd := group("scim", "Provision people as Okta does", "  ostiary fakeidp scim create ann@acme.test --external-id 00u1"+where,
		create,
		&cobra.Command{
			Use: "find USER-NAME", Short: "Print the id of who has a user name", Args: cobra.ExactArgs(1),
			Example: "  ostiary fakeidp scim find ann@acme.test" + where,
			RunE: with(func(ctx context.Context, name string) error {
				id, err := client.Find(ctx, name)
				if err == nil && id == "" {
					err = fmt.Errorf("nobody is called %q", name)
				}
				if err != nil {
					return err
				}
				if a.json() {
					return a.printJSON(map[string]string{"id": id})
				}
				a.printf("%s", id)
				return nil
			}),
		},
		change("deactivate", "Deactivate a person", func(ctx context.Context, id string) (fakeidp.Answer, error) { return client.SetActive(ctx, id, false) }),
		change("reactivate", "Activate a person again", func(ctx context.Context, id string) (fakeidp.Answer, error) { return client.SetActive(ctx, id, true) }),
		change("delete", "Delete a person", client.Delete))
	cmd.PersistentFlags().StringVar(&client.URL, "url", "", "SCIM URL of the connection (required)")
	cmd.PersistentFlags().StringVar(&tokenFile, "scim-token-file", "", "file with the token, - for stdin (or the token itself in $OSTIARY_SCIM_TOKEN)")
	return cmd
}
