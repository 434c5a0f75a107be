package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

func newExpandCommand(a *app) *cobra.Command {
	var query queryFlags
	cmd := &cobra.Command{
		Use:   "expand OBJECT RELATION",
		Short: "Show the set of users of a relation of an object, one step deep, as a tree",
		Example: `  ostiary expand doc:1 viewer
  ostiary expand doc:1 viewer --output json`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeObjectRelation,
		RunE: func(cmd *cobra.Command, args []string) error {
			preference, err := query.preference()
			if err != nil {
				return err
			}
			contextual, err := query.contextualTuples()
			if err != nil {
				return err
			}
			c, store, err := a.storeClient(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			var header metadata.MD
			answer, err := c.fga.Expand(query.context(cmd.Context()), &openfgav1.ExpandRequest{
				StoreId: store, AuthorizationModelId: query.model,
				TupleKey:         &openfgav1.ExpandRequestTupleKey{Object: args[0], Relation: args[1]},
				ContextualTuples: contextual, Consistency: preference,
			}, grpc.Header(&header))
			if err != nil {
				return fmt.Errorf("expand %s#%s: %w", args[0], args[1], err)
			}
			if a.json() {
				return a.printMessage(answer, header)
			}
			var text strings.Builder
			writeNode(&text, "", "", answer.GetTree().GetRoot())
			_, err = a.out.Write([]byte(text.String()))
			return err
		},
	}
	query.add(cmd)
	return a.addStoreFlag(a.addClientFlags(cmd))
}

// writeNode writes one node of a userset tree and what is below it, two more spaces a level. The
// label says what part a node plays in its parent.
func writeNode(w *strings.Builder, indent, label string, n *openfgav1.UsersetTree_Node) {
	line := func(text string) { w.WriteString(indent + label + text + "\n") }
	below := indent + "  "
	switch v := n.GetValue().(type) {
	case *openfgav1.UsersetTree_Node_Leaf:
		writeLeaf(w, indent, label+n.GetName(), v.Leaf)
	case *openfgav1.UsersetTree_Node_Union:
		line(n.GetName() + "  (any of)")
		for _, child := range v.Union.GetNodes() {
			writeNode(w, below, "", child)
		}
	case *openfgav1.UsersetTree_Node_Intersection:
		line(n.GetName() + "  (all of)")
		for _, child := range v.Intersection.GetNodes() {
			writeNode(w, below, "", child)
		}
	case *openfgav1.UsersetTree_Node_Difference:
		line(n.GetName() + "  (but not)")
		writeNode(w, below, "base: ", v.Difference.GetBase())
		writeNode(w, below, "subtract: ", v.Difference.GetSubtract())
	default:
		line(n.GetName())
	}
}

func writeLeaf(w *strings.Builder, indent, name string, leaf *openfgav1.UsersetTree_Leaf) {
	w.WriteString(indent + name)
	switch v := leaf.GetValue().(type) {
	case *openfgav1.UsersetTree_Leaf_Users:
		if len(v.Users.GetUsers()) == 0 {
			w.WriteString("  (no users)")
		}
		w.WriteString("\n")
		for _, user := range v.Users.GetUsers() {
			w.WriteString(indent + "  " + user + "\n")
		}
	case *openfgav1.UsersetTree_Leaf_Computed:
		w.WriteString("\n" + indent + "  -> " + v.Computed.GetUserset() + "\n")
	case *openfgav1.UsersetTree_Leaf_TupleToUserset:
		w.WriteString("  (from " + v.TupleToUserset.GetTupleset() + ")\n")
		for _, computed := range v.TupleToUserset.GetComputed() {
			w.WriteString(indent + "  -> " + computed.GetUserset() + "\n")
		}
	default:
		w.WriteString("\n")
	}
}
