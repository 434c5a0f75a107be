package audit_test

import (
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/audit"
)

var update = flag.Bool("update", false, "write the examples of docs/format/audit.md anew")

// exampleRows are a beginning, a change and a restore.
func exampleRows() (rows [][2][]byte) {
	add := func(key, value []byte) {
		rows = append(rows, [2][]byte{append([]byte(nil), key...), append([]byte(nil), value...)})
	}
	key, value, h := audit.First(300)
	add(key, value)
	var r audit.Recorder
	r.Begin()
	tuple := ostiary.Tuple{Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "group", ID: "eng", Relation: "member"}}
	r.Tuple(ostiary.ChangeWrite, &tuple, &ostiary.Grant{Owner: "rule:7", Condition: "office"}, []byte("key"), []byte("value"))
	key, value, h = r.Row(h, &audit.Entry{
		Place: audit.Place{Revision: 300, Kind: audit.Change}, TimeNanos: 1, Principal: ostiary.Principal{Kind: "preshared", Name: "ann"},
		RequestID: "r1", Method: "/openfga.v1.OpenFGAService/Write", Origin: "192.0.2.7:4711", Store: "S",
	})
	add(key, value)
	key, value, _ = audit.RestoredRow(h, &audit.Entry{
		Place: audit.Place{Revision: 300, Kind: audit.Restored}, From: ostiary.ClusterID{1}, To: ostiary.ClusterID{2}, Newest: 310, Dropped: audit.Hash{3},
	})
	add(key, value)
	return rows
}

func TestFormatPage(t *testing.T) {
	const page, begin = "../docs/format/audit.md", "```text\nexample rows\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString(begin)
	for _, row := range exampleRows() {
		want.WriteString("key   " + hex.EncodeToString(row[0]) + "\n")
		digits := hex.EncodeToString(row[1])
		for label := "value "; len(digits) > 0; label = "      " {
			n := min(len(digits), 96)
			want.WriteString(label + digits[:n] + "\n")
			digits = digits[n:]
		}
	}
	want.WriteString("```\n")
	if *update {
		before, _, _ := strings.Cut(string(text), begin)
		if err := os.WriteFile(page, []byte(before+want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !strings.Contains(string(text), want.String()) {
		t.Errorf("the page does not hold\n%s", want.String())
	}
}

// TestDecodeIsInverse: what is written decodes to what it was, makes a chain, and nothing shorter, longer or of
// another form decodes.
func TestDecodeIsInverse(t *testing.T) {
	var chain audit.Chain
	rows := exampleRows()
	for _, row := range rows {
		if _, err := chain.Add(row[0], row[1]); err != nil {
			t.Fatal(err)
		}
		for n := range row[1] {
			if e, err := audit.Decode(row[0], row[1][:n]); err == nil && n != 1 {
				t.Errorf("%d of %d bytes decode to %+v", n, len(row[1]), e)
			}
		}
		if _, err := audit.Decode(row[0], append(append([]byte(nil), row[1]...), 0)); err == nil {
			t.Error("a longer value decodes")
		}
		for _, key := range [][]byte{nil, row[0][:9], append(append([]byte(nil), row[0]...), 0), append([]byte{'b'}, row[0][1:]...)} {
			if _, err := audit.Decode(key, row[1]); !errors.Is(err, ostiary.ErrCorrupt) {
				t.Errorf("key %x: %v", key, err)
			}
		}
	}
	if err := chain.End(); err != nil || chain.Rows() != 3 {
		t.Errorf("%d rows, %v", chain.Rows(), err)
	}
	restored, err := audit.Decode(rows[2][0], rows[2][1])
	if err != nil || restored.From != (ostiary.ClusterID{1}) || restored.To != (ostiary.ClusterID{2}) || restored.Newest != 310 || restored.Dropped != (audit.Hash{3}) {
		t.Errorf("got %+v, %v", restored, err)
	}
	change, err := audit.Decode(rows[1][0], rows[1][1])
	item := []audit.Item{{Kind: audit.TupleWritten, Name: "doc:1#viewer@group:eng#member", Owner: "rule:7", Condition: "office"}}
	if err != nil || !reflect.DeepEqual(change.Items, item) || change.Items[0].String() != "+ doc:1#viewer@group:eng#member with office by rule:7" {
		t.Errorf("got %+v, %v", change, err)
	}
	head, _ := chain.Head()
	if again, err := audit.ParseHead(head.String()); err != nil || again != head {
		t.Errorf("head %v, %v", again, err)
	}
	for _, text := range []string{"", "1", "1/1/", "1/1/ab", head.String() + "0", " " + head.String(), "+" + head.String()} {
		if _, err := audit.ParseHead(text); !errors.Is(err, ostiary.ErrTokenInvalid) {
			t.Errorf("head %q: %v", text, err)
		}
	}
}

// TestListIsBounded: a row lists a bounded number of items in a bounded number of bytes, and counts all.
func TestListIsBounded(t *testing.T) {
	var r audit.Recorder
	for _, id := range []string{"x", strings.Repeat("x", 400)} {
		r.Begin()
		tuple := ostiary.Tuple{Object: ostiary.ObjectRef{Type: "doc", ID: id}, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: id}}
		for range 1000 {
			r.Tuple(ostiary.ChangeWrite, &tuple, &ostiary.Grant{Owner: "api"}, []byte("k"), []byte("v"))
		}
		key, value, _ := r.Row(audit.Hash{}, &audit.Entry{Place: audit.Place{Revision: 1, Kind: audit.Change}})
		e, err := audit.Decode(key, value)
		if err != nil || e.TuplesWritten != 1000 || len(e.Items) > audit.MaxItems || len(e.Items) == 0 || len(value) > audit.MaxItemBytes+1024 {
			t.Errorf("%d items of %d in %d bytes, %v", len(e.Items), e.TuplesWritten, len(value), err)
		}
	}
}

// FuzzDecode: no row panics, and what decodes says something that can be printed.
func FuzzDecode(f *testing.F) {
	for _, row := range exampleRows() {
		f.Add(row[0], row[1])
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		e, err := audit.Decode(key, value)
		if err != nil {
			if !errors.Is(err, ostiary.ErrCorrupt) {
				t.Fatalf("error %v is not ErrCorrupt", err)
			}
			return
		}
		for _, i := range e.Items {
			_ = i.String()
		}
		var chain audit.Chain
		_, _ = chain.Add(key, value)
	})
}
