package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/client"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/storage"
	"google.golang.org/protobuf/encoding/protojson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type backend struct{ *raftstore.Store }

func (b backend) View(ctx context.Context, f ostiary.Freshness) (api.View, error) {
	v, err := b.Store.View(ctx, f)
	if err != nil {
		return nil, err
	}
	return view{v}, nil
}

type view struct{ *storage.View }

func (v view) Reader(store string, nowNanos int64) engine.Reader {
	return v.View.Reader(store, nowNanos)
}

const model = `model
  schema 1.1

type user

type group
  relations
    define member: [user, group#member]

type doc
  relations
    define owner: [user]
    define viewer: [user, user:*, group#member, user with until] or owner

condition until(now: timestamp, end: timestamp) {
  now < end
}
`

// serve runs a server with a store that has the model, and returns its address and the store's id.
func serve(change ...func(*api.Options)) (address, store string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "ostiary-client")
	if err != nil {
		return "", "", nil, err
	}
	data, err := raftstore.Open(context.Background(), raftstore.Options{Dir: dir})
	if err != nil {
		return "", "", nil, err
	}
	options := api.Options{
		Backend: backend{data}, Engine: engine.New(engine.Options{}), Authenticator: api.Anonymous(), Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&options)
	}
	server, err := api.NewServer(options)
	if err != nil {
		return "", "", nil, err
	}
	var listeners [2]net.Listener
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return "", "", nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listeners[0], listeners[1]) }()
	stop = func() {
		cancel()
		if err := errors.Join(<-done, data.Close(), os.RemoveAll(dir)); err != nil {
			panic(err)
		}
	}
	address = listeners[0].Addr().String()
	store, err = newStore(address)
	return address, store, stop, err
}

// newStore makes a store with the model.
func newStore(address string) (string, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	fga := openfgav1.NewOpenFGAServiceClient(conn)
	made, err := fga.CreateStore(context.Background(), &openfgav1.CreateStoreRequest{Name: "documents"})
	if err != nil {
		return "", err
	}
	compiled, err := dsl.Compile("model.fga", []byte(model))
	if err != nil {
		return "", err
	}
	text, err := dsl.JSON(compiled)
	if err != nil {
		return "", err
	}
	request := &openfgav1.WriteAuthorizationModelRequest{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, request); err != nil {
		return "", err
	}
	request.StoreId = made.GetId()
	_, err = fga.WriteAuthorizationModel(context.Background(), request)
	return made.GetId(), err
}

// start serves until the test ends, and returns a client.
func start(t *testing.T, change ...func(*api.Options)) *client.Client {
	t.Helper()
	address, store, stop, err := serve(change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return dial(t, address, client.Options{Store: store, Timeout: time.Minute})
}

func dial(t *testing.T, address string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// viewers are tuples that make a user the viewer of n documents.
func viewers(user string, n int) []client.Tuple {
	all := make([]client.Tuple, n)
	for i := range all {
		all[i] = client.Tuple{User: user, Relation: "viewer", Object: fmt.Sprintf("doc:%04d", i)}
	}
	return all
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}
