package bench

import (
	"context"
	"fmt"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/bench/workload"
)

// LagOptions configures Lag. All fields but Pause are required.
type LagOptions struct {
	Writer, Reader Target // two nodes of one cluster, over gRPC
	Workload       *workload.Workload
	Stores         []Store
	Writes         int
	Pause          time.Duration // between two writes
}

// LagReport holds latencies in microseconds.
type LagReport struct {
	Write Latency `json:"write_microseconds"`
	// Visible is the time from the acknowledgement of a write by one node to the answer of another to a
	// check at the write's token, the round trip of the check included.
	Visible Latency `json:"visible_microseconds"`
	// Plain is the same check right afterwards, which waits for nothing: what the round trip costs.
	Plain Latency `json:"plain_microseconds"`
}

// Lag writes single tuples at one node and asks another for each of them as soon as it is acknowledged.
// An answer that does not see the write is an error.
func Lag(ctx context.Context, o LagOptions) (*LagReport, error) {
	writer, err := openfgaClient(o.Writer)
	if err != nil {
		return nil, err
	}
	defer writer.close()
	reader, err := openfgaClient(o.Reader)
	if err != nil {
		return nil, err
	}
	defer reader.close()
	questions := o.Workload.Questions(newTupleSeed(0))
	write, visible, plain := newHistogram(), newHistogram(), newHistogram()
	for range o.Writes {
		store, grant, check := questions.Revocable()
		check.Store = store
		began := time.Now()
		token, err := writer.grant(ctx, o.Stores[store], grant)
		if err != nil {
			return nil, err
		}
		acknowledged := time.Now()
		write.record(acknowledged.Sub(began))
		if err := reader.see(ctx, o.Stores, check, token); err != nil {
			return nil, err
		}
		seen := time.Now()
		visible.record(seen.Sub(acknowledged))
		if err := reader.see(ctx, o.Stores, check, token); err != nil {
			return nil, err
		}
		plain.record(time.Since(seen))
		if _, err := writer.write(ctx, o.Stores[store], nil, []ostiary.Edge{grant}); err != nil {
			return nil, err
		}
		time.Sleep(o.Pause)
	}
	return &LagReport{Write: latencyOf(write), Visible: latencyOf(visible), Plain: latencyOf(plain)}, nil
}

// LoneWrites writes single tuples at one node, each when the one before is acknowledged, until done is closed
// or ctx ends. Of o it needs Writer, Workload, Stores and Pause. A write that fails is an error.
func LoneWrites(ctx context.Context, o LagOptions, done <-chan struct{}) (Latency, error) {
	writer, err := openfgaClient(o.Writer)
	if err != nil {
		return Latency{}, err
	}
	defer writer.close()
	questions := o.Workload.Questions(newTupleSeed(0))
	write := newHistogram()
	for {
		select {
		case <-done:
			return latencyOf(write), nil
		default:
		}
		store, tuple := questions.NewTuple()
		began := time.Now()
		if _, err := writer.write(ctx, o.Stores[store], []ostiary.Edge{tuple}, nil); err != nil {
			return Latency{}, err
		}
		write.record(time.Since(began))
		time.Sleep(o.Pause)
	}
}

// openfgaNode is a client of one node that sees headers, which a connection does not.
type openfgaNode struct {
	openfgav1.OpenFGAServiceClient
	conn *grpc.ClientConn
	key  string
}

func openfgaClient(t Target) (*openfgaNode, error) {
	conn, err := grpc.NewClient("passthrough:///"+t.Address, grpc.WithTransportCredentials(t.credentials()))
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", t.Address, err)
	}
	return &openfgaNode{openfgav1.NewOpenFGAServiceClient(conn), conn, t.Key}, nil
}

func (n *openfgaNode) close() { _ = n.conn.Close() }

func (n *openfgaNode) context(ctx context.Context, pairs ...string) context.Context {
	if n.key != "" {
		pairs = append(pairs, "authorization", "Bearer "+n.key)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

func (n *openfgaNode) grant(ctx context.Context, store Store, e ostiary.Edge) (token string, err error) {
	return n.write(ctx, store, []ostiary.Edge{e}, nil)
}

func (n *openfgaNode) write(ctx context.Context, store Store, writes, deletes []ostiary.Edge) (token string, err error) {
	message, err := writeMessage(store, writes, deletes)
	if err != nil {
		return "", err
	}
	var header metadata.MD
	if _, err := n.Write(n.context(ctx), message, grpc.Header(&header)); err != nil {
		return "", fmt.Errorf("write %s at %s: %w", append(writes, deletes...)[0].Tuple, n.conn.Target(), err)
	}
	tokens := header.Get("ostiary-token")
	if len(tokens) != 1 {
		return "", fmt.Errorf("write at %s: the answer has %d tokens: is it Ostiary?", n.conn.Target(), len(tokens))
	}
	return tokens[0], nil
}

// see asks a check at a token, which must be allowed.
func (n *openfgaNode) see(ctx context.Context, stores []Store, q workload.Question, token string) error {
	message, err := checkMessage(stores, q)
	if err != nil {
		return err
	}
	answer, err := n.Check(n.context(ctx, "ostiary-at-least", token), message)
	if err != nil {
		return fmt.Errorf("check at %s: %w", n.conn.Target(), err)
	}
	if !answer.GetAllowed() {
		return fmt.Errorf("%s denies %s#%s@%s at the token of its grant", n.conn.Target(), q.Object, q.Relation, q.Subject)
	}
	return nil
}
