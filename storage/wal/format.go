package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ostiary/ostiary/storage/internal/guard"
)

// formatVersion is the version of the keys and values that this release writes.
const formatVersion = 1

// The tables. A key begins with the byte of its table.
const (
	tableFormat byte = 'f' // the format version alone
	tableRecord byte = 'l' // index, 8 bytes big-endian
	tableValue  byte = 'v' // name
)

const checksumBytes = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func recordKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tableRecord}, index)
}

func appendZero(key []byte) []byte { return append(key, 0) }

func decodeRecordKey(key []byte) (uint64, error) {
	if len(key) != 9 || key[0] != tableRecord {
		return 0, fmt.Errorf("decode log key %.64x: %w", key, ErrCorrupt)
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

// recordChecksum covers the index and the data, so that a record read at another index is found out.
func recordChecksum(index uint64, data []byte) uint32 {
	var buf [8]byte
	binary.BigEndian.PutUint64(buf[:], index)
	return crc32.Update(crc32.Checksum(buf[:], castagnoli), castagnoli, data)
}

func appendRecord(dst []byte, r *Record) []byte {
	dst = binary.BigEndian.AppendUint32(dst, recordChecksum(r.Index, r.Data))
	return append(dst, r.Data...)
}

// decodeRecord returns the data in value.
func decodeRecord(index uint64, value []byte) ([]byte, error) {
	if len(value) < checksumBytes {
		return nil, fmt.Errorf("it has %d bytes: %w", len(value), ErrCorrupt)
	}
	data := value[checksumBytes:]
	if want, got := binary.BigEndian.Uint32(value), recordChecksum(index, data); want != got {
		return nil, fmt.Errorf("its checksum is %08x, not %08x: %w", got, want, ErrCorrupt)
	}
	return data, nil
}

func valueKey(name string) []byte { return append([]byte{tableValue}, name...) }

func valueChecksum(name string, value []byte) uint32 {
	sum := crc32.Checksum([]byte(name), castagnoli)
	return crc32.Update(crc32.Update(sum, castagnoli, []byte{0}), castagnoli, value)
}

func appendValue(dst []byte, name string, value []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, valueChecksum(name, value))
	return append(dst, value...)
}

func decodeValue(name string, raw []byte) ([]byte, error) {
	if len(raw) < checksumBytes {
		return nil, fmt.Errorf("it has %d bytes: %w", len(raw), ErrCorrupt)
	}
	value := raw[checksumBytes:]
	if want, got := binary.BigEndian.Uint32(raw), valueChecksum(name, value); want != got {
		return nil, fmt.Errorf("its checksum is %08x, not %08x: %w", got, want, ErrCorrupt)
	}
	return value, nil
}

// openFormat stores the format version in a new database and refuses a newer one. A migration from
// an older one would go here.
func openFormat(db *pebble.DB) error {
	value, closer, err := db.Get([]byte{tableFormat})
	if errors.Is(err, pebble.ErrNotFound) {
		if empty, err := isEmpty(db); err != nil {
			return err
		} else if !empty {
			return fmt.Errorf("it has rows and no format version, so it is not a log of ostiary: %w", ErrCorrupt)
		}
		return createFormat(db)
	}
	if err != nil {
		return readError(err)
	}
	size, version := len(value), uint32(0)
	if size == 4 {
		version = binary.BigEndian.Uint32(value)
	}
	if err := closer.Close(); err != nil {
		return err
	}
	switch {
	case size != 4 || version == 0:
		return fmt.Errorf("its format version has %d bytes and value %d: %w", size, version, ErrCorrupt)
	case version > formatVersion:
		return fmt.Errorf("its format is version %d, and this release reads up to version %d: "+
			"start the release that wrote it, or a later one", version, formatVersion)
	}
	return nil
}

// createFormat stores the format version in a new database. The flush makes Pebble begin a new
// write-ahead log: the first one of a database is begun before Pebble's own format is raised, and so
// lacks the offsets by which Pebble tells damage in the middle of a log from its torn end.
func createFormat(db *pebble.DB) error {
	if err := db.Set([]byte{tableFormat}, binary.BigEndian.AppendUint32(nil, formatVersion), pebble.Sync); err != nil {
		return err
	}
	return db.Flush()
}

func isEmpty(db *pebble.DB) (empty bool, err error) {
	it, err := db.NewIter(nil)
	if err != nil {
		return false, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	return !it.First(), nil
}

// readError makes Pebble's word for damaged bytes ours, so that it is not taken for an I/O error.
func readError(err error) error {
	if guard.IsCorrupt(err) {
		return fmt.Errorf("%w: %w", err, ErrCorrupt)
	}
	return err
}
