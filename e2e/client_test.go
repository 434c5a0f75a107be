package e2e

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	openfga "github.com/openfga/go-sdk"
	"github.com/openfga/go-sdk/client"
	"github.com/openfga/go-sdk/credentials"
)

// newClient returns a client without retries, so that an error is seen as it is.
func newClient(t *testing.T, url, key string) *client.OpenFgaClient {
	t.Helper()
	configuration := &client.ClientConfiguration{ApiUrl: url, RetryParams: &openfga.RetryParams{MaxRetry: 0, MinWaitInMs: 100}}
	if key != "" {
		configuration.Credentials = &credentials.Credentials{
			Method: credentials.CredentialsMethodApiToken,
			Config: &credentials.Config{ApiToken: key},
		}
	}
	c, err := client.NewSdkClient(configuration)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newStore creates a store, writes the model of testdata, and has c use both.
func newStore(t *testing.T, c *client.OpenFgaClient, name string) (store, model string) {
	t.Helper()
	created, err := c.CreateStore(t.Context()).Body(client.ClientCreateStoreRequest{Name: name}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if created.Name != name || len(created.Id) != 26 {
		t.Errorf("got store %+v, want one called %q", created, name)
	}
	if err := c.SetStoreId(created.Id); err != nil {
		t.Fatal(err)
	}
	return created.Id, writeModel(t, c, "model.json")
}

func writeModel(t *testing.T, c *client.OpenFgaClient, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var body client.ClientWriteAuthorizationModelRequest
	if err := json.Unmarshal(text, &body); err != nil {
		t.Fatal(err)
	}
	written, err := c.WriteAuthorizationModel(t.Context()).Body(body).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetAuthorizationModelId(written.AuthorizationModelId); err != nil {
		t.Fatal(err)
	}
	return written.AuthorizationModelId
}

func key(object, relation, user string) client.ClientTupleKey {
	return client.ClientTupleKey{Object: object, Relation: relation, User: user}
}

// tuples are what most tests write: ann by a nested group and a folder, bob directly but banned.
var tuples = []client.ClientTupleKey{
	key("group:eng", "member", "user:ann"),
	key("group:all", "member", "group:eng#member"),
	key("folder:plans", "viewer", "group:all#member"),
	key("doc:roadmap", "parent", "folder:plans"),
	key("doc:roadmap", "viewer", "user:bob"),
	key("doc:roadmap", "banned", "user:bob"),
	key("doc:notes", "viewer", "user:bob"),
}

func writeTuples(t *testing.T, c *client.OpenFgaClient) {
	t.Helper()
	if _, err := c.Write(t.Context()).Body(client.ClientWriteRequest{Writes: tuples}).Execute(); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, c *client.OpenFgaClient, object, relation, user string, contextual ...client.ClientTupleKey) bool {
	t.Helper()
	answer, err := c.Check(t.Context()).Body(client.ClientCheckRequest{
		Object: object, Relation: relation, User: user, ContextualTuples: contextual,
	}).Execute()
	if err != nil {
		t.Fatalf("check %s#%s@%s: %v", object, relation, user, err)
	}
	return answer.GetAllowed()
}

func wantCheck(t *testing.T, c *client.OpenFgaClient, object, relation, user string, want bool) {
	t.Helper()
	if got := check(t, c, object, relation, user); got != want {
		t.Errorf("check %s#%s@%s: got %v, want %v", object, relation, user, got, want)
	}
}

func TestStores(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	first, _ := newStore(t, c, "first")
	second, _ := newStore(t, c, "second")
	size, name := int32(1), "second"
	page, err := c.ListStores(t.Context()).Options(client.ClientListStoresOptions{PageSize: &size}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Stores) != 1 || page.Stores[0].Id != first || page.ContinuationToken == "" {
		t.Fatalf("got first page %+v, want the store %s and a token", page, first)
	}
	next, err := c.ListStores(t.Context()).Options(client.ClientListStoresOptions{PageSize: &size, ContinuationToken: &page.ContinuationToken}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(next.Stores) != 1 || next.Stores[0].Id != second || next.ContinuationToken != "" {
		t.Errorf("got second page %+v, want the store %s and no token", next, second)
	}
	named, err := c.ListStores(t.Context()).Options(client.ClientListStoresOptions{Name: &name}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(named.Stores) != 1 || named.Stores[0].Id != second {
		t.Errorf("got stores called second %+v, want %s", named.Stores, second)
	}
	got, err := c.GetStore(t.Context()).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if got.Id != second || got.Name != "second" || got.CreatedAt.IsZero() {
		t.Errorf("got store %+v, want %s", got, second)
	}
	if _, err := c.DeleteStore(t.Context()).Execute(); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetStore(t.Context()).Execute()
	wantNotFound(t, err, openfga.NOTFOUNDERRORCODE_STORE_ID_NOT_FOUND)
}

func TestModels(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	_, first := newStore(t, c, "acme")
	second := writeModel(t, c, "model.json")
	all, err := c.ReadAuthorizationModels(t.Context()).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(all.AuthorizationModels) != 2 || all.AuthorizationModels[0].Id != second || all.AuthorizationModels[1].Id != first {
		t.Errorf("got models %+v, want %s then %s", all.AuthorizationModels, second, first)
	}
	latest, err := c.ReadLatestAuthorizationModel(t.Context()).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if latest.AuthorizationModel.Id != second {
		t.Errorf("got latest model %s, want %s", latest.AuthorizationModel.Id, second)
	}
	one, err := c.ReadAuthorizationModel(t.Context()).Options(client.ClientReadAuthorizationModelOptions{AuthorizationModelId: &first}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(one.AuthorizationModel.TypeDefinitions) != 4 || one.AuthorizationModel.SchemaVersion != "1.1" {
		t.Errorf("got model %+v, want the four types of testdata/model.json", one.AuthorizationModel)
	}
}

func TestChecks(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	newStore(t, c, "acme")
	writeTuples(t, c)
	wantCheck(t, c, "doc:roadmap", "viewer", "user:ann", true)
	wantCheck(t, c, "doc:roadmap", "viewer", "user:bob", false)
	wantCheck(t, c, "doc:notes", "viewer", "user:ann", false)
	wantCheck(t, c, "doc:roadmap", "viewer", "group:eng#member", true)
	if !check(t, c, "doc:notes", "viewer", "user:ann", key("doc:notes", "parent", "folder:plans")) {
		t.Error("a contextual tuple does not count")
	}
	wantCheck(t, c, "doc:notes", "viewer", "user:ann", false)

	answer, err := c.BatchCheck(t.Context()).Body(client.ClientBatchCheckRequest{Checks: []client.ClientBatchCheckItem{
		{Object: "doc:roadmap", Relation: "viewer", User: "user:ann", CorrelationId: "ann"},
		{Object: "doc:roadmap", Relation: "viewer", User: "user:bob", CorrelationId: "bob"},
		{Object: "doc:roadmap", Relation: "nothing", User: "user:bob", CorrelationId: "wrong"},
		{Object: "doc:notes", Relation: "viewer", User: "user:ann", CorrelationId: "context", ContextualTuples: tuplesOf("doc:notes", "parent", "folder:plans")},
	}}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	results := answer.GetResult()
	for id, want := range map[string]bool{"ann": true, "bob": false, "context": true} {
		if result := results[id]; result.GetAllowed() != want || result.Error != nil {
			t.Errorf("batch check %s: got %+v, want %v", id, result, want)
		}
	}
	wrong := results["wrong"]
	if wrong.Error == nil || wrong.Error.GetInputError() != openfga.ERRORCODE_VALIDATION_ERROR {
		t.Errorf("batch check of an unknown relation: got %+v, want a validation error", wrong)
	}

	relations, err := c.ListRelations(t.Context()).Body(client.ClientListRelationsRequest{
		Object: "doc:roadmap", User: "user:bob", Relations: []string{"viewer", "banned"},
	}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(relations.Relations, []string{"banned"}) {
		t.Errorf("got relations %v of bob, want banned", relations.Relations)
	}
}

func tuplesOf(object, relation, user string) []client.ClientTupleKey {
	return []client.ClientTupleKey{key(object, relation, user)}
}

func TestLists(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	newStore(t, c, "acme")
	writeTuples(t, c)
	objects, err := c.ListObjects(t.Context()).Body(client.ClientListObjectsRequest{
		User: "user:ann", Relation: "viewer", Type: "doc", ContextualTuples: tuplesOf("doc:plan", "viewer", "user:ann"),
	}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(slices.Values(objects.Objects)); !slices.Equal(got, []string{"doc:plan", "doc:roadmap"}) {
		t.Errorf("got objects %v, want doc:plan doc:roadmap", got)
	}
	users, err := c.ListUsers(t.Context()).Body(client.ClientListUsersRequest{
		Object: openfga.FgaObject{Type: "doc", Id: "roadmap"}, Relation: "viewer", UserFilters: []openfga.UserTypeFilter{{Type: "user"}},
	}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(users.Users) != 1 || users.Users[0].Object == nil || users.Users[0].Object.Type != "user" || users.Users[0].Object.Id != "ann" {
		t.Errorf("got users %+v, want user:ann", users.Users)
	}
	expanded, err := c.Expand(t.Context()).Body(client.ClientExpandRequest{Object: "doc:roadmap", Relation: "viewer"}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	root := expanded.GetTree().Root
	if root == nil || root.Name != "doc:roadmap#viewer" || root.Difference == nil {
		t.Errorf("got tree %+v, want the difference that doc:roadmap#viewer is", expanded)
	}
}

func TestReadAndChanges(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	newStore(t, c, "acme")
	writeTuples(t, c)
	var got []string
	size, token := int32(3), ""
	for {
		page, err := c.Read(t.Context()).Options(client.ClientReadOptions{PageSize: &size, ContinuationToken: &token}).Execute()
		if err != nil {
			t.Fatal(err)
		}
		for _, tuple := range page.Tuples {
			got = append(got, tuple.Key.Object+"#"+tuple.Key.Relation+"@"+tuple.Key.User)
		}
		if token = page.ContinuationToken; token == "" {
			break
		}
	}
	var want []string
	for _, tuple := range tuples {
		want = append(want, tuple.Object+"#"+tuple.Relation+"@"+tuple.User)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got tuples %v, want %v", got, want)
	}
	user, object := "user:bob", "doc:"
	filtered, err := c.Read(t.Context()).Body(client.ClientReadRequest{User: &user, Object: &object}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(filtered.Tuples) != 3 {
		t.Errorf("got %d tuples of bob, want 3", len(filtered.Tuples))
	}
	if _, err := c.DeleteTuples(t.Context()).Body([]client.ClientTupleKeyWithoutCondition{{Object: "doc:notes", Relation: "viewer", User: "user:bob"}}).Execute(); err != nil {
		t.Fatal(err)
	}
	changes, err := c.ReadChanges(t.Context()).Body(client.ClientReadChangesRequest{Type: "doc"}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	if len(changes.Changes) != 5 {
		t.Fatalf("got %d changes of docs, want 4 writes and a delete", len(changes.Changes))
	}
	last := changes.Changes[4]
	if last.Operation != openfga.TUPLEOPERATION_DELETE || last.TupleKey.Object != "doc:notes" || changes.GetContinuationToken() == "" {
		t.Errorf("got last change %+v, token %q, want the deletion of doc:notes and a token", last, changes.GetContinuationToken())
	}
}

func TestWrites(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	newStore(t, c, "acme")
	writeTuples(t, c)
	again := client.ClientWriteRequest{
		Writes:  tuples[:2],
		Deletes: []client.ClientTupleKeyWithoutCondition{{Object: "doc:none", Relation: "viewer", User: "user:bob"}},
	}
	_, err := c.Write(t.Context()).Body(client.ClientWriteRequest{Writes: tuples[:1]}).Execute()
	wantValidation(t, err, openfga.ERRORCODE_WRITE_FAILED_DUE_TO_INVALID_INPUT)
	_, err = c.Write(t.Context()).Body(client.ClientWriteRequest{Deletes: again.Deletes}).Execute()
	wantValidation(t, err, openfga.ERRORCODE_WRITE_FAILED_DUE_TO_INVALID_INPUT)
	if _, err := c.Write(t.Context()).Body(again).Options(client.ClientWriteOptions{Conflict: client.ClientWriteConflictOptions{
		OnDuplicateWrites: client.CLIENT_WRITE_REQUEST_ON_DUPLICATE_WRITES_IGNORE,
		OnMissingDeletes:  client.CLIENT_WRITE_REQUEST_ON_MISSING_DELETES_IGNORE,
	}}).Execute(); err != nil {
		t.Errorf("a repeated write that ignores duplicates: %v", err)
	}
	answer, err := c.Write(t.Context()).Body(client.ClientWriteRequest{Writes: []client.ClientTupleKey{
		key("doc:one", "viewer", "user:cy"), key("doc:two", "nothing", "user:cy"), key("doc:three", "viewer", "user:cy"),
	}}).Options(client.ClientWriteOptions{Transaction: &client.TransactionOptions{Disable: true, MaxPerChunk: 1, MaxParallelRequests: 2}}).Execute()
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range answer.Writes {
		failed := result.TupleKey.Object == "doc:two"
		if (result.Status == client.FAILURE) != failed {
			t.Errorf("write of %s: got %s (%v)", result.TupleKey.Object, result.Status, result.Error)
		}
	}
	wantCheck(t, c, "doc:one", "viewer", "user:cy", true)
	wantCheck(t, c, "doc:three", "viewer", "user:cy", true)
}

func TestAssertions(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	newStore(t, c, "acme")
	want := client.ClientWriteAssertionsRequest{
		{Object: "doc:roadmap", Relation: "viewer", User: "user:ann", Expectation: true, ContextualTuples: tuplesOf("doc:roadmap", "viewer", "user:ann")},
		{Object: "doc:roadmap", Relation: "viewer", User: "user:bob", Expectation: false},
	}
	if _, err := c.WriteAssertions(t.Context()).Body(want).Execute(); err != nil {
		t.Fatal(err)
	}
	got, err := c.ReadAssertions(t.Context()).Execute()
	if err != nil {
		t.Fatal(err)
	}
	assertions := got.GetAssertions()
	if len(assertions) != 2 {
		t.Fatalf("got %d assertions, want 2", len(assertions))
	}
	for i, a := range assertions {
		if a.TupleKey.User != want[i].User || a.Expectation != want[i].Expectation || len(a.GetContextualTuples()) != len(want[i].ContextualTuples) {
			t.Errorf("got assertion %+v, want %+v", a, want[i])
		}
	}
}

func TestErrors(t *testing.T) {
	c := newClient(t, startServer(t, ""), "")
	newStore(t, c, "acme")
	_, err := c.Check(t.Context()).Body(client.ClientCheckRequest{Object: "doc:1", Relation: "nothing", User: "user:ann"}).Execute()
	wantValidation(t, err, openfga.ERRORCODE_VALIDATION_ERROR)
	_, err = c.Check(t.Context()).Body(client.ClientCheckRequest{Object: "nothing:1", Relation: "viewer", User: "user:ann"}).Execute()
	wantValidation(t, err, openfga.ERRORCODE_VALIDATION_ERROR)
	_, err = c.Write(t.Context()).Body(client.ClientWriteRequest{Writes: tuplesOf("doc:1", "viewer", "folder:1")}).Execute()
	wantValidation(t, err, openfga.ERRORCODE_VALIDATION_ERROR)
	missing := "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	_, err = c.Check(t.Context()).Body(client.ClientCheckRequest{Object: "doc:1", Relation: "viewer", User: "user:ann"}).
		Options(client.ClientCheckOptions{AuthorizationModelId: &missing}).Execute()
	wantValidation(t, err, openfga.ERRORCODE_AUTHORIZATION_MODEL_NOT_FOUND)
	_, err = c.GetStore(t.Context()).Options(client.ClientGetStoreOptions{StoreId: &missing}).Execute()
	wantNotFound(t, err, openfga.NOTFOUNDERRORCODE_STORE_ID_NOT_FOUND)
	_, err = c.WriteAuthorizationModel(t.Context()).Body(client.ClientWriteAuthorizationModelRequest{
		SchemaVersion: "1.1", TypeDefinitions: []openfga.TypeDefinition{{Type: "doc", Relations: &map[string]openfga.Userset{"viewer": {ComputedUserset: &openfga.ObjectRelation{Relation: openfga.PtrString("nothing")}}}}},
	}).Execute()
	wantValidation(t, err, openfga.ERRORCODE_INVALID_AUTHORIZATION_MODEL)
}

func wantValidation(t *testing.T, err error, code openfga.ErrorCode) {
	t.Helper()
	var refused openfga.FgaApiValidationError
	if !errors.As(err, &refused) {
		t.Errorf("got error %T %v, want %s", err, err, code)
		return
	}
	if refused.ResponseCode() != code || refused.ResponseStatusCode() != http.StatusBadRequest || refused.RequestId() == "" {
		t.Errorf("got code %s, status %d, request id %q, want %s, 400 and an id",
			refused.ResponseCode(), refused.ResponseStatusCode(), refused.RequestId(), code)
	}
}

func wantNotFound(t *testing.T, err error, code openfga.NotFoundErrorCode) {
	t.Helper()
	var refused openfga.FgaApiNotFoundError
	if !errors.As(err, &refused) {
		t.Errorf("got error %T %v, want %s", err, err, code)
		return
	}
	if refused.ResponseCode() != code || refused.ResponseStatusCode() != http.StatusNotFound {
		t.Errorf("got code %s, status %d, want %s and 404", refused.ResponseCode(), refused.ResponseStatusCode(), code)
	}
}

// TestPresharedKey asks with the right key, a wrong one, and none.
func TestPresharedKey(t *testing.T) {
	url := startServer(t, "secret,other")
	for _, right := range []string{"secret", "other"} {
		c := newClient(t, url, right)
		newStore(t, c, "acme")
		writeTuples(t, c)
		wantCheck(t, c, "doc:roadmap", "viewer", "user:ann", true)
	}
	for _, wrong := range []string{"", "Secret", "secret,other", strings.Repeat("s", 5000)} {
		_, err := newClient(t, url, wrong).ListStores(t.Context()).Execute()
		var refused openfga.FgaApiAuthenticationError
		if !errors.As(err, &refused) {
			t.Errorf("key %.10q: got error %T %v, want one of authentication", wrong, err, err)
			continue
		}
		code := "unauthenticated"
		if wrong == "" {
			code = "bearer_token_missing"
		}
		if refused.ResponseStatusCode() != http.StatusUnauthorized || !strings.Contains(string(refused.Body()), code) {
			t.Errorf("key %.10q: got status %d, body %s, want 401 and %s", wrong, refused.ResponseStatusCode(), refused.Body(), code)
		}
	}
}
