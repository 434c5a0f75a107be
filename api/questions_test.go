package api_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/api"
)

// watcher notes what a server tells its observer.
type watcher struct {
	mu   sync.Mutex
	told []string
}

func (w *watcher) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, fmt.Sprintf(format, args...))
}

func (w *watcher) Answered(method, consistency, code string, _ time.Duration) {
	w.tell("answered %s %s %s", method[len("/openfga.v1.OpenFGAService/"):], consistency, code)
}
func (w *watcher) Checked(result string)        { w.tell("checked %s", result) }
func (w *watcher) Read(kind string, tuples int) { w.tell("read %s %v", kind, tuples > 0) }
func (w *watcher) Walked(depth int, both bool)  { w.tell("walked %d %v", depth, both) }
func (w *watcher) since() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = nil
	slices.Sort(told)
	return told
}

// TestObservedQuestions: an observer hears of each check what came out and what it read, and of each request how new its
// view had to be.
func TestObservedQuestions(t *testing.T) {
	w := &watcher{}
	h := start(t, func(o *api.Options) { o.Observer = w })
	c := h.surfaces()[0]
	store, _ := c.newStore(t, testModel)
	c.write(t, store, "doc:1#viewer@group:1#member", "group:1#member@user:ann")
	w.since()
	client := openfgav1.NewOpenFGAServiceClient(h.conn)
	check := func(user, relation string, fresh openfgav1.ConsistencyPreference) error {
		_, err := client.Check(t.Context(), &openfgav1.CheckRequest{StoreId: store, Consistency: fresh,
			TupleKey: &openfgav1.CheckRequestTupleKey{User: user, Relation: relation, Object: "doc:1"}})
		return err
	}
	const latest, strict = openfgav1.ConsistencyPreference_UNSPECIFIED, openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
	for _, c := range []struct {
		ask  func() error
		want []string
	}{
		{func() error { return check("user:ann", "viewer", latest) },
			[]string{"answered Check latest ok", "checked allowed", "read check true", "walked 1 false"}},
		{func() error { return check("user:bob", "viewer", strict) },
			[]string{"answered Check linearizable ok", "checked denied", "read check true", "walked 1 false"}},
		{func() error {
			if check("user:ann", "nothing", latest) == nil {
				return fmt.Errorf("answered")
			}
			return nil
		}, []string{"answered Check latest validation_error"}},
		{func() error {
			_, err := client.BatchCheck(t.Context(), &openfgav1.BatchCheckRequest{StoreId: store, Checks: []*openfgav1.BatchCheckItem{
				{CorrelationId: "1", TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:ann", Relation: "viewer", Object: "doc:1"}},
				{CorrelationId: "2", TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:bob", Relation: "viewer", Object: "doc:2"}}}})
			return err
		}, []string{"answered BatchCheck latest ok", "checked allowed", "checked denied", "read check true", "read check true", "walked 0 false", "walked 1 false"}},
		{func() error {
			_, err := client.ListObjects(t.Context(), &openfgav1.ListObjectsRequest{StoreId: store, Type: "doc", Relation: "viewer", User: "user:ann"})
			return err
		}, []string{"answered ListObjects latest ok", "read list_objects true"}},
		{func() error {
			_, err := client.ListUsers(t.Context(), &openfgav1.ListUsersRequest{StoreId: store, Object: &openfgav1.Object{Type: "doc", Id: "1"},
				Relation: "viewer", UserFilters: []*openfgav1.UserTypeFilter{{Type: "user"}}})
			return err
		}, []string{"answered ListUsers latest ok", "read list_users true"}},
		{func() error {
			_, err := client.ListStores(t.Context(), &openfgav1.ListStoresRequest{})
			return err
		}, []string{"answered ListStores  ok"}},
	} {
		if err := c.ask(); err != nil {
			t.Fatal(err)
		}
		if got := w.since(); !slices.Equal(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
