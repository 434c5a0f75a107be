package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// completeTimeout bounds the questions that completion asks of the server: a person waits for a key.
const completeTimeout = 2 * time.Second

// completeStores offers the names of the stores.
func (a *app) completeStores(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel, ok := a.completing(cmd)
	if !ok {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer cancel()
	c, err := a.dial()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.Close()
	var names []string
	if err := c.eachStore(ctx, "", func(s *openfgav1.Store) { names = append(names, s.GetName()) }); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeOneStore offers the names of the stores for the first argument alone.
func (a *app) completeOneStore(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeStores(cmd, args, word)
}

// completing prepares the flags of a completion, which cobra does not: it runs no PersistentPreRun.
func (a *app) completing(cmd *cobra.Command) (context.Context, context.CancelFunc, bool) {
	if err := a.prepare(cmd); err != nil {
		return nil, nil, false
	}
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completeTimeout)
	return ctx, cancel, true
}

// types returns the relations of every type of the store's newest model; nil when it cannot be had.
func (a *app) types(cmd *cobra.Command) []*openfgav1.TypeDefinition {
	ctx, cancel, ok := a.completing(cmd)
	if !ok {
		return nil
	}
	defer cancel()
	c, store, err := a.storeClient(ctx)
	if err != nil {
		return nil
	}
	defer c.Close()
	m, err := getModel(ctx, c, store, "")
	if err != nil {
		return nil
	}
	return m.GetTypeDefinitions()
}

// completeTypes offers the names of types.
func (a *app) completeTypes(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, t := range a.types(cmd) {
		names = append(names, t.GetType())
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeObjects offers "type:", for the id to be typed after it.
func (a *app) completeObjects(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, t := range a.types(cmd) {
		names = append(names, t.GetType()+":")
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeRelations offers the relations of every type.
func (a *app) completeRelations(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return relationsOf(a.types(cmd), ""), cobra.ShellCompDirectiveNoFileComp
}

// relationsOf returns the relations of one type, or of all when typ is empty, sorted, each
// once.
func relationsOf(types []*openfgav1.TypeDefinition, typ string) []string {
	seen := map[string]bool{}
	var names []string
	for _, t := range types {
		if typ != "" && t.GetType() != typ {
			continue
		}
		for name := range t.GetRelations() {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// completeCheck completes USER RELATION OBJECT, and OBJECT#RELATION within one argument.
func (a *app) completeCheck(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0 && strings.Contains(word, "#") && !strings.Contains(word, "@"):
		object, _, _ := strings.Cut(word, "#")
		typ, _, _ := strings.Cut(object, ":")
		var words []string
		for _, relation := range relationsOf(a.types(cmd), typ) {
			words = append(words, object+"#"+relation+"@")
		}
		return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	case len(args) == 1:
		return a.completeRelations(cmd, args, word)
	case len(args) == 0, len(args) == 2:
		return a.completeObjects(cmd, args, word)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeListObjects completes USER RELATION TYPE.
func (a *app) completeListObjects(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeObjects(cmd, args, word)
	case 1:
		return a.completeRelations(cmd, args, word)
	case 2:
		return a.completeTypes(cmd, args, word)
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// completeObjectRelation completes OBJECT RELATION.
func (a *app) completeObjectRelation(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return a.completeObjects(cmd, args, word)
	case 1:
		typ, _, _ := strings.Cut(args[0], ":")
		return relationsOf(a.types(cmd), typ), cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
