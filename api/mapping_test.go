package api_test

import (
	"strings"
	"testing"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/identity"
)

// tenantModel is a model with an application's own names, and without roles, entitlements and sessions.
const tenantModel = `model
  schema 1.1

type person

type tenant
  relations
    define active: [person]
    define listed: [person]
    define member: listed and active

type team
  relations
    define tenant: [tenant]
    define listed: [person, team#member]
    define member: listed and active from tenant

type document
  relations
    define tenant: [tenant]
    define viewer: [person, team#member]
`

const tenantMapping = `user: person
in_organization: tenant
organization: {type: tenant, enabled: active, directory_member: listed}
group: {type: team, assigned: listed}
without: [role, entitlement, session, invited]
`

func writeModel(w *gateWorld, text string) (string, error) {
	w.t.Helper()
	m, err := dsl.Compile("model.fga", []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	data, err := dsl.JSON(m)
	if err != nil {
		w.t.Fatal(err)
	}
	req := &openfgav1.WriteAuthorizationModelRequest{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, req); err != nil {
		w.t.Fatal(err)
	}
	req.StoreId = w.store
	resp, err := w.fga.WriteAuthorizationModel(w.t.Context(), req)
	return resp.GetAuthorizationModelId(), err
}

func (w *gateWorld) setMapping(text string) error {
	w.t.Helper()
	_, err := ostiaryv1.NewIdentityServiceClient(w.conn).SetMapping(w.t.Context(), &ostiaryv1.SetMappingRequest{StoreId: w.store, Yaml: text})
	return err
}

func wantRefusal(t *testing.T, what string, err error, code codes.Code, parts ...string) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("%s: got %v, want code %v", what, err, code)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%s: got %v, want %q in it", what, err, part)
		}
	}
}

// Questions, writes and models are judged by the names of the store's mapping.
func TestMappedNames(t *testing.T) {
	w := newGateWorld(t)
	wantRefusal(t, "a mapping without a model", w.setMapping(tenantMapping), codes.FailedPrecondition)
	if _, err := writeModel(w, tenantModel); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, "a mapping of what is not there", w.setMapping("user: persn\n"), codes.InvalidArgument, "mapping:1:7", "did you mean `person`?")
	if err := w.setMapping(tenantMapping); err != nil {
		t.Fatal(err)
	}
	shown, err := ostiaryv1.NewIdentityServiceClient(w.conn).GetMapping(t.Context(), &ostiaryv1.GetMappingRequest{StoreId: w.store})
	if err != nil || !strings.Contains(shown.GetYaml(), "enabled: active") {
		t.Errorf("got %v, %v", shown, err)
	}
	w.open()
	ann, bob := w.user("ann"), w.user("bob")
	team, err := w.directory.CreateGroup(w.ctx, identity.GroupInput{DisplayName: "All"}, []string{ann, bob})
	if err != nil {
		t.Fatal(err)
	}
	group := "team:acme/" + team.ID
	if err := w.write("document:1#viewer@"+group+"#member", "document:2#viewer@person:"+ann, "document:2#tenant@tenant:acme",
		"document:3#viewer@person:"+ann); err != nil {
		t.Fatal(err)
	}
	check := func(relation, object, user string, want bool) {
		t.Helper()
		text := object + "#" + relation + "@person:" + user
		if allowed, err := w.check("", text); err != nil || allowed != want {
			t.Errorf("%s: got %v, %v; want %v", text, allowed, err, want)
		}
	}
	everything := func(user string, want bool) {
		t.Helper()
		check("member", "tenant:acme", user, want)
		check("member", group, user, want)
		check("viewer", "document:1", user, want)
	}
	direct := func(want bool) {
		t.Helper()
		check("viewer", "document:2", ann, want)
		check("viewer", "document:3", ann, want)
	}
	everything(ann, true)
	everything(bob, true)
	direct(true)
	w.setActive(ann, false)
	everything(ann, false)
	everything(bob, true)
	direct(false)
	w.setActive(ann, true)
	everything(ann, true)
	direct(true)

	// An object of another organization alone is not denied by acme's gate: its tenant tells.
	w.organization("other")
	if err := w.write("document:4#viewer@person:"+ann, "document:4#tenant@tenant:other"); err != nil {
		t.Fatal(err)
	}
	w.setActive(ann, false)
	check("viewer", "document:4", ann, true)

	for _, tuple := range []string{"tenant:acme#active@person:x", "tenant:acme#listed@person:x", group + "#listed@person:x", group + "#tenant@tenant:acme"} {
		wantRefusal(t, tuple, w.write(tuple), codes.Code(2000), "written by identity providers")
		_, err := w.check("", "tenant:acme#member@person:x", tuple)
		wantRefusal(t, "contextual "+tuple, err, codes.Code(2027))
	}
	_, err = writeModel(w, strings.Replace(tenantModel, "define member: listed and active from tenant", "define member: listed", 1))
	wantRefusal(t, "a model with a way around", err, codes.Code(2056), "team#member <- team#listed <- [person]")
	_, err = writeModel(w, strings.NewReplacer("define listed: [person, team#member]", "define names: [person, team#member]",
		"define member: listed and active from", "define member: names and active from").Replace(tenantModel))
	wantRefusal(t, "a model that lacks what the mapping names", err, codes.Code(2056), "no relation `listed`")
	if _, err = writeModel(w, tenantModel+"    define editor: [person]\n"); err != nil {
		t.Errorf("a model that goes on: %v", err)
	}
	wantRefusal(t, "a mapping that changes what is meant", w.setMapping("{}"), codes.InvalidArgument)
	wantRefusal(t, "the same, and it fits", w.setMapping(strings.Replace(tenantMapping, "type: team, assigned: listed", "type: team, assigned: listed, member: listed", 1)),
		codes.InvalidArgument, "both called")
	wantRefusal(t, "groups left out", w.setMapping(strings.Replace(tenantMapping, "group: {type: team, assigned: listed}\nwithout: [", "without: [group, ", 1)),
		codes.AlreadyExists, group)
}

// The application's own type role is its own where the mapping leaves roles out.
func TestTheApplicationsRole(t *testing.T) {
	w := newGateWorld(t)
	if _, err := writeModel(w, tenantModel+"\ntype role\n  relations\n    define direct: [person]\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.setMapping(tenantMapping); err != nil {
		t.Fatal(err)
	}
	w.open()
	if err := w.write("role:1#direct@person:x"); err != nil {
		t.Error(err)
	}
	_, err := ostiaryv1.NewIdentityServiceClient(w.conn).CreateRole(t.Context(), &ostiaryv1.CreateRoleRequest{StoreId: w.store, OrganizationId: "acme", Value: "x"})
	wantRefusal(t, "a role of the identity module", err, codes.InvalidArgument, "leaves out role")
}
