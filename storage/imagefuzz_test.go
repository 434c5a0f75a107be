package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
)

// Whatever comes as an image of another node either is one, or is refused as corrupt and leaves nothing behind, inside
// the folder or outside.
func FuzzReceiveImage(f *testing.F) {
	image := func(header string, files ...string) []byte {
		out := append([]byte(imageMagic), binary.BigEndian.AppendUint32(nil, uint32(len(header)))...)
		out = append(out, header...)
		out = binary.BigEndian.AppendUint32(out, crc32.Checksum([]byte(header), castagnoli))
		for _, file := range files {
			out = append(out, file...)
			out = binary.BigEndian.AppendUint32(out, crc32.Checksum([]byte(file), castagnoli))
		}
		return out
	}
	f.Add(image(`{"files":[{"name":"a","size":3},{"name":"b","size":0}]}`, "abc", ""))
	f.Add(image(`{"files":[{"name":"../a","size":3}]}`, "abc"))
	f.Add(image(`{"files":[{"name":"a","size":-1}]}`))
	f.Add(image(`{"files":[{"name":"a","size":1000000000000}]}`, "abc"))
	f.Add(append(image(`{}`), 0))
	f.Add([]byte(imageMagic + "\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		fs := vfs.NewMem()
		err := ReceiveImage(fs, "in", bytes.NewReader(stream))
		if err != nil && !errors.Is(err, ostiary.ErrCorrupt) {
			t.Errorf("%q: %v", stream, err)
		}
		left, listErr := fs.List("")
		if listErr != nil {
			t.Fatal(listErr)
		}
		for _, name := range left {
			if name != "in" || err != nil {
				t.Errorf("%q leaves %q behind (%v)", stream, left, err)
			}
		}
	})
}
