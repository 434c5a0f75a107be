package api_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/deleted"
	"github.com/ostiary/ostiary/identity"
)

func kept(o *api.Options) { o.StoreRetention = time.Hour }

// wantGone requires that nothing of the store can be reached.
func (w *gateWorld) wantGone(user string) {
	w.t.Helper()
	_, err := w.fga.GetStore(w.t.Context(), &openfgav1.GetStoreRequest{StoreId: w.store})
	if status.Code(err) != codes.Code(openfgav1.NotFoundErrorCode_store_id_not_found) {
		w.t.Errorf("GetStore: %v", err)
	}
	if allowed, err := w.check("", "document:1#viewer@user:"+user); err == nil || allowed {
		w.t.Errorf("Check: %v, %v", allowed, err)
	}
	if err := w.write("document:2#viewer@user:" + user); err == nil {
		w.t.Error("Write of a store that is deleted succeeds")
	}
	if _, err := w.directory.CreateUser(w.ctx, identity.UserInput{UserName: "eve", Active: true}); !errors.Is(err, ostiary.ErrNotFound) {
		w.t.Errorf("a provider creates somebody: %v", err)
	}
	if _, err := w.service.CreateSession(w.admin, w.store, identity.SessionInput{Organization: "acme", User: user}); !errors.Is(err, ostiary.ErrNotFound) {
		w.t.Errorf("somebody logs in: %v", err)
	}
	if _, err := w.service.Sessions(w.admin, w.store, identity.SessionFilter{User: user}, "", 10); !errors.Is(err, ostiary.ErrNotFound) {
		w.t.Errorf("sessions are listed: %v", err)
	}
}

// TestUndeleteStore: a store comes back whole, but for its sessions; the people of its connections wait, unless somebody
// says that they need not.
func TestUndeleteStore(t *testing.T) {
	for _, trust := range []bool{false, true} {
		w := newGateWorldOn(t, start(t, kept))
		admin := ostiaryv1.NewStoreAdminServiceClient(w.conn)
		w.open()
		if _, err := w.model(); err != nil {
			t.Fatal(err)
		}
		ann := w.user("ann")
		if err := w.write("document:1#organization@organization:acme", "document:1#viewer@user:"+ann); err != nil {
			t.Fatal(err)
		}
		if _, err := w.service.CreateSession(w.admin, w.store, identity.SessionInput{Organization: "acme", User: ann}); err != nil {
			t.Fatal(err)
		}
		for round := range 2 { // also when it was back once
			if round == 0 || trust {
				w.wantChecks("before", ann, map[string]bool{"document:1#viewer": true})
			}
			for range 2 { // deleting is idempotent
				if _, err := w.fga.DeleteStore(t.Context(), &openfgav1.DeleteStoreRequest{StoreId: w.store}); err != nil {
					t.Fatal(err)
				}
			}
			w.wantGone(ann)
			list, err := admin.ListDeletedStores(t.Context(), &ostiaryv1.ListDeletedStoresRequest{})
			if err != nil || len(list.GetStores()) != 1 || list.GetStores()[0].GetStoreId() != w.store || list.GetStores()[0].GetName() != "gated" {
				t.Fatalf("the deleted stores are %v, %v", list.GetStores(), err)
			}
			back, err := admin.UndeleteStore(t.Context(), &ostiaryv1.UndeleteStoreRequest{StoreId: w.store, TrustConnections: trust})
			if err != nil || back.GetName() != "gated" || len(back.GetWaitingConnectionIds()) == 0 != trust {
				t.Fatalf("got %v, %v", back, err)
			}
			w.wantChecks("back", ann, map[string]bool{"document:1#viewer": trust})
			if s, err := w.service.Sessions(w.admin, w.store, identity.SessionFilter{User: ann}, "", 10); err != nil || len(s) != 0 {
				t.Errorf("sessions came back: %v, %v", s, err)
			}
		}
		if _, err := admin.UndeleteStore(t.Context(), &ostiaryv1.UndeleteStoreRequest{StoreId: w.store}); status.Code(err) != codes.NotFound {
			t.Errorf("undeleting a store that is there: %v", err)
		}
		if got, err := w.fga.GetStore(t.Context(), &openfgav1.GetStoreRequest{StoreId: w.store}); err != nil || got.GetName() != "gated" {
			t.Errorf("got %v, %v", got, err)
		}
	}
}

// racing commits something of its own just before the next mutation that brings a store back.
type racing struct {
	api.Backend
	before func() *ostiary.Mutation // nil: it has happened
}

func (r *racing) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	if r.before != nil && slices.ContainsFunc(m.Documents, func(d ostiary.DocumentChange) bool { return d.Key.Collection == deleted.Collection && d.Delete }) {
		first := r.before()
		r.before = nil
		if _, err := r.Backend.Propose(context.Background(), first); err != nil {
			return ostiary.Receipt{}, err
		}
	}
	return r.Backend.Propose(ctx, m)
}

// TestUndeleteLosesRaces: a store does not come back of which rows are removed by then, or that somebody else brought
// back and has changed since.
func TestUndeleteLosesRaces(t *testing.T) {
	for name, race := range map[string]func(store string, d ostiary.Document) (ostiary.DocumentChange, ostiary.DocumentKey){
		"to its removal": func(store string, d ostiary.Document) (ostiary.DocumentChange, ostiary.DocumentKey) {
			marker, err := deleted.Decode(d)
			if err != nil {
				t.Fatal(err)
			}
			marker.Purging = true
			body, err := marker.Encode()
			if err != nil {
				t.Fatal(err)
			}
			return ostiary.DocumentChange{Key: d.Key, Body: body}, d.Key
		},
		"to another one": func(store string, d ostiary.Document) (ostiary.DocumentChange, ostiary.DocumentKey) {
			there := ostiary.DocumentKey{Collection: "store", Key: store}
			return ostiary.DocumentChange{Key: there, Body: []byte("of the other one")}, there
		},
	} {
		r := &racing{}
		h := start(t, kept, func(o *api.Options) { r.Backend, o.Backend = o.Backend, r })
		fga := openfgav1.NewOpenFGAServiceClient(h.conn)
		created, err := fga.CreateStore(t.Context(), &openfgav1.CreateStoreRequest{Name: "gone"})
		if err != nil {
			t.Fatal(err)
		}
		store := created.GetId()
		if _, err := fga.DeleteStore(t.Context(), &openfgav1.DeleteStoreRequest{StoreId: store}); err != nil {
			t.Fatal(err)
		}
		document := func(k ostiary.DocumentKey) ostiary.Document {
			t.Helper()
			v, err := h.store.View(t.Context(), ostiary.Freshness{Linearizable: true})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			d, _, err := v.Document(k)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		change, key := race(store, document(deleted.Key(store)))
		r.before = func() *ostiary.Mutation {
			return &ostiary.Mutation{TimeNanos: h.store.Now(), Documents: []ostiary.DocumentChange{change}}
		}
		_, err = ostiaryv1.NewStoreAdminServiceClient(h.conn).UndeleteStore(t.Context(), &ostiaryv1.UndeleteStoreRequest{StoreId: store})
		if status.Code(err) != codes.Aborted {
			t.Errorf("%s: got %v", name, err)
		}
		if d := document(key); string(d.Body) != string(change.Body) {
			t.Errorf("%s: what the other one wrote became %q", name, d.Body)
		}
	}
}

// TestUndeleteAfterRetention: a store whose retention has ended, or of which rows are removed, never comes back.
func TestUndeleteAfterRetention(t *testing.T) {
	for name, change := range map[string]func(*api.Options){"none": func(*api.Options) {}, "purging": kept} {
		h := start(t, change)
		admin := ostiaryv1.NewStoreAdminServiceClient(h.conn)
		fga := openfgav1.NewOpenFGAServiceClient(h.conn)
		created, err := fga.CreateStore(t.Context(), &openfgav1.CreateStoreRequest{Name: "gone"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fga.DeleteStore(t.Context(), &openfgav1.DeleteStoreRequest{StoreId: created.GetId()}); err != nil {
			t.Fatal(err)
		}
		if name == "purging" {
			body, err := deleted.Marker{Name: "gone", Document: []byte{}, UntilNanos: h.store.Now() + int64(time.Hour), Purging: true}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			m := &ostiary.Mutation{TimeNanos: h.store.Now(), Documents: []ostiary.DocumentChange{{Key: deleted.Key(created.GetId()), Body: body}}}
			if _, err := h.store.Propose(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := admin.UndeleteStore(t.Context(), &ostiaryv1.UndeleteStoreRequest{StoreId: created.GetId()}); status.Code(err) != codes.NotFound {
			t.Errorf("%s: got %v", name, err)
		}
		if list, err := admin.ListDeletedStores(t.Context(), &ostiaryv1.ListDeletedStoresRequest{}); err != nil || len(list.GetStores()) != 0 {
			t.Errorf("%s: listed %v, %v", name, list.GetStores(), err)
		}
	}
}
