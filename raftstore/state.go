package raftstore

import (
	"log/slog"
	"sync"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// state is the storage of a node, which an image from the leader may replace. A view belongs to the
// database that it was opened on, and keeps it until it is closed. Its methods are those of
// storage.Store; Apply and replace are called from raft's FSM goroutine.
type state struct {
	logger *slog.Logger

	mu      sync.RWMutex // held while a call is under way in current, and to replace it
	current *storage.Store
}

func (s *state) with(f func(*storage.Store)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f(s.current)
}

// replace puts another database in the place of the current one, and closes that: at once, or with the
// last view of it.
func (s *state) replace(next *storage.Store) {
	s.mu.Lock()
	old := s.current
	s.current = next
	s.mu.Unlock()
	if err := old.Close(); err != nil {
		s.logger.Info("the database that was replaced stays open for a while", "reason", err)
	}
}

func (s *state) Apply(entries []storage.Entry) (out []storage.Outcome, err error) {
	s.with(func(c *storage.Store) { out, err = c.Apply(entries) })
	return out, err
}

func (s *state) Applied() (index, term uint64) {
	s.with(func(c *storage.Store) { index, term = c.Applied() })
	return index, term
}

func (s *state) Clock() (nanos int64) {
	s.with(func(c *storage.Store) { nanos = c.Clock() })
	return nanos
}

func (s *state) Sync() (err error) {
	s.with(func(c *storage.Store) { err = c.Sync() })
	return err
}

func (s *state) ClusterID() (id ostiary.ClusterID, ok bool) {
	s.with(func(c *storage.Store) { id, ok = c.ClusterID() })
	return id, ok
}

func (s *state) SetClusterID(id ostiary.ClusterID) (err error) {
	s.with(func(c *storage.Store) { err = c.SetClusterID(id) })
	return err
}

func (s *state) View() (v *storage.View, err error) {
	s.with(func(c *storage.Store) { v, err = c.View() })
	return v, err
}

func (s *state) ViewAt(r ostiary.Revision) (v *storage.View, err error) {
	s.with(func(c *storage.Store) { v, err = c.ViewAt(r) })
	return v, err
}

func (s *state) Image(fs storage.FS, dir string) (i *storage.Image, err error) {
	s.with(func(c *storage.Store) { i, err = c.Image(fs, dir) })
	return i, err
}

func (s *state) Close() (err error) {
	s.with(func(c *storage.Store) { err = c.Close() })
	return err
}

func (s *state) Checkpoint(dir string) (err error) {
	s.with(func(c *storage.Store) { err = c.Checkpoint(dir) })
	return err
}

func (s *state) CacheStats() (stats storage.CacheStats) {
	s.with(func(c *storage.Store) { stats = c.CacheStats() })
	return stats
}

// DiskStats is storage.Store.DiskStats of the newest.
func (s *state) DiskStats() (stats storage.DiskStats) {
	s.with(func(st *storage.Store) { stats = st.DiskStats() })
	return stats
}
