package raftstore

import (
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ostiary/ostiary"
)

var update = flag.Bool("update", false, "rewrite golden files")

// everyField is a mutation in which every field of the codec has a value of its own.
func everyField() *ostiary.Mutation {
	tuple := func(object, relation, subject string) ostiary.Tuple {
		t, err := ostiary.NewTuple(object, relation, subject)
		if err != nil {
			panic(err)
		}
		return t
	}
	filter := ostiary.Filter{
		Store: "s1", Object: ostiary.ObjectRef{Type: "doc", ID: "1"},
		Subject: ostiary.SubjectRef{Type: "group", ID: "eng", Relation: "member"},
		Owner:   "scim:c/u/groups", Relation: "viewer", ObjectType: "doc",
	}
	return &ostiary.Mutation{
		TimeNanos:      1_700_000_000_123_456_789,
		Principal:      ostiary.Principal{Kind: "preshared", Name: "ab12"},
		RequestID:      "req-1",
		Method:         "/openfga.v1.OpenFGAService/Write",
		Origin:         "192.0.2.7",
		Store:          "s1",
		IdempotencyKey: "key-1",
		MinVersion:     3,
		Observed:       41,
		Preconditions: []ostiary.Precondition{
			{Kind: ostiary.DocumentAtVersion, Document: ostiary.DocumentKey{Collection: "store", Key: "s1"}, Version: 7},
			{Kind: ostiary.TuplePresent, Store: "s1", Tuple: tuple("doc:1", "viewer", "user:ann")},
			{Kind: ostiary.TupleAbsent, Store: "s1", Tuple: tuple("doc:1", "viewer", "user:*")},
			{Kind: ostiary.FilterMatchesNothing, Filter: filter},
		},
		Filters: []ostiary.FilterDelete{{Filter: filter, Max: 12}},
		Tuples: []ostiary.TupleChange{
			{Op: ostiary.TupleCreate, Store: "s1", Tuple: tuple("doc:1", "viewer", "user:ann"), IfExists: true,
				Grant: ostiary.Grant{Owner: "api", Condition: "in_office", Context: []byte(`{"ip":"10.0.0.1"}`), ExpiryNanos: -5}},
			{Op: ostiary.TupleTouch, Store: "s1", Tuple: tuple("doc:2", "viewer", "group:eng#member"), Grant: ostiary.Grant{Owner: "api"}},
			{Op: ostiary.TupleDelete, Store: "s2", Tuple: tuple("doc:1", "viewer", "user:*"), Grant: ostiary.Grant{Owner: "api"}, IfMissing: true},
			{Op: ostiary.TupleRelease, Store: "s2", Tuple: tuple("doc:1", "editor", "user:bob"), Grant: ostiary.Grant{Owner: "rule:9"}},
		},
		Documents: []ostiary.DocumentChange{
			{Key: ostiary.DocumentKey{Collection: "model/s1", Key: "m1"}, Body: []byte("{}")},
			{Key: ostiary.DocumentKey{Collection: "store", Key: "s2"}, Delete: true},
		},
		Outbox: []ostiary.OutboxRule{{Kind: "logout", Args: []byte{0, 1, 2}}},
	}
}

// TestCodecGolden pins the bytes of both versions: logs written by this release must be readable for ever.
func TestCodecGolden(t *testing.T) {
	first := everyField()
	first.Method, first.Origin, first.Store = "", "", ""
	testGolden(t, "testdata/command-v1.hex", first)
	testGolden(t, "testdata/command-v2.hex", everyField())
}

func testGolden(t *testing.T, file string, of *ostiary.Mutation) {
	t.Helper()
	got := hex.Dump(appendCommand(nil, of))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the codec of %s changed; it is permanent.\ngot:\n%s\nwant:\n%s", file, got, want)
	}
	m, err := decodeCommand(undump(t, string(want)))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m, of) {
		t.Errorf("decoded golden bytes:\ngot  %+v\nwant %+v", m, of)
	}
}

// undump is the inverse of hex.Dump.
func undump(t *testing.T, dump string) []byte {
	t.Helper()
	var out []byte
	for line := range strings.Lines(dump) {
		digits, _, _ := strings.Cut(line[min(10, len(line)):], "|")
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(digits), " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

// TestCodecCoversEveryField fails when a field is added to a mutation and not to everyField, and with
// it to the codec.
func TestCodecCoversEveryField(t *testing.T) {
	m := reflect.ValueOf(*everyField())
	for i := range m.NumField() {
		if m.Field(i).IsZero() {
			t.Errorf("Mutation.%s has no value in everyField", m.Type().Field(i).Name)
		}
	}
	seen := map[string]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				name := v.Type().Name() + "." + v.Type().Field(i).Name
				seen[name] = seen[name] || !v.Field(i).IsZero()
				walk(v.Field(i))
			}
		}
	}
	walk(m)
	for name, used := range seen {
		if !used {
			t.Errorf("%s is zero everywhere in everyField", name)
		}
	}
}

func TestCodecRoundTrip(t *testing.T) {
	text := rapid.SampledFrom([]string{"", "a", "b", "viewer", "user", "\x00", strings.Repeat("long", 100)})
	number := rapid.Uint64()
	body := rapid.Custom(func(t *rapid.T) []byte {
		if b := rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"); len(b) > 0 {
			return b
		}
		return nil
	})
	tuple := rapid.Custom(func(t *rapid.T) ostiary.Tuple {
		return ostiary.Tuple{
			Object:   ostiary.ObjectRef{Type: text.Draw(t, "type"), ID: text.Draw(t, "id")},
			Relation: text.Draw(t, "relation"),
			Subject:  ostiary.SubjectRef{Type: text.Draw(t, "stype"), ID: text.Draw(t, "sid"), Relation: text.Draw(t, "srelation")},
		}
	})
	change := rapid.Custom(func(t *rapid.T) ostiary.TupleChange {
		return ostiary.TupleChange{
			Op: ostiary.TupleOp(rapid.Byte().Draw(t, "op")), Store: text.Draw(t, "store"), Tuple: tuple.Draw(t, "tuple"),
			Grant: ostiary.Grant{Owner: text.Draw(t, "owner"), Condition: text.Draw(t, "condition"),
				Context: body.Draw(t, "context"), ExpiryNanos: rapid.Int64().Draw(t, "expiry")},
			IfExists: rapid.Bool().Draw(t, "exists"), IfMissing: rapid.Bool().Draw(t, "missing"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		m := &ostiary.Mutation{
			TimeNanos: rapid.Int64().Draw(t, "time"), RequestID: text.Draw(t, "request"),
			Method: text.Draw(t, "method"), Origin: text.Draw(t, "origin"), Store: text.Draw(t, "store"),
			MinVersion: rapid.Uint32().Draw(t, "min"), Observed: ostiary.Revision(number.Draw(t, "observed")),
		}
		for range rapid.IntRange(0, 5).Draw(t, "changes") {
			m.Tuples = append(m.Tuples, change.Draw(t, "change"))
		}
		for range rapid.IntRange(0, 3).Draw(t, "documents") {
			m.Documents = append(m.Documents, ostiary.DocumentChange{
				Key: ostiary.DocumentKey{Collection: text.Draw(t, "c"), Key: text.Draw(t, "k")}, Body: body.Draw(t, "body")})
		}
		got, err := decodeCommand(appendCommand(nil, m))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Fatalf("got %+v, want %+v", got, m)
		}
	})
}

func TestCodecRefuses(t *testing.T) {
	good := appendCommand(nil, everyField())
	for _, test := range []struct {
		name    string
		command []byte
		says    string
	}{
		{"nothing", nil, "ends early"},
		{"later version", append([]byte{3}, good[1:]...), "version 3 is not known"},
		{"trailing bytes", append(append([]byte(nil), good...), 0), "after its end"},
		{"huge count", append(append([]byte(nil), good[:9]...), 0xff, 0xff, 0xff, 0xff, 0x0f), "ends early"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := decodeCommand(test.command)
			if !errors.Is(err, ostiary.ErrCorrupt) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got error %v, want ErrCorrupt that says %q", err, test.says)
			}
		})
	}
	for n := range good {
		if _, err := decodeCommand(good[:n]); err == nil {
			t.Errorf("the first %d of %d bytes decode without error", n, len(good))
		}
	}
}

func TestSetStamp(t *testing.T) {
	command := appendCommand(nil, everyField())
	setStamp(command, 77)
	m, err := decodeCommand(command)
	if err != nil || m.TimeNanos != 77 {
		t.Errorf("got stamp %d and error %v, want 77", m.TimeNanos, err)
	}
}

// FuzzDecodeCommand: no input panics, and what decodes encodes to something that decodes to the same.
func FuzzDecodeCommand(f *testing.F) {
	f.Add(appendCommand(nil, everyField()))
	f.Add(appendCommand(nil, &ostiary.Mutation{}))
	f.Fuzz(func(t *testing.T, command []byte) {
		m, err := decodeCommand(command)
		if err != nil {
			if !errors.Is(err, ostiary.ErrCorrupt) {
				t.Fatalf("error %v is not ErrCorrupt", err)
			}
			return
		}
		again, err := decodeCommand(appendCommand(nil, m))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Fatalf("decode, encode, decode: %v\n%+v\n%+v", err, m, again)
		}
	})
}
