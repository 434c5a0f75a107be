package conformance

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/storage"
)

// data returns the path of a file or folder of ../shared, or skips the test where it is absent.
func data(t *testing.T, parts ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{"..", "..", "shared"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is absent", path)
	}
	return path
}

// server returns clients of the server under test: the one that the environment names, or one of this
// process on a folder of its own.
func server(t *testing.T) (GRPC, HTTP) {
	t.Helper()
	grpcAddr, httpAddr := os.Getenv("OSTIARY_CONFORMANCE_GRPC"), os.Getenv("OSTIARY_CONFORMANCE_HTTP")
	if grpcAddr == "" {
		grpcAddr, httpAddr = startServer(t)
	}
	conn, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxBodyBytes)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return GRPC{openfgav1.NewOpenFGAServiceClient(conn)}, HTTP{"http://" + httpAddr}
}

func startServer(t *testing.T) (grpcAddr, httpAddr string) {
	t.Helper()
	store, err := raftstore.Open(t.Context(), raftstore.Options{Dir: t.TempDir(), OnFatal: func(err error) { t.Errorf("the store cannot go on: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	unlimited := api.Limits{ListObjectsMaxResults: -1, ListUsersMaxResults: -1, ListObjectsDeadline: -1, ListUsersDeadline: -1, RequestTimeout: time.Minute}
	s, err := api.NewServer(api.Options{
		Backend: backend{store}, Engine: engine.New(engine.Options{}), Authenticator: api.Anonymous(), Limits: unlimited})
	if err != nil {
		t.Fatal(err)
	}
	listeners := make([]net.Listener, 2)
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listeners[0], listeners[1]) }()
	t.Cleanup(func() { // before the store is closed
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listeners[0].Addr().String(), listeners[1].Addr().String()
}

// backend makes a raftstore.Store what api answers from, as cmd/ostiary does.
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
