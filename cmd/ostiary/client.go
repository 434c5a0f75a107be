package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// The headers of every answer, those of a list that a limit of the server cut short, of which the second
// asks for the rest, and those that ask for an answer at least as new as a token, or as of one.
const (
	headerRevision  = "ostiary-revision"
	headerToken     = "ostiary-token"
	headerTruncated = "ostiary-truncated"
	headerContinue  = "ostiary-continuation"
	headerAtLeast   = "ostiary-at-least"
	headerAsOf      = "ostiary-as-of"
)

// maxAnswerBytes bounds one answer of the server: a list may be long.
const maxAnswerBytes = 64 << 20

// clientFlags are the flags of every command that talks to a server.
type clientFlags struct {
	server  string
	key     keyFlags
	store   string
	timeout time.Duration
	tls     clientTLSFlags
}

// addClientFlags gives cmd and the commands below it the flags of a client.
func (a *app) addClientFlags(cmd *cobra.Command) *cobra.Command {
	flags := cmd.PersistentFlags()
	flags.StringVar(&a.client.server, "server", "127.0.0.1:8081", "gRPC address of the server; https://HOST:PORT for TLS")
	a.client.key.register(flags)
	flags.DurationVar(&a.client.timeout, "timeout", 30*time.Second, "time that one call may take")
	fromEnv(flags, "server", "timeout")
	a.client.tls.register(flags, "server")
	return cmd
}

// addStoreFlag gives cmd and the commands below it the flag that names a store.
func (a *app) addStoreFlag(cmd *cobra.Command) *cobra.Command {
	cmd.PersistentFlags().StringVar(&a.client.store, "store", "", "name or id of the store (default: the one of 'ostiary use')")
	fromEnv(cmd.PersistentFlags(), "store")
	_ = cmd.RegisterFlagCompletionFunc("store", a.completeStores)
	return cmd
}

// client is a connection to one server.
type client struct {
	conn    *grpc.ClientConn
	fga     openfgav1.OpenFGAServiceClient
	address string
}

// dial prepares a connection; the network is first touched by a call. Close it.
func (a *app) dial() (*client, error) {
	address, transport, err := a.client.tls.credentials(a.client.server)
	if err != nil {
		return nil, err
	}
	key, err := a.client.key.key(a.origins)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithChainUnaryInterceptor(a.intercept(key)),
		grpc.WithChainStreamInterceptor(a.interceptStream(key)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes)),
		grpc.WithUserAgent("ostiary-cli"),
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		return nil, usagef("--server %q: %v", a.client.server, err)
	}
	return &client{conn: conn, fga: openfgav1.NewOpenFGAServiceClient(conn), address: a.client.server}, nil
}

func (c *client) Close() { _ = c.conn.Close() }

// intercept bounds the time of every call, sends the key, and turns a failure into a serverError.
func (a *app) intercept(key string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		ctx, cancel := context.WithTimeout(ctx, a.client.timeout)
		defer cancel()
		return asServerError(a.client.server, invoke(authorized(ctx, key), method, req, reply, conn, opts...))
	}
}

// interceptStream sends the key with a stream, and turns its failures into serverErrors. It bounds no time: a stream may
// be followed for days.
func (a *app) interceptStream(key string) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		stream, err := open(authorized(ctx, key), desc, conn, method, opts...)
		if err != nil {
			return nil, asServerError(a.client.server, err)
		}
		return &clientStream{ClientStream: stream, server: a.client.server}, nil
	}
}

// clientStream is a stream whose failures are serverErrors.
type clientStream struct {
	grpc.ClientStream
	server string
}

func (s *clientStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if errors.Is(err, io.EOF) {
		return err
	}
	return asServerError(s.server, err)
}

// authorized returns ctx with the key.
func authorized(ctx context.Context, key string) context.Context {
	if key == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
}

// storeClient dials and finds the store that the command is about.
func (a *app) storeClient(ctx context.Context) (*client, string, error) {
	c, err := a.dial()
	if err != nil {
		return nil, "", err
	}
	id, err := a.storeID(ctx, c)
	if err != nil {
		c.Close()
		return nil, "", err
	}
	return c, id, nil
}

// storeID resolves --store, or else the store that 'ostiary use' remembers for this server.
func (a *app) storeID(ctx context.Context, c *client) (string, error) {
	if a.client.store != "" {
		return c.resolveStore(ctx, a.client.store)
	}
	config, err := a.loadConfig()
	if err != nil {
		return "", err
	}
	if used, ok := config.Stores[a.client.server]; ok {
		return used.ID, nil
	}
	return "", usagef("no store is chosen for the server %s: pass --store NAME or remember one with 'ostiary use NAME'", a.client.server)
}

// resolveStore returns the id of the store that is called nameOrID.
func (c *client) resolveStore(ctx context.Context, nameOrID string) (string, error) {
	if isID(nameOrID) {
		return nameOrID, nil
	}
	var found []string
	err := c.eachStore(ctx, nameOrID, func(store *openfgav1.Store) {
		if store.GetName() == nameOrID {
			found = append(found, store.GetId())
		}
	})
	switch {
	case err != nil:
		return "", fmt.Errorf("find the store %q: %w", nameOrID, err)
	case len(found) == 0:
		return "", fmt.Errorf("the server %s has no store called %q; 'ostiary store list' shows those it has", c.address, nameOrID)
	case len(found) > 1:
		return "", usagef("%d stores are called %q: pass one of their ids instead: %v", len(found), nameOrID, found)
	}
	return found[0], nil
}

// eachStore calls f for every store, or for every store of one name.
func (c *client) eachStore(ctx context.Context, name string, f func(*openfgav1.Store)) error {
	request := &openfgav1.ListStoresRequest{Name: name}
	for {
		answer, err := c.fga.ListStores(ctx, request)
		if err != nil {
			return err
		}
		for _, store := range answer.GetStores() {
			f(store)
		}
		if answer.GetContinuationToken() == "" {
			return nil
		}
		if answer.GetContinuationToken() == request.GetContinuationToken() {
			return errors.New("the server repeats a page of its list of stores")
		}
		request.ContinuationToken = answer.GetContinuationToken()
	}
}

// isID reports whether text has the form of an id: 26 characters of Crockford's base 32.
func isID(text string) bool {
	if len(text) != 26 {
		return false
	}
	for _, r := range text {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') || r == 'I' || r == 'L' || r == 'O' || r == 'U' {
			return false
		}
	}
	return true
}
