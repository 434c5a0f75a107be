package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// target is a store of a server.
type target struct {
	client       openfgav1.OpenFGAServiceClient
	store, model string
}

// answer is what a server said, in a form that can be compared: the number of the error, or else the
// items of the answer, sorted where their order means nothing.
type answer struct {
	Code    uint32   `json:"code"`
	Message string   `json:"message,omitempty"` // not compared
	Items   []string `json:"items,omitempty"`
}

func (a answer) equal(b answer) bool { return a.Code == b.Code && slices.Equal(a.Items, b.Items) }

func (a answer) String() string {
	if a.Code != 0 {
		return fmt.Sprintf("error %d: %.300s", a.Code, a.Message)
	}
	return strings.Join(a.Items, " ")
}

// newTarget makes a store.
func newTarget(ctx context.Context, client openfgav1.OpenFGAServiceClient) (*target, error) {
	store, err := client.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "differ"})
	if err != nil {
		return nil, fmt.Errorf("create a store: %w", err)
	}
	return &target{client: client, store: store.GetId()}, nil
}

// addressed returns the request with the target's ids where it has none.
func (t *target) addressed(q question) proto.Message {
	m := proto.Clone(q.request)
	r := m.ProtoReflect()
	ids := map[protoreflect.Name]string{"store_id": t.store, "authorization_model_id": t.model}
	if q.latest {
		delete(ids, "authorization_model_id")
	}
	for name, id := range ids {
		if f := r.Descriptor().Fields().ByName(name); f != nil && r.Get(f).String() == "" && id != "" {
			r.Set(f, protoreflect.ValueOfString(id))
		}
	}
	return m
}

// maxPages bounds what is read of one list.
const maxPages = 200

// ask asks a question. An error of the connection is an answer as well: its code is compared.
func (t *target) ask(ctx context.Context, q question) answer {
	items, err := t.items(ctx, t.addressed(q))
	if err != nil {
		s := status.Convert(err)
		return answer{Code: uint32(s.Code()), Message: s.Message()}
	}
	return answer{Items: items}
}

func (t *target) items(ctx context.Context, request proto.Message) ([]string, error) {
	switch req := request.(type) {
	case *openfgav1.WriteAuthorizationModelRequest:
		resp, err := t.client.WriteAuthorizationModel(ctx, req)
		if err == nil {
			t.model = resp.GetAuthorizationModelId()
		}
		return []string{"written"}, err
	case *openfgav1.WriteRequest:
		_, err := t.client.Write(ctx, req)
		return []string{"written"}, err
	case *openfgav1.CheckRequest:
		resp, err := t.client.Check(ctx, req)
		return []string{allowed(resp.GetAllowed())}, err
	case *openfgav1.BatchCheckRequest:
		resp, err := t.client.BatchCheck(ctx, req)
		return batchItems(resp), err
	case *openfgav1.ListObjectsRequest:
		resp, err := t.client.ListObjects(ctx, req)
		return sorted(resp.GetObjects()), err
	case *openfgav1.StreamedListObjectsRequest:
		return t.stream(ctx, req)
	case *openfgav1.ListUsersRequest:
		resp, err := t.client.ListUsers(ctx, req)
		return userItems(resp), err
	case *openfgav1.ExpandRequest:
		resp, err := t.client.Expand(ctx, req)
		return []string{treeText(resp.GetTree().GetRoot())}, err
	case *openfgav1.ReadRequest:
		items, err := t.read(ctx, req)
		return sorted(items), err
	case *openfgav1.ReadChangesRequest:
		return t.readChanges(ctx, req)
	}
	return nil, fmt.Errorf("no call takes a %T", request)
}

func allowed(yes bool) string {
	if yes {
		return "allowed"
	}
	return "denied"
}

func sorted(items []string) []string { return slices.Sorted(slices.Values(items)) }

func batchItems(resp *openfgav1.BatchCheckResponse) []string {
	var items []string
	for id, r := range resp.GetResult() {
		text := allowed(r.GetAllowed())
		if e := r.GetError(); e != nil {
			text = fmt.Sprintf("error %d", max(int32(e.GetInputError()), int32(e.GetInternalError())))
		}
		items = append(items, id+"="+text)
	}
	return sorted(items)
}

func (t *target) stream(ctx context.Context, req *openfgav1.StreamedListObjectsRequest) ([]string, error) {
	stream, err := t.client.StreamedListObjects(ctx, req)
	if err != nil {
		return nil, err
	}
	var items []string
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return sorted(items), nil
		}
		if err != nil {
			return nil, err
		}
		items = append(items, resp.GetObject())
	}
}

func userItems(resp *openfgav1.ListUsersResponse) []string {
	var items []string
	for _, user := range resp.GetUsers() {
		switch u := user.GetUser().(type) {
		case *openfgav1.User_Object:
			items = append(items, u.Object.GetType()+":"+u.Object.GetId())
		case *openfgav1.User_Userset:
			items = append(items, u.Userset.GetType()+":"+u.Userset.GetId()+"#"+u.Userset.GetRelation())
		case *openfgav1.User_Wildcard:
			items = append(items, u.Wildcard.GetType()+":*")
		}
	}
	return sorted(items)
}

func (t *target) read(ctx context.Context, req *openfgav1.ReadRequest) ([]string, error) {
	var items []string
	for range maxPages {
		resp, err := t.client.Read(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, tuple := range resp.GetTuples() {
			items = append(items, keyText(tuple.GetKey()))
		}
		if req.ContinuationToken = resp.GetContinuationToken(); req.ContinuationToken == "" {
			break
		}
	}
	return items, nil
}

func (t *target) readChanges(ctx context.Context, req *openfgav1.ReadChangesRequest) ([]string, error) {
	var items []string
	for range maxPages {
		resp, err := t.client.ReadChanges(ctx, req)
		if err != nil {
			return nil, err
		}
		for _, c := range resp.GetChanges() {
			items = append(items, strings.TrimPrefix(c.GetOperation().String(), "TUPLE_OPERATION_")+" "+keyText(c.GetTupleKey()))
		}
		if req.ContinuationToken = resp.GetContinuationToken(); req.ContinuationToken == "" || len(resp.GetChanges()) == 0 {
			break
		}
	}
	sortDeletes(items)
	return items, nil
}

// sortDeletes sorts deletes that follow each other: OpenFGA reports those of one write in the order in
// which it finds them.
func sortDeletes(changes []string) {
	isDelete := func(i int) bool { return i < len(changes) && strings.HasPrefix(changes[i], "DELETE ") }
	for i := 0; i < len(changes); i++ {
		start := i
		for isDelete(i) {
			i++
		}
		slices.Sort(changes[start:min(i, len(changes))])
	}
}

// keyText is a tuple with its condition.
func keyText(k *openfgav1.TupleKey) string {
	text := k.GetObject() + "#" + k.GetRelation() + "@" + k.GetUser()
	if c := k.GetCondition(); c != nil {
		text += " with " + c.GetName()
		if len(c.GetContext().GetFields()) > 0 {
			text += " " + jsonText(c.GetContext())
		}
	}
	return text
}

// jsonText is JSON without the blanks that protojson varies.
func jsonText(m proto.Message) string {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return compact(data)
}

// treeText is the tree of an Expand; the users of a leaf are sorted.
func treeText(n *openfgav1.UsersetTree_Node) string {
	if n == nil {
		return "none"
	}
	text := n.GetName() + "="
	children := func(nodes ...*openfgav1.UsersetTree_Node) string {
		var parts []string
		for _, c := range nodes {
			parts = append(parts, treeText(c))
		}
		return "(" + strings.Join(parts, ", ") + ")"
	}
	switch v := n.GetValue().(type) {
	case *openfgav1.UsersetTree_Node_Leaf:
		switch l := v.Leaf.GetValue().(type) {
		case *openfgav1.UsersetTree_Leaf_Users:
			return text + "users" + fmt.Sprint(sorted(l.Users.GetUsers()))
		case *openfgav1.UsersetTree_Leaf_Computed:
			return text + "computed[" + l.Computed.GetUserset() + "]"
		case *openfgav1.UsersetTree_Leaf_TupleToUserset:
			var computed []string
			for _, c := range l.TupleToUserset.GetComputed() {
				computed = append(computed, c.GetUserset())
			}
			return text + "from " + l.TupleToUserset.GetTupleset() + fmt.Sprint(sorted(computed))
		}
	case *openfgav1.UsersetTree_Node_Union:
		return text + "union" + children(v.Union.GetNodes()...)
	case *openfgav1.UsersetTree_Node_Intersection:
		return text + "intersection" + children(v.Intersection.GetNodes()...)
	case *openfgav1.UsersetTree_Node_Difference:
		return text + "difference" + children(v.Difference.GetBase(), v.Difference.GetSubtract())
	}
	return text + "unknown"
}
