package api_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary/raftstore"
)

// TestFullDisk: a server whose disk has less room than its reserve refuses every kind of write clearly,
// changes nothing, and goes on answering. The reserve here is one that no disk can meet.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	roomy := startOn(t, raftstore.Options{Dir: dir})
	c := roomy.surfaces()[0]
	store, _ := c.newStore(t, testModel)
	c.write(t, store, "doc:1#viewer@user:anne")
	roomy.stop()
	if err := roomy.store.Close(); err != nil {
		t.Fatal(err)
	}

	full := startOn(t, raftstore.Options{Dir: dir, MinFreeBytes: 1 << 62})
	for _, c := range full.surfaces() {
		t.Run(c.name, func(t *testing.T) {
			before := full.dump(t, store)
			for method, f := range map[string]fields{
				"CreateStore":             {"name": "another"},
				"DeleteStore":             {"store_id": store},
				"WriteAuthorizationModel": modelFields(t, store, testModel),
				"Write":                   {"store_id": store, "writes": keys("doc:2#viewer@user:anne")},
			} {
				answer := c.ask(t, method, f)
				if answer.code != codes.Unavailable && answer.status != 503 {
					t.Errorf("%s: got code %d, status %d, want unavailable", method, answer.code, answer.status)
				}
				if !strings.Contains(answer.message, "disk space") {
					t.Errorf("%s: message %q does not say that the disk is full", method, answer.message)
				}
			}
			if after := full.dump(t, store); after != before {
				t.Errorf("a refused write changed the state:\n%s\nwas\n%s", after, before)
			}
			allowed := c.ok(t, "Check", fields{"store_id": store, "tuple_key": key("doc:1#viewer@user:anne")})
			if allowed.body.(map[string]any)["allowed"] != true {
				t.Errorf("check on a full disk: got %v", allowed.body)
			}
		})
	}
}
