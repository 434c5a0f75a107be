package raftstore

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// TestConnectionForAnotherNode: raft's messages for the node that was at an address before must not reach
// the one that is there now.
func TestConnectionForAnotherNode(t *testing.T) {
	s := open(t, Options{Dir: "data", FS: vfs.NewMem(), MinFreeBytes: -1, Addr: "127.0.0.1:0", Security: Security{PlainText: true}})
	stream := raftStream{s.net.port}
	at := raft.ServerAddress(s.net.port.advertise)
	conn, err := stream.Dial(named(s.id, at), helloTimeout)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	conn, err = stream.Dial(named("0123456789abcdef", at), helloTimeout)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, errForeign) || !strings.Contains(err.Error(), "0123456789abcdef") || !strings.Contains(err.Error(), string(s.id)) {
		t.Errorf("got error %v", err)
	}
}
