package raftstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
	"github.com/ostiary/ostiary/storage/wal"
)

// Store is a node: its log, its storage, and Raft between them.
type Store struct {
	auditing atomic.Bool // see named; never goes back

	options Options
	logger  *slog.Logger
	cluster ostiary.ClusterID

	id raft.ServerID

	log      *wal.Log
	logStore *logStore
	storage  *state
	raft     *raft.Raft
	applied  progress
	disk     diskGuard
	images   *images

	net         *network // nil without Options.Addr
	settledTerm atomic.Uint64
	leaderRead  *sharedIndex // read indexes that this node gives as the leader
	anyRead     *sharedIndex // read indexes of the leader, wherever it is

	proposing atomic.Int64 // callers that wait in proposeHere
	// turn holds one token: who has put one in may stamp a command and place it in raft's queue, so
	// that stamps and log order agree. It is a channel because a wait for it must end with a context.
	turn      chan struct{}
	lastStamp int64 // guarded by turn

	failure atomic.Pointer[error] // set once by fatal; then everything is refused
	dead    chan struct{}         // closed after failure is set
	closing atomic.Bool
	hung    atomic.Bool // the disk hangs: nothing that waits for it may be waited for
	closed  sync.Once

	stopCollecting context.CancelFunc // nil until the collector runs
	collecting     sync.WaitGroup
}

// Open opens the node in a data folder, or creates it there, and returns when everything that was ever
// acknowledged is applied again. It fails with ostiary.ErrCorrupt when log and storage do not belong
// together or one of them is missing, and with ctx's error when that ends first.
func Open(ctx context.Context, options Options) (_ *Store, err error) {
	s := &Store{options: options.withDefaults(), dead: make(chan struct{}), turn: make(chan struct{}, 1)}
	s.logger = s.options.Logger.With("component", "raftstore")
	s.disk = diskGuard{dir: s.options.Dir, fs: s.options.FS, reserve: s.options.MinFreeBytes, clock: s.options.Clock, logger: s.logger}
	defer func() {
		if err != nil {
			s.Close()
			err = fmt.Errorf("open data folder %q: %w", options.Dir, err)
		}
	}()
	if err := s.openNetwork(); err != nil {
		return nil, err
	}
	if err := s.openLog(); err != nil {
		return nil, err
	}
	if err := s.findCluster(ctx); err != nil {
		return nil, err
	}
	if err := s.openStorage(); err != nil {
		return nil, err
	}
	if err := s.identify(); err != nil {
		return nil, err
	}
	if err := s.judgeRelease(); err != nil {
		return nil, err
	}
	if s.id, err = s.nodeID(); err != nil {
		return nil, err
	}
	if s.net != nil {
		s.net.port.join(s.cluster, string(s.id))
	}
	if err := s.judgeTwin(ctx); err != nil {
		return nil, err
	}
	if err := s.startRaft(); err != nil {
		return nil, err
	}
	if err := s.judgeAlone(); err != nil {
		return nil, err
	}
	if s.net != nil {
		s.run()
	} else if err := s.catchUp(ctx); err != nil {
		return nil, err
	}
	s.startCollector()
	return s, nil
}

func (s *Store) openLog() (err error) {
	if err := finishedRestore(s.options.FS, s.options.Dir); err != nil {
		return err
	}
	s.log, err = wal.Open(filepath.Join(s.options.Dir, logFolder), wal.Options{
		FS: s.options.FS, Logger: s.options.Logger, OnFatal: s.fatal,
	})
	return err
}

// openStorage opens the database: the folder that the newest raft snapshot names, since an image from
// the leader may have replaced the first one.
func (s *Store) openStorage() error {
	s.images = &images{
		dir: s.options.Dir, fs: s.options.FS, open: s.openDatabase, logger: s.logger, rate: s.options.ImageRate, ended: make(chan struct{}),
	}
	folder, err := s.snapshots().folder()
	if err != nil {
		return err
	}
	if err := s.images.judge(s.log, folder); err != nil {
		return err
	}
	opened, err := s.openDatabase(folder)
	if err != nil {
		return err
	}
	s.storage = &state{logger: s.logger, current: opened}
	s.images.state = s.storage
	return s.images.sweep(folder)
}

func (s *Store) openDatabase(folder string) (*storage.Store, error) {
	return storage.Open(filepath.Join(s.options.Dir, folder), storage.Options{
		FS: s.options.FS, CacheBytes: s.options.CacheBytes, EdgeCacheBytes: s.options.EdgeCacheBytes, Logger: s.options.Logger, OnFatal: s.fatal,
	})
}

func (s *Store) snapshots() *snapshotStore {
	return &snapshotStore{log: s.log, fatal: s.fatal, images: s.images}
}

func (s *Store) logs() *logStore { return s.logStore }

// startRaft runs in a goroutine of its own because a log that fails ends the goroutine that uses it.
func (s *Store) startRaft() error {
	started := make(chan error, 1)
	go func() {
		err := errors.New("raft did not start")
		defer func() { started <- errors.Join(err, s.failed()) }()
		err = s.newRaft()
	}()
	return <-started
}

func (s *Store) newRaft() error {
	s.logStore = &logStore{log: s.log, fatal: s.fatal, needed: s.needed, newest: &s.images.newest}
	address, transport := s.transport()
	config := raft.DefaultConfig()
	config.LocalID = s.id
	config.HeartbeatTimeout = s.options.ElectionTimeout
	config.ElectionTimeout = s.options.ElectionTimeout
	config.LeaderLeaseTimeout = s.options.ElectionTimeout
	config.CommitTimeout = s.options.commitTimeout
	config.MaxAppendEntries = maxAppendEntries
	config.BatchApplyCh = true
	config.TrailingLogs = s.options.TrailingEntries
	config.SnapshotThreshold = s.options.SnapshotEntries
	config.SnapshotInterval = s.options.SnapshotInterval
	// Storage holds the state across restarts; identify has proved that it is not older than the
	// newest snapshot, from which raft goes on feeding entries.
	config.NoSnapshotRestoreOnStart = true
	config.NoLegacyTelemetry = true
	config.Logger = raftLogger(s.options.Logger)

	logs, snapshots := s.logStore, s.snapshots()
	_, joined, err := s.log.Value(joinedKey)
	if err != nil {
		return err
	}
	if known, err := snapshots.List(); err != nil {
		return err
	} else if s.log.LastIndex() == 0 && len(known) == 0 && !joined {
		members := raft.Configuration{Servers: []raft.Server{{ID: s.id, Address: address}}}
		if err := bootstrap(config, logs, snapshots, transport, members); err != nil {
			return err
		}
		s.logger.Info("new cluster", "cluster", hex.EncodeToString(s.cluster[:]), "node", string(s.id))
	}
	machine := &fsm{storage: s.storage, applied: &s.applied, fatal: s.fatal, committed: s.tellCommit, install: func(name io.Reader) error { return s.install(snapshots, name) }}
	s.raft, err = raft.NewRaft(config, machine, logs, logs, snapshots, transport)
	return err
}

// install lets the state machine put a received image in the place of storage, and tells the log of it.
func (s *Store) install(snapshots *snapshotStore, name io.Reader) error {
	got := s.images.received()
	if err := snapshots.install(name); err != nil {
		s.logger.Warn("raft snapshot from the leader not installed", "error", err)
		return err
	}
	s.logStore.installed.Store(&got.meta)
	index, _ := s.storage.Applied()
	s.logger.Info("raft snapshot from the leader installed", "index", got.meta.Index, "apply_index", index)
	return nil
}

// transport returns how raft reaches other nodes, and this node's address there.
func (s *Store) transport() (raft.ServerAddress, raft.Transport) {
	if s.net == nil {
		return raft.NewInmemTransport(raft.ServerAddress(s.id))
	}
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: raftStream{s.net.port}, MaxPool: 3, Timeout: transportTimeout, Logger: raftLogger(s.options.Logger),
		// No pipelining: when a follower refuses an append, or tells of a newer term, while the next is being
		// sent, raft 1.8.0's sender waits for ever, and with it replication to that node and Shutdown.
		MaxRPCsInFlight: 1,
	})
	s.net.received = &receiver{NetworkTransport: transport, logs: s.logStore, snapshots: s.snapshots(), rpcs: make(chan raft.RPC), configuration: s.configuration}
	s.net.running.Go(func() { s.net.received.run(s.net) })
	return transport.LocalAddr(), s.net.received
}

// judgeAlone refuses to open a member of a cluster of several as if it were alone: it would wait for
// the others for ever.
func (s *Store) judgeAlone() error {
	if s.net != nil {
		return nil
	}
	_, members, err := s.members()
	if err != nil {
		return err
	}
	if _, joined, err := s.log.Value(joinedKey); err != nil || joined || len(members) > 1 {
		return errors.Join(err, fmt.Errorf("the node belongs to a cluster of %d; give it an address for the cluster (--cluster-addr)", max(2, len(members))))
	}
	return nil
}

// bootstrap writes the first entry of a log that has none. A start that died between the two writes of
// raft.BootstrapCluster leaves a term and no entry, which raft takes for a node that waits to be added
// to a cluster; a log without entries has promised nothing to anyone, so it begins again.
func bootstrap(config *raft.Config, logs *logStore, snapshots *snapshotStore, transport raft.Transport, members raft.Configuration) error {
	if err := logs.SetUint64([]byte("CurrentTerm"), 0); err != nil {
		return err
	}
	if err := raft.BootstrapCluster(config, logs, logs, snapshots, transport, members); err != nil {
		return fmt.Errorf("bootstrap a cluster of one: %w", err)
	}
	return nil
}

// catchUp waits until this node leads and has applied every entry of its log: an acknowledged write is
// in the log, so after that nothing acknowledged is missing.
func (s *Store) catchUp(ctx context.Context) error {
	start := time.Now()
	reporting := make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() { s.reportCatchUp(start, reporting) })
	defer reporter.Wait()
	defer close(reporting)
	for {
		if s.raft.State() == raft.Leader {
			_, err := s.settle(ctx, func() error { return s.raft.Barrier(0).Error() })
			if err == nil {
				break
			}
			if !errors.Is(err, raft.ErrLeadershipLost) && !errors.Is(err, raft.ErrNotLeader) {
				return fmt.Errorf("apply the log again: %w", err)
			}
		}
		select {
		case <-time.After(time.Millisecond):
		case <-s.dead:
			return s.failed()
		case <-ctx.Done():
			return fmt.Errorf("apply the log again: %w", ctx.Err())
		}
	}
	index, _ := s.storage.Applied()
	s.logger.Info("caught up", "apply_index", index, "duration", time.Since(start))
	return nil
}

// reportCatchUp says now and then how far a long catch-up has come.
func (s *Store) reportCatchUp(start time.Time, done <-chan struct{}) {
	ticker := time.NewTicker(catchUpReport)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			index, _ := s.storage.Applied()
			s.logger.Info("applying the log again", "apply_index", index, "last_index", s.log.LastIndex(), "duration", time.Since(start))
		}
	}
}

// settle runs f, which asks something of raft, in a goroutine and returns its error, and settled true.
// When ctx ends or the node fails before, it returns that error and false; the goroutine then ends when
// raft answers, at the latest when it is shut down.
func (s *Store) settle(ctx context.Context, f func() error) (settled bool, err error) {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return true, err
	case <-s.dead:
		return false, s.failed()
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// ClusterID returns the id of the cluster, which consistency tokens carry.
func (s *Store) ClusterID() ostiary.ClusterID { return s.cluster }

// fatal records that the node cannot go on and says so to Options.OnFatal, once.
func (s *Store) fatal(err error) {
	if s.closing.Load() && s.failure.Load() == nil {
		return // what fails because it is being closed is no news
	}
	if !s.failure.CompareAndSwap(nil, &err) {
		return
	}
	close(s.dead)
	s.logger.Error("node cannot go on", "error", err)
	if s.options.OnFatal == nil {
		panic(err)
	}
	s.options.OnFatal(err)
}

// failed returns an error that is ostiary.ErrUnavailable once the node cannot go on or is closing.
func (s *Store) failed() error {
	if err := s.failure.Load(); err != nil {
		return fmt.Errorf("node stopped serving (%w): %w", *err, ostiary.ErrUnavailable)
	}
	if s.closing.Load() {
		return fmt.Errorf("node is shutting down: %w", ostiary.ErrUnavailable)
	}
	return nil
}

// handOver lets another voter lead before this node stops, so that nobody waits for an election.
func (s *Store) handOver() {
	if s.net == nil || s.raft == nil || s.failure.Load() != nil || s.raft.State() != raft.Leader {
		return
	}
	_, members, err := s.members()
	if err != nil || !slices.ContainsFunc(members, func(m Member) bool { return m.Voter && m.ID != string(s.id) }) {
		return
	}
	// Raft does not answer at all when it loses the leadership at the wrong moment.
	ctx, cancel := context.WithTimeout(context.Background(), 2*s.options.ElectionTimeout)
	defer cancel()
	if _, err := s.settle(ctx, func() error { return s.raft.LeadershipTransfer().Error() }); err != nil {
		s.logger.Info("leadership not handed over; the others elect", "reason", err)
	}
}

// Close stops the node and waits for its goroutines, but for those that wait for a disk that hangs. Views that are open must be closed before. It may
// be called twice.
func (s *Store) Close() error {
	var err error
	s.closed.Do(func() {
		if s.stopCollecting != nil {
			s.stopCollecting()
			s.collecting.Wait()
		}
		s.handOver()
		s.closing.Store(true)
		if s.images != nil {
			close(s.images.ended)
		}
		if s.net != nil {
			s.net.close()
		}
		if s.raft != nil {
			stopped := s.raft.Shutdown()
			if s.net != nil {
				err = s.net.port.close() // ends what raft waits for on connections
			}
			if !s.hung.Load() {
				err = errors.Join(err, stopped.Error())
			}
		} else if s.net != nil {
			err = s.net.port.close()
		}
		if s.hung.Load() {
			return // for the process to end
		}
		if s.net != nil {
			s.net.running.Wait()
			s.leaderRead.running.Wait()
			s.anyRead.running.Wait()
		}
		if s.storage != nil {
			if s.failure.Load() == nil {
				err = errors.Join(err, s.storage.Sync())
			}
			err = errors.Join(err, s.storage.Close())
		}
		if s.log != nil {
			err = errors.Join(err, s.log.Close())
		}
	})
	return err
}
