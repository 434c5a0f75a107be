package backup

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

func testManifest() Manifest {
	return Manifest{
		StorageFormat: storage.RowsVersion, Cluster: strings.Repeat("0a", 16), Revision: 12, Term: 2, LowWater: 3,
		StampNanos: 1_700_000_000_000_000_000, TakenNanos: 1_700_000_100_000_000_000, Release: "v1.2.3",
	}
}

// testRows are the rows of a small database.
func testRows(t testing.TB) (rows []Row) {
	t.Helper()
	s, err := storage.Open("db", storage.Options{FS: vfs.NewMem(), CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, text := range []string{"doc:1#viewer@user:ann", "doc:1#viewer@group:eng#member", "doc:2#viewer@user:*"} {
		parsed, err := ostiary.ParseTuple(text)
		if err != nil {
			t.Fatal(err)
		}
		change := ostiary.TupleChange{Op: ostiary.TupleCreate, Store: "S", Tuple: parsed, Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}}
		m := &ostiary.Mutation{TimeNanos: int64(i + 1), Tuples: []ostiary.TupleChange{change},
			Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "store", Key: "S"}, Body: []byte(text)}}}
		if _, err := s.Apply([]storage.Entry{{Index: uint64(i + 1), Term: 1, Mutation: m}}); err != nil {
			t.Fatal(err)
		}
	}
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	err = v.BackupRows(t.Context(), func(r storage.Row) error {
		rows = append(rows, Row{Key: bytes.Clone(r.Key), Value: bytes.Clone(r.Value)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// encode writes a backup in blocks of about blockBytes.
func encode(t testing.TB, m Manifest, rows []Row, blockBytes int) ([]byte, Summary) {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, m)
	if err != nil {
		t.Fatal(err)
	}
	w.blockBytes = blockBytes
	for _, r := range rows {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	summary, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), summary
}

// decode reads a backup to its end.
func decode(r io.Reader) (m Manifest, rows []Row, s Summary, err error) {
	b, err := NewReader(r)
	if err != nil {
		return m, nil, s, err
	}
	defer b.Close()
	for {
		row, err := b.Next()
		if errors.Is(err, io.EOF) {
			return b.Manifest(), rows, b.Summary(), nil
		}
		if err != nil {
			return b.Manifest(), rows, b.Summary(), err
		}
		rows = append(rows, Row{Delete: row.Delete, Key: bytes.Clone(row.Key), Value: bytes.Clone(row.Value)})
	}
}

func TestRoundTrip(t *testing.T) {
	rows := testRows(t)
	for _, size := range []int{1, 100, blockBytes} {
		data, wrote := encode(t, testManifest(), rows, size)
		m, got, s, err := decode(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("blocks of %d bytes: %v", size, err)
		}
		if m != testManifest() {
			t.Errorf("manifest: got %+v", m)
		}
		if len(got) != len(rows) {
			t.Fatalf("blocks of %d bytes: got %d rows, want %d", size, len(got), len(rows))
		}
		for i := range rows {
			if !bytes.Equal(got[i].Key, rows[i].Key) || !bytes.Equal(got[i].Value, rows[i].Value) || got[i].Delete {
				t.Errorf("row %d: got %x = %x, want %x = %x", i, got[i].Key, got[i].Value, rows[i].Key, rows[i].Value)
			}
		}
		if !reflect.DeepEqual(s.Rows, wrote.Rows) || s.SHA256 != wrote.SHA256 || s.Rows["tuple"] != 3 || s.Rows["earlier"] != 2 {
			t.Errorf("summary: got %+v, wrote %+v", s, wrote)
		}
		peeked, summary, err := Peek(bytes.NewReader(data))
		if err != nil || peeked != m || !reflect.DeepEqual(summary, s) {
			t.Errorf("peek: got %+v, %+v, %v", peeked, summary, err)
		}
	}
}

func TestDeletions(t *testing.T) {
	rows := testRows(t)
	last := rows[len(rows)-1]
	m := testManifest()
	m.Since = 5
	data, _ := encode(t, m, []Row{{Delete: true, Key: last.Key}}, 1)
	_, got, s, err := decode(bytes.NewReader(data))
	if err != nil || len(got) != 1 || !got[0].Delete || s.Deleted["tuple"] != 1 {
		t.Fatalf("got %v, %+v, %v", got, s, err)
	}
	data, _ = encode(t, testManifest(), []Row{{Delete: true, Key: last.Key}}, 1)
	if _, _, _, err := decode(bytes.NewReader(data)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a full backup that deletes: got %v, want ErrDamaged", err)
	}
}

// TestEveryByteFlipped alters each byte of a backup in three ways: it is never read to its end.
func TestEveryByteFlipped(t *testing.T) {
	data, _ := encode(t, testManifest(), testRows(t), 100)
	for i := range data {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			altered := bytes.Clone(data)
			altered[i] ^= flip
			_, _, _, err := decode(bytes.NewReader(altered))
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
				t.Fatalf("byte %d of %d altered: got %v, want ErrDamaged", i, len(data), err)
			}
		}
	}
}

// TestTruncated cuts a backup at every length.
func TestTruncated(t *testing.T) {
	data, _ := encode(t, testManifest(), testRows(t), 100)
	for n := range data {
		if _, _, _, err := decode(bytes.NewReader(data[:n])); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d of %d bytes: got %v, want ErrDamaged", n, len(data), err)
		}
		if _, _, err := Peek(bytes.NewReader(data[:n])); !errors.Is(err, ErrDamaged) {
			t.Fatalf("peek at one cut to %d of %d bytes: got %v, want ErrDamaged", n, len(data), err)
		}
	}
	if _, _, _, err := decode(bytes.NewReader(append(bytes.Clone(data), 0))); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte more: got %v, want ErrDamaged", err)
	}
}

// TestFramesMoved swaps, drops and repeats whole frames, each with a checksum of its own that holds.
func TestFramesMoved(t *testing.T) {
	data, _ := encode(t, testManifest(), testRows(t), 1)
	var frames [][]byte
	front := data[:len(magic)+4]
	for rest := data[len(front):]; len(rest) > 0; {
		size := frameHeadBytes + int(binary.BigEndian.Uint32(rest[1:])) + frameTailBytes
		frames, rest = append(frames, rest[:size]), rest[size:]
	}
	if len(frames) < 5 {
		t.Fatalf("%d frames are too few", len(frames))
	}
	join := func(parts ...[]byte) []byte { return append(bytes.Clone(front), bytes.Join(parts, nil)...) }
	last := len(frames) - 1
	for name, altered := range map[string][]byte{
		"swapped":  join(frames[0], frames[2], frames[1], bytes.Join(frames[3:], nil)),
		"dropped":  join(frames[0], bytes.Join(frames[2:], nil)),
		"repeated": join(frames[0], frames[1], bytes.Join(frames[1:], nil)),
		"no end":   join(frames[:last]...),
		"two ends": join(bytes.Join(frames, nil), frames[last]),
	} {
		if _, _, _, err := decode(bytes.NewReader(altered)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, want ErrDamaged", name, err)
		}
	}
}

func TestRefusedVersions(t *testing.T) {
	data, _ := encode(t, testManifest(), nil, 1)
	data[len(magic)+3] = 2
	if _, err := NewReader(bytes.NewReader(data)); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("got %v, want ErrVersion that names both", err)
	}
	m := testManifest()
	m.StorageFormat++
	data, _ = encode(t, m, nil, 1)
	if _, err := NewReader(bytes.NewReader(data)); !errors.Is(err, ErrVersion) {
		t.Errorf("rows of a later format: got %v, want ErrVersion", err)
	}
}

func TestBadManifest(t *testing.T) {
	for name, alter := range map[string]func(*Manifest){
		"cluster":        func(m *Manifest) { m.Cluster = "0a" },
		"no revision":    func(m *Manifest) { m.Revision = 0 },
		"since above":    func(m *Manifest) { m.Since = 12 },
		"low above":      func(m *Manifest) { m.LowWater = 13 },
		"low over since": func(m *Manifest) { m.Since = 2 },
		"no format":      func(m *Manifest) { m.StorageFormat = 0 },
	} {
		m := testManifest()
		alter(&m)
		if _, err := NewWriter(io.Discard, m); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

var rewrite = flag.Bool("rewrite", false, "write the golden file again")

// TestGolden reads a backup that the first release of the format wrote.
func TestGolden(t *testing.T) {
	const path = "testdata/backup-v1.hex"
	rows, want := testRows(t), testManifest()
	want.StorageFormat = 2 // which the rows of that release had
	if *rewrite {
		data, _ := encode(t, want, rows, 200)
		if err := os.WriteFile(path, []byte(strings.Join(lines(hex.EncodeToString(data)), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	m, got, s, err := decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if m != want || len(got) != len(rows) || s.Blocks < 2 {
		t.Errorf("got %+v with %d rows in %d blocks, want %+v with %d", m, len(got), s.Blocks, want, len(rows))
	}
	for i := range got {
		if i < len(rows) && (!bytes.Equal(got[i].Key, rows[i].Key) || !bytes.Equal(got[i].Value, rows[i].Value)) {
			t.Errorf("row %d: got %x, want %x", i, got[i].Key, rows[i].Key)
		}
	}
}

func lines(text string) (out []string) {
	for len(text) > 96 {
		out, text = append(out, text[:96]), text[96:]
	}
	return append(out, text)
}

// FuzzReader reads anything: it ends, and takes as whole only what a Writer writes again from the rows.
func FuzzReader(f *testing.F) {
	rows := testRows(f)
	data, _ := encode(f, testManifest(), rows, 100)
	f.Add(data)
	f.Add(data[:len(data)/2])
	increment := testManifest()
	increment.Since = 4
	small, _ := encode(f, increment, []Row{{Delete: true, Key: rows[len(rows)-1].Key}}, 1)
	f.Add(small)
	f.Fuzz(func(t *testing.T, data []byte) {
		m, rows, s, err := decode(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
				t.Fatalf("got %v, want ErrDamaged or ErrVersion", err)
			}
			return
		}
		again, wrote := encode(t, m, rows, 100)
		if _, _, back, err := decode(bytes.NewReader(again)); err != nil || !reflect.DeepEqual(back.Rows, s.Rows) || !reflect.DeepEqual(wrote.Rows, s.Rows) {
			t.Fatalf("written again: %v, %+v; was %+v", err, back, s)
		}
	})
}

// FuzzBlock reads blocks whose checksums hold, with anything in them.
func FuzzBlock(f *testing.F) {
	for _, r := range testRows(f) {
		f.Add(appendRow(nil, r))
	}
	f.Add([]byte{rowPut, 0xff, 0xff, 0xff, 0xff, 0x0f, 't'})
	f.Fuzz(func(t *testing.T, block []byte) {
		if len(block) == 0 {
			return
		}
		var out bytes.Buffer
		w, err := NewWriter(&out, testManifest())
		if err != nil {
			t.Fatal(err)
		}
		w.block = block
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, rows, _, err := decode(bytes.NewReader(out.Bytes()))
		if err == nil {
			t.Fatalf("rows that nobody counted were taken: %d", len(rows))
		}
		if !errors.Is(err, ErrDamaged) {
			t.Fatalf("got %v, want ErrDamaged", err)
		}
	})
}
