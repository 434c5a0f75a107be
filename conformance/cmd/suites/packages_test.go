package main

import (
	"strings"
	"testing"
)

// TestCountsAssertions counts leaves alone, and a failure of a test that no subtest explains.
func TestCountsAssertions(t *testing.T) {
	o, err := readEvents(strings.NewReader(`{"Action":"pass","Test":"TestCheck/a/assertion_0"}
{"Action":"output","Test":"TestCheck/a/assertion_1","Output":"   expected: true\n"}
{"Action":"fail","Test":"TestCheck/a/assertion_1"}
{"Action":"skip","Test":"TestCheck/b"}
{"Action":"fail","Test":"TestCheck/a"}
{"Action":"fail","Test":"TestCheck"}
{"Action":"pass","Test":"TestListUsers/a/assertion_0"}
{"Action":"fail","Test":"TestListUsers/a"}
{"Action":"pass"}
`))
	if err != nil {
		t.Fatal(err)
	}
	rows, failures := o.rows()
	want := []row{
		{suite: "OpenFGA's packages, TestCheck", passed: 1, failed: 1, skipped: 1},
		{suite: "OpenFGA's packages, TestListUsers", passed: 1, failed: 1},
	}
	if len(rows) != len(want) || rows[0] != want[0] || rows[1] != want[1] {
		t.Fatalf("got %+v, want %+v", rows, want)
	}
	if got := failures[want[0].suite]; len(got) != 1 || got[0] != "TestCheck/a/assertion_1: expected: true" {
		t.Errorf("got failures %q", got)
	}
	for _, rows := range [][]row{want, {{suite: "nothing passed", skipped: 3}}} {
		if failed := (&table{rows: rows}).failed(); failed == 0 {
			t.Errorf("%+v: a failure was not counted", rows)
		}
	}
	if failed := (&table{rows: []row{{suite: "ran", passed: 1}, {suite: "absent", note: "absent"}}}).failed(); failed != 0 {
		t.Errorf("got %d failures, want none", failed)
	}
}
