package guard

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// While memtables fill one after another, compactions are put off until there are maxPutOff of them to
// merge at once: merged by twos, as is right while little is written, a load of new tuples costs as much
// for compactions as for everything else. A reader then meets up to so many more tables, until calm after
// the last flush. Nothing that is stored depends on it.
const (
	maxPutOff = 8
	calm      = 3 * time.Second
	// grantInterval is how often it is looked whether what was put off is due.
	grantInterval = 100 * time.Millisecond
)

// compactions decides when Pebble compacts: not before start, one at a time, and now or later. It implements
// pebble.CompactionScheduler, which says what may be called with which locks of Pebble held: never is a
// method of Pebble called with mu held.
type compactions struct {
	now func() time.Time

	db      pebble.DBForCompaction
	poke    chan struct{} // asks grant to look again
	stop    chan struct{}
	stopped chan struct{} // closed when grant has ended

	mu struct {
		sync.Mutex
		running        int
		started        bool
		closed         bool
		flushes        int       // of full memtables, since a compaction began that takes them in
		last, previous time.Time // of these flushes
	}
}

var (
	_ pebble.CompactionScheduler   = (*compactions)(nil)
	_ pebble.CompactionGrantHandle = (*compactions)(nil)
)

// newCompactions returns a scheduler for one database, which tells the time by now.
func newCompactions(now func() time.Time) *compactions {
	return &compactions{now: now, poke: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
}

// attach makes o leave it to the scheduler when to compact. The events that o listens to already are passed on.
func (c *compactions) attach(o *pebble.Options) {
	o.Experimental.CompactionScheduler = c
	if o.EventListener == nil {
		o.EventListener = &pebble.EventListener{}
	}
	begun, flushed, full := o.EventListener.CompactionBegin, o.EventListener.FlushEnd, o.MemTableSize/2
	o.EventListener.CompactionBegin = func(info pebble.CompactionInfo) {
		c.begun(info)
		if begun != nil {
			begun(info)
		}
	}
	o.EventListener.FlushEnd = func(info pebble.FlushInfo) {
		// Memtables that were flushed before they were full tell nothing of how much is written.
		if info.Err == nil && info.InputBytes >= full {
			c.flushed()
		}
		if flushed != nil {
			flushed(info)
		}
	}
}

// start allows compactions from now on. It is for after pebble.Open, and only where that has succeeded: when
// it fails, Pebble closes what a compaction that runs already goes on to use, and ends the process.
func (c *compactions) start() {
	c.mu.Lock()
	c.mu.started = true
	c.mu.Unlock()
	c.UpdateGetAllowedWithoutPermission()
	go c.grant()
}

// flushed notes that full memtables were flushed.
func (c *compactions) flushed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.flushes++
	c.mu.previous, c.mu.last = c.mu.last, c.now()
}

// begun notes a compaction that has begun.
func (c *compactions) begun(info pebble.CompactionInfo) {
	for _, input := range info.Input {
		if input.Level == 0 && len(input.Tables) > 0 {
			c.mu.Lock()
			c.mu.flushes = 0
			c.mu.Unlock()
			return
		}
	}
}

// reserve counts a compaction as running, where one may run now.
func (c *compactions) reserve() bool {
	allowed := c.db.GetAllowedWithoutPermission() // takes no lock
	c.mu.Lock()
	defer c.mu.Unlock()
	busy := c.now().Sub(c.mu.last) < calm && c.mu.last.Sub(c.mu.previous) < calm
	if !c.mu.started || c.mu.closed || c.mu.running >= allowed || busy && c.mu.flushes < maxPutOff {
		return false
	}
	c.mu.running++
	return true
}

func (c *compactions) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.running--
}

// Register implements pebble.CompactionScheduler.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) {
	c.db = db
}

// Unregister implements pebble.CompactionScheduler.
func (c *compactions) Unregister() {
	c.mu.Lock()
	c.mu.closed = true
	started := c.mu.started
	c.mu.Unlock()
	close(c.stop)
	if started {
		<-c.stopped
	}
}

// TrySchedule implements pebble.CompactionScheduler. What it refuses Pebble remembers, and grant allows
// later.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	if !c.reserve() {
		return false, nil
	}
	return true, c
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler.
func (c *compactions) UpdateGetAllowedWithoutPermission() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// grant allows what was refused before, once it may run, until Unregister.
func (c *compactions) grant() {
	defer close(c.stopped)
	ticker := time.NewTicker(grantInterval)
	defer ticker.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-c.poke:
		case <-ticker.C:
		}
		for c.reserve() {
			if waiting, _ := c.db.GetWaitingCompaction(); !waiting || !c.db.Schedule(c) {
				c.release()
				break
			}
		}
	}
}

// Done implements pebble.CompactionGrantHandle.
func (c *compactions) Done() {
	c.release()
	c.UpdateGetAllowedWithoutPermission()
}

// Started implements pebble.CompactionGrantHandle.
func (c *compactions) Started() {}

// MeasureCPU implements pebble.CompactionGrantHandle.
func (c *compactions) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements pebble.CompactionGrantHandle.
func (c *compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}
