package raftstore

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"

	"github.com/ostiary/ostiary"
)

// Client asks the nodes of one cluster about it, and changes it, from outside: for operators. It needs
// a certificate like a node's.
type Client struct {
	peers   *peers
	cluster ostiary.ClusterID
	address string // of the node that it was connected to
}

// Connect learns from the node at an address which cluster it is of.
func Connect(ctx context.Context, address string, security Security) (*Client, error) {
	config, err := security.config(nil)
	if err != nil {
		return nil, err
	}
	conn, cluster, err := dial(ctx, tcp{}, config, address, kindCall, ostiary.ClusterID{}, "")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ostiary.ErrUnavailable)
	}
	conn.Close()
	if cluster == (ostiary.ClusterID{}) {
		return nil, fmt.Errorf("node %q is of no cluster yet: %w", address, ostiary.ErrUnavailable)
	}
	return &Client{cluster: cluster, address: address, peers: newPeers(func(ctx context.Context, address string) (net.Conn, error) {
		conn, _, err := dial(ctx, tcp{}, config, address, kindCall, cluster, "")
		return conn, err
	})}, nil
}

// Cluster returns the id of the cluster in hexadecimal.
func (c *Client) Cluster() string { return hex.EncodeToString(c.cluster[:]) }

// Status asks the node at an address, or the one that the client was connected to when it is empty.
func (c *Client) Status(ctx context.Context, address string) (NodeStatus, error) {
	if address == "" {
		address = c.address
	}
	conn, err := c.peers.reach(ctx, address)
	if err != nil {
		return NodeStatus{}, err
	}
	status, err := call[NodeStatus](ctx, conn, "status", nothing{})
	if err != nil {
		return NodeStatus{}, err
	}
	return *status, nil
}

// ChangeMembers changes the members of the cluster, as Store.ChangeMembers does.
func (c *Client) ChangeMembers(ctx context.Context, change Change) error {
	conn, err := c.peers.reach(ctx, c.address)
	if err != nil {
		return err
	}
	_, err = call[nothing](ctx, conn, "change", change)
	return err
}

// Close ends the connections.
func (c *Client) Close() { c.peers.close() }
