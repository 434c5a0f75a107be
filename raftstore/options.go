package raftstore

import (
	"log/slog"
	"time"

	"github.com/ostiary/ostiary/storage"
	"github.com/ostiary/ostiary/tracing"
)

// Options configures Open. The zero value but for Dir is ready for use.
type Options struct {
	// Dir is the data folder. It is created when missing.
	Dir string
	// FS is the file system. Nil means the machine's.
	FS storage.FS
	// CacheBytes bounds the block cache of the storage. Zero means storage's default.
	CacheBytes int64
	// EdgeCacheBytes bounds the storage's cache of edges. Zero means none.
	EdgeCacheBytes int64
	// Tracer goes on with the traces of mutations that other nodes pass on. Nil: it does not.
	Tracer *tracing.Tracer
	// MaxMutationBytes bounds one encoded mutation. Zero means 16 MiB. A larger one is refused with
	// ostiary.ErrTooBroad.
	MaxMutationBytes int
	// MinFreeBytes is the free-space reserve: below it mutations are refused with
	// ostiary.ErrDiskFull, so that the disk never fills up under Raft and Pebble, which do not
	// survive that. Those that only take away (deletes, revocations, collection of history) are accepted
	// down to a quarter of it. Zero means 256 MiB, negative disables the reserve.
	MinFreeBytes int64
	// SnapshotEntries is how many log entries call for a raft snapshot, after which the log is
	// truncated. Zero means 8,192.
	SnapshotEntries uint64
	// TrailingEntries is how many entries stay in the log behind a raft snapshot. Zero means 1,024.
	TrailingEntries uint64
	// SnapshotInterval is how often that is looked at. Zero means 30 s.
	SnapshotInterval time.Duration
	// HistoryRetention is how long past revisions can be read, and the changelog is kept. Zero means
	// 24 h, negative keeps everything.
	HistoryRetention time.Duration
	// AuditRetention is how long rows of the audit are kept. Zero keeps them all.
	AuditRetention time.Duration
	// CollectionInterval is how often what is older is looked for. Zero means 1 min.
	CollectionInterval time.Duration
	// Addr is where the node listens for other nodes of its cluster. Empty means that it is a cluster of
	// one that nobody can join.
	Addr string
	// Advertise is the address at which others reach Addr. Empty means the address that it listens on.
	Advertise string
	// Join names nodes of the cluster that a new node joins. A node that is new and is told of none
	// begins a cluster; one that has data stays in its cluster.
	Join []string
	// Expect is how many new nodes begin a cluster together, each naming all others in Join. Zero means
	// that a node with Join waits for a cluster that exists.
	Expect int
	// MaxStaleness bounds the age of default reads: a node that has not caught up with a leader for longer
	// refuses them with ostiary.ErrStale. Zero means no bound. It counts in a cluster with Addr alone.
	MaxStaleness time.Duration
	// Learner is set for a node that is to follow without a vote.
	Learner bool
	// Security is how the nodes of the cluster know each other.
	Security Security
	// Network is what connects the nodes of the cluster. Nil means TCP.
	Network Network
	// ElectionTimeout is how long a follower waits for its leader. Zero means 500 ms, and 50 ms in a
	// cluster of one without Addr.
	ElectionTimeout time.Duration
	// DeadAfter is how long a member may not answer before the leader removes it for good. Zero means for
	// ever. MinVoters is how many voters are left at least; zero means 3.
	DeadAfter time.Duration
	MinVoters int
	// DiskTimeout is how long a write to the log may take before a node of a cluster of several takes its
	// disk for hung and ends. Zero means 10 s, negative for ever.
	DiskTimeout time.Duration
	// MaxClockDrift is how far the clock of a node may differ from those of most voters. Zero means 5 s,
	// negative that nobody looks.
	MaxClockDrift time.Duration
	// ImageRate bounds the bytes a second at which images of the storage are sent to other nodes, each by
	// itself. Zero means no bound.
	ImageRate int64
	// Clock tells the time. Nil means time.Now.
	Clock func() time.Time
	// Logger receives what operators should know. Nil discards.
	Logger *slog.Logger
	// OnFatal is called once when the node cannot go on: an I/O error of the log or of storage, or an
	// entry that cannot be applied. The process must end. Nil panics.
	OnFatal func(error)

	// Tests set these. Zero means this release, and the constant of the same name.
	release       uint32
	watchInterval time.Duration
	commitTimeout time.Duration
}

// Names of the bounds and defaults of Options.
const (
	defaultMaxMutationBytes = 16 << 20
	defaultMinFreeBytes     = 256 << 20
	defaultSnapshotEntries  = 8192
	defaultSnapshotInterval = 30 * time.Second
	defaultRetention        = 24 * time.Hour
	defaultCollection       = time.Minute
	defaultTrailingEntries  = 1024
	// maxAppendEntries is how many client writes share one dispatch, one fsync and one storage batch.
	maxAppendEntries = 512
	// catchUpReport is how often a node that is still catching up says so.
	catchUpReport = 2 * time.Second
	// aloneElectionTimeout is short, since a cluster of one elects itself (DESIGN section 4).
	aloneElectionTimeout   = 50 * time.Millisecond
	defaultElectionTimeout = 500 * time.Millisecond
	// commitTimeout is how long a follower may wait to hear of a commit when nothing follows it and the
	// leader's own notice is lost.
	commitTimeout = 20 * time.Millisecond
	// transportTimeout bounds one exchange between two nodes, and grows with what it carries.
	transportTimeout = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.MaxMutationBytes == 0 {
		o.MaxMutationBytes = defaultMaxMutationBytes
	}
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = defaultMinFreeBytes
	}
	if o.SnapshotEntries == 0 {
		o.SnapshotEntries = defaultSnapshotEntries
	}
	if o.TrailingEntries == 0 {
		o.TrailingEntries = defaultTrailingEntries
	}
	if o.SnapshotInterval == 0 {
		o.SnapshotInterval = defaultSnapshotInterval
	}
	if o.HistoryRetention == 0 {
		o.HistoryRetention = defaultRetention
	}
	if o.CollectionInterval == 0 {
		o.CollectionInterval = defaultCollection
	}
	if o.ElectionTimeout == 0 {
		o.ElectionTimeout = defaultElectionTimeout
		if o.Addr == "" {
			o.ElectionTimeout = aloneElectionTimeout
		}
	}
	if o.Network == nil {
		o.Network = tcp{}
	}
	if o.release == 0 {
		o.release = releaseNumber
	}
	if o.MinVoters == 0 {
		o.MinVoters = defaultMinVoters
	}
	if o.DiskTimeout == 0 {
		o.DiskTimeout = defaultDiskTimeout
	}
	if o.MaxClockDrift == 0 {
		o.MaxClockDrift = defaultMaxClockDrift
	}
	if o.watchInterval == 0 {
		o.watchInterval = watchInterval
	}
	if o.commitTimeout == 0 {
		o.commitTimeout = commitTimeout
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
