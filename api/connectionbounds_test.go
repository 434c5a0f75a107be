package api_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/api"
)

// TestTooManyConnections: a connection above the bound is closed at once, and those below it are served.
func TestTooManyConnections(t *testing.T) {
	h := start(t, func(o *api.Options) { o.Limits.MaxConnections = 3 })
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	served := func(conn net.Conn) bool {
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return false
		}
		answer := make([]byte, len("HTTP/1.1 200"))
		_, err := io.ReadFull(conn, answer)
		return err == nil && string(answer) == "HTTP/1.1 200"
	}
	var open []net.Conn
	for range 3 {
		conn := dial()
		if !served(conn) {
			t.Fatal("a connection below the bound is not served")
		}
		open = append(open, conn)
	}
	if served(dial()) {
		t.Error("a connection above the bound is served")
	}
	open[0].Close()
	for end := time.Now().Add(30 * time.Second); !served(dial()); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the place of a connection that ended is not given to another")
		}
	}
}

// TestRequestRate: who asks more often than may be waits, on every surface, and health checks go on.
func TestRequestRate(t *testing.T) {
	h := start(t, func(o *api.Options) { o.Limits.MaxRequestRate = 1 })
	client := openfgav1.NewOpenFGAServiceClient(h.conn)
	refused := false
	for range 1000 { // more than a bucket of one a second gives back meanwhile
		if _, err := client.ListStores(t.Context(), &openfgav1.ListStoresRequest{}); status.Code(err) == codes.ResourceExhausted ||
			status.Code(err) == codes.Code(openfgav1.InternalErrorCode_resource_exhausted) {
			refused = true
			break
		}
	}
	if !refused {
		t.Error("1000 requests at once were answered")
	}
	for what, body := range map[string]string{"check": `{"tuple_key":{"object":"doc:1","relation":"viewer","user":"user:ann"}}`, "read": `{}`} {
		status, wait := 0, ""
		for range 1000 {
			resp, err := http.Post(h.base+"/stores/01ARZ3NDEKTSV4RRFFQ69G5FAV/"+what, "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if status, wait = resp.StatusCode, resp.Header.Get("Retry-After"); status == http.StatusTooManyRequests {
				break
			}
		}
		if status != http.StatusTooManyRequests || wait == "" {
			t.Errorf("%s: status %d, Retry-After %q", what, status, wait)
		}
	}
	for range 10 {
		if _, err := healthv1.NewHealthClient(h.conn).Check(t.Context(), &healthv1.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
	}
}
