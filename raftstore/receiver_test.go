package raftstore

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary/storage/wal"
)

// receiverOf returns a receiver of a node that has a raft snapshot at 20, of term 3, and a log of the
// given entries behind it, of term 4.
func receiverOf(t *testing.T, entries ...uint64) *receiver {
	t.Helper()
	log, err := wal.Open("log", wal.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	fatal := func(err error) { t.Error(err) }
	r := &receiver{
		logs:      &logStore{log: log, fatal: fatal},
		snapshots: &snapshotStore{log: log, fatal: fatal, images: &images{}},
	}
	err = errors.Join(
		r.logs.SetUint64([]byte("CurrentTerm"), 5),
		r.snapshots.write(raft.SnapshotMeta{Index: 20, Term: 3, ID: "3-20"}, appendMarker(nil, 20), ""),
	)
	for _, index := range entries {
		err = errors.Join(err, r.logs.StoreLog(&raft.Log{Index: index, Term: 4, Data: []byte("x")}))
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRaftSnapshotThatBringsNothing: raft would go back to it and drop the log behind it, with entries
// that this node has acknowledged.
func TestRaftSnapshotThatBringsNothing(t *testing.T) {
	for _, test := range []struct {
		name              string
		entries           []uint64
		term, index, last uint64 // of the request: its term, and its last entry
		answered          bool
	}{
		{"older than ours", nil, 5, 12, 2, true},
		{"the same as ours", nil, 6, 20, 3, true},
		{"in the log", []uint64{18, 19, 20, 21, 22, 23}, 5, 22, 4, true},
		{"newer than all", []uint64{21, 22}, 5, 23, 4, false},
		{"newer, without a log", nil, 5, 21, 4, false},
		{"against the log", []uint64{21, 22, 23}, 6, 22, 6, false},
		{"of a leader before", nil, 4, 12, 2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := receiverOf(t, test.entries...)
			answers := make(chan raft.RPCResponse, 1)
			stream := strings.NewReader("an image")
			n := &network{ctx: t.Context()}
			answered, err := r.judge(n, &raft.RPC{RespChan: answers, Reader: stream, Command: &raft.InstallSnapshotRequest{
				Term: test.term, LastLogIndex: test.index, LastLogTerm: test.last,
			}})
			n.running.Wait()
			if err != nil || answered != test.answered {
				t.Fatalf("got answered %t, error %v", answered, err)
			}
			if !answered {
				return
			}
			got := <-answers
			response, ok := got.Response.(*raft.InstallSnapshotResponse)
			if got.Error != nil || !ok || !response.Success || response.Term != test.term {
				t.Errorf("got %+v", got)
			}
			if stream.Len() > 0 {
				t.Error("the image is still on the connection")
			}
		})
	}
}

// TestEntriesBelowTheRaftSnapshot: a leader that knows little of this node goes back to where this node's
// log does not reach. Without an answer it would send an older raft snapshot.
func TestEntriesBelowTheRaftSnapshot(t *testing.T) {
	for _, test := range []struct {
		name               string
		log                []uint64
		previous           uint64
		sent               []uint64
		wantPrevious, term uint64 // what raft sees
		want               int    // entries
	}{
		{"all below", nil, 10, []uint64{11, 12}, 20, 3, 0},
		{"across", nil, 18, []uint64{19, 20, 21, 22}, 20, 3, 2},
		{"from the first entry on", []uint64{21}, 0, []uint64{1, 2}, 20, 3, 0},
		{"behind it", nil, 20, []uint64{21}, 20, 3, 1},
		{"in the log", []uint64{15, 16, 17, 18, 19, 20, 21}, 16, []uint64{17, 18}, 16, 3, 2},
		{"a heartbeat", nil, 0, nil, 0, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := receiverOf(t, test.log...)
			request := &raft.AppendEntriesRequest{Term: 5, PrevLogEntry: test.previous}
			if test.previous > 0 {
				request.PrevLogTerm = 3
			}
			for _, index := range test.sent {
				request.Entries = append(request.Entries, &raft.Log{Index: index, Term: 4})
			}
			if answered, err := r.judge(&network{ctx: context.Background()}, &raft.RPC{Command: request}); err != nil || answered {
				t.Fatalf("got answered %t, error %v", answered, err)
			}
			if request.PrevLogEntry != test.wantPrevious || request.PrevLogTerm != test.term || len(request.Entries) != test.want {
				t.Errorf("raft sees %d entries after %d of term %d", len(request.Entries), request.PrevLogEntry, request.PrevLogTerm)
			}
		})
	}
}

// TestEntryOfTheRaftSnapshot: behind a raft snapshot may lie entries of a leader before that were never
// committed. Whoever leads now sends others, and raft must find out that they follow the snapshot.
func TestEntryOfTheRaftSnapshot(t *testing.T) {
	r := receiverOf(t, 21, 22, 23)
	r.logs.newest = &r.snapshots.images.newest
	var entry raft.Log
	if err := r.logs.GetLog(20, &entry); err != nil || entry.Index != 20 || entry.Term != 3 {
		t.Errorf("got %+v, error %v", entry, err)
	}
	if err := r.logs.GetLog(19, &entry); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("got error %v for an entry that is gone", err)
	}
	if err := r.logs.GetLog(21, &entry); err != nil || entry.Term != 4 {
		t.Errorf("got %+v, error %v", entry, err)
	}
}

// TestRaftForgetsTheLogBeforeASnapshot: raft takes the last entry of the log that it has emptied for its own. It
// gets the snapshot's entry in its place, of which the log keeps nothing, before anything else reaches it.
func TestRaftForgetsTheLogBeforeASnapshot(t *testing.T) {
	r := receiverOf(t)
	r.rpcs = make(chan raft.RPC)
	n := &network{ctx: t.Context()}
	answers := make(chan raft.RPCResponse, 1)
	request := &raft.InstallSnapshotRequest{Term: 5, LastLogIndex: 30, LastLogTerm: 4}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.install(n, raft.RPC{RespChan: answers, Reader: strings.NewReader("an image"), Command: request}, request)
	}()
	installing := <-r.rpcs
	if installing.Command != any(request) {
		t.Fatalf("raft gets %+v", installing.Command)
	}
	installing.Respond(&raft.InstallSnapshotResponse{Term: 5, Success: true}, nil)
	for _, term := range []uint64{5, 6} { // the first is answered by a raft that has come to a later term
		forgetting := <-r.rpcs
		got, ok := forgetting.Command.(*raft.AppendEntriesRequest)
		if !ok || got.Term != term || got.PrevLogEntry != 0 || len(got.Entries) != 1 || got.Entries[0].Index != 30 || got.Entries[0].Term != 4 || got.LeaderCommitIndex != 0 {
			t.Fatalf("in term %d raft gets %+v", term, forgetting.Command)
		}
		var entry raft.Log
		if err := r.logs.GetLog(30, &entry); err != nil || entry.Term == 4 {
			t.Errorf("raft finds %+v, error %v; it would keep what it has", entry, err)
		}
		if err := errors.Join(r.logs.StoreLogs(got.Entries), r.logs.SetUint64([]byte("CurrentTerm"), 6)); err != nil {
			t.Error(err)
		}
		forgetting.Respond(&raft.AppendEntriesResponse{Term: 6, Success: term == 6}, nil)
	}
	<-ended
	if response, ok := (<-answers).Response.(*raft.InstallSnapshotResponse); !ok || !response.Success {
		t.Errorf("the leader gets %+v", response)
	}
	var entry raft.Log
	if err := r.logs.GetLog(30, &entry); r.logs.log.LastIndex() != 0 || !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("the log ends at %d and has %+v, error %v", r.logs.log.LastIndex(), entry, err)
	}
}
