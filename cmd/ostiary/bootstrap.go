package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ostiary/ostiary/access"
)

// bootstrapFile is where in a data folder the credential is by which somebody becomes the first administrator.
const bootstrapFile = "bootstrap-credential"

// bootstrapPause is how long a node waits before it tries again.
const bootstrapPause = time.Second

// offerBootstrap writes a bootstrap credential to the data folder of the node that leads, once, where the cluster has
// no administrator; and deletes one that is void.
func offerBootstrap(ctx context.Context, callers *access.Service, leads func() bool, dataDir string, logger *slog.Logger) {
	path := filepath.Join(dataDir, bootstrapFile)
	whileLeading(ctx, leads, bootstrapPause, func() bool {
		made, err := writeBootstrap(ctx, callers, path)
		if err == nil && made {
			logger.Warn("the cluster has no administrator: nobody may do anything until somebody claims it with "+
				"'ostiary access bootstrap PRINCIPAL --credential-file FILE'", "file", path)
		}
		if err == nil || ctx.Err() != nil {
			return true
		}
		logger.Error("bootstrap credential not made: trying again", "error", err)
		return false
	})
}

// writeBootstrap makes a credential where one is needed, and says whether it was.
func writeBootstrap(ctx context.Context, callers *access.Service, path string) (made bool, err error) {
	credential, err := callers.NewBootstrap(ctx)
	if err != nil {
		return false, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("delete the old bootstrap credential: %w", err)
	}
	if credential == "" {
		return false, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, fmt.Errorf("write the bootstrap credential: %w", err)
	}
	_, err = file.WriteString(credential + "\n")
	if err = errors.Join(err, file.Close()); err != nil {
		return false, fmt.Errorf("write the bootstrap credential: %w", err)
	}
	return true, nil
}
