package backup

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/ostiary/ostiary"
)

// Version is the version of the format that this release writes. It reads no other.
const Version = 1

// magic begins every file. A change of the line ends or a lost high bit shows in it.
const magic = "\x8bOstiary backup\r\n\x1a"

// The frames.
const (
	frameManifest byte = 'M'
	frameBlock    byte = 'B'
	frameSummary  byte = 'S'
)

const (
	// blockBytes is the size at which a block is written. A row is never cut.
	blockBytes = 1 << 20
	// maxBlockBytes bounds a block before it is compressed, and so a row. A mutation has 16 MiB.
	maxBlockBytes = 64 << 20
	// maxFrameBytes bounds what a frame holds: a block that does not compress, and the little that zstd adds.
	maxFrameBytes = maxBlockBytes + maxBlockBytes/128 + 1<<10
	// maxHeadBytes bounds a manifest and a summary.
	maxHeadBytes = 64 << 10
)

// A frame is its kind, the length of what it holds (4 bytes, big endian), that, and a CRC-32C (4 bytes).
const (
	frameHeadBytes = 1 + 4
	frameTailBytes = 4
)

var crcTable = crc32.MakeTable(crc32.Castagnoli)

// frameSum is the checksum of the number-th frame of a file: over its number, kind, length and contents,
// so that a frame in the place of another is found out.
func frameSum(number uint64, head, contents []byte) uint32 {
	sum := crc32.Update(0, crcTable, binary.BigEndian.AppendUint64(nil, number))
	sum = crc32.Update(sum, crcTable, head)
	return crc32.Update(sum, crcTable, contents)
}

// ErrDamaged: the bytes are not those of a whole backup. It is ostiary.ErrCorrupt.
var ErrDamaged = fmt.Errorf("the backup is damaged: %w", ostiary.ErrCorrupt)

// ErrVersion: the backup is of a format that this release does not know.
var ErrVersion = errors.New("the backup has another format version")

// Manifest says what a backup holds. It stands at the front.
type Manifest struct {
	// StorageFormat is the version of the rows: storage.RowsVersion.
	StorageFormat uint32 `json:"storage_format"`
	// Cluster is the id of the cluster, in hex.
	Cluster string `json:"cluster_id"`
	// Since is the revision of the state to which an increment adds. Zero: the backup is full.
	Since ostiary.Revision `json:"since_revision"`
	// Revision is what the backup was taken at, Term that of its entry, and LowWater the oldest revision
	// that could be read.
	Revision ostiary.Revision `json:"revision"`
	Term     uint64           `json:"term"`
	LowWater ostiary.Revision `json:"low_water_revision"`
	// StampNanos is the stamp of the newest write, and TakenNanos the time at which the backup was taken:
	// nothing was written between them. Both in nanoseconds since 1970 UTC.
	StampNanos int64 `json:"stamp_unix_nanos"`
	TakenNanos int64 `json:"taken_unix_nanos"`
	// Release is that of the server.
	Release string `json:"release"`
}

// Full reports whether a backup stands for itself.
func (m Manifest) Full() bool { return m.Since == 0 }

// Taken is the time at which the backup was taken.
func (m Manifest) Taken() time.Time { return time.Unix(0, m.TakenNanos).UTC() }

// ClusterID returns the id of the cluster.
func (m Manifest) ClusterID() (id ostiary.ClusterID, err error) {
	raw, err := hex.DecodeString(m.Cluster)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("cluster id %.64q is not 32 hex digits", m.Cluster)
	}
	return ostiary.ClusterID(raw), nil
}

// validate refuses what no server writes.
func (m Manifest) validate() error {
	if _, err := m.ClusterID(); err != nil {
		return err
	}
	switch {
	case m.StorageFormat == 0:
		return errors.New("the rows have no format version")
	case m.Revision == 0:
		return errors.New("there is no revision")
	case m.Since >= m.Revision && m.Since != 0:
		return fmt.Errorf("an increment from revision %d to %d", m.Since, m.Revision)
	case m.LowWater > m.Revision || m.LowWater > m.Since && m.Since != 0:
		return fmt.Errorf("the low-water mark %d lies above the state that the backup starts from", m.LowWater)
	}
	return nil
}

// Summary says what was in a backup. It stands at the end.
type Summary struct {
	// Rows counts the rows of each table that are put, and Deleted those that an increment deletes.
	Rows    map[string]int64 `json:"rows"`
	Deleted map[string]int64 `json:"deleted_rows,omitempty"`
	Blocks  int64            `json:"blocks"`
	// Bytes is the size of all blocks before they were compressed.
	Bytes int64 `json:"uncompressed_bytes"`
	// SHA256 is that of all bytes of the file before the frame of the summary, in hex.
	SHA256 string `json:"sha256"`
}

// Row is a row of a table of package storage, put or, in an increment, deleted.
type Row struct {
	Delete     bool
	Key, Value []byte
}

// The operations of a row in a block.
const (
	rowPut    byte = 1
	rowDelete byte = 2
)

// appendRow: operation, length of the key, key; of a put also length of the value, value. Lengths are
// uvarints.
func appendRow(dst []byte, r Row) []byte {
	op := rowPut
	if r.Delete {
		op = rowDelete
	}
	dst = binary.AppendUvarint(append(dst, op), uint64(len(r.Key)))
	dst = append(dst, r.Key...)
	if r.Delete {
		return dst
	}
	return append(binary.AppendUvarint(dst, uint64(len(r.Value))), r.Value...)
}

// cutRow takes the first row off a block. The row lies in the block.
func cutRow(block []byte) (r Row, rest []byte, ok bool) {
	if len(block) == 0 || block[0] != rowPut && block[0] != rowDelete {
		return r, nil, false
	}
	r.Delete = block[0] == rowDelete
	if r.Key, rest, ok = cutText(block[1:]); !ok || r.Delete {
		return r, rest, ok
	}
	r.Value, rest, ok = cutText(rest)
	return r, rest, ok
}

func cutText(b []byte) (text, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}
