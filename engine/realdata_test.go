package engine_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/engine"
)

const (
	organizationDir = "../../shared/data/kubernetes-org"
	examplesDir     = "../../shared/conformance/spicedb"
)

// asker asks questions whose answers are known.
type asker struct {
	t      *testing.T
	plan   *engine.Plan
	reader engine.Reader
	engine *engine.Engine
}

func newAsker(t *testing.T, name string, modelText []byte, tuples []ostiary.Edge) asker {
	t.Helper()
	m, err := dsl.Compile(name, modelText)
	if err != nil {
		t.Fatal(err)
	}
	return asker{t: t, plan: engine.Compile(m), reader: engine.NewMemory(tuples), engine: engine.New(engine.Options{})}
}

func (a asker) tuple(object, relation, user string) ostiary.Tuple {
	a.t.Helper()
	tuple, err := ostiary.NewTuple(object, relation, user)
	if err != nil {
		a.t.Fatal(err)
	}
	return tuple
}

func (a asker) check(object, relation, user string, want bool) {
	a.t.Helper()
	tuple := a.tuple(object, relation, user)
	q := engine.CheckQuery{Object: tuple.Object, Relation: relation, Subject: tuple.Subject}
	d, err := a.engine.Check(a.t.Context(), a.plan, a.reader, q)
	if err != nil || (d == ostiary.Allowed) != want {
		a.t.Errorf("check %s: got %v, %v, want %v", q, d, err, want)
	}
	x, err := a.engine.Explain(a.t.Context(), a.plan, a.reader, q)
	if err != nil || x.Outcome != engine.Outcome(d.String()) {
		a.t.Errorf("explain %s: got %v, %v, want %v", q, x, err, d)
		return
	}
	verifyExplanation(a.t, q, x)
}

func (a asker) listObjects(typ, relation, user string, want []string) {
	a.t.Helper()
	subject := a.tuple(typ+":x", relation, user).Subject
	q := engine.ListObjectsQuery{Type: typ, Relation: relation, Subject: subject}
	objects, err := a.engine.ListObjects(a.t.Context(), a.plan, a.reader, q)
	compareTexts(a.t, "list objects "+q.String(), objects, err, want)
}

func (a asker) listUsers(object, relation, filter string, want []string) {
	a.t.Helper()
	q := engine.ListUsersQuery{Object: a.tuple(object, relation, "x:y").Object, Relation: relation, Filter: engine.UserFilter{Type: filter}}
	users, err := a.engine.ListUsers(a.t.Context(), a.plan, a.reader, q)
	compareTexts(a.t, "list users "+q.String(), users, err, want)
}

func compareTexts[T interface{ String() string }](t *testing.T, question string, answer []T, err error, want []string) {
	t.Helper()
	var got []string
	for _, one := range answer {
		got = append(got, one.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: got %d, %v, want %d\n got %v\nwant %v", question, len(got), err, len(want), got, want)
	}
}

// readShared reads a file that is beside the repository, and skips the test where it is not.
func readShared(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("%s is not here", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(readShared(t, path))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// A real organization: the answers are those of OpenFGA 1.22.1.
func TestOrganization(t *testing.T) {
	modelText := readShared(t, filepath.Join(organizationDir, "model.fga"))
	var tuples []ostiary.Edge
	for _, row := range readCSV(t, filepath.Join(organizationDir, "tuples.csv")) {
		user := row[0] + ":" + row[1]
		if row[2] != "" {
			user += "#" + row[2]
		}
		tuple, err := ostiary.NewTuple(row[4]+":"+row[5], row[3], user)
		if err != nil {
			t.Fatal(err)
		}
		tuples = append(tuples, ostiary.Edge{Tuple: tuple})
	}
	a := newAsker(t, "model.fga", modelText, tuples)
	for _, row := range readCSV(t, filepath.Join(organizationDir, "checks.csv")) {
		a.check(row[0], row[1], row[2], row[3] == "true")
	}
	lines := bufio.NewScanner(bytes.NewReader(readShared(t, filepath.Join(organizationDir, "lists.jsonl"))))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var q struct {
			List, Type, Relation, User, Object string
			UserType                           string `json:"user_type"`
			Expect                             []string
		}
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			t.Fatal(err)
		}
		if q.List == "objects" {
			a.listObjects(q.Type, q.Relation, q.User, q.Expect)
		} else {
			a.listUsers(q.Object, q.Relation, q.UserType, q.Expect)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// SpiceDB's own examples, translated to models of this language, with SpiceDB's answers.
func TestSpiceDBExamples(t *testing.T) {
	index := readShared(t, filepath.Join(examplesDir, "INDEX.json"))
	var files struct{ Index []struct{ File string } }
	if err := json.Unmarshal(index, &files); err != nil {
		t.Fatal(err)
	}
	for _, file := range files.Index {
		t.Run(file.File, func(t *testing.T) {
			var example struct {
				ModelDSL string `json:"model_dsl"`
				Tuples   []struct{ Object, Relation, User string }
				Checks   []struct {
					Object, Relation, User string
					Expected               bool
				}
				ListObjects []struct {
					Type, Relation, User string
					Objects              []string
				} `json:"list_objects"`
			}
			if err := json.Unmarshal(readShared(t, filepath.Join(examplesDir, file.File)), &example); err != nil {
				t.Fatal(err)
			}
			a := newAsker(t, file.File, []byte(example.ModelDSL), nil)
			var tuples []ostiary.Edge
			for _, tuple := range example.Tuples {
				tuples = append(tuples, ostiary.Edge{Tuple: a.tuple(tuple.Object, tuple.Relation, tuple.User)})
			}
			a.reader = engine.NewMemory(tuples)
			for _, c := range example.Checks {
				a.check(c.Object, c.Relation, c.User, c.Expected)
			}
			for _, l := range example.ListObjects {
				a.listObjects(l.Type, l.Relation, l.User, l.Objects)
			}
			if len(example.Checks) == 0 {
				t.Error("the example has no checks")
			}
		})
	}
}
