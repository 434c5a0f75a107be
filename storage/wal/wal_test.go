package wal

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func openTest(t testing.TB, fs vfs.FS) *Log {
	t.Helper()
	l, err := Open("log", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// records makes the records from first to last.
func records(first, last uint64) []Record {
	var rs []Record
	for i := first; i <= last; i++ {
		rs = append(rs, Record{Index: i, Data: fmt.Appendf(nil, "record %d", i)})
	}
	return rs
}

func TestAppendGetDelete(t *testing.T) {
	l := openTest(t, vfs.NewMem())
	if l.FirstIndex() != 0 || l.LastIndex() != 0 {
		t.Errorf("an empty log has bounds %d to %d", l.FirstIndex(), l.LastIndex())
	}
	if err := l.Append(records(5, 9)); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(records(11, 11)); !errors.Is(err, ErrGap) {
		t.Errorf("append beyond the end: %v, want ErrGap", err)
	}
	if err := l.Append(records(9, 10)); !errors.Is(err, ErrOverlap) {
		t.Errorf("append over the end: %v, want ErrOverlap", err)
	}
	if data, err := l.Get(7); err != nil || string(data) != "record 7" {
		t.Errorf("Get(7) = %q, %v", data, err)
	}
	if _, err := l.Get(4); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get(4): %v, want ErrNotFound", err)
	}
	if err := l.DeleteRange(6, 7); !errors.Is(err, ErrMiddle) {
		t.Errorf("delete in the middle: %v, want ErrMiddle", err)
	}
	if err := l.DeleteRange(1, 6); err != nil || l.FirstIndex() != 7 || l.LastIndex() != 9 {
		t.Errorf("delete the front: %v, bounds %d to %d", err, l.FirstIndex(), l.LastIndex())
	}
	if err := l.DeleteRange(8, 100); err != nil || l.FirstIndex() != 7 || l.LastIndex() != 7 {
		t.Errorf("delete the end: %v, bounds %d to %d", err, l.FirstIndex(), l.LastIndex())
	}
	if err := l.Append(records(8, 8)); err != nil {
		t.Errorf("append after a truncation: %v", err)
	}
	if err := l.Set("vote", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if v, ok, err := l.Value("vote"); string(v) != "x" || !ok || err != nil {
		t.Errorf("Value = %q, %v, %v", v, ok, err)
	}
}
