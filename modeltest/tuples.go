package modeltest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/condition"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
)

// MaxTuples bounds the tuples of one list.
const MaxTuples = 1_000_000

// tuples returns the tuples of a store or of a test: those that stand there, then those of its files.
func (l *loader) tuples(o object) []Tuple {
	t := &tupleReader{plan: l.plan, faults: &l.faults, file: l.suite.File}
	for _, n := range o.list("tuples") {
		t.node(o.yamlReader, n)
	}
	for _, name := range o.tupleFiles() {
		path := l.path(name.text)
		data, err := l.read(path)
		if err != nil {
			l.faults.addf(l.suite.File, name.line, "the tuple file: %v", err)
			continue
		}
		t.file = path
		t.read(data)
	}
	return t.finish()
}

func (o object) tupleFiles() []located {
	out := o.texts("tuple_files")
	if name := o.text("tuple_file"); name != "" {
		out = append([]located{{name, o.line("tuple_file")}}, out...)
	}
	return out
}

// LoadTuples reads a file of tuples: CSV, JSON, JSON lines or YAML, as its name ends. Each must fit the
// model. The error is Faults, or that of a file which cannot be read.
func LoadTuples(name string, m *model.Model) ([]Tuple, error) {
	data, err := readFile(name)
	if err != nil {
		return nil, err
	}
	var f faults
	t := &tupleReader{plan: engine.Compile(m), faults: &f, file: name}
	t.read(data)
	out := t.finish()
	return out, f.err()
}

// tupleReader reads lists of tuples and judges each against the model.
type tupleReader struct {
	plan   *engine.Plan
	faults *faults
	file   string
	out    []Tuple
	full   bool
}

// finish returns the tuples. Of two that are equal the first counts.
func (t *tupleReader) finish() []Tuple {
	first := make(map[ostiary.Tuple]Tuple, len(t.out))
	out := t.out[:0]
	for _, tuple := range t.out {
		earlier, twice := first[tuple.Tuple]
		if !twice {
			first[tuple.Tuple] = tuple
			out = append(out, tuple)
			continue
		}
		t.contradiction(earlier, tuple)
	}
	return out
}

func (t *tupleReader) contradiction(earlier, later Tuple) {
	if sameCondition(earlier, later) {
		return
	}
	t.faults.addf(later.File, later.Line, "the tuple %s stands on line %d of %s too, with another condition; remove one of the two",
		later.Tuple, earlier.Line, earlier.File)
}

func sameCondition(a, b Tuple) bool {
	return slices.EqualFunc(a.Conditions, b.Conditions, func(x, y ostiary.Grant) bool {
		return x.Condition == y.Condition && bytes.Equal(x.Context, y.Context)
	})
}

// contradictions reports tuples of a test that the store holds with another condition.
func (l *loader) contradictions(shared, own []Tuple) {
	if len(own) == 0 {
		return
	}
	t := &tupleReader{faults: &l.faults}
	all := make(map[ostiary.Tuple]Tuple, len(shared))
	for _, tuple := range shared {
		all[tuple.Tuple] = tuple
	}
	for _, tuple := range own {
		if earlier, twice := all[tuple.Tuple]; twice {
			t.contradiction(earlier, tuple)
		}
	}
}

func (t *tupleReader) faultf(line int, format string, args ...any) {
	t.faults.addf(t.file, line, format, args...)
}

// read reads a whole file.
func (t *tupleReader) read(data []byte) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch strings.ToLower(filepath.Ext(t.file)) {
	case ".csv":
		t.csv(data)
	case ".json", ".yaml", ".yml": // YAML holds JSON
		y := &yamlReader{file: t.file, faults: t.faults}
		if root := y.parse(data); root != nil {
			for _, n := range y.items(root, "a file of tuples") {
				t.node(y, n)
			}
		}
	case ".jsonl", ".ndjson":
		t.jsonLines(data)
	default:
		t.faultf(0, "the form of a file of tuples is told by its name: .csv, .json, .jsonl, .yaml or .yml")
	}
}

// node reads one tuple in YAML or JSON.
func (t *tupleReader) node(y *yamlReader, n *yaml.Node) {
	o, ok := y.object(n, "a tuple", "user", "relation", "object", "condition")
	if !ok {
		return
	}
	var condition string
	var context json.RawMessage
	if c := o.fields["condition"]; c != nil {
		fields, ok := y.object(c, "a condition", "name", "context")
		if !ok {
			return
		}
		if condition, context = fields.text("name"), fields.json("context"); condition == "" {
			fields.faultf(c, "a condition has no name")
			return
		}
	}
	t.add(n.Line, o.text("object"), o.text("relation"), o.text("user"), condition, context)
}

func (t *tupleReader) jsonLines(data []byte) {
	for i, line := range bytes.Split(data, []byte("\n")) {
		text := bytes.TrimSpace(line)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		var row struct {
			User, Relation, Object string
			Condition              *struct {
				Name    string
				Context map[string]any
			}
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		decoder.UseNumber()
		err := decoder.Decode(&row)
		if err == nil && decoder.More() {
			err = errors.New("something follows the object")
		}
		if err != nil {
			t.faultf(i+1, "not a tuple in JSON: %v", err)
			continue
		}
		condition, context := "", json.RawMessage(nil)
		if row.Condition != nil {
			condition = row.Condition.Name
			if row.Condition.Context != nil {
				context, _ = json.Marshal(row.Condition.Context) // what was JSON
			}
		}
		t.add(i+1, row.Object, row.Relation, row.User, condition, context)
	}
}

// The columns of a CSV file of tuples, as the fga command line has them, in any order.
var csvColumns = []string{"user_type", "user_id", "user_relation", "relation", "object_type", "object_id", "condition_name", "condition_context"}

func (t *tupleReader) csv(data []byte) {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment = '#'
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil {
		t.faultf(1, "a CSV file begins with a header of the columns %s", strings.Join(csvColumns, ","))
		return
	}
	for _, name := range header {
		if !slices.Contains(csvColumns, name) {
			t.faultf(1, "there is no column %q; the columns are %s", name, strings.Join(csvColumns, ", "))
			return
		}
	}
	for _, name := range []string{"user_type", "user_id", "relation", "object_type", "object_id"} {
		if !slices.Contains(header, name) {
			t.faultf(1, "the header lacks the column %q", name)
			return
		}
	}
	for !t.full {
		record, err := r.Read()
		if err == io.EOF {
			return
		}
		line, _ := r.FieldPos(0)
		var malformed *csv.ParseError
		if errors.As(err, &malformed) {
			t.faultf(malformed.StartLine, "not CSV: %v", malformed.Err)
			return
		}
		if err != nil || len(record) != len(header) {
			t.faultf(line, "%d fields where the header has %d", len(record), len(header))
			continue
		}
		row := map[string]string{}
		for i, name := range header {
			row[name] = record[i]
		}
		user := ostiary.SubjectRef{Type: row["user_type"], ID: row["user_id"], Relation: row["user_relation"]}
		context, err := sortedJSON(row["condition_context"])
		if err != nil {
			t.faultf(line, "the context of the condition: %v", err)
			continue
		}
		t.add(line, row["object_type"]+":"+row["object_id"], row["relation"], user.String(), row["condition_name"], context)
	}
}

// sortedJSON returns a JSON object with sorted keys, or nil for nothing.
func sortedJSON(text string) (json.RawMessage, error) {
	if text == "" {
		return nil, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	return json.Marshal(fields)
}

// add judges one tuple and keeps it.
func (t *tupleReader) add(line int, object, relation, user, name string, context json.RawMessage) {
	if len(t.out) >= MaxTuples {
		if !t.full {
			t.faultf(line, "there are more than %d tuples (MaxTuples)", MaxTuples)
		}
		t.full = true
		return
	}
	tuple, err := ostiary.NewTuple(object, relation, user)
	if err != nil {
		t.faultf(line, "%v", err)
		return
	}
	if name == "" && len(context) > 0 {
		t.faultf(line, "there is a context of a condition but no name")
		return
	}
	if message := misfit(t.plan.Model(), tuple, name); message != "" {
		t.faultf(line, "the tuple %s does not fit the model: %s", tuple, message)
		return
	}
	edge := ostiary.Edge{Tuple: tuple}
	if name != "" {
		grant := ostiary.Grant{Owner: ostiary.OwnerAPI, Condition: name, Context: context}
		if err := t.plan.CheckContext(grant); err != nil {
			t.faultf(line, "the context of the tuple %s does not fit its condition: %v", tuple, err)
			return
		}
		edge.Conditions = []ostiary.Grant{grant}
	}
	t.out = append(t.out, Tuple{Edge: edge, File: t.file, Line: line})
}

// misfit says why a tuple cannot be written with a model, or nothing when it can.
func misfit(m *model.Model, t ostiary.Tuple, name string) string {
	typ := m.Type(t.Object.Type)
	if typ == nil {
		return fmt.Sprintf("there is no type %q", t.Object.Type)
	}
	r := typ.Relation(t.Relation)
	if r == nil {
		return fmt.Sprintf("type %q has no relation %q", t.Object.Type, t.Relation)
	}
	if name != "" && name != condition.Inline && m.Condition(name) == nil {
		return fmt.Sprintf("there is no condition %q", name)
	}
	if len(r.Restrictions) == 0 {
		return fmt.Sprintf("the relation %q is computed from others; write to those", t.Relation)
	}
	want := model.Restriction{Type: t.Subject.Type, Relation: t.Subject.Relation, Wildcard: t.Subject.IsWildcard(), Condition: name}
	if slices.Contains(r.Restrictions, want) {
		return ""
	}
	forms := make([]string, len(r.Restrictions))
	for i, restriction := range r.Restrictions {
		forms[i] = restriction.String()
	}
	return fmt.Sprintf("the relation %q takes [%s], not %q", t.Relation, strings.Join(forms, ", "), want)
}
