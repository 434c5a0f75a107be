package modeltest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
)

// MaxFileBytes bounds each file that Load reads.
const MaxFileBytes = 64 << 20

// IsStoreFile reports whether a file is called like a store file: .yaml or .yml.
func IsStoreFile(name string) bool {
	ext := strings.ToLower(filepath.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

// Load reads a store file with everything that it names, by paths from its folder. The error is Faults,
// with everything that is wrong, or that of a file which cannot be read. Suite.Files is filled beside
// an error too, as far as files were found, so that they can be watched until they are corrected.
func Load(file string) (*Suite, error) {
	l := &loader{suite: &Suite{File: file}, dir: filepath.Dir(file)}
	data, err := l.read(file)
	if err != nil {
		return l.suite, err
	}
	l.store(data)
	if err := l.faults.err(); err != nil {
		return &Suite{File: file, Files: l.suite.Files}, err
	}
	return l.suite, nil
}

// loader reads one store file.
type loader struct {
	suite  *Suite
	plan   *engine.Plan // of the suite's model
	dir    string
	faults faults
}

func (l *loader) read(name string) ([]byte, error) {
	l.watch(name)
	return readFile(name)
}

func (l *loader) watch(name string) {
	if !slices.Contains(l.suite.Files, name) {
		l.suite.Files = append(l.suite.Files, name)
	}
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxFileBytes+1))
	if err == nil && len(data) > MaxFileBytes {
		err = fmt.Errorf("read %s: it is longer than %d bytes (MaxFileBytes)", name, MaxFileBytes)
	}
	return data, err
}

// store reads the store file itself.
func (l *loader) store(data []byte) {
	y := &yamlReader{file: l.suite.File, faults: &l.faults}
	root := y.parse(data)
	if root == nil {
		return
	}
	o, ok := y.object(root, "a store file", "name", "model", "model_file", "tuples", "tuple_file", "tuple_files", "tests")
	if !ok {
		return
	}
	l.suite.Name = o.text("name")
	l.model(o, data)
	if l.suite.Model == nil {
		if len(l.faults.list) == 0 {
			l.faults.addf(l.suite.File, 0, "the store file has no model; write it below `model: |`, or name its file with `model_file`")
		}
		return // nothing can be judged without it
	}
	l.plan = engine.Compile(l.suite.Model)
	l.suite.Tuples = l.tuples(o)
	for i, n := range o.list("tests") {
		l.test(y, n, i, l.suite.Tuples)
	}
}

// model compiles the model of the store file.
func (l *loader) model(o object, data []byte) {
	inline, named := o.fields["model"], o.text("model_file")
	switch {
	case inline != nil && named != "":
		o.faultf(inline, "there is both a `model` and a `model_file`; remove one of the two")
	case named != "":
		m, files, err := LoadModel(l.path(named))
		for _, file := range files {
			l.watch(file)
		}
		l.suite.Model = m
		l.modelFaults(err, o.line("model_file"))
	case inline != nil:
		m, err := dsl.Compile(l.suite.File, []byte(o.text("model")))
		var diagnostics dsl.Diagnostics
		if errors.As(err, &diagnostics) {
			err = shifted(diagnostics, inline, strings.Split(string(data), "\n"))
		}
		l.suite.Model = m
		l.modelFaults(err, inline.Line)
	}
}

func (l *loader) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(l.dir, filepath.FromSlash(name))
}

func (l *loader) modelFaults(err error, line int) {
	var diagnostics dsl.Diagnostics
	if err == nil {
		return
	}
	if !errors.As(err, &diagnostics) {
		l.faults.addf(l.suite.File, line, "the model: %v", err)
		return
	}
	for _, d := range diagnostics {
		l.faults.add(Fault{File: d.File, Line: d.Line, Message: d.Message, Diagnostic: &d})
	}
}

// shifted moves diagnostics of a model inside a store file to where the model stands there. Only a
// block (`model: |`) stands line by line in the file; of other texts the line of the key is told.
func shifted(ds dsl.Diagnostics, n *yaml.Node, lines []string) dsl.Diagnostics {
	indent := 0
	for _, line := range lines[min(n.Line, len(lines)):] {
		if text := strings.TrimLeft(line, " "); strings.TrimSpace(text) != "" {
			indent = len(line) - len(text)
			break
		}
	}
	out := slices.Clone(ds)
	for i := range out {
		if n.Style != yaml.LiteralStyle {
			out[i].Line = n.Line
			continue
		}
		out[i].Line += n.Line
		out[i].Column += indent
		out[i].EndColumn += indent
		out[i].SourceColumn += indent
	}
	return out
}

// LoadModel compiles a model file: an fga.mod (.mod), OpenFGA's JSON form (.json), or the DSL. It also
// returns the files that the model is made of, beside an error as well. The error is dsl.Diagnostics,
// or that of a file which cannot be read.
func LoadModel(name string) (*model.Model, []string, error) {
	files := []string{name}
	data, err := readFile(name)
	if err != nil {
		return nil, files, err
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json":
		m, err := dsl.CompileJSON(name, data)
		return m, files, err
	case ".mod":
		if listed, err := dsl.ModuleFiles(name, data); err == nil {
			for _, module := range listed {
				files = append(files, filepath.Join(filepath.Dir(name), filepath.FromSlash(module)))
			}
		}
		root, err := os.OpenRoot(filepath.Dir(name))
		if err != nil {
			return nil, files, err
		}
		defer root.Close()
		m, err := dsl.CompileModules(filepath.ToSlash(name), data, root.FS())
		return m, files, err
	}
	m, err := dsl.Compile(name, data)
	return m, files, err
}

// test reads one test. Its questions are asked of the suite's tuples and its own.
func (l *loader) test(y *yamlReader, n *yaml.Node, index int, shared []Tuple) {
	o, ok := y.object(n, "a test", "name", "description", "tuples", "tuple_file", "tuple_files", "check", "list_objects", "list_users")
	if !ok {
		return
	}
	t := Test{Name: o.text("name"), Description: o.text("description"), Line: n.Line, Tuples: l.tuples(o)}
	if t.Name == "" {
		t.Name = fmt.Sprintf("test %d", index+1)
	}
	l.contradictions(shared, t.Tuples)
	for _, item := range o.list("check") {
		t.Questions = append(t.Questions, l.check(y, item)...)
	}
	for _, item := range o.list("list_objects") {
		t.Questions = append(t.Questions, l.listObjects(y, item)...)
	}
	for _, item := range o.list("list_users") {
		t.Questions = append(t.Questions, l.listUsers(y, item)...)
	}
	l.suite.Tests = append(l.suite.Tests, t)
}

// oneOrMany returns the text of a key, or the texts of its plural. It has to be one of the two.
func (o object) oneOrMany(one, many string) []located {
	out := o.texts(many)
	text := o.text(one)
	switch {
	case text != "" && len(out) > 0:
		o.faultf(o.fields[many], "%s has both `%s` and `%s`; put all into `%s`", o.what, one, many, many)
	case text != "":
		return []located{{text, o.line(one)}}
	case len(out) == 0:
		o.faultf(o.at, "%s names no %s; write `%s: …`, or a list below `%s:`", o.what, one, one, many)
	}
	return out
}

func (o object) assertions() []entry {
	out := o.entries("assertions")
	if len(out) == 0 {
		o.faultf(o.at, "%s has no assertions; write for example `assertions: {viewer: true}`", o.what)
	}
	return out
}

func (l *loader) check(y *yamlReader, n *yaml.Node) []Question {
	o, ok := y.object(n, "a check", "user", "users", "object", "objects", "context", "assertions")
	if !ok {
		return nil
	}
	context := o.context("context")
	var out []Question
	assertions := o.assertions()
	for _, user := range o.oneOrMany("user", "users") {
		subject, subjectOK := l.subject(user)
		for _, object := range o.oneOrMany("object", "objects") {
			ref, objectOK := l.object(object)
			for _, a := range assertions {
				allowed, ok := y.truth(a.value, fmt.Sprintf("the assertion %q", a.text))
				if ok && subjectOK && objectOK {
					out = append(out, Question{Kind: KindCheck, Line: a.line, Relation: a.text, Object: ref, Subject: subject,
						Context: context, Allowed: allowed})
				}
			}
		}
	}
	return out
}

func (l *loader) listObjects(y *yamlReader, n *yaml.Node) []Question {
	o, ok := y.object(n, "a list_objects", "user", "type", "context", "assertions")
	if !ok {
		return nil
	}
	subject, ok := l.subject(located{o.text("user"), o.line("user")})
	typ := o.text("type")
	if typ == "" {
		o.faultf(o.at, "a list_objects names no type of objects; write `type: …`")
		ok = false
	}
	context := o.context("context")
	var out []Question
	for _, a := range o.assertions() {
		members := l.members(y, a.value, fmt.Sprintf("the assertion %q", a.text), func(m located) { l.object(m) })
		if ok {
			out = append(out, Question{Kind: KindListObjects, Line: a.line, Relation: a.text, Type: typ, Subject: subject,
				Context: context, Members: members})
		}
	}
	return out
}

func (l *loader) listUsers(y *yamlReader, n *yaml.Node) []Question {
	o, ok := y.object(n, "a list_users", "object", "user_filter", "context", "assertions")
	if !ok {
		return nil
	}
	object, ok := l.object(located{o.text("object"), o.line("object")})
	var filters []Filter
	for _, item := range o.list("user_filter") {
		if f, ok := y.object(item, "a user_filter", "type", "relation"); ok {
			filters = append(filters, Filter{Type: f.text("type"), Relation: f.text("relation")})
			if f.text("type") == "" {
				f.faultf(item, "a user_filter names no type; write for example `- type: user`")
			}
		}
	}
	if len(filters) == 0 {
		o.faultf(o.at, "a list_users names no user_filter; write `user_filter: [{type: user}]`")
	}
	context := o.context("context")
	var out []Question
	for _, a := range o.assertions() {
		what := fmt.Sprintf("the assertion %q", a.text)
		fields, isObject := y.object(a.value, what, "users")
		if !isObject {
			continue
		}
		var members []string
		if users := fields.fields["users"]; users != nil {
			members = l.members(y, users, what, func(m located) { l.subject(m) })
		}
		if ok {
			out = append(out, Question{Kind: KindListUsers, Line: a.line, Relation: a.text, Object: object, Filters: filters,
				Context: context, Members: members})
		}
	}
	return out
}

// members returns the expected members of a list, each once, sorted.
func (l *loader) members(y *yamlReader, n *yaml.Node, what string, judge func(located)) []string {
	out := []string{}
	for _, item := range y.items(n, what) {
		v := y.resolve(item)
		if v == nil || v.Kind != yaml.ScalarNode {
			y.faultf(item, "an entry of %s is not a text", what)
			continue
		}
		judge(located{v.Value, item.Line})
		out = append(out, v.Value)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (l *loader) subject(text located) (ostiary.SubjectRef, bool) {
	s, err := ostiary.ParseSubject(text.text)
	if err != nil {
		l.faults.addf(l.suite.File, text.line, "%v", err)
	}
	return s, err == nil
}

func (l *loader) object(text located) (ostiary.ObjectRef, bool) {
	o, err := ostiary.ParseObject(text.text)
	if err != nil {
		l.faults.addf(l.suite.File, text.line, "%v", err)
	}
	return o, err == nil
}
