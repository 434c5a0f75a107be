package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxModelBytes bounds a model file that is read into memory.
const maxModelBytes = 16 << 20

// readFile reads a whole small file; "-" is stdin.
func (a *app) readFile(name string) ([]byte, error) {
	in := io.NopCloser(a.in)
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in = file
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxModelBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", displayName(name), err)
	}
	if len(data) > maxModelBytes {
		return nil, fmt.Errorf("read %s: it is longer than %s bytes", displayName(name), thousands(maxModelBytes))
	}
	return data, nil
}

// replaceFile replaces the contents of a file in one step and keeps its mode.
func replaceFile(name string, data []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), ".ostiary-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(data)
	if err := errors.Join(err, temporary.Chmod(info.Mode().Perm()), temporary.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.Rename(temporary.Name(), name)
}

// displayName is the name of a file in messages.
func displayName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}
