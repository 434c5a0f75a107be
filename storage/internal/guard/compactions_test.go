package guard

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// fakeDB is a database with compactions to do.
type fakeDB struct {
	waiting   atomic.Int64
	scheduled atomic.Int64
}

func (db *fakeDB) GetAllowedWithoutPermission() int { return 1 }

func (db *fakeDB) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	return db.waiting.Load() > 0, pebble.WaitingCompaction{}
}

func (db *fakeDB) Schedule(pebble.CompactionGrantHandle) bool {
	db.waiting.Add(-1)
	db.scheduled.Add(1)
	return true
}

// TestCompactionsPutOff: compactions wait while memtables fill one after another, for no more than
// maxPutOff of them, and no longer than until it is calm.
func TestCompactionsPutOff(t *testing.T) {
	at := time.Unix(1, 0)
	c := newCompactions(func() time.Time { return at })
	c.Register(2, &fakeDB{})
	c.mu.started = true // without grant, which would look at the time beside the test
	try := func() bool {
		ok, handle := c.TrySchedule()
		if ok {
			handle.Done()
		}
		return ok
	}
	flush := func(after time.Duration) {
		at = at.Add(after)
		c.flushed()
	}
	steps := []struct {
		name string
		do   func()
		want bool
	}{
		{"at the start", func() {}, true},
		{"after one flush", func() { flush(time.Minute) }, true},
		{"after another soon", func() { flush(time.Second) }, false},
		{"when it is calm", func() { at = at.Add(calm) }, true},
		{"after a flush long after", func() { flush(calm) }, true},
		{"after two more soon", func() { flush(time.Second); flush(time.Second) }, false},
		{"when there are many", func() {
			for c.mu.flushes < maxPutOff {
				flush(time.Second)
			}
		}, true},
		{"while others than the flushed tables are compacted", func() {
			c.begun(pebble.CompactionInfo{Input: []pebble.LevelInfo{{Level: 5, Tables: make([]pebble.TableInfo, 1)}}})
		}, true},
		{"when they are taken in", func() {
			c.begun(pebble.CompactionInfo{Input: []pebble.LevelInfo{{Level: 0, Tables: make([]pebble.TableInfo, 1)}}})
		}, false},
	}
	for _, step := range steps {
		step.do()
		if got := try(); got != step.want {
			t.Errorf("%s: a compaction may run: %v, want %v", step.name, got, step.want)
		}
	}
}

// TestCompactionsOneByOne: what was refused is allowed after the start, one when the one before it is done,
// and nothing after the end.
func TestCompactionsOneByOne(t *testing.T) {
	db := &fakeDB{}
	c := newCompactions(time.Now)
	c.Register(2, db)
	db.waiting.Store(3)
	if ok, _ := c.TrySchedule(); ok {
		t.Fatal("a compaction was allowed before the start")
	}
	c.start()
	for want := int64(1); want <= 3; want++ {
		deadline := time.Now().Add(30 * time.Second)
		for db.scheduled.Load() < want {
			if time.Now().After(deadline) {
				t.Fatalf("%d compactions that were refused have been allowed, want %d", db.scheduled.Load(), want)
			}
			time.Sleep(time.Millisecond)
		}
		if ok, _ := c.TrySchedule(); ok || db.scheduled.Load() != want {
			t.Fatalf("beside a compaction another was allowed (%v): %d in all, want %d", ok, db.scheduled.Load(), want)
		}
		c.Done()
	}
	c.Unregister()
	if ok, _ := c.TrySchedule(); ok {
		t.Error("a compaction was allowed after the end")
	}
}

// TestUnregisterBeforeStart: a scheduler of a database that never opened ends too.
func TestUnregisterBeforeStart(t *testing.T) {
	c := newCompactions(time.Now)
	c.Register(2, &fakeDB{})
	c.Unregister()
	if ok, _ := c.TrySchedule(); ok {
		t.Error("a compaction was allowed after the end")
	}
}
