package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// startCollector runs the collector until Close. What is collected is decided by entries of the log, so
// that all nodes collect alike; who leads proposes them.
func (s *Store) startCollector() {
	if s.options.HistoryRetention < 0 && s.options.AuditRetention <= 0 {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stopCollecting = stop
	s.collecting.Go(func() {
		ticker := time.NewTicker(s.options.CollectionInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-s.dead:
				return
			case <-ticker.C:
			}
			if s.raft.State() != raft.Leader {
				continue
			}
			if err := s.collect(ctx); err != nil && ctx.Err() == nil {
				s.logger.Warn("history not collected", "error", err)
			}
			if err := s.trimAudit(ctx); err != nil && ctx.Err() == nil {
				s.logger.Warn("old rows of the audit not deleted", "error", err)
			}
		}
	})
}

// collect raises the low-water mark to what stood when the retention began, and collects in bounded
// steps until nothing below it is left. Where there is nothing to collect the mark stays: an idle
// cluster writes nothing.
func (s *Store) collect(ctx context.Context) error {
	if s.options.HistoryRetention < 0 {
		return nil
	}
	low, err := s.nextLowWater()
	if err != nil {
		return err
	}
	for {
		store, more, err := s.collectable(low)
		if err != nil || !more {
			return err
		}
		_, err = s.Propose(ctx, &ostiary.Mutation{
			TimeNanos: s.Now(),
			Principal: ostiary.Principal{Kind: "internal", Name: "history"},
			Documents: []ostiary.DocumentChange{storage.Collection(low, store)},
		})
		if err != nil {
			return fmt.Errorf("collect history below revision %d: %w", low, err)
		}
	}
}

// trimAudit deletes the rows of the audit that are older than the retention, by entries of the log. Each leaves a row
// that names what it deleted; where nothing is old nothing is written.
func (s *Store) trimAudit(ctx context.Context) error {
	if s.options.AuditRetention <= 0 {
		return nil
	}
	for {
		v, err := s.storage.View()
		if err != nil {
			return err
		}
		below, more, err := v.AuditTrimmable(s.Now() - int64(s.options.AuditRetention))
		v.Close()
		if err != nil || !more {
			return err
		}
		_, err = s.Propose(ctx, &ostiary.Mutation{
			TimeNanos: s.Now(), Principal: ostiary.Principal{Kind: "internal", Name: "audit"}, MinVersion: ostiary.ReleaseAudit,
			Documents: []ostiary.DocumentChange{storage.AuditTrim(below)},
		})
		if err != nil {
			return fmt.Errorf("delete rows of the audit below revision %d: %w", below, err)
		}
	}
}

// nextLowWater returns the revision that was the newest when the retention began, so that every time
// within the retention can be asked for.
func (s *Store) nextLowWater() (ostiary.Revision, error) {
	v, err := s.storage.View()
	if err != nil {
		return 0, err
	}
	defer v.Close()
	low, err := v.RevisionAt(s.Now() - int64(s.options.HistoryRetention))
	if errors.Is(err, ostiary.ErrRevisionGone) { // nothing that is kept is older than the retention
		return v.LowWater()
	}
	return low, err
}

func (s *Store) collectable(low ostiary.Revision) (store string, more bool, err error) {
	v, err := s.storage.View()
	if err != nil {
		return "", false, err
	}
	defer v.Close()
	return v.Collectable(low)
}
