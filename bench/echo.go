package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
)

// Echo is an openfga.v1 server that decodes what it is asked and always answers "denied", or nothing: it
// knows nothing. What it costs to ask is what the wire costs; no server that answers the same protocol
// with the same libraries can be cheaper.
//
// Over gRPC it has the settings of Ostiary's own server (package api), of which the number of stream
// workers alone makes a difference. Over HTTP it is what one would write with net/http and encoding/json.
type Echo struct {
	openfgav1.UnimplementedOpenFGAServiceServer
}

// echoWorkersPerCore is what package api has as streamWorkersPerCore.
const echoWorkersPerCore = 16

// echoID is the id of every store and model of an Echo.
const echoID = "01J00000000000000000000000"

func (Echo) Check(context.Context, *openfgav1.CheckRequest) (*openfgav1.CheckResponse, error) {
	return &openfgav1.CheckResponse{}, nil
}

func (Echo) BatchCheck(_ context.Context, r *openfgav1.BatchCheckRequest) (*openfgav1.BatchCheckResponse, error) {
	result := make(map[string]*openfgav1.BatchCheckSingleResult, len(r.GetChecks()))
	for _, check := range r.GetChecks() {
		result[check.GetCorrelationId()] = &openfgav1.BatchCheckSingleResult{
			CheckResult: &openfgav1.BatchCheckSingleResult_Allowed{Allowed: false},
		}
	}
	return &openfgav1.BatchCheckResponse{Result: result}, nil
}

func (Echo) ListObjects(context.Context, *openfgav1.ListObjectsRequest) (*openfgav1.ListObjectsResponse, error) {
	return &openfgav1.ListObjectsResponse{}, nil
}

func (Echo) StreamedListObjects(*openfgav1.StreamedListObjectsRequest, openfgav1.OpenFGAService_StreamedListObjectsServer) error {
	return nil
}

func (Echo) ListUsers(context.Context, *openfgav1.ListUsersRequest) (*openfgav1.ListUsersResponse, error) {
	return &openfgav1.ListUsersResponse{}, nil
}

func (Echo) Write(context.Context, *openfgav1.WriteRequest) (*openfgav1.WriteResponse, error) {
	return &openfgav1.WriteResponse{}, nil
}

func (Echo) CreateStore(_ context.Context, r *openfgav1.CreateStoreRequest) (*openfgav1.CreateStoreResponse, error) {
	return &openfgav1.CreateStoreResponse{Id: echoID, Name: r.GetName()}, nil
}

func (Echo) WriteAuthorizationModel(context.Context, *openfgav1.WriteAuthorizationModelRequest) (*openfgav1.WriteAuthorizationModelResponse, error) {
	return &openfgav1.WriteAuthorizationModelResponse{AuthorizationModelId: echoID}, nil
}

// Serve answers on both listeners, which it closes, until ctx ends.
func (e Echo) Serve(ctx context.Context, grpcListener, httpListener net.Listener) error {
	rpc := grpc.NewServer(
		grpc.NumStreamWorkers(echoWorkersPerCore*uint32(runtime.GOMAXPROCS(0))), grpc.MaxRecvMsgSize(64<<20),
	)
	openfgav1.RegisterOpenFGAServiceServer(rpc, e)
	web := &http.Server{Handler: e.handler(), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 2)
	go func() { ended <- rpc.Serve(grpcListener) }()
	go func() { ended <- web.Serve(httpListener) }()
	var err error
	left := 2
	select {
	case <-ctx.Done():
	case err = <-ended:
		left--
	}
	rpc.Stop()
	err = errors.Join(err, web.Close())
	for range left {
		if ended := <-ended; !errors.Is(ended, http.ErrServerClosed) && !errors.Is(ended, grpc.ErrServerStopped) {
			err = errors.Join(err, ended)
		}
	}
	return err
}

// echoTuple and echoCheck are a Check as JSON.
type echoTuple struct {
	User     string `json:"user"`
	Relation string `json:"relation"`
	Object   string `json:"object"`
}

type echoCheck struct {
	TupleKey      echoTuple      `json:"tuple_key"`
	Model         string         `json:"authorization_model_id"`
	Context       map[string]any `json:"context"`
	CorrelationID string         `json:"correlation_id"`
}

func (Echo) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /stores/{store}/check", func(w http.ResponseWriter, r *http.Request) {
		var question echoCheck
		if echoDecode(w, r, &question) {
			echoAnswer(w, map[string]any{"allowed": false})
		}
	})
	mux.HandleFunc("POST /stores/{store}/batch-check", func(w http.ResponseWriter, r *http.Request) {
		var questions struct {
			Checks []echoCheck `json:"checks"`
		}
		if echoDecode(w, r, &questions) {
			result := make(map[string]any, len(questions.Checks))
			for _, check := range questions.Checks {
				result[check.CorrelationID] = map[string]bool{"allowed": false}
			}
			echoAnswer(w, map[string]any{"result": result})
		}
	})
	constant := func(pattern string, answer map[string]any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			var any map[string]any
			if echoDecode(w, r, &any) {
				echoAnswer(w, answer)
			}
		})
	}
	constant("POST /stores", map[string]any{"id": echoID})
	constant("POST /stores/{store}/authorization-models", map[string]any{"authorization_model_id": echoID})
	constant("POST /stores/{store}/write", map[string]any{})
	constant("POST /stores/{store}/list-objects", map[string]any{"objects": []string{}})
	constant("POST /stores/{store}/list-users", map[string]any{"users": []string{}})
	return mux
}

func echoDecode(w http.ResponseWriter, r *http.Request, into any) bool {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"message":%q}`, err), http.StatusBadRequest)
	}
	return err == nil
}

func echoAnswer(w http.ResponseWriter, answer any) {
	data, err := json.Marshal(answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data)
}
