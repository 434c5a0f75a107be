package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"

	"github.com/klauspost/compress/zstd"

	"github.com/ostiary/ostiary/storage"
)

// Reader reads one backup and checks it on the way. One goroutine uses it.
type Reader struct {
	r        io.Reader
	sum      hash.Hash
	zstd     *zstd.Decoder
	number   uint64 // of the next frame
	offset   int64
	contents []byte // of the last frame
	unpacked []byte // of the last block
	rest     []byte // rows of the last block that are to come
	manifest Manifest
	seen     Summary
	summary  Summary
	done     bool
}

// NewReader reads the front of a backup. The error is ErrVersion or ErrDamaged for what is none, and that
// of r otherwise. Close the Reader.
func NewReader(r io.Reader) (*Reader, error) {
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlockBytes),
		zstd.WithDecoderMaxWindow(maxBlockBytes))
	if err != nil {
		return nil, fmt.Errorf("unpack a backup: %w", err)
	}
	b := &Reader{r: r, sum: sha256.New(), zstd: decoder,
		seen: Summary{Rows: map[string]int64{}, Deleted: map[string]int64{}}}
	if err := b.front(); err != nil {
		decoder.Close()
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) && b.offset == 0 {
			return nil, err // r had nothing to read, and says why
		}
		return nil, fmt.Errorf("read the front of a backup: %w", err)
	}
	return b, nil
}

func (b *Reader) front() error {
	start, err := b.read(nil, len(magic)+4)
	if err != nil {
		if errors.Is(err, ErrDamaged) {
			return fmt.Errorf("the file is too short for a backup: %w", ErrDamaged)
		}
		return err
	}
	if string(start[:len(magic)]) != magic {
		return fmt.Errorf("the file does not begin as a backup does: %w", ErrDamaged)
	}
	if v := binary.BigEndian.Uint32(start[len(magic):]); v != Version {
		return fmt.Errorf("its format is version %d, and this release reads version %d: use the release that wrote it: %w", v, Version, ErrVersion)
	}
	b.sum.Write(start)
	kind, contents, raw, err := b.frame()
	if err != nil {
		return err
	}
	if kind != frameManifest {
		return fmt.Errorf("frame %q stands in the place of the manifest: %w", kind, ErrDamaged)
	}
	b.sum.Write(raw)
	if err := strictJSON(contents, &b.manifest); err != nil {
		return fmt.Errorf("read the manifest: %w: %w", err, ErrDamaged)
	}
	if err := b.manifest.validate(); err != nil {
		return fmt.Errorf("read the manifest: %w: %w", err, ErrDamaged)
	}
	if f := b.manifest.StorageFormat; f < storage.OldestRowsVersion || f > storage.RowsVersion {
		return fmt.Errorf("its rows have format %d, and this release restores formats %d to %d: use a release that does: %w",
			f, storage.OldestRowsVersion, storage.RowsVersion, ErrVersion)
	}
	return nil
}

// strictJSON demands that data holds one value with known fields.
func strictJSON(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}

// read appends n bytes to dst. It grows dst by what is there, not by what a damaged length asks for.
func (b *Reader) read(dst []byte, n int) ([]byte, error) {
	const step = 1 << 20
	for n > 0 {
		take := min(n, step)
		at := len(dst)
		dst = append(dst, make([]byte, take)...)
		got, err := io.ReadFull(b.r, dst[at:])
		b.offset += int64(got)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, fmt.Errorf("it ends at byte %d, before its end was written: %w", b.offset, ErrDamaged)
		case err != nil && b.offset == 0:
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("at byte %d: %w", b.offset, err)
		}
		n -= take
	}
	return dst, nil
}

// frame reads the next frame. raw is all of it; both are valid until the next call.
func (b *Reader) frame() (kind byte, contents, raw []byte, err error) {
	at := b.offset
	b.contents, err = b.read(b.contents[:0], frameHeadBytes)
	if err != nil {
		return 0, nil, nil, err
	}
	kind = b.contents[0]
	size := int64(binary.BigEndian.Uint32(b.contents[1:]))
	bound := int64(maxHeadBytes)
	if kind == frameBlock {
		bound = maxFrameBytes
	}
	if size > bound {
		return 0, nil, nil, fmt.Errorf("the frame at byte %d says that it has %d bytes: %w", at, size, ErrDamaged)
	}
	if b.contents, err = b.read(b.contents, int(size)+frameTailBytes); err != nil {
		return 0, nil, nil, err
	}
	raw = b.contents
	contents = raw[frameHeadBytes : len(raw)-frameTailBytes]
	if frameSum(b.number, raw[:frameHeadBytes], contents) != binary.BigEndian.Uint32(raw[len(raw)-frameTailBytes:]) {
		return 0, nil, nil, fmt.Errorf("the checksum of the frame at byte %d differs: %w", at, ErrDamaged)
	}
	b.number++
	return kind, contents, raw, nil
}

// Manifest says what the backup holds.
func (b *Reader) Manifest() Manifest { return b.manifest }

// Summary says what was in the backup. It is zero before Next has returned io.EOF.
func (b *Reader) Summary() Summary { return b.summary }

// Offset returns how many bytes of the file were read.
func (b *Reader) Offset() int64 { return b.offset }

// Next returns the next row, which is valid until the call after it. At the end of a backup that is whole
// the error is io.EOF. It is ErrDamaged for one that is not, and that of the reader below otherwise.
func (b *Reader) Next() (Row, error) {
	for len(b.rest) == 0 {
		if b.done {
			return Row{}, io.EOF
		}
		if err := b.nextFrame(); err != nil {
			return Row{}, fmt.Errorf("read a backup: %w", err)
		}
	}
	r, rest, ok := cutRow(b.rest)
	if !ok {
		return Row{}, fmt.Errorf("read a backup: a row of block %d is malformed: %w", b.seen.Blocks, ErrDamaged)
	}
	b.rest = rest
	if err := b.judge(r); err != nil {
		return Row{}, fmt.Errorf("read a backup: block %d: %w: %w", b.seen.Blocks, err, ErrDamaged)
	}
	b.seen.count(r)
	return r, nil
}

func (b *Reader) judge(r Row) error {
	if r.Delete && b.manifest.Full() {
		return errors.New("a full backup deletes a row")
	}
	return storage.CheckRow(storage.Row(r))
}

func (b *Reader) nextFrame() error {
	at := b.offset
	kind, contents, raw, err := b.frame()
	if err != nil {
		return err
	}
	switch kind {
	case frameBlock:
		b.sum.Write(raw)
		b.unpacked, err = b.zstd.DecodeAll(contents, b.unpacked[:0])
		if err != nil {
			return fmt.Errorf("unpack the block at byte %d: %w: %w", at, err, ErrDamaged)
		}
		if len(b.unpacked) == 0 || len(b.unpacked) > maxBlockBytes {
			return fmt.Errorf("the block at byte %d holds %d bytes: %w", at, len(b.unpacked), ErrDamaged)
		}
		b.rest = b.unpacked
		b.seen.Blocks++
		b.seen.Bytes += int64(len(b.unpacked))
		return nil
	case frameSummary:
		return b.end(contents)
	}
	return fmt.Errorf("the frame at byte %d is of an unknown kind %q: %w", at, kind, ErrDamaged)
}

// end compares the summary with what was read, and demands that nothing follows it.
func (b *Reader) end(contents []byte) error {
	var said Summary
	if err := strictJSON(contents, &said); err != nil {
		return fmt.Errorf("read the summary: %w: %w", err, ErrDamaged)
	}
	b.seen.SHA256 = hex.EncodeToString(b.sum.Sum(nil))
	if said.SHA256 != b.seen.SHA256 || said.Blocks != b.seen.Blocks || said.Bytes != b.seen.Bytes ||
		!maps.Equal(said.Rows, b.seen.Rows) || !maps.Equal(said.Deleted, b.seen.Deleted) {
		return fmt.Errorf("the summary is not that of what was read: %w", ErrDamaged)
	}
	var more [1]byte
	switch n, err := io.ReadFull(b.r, more[:]); {
	case n > 0:
		return fmt.Errorf("something follows its end at byte %d: %w", b.offset, ErrDamaged)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("after its end: %w", err)
	}
	b.summary, b.done = said, true
	return nil
}

// Check reads a backup to its end.
func (b *Reader) Check(progress func(rows int64)) error {
	for rows := int64(1); ; rows++ {
		if _, err := b.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if progress != nil {
			progress(rows)
		}
	}
}

// Close frees memory.
func (b *Reader) Close() { b.zstd.Close() }

// Peek reads the manifest and the summary of a backup and passes over the blocks. It checks neither them
// nor the checksum of the whole.
func Peek(r io.ReadSeeker) (Manifest, Summary, error) {
	b, err := NewReader(r)
	if err != nil {
		return Manifest{}, Summary{}, err
	}
	defer b.Close()
	summary, err := b.peek(r)
	if err != nil {
		return Manifest{}, Summary{}, fmt.Errorf("read a backup: %w", err)
	}
	return b.manifest, summary, nil
}

func (b *Reader) peek(r io.ReadSeeker) (s Summary, err error) {
	for {
		head, err := b.read(nil, frameHeadBytes)
		if err != nil {
			return s, err
		}
		size := int64(binary.BigEndian.Uint32(head[1:]))
		if head[0] != frameBlock {
			if _, err := r.Seek(-frameHeadBytes, io.SeekCurrent); err != nil {
				return s, err
			}
			b.offset -= frameHeadBytes
			break
		}
		if _, err := r.Seek(size+frameTailBytes, io.SeekCurrent); err != nil {
			return s, err
		}
		b.offset += size + frameTailBytes
		b.number++
	}
	kind, contents, _, err := b.frame()
	if err != nil {
		return s, err
	}
	if kind != frameSummary {
		return s, fmt.Errorf("it has a frame of an unknown kind %q: %w", kind, ErrDamaged)
	}
	if err := strictJSON(contents, &s); err != nil {
		return s, fmt.Errorf("read the summary: %w: %w", err, ErrDamaged)
	}
	return s, nil
}
