package api

import (
	"testing"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// Clients of a receiver of streams are made by who makes receivers: administrators of its store.
func TestClientsOfReceiversNeedTheStore(t *testing.T) {
	g := newGuarded(t)
	ctx := ostiary.WithPrincipal(t.Context(), ostiary.Principal{Kind: "internal", Name: "test"})
	made, err := g.identity.CreateStreamReceiver(ctx, identity.StreamReceiver{
		Store: g.store, Organization: guardedOrganization, Name: "monitor"})
	if err != nil {
		t.Fatal(err)
	}
	g.connection = made.ID
	opens := map[string]string{
		ostiaryv1.IdentityService_CreateClient_FullMethodName: "store admin, cluster admin, certificate of cluster admin",
		ostiaryv1.IdentityService_DeleteClient_FullMethodName: "store admin, cluster admin, certificate of cluster admin",
		ostiaryv1.IdentityService_ListClients_FullMethodName: "store reader, store writer, store admin, " +
			"cluster reader, cluster writer, cluster admin, certificate of store reader, certificate of cluster admin",
	}
	for _, m := range g.methods(t) {
		want, ok := opens[m.name]
		if !ok {
			continue
		}
		if got := g.letIn(t, m); got != want {
			t.Errorf("%s of a receiver: %s may, want %s", m.name, got, want)
		}
	}
	// A receiver of another store is one that does not exist.
	g.connection, g.store = made.ID, "01ARYZ6S41TSV4RRFFQ69G5FAV"
	for _, m := range g.methods(t) {
		if m.name == ostiaryv1.IdentityService_ListClients_FullMethodName {
			if got, want := g.letIn(t, m), "cluster reader, cluster writer, cluster admin, certificate of cluster admin"; got != want {
				t.Errorf("%s of a receiver of another store: %s may, want %s", m.name, got, want)
			}
		}
	}
}

// letIn names the callers whom a method lets in.
func (g *guarded) letIn(t *testing.T, m method) string {
	t.Helper()
	names := ""
	for _, c := range callers {
		if g.outcome(t, m, c) == "+" {
			names += ", " + c.column
		}
	}
	if names == "" {
		return ""
	}
	return names[len(", "):]
}
