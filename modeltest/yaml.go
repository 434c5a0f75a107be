package modeltest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The bounds of a YAML file. Aliases may repeat what stands once, so the values are counted.
const (
	maxYAMLDepth  = 64
	maxYAMLValues = 1_000_000
)

// yamlReader makes values of YAML nodes and collects what is wrong with them.
type yamlReader struct {
	file   string
	faults *faults
	values int
}

// parse returns the one document of a file, or nil.
func (y *yamlReader) parse(data []byte) *yaml.Node {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		y.faults.addf(y.file, 0, "not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return nil
	}
	if root.Kind != yaml.DocumentNode {
		y.faults.addf(y.file, 0, "the file is empty")
		return nil
	}
	return root.Content[0]
}

func (y *yamlReader) faultf(n *yaml.Node, format string, args ...any) {
	y.faults.addf(y.file, n.Line, format, args...)
}

// resolve follows aliases to what they stand for. It returns nil for null, and beyond the bounds.
func (y *yamlReader) resolve(n *yaml.Node) *yaml.Node {
	if n == nil {
		return nil
	}
	if y.values++; y.values > maxYAMLValues {
		if y.values == maxYAMLValues+1 {
			y.faultf(n, "the file has more than %d values, aliases counted (maxYAMLValues)", maxYAMLValues)
		}
		return nil
	}
	for depth := 0; n.Kind == yaml.AliasNode; depth++ {
		if depth > maxYAMLDepth {
			return nil
		}
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return n
}

// object is a mapping whose keys are known.
type object struct {
	*yamlReader
	at     *yaml.Node
	what   string
	fields map[string]*yaml.Node // without those that are null
}

// object reads a mapping. A key that is not known, or stands twice, is a fault.
func (y *yamlReader) object(n *yaml.Node, what string, known ...string) (object, bool) {
	o := object{yamlReader: y, at: n, what: what, fields: map[string]*yaml.Node{}}
	m := y.resolve(n)
	if m == nil || m.Kind != yaml.MappingNode {
		y.faultf(n, "%s is not a mapping with the keys %s", what, strings.Join(known, ", "))
		return o, false
	}
	o.at = m
	seen := map[string]bool{}
	for pairs := m.Content; len(pairs) > 1; pairs = pairs[2:] {
		key := pairs[0].Value
		switch {
		case !slices.Contains(known, key):
			y.faultf(pairs[0], "%s has no key %q; its keys are %s", what, key, strings.Join(known, ", "))
		case seen[key]:
			y.faultf(pairs[0], "the key %q stands twice", key)
		default:
			if v := y.resolve(pairs[1]); v != nil {
				o.fields[key] = v
			}
		}
		seen[key] = true
	}
	return o, true
}

// line is where the value of a key stands, or the object that lacks it.
func (o object) line(key string) int {
	if n := o.fields[key]; n != nil {
		return n.Line
	}
	return o.at.Line
}

// text returns the text of a key, or nothing when it is absent.
func (o object) text(key string) string {
	n := o.fields[key]
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		o.faultf(n, "%q of %s is not a text", key, o.what)
		return ""
	}
	return n.Value
}

// located is a text that stands on a line.
type located struct {
	text string
	line int
}

// items returns the elements of a list.
func (y *yamlReader) items(n *yaml.Node, what string) []*yaml.Node {
	list := y.resolve(n)
	if list == nil {
		return nil
	}
	if list.Kind != yaml.SequenceNode {
		y.faultf(n, "%s is not a list", what)
		return nil
	}
	return list.Content
}

// list returns the elements of the list of a key.
func (o object) list(key string) []*yaml.Node {
	return o.items(o.fields[key], fmt.Sprintf("%q of %s", key, o.what))
}

// texts returns the texts of the list of a key.
func (o object) texts(key string) []located {
	var out []located
	for _, n := range o.list(key) {
		if v := o.resolve(n); v != nil && v.Kind == yaml.ScalarNode {
			out = append(out, located{v.Value, n.Line})
		} else {
			o.faultf(n, "an entry of %q of %s is not a text", key, o.what)
		}
	}
	return out
}

// entry is a key of a mapping whose keys are free, with its value.
type entry struct {
	located
	value *yaml.Node
}

// entries returns the keys of a mapping with free keys, in the order of the file.
func (o object) entries(key string) []entry {
	n := o.fields[key]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		o.faultf(n, "%q of %s is not a mapping", key, o.what)
		return nil
	}
	var out []entry
	for pairs := n.Content; len(pairs) > 1; pairs = pairs[2:] {
		name := pairs[0].Value
		if slices.ContainsFunc(out, func(e entry) bool { return e.text == name }) {
			o.faultf(pairs[0], "the key %q stands twice", name)
			continue
		}
		out = append(out, entry{located{name, pairs[0].Line}, pairs[1]})
	}
	return out
}

// context returns the mapping of a key as encoding/json decodes it, numbers as json.Number, or nil
// when it is absent.
func (o object) context(key string) map[string]any {
	n := o.fields[key]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		o.faultf(n, "%q of %s is not a mapping", key, o.what)
		return nil
	}
	out, _ := o.value(n, 0).(map[string]any)
	return out
}

// json returns the mapping of a key as a JSON object with sorted keys, or nil when it is absent.
func (o object) json(key string) json.RawMessage {
	context := o.context(key)
	if context == nil {
		return nil
	}
	data, err := json.Marshal(context)
	if err != nil {
		o.faultf(o.fields[key], "%q of %s cannot be JSON: %v", key, o.what, err)
		return nil
	}
	return data
}

// value returns a node as JSON has it. What YAML takes for a time stays the text that was written.
func (y *yamlReader) value(n *yaml.Node, depth int) any {
	at := n
	n = y.resolve(n)
	switch {
	case n == nil:
		return nil
	case depth > maxYAMLDepth:
		y.faultf(at, "the value nests deeper than %d levels", maxYAMLDepth)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for pairs := n.Content; len(pairs) > 1; pairs = pairs[2:] {
			if _, twice := out[pairs[0].Value]; twice {
				y.faultf(pairs[0], "the key %q stands twice", pairs[0].Value)
			}
			out[pairs[0].Value] = y.value(pairs[1], depth+1)
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range n.Content {
			out = append(out, y.value(item, depth+1))
		}
		return out
	}
	return y.scalar(n)
}

func (y *yamlReader) scalar(n *yaml.Node) any {
	switch n.ShortTag() {
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			return b
		}
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value) // every digit that was written
		}
		var number any
		if err := n.Decode(&number); err != nil {
			y.faultf(n, "%q is not a number: %v", n.Value, err)
			return nil
		}
		data, err := json.Marshal(number)
		if err != nil {
			y.faultf(n, "%q is no number that JSON has", n.Value)
			return nil
		}
		return json.Number(data)
	}
	return n.Value
}

// truth reads true or false.
func (y *yamlReader) truth(n *yaml.Node, what string) (value, ok bool) {
	v := y.resolve(n)
	if v == nil || v.Kind != yaml.ScalarNode || v.ShortTag() != "!!bool" || v.Decode(&value) != nil {
		y.faultf(n, "%s is neither true nor false", what)
		return false, false
	}
	return value, true
}
