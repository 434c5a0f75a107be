package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newConfigCommand(a *app) *cobra.Command {
	return group("config", "See and judge the settings of 'serve'", `  ostiary config print --config-file ostiary.yaml
  ostiary config validate ostiary.yaml
  ostiary config reference`, newConfigPrintCommand(a), newConfigValidateCommand(a), newConfigReferenceCommand(a))
}

// setting is what is told of one setting of a run.
type setting struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Origin origin `json:"origin"`
}

func newConfigPrintCommand(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "print [flags of serve]",
		Short: "Print the settings that 'serve' would run with, and where each comes from",
		Long: `Print the settings that 'serve' would run with in this environment, with these flags and this file, and
where each comes from: a flag, a variable, a line of the file. Secrets are not shown.`,
		Example: `  ostiary config print --config-file ostiary.yaml
  ostiary config print --all --output json --grpc-addr 0.0.0.0:8081`,
		Args: cobra.NoArgs,
	}
	_, flags := newServe()
	cmd.Flags().AddFlagSet(flags)
	cmd.Flags().BoolVar(&all, "all", false, "those that have their default too")
	cmd.RunE = func(*cobra.Command, []string) error {
		settings := []setting{}
		flags.VisitAll(func(flag *pflag.Flag) {
			from := a.origins[flag.Name]
			if !all && from == fromDefault {
				return
			}
			value := flag.Value.String()
			if flag.Annotations[secretAnnotation] != nil && from != fromDefault {
				value = "(secret)"
			}
			settings = append(settings, setting{flag.Name, value, from})
		})
		if a.json() {
			return a.printJSON(settings)
		}
		rows := make([][]string, len(settings))
		for i, s := range settings {
			rows[i] = []string{s.Name, s.Value, string(s.Origin)}
		}
		return a.printTable([]string{"SETTING", "VALUE", "FROM"}, rows)
	}
	return cmd
}

func newConfigValidateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE",
		Short: "Judge a file of settings",
		Long: `Judge a file of settings as 'serve' would, beside the variables of this environment: unknown names, values of
the wrong kind or out of their range, settings that do not go together, files of keys that cannot be read,
variables named OSTIARY_… that no command reads. Nothing is started. Exit code 2 where something is wrong.`,
		Example: "  ostiary config validate /etc/ostiary/ostiary.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			serve, flags := newServe()
			if err := flags.Set(configFlag, args[0]); err != nil {
				return err
			}
			origins, err := a.settle(flags)
			if err != nil {
				return err
			}
			if _, err := serve.judge(io.Discard); err != nil {
				return err
			}
			if unknown := a.unknownVariables(cmd.Root()); len(unknown) > 0 {
				faults := make([]string, len(unknown))
				for i, v := range unknown {
					faults[i] = fmt.Sprintf("environment variable %s is no setting: %s", v.name, v.hint)
				}
				return usagef("%s", strings.Join(faults, "\n"))
			}
			n := 0
			for _, from := range origins {
				if strings.HasPrefix(string(from), args[0]+":") {
					n++
				}
			}
			a.printf("%s is sound: %d settings", args[0], n)
			return nil
		},
	}
}

func newConfigReferenceCommand(a *app) *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use:   "reference",
		Short: "Print every setting of 'serve': its flag, variable, key, kind, range and default",
		Example: `  ostiary config reference >docs/configuration.md
  ostiary config reference --schema >docs/configuration.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, flags := newServe()
			if schema {
				return a.printJSON(schemaOf(flags))
			}
			if a.json() {
				return a.printJSON(described(flags))
			}
			_, err := a.out.Write([]byte(referenceOf(flags)))
			return err
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "the JSON schema of the file")
	return cmd
}

// description is what the reference says of one setting.
type description struct {
	Name     string   `json:"name"`
	Variable string   `json:"variable"`
	Kind     string   `json:"kind"`
	Default  string   `json:"default"`
	Least    string   `json:"least,omitempty"`
	Most     string   `json:"most,omitempty"`
	OrZero   bool     `json:"or_zero,omitempty"` // 0 is outside of the range, and allowed
	Values   []string `json:"values,omitempty"`
	Secret   bool     `json:"secret,omitempty"`
	Text     string   `json:"text"`
}

// span is the range.
func (d description) span() string {
	span := d.Least + " to " + d.Most
	if d.OrZero {
		span = "0 or " + span
	}
	return span
}

func described(flags *pflag.FlagSet) (all []description) {
	flags.VisitAll(func(flag *pflag.Flag) {
		variables := flag.Annotations[envAnnotation]
		if len(variables) == 0 {
			return
		}
		d := description{
			Name: flag.Name, Variable: variables[0], Kind: kindOf(flag), Default: strings.Trim(flag.DefValue, "[]"),
			Values: flag.Annotations[valuesAnnotation], Secret: flag.Annotations[secretAnnotation] != nil,
			Text: strings.TrimSuffix(flag.Usage, " [$"+variables[0]+"]"),
		}
		if bounds := flag.Annotations[rangeAnnotation]; bounds != nil {
			d.Least, d.Most, d.OrZero = bounds[0], bounds[1], flag.Annotations[zeroAnnotation] != nil
		}
		all = append(all, d)
	})
	return all
}

func kindOf(flag *pflag.Flag) string {
	switch kind := flag.Value.Type(); kind {
	case "stringSlice":
		return "list"
	case "string":
		return "text"
	case "bool":
		return "true or false"
	case "int", "uint32", "int64", "uint64":
		return "number"
	default:
		return kind
	}
}

func referenceOf(flags *pflag.FlagSet) string {
	var b strings.Builder
	b.WriteString(`# Settings of the server

Every setting of ` + "`ostiary serve`" + ` can be given by a flag, by a variable of the environment, or in a file of settings
(` + "`--config-file FILE`" + `, YAML: ` + "`grpc-addr: 0.0.0.0:8081`" + `). Where more than one says something, the flag counts, then the
variable, then the file, then the default. An unknown name and a value out of its range are errors that name the line and the
range, also where a flag or a variable hides the value. A variable ` + "`OSTIARY_…`" + ` that nothing reads is warned of when the server starts.
` + "`ostiary config print`" + ` shows what counts and where it comes from, ` + "`ostiary config validate FILE`" + ` judges a file and the environment,
and [configuration.schema.json](configuration.schema.json) lets an editor do so. This page is made by
` + "`ostiary config reference`" + `.

| setting | variable | kind | default | what it is |
|---|---|---|---|---|
`)
	for _, d := range described(flags) {
		kind := d.Kind
		switch {
		case d.Values != nil:
			kind = strings.Join(d.Values, ", ")
		case d.Most != "":
			kind += ", " + d.span()
		}
		if d.Secret {
			kind += ", secret"
		}
		value := d.Default
		if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", d.Name, d.Variable, kind, value, strings.ReplaceAll(d.Text, "|", "\\|"))
	}
	return b.String()
}

// schemaOf returns the JSON schema (2020-12) of the file of settings.
func schemaOf(flags *pflag.FlagSet) map[string]any {
	properties := map[string]any{}
	for _, d := range described(flags) {
		if d.Name == configFlag {
			continue
		}
		p := map[string]any{"description": d.Text}
		switch d.Kind {
		case "true or false":
			p["type"] = "boolean"
		case "number":
			p["type"] = "integer"
		case "list":
			p["type"], p["items"] = []string{"array", "string"}, map[string]any{"type": "string"}
		case "size":
			p["type"] = []string{"string", "integer"}
		default:
			p["type"] = "string"
		}
		if d.Values != nil {
			p["enum"] = d.Values
		}
		if d.Most != "" {
			if flag := flags.Lookup(d.Name); d.Kind == "number" {
				p["minimum"], _ = numberOf(flag, d.Least)
				p["maximum"], _ = numberOf(flag, d.Most)
			} else {
				p["description"] = d.Text + " (" + d.span() + ")"
			}
		}
		properties[d.Name] = p
	}
	return map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Settings of ostiary serve", "type": "object",
		"additionalProperties": false, "properties": properties,
	}
}
