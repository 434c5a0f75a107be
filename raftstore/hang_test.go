package raftstore

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// hangingDisk is a file system whose syncs do not end while it hangs.
type hangingDisk struct {
	vfs.FS
	hangs   atomic.Bool
	release chan struct{}
}

func newHangingDisk() *hangingDisk {
	return &hangingDisk{FS: vfs.NewMem(), release: make(chan struct{})}
}

type hangingFile struct {
	vfs.File
	disk *hangingDisk
}

func (d *hangingDisk) wait() {
	if d.hangs.Load() {
		<-d.release
	}
}

func (d *hangingDisk) wrap(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return hangingFile{f, d}, nil
}

func (d *hangingDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.wrap(d.FS.Create(name, c))
}

func (d *hangingDisk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return d.wrap(d.FS.ReuseForWrite(from, to, c))
}

func (d *hangingDisk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.wrap(d.FS.OpenReadWrite(name, c, o...))
}

func (f hangingFile) Sync() error     { f.disk.wait(); return f.File.Sync() }
func (f hangingFile) SyncData() error { f.disk.wait(); return f.File.SyncData() }
func (f hangingFile) SyncTo(n int64) (bool, error) {
	f.disk.wait()
	return f.File.SyncTo(n)
}

// TestDiskHangs: a leader whose disk hangs ends, and the others go on without it. What was acknowledged
// before is there.
func TestDiskHangs(t *testing.T) {
	c := newCluster(t)
	var disks []*hangingDisk
	died := make(chan error, 3)
	for range 3 {
		c.add(func(o *Options) {
			disks = append(disks, newHangingDisk())
			o.FS, o.DiskTimeout = disks[len(disks)-1], 2*time.Second
			o.OnFatal = func(err error) { died <- err }
		})
	}
	c.formed()
	c.write(0, 1)
	lost := c.leader()
	disks[lost].hangs.Store(true)
	defer close(disks[lost].release)
	other := (lost + 1) % 3
	c.write(other, 2) // which takes another leader
	select {
	case err := <-died:
		if !strings.Contains(err.Error(), "hangs") {
			t.Errorf("the node ended with %v", err)
		}
	case <-patient(t).Done():
		t.Fatal("the node whose disk hangs does not end")
	}
	if err := c.nodes[lost].Ready(); err == nil {
		t.Error("a node whose disk hangs is ready")
	}
	if now := c.leaderAmong(other, (lost+2)%3); now == lost {
		t.Error("the node whose disk hangs leads")
	}
	for n := 1; n <= 2; n++ {
		if !c.holds(other, n, linearizable) {
			t.Errorf("tuple %d is lost", n)
		}
	}
	c.stop(lost) // returns though the disk still hangs
}

// leaderAmong returns which of some nodes leads.
func (c *cluster) leaderAmong(nodes ...int) int {
	c.t.Helper()
	leader := -1
	until(c.t, "nobody leads", func() error {
		for _, i := range nodes {
			if status, err := c.nodes[i].Status(); err == nil && status.Role == "leader" {
				leader = i
				return nil
			}
		}
		return errors.New("no leader")
	})
	return leader
}
