package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/ostiary/ostiary/identity"
)

// readIdentityKeys reads the operator's keys for personal data. Without a name there are none.
func readIdentityKeys(name string) (*identity.Keys, error) {
	if name == "" {
		return nil, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read the keys for personal data (--identity-key-file): %w", err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o027 != 0 {
		return nil, usagef("--identity-key-file %s has mode %04o: others may read it, or its group write it; chmod 600 %s", name, mode, name)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the keys for personal data (--identity-key-file): %w", err)
	}
	keys, err := identity.ParseKeys(text)
	if err != nil {
		return nil, usagef("--identity-key-file %s: %v", name, err)
	}
	return keys, nil
}

// How often keepWrapped looks: until it has seen what is stored, and from then on.
const (
	wrapRetry    = time.Second
	wrapInterval = time.Minute
)

// keepWrapped sees to it that personal data is under the first of the operator's keys, until ctx ends: also
// where a node that has no key stores something first. It says where this node cannot read personal data.
func keepWrapped(ctx context.Context, service *identity.Service, keys bool, logger *slog.Logger) {
	locked := false
	for wait := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wrapped, err := service.WrapSecret(ctx)
		switch {
		case errors.Is(err, identity.ErrLocked):
			if !locked {
				logger.Error("this node cannot read personal data: it answers questions, and refuses requests of identity providers", "error", err)
			}
			locked, wait = true, wrapInterval
		case err != nil:
			logger.Debug("the key of personal data cannot be looked at", "error", err)
			wait = wrapRetry
		case wrapped:
			logger.Info("personal data is under the first key of --identity-key-file now")
			locked, wait = false, wrapInterval
		default:
			locked, wait = false, wrapInterval
		}
		if err == nil && !keys {
			return // nothing to wrap with
		}
	}
}
