package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Questions are the calls that are asked over more than one transport.
type Questions interface {
	Check(ctx context.Context, store, model string, t SuiteTuple) (bool, error)
	ListObjects(ctx context.Context, store, model, user, relation, typ string) ([]string, error)
	ListUsers(ctx context.Context, store, model, object, relation, userType string) ([]string, error)
}

// GRPC asks over gRPC.
type GRPC struct {
	Client openfgav1.OpenFGAServiceClient
}

// HTTP asks over HTTP/JSON, at a base address such as "http://127.0.0.1:8080".
type HTTP struct{ Base string }

var (
	_ Questions = GRPC{}
	_ Questions = HTTP{}
)

func checkRequest(store, model string, t SuiteTuple) *openfgav1.CheckRequest {
	return &openfgav1.CheckRequest{StoreId: store, AuthorizationModelId: model,
		TupleKey: &openfgav1.CheckRequestTupleKey{Object: t.Object, Relation: t.Relation, User: t.User}}
}

func listObjectsRequest(store, model, user, relation, typ string) *openfgav1.ListObjectsRequest {
	return &openfgav1.ListObjectsRequest{StoreId: store, AuthorizationModelId: model, User: user, Relation: relation, Type: typ}
}

func listUsersRequest(store, model, object, relation, userType string) *openfgav1.ListUsersRequest {
	typ, id, _ := strings.Cut(object, ":")
	return &openfgav1.ListUsersRequest{StoreId: store, AuthorizationModelId: model,
		Object: &openfgav1.Object{Type: typ, Id: id}, Relation: relation,
		UserFilters: []*openfgav1.UserTypeFilter{{Type: userType}}}
}

// Check implements Questions.
func (g GRPC) Check(ctx context.Context, store, model string, t SuiteTuple) (bool, error) {
	answer, err := g.Client.Check(ctx, checkRequest(store, model, t))
	return answer.GetAllowed(), err
}

// ListObjects implements Questions.
func (g GRPC) ListObjects(ctx context.Context, store, model, user, relation, typ string) ([]string, error) {
	answer, err := g.Client.ListObjects(ctx, listObjectsRequest(store, model, user, relation, typ))
	return answer.GetObjects(), err
}

// ListUsers implements Questions.
func (g GRPC) ListUsers(ctx context.Context, store, model, object, relation, userType string) ([]string, error) {
	answer, err := g.Client.ListUsers(ctx, listUsersRequest(store, model, object, relation, userType))
	return userTexts(answer), err
}

// Check implements Questions.
func (h HTTP) Check(ctx context.Context, store, model string, t SuiteTuple) (bool, error) {
	var answer openfgav1.CheckResponse
	err := h.post(ctx, store, "check", checkRequest(store, model, t), &answer)
	return answer.GetAllowed(), err
}

// ListObjects implements Questions.
func (h HTTP) ListObjects(ctx context.Context, store, model, user, relation, typ string) ([]string, error) {
	var answer openfgav1.ListObjectsResponse
	err := h.post(ctx, store, "list-objects", listObjectsRequest(store, model, user, relation, typ), &answer)
	return answer.GetObjects(), err
}

// ListUsers implements Questions.
func (h HTTP) ListUsers(ctx context.Context, store, model, object, relation, userType string) ([]string, error) {
	var answer openfgav1.ListUsersResponse
	err := h.post(ctx, store, "list-users", listUsersRequest(store, model, object, relation, userType), &answer)
	return userTexts(&answer), err
}

// maxBodyBytes bounds an answer that is read into memory.
const maxBodyBytes = 64 << 20

func (h HTTP) post(ctx context.Context, store, call string, in, out proto.Message) error {
	body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, h.Base+"/stores/"+store+"/"+call, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBodyBytes))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d: %.500s", call, answer.StatusCode, text)
	}
	return protojson.Unmarshal(text, out)
}
