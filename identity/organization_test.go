package identity_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

func TestOrganizations(t *testing.T) {
	w := newWorld(t)
	ctx := w.ctx()
	made, err := w.service.CreateOrganization(ctx, store, "", "Second")
	if err != nil || made.ID == "" || strings.Contains(made.ID, "/") {
		t.Fatalf("got %+v, %v", made, err)
	}
	refused := []struct {
		name, store, id, title string
		want                   error
	}{
		{"taken", store, "acme", "Acme", ostiary.ErrExists},
		{"with a slash", store, "a/b", "Acme", ostiary.ErrTupleInvalid},
		{"with a hash", store, "a#b", "Acme", ostiary.ErrTupleInvalid},
		{"too long", store, strings.Repeat("a", 64), "Acme", ostiary.ErrTupleInvalid},
		{"without a name", store, "b", " ", ostiary.ErrTupleInvalid},
		{"with a long name", store, "b", strings.Repeat("a", 257), ostiary.ErrTupleInvalid},
		{"of no store", "T", "b", "Acme", ostiary.ErrNotFound},
	}
	for _, r := range refused {
		if _, err := w.service.CreateOrganization(ctx, r.store, r.id, r.title); !errors.Is(err, r.want) {
			t.Errorf("%s: %v", r.name, err)
		}
	}
	all, err := w.service.Organizations(ctx, store, "", 10)
	if err != nil || len(all) != 2 || all[0].ID != "acme" || all[0].Name != "Acme" {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := w.service.DeleteOrganization(ctx, store, "acme"); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("deleted with a connection: %v", err)
	}
	if _, err := w.service.AddMember(ctx, store, made.ID, "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.DeleteOrganization(ctx, store, made.ID); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("deleted with a member: %v", err)
	}
	if _, err := w.service.RemoveMember(ctx, store, made.ID, "ann"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.DeleteOrganization(ctx, store, made.ID); err != nil {
		t.Error(err)
	}
	if _, err := w.service.Organization(ctx, store, made.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("deleted, and still there: %v", err)
	}
	if _, err := w.service.CreateOrganization(t.Context(), store, "x", "X"); err == nil {
		t.Error("nobody made an organization")
	}
	w.wantTuples()
}

// The gate cannot be walked around by tuples that were there before it. IDENTITY g.0 rules 1 and 2.
func TestFirstOrganizationFindsIdentityTuples(t *testing.T) {
	for _, text := range []string{
		"organization:acme#enabled@user:*", "organization:acme#directory_member@user:ann", "group:g#assigned@user:ann",
		"role:r#direct@user:ann", "entitlement:e#direct@user:ann", "session:s#subject@user:ann", "group:g#organization@organization:acme",
	} {
		t.Run(text, func(t *testing.T) {
			w := newWorld(t)
			tuple, err := ostiary.ParseTuple(text)
			if err != nil {
				t.Fatal(err)
			}
			w.propose(&ostiary.Mutation{
				Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "store", Key: "T"}, Body: []byte("{}")}},
				Tuples: []ostiary.TupleChange{{Op: ostiary.TupleCreate, Store: "T", Tuple: tuple,
					Grant: ostiary.Grant{Owner: ostiary.OwnerAPI}}},
			})
			if _, err := w.service.CreateOrganization(w.ctx(), "T", "acme", "Acme"); !errors.Is(err, ostiary.ErrExists) || !strings.Contains(err.Error(), text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFirstOrganizationJudgesTheModel(t *testing.T) {
	w := newWorld(t)
	refusal := errors.New("the model lets people around the gate")
	service := identity.New(backend{w.raft}, identity.Options{
		JudgeModel: func(context.Context, identity.View, string) ([]ostiary.Precondition, error) { return nil, refusal },
	})
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "store", Key: "T"}, Body: []byte("{}")}}})
	if _, err := service.CreateOrganization(w.ctx(), "T", "acme", "Acme"); !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	if on, _, err := identity.HasOrganizations(w.view(), "T"); on || err != nil {
		t.Errorf("the gate is on: %v, %v", on, err)
	}
	if on, _, err := identity.HasOrganizations(w.view(), store); !on || err != nil {
		t.Errorf("the gate of a store with organizations is off: %v, %v", on, err)
	}
}

func TestMembers(t *testing.T) {
	w := newWorld(t)
	ctx := w.ctx()
	managed := w.user("ann")
	must(t)(w.service.CreateOrganization(ctx, store, "other", "Other"))
	// A person of a connection is shared with another organization, but is not added to its own.
	must(t)(w.service.AddMember(ctx, store, "other", managed.ID))
	if _, err := w.service.AddMember(ctx, store, "acme", managed.ID); !errors.Is(err, ostiary.ErrExists) {
		t.Errorf("added a person whom a connection manages: %v", err)
	}
	must(t)(w.service.AddMember(ctx, store, "acme", "bob"))
	before := w.revision()
	must(t)(w.service.AddMember(ctx, store, "acme", "bob"))
	if w.revision() != before {
		t.Error("adding again made a revision")
	}
	for _, id := range []string{"*", "", "a b", "a:b", "a#b"} {
		if _, err := w.service.AddMember(ctx, store, "acme", id); !errors.Is(err, ostiary.ErrTupleInvalid) {
			t.Errorf("added %q: %v", id, err)
		}
	}
	members, err := w.service.Members(ctx, store, "acme", "", 10)
	if err != nil || len(members) != 1 || members[0].User != "bob" {
		t.Errorf("got %+v, %v", members, err)
	}
	w.wantTuples("organization:acme#directory_member@user:bob by org:acme/bob", "organization:acme#enabled@user:bob by org:acme/bob",
		"organization:other#directory_member@user:"+managed.ID+" by org:other/"+managed.ID,
		"organization:other#enabled@user:"+managed.ID+" by org:other/"+managed.ID,
		"organization:acme#directory_member@user:"+managed.ID+" by scim:"+w.connection.ID+"/"+managed.ID+"/user",
		"organization:acme#enabled@user:"+managed.ID+" by scim:"+w.connection.ID+"/"+managed.ID+"/active")
	// Who is disabled by a connection is disabled there, and not where an operator added them.
	w.setActive(managed.ID, false)
	if g := w.gate(managed.ID); !g.Closed("acme") || g.Closed("other") {
		t.Errorf("the gate is %+v", g)
	}
	dctx, d := w.directory()
	if _, err := d.DeleteUser(dctx, managed.ID, 0); err != nil {
		t.Fatal(err)
	}
	if members, err := w.service.Members(ctx, store, "other", "", 10); err != nil || len(members) != 0 {
		t.Errorf("a person who was deleted is a member: %+v, %v", members, err)
	}
	if _, err := w.service.AddMember(ctx, store, "other", managed.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("added a person who was deleted: %v", err)
	}
	must(t)(w.service.RemoveMember(ctx, store, "acme", "bob"))
	if _, err := w.service.RemoveMember(ctx, store, "acme", "bob"); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("removed again: %v", err)
	}
	w.wantTuples()
}

// A local block is the operator's: no connector lifts it. IDENTITY g.0 rule 4.
func TestBlockOutlastsConnections(t *testing.T) {
	w := newWorld(t)
	ctx := w.ctx()
	u := w.user("ann")
	must(t)(w.service.BlockUser(ctx, store, "acme", u.ID))
	before := w.revision()
	must(t)(w.service.BlockUser(ctx, store, "acme", u.ID))
	if w.revision() != before {
		t.Error("blocking again made a revision")
	}
	closed := func(when string, want bool) {
		t.Helper()
		if g := w.gate(u.ID); g.Closed("acme") != want || g.Closed("") != want || g.Closed("other") {
			t.Errorf("%s: the gate is %+v", when, g)
		}
	}
	closed("blocked", true)
	w.setActive(u.ID, false)
	w.setActive(u.ID, true)
	closed("deactivated and activated again", true)
	w.setActive(u.ID, false)
	must(t)(w.service.UnblockUser(ctx, store, "acme", u.ID))
	closed("unblocked while disabled", true)
	w.setActive(u.ID, true)
	closed("unblocked and active", false)
	for _, id := range []string{"bob", "*", "u00000000000000000000000000"} {
		if _, err := w.service.BlockUser(ctx, store, "acme", id); err == nil {
			t.Errorf("blocked %q, who is not of the organization", id)
		}
	}
	must(t)(w.service.AddMember(ctx, store, "acme", "bob"))
	must(t)(w.service.BlockUser(ctx, store, "acme", "bob"))
	must(t)(w.service.RemoveMember(ctx, store, "acme", "bob"))
	if !w.gate("bob").Closed("acme") {
		t.Error("leaving the organization lifted the block")
	}
	must(t)(w.service.UnblockUser(ctx, store, "acme", "bob"))
	if !w.gate("bob").IsOpen() {
		t.Error("a block that was lifted is left")
	}
}

func TestTokens(t *testing.T) {
	w := newWorld(t)
	ctx := w.ctx()
	id := w.connection.ID
	second, text, err := w.service.CreateToken(ctx, store, id, identity.Token{Name: "second", Scopes: []identity.Scope{identity.ScopeUsersRead, identity.ScopeGroupsWrite}})
	if err != nil {
		t.Fatal(err)
	}
	// Two live at once, and each has its scopes.
	_, d := w.directoryOf(id, "bearer "+text)
	for scope, want := range map[identity.Scope]bool{
		identity.ScopeUsersRead: true, identity.ScopeUsersWrite: false, identity.ScopeGroupsRead: true,
		identity.ScopeGroupsWrite: true, identity.ScopeRolesRead: false,
	} {
		if err := d.Allow(scope); (err == nil) != want || err != nil && !errors.Is(err, identity.ErrForbidden) {
			t.Errorf("scope %s: %v", scope, err)
		}
	}
	dctx, all := w.directory()
	for _, scope := range identity.Scopes() {
		if err := all.Allow(scope); err != nil {
			t.Errorf("scope %s of a token with all: %v", scope, err)
		}
	}
	if p, ok := ostiary.PrincipalOf(dctx); !ok || p.Kind != "scim" || !strings.HasPrefix(p.Name, id+"/") {
		t.Errorf("the principal is %v", p)
	}
	for _, doc := range mustDocuments(t, w.view(), "token/"+id) {
		if strings.Contains(string(doc.Body)+doc.Key.Key, strings.TrimPrefix(text, "ostiary_")) {
			t.Error("the token is stored")
		}
	}
	other := w.connect("acme")
	refused := map[string][2]string{
		"no header": {id, ""}, "no token": {id, "Bearer "}, "basic": {id, "Basic " + text}, "another token": {id, "Bearer " + text + "x"},
		"another connection": {other.ID, "Bearer " + text}, "no connection": {"c00000000000000000000000000", "Bearer " + text}, "a path": {"x/y", "Bearer " + text},
	}
	for name, r := range refused {
		if _, _, err := w.service.Directory(t.Context(), r[0], r[1]); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.service.RevokeToken(ctx, store, id, second.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.service.Directory(t.Context(), id, "Bearer "+text); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("a revoked token: %v", err)
	}
	if _, err := w.service.RevokeToken(ctx, store, id, second.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("revoked again: %v", err)
	}
	if _, _, err := w.service.CreateToken(ctx, store, id, identity.Token{Name: "late", ExpiryNanos: 1}); !errors.Is(err, ostiary.ErrTupleInvalid) {
		t.Errorf("a token that has expired: %v", err)
	}
	for life := 20 * time.Millisecond; ; life *= 2 {
		_, text, err = w.service.CreateToken(ctx, store, id, identity.Token{Name: "short", ExpiryNanos: w.raft.Now() + int64(life)})
		if err == nil {
			break
		}
		if !errors.Is(err, ostiary.ErrTupleInvalid) || life > time.Minute {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, _, err := w.service.Directory(t.Context(), id, "Bearer "+text)
		if errors.Is(err, identity.ErrUnauthenticated) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the token does not expire: %v", err)
		}
	}
	if tokens, err := w.service.Tokens(ctx, store, id); err != nil || len(tokens) != 2 {
		t.Errorf("got %+v, %v", tokens, err)
	}
	for range 20 {
		_, _, err = w.service.CreateToken(ctx, store, id, identity.Token{Name: "more"})
	}
	if !errors.Is(err, ostiary.ErrTooBroad) {
		t.Errorf("more tokens than there may be: %v", err)
	}
}

func mustDocuments(t *testing.T, v identity.View, collection string) []ostiary.Document {
	t.Helper()
	docs, err := v.Documents(collection, "", 100, false)
	if err != nil || len(docs) == 0 {
		t.Fatalf("%s: %d documents, %v", collection, len(docs), err)
	}
	return docs
}

// TestTokensMadeAtOnce: the bound holds for tokens that are made at once, so that each can be listed and revoked.
func TestTokensMadeAtOnce(t *testing.T) {
	w := newWorld(t)
	id := w.connection.ID
	before, err := w.service.Tokens(w.ctx(), store, id)
	if err != nil {
		t.Fatal(err)
	}
	var makers sync.WaitGroup
	var made, refused atomic.Int64
	for range 16 {
		makers.Go(func() {
			_, _, err := w.service.CreateToken(w.ctx(), store, id, identity.Token{Name: "one of many"})
			switch {
			case err == nil:
				made.Add(1)
			case errors.Is(err, ostiary.ErrTooBroad):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	makers.Wait()
	all, err := w.service.Tokens(w.ctx(), store, id)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 10 || int(made.Load()) != 10-len(before) || made.Load()+refused.Load() != 16 {
		t.Fatalf("%d tokens before, %d made, %d refused, %d listed; want 10", len(before), made.Load(), refused.Load(), len(all))
	}
	for _, token := range all {
		if _, err := w.service.RevokeToken(w.ctx(), store, id, token.ID); err != nil {
			t.Error(err)
		}
	}
	if left, err := w.service.Tokens(w.ctx(), store, id); err != nil || len(left) != 0 {
		t.Errorf("%d tokens are left, %v", len(left), err)
	}
}

func TestConnectionRefusals(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]identity.Connection{
		"kind":         {Store: store, Organization: "acme", Name: "x", Kind: "ldap"},
		"dialect":      {Store: store, Organization: "acme", Name: "x", Kind: identity.KindOkta, Dialect: "x"},
		"name":         {Store: store, Organization: "acme", Kind: identity.KindOkta},
		"organization": {Store: store, Organization: "none", Name: "x", Kind: identity.KindOkta},
	} {
		if _, err := w.service.CreateConnection(w.ctx(), c); err == nil {
			t.Errorf("made a connection with a wrong %s", name)
		}
	}
	if _, err := w.service.Connection(w.ctx(), store, w.connection.ID); err != nil {
		t.Error(err)
	}
	w.propose(&ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "store", Key: "T"}, Body: []byte("{}")}}})
	if _, err := w.service.Connection(w.ctx(), "T", w.connection.ID); !errors.Is(err, ostiary.ErrNotFound) {
		t.Errorf("a connection of another store: %v", err)
	}
	all, err := w.service.Connections(w.ctx(), store, "acme")
	if err != nil || len(all) != 1 || all[0].ID != w.connection.ID || all[0].Dialect != identity.DialectCompat {
		t.Errorf("got %+v, %v", all, err)
	}
}
