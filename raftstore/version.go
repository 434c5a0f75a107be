package raftstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
)

// The cluster's version is a release number (ostiary.Mutation.MinVersion) that every member understands. It
// stands in the log, as a document, and only grows: the leader raises it when it knows every member's
// release. A mutation that needs more is refused before it reaches the log, since a node that cannot apply
// an entry ends. A node below the version neither joins nor starts.

var versionKey = ostiary.DocumentKey{Collection: "cluster", Key: "version"}

// clusterVersion returns the version as it is applied here, and that of its document.
func (s *Store) clusterVersion() (version uint32, document ostiary.Revision, err error) {
	v, err := s.storage.View()
	if err != nil {
		return 0, 0, err
	}
	defer v.Close()
	d, found, err := v.Document(versionKey)
	if err != nil || !found {
		return 1, 0, err
	}
	n, err := strconv.ParseUint(string(d.Body), 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("read the cluster's version: %q is no number: %w", d.Body, ostiary.ErrCorrupt)
	}
	return uint32(n), d.Version, nil
}

// judgeRelease refuses to start where the cluster has left this release behind.
func (s *Store) judgeRelease() error {
	version, _, err := s.clusterVersion()
	if err == nil && version > s.options.release {
		err = fmt.Errorf("the cluster is at version %d, and this release understands %d; start the release that it had, or a later one", version, s.options.release)
	}
	return err
}

// judgeVersion refuses, on the leader, a mutation that not every member can apply.
func (s *Store) judgeVersion(ctx context.Context, m *ostiary.Mutation) error {
	if s.net == nil || m.MinVersion <= s.net.version.Load() || m.MinVersion <= 1 {
		return nil
	}
	s.lookAround() // news may be missing of who has just come; once the version is raised nobody looks
	if err := s.raiseVersion(ctx); err != nil {
		return fmt.Errorf("the change needs version %d of the cluster: %w", m.MinVersion, err)
	}
	if version := s.net.version.Load(); m.MinVersion > version {
		return fmt.Errorf("the change needs version %d of the cluster, and it is at %d: %s: %w",
			m.MinVersion, version, s.behind(m.MinVersion), ostiary.ErrUpgradePending)
	}
	return nil
}

// behind names the members that keep the version below what is asked for.
func (s *Store) behind(version uint32) string {
	_, members, err := s.members()
	if err != nil {
		return err.Error()
	}
	var reasons []string
	for _, m := range members {
		switch release, known := s.releaseOf(m.ID); {
		case !known:
			reasons = append(reasons, fmt.Sprintf("node %s at %s does not answer; start it, or remove it", m.ID, m.Address))
		case release < version:
			reasons = append(reasons, fmt.Sprintf("node %s at %s understands %d; upgrade it", m.ID, m.Address, release))
		}
	}
	return strings.Join(reasons, "; ")
}

func (s *Store) releaseOf(id string) (release uint32, known bool) {
	if id == string(s.id) {
		return s.options.release, true
	}
	s.net.board.mu.Lock()
	defer s.net.board.mu.Unlock()
	n, ok := s.net.board.news[id]
	return n.Release, ok && time.Since(n.heard) < newsPatience
}

// raiseVersion raises the version, on the leader, to what every member understands.
func (s *Store) raiseVersion(ctx context.Context) error {
	version, document, err := s.clusterVersion()
	if err != nil {
		return err
	}
	s.net.version.Store(version)
	if version >= s.options.release || s.raft.State() != raft.Leader {
		return nil
	}
	_, members, err := s.members()
	if err != nil {
		return err
	}
	next := s.options.release
	for _, m := range members {
		release, known := s.releaseOf(m.ID)
		if !known {
			return nil // it may be of any release
		}
		next = min(next, release)
	}
	if next <= version {
		return nil
	}
	m := &ostiary.Mutation{
		TimeNanos:     s.Now(),
		Principal:     ostiary.Principal{Kind: "internal", Name: "version"},
		Preconditions: []ostiary.Precondition{{Kind: ostiary.DocumentAtVersion, Document: versionKey, Version: document}},
		Documents:     []ostiary.DocumentChange{{Key: versionKey, Body: strconv.AppendUint(nil, uint64(next), 10)}},
	}
	if _, err := s.proposeHere(ctx, m, newCommand(m)); err != nil && !errors.Is(err, ostiary.ErrPrecondition) {
		return fmt.Errorf("raise the cluster's version from %d to %d: %w", version, next, err)
	}
	if version, _, err = s.clusterVersion(); err == nil {
		s.net.version.Store(version)
		s.logger.Info("the cluster's version is raised", "version", version)
	}
	return err
}

// tend does what the leader does with what it knows of the others.
func (s *Store) tend() {
	if s.raft.State() != raft.Leader {
		return
	}
	ctx, cancel := context.WithTimeout(s.net.ctx, changeTimeout)
	defer cancel()
	if err := s.judgeClock(); err != nil {
		_, members, listed := s.members()
		if listed == nil && len(members) > 1 {
			s.logger.Warn("handing the leadership over", "reason", err)
			if _, err := s.settle(ctx, func() error { return s.raft.LeadershipTransfer().Error() }); err != nil {
				s.logger.Warn("leadership not handed over", "reason", err)
			}
		}
		return
	}
	if s.net.version.Load() >= s.options.release {
		return
	}
	if err := s.raiseVersion(ctx); err != nil && ctx.Err() == nil {
		s.logger.Info("the cluster's version stays", "reason", err)
	}
}
