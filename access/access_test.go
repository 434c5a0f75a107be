package access_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/access"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/storage"
)

// world is a service over a real store in memory.
type world struct {
	t       testing.TB
	raft    *raftstore.Store
	service *access.Service
}

type backend struct{ *raftstore.Store }

func (b backend) View(ctx context.Context, f ostiary.Freshness) (access.View, error) {
	v, err := b.Store.View(ctx, f)
	if err != nil {
		return nil, err
	}
	return view{v}, nil
}

type view struct{ *storage.View }

func (v view) Reader(store string, nowNanos int64) engine.Reader {
	return v.View.Reader(store, nowNanos)
}

type identityBackend struct{ *raftstore.Store }

func (b identityBackend) View(ctx context.Context, f ostiary.Freshness) (identity.View, error) {
	return b.Store.View(ctx, f)
}

const (
	store = "01ARYZ6S41TSV4RRFFQ69G5FAV"
	other = "01ARYZ6S41TSV4RRFFQ69G5FAW"
)

func newWorld(t testing.TB) *world {
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
	service, err := access.New(backend{raft}, identity.New(identityBackend{raft}, identity.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, raft: raft, service: service}
	m := &ostiary.Mutation{TimeNanos: raft.Now(), Principal: named("test")}
	for _, key := range []ostiary.DocumentKey{{Collection: "store", Key: store}, {Collection: "store", Key: other},
		{Collection: "organization/" + store, Key: "acme"}} {
		m.Documents = append(m.Documents, ostiary.DocumentChange{Key: key, Body: []byte("{}")})
	}
	if _, err := raft.Propose(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	return w
}

func named(name string) ostiary.Principal { return ostiary.Principal{Kind: "preshared", Name: name} }

func (w *world) as(name string) context.Context {
	return ostiary.WithPrincipal(w.t.Context(), named(name))
}

func (w *world) grant(name string, role access.Role, target access.Target) {
	w.t.Helper()
	if _, err := w.service.Grant(w.as("test"), access.Grant{Principal: named(name), Role: role, Target: target}, true); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) may(p ostiary.Principal, role access.Role, target access.Target) bool {
	w.t.Helper()
	v, err := backend{w.raft}.View(w.t.Context(), ostiary.Freshness{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	allowed, err := w.service.May(w.t.Context(), v, p, role, target)
	if err != nil {
		w.t.Fatal(err)
	}
	return allowed
}

// TestMay: a role holds for what is narrower and for lesser roles, and for nothing else; and it ends when it is revoked,
// whatever was decided before.
func TestMay(t *testing.T) {
	w := newWorld(t)
	all := []access.Target{{}, {Store: store}, {Store: store, Organization: "acme"}, {Store: store, Organization: "globex"},
		{Store: other}, {Store: other, Organization: "acme"}}
	within := func(t, of access.Target) bool {
		return of.Store == "" || of.Store == t.Store && (of.Organization == "" || of.Organization == t.Organization)
	}
	rank := map[access.Role]int{access.Reader: 1, access.Writer: 2, access.Administrator: 3}
	for i, target := range all[:3] {
		for _, role := range access.Roles() {
			name := string(role) + string(rune('0'+i))
			if w.may(named(name), access.Reader, target) {
				t.Fatalf("%s may before anything was granted", name)
			}
			w.grant(name, role, target)
			for _, asked := range all {
				for _, r := range access.Roles() {
					want := within(asked, target) && rank[r] <= rank[role]
					for range 2 { // the second time from what was kept
						if got := w.may(named(name), r, asked); got != want {
							t.Errorf("%s of %s is %s of %s: %v, want %v", role, target, r, asked, got, want)
						}
					}
				}
			}
			if _, err := w.service.Revoke(w.as("test"), access.Grant{Principal: named(name), Role: role, Target: target}, true); err != nil {
				if role != access.Administrator || i != 0 || !errors.Is(err, access.ErrLast) {
					t.Fatal(err)
				}
				continue
			}
			if w.may(named(name), access.Reader, target) {
				t.Errorf("%s may after it was revoked", name)
			}
		}
	}
}

// TestKeptDecisions: they are bounded, and whoever asks about what there is not leaves room for those of others.
func TestKeptDecisions(t *testing.T) {
	const most = 20
	w := newWorld(t)
	w.service.KeepAtMost(most)
	w.grant("shop", access.Reader, access.Target{Store: store})
	for i := range 3*most + most/2 {
		if w.may(named("prober"), access.Reader, access.Target{Store: fmt.Sprintf("01ARYZ6S41TSV4RRFFQ69%05d", i)}) {
			t.Fatal("the prober may")
		}
		if kept, bound := w.service.Kept(); kept > most || bound != most {
			t.Fatalf("%d decisions are kept of %d", kept, bound)
		}
	}
	shop, target := named("shop"), access.Target{Store: store}
	for range 2 {
		if !w.may(shop, access.Reader, target) {
			t.Error("the shop may not")
		}
	}
	if !w.service.Knows(access.Query{Principal: &shop, Target: &target}, access.Reader) {
		t.Error("after many others were asked about no decision is kept any more")
	}
}

// TestOddNames: no name of a principal or target is taken for another, or for all of them.
func TestOddNames(t *testing.T) {
	w := newWorld(t)
	names := []string{"*", "a/b", "a", "a%2Fb", "b", "a:b", "a#reader", "a@b", " a", "a ", "\x00", "ä", "%", "a\nb"}
	for _, granted := range names {
		w.grant(granted, access.Reader, access.Target{Store: store})
		for _, name := range names {
			if got := w.may(named(name), access.Reader, access.Target{Store: store}); got != (name == granted) {
				t.Errorf("granted to %q, and %q may: %v", granted, name, got)
			}
		}
		if w.may(ostiary.Principal{Kind: "oidc", Name: granted}, access.Reader, access.Target{Store: store}) {
			t.Errorf("granted to preshared:%s, and oidc:%s may", granted, granted)
		}
		grants, _, err := w.service.List(t.Context(), access.Query{})
		if err != nil || len(grants) != 1 || grants[0].Principal != named(granted) {
			t.Errorf("the list has %v, %v, want preshared:%q", grants, err, granted)
		}
		if _, err := w.service.Revoke(w.as("test"), access.Grant{Principal: named(granted), Role: access.Reader, Target: access.Target{Store: store}}, true); err != nil {
			t.Fatal(err)
		}
	}
	w.grant("root", access.Reader, access.Target{})
	w.grant("shop", access.Administrator, access.Target{Store: store})
	for _, id := range []string{"*", "", store + "/acme", store + "#reader", "system", "../" + store, strings.ToLower(store), "\x00"} {
		target := access.Target{Store: id}
		if w.may(named("shop"), access.Reader, target) {
			t.Errorf("the administrator of a store may read the store %q", id)
		}
		if !w.may(named("root"), access.Reader, target) {
			t.Errorf("who reads all stores does not learn that there is no store %q", id)
		}
		if _, err := w.service.Grant(w.as("test"), access.Grant{Principal: named("x"), Role: access.Reader, Target: target}, true); err == nil && id != "" {
			t.Errorf("a role of the store %q was granted", id)
		}
	}
	for _, p := range []string{"", "preshared", "preshared:", "anonymous", "internal:x", "bootstrap", "user:ann", "oidc:"} {
		if _, err := access.ParsePrincipal(p); err == nil {
			t.Errorf("%q is a principal that can be granted something", p)
		}
	}
	if _, err := access.ParsePrincipal("oidc:" + strings.Repeat("#", 300)); err == nil {
		t.Error("a principal that no tuple can hold was taken")
	}
}

// TestWhoGrants: only who administers a target changes the roles in it.
func TestWhoGrants(t *testing.T) {
	w := newWorld(t)
	w.grant("root", access.Administrator, access.Target{})
	w.grant("shop", access.Administrator, access.Target{Store: store})
	w.grant("clerk", access.Writer, access.Target{})
	here, there := access.Target{Store: store}, access.Target{Store: other}
	inside, nowhere := access.Target{Store: store, Organization: "acme"}, access.Target{Store: store[:25] + "Z"}
	for _, c := range []struct {
		who    string
		target access.Target
		want   error
	}{
		{"root", access.Target{}, nil}, {"root", here, nil}, {"root", inside, nil}, {"root", nowhere, ostiary.ErrNotFound},
		{"shop", here, nil}, {"shop", inside, nil}, {"shop", access.Target{Store: store, Organization: "globex"}, ostiary.ErrNotFound},
		{"shop", access.Target{}, access.ErrDenied}, {"shop", there, access.ErrDenied}, {"shop", nowhere, access.ErrDenied},
		{"clerk", here, access.ErrDenied}, {"clerk", access.Target{}, access.ErrDenied}, {"nobody", inside, access.ErrDenied},
	} {
		g := access.Grant{Principal: named("new"), Role: access.Reader, Target: c.target}
		if _, err := w.service.Grant(w.as(c.who), g, false); !errors.Is(err, c.want) {
			t.Errorf("%s grants in %s: got %v, want %v", c.who, c.target, err, c.want)
		}
		want := c.want
		if errors.Is(want, ostiary.ErrNotFound) {
			want = nil // what was of something that is gone can be taken away
		}
		if _, err := w.service.Revoke(w.as(c.who), g, false); !errors.Is(err, want) {
			t.Errorf("%s revokes in %s: got %v, want %v", c.who, c.target, err, want)
		}
	}
	if _, err := w.service.Grant(t.Context(), access.Grant{Principal: named("new"), Role: access.Reader}, true); !errors.Is(err, access.ErrDenied) {
		t.Errorf("nobody grants: %v", err)
	}
}

// TestAdministratorsRevokeEachOther: of two who revoke each other at once, one is left.
func TestAdministratorsRevokeEachOther(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		w.grant("a", access.Administrator, access.Target{})
		w.grant("b", access.Administrator, access.Target{})
		var both sync.WaitGroup
		for _, pair := range [][2]string{{"a", "b"}, {"b", "a"}} {
			both.Go(func() {
				_, err := w.service.Revoke(w.as(pair[0]), access.Grant{Principal: named(pair[1]), Role: access.Administrator}, false)
				if err != nil && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrLast) {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if a, b := w.may(named("a"), access.Administrator, access.Target{}), w.may(named("b"), access.Administrator, access.Target{}); a == b {
			t.Fatalf("a is administrator: %v, b: %v, want one of them", a, b)
		}
	}
}

// TestBootstrap: the newest credential counts, once, and only while there is no administrator.
func TestBootstrap(t *testing.T) {
	w := newWorld(t)
	ctx := ostiary.WithPrincipal(t.Context(), ostiary.Principal{Kind: "bootstrap"})
	first, err := w.service.NewBootstrap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.service.NewBootstrap(t.Context())
	if err != nil || first == second || !strings.HasPrefix(second, access.BootstrapPrefix) || len(second) < len(access.BootstrapPrefix)+40 {
		t.Fatalf("got %q, %q, %v", first, second, err)
	}
	for _, void := range []string{"", first, second + "x", access.BootstrapPrefix} {
		if _, err := w.service.Claim(ctx, void, named("thief")); !errors.Is(err, access.ErrBootstrap) {
			t.Errorf("%q: got %v, want that it is void", void, err)
		}
	}
	var all sync.WaitGroup
	claimed := make(chan string, 8)
	for _, name := range []string{"a", "b", "c", "d"} {
		all.Go(func() {
			_, err := w.service.Claim(ctx, second, named(name))
			switch {
			case err == nil:
				claimed <- name
			case !errors.Is(err, access.ErrBootstrap):
				t.Error(err)
			}
		})
	}
	all.Wait()
	close(claimed)
	var winners []string
	for name := range claimed {
		winners = append(winners, name)
	}
	if len(winners) != 1 || !w.may(named(winners[0]), access.Administrator, access.Target{}) {
		t.Fatalf("claimed by %v, want one", winners)
	}
	if third, err := w.service.NewBootstrap(t.Context()); err != nil || third != "" {
		t.Errorf("another credential while there is an administrator: %q, %v", third, err)
	}
	// What an administrator granted before it was claimed voids it too.
	w = newWorld(t)
	credential, err := w.service.NewBootstrap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.grant("root", access.Administrator, access.Target{})
	if _, err := w.service.Claim(ctx, credential, named("late")); !errors.Is(err, access.ErrBootstrap) {
		t.Errorf("claimed beside an administrator: %v", err)
	}
}

// TestAudited: each change of rights leaves a row that says who made it.
func TestAudited(t *testing.T) {
	w := newWorld(t)
	w.grant("shop", access.Reader, access.Target{Store: store})
	w.grant("shop", access.Reader, access.Target{Store: store}) // changes nothing
	v, err := w.raft.View(t.Context(), ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	rows, err := v.Documents("audit/"+identity.SystemStore, "", 10, false)
	if err != nil || len(rows) != 1 {
		t.Fatalf("got %d rows, %v, want one", len(rows), err)
	}
	for _, part := range []string{"access.grant", `"principal_name":"test"`, "principal:preshared/shop", "store:" + store} {
		if !strings.Contains(string(rows[0].Body), part) {
			t.Errorf("the row %s lacks %s", rows[0].Body, part)
		}
	}
}

// TestLog: changes are told newest first, narrowed to a target or a principal, and a page goes on where one ended.
func TestLog(t *testing.T) {
	w := newWorld(t)
	shop := access.Target{Store: store}
	for _, g := range []access.Grant{{Role: access.Reader, Principal: named("shop"), Target: shop},
		{Role: access.Administrator, Principal: named("ops")}, {Role: access.Writer, Principal: named("shop"), Target: shop}} {
		w.grant(g.Principal.Name, g.Role, g.Target)
		time.Sleep(time.Millisecond) // rows of one moment lie in any order
	}
	if _, err := w.service.Revoke(w.as("test"), access.Grant{Principal: named("shop"), Role: access.Reader, Target: shop}, true); err != nil {
		t.Fatal(err)
	}
	log := func(q access.Query, before string, limit int) (all []access.Change, text string) {
		t.Helper()
		all, err := w.service.Log(t.Context(), q, before, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			if c.By != named("test") || c.Revision == 0 || c.TimeNanos == 0 {
				t.Errorf("the change %+v", c)
			}
			text += fmt.Sprintf("%s %s %s %s\n", c.Kind, c.Grant.Principal, c.Grant.Role, c.Grant.Target)
		}
		return all, text
	}
	taken, all := "revoke preshared:shop reader store:"+store+"\n", ""
	given := "grant preshared:shop writer store:" + store + "\n"
	if _, all = log(access.Query{}, "", 10); all != taken+given+"grant preshared:ops administrator cluster\n"+strings.Replace(given, "writer", "reader", 1) {
		t.Errorf("all changes:\n%s", all)
	}
	page, text := log(access.Query{Target: &shop}, "", 1)
	if text != taken {
		t.Errorf("the newest change of the store:\n%s", text)
	}
	if _, text = log(access.Query{Target: &shop}, page[0].ID, 1); text != given {
		t.Errorf("the next change of the store:\n%s", text)
	}
	ops := named("ops")
	if _, text = log(access.Query{Principal: &ops}, "", 10); text != "grant preshared:ops administrator cluster\n" {
		t.Errorf("changes of ops:\n%s", text)
	}
}
