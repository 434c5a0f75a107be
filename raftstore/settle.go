package raftstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// Settling is what was restored, before anything else can read it: mutations become the first entries after
// the restored revision. One goroutine uses it, until RestoreOptions.Settle returns.
type Settling struct {
	storage *storage.Store
	term    uint64
	clock   func() time.Time
}

// Propose applies a mutation at once. The error is one of a refusal, which changes nothing, or one after which
// the restore fails.
func (s *Settling) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return ostiary.Receipt{}, fmt.Errorf("propose mutation: %w", err)
	}
	stamped := *m
	stamped.TimeNanos = max(m.TimeNanos, s.Now())
	stamped.MinVersion = max(m.MinVersion, ostiary.ReleaseAudit) // no node of an older release has the folder
	if stamped.Method == "" && stamped.Store == "" {
		stamped.Method, stamped.Store = "restore", storeOf(m)
	}
	index, _ := s.storage.Applied()
	outcomes, err := s.storage.Apply([]storage.Entry{{Index: index + 1, Term: s.term, Mutation: &stamped}})
	if err != nil {
		return ostiary.Receipt{}, err
	}
	return outcomes[0].Receipt, outcomes[0].Err
}

// View returns the newest view, which is as fresh as any can be. The caller closes it.
func (s *Settling) View(context.Context, ostiary.Freshness) (*storage.View, error) {
	return s.storage.View()
}

// Now is the time of the restore in nanoseconds since 1970 UTC, which is after all that was restored.
func (s *Settling) Now() int64 { return max(s.clock().UnixNano(), s.storage.Clock()) }

// settle lets RestoreOptions.Settle change what was built, and returns the revision at which the log goes on.
func (r *restorer) settle(ctx context.Context, built storage.Built) (_ storage.Built, err error) {
	if r.Settle == nil {
		return built, nil
	}
	s, err := storage.Open(filepath.Join(r.Dir, firstFolder), storage.Options{FS: r.FS, Logger: r.Logger})
	if err != nil {
		return built, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := r.Settle(ctx, &Settling{storage: s, term: built.Term, clock: time.Now}); err != nil {
		return built, fmt.Errorf("settle what was restored: %w", err)
	}
	index, _ := s.Applied()
	built.Revision = ostiary.Revision(index)
	return built, s.Sync()
}
