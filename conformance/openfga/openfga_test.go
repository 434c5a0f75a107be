package openfga

import (
	"os"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"github.com/openfga/openfga/tests"
	"github.com/openfga/openfga/tests/check"
	"github.com/openfga/openfga/tests/listobjects"
	"github.com/openfga/openfga/tests/listusers"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func TestCheck(t *testing.T)             { check.RunAllTests(t, client(t)) }
func TestCheckMatrix(t *testing.T)       { check.RunMatrixTests(t, "server", "none", client(t)) }
func TestListObjects(t *testing.T)       { listobjects.RunAllTests(t, client(t)) }
func TestListObjectsMatrix(t *testing.T) { listobjects.RunMatrixTests(t, "server", "none", client(t)) }
func TestListUsers(t *testing.T)         { listusers.RunAllTests(t, client(t)) }

// client returns a client of the server that the environment names.
func client(t *testing.T) tests.ClientInterface {
	t.Helper()
	address := os.Getenv("OSTIARY_CONFORMANCE_GRPC")
	if address == "" {
		t.Skip("OSTIARY_CONFORMANCE_GRPC names no server: run `make conformance` at the root of the repository")
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return openfgav1.NewOpenFGAServiceClient(conn)
}
