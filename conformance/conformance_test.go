package conformance

import (
	"fmt"
	"path/filepath"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"go.yaml.in/yaml/v3"
)

// TestSuites asks the assertions of OpenFGA's own tests.
func TestSuites(t *testing.T) {
	for _, name := range []string{"consolidated_1_1_tests.yaml", "abac_tests.yaml"} {
		t.Run(name, func(t *testing.T) {
			suite, err := ReadSuite(data(t, "conformance", "openfga", name))
			if err != nil {
				t.Fatal(err)
			}
			if len(suite.Tests) == 0 {
				t.Fatal("the suite is empty")
			}
			asked, _ := server(t)
			results := NewResults()
			for _, test := range suite.Tests {
				if err := RunTest(t.Context(), asked.Client, test, results); err != nil {
					t.Error(err)
				}
			}
			for _, failure := range results.Failures {
				t.Error(failure)
			}
			for _, skip := range results.Skips {
				t.Logf("skipped %s", skip)
			}
			t.Logf("%d tests, %d skipped\n%s", len(suite.Tests), len(results.Skips), results)
		})
	}
}

// TestOrganization asks the checks and lists of a real organization, over gRPC and over HTTP.
func TestOrganization(t *testing.T) {
	o, err := ReadOrganization(data(t, "data", "kubernetes-org"))
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Tuples) != 7624 || len(o.Checks) != 2000 || len(o.Lists) != 200 {
		t.Fatalf("got %d tuples, %d checks and %d lists, want 7624, 2000 and 200", len(o.Tuples), len(o.Checks), len(o.Lists))
	}
	overGRPC, overHTTP := server(t)
	store, err := overGRPC.Client.CreateStore(t.Context(), &openfgav1.CreateStoreRequest{Name: "organization"})
	if err != nil {
		t.Fatal(err)
	}
	model, err := WriteModel(t.Context(), overGRPC.Client, store.GetId(), o.Model)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteTuples(t.Context(), overGRPC.Client, store.GetId(), model, o.Tuples); err != nil {
		t.Fatal(err)
	}
	for name, transport := range map[string]Questions{"gRPC": overGRPC, "HTTP": overHTTP} {
		t.Run(name, func(t *testing.T) {
			for _, c := range o.Checks {
				allowed, err := transport.Check(t.Context(), store.GetId(), model, c.SuiteTuple)
				if err != nil || allowed != c.Allowed {
					t.Errorf("check %s: got %t (%v), want %t", c.SuiteTuple, allowed, err, c.Allowed)
				}
			}
			for _, l := range o.Lists {
				askList(t, transport, store.GetId(), model, l)
			}
			t.Logf("%d checks and %d lists", len(o.Checks), len(o.Lists))
		})
	}
}

func askList(t *testing.T, transport Questions, store, model string, l OrganizationList) {
	t.Helper()
	var got []string
	var err error
	switch l.List {
	case "objects":
		got, err = transport.ListObjects(t.Context(), store, model, l.User, l.Relation, l.Type)
	case "users":
		got, err = transport.ListUsers(t.Context(), store, model, l.Object, l.Relation, l.UserType)
	default:
		err = fmt.Errorf("%q is no kind of list", l.List)
	}
	if err != nil {
		t.Errorf("list %+v: %v", l, err)
	} else if problem := wrongList(got, l.Expect); problem != "" {
		t.Errorf("list %s %s %s %s: %s", l.List, l.Object+l.User, l.Relation, l.Type+l.UserType, problem)
	}
}

// TestTranslated asks SpiceDB's tests, translated to OpenFGA models.
func TestTranslated(t *testing.T) {
	dir := data(t, "conformance", "spicedb")
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	asked, _ := server(t)
	files, checks, lists := 0, 0, 0
	for _, path := range paths {
		if filepath.Base(path) == "INDEX.json" {
			continue
		}
		test, err := ReadTranslated(path)
		if err != nil {
			t.Fatal(err)
		}
		files, checks, lists = files+1, checks+len(test.Checks), lists+len(test.ListObjects)
		t.Run(test.Name, func(t *testing.T) { askTranslated(t, asked, test) })
	}
	if files == 0 || checks == 0 || lists == 0 {
		t.Fatalf("got %d files, %d checks, %d lists: the data is not what it was", files, checks, lists)
	}
	t.Logf("%d files, %d checks, %d lists", files, checks, lists)
}

func askTranslated(t *testing.T, asked GRPC, test *Translated) {
	store, err := asked.Client.CreateStore(t.Context(), &openfgav1.CreateStoreRequest{Name: "translated"})
	if err != nil {
		t.Fatal(err)
	}
	model, err := WriteModel(t.Context(), asked.Client, store.GetId(), test.ModelDSL)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteTuples(t.Context(), asked.Client, store.GetId(), model, test.Tuples); err != nil {
		t.Fatal(err)
	}
	for _, c := range test.Checks {
		tuple := SuiteTuple{Object: c.Object, Relation: c.Relation, User: c.User}
		if allowed, err := asked.Check(t.Context(), store.GetId(), model, tuple); err != nil || allowed != c.Expected {
			t.Errorf("check %s: got %t (%v), want %t", tuple, allowed, err, c.Expected)
		}
	}
	for _, l := range test.ListObjects {
		got, err := asked.ListObjects(t.Context(), store.GetId(), model, l.User, l.Relation, l.Type)
		if err != nil {
			t.Errorf("list %s that %s has as %s: %v", l.Type, l.User, l.Relation, err)
		} else if problem := wrongList(got, l.Objects); problem != "" {
			t.Errorf("list %s that %s has as %s: %s", l.Type, l.User, l.Relation, problem)
		}
	}
}

// TestComparisonFails shows that the runner sees a wrong answer: a runner that cannot fail proves nothing.
func TestComparisonFails(t *testing.T) {
	for _, c := range []struct {
		name      string
		got, want []string
		problem   bool
	}{
		{"same in another order", []string{"a", "b"}, []string{"b", "a"}, false},
		{"both empty", nil, []string{}, false},
		{"missing", []string{"a"}, []string{"a", "b"}, true},
		{"extra", []string{"a", "b"}, []string{"a"}, true},
		{"twice", []string{"a", "a"}, []string{"a"}, true},
	} {
		if problem := wrongList(c.got, c.want); (problem != "") != c.problem {
			t.Errorf("%s: got problem %q, want one: %t", c.name, problem, c.problem)
		}
	}
	for text, want := range map[string]ErrorCode{"2027": 2027, "invalid_tuple": 2027, "ErrorCode_invalid_tuple": 2027} {
		var got ErrorCode
		if err := yaml.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("error code %s: got %d (%v), want %d", text, got, err, want)
		}
	}
	var none ErrorCode
	if err := yaml.Unmarshal([]byte("no_such_code"), &none); err == nil {
		t.Error("an unknown error code was taken")
	}
}
