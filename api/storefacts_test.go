package api_test

import (
	"fmt"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
)

// TestFactsFollowDocuments asks after every change of a store's documents: the next check is judged by
// the model written last, one at an older revision by the model of then, and one of a store that is
// deleted is refused. Writes of tuples in between change nothing.
func TestFactsFollowDocuments(t *testing.T) {
	onBoth(t, func(t *testing.T, h *harness, c client) {
		store, model := c.newStore(t, testModel)
		check := func(headers ...string) answer {
			t.Helper()
			return c.ok(t, "Check", fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann")}, headers...)
		}
		model1 := fields{}
		for k, v := range readModel(t, c, store, model) {
			if k != "id" {
				model1[k] = v
			}
		}
		model1["store_id"] = store
		type then struct{ token, model string }
		var moments []then
		for i := range 5 {
			c.write(t, store, fmt.Sprintf("doc:%d#viewer@user:bob", i))
			a := check()
			if got := a.headers.Get("Openfga-Authorization-Model-Id"); got != model {
				t.Fatalf("judged by model %s, want %s", got, model)
			}
			moments = append(moments, then{a.headers.Get("Ostiary-Token"), model})
			model = c.ok(t, "WriteAuthorizationModel", model1).text(t, "authorization_model_id")
			if got := check().headers.Get("Openfga-Authorization-Model-Id"); got != model {
				t.Fatalf("judged by model %s, want %s, which was just written", got, model)
			}
		}
		for _, m := range moments {
			if got := check("ostiary-as-of", m.token).headers.Get("Openfga-Authorization-Model-Id"); got != m.model {
				t.Errorf("judged by model %s, want %s, which was the latest then", got, m.model)
			}
		}
		other, _ := c.newStore(t, testModel)
		c.ok(t, "DeleteStore", fields{"store_id": store})
		gone := wanted{codes.Code(openfgav1.NotFoundErrorCode_store_id_not_found), 404, openfgav1.NotFoundErrorCode_store_id_not_found.String(), "Store ID not found"}
		gone.check(t, c.ask(t, "Check", fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:ann")}))
		c.ok(t, "Check", fields{"store_id": other, "tuple_key": key("doc:1#viewer@user:ann")})
	})
}

func readModel(t *testing.T, c client, store, id string) map[string]any {
	t.Helper()
	a := c.ok(t, "ReadAuthorizationModel", fields{"store_id": store, "id": id})
	return a.body.(map[string]any)["authorization_model"].(map[string]any)
}
