package conformance

import (
	"context"
	"fmt"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
)

// Loaded is a store with a model and tuples, to ask questions about.
type Loaded struct{ Store, Model string }

// load makes a store that holds a model and tuples.
func load(ctx context.Context, c openfgav1.OpenFGAServiceClient, name, model string, tuples []SuiteTuple) (Loaded, error) {
	store, err := c.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: name})
	if err != nil {
		return Loaded{}, fmt.Errorf("%s: create a store: %w", name, err)
	}
	id, err := WriteModel(ctx, c, store.GetId(), model)
	if err != nil {
		return Loaded{}, fmt.Errorf("%s: %w", name, err)
	}
	if err := WriteTuples(ctx, c, store.GetId(), id, tuples); err != nil {
		return Loaded{}, fmt.Errorf("%s: %w", name, err)
	}
	return Loaded{Store: store.GetId(), Model: id}, nil
}

// Load writes the organization to a store of its own.
func (o *Organization) Load(ctx context.Context, c openfgav1.OpenFGAServiceClient) (Loaded, error) {
	return load(ctx, c, "organization", o.Model, o.Tuples)
}

// Ask asks every check and every list over one transport.
func (o *Organization) Ask(ctx context.Context, q Questions, at Loaded, results *Results) {
	for _, c := range o.Checks {
		askCheck(ctx, q, at, "organization", c.SuiteTuple, c.Allowed, results)
	}
	for _, l := range o.Lists {
		switch l.List {
		case "objects":
			askListObjects(ctx, q, at, "organization", l.User, l.Relation, l.Type, l.Expect, results)
		case "users":
			got, err := q.ListUsers(ctx, at.Store, at.Model, l.Object, l.Relation, l.UserType)
			results.judge(KindListUsers, fmt.Sprintf("organization: list %s that have %s as %s", l.UserType, l.Object, l.Relation), wrongAnswer(got, err, l.Expect))
		default:
			results.judge(KindListObjects, "organization", fmt.Sprintf("%q is no kind of list", l.List))
		}
	}
}

// Load writes the test's model and tuples to a store of their own.
func (t *Translated) Load(ctx context.Context, c openfgav1.OpenFGAServiceClient) (Loaded, error) {
	return load(ctx, c, "translated "+t.Name, t.ModelDSL, t.Tuples)
}

// Ask asks every check and every list over one transport.
func (t *Translated) Ask(ctx context.Context, q Questions, at Loaded, results *Results) {
	for _, c := range t.Checks {
		askCheck(ctx, q, at, t.Name, SuiteTuple{Object: c.Object, Relation: c.Relation, User: c.User}, c.Expected, results)
	}
	for _, l := range t.ListObjects {
		askListObjects(ctx, q, at, t.Name, l.User, l.Relation, l.Type, l.Objects, results)
	}
}

func askCheck(ctx context.Context, q Questions, at Loaded, name string, tuple SuiteTuple, want bool, results *Results) {
	problem := ""
	if allowed, err := q.Check(ctx, at.Store, at.Model, tuple); err != nil || allowed != want {
		problem = fmt.Sprintf("got allowed=%t (error %v), want %t", allowed, err, want)
	}
	results.judge(KindCheck, fmt.Sprintf("%s: check %s", name, tuple), problem)
}

func askListObjects(ctx context.Context, q Questions, at Loaded, name, user, relation, typ string, want []string, results *Results) {
	got, err := q.ListObjects(ctx, at.Store, at.Model, user, relation, typ)
	results.judge(KindListObjects, fmt.Sprintf("%s: list %s that %s has as %s", name, typ, user, relation), wrongAnswer(got, err, want))
}

// wrongAnswer compares the answer to a list with the expected one; empty is as expected.
func wrongAnswer(got []string, err error, want []string) string {
	if err != nil {
		return err.Error()
	}
	return wrongList(got, want)
}
