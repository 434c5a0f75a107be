package raftstore

import (
	"io"
	"strings"

	"github.com/hashicorp/raft"
)

// Raft sends to addresses. A machine that was replaced has a new node at the old address, which knows
// nothing: it would vote for a leader of the past, and take what is sent to the node that was there. So a
// connection for raft names the node that it is for, and the port refuses one that is for another. To
// raft's transport the name travels as a part of the address.

// named returns an address of a node as raft's transport dials it.
func named(id raft.ServerID, address raft.ServerAddress) raft.ServerAddress {
	return raft.ServerAddress(string(id) + "@" + string(address))
}

// addressee is the inverse of named.
func addressee(address raft.ServerAddress) (node, at string) {
	node, at, found := strings.Cut(string(address), "@")
	if !found {
		return "", string(address)
	}
	return node, at
}

func (r *receiver) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	return r.NetworkTransport.AppendEntries(id, named(id, target), args, resp)
}

func (r *receiver) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	return r.NetworkTransport.AppendEntriesPipeline(id, named(id, target))
}

func (r *receiver) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	return r.NetworkTransport.RequestVote(id, named(id, target), args, resp)
}

func (r *receiver) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	return r.NetworkTransport.RequestPreVote(id, named(id, target), args, resp)
}

func (r *receiver) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	return r.NetworkTransport.InstallSnapshot(id, named(id, target), args, resp, data)
}

func (r *receiver) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	return r.NetworkTransport.TimeoutNow(id, named(id, target), args, resp)
}
