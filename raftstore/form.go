package raftstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/ostiary/ostiary"
)

// joinedKey is set, in the log's key-value table, by a node that joined a cluster, before it has
// anything of it. Such a node never begins a cluster of its own.
const joinedKey = "joined"

// formPause is the time between two rounds of asking around.
const formPause = 50 * time.Millisecond

// findCluster is for a new node that is told of others: it learns which cluster they are of, and makes
// that its own. With Options.Expect, the node with the lowest address begins the cluster, when every
// node that is expected answers and none knows a cluster.
func (s *Store) findCluster(ctx context.Context) error {
	if len(s.options.Join) == 0 && s.options.Expect <= 1 {
		return nil
	}
	if _, found, err := s.log.Value(clusterKey); err != nil || found {
		return err
	}
	others, err := s.others()
	if err != nil {
		return err
	}
	reported := time.Now()
	var told error // the newest reason, but for one that says only that the time is over
	for {
		cluster, fresh, err := s.askAround(ctx, others)
		if told == nil || !timedOut(err) {
			told = err
		}
		if cluster != (ostiary.ClusterID{}) {
			s.logger.Info("joining a cluster", "cluster", fmt.Sprintf("%x", cluster[:]))
			if err := s.log.Set(joinedKey, []byte{1}); err != nil {
				return err
			}
			return s.log.Set(clusterKey, cluster[:])
		}
		if s.options.Expect > 1 && fresh == s.options.Expect-1 && slices.Min(append(others, s.net.port.advertise)) == s.net.port.advertise {
			return nil // this node begins
		}
		if time.Since(reported) >= joinReport {
			reported = time.Now()
			s.logger.Warn("no cluster found yet", "asked", others, "new_nodes_like_this", fresh, "expected", s.options.Expect, "reason", err)
		}
		select {
		case <-time.After(formPause):
		case <-ctx.Done():
			return fmt.Errorf("join a cluster: asked %q: %w", others, errors.Join(ctx.Err(), told))
		}
	}
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// others returns the addresses of the nodes that this one was told of, itself left out.
func (s *Store) others() ([]string, error) {
	var others []string
	for _, address := range s.options.Join {
		if address != s.net.port.advertise && !slices.Contains(others, address) {
			others = append(others, address)
		}
	}
	if expect := s.options.Expect; expect > 1 && len(others) != expect-1 {
		return nil, fmt.Errorf("%d nodes are expected to begin the cluster, so %d others must be named to join; named are %q", expect, expect-1, others)
	}
	if len(others) == 0 {
		return nil, fmt.Errorf("no other node is named to join: %q is this node", s.options.Join)
	}
	return others, nil
}

// askAround returns the cluster that others know, and how many of them know none.
func (s *Store) askAround(ctx context.Context, others []string) (cluster ostiary.ClusterID, fresh int, err error) {
	var failures []error
	for _, address := range others {
		conn, theirs, err := dial(ctx, s.net.port.network, s.net.port.security, address, kindCall, ostiary.ClusterID{}, "")
		if err != nil {
			failures = append(failures, err)
			continue
		}
		conn.Close()
		switch {
		case theirs == ostiary.ClusterID{}:
			fresh++
		case cluster != ostiary.ClusterID{} && cluster != theirs:
			return ostiary.ClusterID{}, fresh, fmt.Errorf("the nodes to join are of two clusters, %x and %x", cluster[:], theirs[:])
		default:
			cluster = theirs
		}
	}
	return cluster, fresh, errors.Join(failures...)
}
