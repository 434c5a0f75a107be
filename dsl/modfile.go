package dsl

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ostiary/ostiary/dsl/model"
)

// modReader reads the YAML of an fga.mod: its schema version and the files that it lists.
type modReader struct {
	src    *source
	report *report
}

// readMod returns what could be read. Files that may not be read are reported and left out.
func readMod(src *source, r *report) (version ident, contents []ident) {
	m := &modReader{src: src, report: r}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(src.text), &root); err != nil {
		m.syntax(err)
		return ident{}, nil
	}
	if root.Kind != yaml.DocumentNode || root.Content[0].Kind != yaml.MappingNode {
		m.fault(span{0, 0}, "an `fga.mod` holds the fields `schema` and `contents`", modExample)
		return ident{}, nil
	}
	fields := map[string]*yaml.Node{}
	for pairs := root.Content[0].Content; len(pairs) > 1; pairs = pairs[2:] {
		key := pairs[0]
		switch {
		case key.Value != "schema" && key.Value != "contents":
			// OpenFGA's tools pass it over. A slip in a name is noticed: both fields must be there.
		case fields[key.Value] != nil:
			m.fault(m.at(key), fmt.Sprintf("the field %s stands twice", quote(key.Value)), "remove one of the two")
		default:
			fields[key.Value] = pairs[1]
		}
	}
	return m.version(fields["schema"]), m.contents(fields["contents"])
}

const modExample = "write for example `schema: '1.2'`, and below `contents:` a line `  - core.fga` for each module"

func (m *modReader) fault(at span, message, suggestion string) {
	m.report.add(fault{code: codeModFile, at: at, message: message, suggestion: suggestion})
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// syntax reports a text that is not YAML.
func (m *modReader) syntax(err error) {
	at, message := m.syntaxFault(err)
	m.fault(at, "the file is not YAML: "+message, modExample)
}

// syntaxFault returns what is not YAML, and where. The parser tells the line in its message alone.
func (m *modReader) syntaxFault(err error) (at span, message string) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	if found := yamlLine.FindStringSubmatch(message); found != nil {
		line, _ := strconv.Atoi(found[1])
		at = m.src.lineSpan(min(max(line, 1), len(m.src.lines)) - 1)
		message = strings.Replace(message, found[0], "", 1)
	}
	return at, message
}

// at returns the place of a scalar, or where a list or mapping begins.
func (m *modReader) at(n *yaml.Node) span {
	line := m.src.lineSpan(min(max(n.Line, 1), len(m.src.lines)) - 1)
	start := line.start
	for column := 1; column < n.Column && start < line.end; start++ {
		if start+1 == line.end || isRuneStart(m.src.text[start+1]) {
			column++
		}
	}
	if n.Kind != yaml.ScalarNode {
		return span{start, min(start+1, line.end)}
	}
	length := len(n.Value)
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		length += 2
	}
	return span{start, min(start+length, line.end)}
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" }

func (m *modReader) version(n *yaml.Node) ident {
	switch {
	case n == nil:
		m.fault(span{0, 0}, "the field `schema` is missing", "add `schema: '1.2'`")
	case !isText(n):
		m.fault(m.at(n), "`schema` is not a text", "write `schema: '1.2'`, with quotes: without them it is a number")
	case n.Value != string(model.Schema12):
		m.report.add(fault{code: codeUnsupportedSchema, at: m.at(n),
			message:    fmt.Sprintf("schema version %s is not supported in an `fga.mod`", quote(n.Value)),
			suggestion: "modular models have schema `1.2`", fix: m.src.fix(m.at(n), "'1.2'")})
	default:
		return ident{text: n.Value, at: m.at(n)}
	}
	return ident{}
}

func (m *modReader) contents(n *yaml.Node) []ident {
	switch {
	case n == nil:
		m.fault(span{0, 0}, "the field `contents` is missing", "list the modules: `contents:`, and below it a line `  - core.fga` for each")
		return nil
	case n.Kind != yaml.SequenceNode:
		m.fault(m.at(n), "`contents` is not a list", "write a line `  - core.fga` for each module")
		return nil
	case len(n.Content) > MaxModuleFiles:
		m.fault(m.at(n.Content[MaxModuleFiles]), fmt.Sprintf("the model has %d files", len(n.Content)),
			fmt.Sprintf("a modular model has at most %d files (MaxModuleFiles)", MaxModuleFiles))
		return nil
	}
	var out []ident
	for _, item := range n.Content {
		if c, ok := m.entry(item); ok {
			if slices.ContainsFunc(out, func(o ident) bool { return path.Clean(o.text) == path.Clean(c.text) }) {
				m.moduleFault(c.at, fmt.Sprintf("the file %s is listed twice", quote(c.text)), "remove one of the two")
				continue
			}
			out = append(out, c)
		}
	}
	return out
}

func (m *modReader) moduleFault(at span, message, suggestion string) {
	m.report.add(fault{code: codeModuleFile, at: at, message: message, suggestion: suggestion})
}

// entry judges one line of `contents`.
func (m *modReader) entry(n *yaml.Node) (ident, bool) {
	c := ident{text: n.Value, at: m.at(n)}
	switch {
	case !isText(n) || n.Value == "":
		m.fault(c.at, "an entry of `contents` is not the name of a file", "write the path of a module, such as `core.fga`")
	case outside(n.Value):
		m.moduleFault(c.at, fmt.Sprintf("the path %s leads out of the folder of the `fga.mod`, or is no plain path", quote(n.Value)),
			"name a file in that folder or below it, with `/` between folders")
	case path.Ext(n.Value) != ".fga":
		m.moduleFault(c.at, fmt.Sprintf("the file %s is not called .fga", quote(n.Value)), "modules are files in the modelling language, called NAME.fga")
	default:
		return c, true
	}
	return ident{}, false
}
