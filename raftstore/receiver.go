package raftstore

import (
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/raft"
)

// receiver is raft's transport with a look at what arrives. Raft 1.8.0 takes a raft snapshot from whoever
// leads, also one that is older than what it has: it goes back, drops the whole log behind it, and
// forgets members and entries that it has acknowledged. Two such snapshots come about: a leader that
// knows little of this node sends an older one than this node has, again and again; and one arrives late,
// on a connection that was held up, after its sender has tried again and gone on. Neither reaches raft:
//
//   - A raft snapshot whose last entry stands in this node's log, or below its own raft snapshot, is
//     answered as installed. It is committed, so this node has all that it stands for.
//   - Entries below this node's own raft snapshot, which its log cannot judge any more, are left out of
//     what a leader sends: they are committed, so the leader's are the same.
//
// And it asks for votes on behalf of candidates that raft would not judge by their log (votes.go).
type receiver struct {
	*raft.NetworkTransport
	logs      *logStore
	snapshots *snapshotStore
	rpcs      chan raft.RPC
	// configuration returns the newest members that this node knows.
	configuration func() []raft.Server
}

// Consumer returns what raft is to answer.
func (r *receiver) Consumer() <-chan raft.RPC { return r.rpcs }

// run passes on what arrives until the node closes. It starts to look when raft has what it looks at.
func (r *receiver) run(n *network) {
	for {
		var rpc raft.RPC
		select {
		case rpc = <-r.NetworkTransport.Consumer():
		case <-n.ctx.Done():
			return
		}
		answered, err := r.judge(n, &rpc)
		if err != nil {
			rpc.Respond(nil, err)
			continue
		}
		if answered {
			continue
		}
		if request, ok := rpc.Command.(*raft.InstallSnapshotRequest); ok {
			r.install(n, rpc, request)
			continue
		}
		select {
		case r.rpcs <- rpc:
		case <-n.ctx.Done():
			return
		}
	}
}

// install lets raft install a raft snapshot, and then forget what it takes for the end of its log: raft
// empties the log and keeps in mind which entry was the last. Where that was one of a leader before, at or
// behind the snapshot's own, raft would refuse for ever what follows the snapshot, and vote for a candidate
// that lacks what it has just got. Nothing else reaches raft meanwhile.
func (r *receiver) install(n *network, rpc raft.RPC, request *raft.InstallSnapshotRequest) {
	answer, ok := r.ask(n, raft.RPC{Command: request, Reader: rpc.Reader})
	if !ok {
		return
	}
	if response, is := answer.Response.(*raft.InstallSnapshotResponse); is && answer.Error == nil && response.Success {
		r.forget(n, request)
	}
	rpc.Respond(answer.Response, answer.Error)
}

// forget gives raft the snapshot's own entry, in the form of a leader's message, as one that replaces whatever
// it takes for the end of its log. The log store neither finds it nor stores it.
func (r *receiver) forget(n *network, request *raft.InstallSnapshotRequest) {
	r.logs.forgotten.Store(request.LastLogIndex)
	defer r.logs.forgotten.Store(0)
	header, term := request.RPCHeader, request.Term
	for n.ctx.Err() == nil {
		answer, ok := r.ask(n, raft.RPC{Command: &raft.AppendEntriesRequest{
			RPCHeader: header, Term: term,
			Entries: []*raft.Log{{Index: request.LastLogIndex, Term: request.LastLogTerm, Type: raft.LogNoop}},
		}})
		response, is := answer.Response.(*raft.AppendEntriesResponse)
		if !ok || is && response.Success {
			return
		}
		// Raft has come to a later term, in which this is nobody's message.
		header = raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}
		now, err := r.logs.GetUint64([]byte("CurrentTerm"))
		if err != nil || now == term {
			return
		}
		term = now
	}
}

// ask gives raft an RPC and returns what it answers, or false when the node closes.
func (r *receiver) ask(n *network, rpc raft.RPC) (raft.RPCResponse, bool) {
	answers := make(chan raft.RPCResponse, 1)
	rpc.RespChan = answers
	select {
	case r.rpcs <- rpc:
	case <-n.ctx.Done():
		return raft.RPCResponse{}, false
	}
	select {
	case answer := <-answers:
		return answer, true
	case <-n.ctx.Done():
		return raft.RPCResponse{}, false
	}
}

// judge says whether an RPC is answered already, and leaves out of it what raft must not see.
func (r *receiver) judge(n *network, rpc *raft.RPC) (answered bool, err error) {
	switch request := rpc.Command.(type) {
	case *raft.RequestVoteRequest:
		r.admit(&request.RPCHeader)
	case *raft.RequestPreVoteRequest:
		r.admit(&request.RPCHeader)
	case *raft.AppendEntriesRequest:
		return false, r.trim(request)
	case *raft.InstallSnapshotRequest:
		term, err := r.logs.GetUint64([]byte("CurrentTerm"))
		if err != nil || request.Term < term {
			return false, err // for raft to refuse
		}
		has, err := r.has(request.LastLogIndex, request.LastLogTerm)
		if err != nil || !has {
			return false, err
		}
		reader, answer := rpc.Reader, *rpc
		n.running.Go(func() {
			_, err := io.Copy(io.Discard, reader) // the next RPC follows it on the connection
			answer.Respond(&raft.InstallSnapshotResponse{
				RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}, Term: request.Term, Success: err == nil,
			}, err)
		})
		return true, nil
	}
	return false, nil
}

// has says whether this node has everything up to a committed entry.
func (r *receiver) has(index, term uint64) (bool, error) {
	stored, found, err := r.snapshots.load()
	if err != nil || found && index <= stored.Meta.Index {
		return err == nil, err
	}
	if index < r.logs.log.FirstIndex() || index > r.logs.log.LastIndex() {
		return false, nil
	}
	var entry raft.Log
	if err := r.logs.GetLog(index, &entry); err != nil {
		if errors.Is(err, raft.ErrLogNotFound) {
			return false, nil
		}
		return false, fmt.Errorf("judge a raft snapshot at %d: %w", index, err)
	}
	return entry.Term == term, nil
}

// trim leaves out the entries that stand below this node's raft snapshot, where its log begins later.
func (r *receiver) trim(request *raft.AppendEntriesRequest) error {
	if first := r.logs.log.FirstIndex(); first > 0 && request.PrevLogEntry >= first ||
		request.PrevLogEntry == 0 && len(request.Entries) == 0 {
		return nil
	}
	stored, found, err := r.snapshots.load()
	if err != nil || !found || request.PrevLogEntry >= stored.Meta.Index {
		return err
	}
	kept := request.Entries
	for len(kept) > 0 && kept[0].Index <= stored.Meta.Index {
		kept = kept[1:]
	}
	request.Entries = kept
	request.PrevLogEntry, request.PrevLogTerm = stored.Meta.Index, stored.Meta.Term
	return nil
}
