package api_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary/identity"
)

// ungatedWorkspaces is a model from before workspaces were assigned by an identity provider.
const ungatedWorkspaces = `model
  schema 1.1

type user

type organization
  relations
    define enabled: [user]
    define directory_member: [user]
    define member: directory_member and enabled

type workspace
  relations
    define organization: [organization]
    define editor: [user]

type document
  relations
    define organization: [organization]
    define viewer: [user, workspace#editor]
`

const workspaceMapping = `without: [group, role, entitlement, session, invited]
assignable:
  - {kind: entitlement, relation: workspace#editor, type: Workspace role, label: Editor}
`

// What is assigned lets nobody through who is not enabled, whatever model a question names: not by a set of it
// that an object of another organization holds, nor while the gate is off.
func TestOlderModelOfWhatIsAssigned(t *testing.T) {
	w := newGateWorld(t)
	older, err := writeModel(w, ungatedWorkspaces)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writeModel(w, strings.Replace(ungatedWorkspaces, "editor: [user]", "editor: [user] and enabled from organization", 1)); err != nil {
		t.Fatal(err)
	}
	if err := w.setMapping(workspaceMapping); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.organization("beta")
	if err := w.write("workspace:w#organization@organization:acme", "document:d#organization@organization:beta",
		"document:d#viewer@workspace:w#editor"); err != nil {
		t.Fatal(err)
	}
	ann, err := w.directory.CreateUser(w.ctx, identity.UserInput{UserName: "ann", Active: true, Entitlements: []string{"workspace:w#editor"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.AddMember(w.admin, w.store, "beta", ann.ID); err != nil {
		t.Fatal(err)
	}
	judge := func(when string, want bool, texts ...string) {
		t.Helper()
		for _, text := range texts {
			text += "@user:" + ann.ID
			if allowed, err := w.check("", text); err != nil || allowed != want {
				t.Errorf("%s: %s: got %v, %v; want %v", when, text, allowed, err, want)
			}
			_, err := w.check(older, text)
			wantRefusal(t, when+", by the older model", err, codes.Code(2056), "workspace#editor", "enabled from organization")
		}
	}
	judge("enabled", true, "workspace:w#editor", "document:d#viewer")
	w.setActive(ann.ID, false)
	judge("disabled", false, "workspace:w#editor", "document:d#viewer")
	if _, _, err := w.service.TurnGateOff(w.admin, w.store, "drill"); err != nil {
		t.Fatal(err)
	}
	judge("disabled, with the gate off", false, "workspace:w#editor", "document:d#viewer")
}
