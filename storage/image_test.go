package storage

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
)

// image returns the bytes of an image of a database with one tuple.
func image(t *testing.T) []byte {
	t.Helper()
	fs := vfs.NewMem()
	s, err := Open("db", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Apply([]Entry{{Index: 7, Term: 2, Mutation: &ostiary.Mutation{TimeNanos: 5,
		Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "c", Key: "k"}, Body: []byte("body")}}}}}); err != nil {
		t.Fatal(err)
	}
	i, err := s.Image(fs, "out")
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(i)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(data)) != i.Size() {
		t.Errorf("image has %d bytes and said %d", len(data), i.Size())
	}
	if err := i.Close(); err != nil {
		t.Error(err)
	}
	if names, err := Names(fs, "out"); err != nil || len(names) > 0 {
		t.Errorf("a closed image left %q behind, error %v", names, err)
	}
	return data
}

func TestImage(t *testing.T) {
	data := image(t)
	fs := vfs.NewCrashableMem()
	if err := ReceiveImage(fs, "copy", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	// Everything is durable: a power loss right after takes nothing away.
	s, err := Open("copy", Options{FS: fs.CrashClone(vfs.CrashCloneCfg{})})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if index, term := s.Applied(); index != 7 || term != 2 {
		t.Errorf("the copy stands at %d of term %d, want 7 of 2", index, term)
	}
	v, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if d, ok, err := v.Document(ostiary.DocumentKey{Collection: "c", Key: "k"}); err != nil || !ok || string(d.Body) != "body" {
		t.Errorf("document is %q, %v, error %v", d.Body, ok, err)
	}
}

// TestDamagedImage cuts an image short and alters it at many places; none may be taken.
func TestDamagedImage(t *testing.T) {
	data := image(t)
	refused := func(name string, at int, bad []byte) {
		fs := vfs.NewMem()
		if err := ReceiveImage(fs, "copy", bytes.NewReader(bad)); !errors.Is(err, ostiary.ErrCorrupt) {
			t.Errorf("%s at byte %d: got error %v, want ErrCorrupt", name, at, err)
		}
		if names, err := Names(fs, "copy"); err != nil || len(names) > 0 {
			t.Errorf("%s at byte %d left %q behind, error %v", name, at, names, err)
		}
	}
	for at := 0; at < len(data); at += 1 + len(data)/200 {
		refused("cut", at, data[:at])
		bad := bytes.Clone(data)
		bad[at] ^= 0x10
		refused("flipped", at, bad)
	}
	refused("longer", len(data), append(bytes.Clone(data), 0))
}
