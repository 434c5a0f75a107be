package e2e

import (
	"slices"
	"sync"
	"testing"

	openfga "github.com/openfga/go-sdk"
	"github.com/openfga/go-sdk/client"
)

type values = map[string]any

func conditional(object, user, condition string, context values) client.ClientTupleKey {
	tuple := key(object, "viewer", user)
	tuple.Condition = &openfga.RelationshipCondition{Name: condition, Context: &context}
	return tuple
}

// newConditionStore has ann as a viewer of two docs under conditions, and of one without.
func newConditionStore(t *testing.T, c *client.OpenFgaClient) {
	t.Helper()
	newStore(t, c, "conditions")
	writeModel(t, c, "conditions.json")
	if _, err := c.Write(t.Context()).Body(client.ClientWriteRequest{Writes: []client.ClientTupleKey{
		conditional("doc:hours", "user:ann", "in_hours", values{"since": 9, "until": 17}),
		conditional("doc:office", "user:ann", "from_office", values{"network": "10.1.0.0/16", "ends": "2030-01-01T00:00:00Z"}),
		key("doc:always", "viewer", "user:ann"),
	}}).Execute(); err != nil {
		t.Fatal(err)
	}
}

func TestConditions(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	newConditionStore(t, c)
	ask := func(object string, context values) (bool, error) {
		answer, err := c.Check(t.Context()).Body(client.ClientCheckRequest{
			Object: object, Relation: "viewer", User: "user:ann", Context: &context,
		}).Execute()
		if err != nil {
			return false, err
		}
		return answer.GetAllowed(), nil
	}
	for _, row := range []struct {
		object  string
		context values
		want    bool
	}{
		{"doc:hours", values{"hour": 9}, true},
		{"doc:hours", values{"hour": 17}, false},
		{"doc:hours", values{"hour": 3, "since": 0}, false}, // what the tuple says goes first
		{"doc:office", values{"address": "10.1.2.3", "now": "2029-12-31T23:59:59Z"}, true},
		{"doc:office", values{"address": "10.2.2.3", "now": "2029-12-31T23:59:59Z"}, false},
		{"doc:office", values{"address": "10.1.2.3", "now": "2030-01-01T01:00:00+01:00"}, false},
		{"doc:always", values{}, true},
	} {
		if got, err := ask(row.object, row.context); err != nil || got != row.want {
			t.Errorf("check %s with %v: got %v, %v, want %v", row.object, row.context, got, err, row.want)
		}
	}
	_, err := ask("doc:hours", values{})
	wantValidation(t, err, openfga.ERRORCODE_VALIDATION_ERROR)
	_, err = ask("doc:hours", values{"hour": "noon"})
	wantValidation(t, err, openfga.ERRORCODE_VALIDATION_ERROR)
	_, err = c.Write(t.Context()).Body(client.ClientWriteRequest{Writes: []client.ClientTupleKey{
		conditional("doc:x", "user:ann", "nothing", values{}),
	}}).Execute()
	wantValidation(t, err, openfga.ERRORCODE_VALIDATION_ERROR)
}

func TestConditionsInLists(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	newConditionStore(t, c)
	noon := values{"hour": 12, "address": "10.2.0.1", "now": "2026-01-01T12:00:00Z"}
	objects, err := c.ListObjects(t.Context()).Body(client.ClientListObjectsRequest{
		User: "user:ann", Relation: "viewer", Type: "doc", Context: &noon,
	}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(slices.Values(objects.Objects)); !slices.Equal(got, []string{"doc:always", "doc:hours"}) {
		t.Errorf("got objects %v, want doc:always doc:hours", got)
	}
	for object, want := range map[string]int{"hours": 1, "office": 0} {
		users, err := c.ListUsers(t.Context()).Body(client.ClientListUsersRequest{
			Object: openfga.FgaObject{Type: "doc", Id: object}, Relation: "viewer", UserFilters: []openfga.UserTypeFilter{{Type: "user"}}, Context: &noon,
		}).Execute()
		if err != nil || len(users.Users) != want {
			t.Errorf("doc:%s: got users %+v, %v, want %d", object, users, err, want)
		}
	}
	batch, err := c.BatchCheck(t.Context()).Body(client.ClientBatchCheckRequest{Checks: []client.ClientBatchCheckItem{
		{Object: "doc:hours", Relation: "viewer", User: "user:ann", CorrelationId: "in", Context: &noon},
		{Object: "doc:office", Relation: "viewer", User: "user:ann", CorrelationId: "out", Context: &noon},
		{Object: "doc:hours", Relation: "viewer", User: "user:ann", CorrelationId: "missing"},
	}}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	results := batch.GetResult()
	in, out, missing := results["in"], results["out"], results["missing"]
	if !in.GetAllowed() || out.GetAllowed() || out.Error != nil || missing.Error == nil || missing.GetAllowed() {
		t.Errorf("got %+v, %+v, %+v, want allowed, denied and an error", in, out, missing)
	}
	read, err := c.Read(t.Context()).Execute()
	if err != nil {
		t.Fatal(err)
	}
	for _, tuple := range read.Tuples {
		if tuple.Key.Object == "doc:hours" {
			condition := tuple.Key.GetCondition()
			if context := condition.GetContext(); condition.Name != "in_hours" || context["since"] != 9.0 {
				t.Errorf("got condition %+v, want in_hours from 9", condition)
			}
		}
	}
}

// TestWritesThatRace has many clients write the same tuples, each told to ignore what is there.
func TestWritesThatRace(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	newStore(t, c, "acme")
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			_, err := c.Write(t.Context()).Body(client.ClientWriteRequest{Writes: tuples}).Options(client.ClientWriteOptions{
				Conflict: client.ClientWriteConflictOptions{OnDuplicateWrites: client.CLIENT_WRITE_REQUEST_ON_DUPLICATE_WRITES_IGNORE},
			}).Execute()
			if err != nil {
				t.Errorf("a racing write: %v", err)
			}
		})
	}
	clients.Wait()
	wantCheck(t, c, "doc:roadmap", "viewer", "user:ann", true)
}
