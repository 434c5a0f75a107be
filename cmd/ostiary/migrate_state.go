package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// migration is the state file of 'import openfga': what was copied so far, and which ids of the source
// became which of the target. 'shadow' reads the ids.
type migration struct {
	Version int              `json:"version"`
	Source  string           `json:"source"` // URL
	Target  string           `json:"target"` // gRPC address
	Stores  []*migratedStore `json:"stores"`

	path string
}

// migratedStore is one store of a migration.
type migratedStore struct {
	Source string          `json:"source_id"`
	Target string          `json:"target_id"` // empty while the store is being created
	Name   string          `json:"name"`
	Models []migratedModel `json:"models"` // oldest first
	Tuples migratedTuples  `json:"tuples"`
}

type migratedModel struct {
	Source string `json:"source_id"`
	Target string `json:"target_id,omitempty"` // empty where the target refused the model
	// Refused is why the target refused the model. It is not tried again: a later try would make an old
	// model the latest.
	Refused string `json:"refused,omitempty"`
}

// migratedTuples says how far the tuples of a store are.
type migratedTuples struct {
	Total    int64  `json:"total"`    // counted in the source before the copy
	Copied   int64  `json:"copied"`   // read from the source and written to the target
	Rejected int64  `json:"rejected"` // refused by the target
	Page     string `json:"page,omitempty"`
	Done     bool   `json:"done"` // the copy; changes are followed from then on
	// ChangesSince is a time of the source before the copy began, and ChangesPage where the changes that
	// have been followed end.
	ChangesSince time.Time `json:"changes_since"`
	ChangesPage  string    `json:"changes_page,omitempty"`
	Changes      int64     `json:"changes"` // followed
}

const migrationVersion = 1

// openMigration reads the state file, or begins one.
func openMigration(path, source, target string) (*migration, error) {
	m := &migration{Version: migrationVersion, Source: source, Target: target, path: path}
	read, err := readMigration(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	if read.Source != source || read.Target != target {
		return nil, usagef("the state file %s is of an import from %s to %s: pass another --state, or these addresses", path, read.Source, read.Target)
	}
	return read, nil
}

// readMigration reads a state file.
func readMigration(path string) (*migration, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the state of the import: %w", err)
	}
	m := &migration{path: path}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(m); err != nil {
		return nil, fmt.Errorf("read the state of the import in %s: %w", path, err)
	}
	if m.Version != migrationVersion {
		return nil, fmt.Errorf("read the state of the import in %s: version %d, this program knows %d", path, m.Version, migrationVersion)
	}
	return m, nil
}

// finished returns an error unless everything of every store in the file was copied: a question about what is
// still to come would differ everywhere.
func (m *migration) finished() error {
	if len(m.Stores) == 0 {
		return fmt.Errorf("the import in %s has copied no store: let 'ostiary import openfga --url %s --server %s' end first", m.path, m.Source, m.Target)
	}
	for _, s := range m.Stores {
		if s.Target == "" || !s.Tuples.Done {
			return fmt.Errorf("the import in %s is not finished: of store %q (%s) %d of %d tuples are copied: run 'ostiary import openfga --url %s --server %s' again until it ends",
				m.path, s.Name, s.Source, s.Tuples.Copied, s.Tuples.Total, m.Source, m.Target)
		}
	}
	return nil
}

// save replaces the state file in one step.
func (m *migration) save() error {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the state of the import: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(m.path), ".ostiary-import-*")
	if err != nil {
		return fmt.Errorf("write the state of the import: %w", err)
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(append(data, '\n'))
	if err := errors.Join(err, temporary.Close()); err != nil {
		return fmt.Errorf("write the state of the import: %w", err)
	}
	if err := os.Rename(temporary.Name(), m.path); err != nil {
		return fmt.Errorf("write the state of the import: %w", err)
	}
	return nil
}

// store returns the state of a store of the source, or nil.
func (m *migration) store(source string) *migratedStore {
	for _, s := range m.Stores {
		if s.Source == source {
			return s
		}
	}
	return nil
}

// model returns where a model of the source stands in Models, or -1.
func (s *migratedStore) model(source string) int {
	return slices.IndexFunc(s.Models, func(model migratedModel) bool { return model.Source == source })
}

// targets returns the ids of the store's models at the target, newest first.
func (s *migratedStore) targets() []string {
	var ids []string
	for _, model := range slices.Backward(s.Models) {
		if model.Target != "" {
			ids = append(ids, model.Target)
		}
	}
	return ids
}
