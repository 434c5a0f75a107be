package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/raftstore/backup"
)

func newBackupCommand(a *app) *cobra.Command {
	return group("backup", "Make and check backups of a running server",
		"  ostiary backup create monday.ostb\n  ostiary backup create tuesday.ostb --since monday.ostb\n  ostiary backup verify tuesday.ostb",
		newBackupCreateCommand(a), newBackupVerifyCommand(a), newBackupShowCommand(a))
}

func newBackupCreateCommand(a *app) *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "create FILE",
		Short: "Save everything that a server holds, at one revision, to a file",
		Long: `Save everything that a server holds, all stores with their models, tuples and history, at one revision,
to a file, while the server goes on. FILE appears under its name once it is whole, checked and on the
disk, readable by you alone: it holds secrets of the server.

With --since it is an increment: what changed since another backup, or since a revision. The server can
tell that for as long as it keeps its history ('serve --history-retention').`,
		Example: `  ostiary backup create monday.ostb
  ostiary backup create tuesday.ostb --since monday.ostb`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := backupRequest(since)
			if err != nil {
				return err
			}
			manifest, summary, size, err := a.createBackup(cmd.Context(), args[0], request)
			if err != nil {
				return fmt.Errorf("back up to %s: %w", args[0], err)
			}
			return a.printBackup(args[0], manifest, summary, size)
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "an increment: what changed since this backup file, or revision")
	return a.addClientFlags(cmd)
}

// backupRequest reads --since.
func backupRequest(since string) (*ostiaryv1.CreateBackupRequest, error) {
	if since == "" {
		return &ostiaryv1.CreateBackupRequest{}, nil
	}
	if revision, err := strconv.ParseUint(since, 10, 64); err == nil {
		if revision == 0 {
			return nil, usagef("--since 0 is before the first revision: leave it out for a full backup")
		}
		return &ostiaryv1.CreateBackupRequest{SinceRevision: revision}, nil
	}
	manifest, _, err := peekBackup(since)
	if err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	return &ostiaryv1.CreateBackupRequest{SinceRevision: uint64(manifest.Revision), ClusterId: manifest.Cluster}, nil
}

// createBackup receives a backup into a file that appears under its name once it is whole.
func (a *app) createBackup(ctx context.Context, name string, request *ostiaryv1.CreateBackupRequest) (m backup.Manifest, s backup.Summary, size int64, err error) {
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return m, s, 0, fmt.Errorf("%s exists and is no file", name)
	}
	c, err := a.dial()
	if err != nil {
		return m, s, 0, err
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := ostiaryv1.NewOstiaryServiceClient(c.conn).CreateBackup(ctx, request)
	if err != nil {
		return m, s, 0, err
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), ".ostiary-backup-*")
	if err != nil {
		return m, s, 0, err
	}
	defer os.Remove(temporary.Name()) // fails once it has its name
	from := &backupBytes{stream: stream, copy: temporary}
	m, s, err = a.readBackup(from, "saved")
	if err := errors.Join(err, syncIfWhole(err, temporary), temporary.Close()); err != nil {
		return m, s, 0, err
	}
	if err := os.Rename(temporary.Name(), name); err != nil {
		return m, s, 0, err
	}
	return m, s, from.size, syncFolder(filepath.Dir(name))
}

func syncIfWhole(err error, file *os.File) error {
	if err != nil {
		return nil
	}
	return file.Sync()
}

// syncFolder makes a new name in a folder durable.
func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// backupBytes is the file that a stream carries, copied to another as it is read.
type backupBytes struct {
	stream interface {
		Recv() (*ostiaryv1.CreateBackupResponse, error)
	}
	copy io.Writer
	rest []byte
	size int64
}

func (b *backupBytes) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		message, err := b.stream.Recv()
		if err != nil {
			return 0, err // io.EOF too
		}
		b.rest = message.GetData()
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	b.size += int64(n)
	if _, err := b.copy.Write(p[:n]); err != nil {
		return 0, err
	}
	return n, nil
}

// readBackup reads a backup to its end, which checks all of it.
func (a *app) readBackup(r io.Reader, verb string) (m backup.Manifest, s backup.Summary, err error) {
	in, err := backup.NewReader(r)
	if err != nil {
		return m, s, err
	}
	defer in.Close()
	progress := a.newProgress(verb, 0)
	err = in.Check(func(rows int64) {
		if rows%1000 == 0 {
			progress.at(rows, 0)
		}
	})
	progress.finish()
	return in.Manifest(), in.Summary(), err
}

func newBackupVerifyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE",
		Short: "Read a backup to its end and check all of it",
		Long: `Read a backup to its end: every checksum, every row, the counts and that nothing is missing or follows.
It needs no server.`,
		Example: "  ostiary backup verify monday.ostb",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			manifest, summary, err := a.readBackup(file, "checked")
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			info, err := file.Stat()
			if err != nil {
				return err
			}
			return a.printBackup(args[0], manifest, summary, info.Size())
		},
	}
}

func newBackupShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show FILE",
		Short:   "Say what a backup holds, without reading all of it",
		Example: "  ostiary backup show monday.ostb --output json",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			manifest, summary, err := peekBackup(args[0])
			if err != nil {
				return err
			}
			info, err := os.Stat(args[0])
			if err != nil {
				return err
			}
			return a.printBackup(args[0], manifest, summary, info.Size())
		},
	}
}

func peekBackup(name string) (m backup.Manifest, s backup.Summary, err error) {
	file, err := os.Open(name)
	if err != nil {
		return m, s, err
	}
	defer file.Close()
	if m, s, err = backup.Peek(file); err != nil {
		return m, s, fmt.Errorf("%s: %w", name, err)
	}
	return m, s, nil
}

// backupAnswer is what the backup commands answer in JSON.
type backupAnswer struct {
	File      string `json:"file"`
	SizeBytes int64  `json:"size_bytes"`
	Kind      string `json:"kind"` // full or incremental
	backup.Manifest
	Taken   time.Time      `json:"taken"`
	Summary backup.Summary `json:"summary"`
}

func (a *app) printBackup(name string, m backup.Manifest, s backup.Summary, size int64) error {
	kind := "full"
	if !m.Full() {
		kind = "incremental"
	}
	if a.json() {
		return a.printJSON(backupAnswer{File: name, SizeBytes: size, Kind: kind, Manifest: m, Taken: m.Taken(), Summary: s})
	}
	text := fmt.Sprintf("%s: %s backup of revision %d", name, kind, m.Revision)
	if !m.Full() {
		text += fmt.Sprintf(", since revision %d", m.Since)
	}
	a.printf("%s", text)
	oldest := max(m.LowWater, 1)
	if !m.Full() {
		oldest = m.Since + 1
	}
	a.printf("  taken         %s by release %s", m.Taken().Format(time.RFC3339), m.Release)
	a.printf("  cluster       %s", m.Cluster)
	a.printf("  restores to   revisions %d to %d", oldest, m.Revision)
	a.printf("  tuples        %s", thousands(s.Rows["tuple"]))
	a.printf("  documents     %s", thousands(s.Rows["document"]))
	a.printf("  changes       %s", thousands(s.Rows["changelog"]))
	a.printf("  size          %s bytes, %s before compression", thousands(size), thousands(s.Bytes))
	return nil
}

// hexID is the text of a cluster id.
func hexID(id ostiary.ClusterID) string { return hex.EncodeToString(id[:]) }
