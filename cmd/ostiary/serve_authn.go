package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/api"
)

// authnFlags say who callers are, and whether they may do only what they were granted.
type authnFlags struct {
	method  string
	keys    []string // without names
	file    string   // of keys without names
	named   string   // file of keys with names
	control string
}

func (a *authnFlags) register(f *pflag.FlagSet) {
	f.StringVar(&a.method, "authn-method", "", "who may call: preshared, or none (with --dev alone)")
	f.StringSliceVar(&a.keys, "authn-preshared-keys", nil, "keys for --authn-method preshared, with commas between")
	f.StringVar(&a.file, "authn-preshared-keys-file", "", "file with keys for --authn-method preshared, one a line")
	f.StringVar(&a.named, "authn-keys-file", "", "file with keys that have names for --authn-method preshared, one a line: NAME KEY or NAME sha256:HEX; read again when it changes")
	f.StringVar(&a.control, "access-control", "", "on: callers may do what 'ostiary access grant' gave them; off: everything (without: on with --authn-keys-file, else off)")
	fromEnv(f, "authn-method", "authn-preshared-keys", "authn-preshared-keys-file", "authn-keys-file", "access-control")
	annotate(f, "authn-preshared-keys", secretAnnotation, "")
	oneOf(f, "authn-method", "preshared", "none")
	oneOf(f, "access-control", "on", "off")
}

// callers is what the flags say of callers.
type callers struct {
	authenticator api.Authenticator
	control       bool                      // they may do only what they were granted
	keep          func(ctx context.Context) // reads files again when they change, until ctx ends; nil: nothing to do
}

// judge judges who may call. A server that would let everybody in without having been told so by --dev does not start.
func (f serveFlags) judgeCallers(logger *slog.Logger) (callers, error) {
	a := f.authn
	keys, err := a.unnamedKeys()
	if err != nil {
		return callers{}, err
	}
	given := len(keys) > 0 || a.named != ""
	switch {
	case f.dev && (a.method == "preshared" || given):
		return callers{}, usagef("--dev is the mode without authentication: leave out --dev, or the keys")
	case f.dev && a.control == "on":
		return callers{}, usagef("--access-control on needs callers who say who they are: leave out --dev, and pass --authn-method preshared")
	case f.dev:
		faults := []error{loopbackOnly("--grpc-addr", f.grpcAddr), loopbackOnly("--http-addr", f.httpAddr)}
		if f.adminAddr != "" {
			faults = append(faults, loopbackOnly("--admin-addr", f.adminAddr))
		}
		return callers{authenticator: api.Anonymous()}, errors.Join(faults...)
	case a.method == "":
		return callers{}, usagef("no authentication method: pass --authn-method preshared with keys in --authn-keys-file, OSTIARY_AUTHN_PRESHARED_KEYS or --authn-preshared-keys-file, or --dev to try things out on this machine")
	case a.method == "none":
		return callers{}, usagef("--authn-method none lets everybody in: it needs --dev, which listens on loopback addresses alone; elsewhere use --authn-method preshared")
	case !given:
		return callers{}, usagef("--authn-method preshared needs keys: --authn-keys-file, OSTIARY_AUTHN_PRESHARED_KEYS, --authn-preshared-keys-file or --authn-preshared-keys")
	}
	c := callers{control: a.control == "on" || a.control == "" && a.named != ""}
	var all []api.Authenticator
	if a.named != "" {
		file := &keysFile{path: a.named, logger: logger}
		if err := file.open(); err != nil {
			return callers{}, err
		}
		all, c.keep = append(all, file.keys), file.watch
	}
	if len(keys) > 0 {
		unnamed, err := api.PresharedKeys(keys...)
		if err != nil {
			return callers{}, usagef("%v", err)
		}
		all = append(all, unnamed)
	}
	c.authenticator = api.FirstOf(all...)
	return c, nil
}

// unnamedKeys returns the keys of the flag and of the file.
func (a authnFlags) unnamedKeys() ([]string, error) {
	keys := append([]string(nil), a.keys...)
	if a.file == "" {
		return keys, nil
	}
	text, err := os.ReadFile(a.file)
	if err != nil {
		return nil, fmt.Errorf("read the pre-shared keys: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			keys = append(keys, line)
		}
	}
	return keys, nil
}

// keysFile is a file of keys with names.
type keysFile struct {
	path   string
	logger *slog.Logger
	keys   *api.NamedKeys
	read   []byte // what was read last, whether it was good or not
}

func (k *keysFile) open() (err error) {
	if k.read, err = os.ReadFile(k.path); err != nil {
		return fmt.Errorf("read --authn-keys-file: %w", err)
	}
	if k.keys, err = api.NewNamedKeys(k.read); err != nil {
		return usagef("--authn-keys-file %s: %v", k.path, err)
	}
	return nil
}

// keysFilePause is how often the file is looked at.
const keysFilePause = 2 * time.Second

// watch reads the file again and again. One that is at fault, or gone, leaves the keys as they are.
func (k *keysFile) watch(ctx context.Context) {
	ticker := time.NewTicker(keysFilePause)
	defer ticker.Stop()
	unreadable := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		text, err := os.ReadFile(k.path)
		if err != nil {
			if !unreadable {
				k.logger.Error("keys not read: those from before go on", "file", k.path, "error", err)
			}
			unreadable = true
			continue
		}
		unreadable = false
		k.take(text)
	}
}

// take replaces the keys where the text is another one.
func (k *keysFile) take(text []byte) {
	if bytes.Equal(text, k.read) {
		return
	}
	k.read = text
	if err := k.keys.Replace(text); err != nil {
		k.logger.Error("keys not replaced: those from before go on", "file", k.path, "error", err)
		return
	}
	k.logger.Info("keys replaced", "file", k.path, "keys", k.keys.Len())
}
