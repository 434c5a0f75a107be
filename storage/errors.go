package storage

import (
	"fmt"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage/internal/guard"
)

// readError makes Pebble's word for damaged bytes ours, so that it is not taken for an I/O error.
func readError(err error) error {
	if guard.IsCorrupt(err) {
		return fmt.Errorf("%w: %w", err, ostiary.ErrCorrupt)
	}
	return err
}
