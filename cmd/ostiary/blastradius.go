package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/dsl"
)

// blastFlags are the flags that every question about a change has.
type blastFlags struct {
	relations, types []string
	values           string
	max              uint32
	model            string
	consistency      consistencyFlags
}

func newBlastRadiusCommand(a *app) *cobra.Command {
	f := &blastFlags{}
	cmd := group("blast-radius", "Show who would gain and who would lose what by a change, and make none",
		`  ostiary blast-radius model model.fga
  ostiary blast-radius tuples --delete team:storage#member@user:u17
  ostiary blast-radius delete-where --object doc:1 --of-relation viewer
  ostiary blast-radius user ann --org acme --change deactivate`,
		newBlastModelCommand(a, f), newBlastTuplesCommand(a, f), newBlastWhereCommand(a, f), newBlastUserCommand(a, f))
	cmd.Long = `Show who would gain and who would lose what by a change, and make none. What is shown is compared in one
state of the store, before the change and after it. Where a bound was met the last line says so: then there may be
more, and what is shown is so all the same.`
	flags := cmd.PersistentFlags()
	flags.StringArrayVar(&f.relations, "relation", nil, "a relation to ask about, TYPE#RELATION (may be repeated; default: those that come into no other)")
	flags.StringArrayVar(&f.types, "user-type", nil, "a type of users to ask about (may be repeated; default: all)")
	flags.StringVar(&f.values, "context", "", "values for the parameters of conditions, a JSON object")
	flags.Uint32Var(&f.max, "max", 0, "how many gains and losses to show at most (0: 1,000)")
	flags.StringVar(&f.model, "model", "", "id of the model before the change (default: the newest)")
	flags.StringVar(&f.consistency.atLeast, "at-least", "", "consistency token: answer from a state at least as new")
	flags.StringVar(&f.consistency.mode, "consistency", "higher-consistency", "minimize-latency, or higher-consistency for an answer that holds every acknowledged write")
	_ = cmd.RegisterFlagCompletionFunc("consistency",
		cobra.FixedCompletions([]string{"minimize-latency", "higher-consistency"}, cobra.ShellCompDirectiveNoFileComp))
	return a.addStoreFlag(a.addClientFlags(cmd))
}

func newBlastModelCommand(a *app, f *blastFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "model FILE",
		Short:   "Show who would gain and who would lose what by another model",
		Long:    "Show who would gain and who would lose what if the model of a file (as 'ostiary model write' takes it) were the newest.",
		Example: "  ostiary blast-radius model model.fga --relation doc#can_edit",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := a.compileFile(args[0])
			if err != nil {
				return err
			}
			text, err := dsl.JSON(m)
			if err != nil {
				return err
			}
			return a.blastRadius(cmd, f, &ostiaryv1.BlastRadiusRequest{Change: &ostiaryv1.BlastRadiusRequest_Model{Model: string(text)}})
		},
	}
}

func newBlastTuplesCommand(a *app, f *blastFlags) *cobra.Command {
	var writes, deletes []string
	cmd := &cobra.Command{
		Use:   "tuples",
		Short: "Show who would gain and who would lose what by tuples that come and go",
		Long: `Show who would gain and who would lose what by tuples that come and go, at most 100. They may be tuples that identity
providers write: who leaves a group, who loses a role.`,
		Example: `  ostiary blast-radius tuples --write doc:1#viewer@group:eng#member --delete doc:1#viewer@user:ann
  ostiary blast-radius tuples --delete group:acme/eng#assigned@user:ann`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			change := &ostiaryv1.BlastRadiusTuples{}
			for _, text := range writes {
				k, err := blastKey(text)
				if err != nil {
					return usagef("--write: %v", err)
				}
				change.Writes = append(change.Writes, &ostiaryv1.BlastRadiusTuple{Key: k})
			}
			for _, text := range deletes {
				k, err := blastKey(text)
				if err != nil {
					return usagef("--delete: %v", err)
				}
				change.Deletes = append(change.Deletes, k)
			}
			if len(writes)+len(deletes) == 0 {
				return usagef("which tuples? pass --write or --delete, OBJECT#RELATION@USER")
			}
			return a.blastRadius(cmd, f, &ostiaryv1.BlastRadiusRequest{Change: &ostiaryv1.BlastRadiusRequest_Tuples{Tuples: change}})
		},
	}
	cmd.Flags().StringArrayVar(&writes, "write", nil, "a tuple that would be written, OBJECT#RELATION@USER (may be repeated)")
	cmd.Flags().StringArrayVar(&deletes, "delete", nil, "a tuple that would be deleted (may be repeated)")
	return cmd
}

func blastKey(text string) (*ostiaryv1.TupleKey, error) {
	parsed, err := parseTuples([]string{text})
	if err != nil {
		return nil, err
	}
	k := tupleKey(parsed[0])
	return &ostiaryv1.TupleKey{Object: k.GetObject(), Relation: k.GetRelation(), User: k.GetUser()}, nil
}

func newBlastWhereCommand(a *app, f *blastFlags) *cobra.Command {
	filter := &ostiaryv1.TupleFilter{}
	cmd := &cobra.Command{
		Use:   "delete-where",
		Short: "Show who would lose what if every tuple that matches a filter went",
		Long: `Show who would lose what if every tuple that matches a filter went, whoever grants it. The filter is one of 'ostiary
tuple delete-where'.`,
		Example: `  ostiary blast-radius delete-where --user user:ann --object-type doc
  ostiary blast-radius delete-where --object group:acme/eng`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if filter.Object == "" && filter.User == "" && filter.Owner == "" {
				return usagef("which tuples? pass --object doc:1, --object doc:, --user user:ann or --owner api")
			}
			return a.blastRadius(cmd, f, &ostiaryv1.BlastRadiusRequest{Change: &ostiaryv1.BlastRadiusRequest_DeleteFilter{DeleteFilter: filter}})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&filter.Object, "object", "", "an object (doc:1), or a type (doc:)")
	flags.StringVar(&filter.User, "user", "", "a user, exactly (user:ann, user:*, group:eng#member)")
	flags.StringVar(&filter.Owner, "owner", "", "api: everything that was written")
	flags.StringVar(&filter.Relation, "of-relation", "", "only tuples of a relation")
	flags.StringVar(&filter.ObjectType, "object-type", "", "only tuples of objects of a type")
	return cmd
}

// blastUserChanges are what may happen to a person, by the word of the flag.
var blastUserChanges = map[string]ostiaryv1.BlastRadiusUserChange{
	"deactivate":      ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_DEACTIVATE,
	"delete":          ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_DELETE,
	"block":           ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_BLOCK,
	"unblock":         ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_UNBLOCK,
	"revoke-sessions": ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_REVOKE_SESSIONS,
}

func newBlastUserCommand(a *app, f *blastFlags) *cobra.Command {
	var organization, change string
	cmd := &cobra.Command{
		Use:   "user USER",
		Short: "Show what a person would lose or gain by being deactivated, deleted, blocked, unblocked or logged out",
		Long: `Show what a person of an organization would lose or gain, and which sessions would end, by what an identity provider
does (deactivate, delete) or you do (block, unblock, revoke-sessions). USER is the id as it stands in tuples, without its
type.`,
		Example: `  ostiary blast-radius user ann --org acme --change deactivate
  ostiary blast-radius user ann --org acme --change revoke-sessions --output json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, known := blastUserChanges[change]
			if !known {
				return usagef("--change %q is none of deactivate, delete, block, unblock and revoke-sessions", change)
			}
			return a.blastRadius(cmd, f, &ostiaryv1.BlastRadiusRequest{Change: &ostiaryv1.BlastRadiusRequest_User{
				User: &ostiaryv1.BlastRadiusUser{OrganizationId: organization, UserId: args[0], Change: kind}}})
		},
	}
	cmd.Flags().StringVar(&organization, "org", "", "id of the organization")
	cmd.Flags().StringVar(&change, "change", "", "deactivate, delete, block, unblock or revoke-sessions")
	_ = cmd.MarkFlagRequired("org")
	_ = cmd.MarkFlagRequired("change")
	_ = cmd.RegisterFlagCompletionFunc("change",
		cobra.FixedCompletions([]string{"deactivate", "delete", "block", "unblock", "revoke-sessions"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// blastRadius asks what a change would do, and prints it.
func (a *app) blastRadius(cmd *cobra.Command, f *blastFlags, request *ostiaryv1.BlastRadiusRequest) error {
	preference, err := f.consistency.preference()
	if err != nil {
		return err
	}
	values := queryFlags{values: f.values}
	if request.Context, err = values.conditionValues(); err != nil {
		return err
	}
	request.Consistency = ostiaryv1.Consistency_CONSISTENCY_MINIMIZE_LATENCY
	if preference == openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY {
		request.Consistency = ostiaryv1.Consistency_CONSISTENCY_LINEARIZABLE
	}
	request.Relations, request.UserTypes, request.MaxShifts, request.AuthorizationModelId = f.relations, f.types, f.max, f.model
	c, store, err := a.storeClient(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	request.StoreId = store
	var header metadata.MD
	answer, err := ostiaryv1.NewBlastRadiusServiceClient(c.conn).BlastRadius(f.consistency.context(cmd.Context()), request, grpc.Header(&header))
	if err != nil {
		return fmt.Errorf("compare before and after the change: %w", err)
	}
	if a.json() {
		return a.printMessage(answer, header)
	}
	a.printBlast(answer)
	return nil
}

func (a *app) printBlast(answer *ostiaryv1.BlastRadiusResponse) {
	colors := map[string]color{"gained": green, "lost": red, "undecided": yellow}
	for _, shift := range answer.GetShifts() {
		word := strings.ToLower(strings.TrimPrefix(shift.GetEffect().String(), "BLAST_RADIUS_EFFECT_"))
		k := shift.GetKey()
		a.printf("%s %s#%s@%s", a.paintOut(colors[word], fmt.Sprintf("%-9s", word)), k.GetObject(), k.GetRelation(), k.GetUser())
	}
	for _, session := range answer.GetEndedSessions() {
		a.printf("%-9s %s", "ends", session)
	}
	text := fmt.Sprintf("%d gained, %d lost", answer.GetGained(), answer.GetLost())
	if answer.GetTruncated() != "" {
		text = "at least " + text
	}
	if n := answer.GetUndecided(); n > 0 {
		text += fmt.Sprintf(", %d undecided", n)
	}
	a.printf("%s of %s; %s", text, cmp.Or(strings.Join(answer.GetRelations(), ", "), "no relation"),
		a.paintOut(faint, fmt.Sprintf("revision %d, model %s", answer.GetRevision(), answer.GetAuthorizationModelId())))
	if bound := answer.GetTruncated(); bound != "" {
		a.printf("%s", a.paintOut(yellow, "there may be more: "+blastBound(bound)))
	}
}

// blastBound says what a bound of a comparison is, and what helps.
func blastBound(bound string) string {
	switch bound {
	case "shifts":
		return "as many are shown as were asked for (--max)"
	case "objects", "subjects", "tuples", "time", "sessions":
		return "the bound of " + bound + " was met (--relation and --user-type ask about less)"
	case "organizations":
		return "objects would belong to another organization, or to none"
	case "conditions":
		return "a condition wants parameters (--context)"
	}
	return bound
}
