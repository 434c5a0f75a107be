package main

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/ostiary/ostiary/api"
)

// TestAdmin asks a node over both surfaces and finds the requests among its metrics, which the listeners
// of the API do not serve.
func TestAdmin(t *testing.T) {
	grpcAddr, url, admin := startNodeAdmin(t, api.Anonymous(), func(o *nodeOptions) { o.memory.edgeCache = 8 << 20 })
	conn, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := openfgav1.NewOpenFGAServiceClient(conn)
	if _, err := client.CreateStore(t.Context(), &openfgav1.CreateStoreRequest{Name: "acme"}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Check(t.Context(), &openfgav1.CheckRequest{
		StoreId:  "01JZ0000000000000000000000",
		TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:ann", Relation: "viewer", Object: "doc:1"},
	}); err == nil {
		t.Fatal("a check of a store that is not there was answered")
	}
	if status, _ := get(t, url+"/stores"); status != http.StatusOK {
		t.Fatalf("got status %d", status)
	}
	status, text := get(t, admin+"/metrics")
	if status != http.StatusOK {
		t.Fatalf("got status %d: %s", status, text)
	}
	for _, want := range []string{
		`ostiary_api_request_duration_seconds_count{code="ok",consistency="",method="openfga.v1.OpenFGAService/CreateStore"} 1`,
		`ostiary_api_request_duration_seconds_count{code="ok",consistency="",method="openfga.v1.OpenFGAService/ListStores"} 1`,
		`ostiary_api_request_duration_seconds_count{code="ok",consistency="latest",method="openfga.v1.OpenFGAService/Check"} 0`,
		`ostiary_api_request_duration_seconds_count{code="store_id_not_found",consistency="latest",method="openfga.v1.OpenFGAService/Check"} 1`,
		"ostiary_raft_log_appends_total ", "ostiary_storage_edge_cache_hits_total ", "ostiary_storage_edge_cache_changed_total ",
		`ostiary_engine_checks_total{result="allowed"} 0`, `ostiary_engine_read_tuples_count{question="check"} 0`, "ostiary_engine_both_ended_checks_total 0",
		"ostiary_build_info{", "go_goroutines ",
	} {
		wantContains(t, "metrics", text, want)
	}
	if strings.Contains(text, "01JZ") {
		t.Error("a store stands in the metrics")
	}
	if status, _ := get(t, admin+"/debug/pprof/goroutine?debug=1"); status != http.StatusOK {
		t.Errorf("profiles: got status %d", status)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/"} {
		if status, _ := get(t, url+path); status != http.StatusNotFound {
			t.Errorf("the API serves %s: status %d", path, status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestListenAdmin takes the port of another program: a failure where it was chosen, a warning where it is
// the default.
func TestListenAdmin(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	if l, err := listenAdmin(other.Addr().String(), true, logger); err == nil || l != nil {
		t.Errorf("got %v, %v for an address that is taken", l, err)
	}
	if l, err := listenAdmin(other.Addr().String(), false, logger); err != nil || l != nil {
		t.Errorf("got %v, %v for the default address, which is taken", l, err)
	}
	wantContains(t, "log", log.String(), "--admin-addr")
	if l, err := listenAdmin("", true, logger); err != nil || l != nil {
		t.Errorf("got %v, %v for none", l, err)
	}
}
