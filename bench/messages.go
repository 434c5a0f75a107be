package bench

import (
	"encoding/json"
	"fmt"
	"strconv"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/bench/workload"
	"github.com/ostiary/ostiary/dsl"
)

// Store is where one store of a workload lies on a server.
type Store struct {
	ID    string `json:"store_id"`
	Model string `json:"authorization_model_id"` // empty: the server's newest
}

// modelMessage compiles the model of a workload for a store.
func modelMessage(w *workload.Workload, store string) (*openfgav1.WriteAuthorizationModelRequest, error) {
	compiled, err := dsl.Compile(w.Name+".fga", []byte(w.Model))
	if err != nil {
		return nil, fmt.Errorf("compile the model of workload %s: %w", w.Name, err)
	}
	data, err := dsl.JSON(compiled)
	if err != nil {
		return nil, fmt.Errorf("encode the model of workload %s: %w", w.Name, err)
	}
	request := &openfgav1.WriteAuthorizationModelRequest{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, request); err != nil {
		return nil, fmt.Errorf("encode the model of workload %s: %w", w.Name, err)
	}
	request.StoreId = store
	return request, nil
}

func checkMessage(stores []Store, q workload.Question) (*openfgav1.CheckRequest, error) {
	values, err := contextOf(q)
	if err != nil {
		return nil, err
	}
	store := stores[q.Store]
	return &openfgav1.CheckRequest{
		StoreId: store.ID, AuthorizationModelId: store.Model, TupleKey: checkKey(q), Context: values,
	}, nil
}

func checkKey(q workload.Question) *openfgav1.CheckRequestTupleKey {
	return &openfgav1.CheckRequestTupleKey{User: q.Subject.String(), Relation: q.Relation, Object: q.Object.String()}
}

// batchMessage makes one call of questions about one store. The n-th question has the correlation id n.
func batchMessage(stores []Store, questions []workload.Question) (*openfgav1.BatchCheckRequest, error) {
	store := stores[questions[0].Store]
	request := &openfgav1.BatchCheckRequest{StoreId: store.ID, AuthorizationModelId: store.Model}
	for i, q := range questions {
		values, err := contextOf(q)
		if err != nil {
			return nil, err
		}
		request.Checks = append(request.Checks, &openfgav1.BatchCheckItem{
			TupleKey: checkKey(q), Context: values, CorrelationId: strconv.Itoa(i),
		})
	}
	return request, nil
}

func listObjectsMessage(stores []Store, q workload.Question) (*openfgav1.ListObjectsRequest, error) {
	values, err := contextOf(q)
	if err != nil {
		return nil, err
	}
	store := stores[q.Store]
	return &openfgav1.ListObjectsRequest{
		StoreId: store.ID, AuthorizationModelId: store.Model,
		Type: q.Object.Type, Relation: q.Relation, User: q.Subject.String(), Context: values,
	}, nil
}

func streamedMessage(stores []Store, q workload.Question) (*openfgav1.StreamedListObjectsRequest, error) {
	plain, err := listObjectsMessage(stores, q)
	if err != nil {
		return nil, err
	}
	return &openfgav1.StreamedListObjectsRequest{
		StoreId: plain.StoreId, AuthorizationModelId: plain.AuthorizationModelId,
		Type: plain.Type, Relation: plain.Relation, User: plain.User, Context: plain.Context,
	}, nil
}

func listUsersMessage(stores []Store, q workload.Question) (*openfgav1.ListUsersRequest, error) {
	values, err := contextOf(q)
	if err != nil {
		return nil, err
	}
	store := stores[q.Store]
	return &openfgav1.ListUsersRequest{
		StoreId: store.ID, AuthorizationModelId: store.Model,
		Object:      &openfgav1.Object{Type: q.Object.Type, Id: q.Object.ID},
		Relation:    q.Relation,
		UserFilters: []*openfgav1.UserTypeFilter{{Type: q.Subject.Type, Relation: q.Subject.Relation}},
		Context:     values,
	}, nil
}

// writeMessage writes and deletes tuples in one call.
func writeMessage(store Store, writes, deletes []ostiary.Edge) (*openfgav1.WriteRequest, error) {
	request := &openfgav1.WriteRequest{StoreId: store.ID, AuthorizationModelId: store.Model}
	for _, e := range writes {
		key, err := tupleKey(e)
		if err != nil {
			return nil, err
		}
		if request.Writes == nil {
			request.Writes = &openfgav1.WriteRequestWrites{}
		}
		request.Writes.TupleKeys = append(request.Writes.TupleKeys, key)
	}
	for _, e := range deletes {
		if request.Deletes == nil {
			request.Deletes = &openfgav1.WriteRequestDeletes{}
		}
		request.Deletes.TupleKeys = append(request.Deletes.TupleKeys, &openfgav1.TupleKeyWithoutCondition{
			User: e.Subject.String(), Relation: e.Relation, Object: e.Object.String(),
		})
	}
	return request, nil
}

func tupleKey(e ostiary.Edge) (*openfgav1.TupleKey, error) {
	key := &openfgav1.TupleKey{User: e.Subject.String(), Relation: e.Relation, Object: e.Object.String()}
	if len(e.Conditions) == 0 {
		return key, nil
	}
	key.Condition = &openfgav1.RelationshipCondition{Name: e.Conditions[0].Condition}
	if data := e.Conditions[0].Context; len(data) > 0 {
		var values map[string]any
		err := json.Unmarshal(data, &values)
		if err == nil {
			key.Condition.Context, err = structpb.NewStruct(values)
		}
		if err != nil {
			return nil, fmt.Errorf("context of the tuple %s: %w", e.Tuple, err)
		}
	}
	return key, nil
}

func contextOf(q workload.Question) (*structpb.Struct, error) {
	if len(q.Context) == 0 {
		return nil, nil
	}
	values, err := structpb.NewStruct(q.Context)
	if err != nil {
		return nil, fmt.Errorf("context of the question about %s: %w", q.Object, err)
	}
	return values, nil
}
