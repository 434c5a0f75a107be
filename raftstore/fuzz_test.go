package raftstore

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/ostiary/ostiary"
)

// An entry of the log that is read is written alike again; anything else is refused as corrupt.
func FuzzDecodeLog(f *testing.F) {
	f.Add(appendLog(nil, &raft.Log{Type: raft.LogCommand, Term: 3, Data: []byte("data"), Extensions: []byte("more"), AppendedAt: time.Unix(1, 2)}))
	f.Add(appendLog(nil, &raft.Log{Type: raft.LogNoop}))
	f.Add([]byte{logVersion})
	f.Add([]byte{logVersion + 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second raft.Log
		if err := decodeLog(data, &first); err != nil {
			if !errors.Is(err, ostiary.ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		again := appendLog(nil, &first)
		if err := decodeLog(again, &second); err != nil {
			t.Fatalf("%x is read and written as %x, which is not read: %v", data, again, err)
		}
		if second.Term != first.Term || second.Type != first.Type || !bytes.Equal(second.Data, first.Data) || !bytes.Equal(second.Extensions, first.Extensions) {
			t.Errorf("%x is read as %+v and, written again, as %+v", data, first, second)
		}
	})
}

// heard is a connection that said something and closed its side.
type heard struct {
	net.Conn
	said     io.Reader
	answered int
}

func (h *heard) Read(p []byte) (int, error)    { return h.said.Read(p) }
func (h *heard) Write(p []byte) (int, error)   { h.answered += len(p); return len(p), nil }
func (h *heard) SetDeadline(_ time.Time) error { return nil }

// Nobody is welcome at the port between nodes who does not name this cluster and what the port knows, and no answer is
// longer than its bound.
func FuzzHello(f *testing.F) {
	ours := ostiary.ClusterID{1, 2, 3}
	hello := append([]byte(helloMagic), kindCall)
	f.Add(append(bytes.Clone(hello), ours[:]...))
	raftHello := append(append([]byte(helloMagic), kindRaft), ours[:]...)
	f.Add(append(bytes.Clone(raftHello), make([]byte, nodeIDBytes)...))
	f.Add(raftHello)
	f.Add(append(bytes.Clone(hello), make([]byte, 16)...))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		p := &port{logger: slog.New(slog.DiscardHandler), cluster: ours, node: "this"}
		conn := &heard{said: bytes.NewReader(said)}
		got, kind, err := p.welcome(conn)
		if conn.answered > 1+16+2+maxReason {
			t.Errorf("%x is answered with %d bytes", said, conn.answered)
		}
		if got == nil {
			return
		}
		want := append(append([]byte(helloMagic), kind), ours[:]...)
		if err != nil || !bytes.HasPrefix(said, want) || kind != kindRaft && kind != kindCall {
			t.Errorf("%x is welcome for %q (%v)", said, kind, err)
		}
	})
}
