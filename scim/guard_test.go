package scim_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// A Bulk request that deletes everybody deletes what the guard lets pass, and deactivates the others. One that
// deactivates everybody is not held.
func TestBulkOfDeletions(t *testing.T) {
	const deletions, limit = 1000, 3
	w := newWorld(t, nil)
	people := make([]string, 20)
	for i := range people {
		people[i] = w.user(fmt.Sprintf("user%d", i))
	}
	users := &identity.GuardLimit{Minimum: limit}
	if _, err := w.service.UpdateConnection(w.operator(), store, w.connection.ID, identity.ConnectionChange{Users: users}); err != nil {
		t.Fatal(err)
	}
	operations := make([]string, deletions) // each person many times, as by a provider that tries again
	for i := range operations {
		operations[i] = `{"method":"DELETE","path":"/Users/` + people[i%len(people)] + `"}`
	}
	var answer struct{ Operations []struct{ Status string } }
	body := w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[`+strings.Join(operations, ",")+`]}`).want(200).body
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, op := range answer.Operations {
		count[op.Status]++
	}
	gone := deletions / len(people) * limit // 204 once, then 404
	if count["204"] != limit || count["404"] != gone-limit || count["429"] != deletions-gone {
		t.Errorf("got %v", count)
	}
	v, err := w.raft.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, id := range people {
		if g, err := identity.GateOf(v, store, id); err != nil || !g.Closed("acme") {
			t.Errorf("the gate of %s is %+v, %v", id, g, err)
		}
	}
	held := w.send("DELETE", "/Users/"+people[limit], "")
	held.refused(429, "")
	if seconds, err := strconv.Atoi(held.header.Get("Retry-After")); err != nil || seconds < 60 {
		t.Errorf("Retry-After is %q", held.header.Get("Retry-After"))
	}
	if !strings.Contains(string(held.body), "ostiary connection confirm "+w.connection.ID) {
		t.Errorf("got %s", held.body)
	}
	for i, id := range people[limit:] {
		people[i] = `{"method":"PATCH","path":"/Users/` + id + `","data":{` + patchSchema + `,"Operations":[{"op":"replace","value":{"active":` +
			strconv.FormatBool(i%2 == 0) + `}}]}}`
	}
	body = w.send("POST", "/Bulk", `{`+bulkSchema+`,"Operations":[`+strings.Join(people[:len(people)-limit], ",")+`]}`).want(200).body
	if n := strings.Count(string(body), `"status":"200"`); n != len(people)-limit {
		t.Errorf("%d of %d are changed: %s", n, len(people)-limit, body)
	}
}

// A paused connection refuses changes so that its provider tries again, and answers reads.
func TestPausedConnection(t *testing.T) {
	w := newWorld(t, nil)
	ann := w.user("ann")
	if _, err := w.service.PauseConnection(w.operator(), store, w.connection.ID, "wrong assignments"); err != nil {
		t.Fatal(err)
	}
	r := w.send("POST", "/Users", `{`+userSchema+`,"userName":"bob"}`)
	r.refused(503, "")
	if r.header.Get("Retry-After") == "" || strings.Contains(string(r.body), "wrong") {
		t.Errorf("got %v %s", r.header, r.body)
	}
	w.send("GET", "/Users/"+ann, "").want(200)
	w.patch("/Users/"+ann, `{"op":"replace","value":{"active":false}}`).want(200)
}
