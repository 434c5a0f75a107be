package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/modeltest"
)

// This file holds the commands that work on model files without a server.

// compileFile compiles a model in the DSL, in OpenFGA's JSON form when the file is called .json or
// begins with a brace, a modular model when it is called .mod, or the model of a store file.
func (a *app) compileFile(name string) (*model.Model, error) {
	switch {
	case modeltest.IsStoreFile(name):
		suite, err := modeltest.Load(name)
		return suite.Model, err
	case isModFile(name):
		m, _, err := modeltest.LoadModel(name)
		return m, err
	}
	data, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	if isModelJSON(name, data) {
		return dsl.CompileJSON(displayName(name), data)
	}
	return dsl.Compile(displayName(name), data)
}

// isModFile reports whether a file is called like an fga.mod.
func isModFile(name string) bool { return strings.EqualFold(filepath.Ext(name), ".mod") }

func isModelJSON(name string, data []byte) bool {
	return strings.EqualFold(filepath.Ext(name), ".json") || bytes.HasPrefix(bytes.TrimSpace(data), []byte("{"))
}

// validated is the JSON answer of 'model validate' for one file.
type validated struct {
	File        string          `json:"file"`
	Valid       bool            `json:"valid"`
	Diagnostics dsl.Diagnostics `json:"diagnostics"`
	// Faults are those of a store file; faults of its model hold their diagnostic.
	Faults modeltest.Faults `json:"faults,omitempty"`
}

func newModelValidateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE...",
		Short: "Compile model files and report every fault, without a server",
		Long: `Compile model files (DSL, .json, the fga.mod of a modular model, or store files, .fga.yaml) and
report every fault, without a server. Exit code 4 when one is invalid. 'ostiary explain CODE' tells more
about a fault.`,
		Example: `  ostiary model validate model.fga
  ostiary model validate fga.mod
  ostiary model validate --output json models/*.fga`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			results := make([]validated, 0, len(args))
			failed := false
			for _, name := range args {
				m, err := a.compileFile(name)
				result := validated{File: displayName(name), Valid: err == nil, Diagnostics: dsl.Diagnostics{}}
				if err != nil && !errors.As(err, &result.Diagnostics) && !errors.As(err, &result.Faults) {
					return err
				}
				results = append(results, result)
				failed = failed || err != nil
				if a.json() {
					continue
				}
				if err != nil {
					a.talkf("%v", err)
					continue
				}
				a.printf("%s: valid (%s)", result.File, modelSize(m))
			}
			if a.json() {
				if err := a.printJSON(results); err != nil {
					return err
				}
			}
			if failed {
				return errInvalidFile
			}
			return nil
		},
	}
}

func newModelFormatCommand(a *app) *cobra.Command {
	var check, write bool
	cmd := &cobra.Command{
		Use:   "format FILE...",
		Short: "Format model files, without a server",
		Long: `Format model files, without a server. Without a flag the formatted text goes to stdout. With --check
the files that are not formatted are named and the exit code is 1; with --write they are rewritten. Of
an fga.mod the modules that it lists are formatted.`,
		Example: `  ostiary model format model.fga
  ostiary model format --write fga.mod
  ostiary model format --write models/*.fga
  ostiary model format --check models/*.fga`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if check && write {
				return usagef("--check and --write exclude each other")
			}
			args, err := formattable(args)
			if err != nil {
				return err
			}
			unformatted := 0
			for _, name := range args {
				if write && name == "-" {
					return usagef("--write cannot rewrite standard input")
				}
				data, err := a.readFile(name)
				if err != nil {
					return err
				}
				formatted, err := dsl.Format(displayName(name), data)
				if err != nil {
					return err
				}
				same := bytes.Equal(data, formatted)
				switch {
				case check && !same:
					unformatted++
					a.printf("%s", displayName(name))
				case check:
				case !write:
					if _, err := a.out.Write(formatted); err != nil {
						return err
					}
				case !same:
					if err := replaceFile(name, formatted); err != nil {
						return err
					}
					a.printf("%s", name)
				}
			}
			if unformatted > 0 {
				a.talkf("%d of %d files are not formatted; 'ostiary model format --write' formats them", unformatted, len(args))
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "name the files that are not formatted and change nothing")
	cmd.Flags().BoolVar(&write, "write", false, "rewrite the files that are not formatted, and name them")
	return cmd
}

// formattable returns the files to format: for an fga.mod the modules that it lists.
func formattable(args []string) ([]string, error) {
	var out []string
	for _, name := range args {
		switch {
		case modeltest.IsStoreFile(name) || strings.EqualFold(filepath.Ext(name), ".json"):
			return nil, usagef("%s is not in the modelling language: 'model format' formats .fga files, and the modules of an fga.mod", name)
		case !isModFile(name):
			out = append(out, name)
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		modules, err := dsl.ModuleFiles(name, data)
		if err != nil {
			return nil, err
		}
		for _, module := range modules {
			out = append(out, filepath.Join(filepath.Dir(name), filepath.FromSlash(module)))
		}
	}
	return out, nil
}

func newModelTransformCommand(a *app) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "transform FILE --to json|dsl",
		Short: "Turn a model file from the DSL into OpenFGA's JSON form or back, without a server",
		Long: `Turn a model file from the DSL into OpenFGA's JSON form or back, without a server. The modules of an
fga.mod, or the model of a store file, become one model; its JSON form says which module each part is of.`,
		Example: `  ostiary model transform model.fga --to json
  ostiary model transform fga.mod --to json
  ostiary model transform model.json --to dsl`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if to != "json" && to != "dsl" {
				return usagef("--to %q is neither json nor dsl", to)
			}
			m, err := a.compileFile(args[0])
			if err != nil {
				return err
			}
			if to == "dsl" {
				_, err = a.out.Write(dsl.Print(m))
				return err
			}
			data, err := dsl.JSON(m)
			if err != nil {
				return err
			}
			return a.printRaw(data)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "json or dsl")
	_ = cmd.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{"json", "dsl"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func newExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Tell more about a fault that the model compiler reports",
		Long: `Tell more about a fault that the model compiler reports, by its code or its name. Without one, list the
codes.`,
		Example:           "  ostiary explain " + exampleCode() + "\n  ostiary explain",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.FixedCompletions(dsl.Codes(), cobra.ShellCompDirectiveNoFileComp),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listCodes()
			}
			text, ok := dsl.Explain(args[0])
			if !ok {
				return usagef("there is no code %q; 'ostiary explain' lists them", args[0])
			}
			if a.json() {
				return a.printJSON(map[string]string{"code": args[0], "text": text})
			}
			a.printf("%s", strings.TrimRight(text, "\n"))
			return nil
		},
	}
}

// listCodes prints each code with its name, the first line of its explanation.
func (a *app) listCodes() error {
	type named struct {
		Code string `json:"code"`
		Name string `json:"name"`
	}
	var all []named
	var rows [][]string
	for _, code := range dsl.Codes() {
		text, _ := dsl.Explain(code)
		line, _, _ := strings.Cut(text, "\n")
		name := strings.TrimSpace(strings.TrimPrefix(line, code))
		all, rows = append(all, named{code, name}), append(rows, []string{code, name})
	}
	if a.json() {
		return a.printJSON(all)
	}
	return a.printTable([]string{"CODE", "NAME"}, rows)
}

// exampleCode is a code that exists, for the help text.
func exampleCode() string {
	if codes := dsl.Codes(); len(codes) > 0 {
		return codes[0]
	}
	return "CODE"
}

// modelSize says how many types and relations m has.
func modelSize(m *model.Model) string {
	types, relations := 0, 0
	for _, t := range m.Types {
		types++
		relations += len(t.Relations)
	}
	return fmt.Sprintf("%s, %s", count(types, "type"), count(relations, "relation"))
}

// count is "1 type" or "2 types".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(int64(n)) + " " + noun + "s"
}
