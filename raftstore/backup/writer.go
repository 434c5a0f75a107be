package backup

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/ostiary/ostiary/storage"
)

// Writer writes one backup. One goroutine uses it.
type Writer struct {
	w       io.Writer
	sum     hash.Hash
	zstd    *zstd.Encoder
	number  uint64 // of the next frame
	block   []byte
	packed  []byte // scratch
	summary Summary

	blockBytes int // tests lower it
}

// NewWriter writes the front of a backup to w.
func NewWriter(w io.Writer, m Manifest) (*Writer, error) {
	if err := m.validate(); err != nil {
		return nil, fmt.Errorf("write the manifest of a backup: %w", err)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("compress a backup: %w", err)
	}
	b := &Writer{w: w, sum: sha256.New(), zstd: encoder, blockBytes: blockBytes,
		summary: Summary{Rows: map[string]int64{}, Deleted: map[string]int64{}}}
	if err := b.write(binary.BigEndian.AppendUint32([]byte(magic), Version)); err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write the manifest of a backup: %w", err)
	}
	return b, b.frame(frameManifest, manifest)
}

func (b *Writer) write(p []byte) error {
	b.sum.Write(p)
	if _, err := b.w.Write(p); err != nil {
		return fmt.Errorf("write a backup: %w", err)
	}
	return nil
}

func (b *Writer) frame(kind byte, contents []byte) error {
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(contents)))
	tail := binary.BigEndian.AppendUint32(nil, frameSum(b.number, head, contents))
	b.number++
	for _, p := range [][]byte{head, contents, tail} {
		if err := b.write(p); err != nil {
			return err
		}
	}
	return nil
}

// Add writes a row. It keeps no reference to it.
func (b *Writer) Add(r Row) error {
	if size := len(r.Key) + len(r.Value); size > maxBlockBytes/2 {
		return fmt.Errorf("write a backup: a row of %d bytes is larger than %d", size, maxBlockBytes/2)
	}
	b.block = appendRow(b.block, r)
	b.summary.count(r)
	if len(b.block) < b.blockBytes {
		return nil
	}
	return b.flush()
}

func (s *Summary) count(r Row) {
	table := storage.TableName(r.Key)
	if r.Delete {
		s.Deleted[table]++
		return
	}
	s.Rows[table]++
}

func (b *Writer) flush() error {
	if len(b.block) == 0 {
		return nil
	}
	b.summary.Blocks++
	b.summary.Bytes += int64(len(b.block))
	b.packed = b.zstd.EncodeAll(b.block, b.packed[:0])
	b.block = b.block[:0]
	return b.frame(frameBlock, b.packed)
}

// Close writes the end. Without it there is no backup. It does not close the writer below.
func (b *Writer) Close() (Summary, error) {
	if err := b.flush(); err != nil {
		return Summary{}, err
	}
	b.summary.SHA256 = hex.EncodeToString(b.sum.Sum(nil))
	summary, err := json.Marshal(b.summary)
	if err != nil {
		return Summary{}, fmt.Errorf("write the summary of a backup: %w", err)
	}
	return b.summary, b.frame(frameSummary, summary)
}
