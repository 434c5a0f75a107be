package deleted_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/deleted"
	"github.com/ostiary/ostiary/raftstore"
)

const (
	gone = "01ARYZ6S41TSV4RRFFQ69G5FAV"
	here = "01ARYZ6S41TSV4RRFFQ69G5FAW"
)

// backend fails every proposal after the first few, where it is told to.
type backend struct {
	*raftstore.Store
	left int // negative: no end
}

func (b *backend) View(ctx context.Context, f ostiary.Freshness) (deleted.View, error) {
	return b.Store.View(ctx, f)
}

func (b *backend) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	if b.left == 0 {
		return ostiary.Receipt{}, ostiary.ErrUnavailable
	}
	b.left--
	return b.Store.Propose(ctx, m)
}

// newBackend holds two stores with tuples and documents, of which one is deleted until a time.
func newBackend(t *testing.T, until func(now int64) int64) *backend {
	t.Helper()
	raft, err := raftstore.Open(t.Context(), raftstore.Options{Dir: "data", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raft.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &ostiary.Mutation{TimeNanos: raft.Now(), Principal: ostiary.Principal{Kind: "internal", Name: "test"}}
	put := func(collection, key, body string) {
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: collection, Key: key}, Body: []byte(body)})
	}
	for _, store := range []string{gone, here} {
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			tuple, err := ostiary.NewTuple("doc:"+id, "viewer", "user:ann")
			if err != nil {
				t.Fatal(err)
			}
			for _, owner := range []string{ostiary.OwnerAPI, "rule:1"} {
				m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleTouch, Store: store, Tuple: tuple, Grant: ostiary.Grant{Owner: owner}})
			}
		}
		end := strings.ToLower(store[len(store)-1:])
		put("connection", "c"+end, `{"store":"`+store+`"}`)
		put("user/c"+end, "u1", "{}")
		put("revoker", "c"+end, "{}")
		put("stream-receiver", "r"+end, `{"store":"`+store+`"}`)
		put("secret/r"+end, "s", "{}")
		put("stream/"+store, "x"+end, "{}")
		put("stream-removed/x"+end, "s", "{}")
		put("shred/user/"+store, "u1", "{}")
		put("member/"+store+"/acme", "u1", "{}")
		put("outbox-target", store+"/webhook", "{}")
		put("identity", store, "{}")
	}
	quotas := &ostiary.Mutation{TimeNanos: raft.Now(), Principal: m.Principal}
	quotas.SetQuota(gone, &ostiary.Quota{Tuples: 9})
	if _, err := raft.Propose(t.Context(), quotas); err != nil {
		t.Fatal(err)
	}
	body, err := deleted.Marker{Name: "n", Document: []byte("d"), UntilNanos: until(raft.Now())}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m.Documents = append(m.Documents, ostiary.DocumentChange{Key: deleted.Key(gone), Body: body})
	if _, err := raft.Propose(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return &backend{Store: raft, left: -1}
}

// count returns how many tuples and documents a store has, by the last letter of what belongs to it.
func (b *backend) count(t *testing.T, store string) (tuples, documents int) {
	t.Helper()
	v, err := b.Store.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, err := range v.Tuples(t.Context(), ostiary.Filter{Store: store}, nil) {
		if err != nil {
			t.Fatal(err)
		}
		tuples++
	}
	end := strings.ToLower(store[len(store)-1:])
	for k, err := range v.DocumentKeys(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if name := k.String(); strings.Contains(name, store) || strings.Contains(name, "/c"+end) || strings.Contains(name, "/x"+end) ||
			strings.Contains(name, "/r"+end) {
			documents++
		}
	}
	return tuples, documents
}

func past(now int64) int64   { return now - 1 }
func future(now int64) int64 { return now + int64(time.Hour) }

// TestPurge: nothing of a store stays once its retention has ended, and everything of others.
func TestPurge(t *testing.T) {
	b := newBackend(t, past)
	var forgotten []string
	p := deleted.NewPurger(deleted.Options{Backend: b, ChangesPerMutation: 3, Forget: func(ctx context.Context, store string) error {
		if p, known := ostiary.PrincipalOf(ctx); !known || p.Name != "purge" {
			t.Errorf("%v forgets", p)
		}
		forgotten = append(forgotten, store)
		return nil
	}})
	done, err := p.Purge(t.Context())
	if err != nil || len(done) != 1 || done[0] != gone || len(forgotten) != 1 || forgotten[0] != gone {
		t.Fatalf("got %v, forgotten %v, %v", done, forgotten, err)
	}
	if tuples, documents := b.count(t, gone); tuples != 0 || documents != 0 {
		t.Errorf("%d tuples and %d documents are left", tuples, documents)
	}
	if tuples, documents := b.count(t, here); tuples != 5 || documents != 11 {
		t.Errorf("the other store has %d tuples and %d documents, want 5 and 11", tuples, documents)
	}
	if done, err := p.Purge(t.Context()); err != nil || len(done) != 0 {
		t.Errorf("again: got %v, %v", done, err)
	}
}

// TestPurgeKeeps: while the retention lasts nothing goes.
func TestPurgeKeeps(t *testing.T) {
	b := newBackend(t, future)
	if done, err := deleted.NewPurger(deleted.Options{Backend: b}).Purge(t.Context()); err != nil || len(done) != 0 {
		t.Fatalf("got %v, %v", done, err)
	}
	if tuples, documents := b.count(t, gone); tuples != 5 || documents != 13 {
		t.Errorf("%d tuples and %d documents are left, want 5 and 13", tuples, documents)
	}
}

// TestPurgeGoesOn: wherever it is cut off, the next one removes the rest, and nobody brings back what is left.
func TestPurgeGoesOn(t *testing.T) {
	for steps := 0; ; steps++ {
		b := newBackend(t, past)
		b.left = steps
		done, err := deleted.NewPurger(deleted.Options{Backend: b, ChangesPerMutation: 2}).Purge(t.Context())
		whole := err == nil
		if steps > 0 && !whole {
			v, err := b.Store.View(t.Context(), ostiary.Freshness{})
			if err != nil {
				t.Fatal(err)
			}
			d, there, err := v.Document(deleted.Key(gone))
			v.Close()
			if err != nil || !there {
				t.Fatalf("after %d steps the marker is there %v, %v", steps, there, err)
			}
			if m, err := deleted.Decode(d); err != nil || !m.Purging || string(m.Document) != "d" {
				t.Fatalf("after %d steps the marker is %+v, %v", steps, m, err)
			}
		}
		b.left = -1
		if !whole {
			done, err = deleted.NewPurger(deleted.Options{Backend: b}).Purge(t.Context())
		}
		if err != nil || len(done) != 1 {
			t.Fatalf("cut after %d steps: got %v, %v", steps, done, err)
		}
		if tuples, documents := b.count(t, gone); tuples != 0 || documents != 0 {
			t.Fatalf("cut after %d steps: %d tuples and %d documents are left", steps, tuples, documents)
		}
		if whole {
			if steps < 5 {
				t.Errorf("it took only %d steps", steps)
			}
			return
		}
	}
}

// TestPurgeLosesToUndelete: what comes back just before the first step stays whole.
func TestPurgeLosesToUndelete(t *testing.T) {
	b := newBackend(t, past)
	racing := &racer{backend: b, before: func() {
		m := &ostiary.Mutation{TimeNanos: b.Now(), Documents: []ostiary.DocumentChange{{Key: deleted.Key(gone), Delete: true},
			{Key: ostiary.DocumentKey{Collection: "store", Key: gone}, Body: []byte("d")}}}
		if _, err := b.Store.Propose(t.Context(), m); err != nil {
			t.Error(err)
		}
	}}
	if done, err := deleted.NewPurger(deleted.Options{Backend: racing}).Purge(t.Context()); err != nil || len(done) != 0 {
		t.Fatalf("got %v, %v", done, err)
	}
	if tuples, documents := b.count(t, gone); tuples != 5 || documents != 13 {
		t.Errorf("%d tuples and %d documents are left, want 5 and 13", tuples, documents)
	}
}

type racer struct {
	*backend
	before func()
}

func (r *racer) Propose(ctx context.Context, m *ostiary.Mutation) (ostiary.Receipt, error) {
	if r.before != nil {
		r.before()
		r.before = nil
	}
	return r.backend.Propose(ctx, m)
}

// TestPurgeLeavesNamesakes: whoever names a person, an organization or anything else of one store as another store is
// called loses nothing with that one: a document belongs to whom it names first.
func TestPurgeLeavesNamesakes(t *testing.T) {
	const other, connection = "01M83Y14N8B0GEQKWSZ1298Y65", "c01m83y4pe0sd5tp46r4a1khtvj"
	b := newBackend(t, past)
	keys := []ostiary.DocumentKey{
		{Collection: "gate/" + other, Key: gone}, {Collection: "member/" + other + "/" + gone, Key: "ann"},
		{Collection: "user/" + connection, Key: gone}, {Collection: "outbox-target", Key: other + "/" + gone},
	}
	m := &ostiary.Mutation{TimeNanos: b.Now(), Principal: ostiary.Principal{Kind: "internal", Name: "test"}}
	for _, k := range keys {
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: k, Body: []byte("{}")})
	}
	if _, err := b.Store.Propose(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if done, err := deleted.NewPurger(deleted.Options{Backend: b}).Purge(t.Context()); err != nil || len(done) != 1 {
		t.Fatalf("got %v, %v", done, err)
	}
	v, err := b.Store.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, k := range keys {
		if _, there, err := v.Document(k); err != nil || !there {
			t.Errorf("%s is gone with the other store: %v", k, err)
		}
	}
}

// TestPurgeAmongMany: however many deleted stores there are, and streams of one, none is passed over.
func TestPurgeAmongMany(t *testing.T) {
	const many = 450 // more than are read at a time, twice
	b := newBackend(t, past)
	m := &ostiary.Mutation{TimeNanos: b.Now(), Principal: ostiary.Principal{Kind: "internal", Name: "test"}}
	kept, err := deleted.Marker{Name: "n", Document: []byte("d"), UntilNanos: future(b.Now())}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for i := range many {
		id := fmt.Sprintf("%04d", i)
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: deleted.Key("01A" + id), Body: kept},
			ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: "stream/" + gone, Key: "xa" + id}, Body: []byte("{}")},
			ostiary.DocumentChange{Key: ostiary.DocumentKey{Collection: "stream-removed/xa" + id, Key: "s"}, Body: []byte("{}")})
	}
	if _, err := b.Store.Propose(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if done, err := deleted.NewPurger(deleted.Options{Backend: b}).Purge(t.Context()); err != nil || len(done) != 1 || done[0] != gone {
		t.Fatalf("got %v, %v", done, err)
	}
	v, err := b.Store.View(t.Context(), ostiary.Freshness{Linearizable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	markers := 0
	for k, err := range v.DocumentKeys(t.Context()) {
		switch {
		case err != nil:
			t.Fatal(err)
		case k.Collection == deleted.Collection:
			markers++
		case strings.Contains(k.String(), "xa"):
			t.Fatalf("%s is left", k)
		}
	}
	if markers != many {
		t.Errorf("%d markers of other stores are left, want %d", markers, many)
	}
}

// TestDecodeMarker: a marker that this release cannot read is no marker of a store that may be removed or come back.
func TestDecodeMarker(t *testing.T) {
	for _, body := range []string{"", "{}", `{"form":2,"until":1}`, `{"form":1,"document":1}`} {
		if m, err := deleted.Decode(ostiary.Document{Key: deleted.Key(gone), Body: []byte(body)}); !errors.Is(err, ostiary.ErrCorrupt) {
			t.Errorf("%q is %+v, %v", body, m, err)
		}
	}
}
