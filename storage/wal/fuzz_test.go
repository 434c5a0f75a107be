package wal

import (
	"bytes"
	"errors"
	"testing"
)

// A record or a value that is read is one that was written; anything else is refused as corrupt.
func FuzzDecodeRecord(f *testing.F) {
	f.Add(uint64(7), "name", appendRecord(nil, &Record{Index: 7, Data: []byte("data")}))
	f.Add(uint64(8), "name", appendValue(nil, "name", []byte("data")))
	f.Add(uint64(0), "", []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, index uint64, name string, raw []byte) {
		if data, err := decodeRecord(index, raw); err == nil {
			if again := appendRecord(nil, &Record{Index: index, Data: data}); !bytes.Equal(again, raw) {
				t.Errorf("%x is read as a record that is written as %x", raw, again)
			}
		} else if !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
		if value, err := decodeValue(name, raw); err == nil {
			if again := appendValue(nil, name, value); !bytes.Equal(again, raw) {
				t.Errorf("%x is read as a value that is written as %x", raw, again)
			}
		} else if !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
		if at, err := decodeRecordKey(raw); err == nil && !bytes.Equal(recordKey(at), raw) {
			t.Errorf("%x is read as the key of %d", raw, at)
		}
	})
}
