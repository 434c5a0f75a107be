package storage

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
)

// An image is a checkpoint as one stream of bytes, on its way to another node:
//
//	magic            8 bytes
//	header           length (4 bytes), JSON, CRC-32C of the JSON (4 bytes)
//	for each file    its bytes, their CRC-32C (4 bytes)
//
// Numbers are big-endian. The header names the files in order, with their sizes, so the size of the
// stream is known before it begins.
const imageMagic = "OSTIMG\x00\x01"

// Bounds of what a receiver takes from a header.
const (
	maxImageHeader = 16 << 20
	maxImageFiles  = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// imageHeader is the JSON at the beginning of an image.
type imageHeader struct {
	Files []imageFile `json:"files"`
}

type imageFile struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

// Image is an image being read. It is for one goroutine.
type Image struct {
	fs     FS
	dir    string
	size   int64
	rest   []imageFile // files that were not opened yet
	stream io.Reader   // what comes before them
	open   vfs.File    // nil between files
}

// Image writes a checkpoint into the folder dir, which must not exist, and returns it as a stream that
// holds everything applied by now. Close removes the folder. fs is the file system of the database; nil
// is the machine's.
func (s *Store) Image(fs FS, dir string) (*Image, error) {
	fs = OrDisk(fs)
	if err := s.Checkpoint(dir); err != nil {
		return nil, err
	}
	i := &Image{fs: fs, dir: dir}
	if err := i.begin(); err != nil {
		return nil, errors.Join(fmt.Errorf("read image %q: %w", dir, err), i.Close())
	}
	return i, nil
}

func (i *Image) begin() error {
	names, err := i.fs.List(i.dir)
	if err != nil {
		return err
	}
	var header imageHeader
	for _, name := range names {
		info, err := i.fs.Stat(i.fs.PathJoin(i.dir, name))
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("it holds the folder %q", name)
		}
		header.Files = append(header.Files, imageFile{Name: name, Size: info.Size()})
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	head := append([]byte(imageMagic), binary.BigEndian.AppendUint32(nil, uint32(len(text)))...)
	head = append(head, text...)
	head = binary.BigEndian.AppendUint32(head, crc32.Checksum(text, castagnoli))
	i.size = int64(len(head))
	for _, file := range header.Files {
		i.size += file.Size + crc32.Size
	}
	i.rest, i.stream = header.Files, bytes.NewReader(head)
	return nil
}

// Size returns how many bytes the whole stream has.
func (i *Image) Size() int64 { return i.size }

// Read reads the stream.
func (i *Image) Read(p []byte) (int, error) {
	for {
		n, err := i.stream.Read(p)
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		if len(i.rest) == 0 {
			return 0, io.EOF
		}
		if err := i.next(); err != nil {
			return 0, fmt.Errorf("read image %q: %w", i.dir, err)
		}
	}
}

// next goes on with the next file.
func (i *Image) next() (err error) {
	if err := i.closeFile(); err != nil {
		return err
	}
	file := i.rest[0]
	i.rest = i.rest[1:]
	if i.open, err = i.fs.Open(i.fs.PathJoin(i.dir, file.Name), vfs.SequentialReadsOption); err != nil {
		return err
	}
	i.stream = &summed{source: io.LimitReader(i.open, file.Size), left: file.Size}
	return nil
}

func (i *Image) closeFile() error {
	if i.open == nil {
		return nil
	}
	err := i.open.Close()
	i.open = nil
	return err
}

// Close ends the stream and removes the folder.
func (i *Image) Close() error {
	return errors.Join(i.closeFile(), i.fs.RemoveAll(i.dir))
}

// summed yields the bytes of a file and then their checksum.
type summed struct {
	source io.Reader
	left   int64 // bytes still due
	sum    uint32
	tail   []byte // the checksum, once the source is at its end
	ended  bool
}

func (s *summed) Read(p []byte) (int, error) {
	if !s.ended {
		n, err := s.source.Read(p)
		s.left -= int64(n)
		s.sum = crc32.Update(s.sum, castagnoli, p[:n])
		if n > 0 || !errors.Is(err, io.EOF) {
			return n, err
		}
		if s.left != 0 {
			return 0, fmt.Errorf("the file is %d bytes short: %w", s.left, io.ErrUnexpectedEOF)
		}
		s.ended, s.tail = true, binary.BigEndian.AppendUint32(nil, s.sum)
	}
	if len(s.tail) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.tail)
	s.tail = s.tail[n:]
	return n, nil
}

// ReceiveImage writes the files of an image into the folder dir, which it empties first, and makes them
// durable. The error is ostiary.ErrCorrupt when the stream is not an image, was altered, or ends early;
// then the folder is removed.
func ReceiveImage(fs FS, dir string, stream io.Reader) error {
	fs = OrDisk(fs)
	err := receiveImage(fs, dir, stream)
	if err != nil {
		return errors.Join(fmt.Errorf("receive image into %q: %w", dir, err), fs.RemoveAll(dir))
	}
	return nil
}

func receiveImage(fs FS, dir string, stream io.Reader) error {
	if err := fs.RemoveAll(dir); err != nil {
		return err
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	header, err := readImageHeader(stream)
	if err != nil {
		return err
	}
	for _, file := range header.Files {
		if err := receiveFile(fs, fs.PathJoin(dir, file.Name), file.Size, stream); err != nil {
			return fmt.Errorf("file %q: %w", file.Name, err)
		}
	}
	if n, _ := io.CopyN(io.Discard, stream, 1); n != 0 {
		return fmt.Errorf("bytes follow the last file: %w", ostiary.ErrCorrupt)
	}
	return errors.Join(syncFolder(fs, dir), syncFolder(fs, fs.PathDir(dir)))
}

func readImageHeader(stream io.Reader) (header imageHeader, err error) {
	var fixed [len(imageMagic) + 4]byte
	if _, err := io.ReadFull(stream, fixed[:]); err != nil {
		return header, cutShort(err)
	}
	if string(fixed[:len(imageMagic)]) != imageMagic {
		return header, fmt.Errorf("the stream begins with %q and is no image: %w", fixed[:len(imageMagic)], ostiary.ErrCorrupt)
	}
	size := binary.BigEndian.Uint32(fixed[len(imageMagic):])
	if size > maxImageHeader {
		return header, fmt.Errorf("its header has %d bytes, above the bound of %d: %w", size, maxImageHeader, ostiary.ErrCorrupt)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(stream, text); err != nil {
		return header, cutShort(err)
	}
	if err := checkSum(stream, crc32.Checksum(text, castagnoli)); err != nil {
		return header, err
	}
	if err := json.Unmarshal(text, &header); err != nil {
		return header, fmt.Errorf("its header: %w: %w", err, ostiary.ErrCorrupt)
	}
	if len(header.Files) > maxImageFiles {
		return header, fmt.Errorf("its header names %d files, above the bound of %d: %w", len(header.Files), maxImageFiles, ostiary.ErrCorrupt)
	}
	for _, file := range header.Files {
		if file.Name != filepath.Base(file.Name) || file.Name == "." || file.Name == ".." || file.Size < 0 {
			return header, fmt.Errorf("its header names a file %q of %d bytes: %w", file.Name, file.Size, ostiary.ErrCorrupt)
		}
	}
	return header, nil
}

func receiveFile(fs FS, path string, size int64, stream io.Reader) (err error) {
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	sum := crc32.New(castagnoli)
	// The sum comes first: a vfs.File may change the bytes that it is given.
	if _, err := io.CopyN(io.MultiWriter(sum, file), stream, size); err != nil {
		return cutShort(err)
	}
	if err := checkSum(stream, sum.Sum32()); err != nil {
		return err
	}
	return file.Sync()
}

func checkSum(stream io.Reader, want uint32) error {
	var sum [crc32.Size]byte
	if _, err := io.ReadFull(stream, sum[:]); err != nil {
		return cutShort(err)
	}
	if got := binary.BigEndian.Uint32(sum[:]); got != want {
		return fmt.Errorf("checksum is %08x, not %08x: %w", got, want, ostiary.ErrCorrupt)
	}
	return nil
}

// cutShort says that a stream ended before its time.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the stream ends early: %w: %w", err, ostiary.ErrCorrupt)
	}
	return err
}

func syncFolder(fs FS, dir string) error {
	folder, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
