package raftstore

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/storage"
)

// shrinkingDisk is a file system whose disk has as much room as a test says.
type shrinkingDisk struct {
	vfs.FS
	free *atomic.Uint64
}

func (d shrinkingDisk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: d.free.Load(), TotalBytes: 1 << 40}, nil
}

// TestReserve: below the reserve what takes away goes on and everything else is refused; below its last
// part nothing is accepted; with room again everything is.
func TestReserve(t *testing.T) {
	const reserve = 64 << 20
	var free atomic.Uint64
	free.Store(10 * reserve)
	var now atomic.Int64
	now.Store(1_000_000)
	s := open(t, Options{Dir: "data", FS: shrinkingDisk{vfs.NewMem(), &free}, MinFreeBytes: reserve,
		Clock: func() time.Time { return time.Unix(now.Add(1), 0) }}) // each look is a new one
	documents := func(d ...ostiary.DocumentChange) *ostiary.Mutation { return &ostiary.Mutation{Documents: d} }
	key := ostiary.DocumentKey{Collection: "c", Key: "k"}
	put := ostiary.DocumentChange{Key: key, Body: []byte("x")}
	subject := ostiary.FilterDelete{Filter: ostiary.Filter{Store: testStore, Subject: ostiary.SubjectRef{Type: "user", ID: "nobody"}}}
	with := func(op ostiary.TupleOp, n int) *ostiary.Mutation {
		m := create(n)
		m.Tuples[0].Op = op
		return m
	}
	both := with(ostiary.TupleTouch, 100)
	both.Tuples = append(both.Tuples, with(ostiary.TupleRelease, 1).Tuples...)
	takes := map[string]*ostiary.Mutation{
		"release":         with(ostiary.TupleRelease, 1),
		"delete":          {Tuples: []ostiary.TupleChange{{Op: ostiary.TupleDelete, IfMissing: true, Store: testStore, Tuple: tupleOf(2), Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}}}},
		"filter":          {Filters: []ostiary.FilterDelete{subject}},
		"revocation":      {Filters: []ostiary.FilterDelete{subject}, Documents: []ostiary.DocumentChange{put}},
		"document delete": documents(ostiary.DocumentChange{Key: key, Delete: true}),
		"collection":      documents(storage.Collection(1, "")),
	}
	grows := map[string]*ostiary.Mutation{
		"create": with(ostiary.TupleCreate, 50), "touch": with(ostiary.TupleTouch, 51), "both": both,
		"document": documents(put), "delete and put": documents(ostiary.DocumentChange{Key: key, Delete: true}, put), "nothing": {},
	}
	if _, err := s.Propose(t.Context(), create(1)); err != nil {
		t.Fatal(err)
	}
	check := func(level string, room uint64, takesOK, growsOK bool) {
		t.Helper()
		free.Store(room)
		for kind, test := range map[string]struct {
			all map[string]*ostiary.Mutation
			ok  bool
		}{"takes away": {takes, takesOK}, "grows": {grows, growsOK}} {
			for name, m := range test.all {
				if name == "create" && growsOK {
					continue // it exists from the round before
				}
				_, err := s.Propose(t.Context(), m)
				if test.ok && err != nil || !test.ok && !errors.Is(err, ostiary.ErrDiskFull) {
					t.Errorf("%s, %s: %s: got %v, accepted should be %v", level, kind, name, err, test.ok)
				}
			}
		}
		if err := s.Writable(); (err == nil) != growsOK {
			t.Errorf("%s: writable: got %v", level, err)
		}
		if err := s.Ready(); err != nil {
			t.Errorf("%s: not ready: %v", level, err)
		}
	}
	check("roomy", reserve, true, true)
	check("below the reserve", reserve-1, true, false)
	check("at the last part", reserve/4, true, false)
	check("below the last part", reserve/4-1, false, false)
	if !has(t, s, tupleOf(51)) || has(t, s, tupleOf(50)) {
		t.Error("the state is not what was accepted")
	}
	check("room again", 2*reserve, true, true)
}
