package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// A setting is a flag that a variable of the environment, and for 'serve' a file, may set too. The flag is its one
// description: its name is the key of the file, and annotations say the rest. Where more than one says something,
// the flag counts, then the variable, then the file, then the default.

// The annotations of a flag that is a setting.
const (
	envAnnotation    = "ostiary_env"    // the name of the variable
	rangeAnnotation  = "ostiary_range"  // the least and the most, as they are written; an empty one is no bound
	zeroAnnotation   = "ostiary_zero"   // 0 is outside of the range, and allowed
	valuesAnnotation = "ostiary_values" // what it may be
	secretAnnotation = "ostiary_secret" // it is never shown
)

func annotate(flags *pflag.FlagSet, name, annotation string, values ...string) *pflag.Flag {
	flag := flags.Lookup(name)
	if flag.Annotations == nil {
		flag.Annotations = map[string][]string{}
	}
	flag.Annotations[annotation] = values
	return flag
}

// fromEnv lets OSTIARY_<NAME> set each named flag where the command line does not, and says so in the
// flag's help.
func fromEnv(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		variable := "OSTIARY_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		annotate(flags, name, envAnnotation, variable).Usage += " [$" + variable + "]"
	}
}

// between bounds a number, a duration or a size, both ends included.
func between(flags *pflag.FlagSet, name string, least, most any) {
	annotate(flags, name, rangeAnnotation, fmt.Sprint(least), fmt.Sprint(most))
}

// orZero lets what is bounded be 0 too, which turns it off.
func orZero(flags *pflag.FlagSet, name string) {
	annotate(flags, name, zeroAnnotation, "")
}

// oneOf lists what a text may be. An empty one may always be.
func oneOf(flags *pflag.FlagSet, name string, values ...string) {
	annotate(flags, name, valuesAnnotation, values...)
}

// origin is where the value of a setting comes from.
type origin string

const (
	fromDefault origin = "default"
	fromFlag    origin = "flag"
)

// prepare fills flags from the environment and the file of settings, and judges those that every command shares.
func (a *app) prepare(cmd *cobra.Command) error {
	origins, err := a.settle(cmd.Flags())
	if err != nil {
		return err
	}
	a.origins = origins
	a.warnOfSecrets(cmd.Flags())
	if !slices.Contains([]string{"text", "json"}, a.output) {
		return usagef("--output %q is neither text nor json", a.output)
	}
	return nil
}

// settle gives every setting the value that counts, and returns where the values come from.
func (a *app) settle(flags *pflag.FlagSet) (map[string]origin, error) {
	origins := map[string]origin{}
	var faults []error
	flags.VisitAll(func(flag *pflag.Flag) {
		origins[flag.Name] = fromDefault
		if flag.Changed {
			origins[flag.Name] = fromFlag
			return
		}
		variables := flag.Annotations[envAnnotation]
		if len(variables) == 0 {
			return
		}
		value := a.getenv(variables[0])
		if value == "" {
			return
		}
		origins[flag.Name] = origin("$" + variables[0])
		if err := flags.Set(flag.Name, value); err != nil {
			faults = append(faults, fmt.Errorf("environment variable %s=%s: %w", variables[0], shownValue(flag, value), err))
		}
	})
	if flag := flags.Lookup(configFlag); flag != nil && flag.Value.String() != "" {
		faults = append(faults, settleFromFile(flags, origins, flag.Value.String()))
	}
	flags.VisitAll(func(flag *pflag.Flag) {
		if err := judgeSetting(flag); err != nil && origins[flag.Name] != fromDefault {
			faults = append(faults, fmt.Errorf("%w%s", err, said(origins[flag.Name])))
		}
	})
	if err := errors.Join(faults...); err != nil {
		return nil, usagef("%v", err)
	}
	return origins, nil
}

// said names where a value stands that is at fault, where that is not the command line.
func said(from origin) string {
	if from == fromFlag {
		return ""
	}
	return " (" + string(from) + ")"
}

// configFlag names the file of settings.
const configFlag = "config-file"

// settleFromFile sets what neither the command line nor the environment has.
func settleFromFile(flags *pflag.FlagSet, origins map[string]origin, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(document.Content) == 0 {
		return nil // nothing but comments
	}
	mapping := document.Content[0]
	if mapping.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: the file is no list of NAME: VALUE", path, mapping.Line)
	}
	var faults []error
	known := map[string]bool{}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		at := fmt.Sprintf("%s:%d", path, key.Line)
		flag := flags.Lookup(key.Value)
		switch {
		case flag == nil || len(flag.Annotations[envAnnotation]) == 0 || key.Value == configFlag:
			faults = append(faults, fmt.Errorf("%s: there is no setting %q%s", at, key.Value, nearest(flags, key.Value)))
			continue
		case known[key.Value]:
			faults = append(faults, fmt.Errorf("%s: %s is set twice", at, key.Value))
			continue
		}
		known[key.Value] = true
		written, err := writtenAs(flag, value)
		switch {
		case err != nil:
		case origins[key.Value] == fromDefault:
			err = flag.Value.Set(written)
			flag.Changed = err == nil
			origins[key.Value] = origin(at)
		default:
			err = judgeHidden(key.Value, written)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %s: %w", at, key.Value, err))
		}
	}
	return errors.Join(faults...)
}

// judgeHidden refuses a value that does not count now, and would be refused once the flag or the variable before it is gone.
func judgeHidden(name, written string) error {
	_, flags := newServe()
	flag := flags.Lookup(name)
	if err := flag.Value.Set(written); err != nil {
		return err
	}
	return judgeSetting(flag)
}

// writtenAs returns a value of the file as it would stand on the command line.
func writtenAs(flag *pflag.Flag, value *yaml.Node) (string, error) {
	switch {
	case value.Kind == yaml.ScalarNode && value.Tag != "!!null":
		return value.Value, nil
	case value.Kind == yaml.SequenceNode && flag.Value.Type() == "stringSlice":
		var parts []string
		for _, part := range value.Content {
			if part.Kind != yaml.ScalarNode || strings.ContainsAny(part.Value, ",\"\n") {
				return "", errors.New("a part of the list is no plain text without commas")
			}
			parts = append(parts, part.Value)
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("it is no %s", flag.Value.Type())
}

// nearest suggests the setting whose name is most like a name.
func nearest(flags *pflag.FlagSet, name string) string {
	var names []string
	flags.VisitAll(func(flag *pflag.Flag) {
		if len(flag.Annotations[envAnnotation]) > 0 {
			names = append(names, flag.Name)
		}
	})
	if near := nearestName(names, name); near != "" {
		return ": did you mean " + near + "?"
	}
	return ": 'ostiary config reference' lists them"
}

// judgeSetting refuses a value that is out of its range, and names the range.
func judgeSetting(flag *pflag.Flag) error {
	value := flag.Value.String()
	if values := flag.Annotations[valuesAnnotation]; values != nil && value != "" && !slices.Contains(values, value) {
		return fmt.Errorf("--%s %q is none of %s", flag.Name, value, strings.Join(values, ", "))
	}
	bounds := flag.Annotations[rangeAnnotation]
	if bounds == nil {
		return nil
	}
	n, err := numberOf(flag, value)
	if err != nil {
		return fmt.Errorf("--%s: %w", flag.Name, err)
	}
	least, _ := numberOf(flag, bounds[0])
	most, _ := numberOf(flag, bounds[1])
	zero := "not "
	if flag.Annotations[zeroAnnotation] != nil {
		zero = "neither 0 nor "
	}
	if (n < least || n > most) && (n != 0 || flag.Annotations[zeroAnnotation] == nil) {
		return fmt.Errorf("--%s %s is %sfrom %s to %s", flag.Name, value, zero, bounds[0], bounds[1])
	}
	return nil
}

// numberOf reads a number, a duration in nanoseconds, or a size in bytes.
func numberOf(flag *pflag.Flag, text string) (int64, error) {
	switch flag.Value.Type() {
	case "duration":
		d, err := time.ParseDuration(text)
		return int64(d), err
	case "size":
		var size byteSize
		err := size.Set(text)
		return int64(size), err
	}
	return strconv.ParseInt(text, 10, 64)
}

// shownValue hides a secret.
func shownValue(flag *pflag.Flag, value string) string {
	if flag.Annotations[secretAnnotation] != nil {
		return "(secret)"
	}
	return strconv.Quote(value)
}
