package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// config is what the client remembers between runs.
type config struct {
	// Stores holds, for each server address, the store of 'ostiary use'.
	Stores map[string]usedStore `json:"stores"`
}

type usedStore struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// configPath is $OSTIARY_CONFIG, or config.json in the user's configuration folder.
func (a *app) configPath() (string, error) {
	if path := a.getenv("OSTIARY_CONFIG"); path != "" {
		return path, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for the configuration (OSTIARY_CONFIG may name a file): %w", err)
	}
	return filepath.Join(dir, "ostiary", "config.json"), nil
}

// loadConfig reads the configuration; a file that is not there is an empty one.
func (a *app) loadConfig() (config, error) {
	empty := config{Stores: map[string]usedStore{}}
	path, err := a.configPath()
	if err != nil {
		return empty, err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, nil
	}
	if err != nil {
		return empty, fmt.Errorf("read the configuration: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	loaded := empty
	if err := decoder.Decode(&loaded); err != nil {
		return empty, fmt.Errorf("read the configuration %s: %w; correct the file or remove it", path, err)
	}
	if loaded.Stores == nil {
		loaded.Stores = empty.Stores
	}
	return loaded, nil
}

// saveConfig replaces the configuration file in one step.
func (a *app) saveConfig(c config) error {
	path, err := a.configPath()
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".config-*")
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(append(data, '\n'))
	if err := errors.Join(err, temporary.Close()); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}
