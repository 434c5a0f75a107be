package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/ostiary/ostiary"
)

// formatVersion is the version of the keys and values that this release writes.
const formatVersion = 3

// migrations[v] rewrites a database of format v into format v+1. It must be repeatable, for a crash
// may come before the new version is stored.
var migrations = map[uint32]func(db *pebble.DB) error{1: beginHistory, 2: dropOwnerRows}

// beginHistory migrates from version 1, which kept no history: what can be read begins at the apply
// index.
func beginHistory(db *pebble.DB) error {
	p, err := readProgress(db)
	if err != nil || p.index == 0 {
		return err
	}
	b := db.NewBatch()
	defer func() { _ = b.Close() }() // frees memory
	r := ostiary.Revision(p.index)
	if err := writeLow(b, r); err != nil {
		return err
	}
	if err := b.Set(appendStampKey(nil, r), binary.BigEndian.AppendUint64(nil, uint64(p.clock)), nil); err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}

// dropOwnerRows migrates from version 2, which had a row in the owner table for the grants of Write too.
func dropOwnerRows(db *pebble.DB) (err error) {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{tableOwner}, UpperBound: []byte{tableOwner + 1}})
	if err != nil {
		return readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	for ok := it.First(); ok; {
		store, _, _, err := decodeOwnerKey(it.Key())
		if err != nil {
			return err
		}
		rows := appendOwnerPrefix(nil, store, ostiary.OwnerAPI)
		if err := db.DeleteRange(rows, prefixEnd(rows), pebble.Sync); err != nil {
			return err
		}
		ok = it.SeekGE(prefixEnd(appendStorePrefix(nil, tableOwner, store)))
	}
	return it.Error()
}

// openFormat stores the format version in a new database, brings an older one up to date, and
// refuses a newer one.
func openFormat(db *pebble.DB) error {
	version, err := readFormat(db)
	if err != nil {
		return err
	}
	if version > formatVersion {
		return fmt.Errorf("its format is version %d, and this release reads up to version %d: "+
			"start the release that wrote it, or a later one", version, formatVersion)
	}
	if version == 0 {
		return createFormat(db)
	}
	for ; version < formatVersion; version++ {
		migrate, ok := migrations[version]
		if !ok {
			return fmt.Errorf("its format is version %d, and this release, which writes version %d, cannot migrate it: "+
				"start a release in between first", version, formatVersion)
		}
		if err := migrate(db); err != nil {
			return fmt.Errorf("migrate from format version %d: %w", version, err)
		}
		if err := writeFormat(db, version+1); err != nil {
			return err
		}
	}
	return nil
}

// readFormat returns 0 for a database without any row.
func readFormat(db *pebble.DB) (uint32, error) {
	value, ok, err := readMeta(db, metaFormat, 4)
	if err != nil {
		return 0, err
	}
	if ok {
		version := binary.BigEndian.Uint32(value)
		if version == 0 {
			return 0, fmt.Errorf("format version 0 is stored: %w", ostiary.ErrCorrupt)
		}
		return version, nil
	}
	empty, err := isEmpty(db)
	if err != nil {
		return 0, err
	}
	if !empty {
		return 0, fmt.Errorf("it has rows and no format version, so it is not a database of ostiary: %w", ostiary.ErrCorrupt)
	}
	return 0, nil
}

func isEmpty(db *pebble.DB) (empty bool, err error) {
	it, err := db.NewIter(nil)
	if err != nil {
		return false, readError(err)
	}
	defer func() { err = errors.Join(err, readError(it.Close())) }()
	return !it.First(), nil
}

// createFormat stores the format version in a new database. The flush makes Pebble begin a new
// write-ahead log: the first one of a database is begun before Pebble's own format is raised, and so
// lacks the offsets by which Pebble tells damage in the middle of a log from its torn end.
func createFormat(db *pebble.DB) error {
	if err := writeFormat(db, formatVersion); err != nil {
		return err
	}
	return db.Flush()
}

func writeFormat(db *pebble.DB, version uint32) error {
	return db.Set(metaFormat, binary.BigEndian.AppendUint32(nil, version), pebble.Sync)
}
