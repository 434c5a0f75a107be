package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/identity"
)

// moduleStart is the module that 'org init' writes for the application's own types.
const moduleStart = `module app

# The types of your application. Refer to the relations that pass the gate: organization#member, group#member,
# role#assignee, entitlement#holder.
type document
  relations
    define organization: [organization]
    define viewer: [user, group#member, role#assignee]
`

func newOrgInitCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init [FOLDER]",
		Short: "Write the model module for organizations, to extend",
		Long: `Write identity.fga, the module for organizations, groups, roles and entitlements, into a folder; the
current one without an argument. Where there is no fga.mod, write one, and app.fga to begin with. Other
files are left alone; an identity.fga that is there is replaced, since it is Ostiary's.`,
		Example: "  ostiary org init model && ostiary model write model/fga.mod",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			folder := "."
			if len(args) == 1 {
				folder = args[0]
			}
			written, err := writeModules(folder)
			if err != nil {
				return fmt.Errorf("write the module for organizations: %w", err)
			}
			if a.json() {
				return a.printJSON(struct {
					Written []string `json:"written"`
				}{written})
			}
			for _, name := range written {
				a.printf("%s", name)
			}
			if len(written) == 1 {
				a.talkf("fga.mod was there: see to it that it lists %s", identity.ModuleFile)
			}
			return nil
		},
	}
}

// writeModules returns the files that it has written.
func writeModules(folder string) (written []string, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	name := filepath.Join(folder, identity.ModuleFile)
	if err := os.WriteFile(name, []byte(identity.Module()), 0o644); err != nil {
		return nil, err
	}
	written = append(written, name)
	mod := filepath.Join(folder, "fga.mod")
	if _, err := os.Stat(mod); err == nil {
		return written, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	app := filepath.Join(folder, "app.fga")
	if err := writeNew(app, moduleStart); err != nil {
		return nil, err
	}
	text := "schema: '1.2'\ncontents:\n  - " + identity.ModuleFile + "\n  - app.fga\n"
	return append(written, app, mod), writeNew(mod, text)
}

// writeNew writes a file that is not there yet.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// gateFault is a way around the gate in the JSON answer of 'org lint'.
type gateFault struct {
	Type     string   `json:"type"`
	Relation string   `json:"relation"`
	Reason   string   `json:"reason"`
	Path     []string `json:"path,omitempty"`
	Help     string   `json:"help,omitempty"`
}

func newOrgLintCommand(a *app) *cobra.Command {
	var mapping string
	cmd := &cobra.Command{
		Use:   "lint FILE",
		Short: "Prove that a model lets nobody around the gate, or print the way",
		Long: `Prove of a model file that a person who is not enabled in an organization passes through none of the
relations that identity providers fill, or print every way that leads around. A store with organizations
refuses a model that has one. Exit code 4 when there is one.

A model that calls the parts of identity otherwise than identity.fga does, or leaves some out, is judged
with the mapping that says so; the mapping is compared with the model. What comments let identity providers
assign ('# @scim entitlement …') is judged too, and listed.`,
		Example: "  ostiary org lint model/fga.mod\n  ostiary org lint model.fga --mapping identity.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			m, found, _, err := a.compileAnnotated(args[0])
			if err != nil {
				return err
			}
			names, err := a.namesFor(m, mapping)
			if err != nil {
				return err
			}
			assignable, err := dsl.Assignables(found, m, names)
			if err != nil {
				return err
			}
			faults := gate.Lint(m, names)
			if a.json() {
				all := make([]gateFault, 0, len(faults))
				for _, f := range faults {
					all = append(all, gateFault{f.Type, f.Relation, f.Reason, f.Path, f.Help})
				}
				if err := a.printJSON(all); err != nil {
					return err
				}
			} else {
				a.printFaults(displayName(args[0]), faults)
				a.printAssignable(assignable)
			}
			if len(faults) > 0 {
				return errInvalidFile
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&mapping, "mapping", "", "file that says what the model calls the parts of identity")
	return cmd
}

func (a *app) printFaults(name string, faults gate.Faults) {
	if len(faults) == 0 {
		a.printf("%s: nobody passes without being enabled", name)
		return
	}
	for _, f := range faults {
		a.printf("%s#%s %s", f.Type, f.Relation, f.Reason)
		if len(f.Path) > 0 {
			a.printf("    %s", strings.Join(f.Path, " <- "))
		}
		a.printf("    help: %s", f.Help)
	}
}
