package identity_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
)

// auditBodies returns the audit rows of the store as they are stored, oldest first.
func (w *world) auditBodies() []ostiary.Document {
	w.t.Helper()
	docs, err := w.view().Documents("audit/"+store, "", 10_000, false)
	if err != nil {
		w.t.Fatal(err)
	}
	return docs
}

// Each change leaves one row, in its own revision, and what changes nothing leaves none.
func TestEachChangeIsAudited(t *testing.T) {
	w := newWorld(t)
	before := len(w.auditBodies()) // the organization, the connection and its token
	if before != 3 {
		t.Errorf("%d rows of the set-up, not 3", before)
	}
	ctx, d := w.directory()
	ctx = identity.WithRequest(ctx, &identity.Request{ID: "r1", Method: "POST", Path: "/Users", Attributes: []string{"userName"}})
	ann, err := d.CreateUser(ctx, identity.UserInput{UserName: "ann@acme.test", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	same := func(u identity.User) (identity.UserInput, error) { return u.UserInput, nil }
	must(t)(d.ChangeUser(ctx, ann.ID, 0, same))
	docs := w.auditBodies()
	if len(docs) != before+1 {
		t.Fatalf("%d rows, not %d", len(docs), before+1)
	}
	row := docs[len(docs)-1]
	if row.Version != ann.Version {
		t.Errorf("the row is of revision %d, and the user of %d", row.Version, ann.Version)
	}
	want := fmt.Sprintf(`"principal_kind":"scim","principal_name":"%s/`, w.connection.ID)
	for _, part := range []string{want, `"request":"r1"`, `"action":"user.create"`, `"organization":"acme"`, `"connection":"` + w.connection.ID,
		`"resource":"` + ann.ID, `"method":"POST"`, `"path":"/Users"`, `"attributes":["userName"]`} {
		if !contains(row.Body, part) {
			t.Errorf("%s has no %s", row.Body, part)
		}
	}
	if contains(row.Body, "ann@") {
		t.Errorf("the name is in %s", row.Body)
	}
	must(t)(w.service.BlockUser(w.ctx(), store, "acme", ann.ID))
	must(t)(w.service.BlockUser(w.ctx(), store, "acme", ann.ID))
	if docs := w.auditBodies(); len(docs) != before+2 || !contains(docs[len(docs)-1].Body, `"action":"user.block"`) {
		t.Errorf("%d rows after a block: %s", len(docs), docs[len(docs)-1].Body)
	}
}

func contains(body []byte, part string) bool { return bytes.Contains(body, []byte(part)) }

// clocked is a backend whose time the test sets.
type clocked struct {
	backend
	nanos int64
}

func (c *clocked) Now() int64 { return c.nanos }

// Rows that are too old, or too many, go with the changes that follow.
func TestAuditIsBounded(t *testing.T) {
	raft, err := raftstore.Open(t.Context(), raftstore.Options{Dir: "data", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raft.Close(); err != nil {
			t.Error(err)
		}
	})
	clock := &clocked{backend{raft}, raft.Now()}
	w := &world{t: t, raft: raft, service: identity.New(clock, identity.Options{AuditRetention: time.Hour, AuditRows: 50})}
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{
		{Key: ostiary.DocumentKey{Collection: "store", Key: store}, Body: []byte("{}")}}})
	found := func(n int) {
		t.Helper()
		for range n {
			must(t)(w.service.CreateOrganization(w.ctx(), store, "", "Acme"))
		}
	}
	found(200)
	if n := len(w.auditBodies()); n < 50 || n > 50+32 {
		t.Errorf("%d rows, not 50 and those since the last collection", n)
	}
	clock.nanos += int64(2 * time.Hour)
	found(32)
	if n := len(w.auditBodies()); n > 32 {
		t.Errorf("%d rows, and all but 32 are older than an hour", n)
	}
}
