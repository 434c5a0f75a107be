package conformance

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestSuites asks the assertions of OpenFGA's own tests, with their tuples written and with their tuples
// sent along.
func TestSuites(t *testing.T) {
	asked, _ := server(t)
	for _, name := range []string{"consolidated_1_1_tests.yaml", "abac_tests.yaml"} {
		suite, err := ReadSuite(data(t, "conformance", "openfga", name))
		if err != nil {
			t.Fatal(err)
		}
		if len(suite.Tests) == 0 {
			t.Fatalf("%s is empty", name)
		}
		for _, mode := range []Mode{Stored, Contextual} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				results := NewResults()
				for _, test := range suite.Tests {
					if err := RunTest(t.Context(), asked.Client, mode, test, results); err != nil {
						t.Error(err)
					}
				}
				report(t, results)
				t.Logf("%d tests, %d skipped", len(suite.Tests), len(results.Skips))
			})
		}
	}
}

// report fails the test with every failure, and logs the rest.
func report(t *testing.T, results *Results) {
	t.Helper()
	for _, failure := range results.Failures {
		t.Error(failure)
	}
	for _, skip := range results.Skips {
		t.Logf("skipped %s", skip)
	}
	t.Logf("\n%s", results)
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
	at, err := o.Load(t.Context(), overGRPC.Client)
	if err != nil {
		t.Fatal(err)
	}
	for name, transport := range map[string]Questions{"gRPC": overGRPC, "HTTP": overHTTP} {
		t.Run(name, func(t *testing.T) {
			results := NewResults()
			o.Ask(t.Context(), transport, at, results)
			report(t, results)
		})
	}
}

// TestTranslated asks SpiceDB's tests, translated to OpenFGA models, over gRPC and over HTTP.
func TestTranslated(t *testing.T) {
	tests, err := ReadTranslatedFolder(data(t, "conformance", "spicedb"))
	if err != nil {
		t.Fatal(err)
	}
	checks, lists := 0, 0
	for _, test := range tests {
		checks, lists = checks+len(test.Checks), lists+len(test.ListObjects)
	}
	if len(tests) == 0 || checks == 0 || lists == 0 {
		t.Fatalf("got %d files, %d checks, %d lists: the data is not what it was", len(tests), checks, lists)
	}
	t.Logf("%d files, %d checks, %d lists", len(tests), checks, lists)
	overGRPC, overHTTP := server(t)
	for _, test := range tests {
		at, err := test.Load(t.Context(), overGRPC.Client)
		if err != nil {
			t.Fatal(err)
		}
		for name, transport := range map[string]Questions{"gRPC": overGRPC, "HTTP": overHTTP} {
			t.Run(test.Name+"/"+name, func(t *testing.T) {
				results := NewResults()
				test.Ask(t.Context(), transport, at, results)
				report(t, results)
			})
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
