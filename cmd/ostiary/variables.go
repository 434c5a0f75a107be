package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// variablePrefix begins the name of every variable that this program reads of its own.
const variablePrefix = "OSTIARY_"

// bareVariables are read without a flag of their name.
var bareVariables = []string{"OSTIARY_CONFIG", "OSTIARY_SCIM_TOKEN", "OSTIARY_SCIM_CLIENT_SECRET"}

// linkVariable is what Kubernetes and Docker tell a container of a service that is called ostiary, or ostiary-something.
var linkVariable = regexp.MustCompile(`^OSTIARY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)$`)

// unknownVariable is one of the environment that looks like a setting, and that no command reads.
type unknownVariable struct{ name, hint string }

// unknownVariables returns those of this environment, by name. It does not look at values: they may be secret.
func (a *app) unknownVariables(root *cobra.Command) (all []unknownVariable) {
	if a.environ == nil {
		return nil
	}
	known := knownVariables(root)
	for _, pair := range a.environ() {
		name, value, _ := strings.Cut(pair, "=")
		if value == "" || !strings.HasPrefix(name, variablePrefix) || slices.Contains(known, name) || linkVariable.MatchString(name) {
			continue
		}
		hint := "'ostiary config reference' lists those of the server"
		if near := nearestName(known, name); near != "" {
			hint = "did you mean " + near + "?"
		}
		all = append(all, unknownVariable{name, hint})
	}
	slices.SortFunc(all, func(a, b unknownVariable) int { return strings.Compare(a.name, b.name) })
	return all
}

// knownVariables are those that a command below root reads.
func knownVariables(root *cobra.Command) []string {
	all := slices.Clone(bareVariables)
	take := func(flag *pflag.Flag) { all = append(all, flag.Annotations[envAnnotation]...) }
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(take)
		cmd.PersistentFlags().VisitAll(take)
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(root)
	slices.Sort(all)
	return slices.Compact(all)
}

// maxNameDistance is how many letters a name may differ in from one that is suggested in its place.
const maxNameDistance = 3

// nearestName returns the name that is most like a name, the first of several; empty: none is like it.
func nearestName(names []string, name string) (nearest string) {
	least := maxNameDistance + 1
	for _, n := range names {
		if d := letterDistance(n, name); d < least {
			nearest, least = n, d
		}
	}
	return nearest
}

// letterDistance counts the letters to put in, take out or change to make one name of the other.
func letterDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
