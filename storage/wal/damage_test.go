package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/ostiary/ostiary"
)

// TestDamagedRecord flips each bit of a stored record and value in turn, and puts a record where
// another belongs.
func TestDamagedRecord(t *testing.T) {
	l := openTest(t, vfs.NewMem())
	if err := errors.Join(l.Append(records(1, 2)), l.Set("vote", []byte("seven"))); err != nil {
		t.Fatal(err)
	}
	get := func() error { _, err := l.Get(1); return err }
	value := func() error { _, _, err := l.Value("vote"); return err }
	for _, row := range []struct {
		key  []byte
		read func() error
	}{{recordKey(1), get}, {valueKey("vote"), value}} {
		whole := rawValue(t, l, row.key)
		for bit := range len(whole) * 8 {
			damaged := slices.Clone(whole)
			damaged[bit/8] ^= 1 << (bit % 8)
			setRaw(t, l, row.key, damaged)
			if err := row.read(); !errors.Is(err, ErrCorrupt) || !errors.Is(err, ostiary.ErrCorrupt) {
				t.Errorf("key %q with bit %d flipped: %v, want ErrCorrupt", row.key, bit, err)
			}
		}
		for n := range len(whole) {
			setRaw(t, l, row.key, whole[:n])
			if err := row.read(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("key %q cut to %d bytes: %v, want ErrCorrupt", row.key, n, err)
			}
		}
		setRaw(t, l, row.key, whole)
		if err := row.read(); err != nil {
			t.Errorf("key %q whole again: %v", row.key, err)
		}
	}
	setRaw(t, l, recordKey(1), rawValue(t, l, recordKey(2)))
	if err := get(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("record 2 in the place of record 1: %v, want ErrCorrupt", err)
	}
	if err := l.db.Delete(recordKey(1), nil); err != nil {
		t.Fatal(err)
	}
	if err := get(); !errors.Is(err, ErrCorrupt) {
		t.Errorf("record 1 lost: %v, want ErrCorrupt", err)
	}
}

func rawValue(t *testing.T, l *Log, key []byte) []byte {
	t.Helper()
	raw, closer, err := l.db.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	raw = slices.Clone(raw)
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	return raw
}

func setRaw(t *testing.T, l *Log, key, value []byte) {
	t.Helper()
	if err := l.db.Set(key, value, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
}

// blockBytes is the size of a block of Pebble's write-ahead log. It tells damage from a write that
// power loss has torn by what it finds in later blocks, and so cannot in the last.
const blockBytes = 32 << 10

const flippedRecords = 40

func flippedData(index uint64) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "record %3d ", index), 400)
}

// TestFlippedBitsOnDisk flips bits of the files that hold the records. What can still be read is what
// was appended, without a gap. A flip is found out, unless it lies in the last block of the
// write-ahead log, where the
// records from there on may be lost.
func TestFlippedBitsOnDisk(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, ext := range []string{".log", ".sst"} {
		found := 0
		for range 25 {
			mem := vfs.NewCrashableMem()
			l, err := Open("log", Options{FS: mem})
			if err != nil {
				t.Fatal(err)
			}
			for i := uint64(1); i <= flippedRecords; i++ {
				if err := l.Append([]Record{{Index: i, Data: flippedData(i)}}); err != nil {
					t.Fatal(err)
				}
			}
			if ext == ".sst" {
				if err := l.db.Flush(); err != nil {
					t.Fatal(err)
				}
			}
			image := mem.CrashClone(vfs.CrashCloneCfg{})
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			name, at := flipBit(t, image, ext, rng)
			if damaged := checkDamaged(t, image, fmt.Sprintf("%s, byte %d", name, at)); damaged {
				found++
			}
		}
		t.Logf("%s: %d of 25 flips were found", ext, found)
		if found < 12 {
			t.Errorf("%s: only %d of 25 flips were found", ext, found)
		}
	}
}

// flipBit flips a bit in the largest file with an extension.
func flipBit(t *testing.T, fs *vfs.MemFS, ext string, rng *rand.Rand) (name string, at int) {
	t.Helper()
	names, err := fs.List("log")
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, n := range names {
		if !strings.HasSuffix(n, ext) {
			continue
		}
		f, err := fs.Open(path.Join("log", n))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(f); err != nil {
			t.Fatal(err)
		} else if len(b) > len(data) {
			name, data = path.Join("log", n), b
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(data) == 0 {
		t.Fatalf("no file %s with bytes among %q", ext, names)
	}
	at = rng.IntN(len(data))
	data[at] ^= 1 << rng.IntN(8)
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, werr := f.Write(data)
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return name, at
}

// checkDamaged reports whether damage was reported, and fails when a wrong byte was read.
func checkDamaged(t *testing.T, fs vfs.FS, where string) bool {
	t.Helper()
	l, err := Open("log", Options{FS: fs})
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: open: %v, want ErrCorrupt", where, err)
		}
		return true
	}
	defer func() { _ = l.Close() }()
	damaged := false
	last := l.LastIndex()
	for i := l.FirstIndex(); i <= last && i > 0; i++ {
		data, err := l.Get(i)
		if err != nil {
			damaged = true
		} else if !bytes.Equal(data, flippedData(i)) {
			t.Errorf("%s: record %d is %.40q", where, i, data)
		}
	}
	if lost := int(flippedRecords-last) * len(flippedData(1)); !damaged && lost > blockBytes+len(flippedData(1)) {
		t.Errorf("%s: the log ends at %d of %d and nothing says so", where, last, flippedRecords)
	}
	return damaged
}

// TestWriteErrors fails one write of the disk after another, for good from there on. What was
// acknowledged is there afterwards, and the append that failed is there as a whole or not at all.
func TestWriteErrors(t *testing.T) {
	for n := int64(0); ; n++ {
		var writes, injected atomic.Int64
		mem := vfs.NewCrashableMem()
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose || writes.Add(1)-1 < n {
				return nil
			}
			injected.Add(1)
			return errorfs.ErrInjected
		}))
		acknowledged, err := appendMany(fs)
		if injected.Load() == 0 {
			if err != nil {
				t.Fatalf("without a failed write: %v", err)
			}
			break
		}
		if err == nil && acknowledged < 24 {
			t.Errorf("write %d failed and no call did", n)
		}
		for _, kept := range []int{0, 100} {
			image := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rand.New(rand.NewPCG(1, 1))})
			l, err := Open("log", Options{FS: image})
			if err != nil {
				t.Errorf("write %d failed: reopen: %v", n, err)
				continue
			}
			last := l.LastIndex()
			if last != acknowledged && last != acknowledged+4 {
				t.Errorf("write %d failed: the log ends at %d, and %d was acknowledged", n, last, acknowledged)
			}
			for i := uint64(1); i <= last; i++ {
				if data, err := l.Get(i); err != nil || string(data) != fmt.Sprintf("record %d", i) {
					t.Errorf("write %d failed: record %d is %q, %v", n, i, data, err)
				}
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// appendMany appends records, four at a time, and returns the last that was acknowledged. After
// a failure it checks that nothing more is taken.
func appendMany(fs vfs.FS) (acknowledged uint64, err error) {
	l, err := Open("log", Options{FS: fs})
	if err != nil {
		return 0, err
	}
	for acknowledged < 24 {
		if err := l.Append(records(acknowledged+1, acknowledged+4)); err != nil {
			if again := l.Append(records(acknowledged+1, acknowledged+4)); again == nil {
				return acknowledged, fmt.Errorf("an append was taken after one had failed with %w", err)
			}
			return acknowledged, err
		}
		acknowledged += 4
		if acknowledged == 12 {
			if err := l.guard.Run(l.db.Flush); err != nil {
				return acknowledged, err
			}
		}
	}
	return acknowledged, l.Close()
}

func TestNewerFormatIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	l, err := Open("log", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	setRaw(t, l, []byte{tableFormat}, binary.BigEndian.AppendUint32(nil, formatVersion+1))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open("log", Options{FS: fs})
	if err == nil || !strings.Contains(err.Error(), "version 2") || !strings.Contains(err.Error(), "version 1") {
		t.Errorf("a log of a newer format: %v, want an error that names both versions", err)
	}
}
