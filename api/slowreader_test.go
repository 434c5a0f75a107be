package api_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
)

// running counts the goroutines that are in a function.
func running(function string) int {
	stacks := make([]byte, 4<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), function+"(")
}

// A client who does not read a stream holds nothing of the server once the request's time is up.
func TestSlowReaders(t *testing.T) {
	h := start(t, func(o *api.Options) { o.Limits.RequestTimeout = 8 * time.Second }) // enough for a first object on a busy machine
	store, _ := h.surfaces()[0].newStore(t, testModel)
	pad := strings.Repeat("x", 190)
	h.fill(t, store, 50_000, func(i int) ostiary.Tuple {
		return ostiary.Tuple{
			Object: ostiary.ObjectRef{Type: "doc", ID: fmt.Sprintf("%d%s", i, pad)}, Relation: "viewer",
			Subject: ostiary.SubjectRef{Type: "user", ID: "ann"},
		}
	})
	stream, err := openfgav1.NewOpenFGAServiceClient(h.conn).StreamedListObjects(t.Context(),
		&openfgav1.StreamedListObjectsRequest{StoreId: store, Type: "doc", Relation: "viewer", User: "user:ann"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	for _, header := range []string{"", "Grpc-Timeout: 100S\r\n"} { // which only the gateway knows
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		body := `{"type":"doc","relation":"viewer","user":"user:ann"}`
		fmt.Fprintf(conn, "POST /stores/%s/streamed-list-objects HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", store, header, len(body), body)
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, function := range []string{"(*Server).StreamedListObjects", "(*Server).writeStream", "(*serverStream).SendMsg", "runtime.ForwardResponseStream"} {
		for wait := 0; running(function) > 0; wait++ {
			if wait == 300 {
				t.Fatalf("%s still runs", function)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}
