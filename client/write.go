package client

import (
	"context"
	"crypto/rand"
	"fmt"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"
)

// Changes are tuples to create and to delete: 100 together, each once.
type Changes struct {
	Writes, Deletes []Tuple
	// Condition is that of all Writes, by its name in the model. Empty: none.
	Condition string
	// Values are those of the condition's parameters that are known now.
	Values map[string]any
	// IgnoreExisting passes over tuples to be created that are there, and IgnoreMissing over those to be deleted that are
	// not. Without them such a tuple refuses all changes.
	IgnoreExisting, IgnoreMissing bool
	// Key names the changes, so that they take effect once, however often they are sent: 1 to 128 letters, digits or
	// characters of -_.:/+=. Empty: one is drawn for the call, which then is repeated safely within it. Set it to repeat
	// the call after ErrOutcomeUnknown.
	Key string
}

// Write makes changes: all of them, in one revision, or none. It returns the consistency token of that revision, which
// is empty for a plain OpenFGA server.
//
// Errors: those of Check, ErrConflict, and beside ErrUnavailable or ErrServer perhaps ErrOutcomeUnknown. A plain OpenFGA
// server does not know keys: what it may have done is not sent again.
func (c *Client) Write(ctx context.Context, changes Changes, options ...Option) (token string, err error) {
	q := c.query(options)
	request, err := c.request(changes, q)
	if err != nil {
		return "", err
	}
	key := changes.Key
	if key == "" {
		key = rand.Text()
	}
	header("ostiary-idempotency-key", key)(q)
	h, err := c.call(ctx, "Write", q, c.isOstiary, func(ctx context.Context, o ...grpc.CallOption) error {
		_, err := c.fga.Write(ctx, request, o...)
		return err
	})
	return h.get("ostiary-token"), err
}

func (c *Client) request(changes Changes, q *query) (*openfgav1.WriteRequest, error) {
	var condition *openfgav1.RelationshipCondition
	if changes.Condition != "" {
		values, err := structpb.NewStruct(changes.Values)
		if err != nil {
			return nil, fmt.Errorf("encode the values of the condition: %w: %w", err, ErrInvalid)
		}
		condition = &openfgav1.RelationshipCondition{Name: changes.Condition, Context: values}
	}
	request := &openfgav1.WriteRequest{StoreId: c.o.Store, AuthorizationModelId: q.model}
	if len(changes.Writes) > 0 {
		request.Writes = &openfgav1.WriteRequestWrites{}
		if changes.IgnoreExisting {
			request.Writes.OnDuplicate = "ignore"
		}
		for _, t := range changes.Writes {
			k := t.key()
			k.Condition = condition
			request.Writes.TupleKeys = append(request.Writes.TupleKeys, k)
		}
	}
	if len(changes.Deletes) > 0 {
		request.Deletes = &openfgav1.WriteRequestDeletes{}
		if changes.IgnoreMissing {
			request.Deletes.OnMissing = "ignore"
		}
		for _, t := range changes.Deletes {
			request.Deletes.TupleKeys = append(request.Deletes.TupleKeys,
				&openfgav1.TupleKeyWithoutCondition{User: t.User, Relation: t.Relation, Object: t.Object})
		}
	}
	return request, nil
}
