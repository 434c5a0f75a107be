package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
)

func newListObjectsCommand(a *app) *cobra.Command {
	var query queryFlags
	var all bool
	cmd := &cobra.Command{
		Use:   "list-objects USER RELATION TYPE",
		Short: "List the objects of a type to which a user has a relation",
		Example: `  ostiary list-objects user:ann viewer doc
  ostiary list-objects user:ann viewer doc --all --as-of 2026-01-31T12:00:00Z
  ostiary list-objects group:eng#member viewer doc --output json`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: a.completeListObjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			preference, err := query.preference()
			if err != nil {
				return err
			}
			contextual, err := query.contextualTuples()
			if err != nil {
				return err
			}
			values, err := query.conditionValues()
			if err != nil {
				return err
			}
			c, store, err := a.storeClient(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			request := &openfgav1.ListObjectsRequest{
				StoreId: store, AuthorizationModelId: query.model,
				User: args[0], Relation: args[1], Type: args[2],
				ContextualTuples: contextual, Context: values, Consistency: preference,
			}
			answer := &openfgav1.ListObjectsResponse{}
			header, err := eachPage(query.context(cmd.Context()), all, func(ctx context.Context, header *metadata.MD) (int, error) {
				page, err := c.fga.ListObjects(ctx, request, grpc.Header(header))
				answer.Objects = append(answer.Objects, page.GetObjects()...)
				return len(page.GetObjects()), err
			})
			if err != nil {
				return fmt.Errorf("list the objects of type %s that %s has as %s: %w", args[2], args[0], args[1], err)
			}
			a.warnTruncated(header, "--listObjects-max-results")
			if a.json() {
				return a.printMessage(answer, header)
			}
			for _, object := range answer.GetObjects() {
				a.printf("%s", object)
			}
			return nil
		},
	}
	query.add(cmd)
	query.addValues(cmd)
	addAll(cmd, &all)
	return a.addStoreFlag(a.addClientFlags(cmd))
}

func newListUsersCommand(a *app) *cobra.Command {
	var query queryFlags
	var filter string
	var all bool
	cmd := &cobra.Command{
		Use:   "list-users OBJECT RELATION",
		Short: "List the users that have a relation to an object",
		Long: `List the users that have a relation to an object: users of a type (--user-filter user), or usersets
(--user-filter group#member). 'user:*' in the answer stands for every user of the type.`,
		Example: `  ostiary list-users doc:1 viewer
  ostiary list-users doc:1 viewer --user-filter group#member`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeObjectRelation,
		RunE: func(cmd *cobra.Command, args []string) error {
			object, err := ostiary.ParseObject(args[0])
			if err != nil {
				return usagef("%v", err)
			}
			preference, err := query.preference()
			if err != nil {
				return err
			}
			contextual, err := query.contextualKeys()
			if err != nil {
				return err
			}
			values, err := query.conditionValues()
			if err != nil {
				return err
			}
			c, store, err := a.storeClient(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			typ, relation, _ := strings.Cut(filter, "#")
			request := &openfgav1.ListUsersRequest{
				StoreId: store, AuthorizationModelId: query.model,
				Object: &openfgav1.Object{Type: object.Type, Id: object.ID}, Relation: args[1],
				UserFilters:      []*openfgav1.UserTypeFilter{{Type: typ, Relation: relation}},
				ContextualTuples: contextual, Context: values, Consistency: preference,
			}
			answer := &openfgav1.ListUsersResponse{}
			header, err := eachPage(query.context(cmd.Context()), all, func(ctx context.Context, header *metadata.MD) (int, error) {
				page, err := c.fga.ListUsers(ctx, request, grpc.Header(header))
				answer.Users = append(answer.Users, page.GetUsers()...)
				return len(page.GetUsers()), err
			})
			if err != nil {
				return fmt.Errorf("list the users that have %s as %s: %w", args[0], args[1], err)
			}
			a.warnTruncated(header, "--listUsers-max-results")
			if a.json() {
				return a.printMessage(answer, header)
			}
			for _, user := range answer.GetUsers() {
				a.printf("%s", userText(user))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&filter, "user-filter", "user", "which users: a type (user), or a type and a relation (group#member)")
	query.add(cmd)
	query.addValues(cmd)
	addAll(cmd, &all)
	_ = cmd.RegisterFlagCompletionFunc("user-filter", a.completeTypes)
	return a.addStoreFlag(a.addClientFlags(cmd))
}

func addAll(cmd *cobra.Command, all *bool) {
	cmd.Flags().BoolVar(all, "all", false, "ask on where the server cuts the list, at the same revision, until it is whole")
}

// eachPage calls ask for the first page of a list and, with all, for those that follow it at the same
// revision. ask fills in the headers of its answer and returns the length of its page. The headers of the
// last answer are returned. A page that is empty and not the last was cut by the server's deadline, which
// it would meet again.
func eachPage(ctx context.Context, all bool, ask func(ctx context.Context, header *metadata.MD) (int, error)) (metadata.MD, error) {
	page := ctx
	for {
		var header metadata.MD
		n, err := ask(page, &header)
		if err != nil {
			return header, err
		}
		token := header.Get(headerContinue)
		if !all || len(token) == 0 {
			return header, nil
		}
		if n == 0 {
			return header, errors.New("the server's deadline cut the list before it had a page; 'ostiary serve --listObjects-deadline, --listUsers-deadline' set it")
		}
		page = metadata.AppendToOutgoingContext(ctx, headerContinue, token[0])
	}
}

// warnTruncated says on stderr that the server cut a list short.
func (a *app) warnTruncated(header metadata.MD, flag string) {
	if len(header.Get(headerTruncated)) > 0 {
		a.talkf("the list is cut short by the server's limit: --all asks for the rest, 'ostiary serve %s' sets the limit", flag)
	}
}

// userText is a user of a ListUsers answer as it stands in a tuple.
func userText(u *openfgav1.User) string {
	switch u := u.GetUser().(type) {
	case *openfgav1.User_Object:
		return u.Object.GetType() + ":" + u.Object.GetId()
	case *openfgav1.User_Userset:
		return u.Userset.GetType() + ":" + u.Userset.GetId() + "#" + u.Userset.GetRelation()
	case *openfgav1.User_Wildcard:
		return u.Wildcard.GetType() + ":*"
	}
	return ""
}
