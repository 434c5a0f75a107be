package storage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"pgregory.net/rapid"
)

// The examples that docs/format/keys.md draws.
var (
	exampleObject  = ostiary.Tuple{Object: ostiary.ObjectRef{Type: "doc", ID: "1"}, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: "ann"}}
	exampleUserset = ostiary.Tuple{Object: exampleObject.Object, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "group", ID: "eng", Relation: "member"}}
	exampleAny     = ostiary.Tuple{Object: exampleObject.Object, Relation: "viewer", Subject: ostiary.SubjectRef{Type: "user", ID: "*"}}
	examplePlain   = tupleState{grants: plainGrants, created: 300, createdNanos: 1}
	exampleFull    = tupleState{created: 300, createdNanos: 1, grants: []ostiary.Grant{
		{Owner: "api", Condition: "office", Context: []byte(`{"a":1}`)},
		{Owner: "rule:7", ExpiryNanos: 2},
	}}
	exampleChange = change{
		op: ostiary.ChangeWrite, tuple: exampleObject, grant: plainGrants[0], timeNanos: 1,
		principal: ostiary.Principal{Kind: "preshared", Name: "k1"},
	}
)

func formatExamples() map[string][]byte {
	var hello ostiary.Mutation
	hello.Once("job-7", []byte("hello"))
	_, digest, _ := ostiary.CutIdempotencyKey(hello.IdempotencyKey)
	return map[string][]byte{
		"tuple key, object":       appendTupleKey(nil, "S", exampleObject),
		"tuple key, userset":      appendTupleKey(nil, "S", exampleUserset),
		"tuple key, wildcard":     appendTupleKey(nil, "S", exampleAny),
		"reverse key, object":     appendReverseKey(nil, "S", exampleObject),
		"reverse key, userset":    appendReverseKey(nil, "S", exampleUserset),
		"reverse key, wildcard":   appendReverseKey(nil, "S", exampleAny),
		"owner key":               appendOwnerKey(nil, "S", "rule:7", exampleObject),
		"changelog key":           appendChangelogKey(nil, "S", 300, 2),
		"document key":            appendDocumentKey(nil, ostiary.DocumentKey{Collection: "store", Key: "S"}),
		"meta key, format":        metaFormat,
		"meta key, cluster":       metaCluster,
		"meta key, applied":       metaApplied,
		"meta key, clock":         metaClock,
		"tuple value, plain":      appendTupleValue(nil, examplePlain),
		"tuple value, two owners": appendTupleValue(nil, exampleFull),
		"changelog value":         appendChangeValue(nil, &exampleChange),
		"history key":             appendHistoryKey(nil, appendTupleKey(nil, "S", exampleObject), 400),
		"reversed history key":    appendHistoryKey(nil, appendReverseKey(nil, "S", exampleObject), 400),
		"earlier document key":    appendHistoryKey(nil, appendDocumentKey(nil, ostiary.DocumentKey{Collection: "store", Key: "S"}), 400),
		"ended document key":      appendEndedKey(nil, 400, ostiary.DocumentKey{Collection: "store", Key: "S"}),
		"collected key":           appendCollectedKey(nil, "S"),
		"stamp key":               appendStampKey(nil, 300),
		"once key":                appendRememberedKey(nil, ostiary.Principal{Kind: "preshared", Name: "k1"}, "job-7"),
		"recent key":              appendRecentKey(nil, 300),
		"once value": appendRememberedValue(nil, ostiary.Remembered{
			Receipt: ostiary.Receipt{Revision: 300, TimeNanos: 1, Changed: true}, Digest: digest,
			Document: ostiary.DocumentKey{Collection: "store", Key: "S"},
		}),
		"recent value":        appendRecentValue(nil, 1, appendRememberedKey(nil, ostiary.Principal{Kind: "preshared", Name: "k1"}, "job-7")),
		"meta key, low-water": metaLow,
		"low-water document":  Collection(300, "S").Body,
		"document value":      appendDocumentValue(nil, 300, []byte("hi")),
	}
}

// TestFormatPage finds every example of docs/format/keys.md, as its code blocks draw it: the name in
// a line that begins with "example: ", then lines of hex bytes, with remarks after "|".
func TestFormatPage(t *testing.T) {
	page, err := os.ReadFile("../docs/format/keys.md")
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]string{}
	name := ""
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "example: "); ok {
			name = rest
			continue
		}
		if strings.HasPrefix(line, "```") || line == "" {
			name = ""
		}
		if name != "" {
			hex, _, _ := strings.Cut(line, "|")
			drawn[name] += strings.ReplaceAll(strings.TrimSpace(hex), " ", "")
		}
	}
	for name, want := range formatExamples() {
		if got := drawn[name]; got != fmt.Sprintf("%x", want) {
			t.Errorf("example %q is drawn as\n%s\nand is\n% x", name, got, want)
		}
		delete(drawn, name)
	}
	for name := range drawn {
		t.Errorf("example %q is drawn and not checked", name)
	}
	if !strings.Contains(string(page), fmt.Sprintf("format version %d", formatVersion)) {
		t.Errorf("the page does not speak of format version %d", formatVersion)
	}
}

// drawText draws a part of a key, short, out of few letters, the lowest and highest bytes among them.
var drawText = rapid.StringOfN(rapid.RuneFrom([]rune{'a', 'b', '\x01', '*', '\u00ff', '\U0010ffff'}), 1, 3, -1)

func drawAnyTuple(t *rapid.T) ostiary.Tuple {
	u := ostiary.Tuple{
		Object:   ostiary.ObjectRef{Type: drawText.Draw(t, "type"), ID: drawText.Draw(t, "id")},
		Relation: drawText.Draw(t, "relation"),
		Subject:  ostiary.SubjectRef{Type: drawText.Draw(t, "subject type"), ID: drawText.Draw(t, "subject id")},
	}
	if rapid.Bool().Draw(t, "userset") {
		u.Subject.Relation = drawText.Draw(t, "subject relation")
	}
	return u
}

// TestKeyOrder: keys order as tuples do, and decode to what they were made of.
func TestKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawAnyTuple(t), drawAnyTuple(t)
		ka, kb := appendTupleKey(nil, "s", a), appendTupleKey(nil, "s", b)
		if got, want := bytes.Compare(ka, kb), a.Compare(b); got != want {
			t.Fatalf("keys of %q and %q compare as %d, the tuples as %d", a, b, got, want)
		}
		owner := drawText.Draw(t, "owner")
		if _, got, err := decodeTupleKey(ka); err != nil || got != a {
			t.Fatalf("tuple key of %q decodes to %q, %v", a, got, err)
		}
		if _, got, err := decodeReverseKey(appendReverseKey(nil, "s", a)); err != nil || got != a {
			t.Fatalf("reverse key of %q decodes to %q, %v", a, got, err)
		}
		if _, o, got, err := decodeOwnerKey(appendOwnerKey(nil, "s", owner, a)); err != nil || got != a || o != owner {
			t.Fatalf("owner key of %q, %q decodes to %q, %q, %v", owner, a, o, got, err)
		}
		prefix := appendObjectPrefix(nil, "s", a.Object)
		inside := bytes.Compare(kb, prefix) >= 0 && bytes.Compare(kb, prefixEnd(prefix)) < 0
		if inside != (a.Object == b.Object) {
			t.Fatalf("the prefix of %q holds the key of %q: %v", a.Object, b, inside)
		}
		prefix = appendSubjectPrefix(nil, "s", a.Subject)
		rb := appendReverseKey(nil, "s", b)
		inside = bytes.Compare(rb, prefix) >= 0 && bytes.Compare(rb, prefixEnd(prefix)) < 0
		if inside != (a.Subject == b.Subject) {
			t.Fatalf("the prefix of %q holds the reverse key of %q: %v", a.Subject, b, inside)
		}
	})
}

func TestPrefixEnd(t *testing.T) {
	tests := []struct{ prefix, want []byte }{
		{[]byte{1, 0}, []byte{1, 1}},
		{[]byte{1, 0xff}, []byte{2}},
		{[]byte{0xff, 0xff}, nil},
	}
	for _, tt := range tests {
		if got := prefixEnd(tt.prefix); !bytes.Equal(got, tt.want) {
			t.Errorf("prefixEnd(%x) = %x, want %x", tt.prefix, got, tt.want)
		}
	}
}

// FuzzDecodeKey: no decoder panics, what it takes encodes to the same bytes, and what it refuses is
// ErrCorrupt.
func FuzzDecodeKey(f *testing.F) {
	for _, b := range formatExamples() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		var errs []error
		same := func(err error, encode func() []byte) {
			t.Helper()
			errs = append(errs, err)
			if err == nil && !bytes.Equal(encode(), key) {
				t.Errorf("%x encodes to %x again", key, encode())
			}
		}
		store, u, err := decodeTupleKey(key)
		same(err, func() []byte { return appendTupleKey(nil, store, u) })
		rstore, ru, err := decodeReverseKey(key)
		same(err, func() []byte { return appendReverseKey(nil, rstore, ru) })
		ostore, owner, ou, err := decodeOwnerKey(key)
		same(err, func() []byte { return appendOwnerKey(nil, ostore, owner, ou) })
		cstore, revision, sequence, err := decodeChangelogKey(key)
		same(err, func() []byte { return appendChangelogKey(nil, cstore, revision, sequence) })
		doc, err := decodeDocumentKey(key)
		same(err, func() []byte { return appendDocumentKey(nil, doc) })
		if i := slices.IndexFunc(errs, func(err error) bool { return err != nil && !errors.Is(err, ostiary.ErrCorrupt) }); i >= 0 {
			t.Errorf("%x: %v is not ErrCorrupt", key, errs[i])
		}
	})
}

// FuzzDecodeValue is FuzzDecodeKey for values.
func FuzzDecodeValue(f *testing.F) {
	for _, b := range formatExamples() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var errs []error
		same := func(err error, encode func() []byte) {
			t.Helper()
			errs = append(errs, err)
			if err == nil && !bytes.Equal(encode(), value) {
				t.Errorf("%x encodes to %x again", value, encode())
			}
		}
		state, err := decodeTupleValue([]byte("key"), value)
		same(err, func() []byte { return appendTupleValue(nil, state) })
		if plain := err == nil && isPlain(state.grants); plain != valueIsPlain(value) && len(value) < 19 {
			t.Errorf("%x: plain %v, valueIsPlain %v", value, plain, valueIsPlain(value))
		} else if valueIsPlain(value) && !plain {
			t.Errorf("%x is taken for plain", value)
		}
		c, err := decodeChangeValue([]byte("key"), value)
		same(err, func() []byte { return appendChangeValue(nil, &c) })
		version, body, err := decodeDocumentValue([]byte("key"), value)
		same(err, func() []byte { return appendDocumentValue(nil, version, body) })
		if i := slices.IndexFunc(errs, func(err error) bool { return err != nil && !errors.Is(err, ostiary.ErrCorrupt) }); i >= 0 {
			t.Errorf("%x: %v is not ErrCorrupt", value, errs[i])
		}
	})
}

// TestPlainValueSize guards the compact form.
func TestPlainValueSize(t *testing.T) {
	state := tupleState{grants: plainGrants, created: 1_000_000, createdNanos: 1_790_000_000_000_000_000}
	if n := len(appendTupleValue(nil, state)); n != 12 {
		t.Errorf("a plain value at revision 1,000,000 has %d bytes, want 12", n)
	}
	value, buf := appendTupleValue(nil, state), make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() {
		buf = appendTupleKey(buf[:0], "S", exampleUserset)
		if _, err := decodeTupleValue(buf, value); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("encoding a key and decoding a plain value allocates %v times, want 0", n)
	}
}
