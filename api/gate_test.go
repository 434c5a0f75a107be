package api_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
)

// gateApp is an application's part of a model with the identity module.
const gateApp = `module app

type document
  relations
    define organization: [organization]
    define viewer: [user, user:*, group#member, organization#member]

extend type organization
  relations
    define parent: [organization]
    define auditor: [user] and enabled
`

// identityModel is the identity module with an application, after words in it were replaced.
func identityModel(t testing.TB, replace ...string) *openfgav1.WriteAuthorizationModelRequest {
	t.Helper()
	module, err := os.ReadFile("../identity/identity.fga")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer(replace...).Replace(string(module))
	m, err := dsl.CompileModules("fga.mod", []byte("schema: '1.2'\ncontents:\n  - identity.fga\n  - app.fga\n"),
		fstest.MapFS{"identity.fga": {Data: []byte(text)}, "app.fga": {Data: []byte(gateApp)}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := dsl.JSON(m)
	if err != nil {
		t.Fatal(err)
	}
	req := &openfgav1.WriteAuthorizationModelRequest{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, req); err != nil {
		t.Fatal(err)
	}
	return req
}

// gateWorld is a server with a store that has an organization, a connection and its directory.
type gateWorld struct {
	*harness
	t         testing.TB
	fga       openfgav1.OpenFGAServiceClient
	store     string
	service   *identity.Service
	directory *identity.Directory
	ctx       context.Context // of the connection
	admin     context.Context // of an operator
}

func newGateWorld(t testing.TB) *gateWorld {
	t.Helper()
	return newGateWorldOn(t, start(t))
}

func newGateWorldOn(t testing.TB, h *harness) *gateWorld {
	t.Helper()
	w := &gateWorld{harness: h, t: t, fga: openfgav1.NewOpenFGAServiceClient(h.conn)}
	w.admin = ostiary.WithPrincipal(t.Context(), ostiary.Principal{Kind: "preshared", Name: "test"})
	// The server's own service is not to be had over the wire; one over the same backend is its equal.
	server, err := api.NewServer(api.Options{Backend: backend{h.store}, Engine: engine.New(engine.Options{}), Authenticator: api.Anonymous()})
	if err != nil {
		t.Fatal(err)
	}
	w.service = server.Identity()
	created, err := w.fga.CreateStore(t.Context(), &openfgav1.CreateStoreRequest{Name: "gated"})
	if err != nil {
		t.Fatal(err)
	}
	w.store = created.GetId()
	return w
}

// open makes the organization and connection.
func (w *gateWorld) open() {
	w.t.Helper()
	w.organization("acme")
	c, err := w.service.CreateConnection(w.admin, identity.Connection{Store: w.store, Organization: "acme", Name: "Okta", Kind: identity.KindOkta})
	if err != nil {
		w.t.Fatal(err)
	}
	_, token, err := w.service.CreateToken(w.admin, w.store, c.ID, identity.Token{Name: "first"})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.ctx, w.directory, err = w.service.Directory(w.t.Context(), c.ID, "Bearer "+token); err != nil {
		w.t.Fatal(err)
	}
}

func (w *gateWorld) organization(id string) {
	w.t.Helper()
	if _, err := w.service.CreateOrganization(w.admin, w.store, id, id); err != nil {
		w.t.Fatal(err)
	}
}

func (w *gateWorld) model(replace ...string) (string, error) {
	w.t.Helper()
	req := identityModel(w.t, replace...)
	req.StoreId = w.store
	written, err := w.fga.WriteAuthorizationModel(w.t.Context(), req)
	return written.GetAuthorizationModelId(), err
}

func (w *gateWorld) user(name string) string {
	w.t.Helper()
	u, err := w.directory.CreateUser(w.ctx, identity.UserInput{UserName: name, Active: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return u.ID
}

func (w *gateWorld) setActive(user string, active bool) {
	w.t.Helper()
	_, err := w.directory.ChangeUser(w.ctx, user, 0, func(u identity.User) (identity.UserInput, error) {
		u.Active = active
		return u.UserInput, nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func tupleKeyOf(t testing.TB, text string) *openfgav1.TupleKey {
	t.Helper()
	tuple, err := ostiary.ParseTuple(text)
	if err != nil {
		t.Fatal(err)
	}
	return &openfgav1.TupleKey{User: tuple.Subject.String(), Relation: tuple.Relation, Object: tuple.Object.String()}
}

func (w *gateWorld) write(tuples ...string) error {
	w.t.Helper()
	req := &openfgav1.WriteRequest{StoreId: w.store, Writes: &openfgav1.WriteRequestWrites{}}
	for _, text := range tuples {
		req.Writes.TupleKeys = append(req.Writes.TupleKeys, tupleKeyOf(w.t, text))
	}
	_, err := w.fga.Write(w.t.Context(), req)
	return err
}

func (w *gateWorld) check(model, text string, contextual ...string) (bool, error) {
	w.t.Helper()
	k := tupleKeyOf(w.t, text)
	req := &openfgav1.CheckRequest{StoreId: w.store, AuthorizationModelId: model,
		TupleKey: &openfgav1.CheckRequestTupleKey{User: k.User, Relation: k.Relation, Object: k.Object}}
	for _, text := range contextual {
		if req.ContextualTuples == nil {
			req.ContextualTuples = &openfgav1.ContextualTupleKeys{}
		}
		req.ContextualTuples.TupleKeys = append(req.ContextualTuples.TupleKeys, tupleKeyOf(w.t, text))
	}
	resp, err := w.fga.Check(w.t.Context(), req)
	return resp.GetAllowed(), err
}

// wantChecks asks every question that is about a person on every surface, and compares.
func (w *gateWorld) wantChecks(when string, user string, want map[string]bool) {
	w.t.Helper()
	for object, allowed := range want {
		text := object + "@user:" + user
		if got, err := w.check("", text); err != nil || got != allowed {
			w.t.Errorf("%s: check %s: got %v, %v, want %v", when, text, got, err, allowed)
		}
		k := tupleKeyOf(w.t, text)
		batch, err := w.fga.BatchCheck(w.t.Context(), &openfgav1.BatchCheckRequest{StoreId: w.store, Checks: []*openfgav1.BatchCheckItem{
			{CorrelationId: "1", TupleKey: &openfgav1.CheckRequestTupleKey{User: k.User, Relation: k.Relation, Object: k.Object}}}})
		if err != nil || batch.GetResult()["1"].GetAllowed() != allowed || batch.GetResult()["1"].GetError() != nil {
			w.t.Errorf("%s: batch check %s: got %v, %v, want %v", when, text, batch, err, allowed)
		}
		typ, _, _ := strings.Cut(k.Object, ":")
		objects, err := w.fga.ListObjects(w.t.Context(), &openfgav1.ListObjectsRequest{StoreId: w.store, Type: typ, Relation: k.Relation, User: k.User})
		if err != nil || contains(objects.GetObjects(), k.Object) != allowed {
			w.t.Errorf("%s: list objects of %s: got %v, %v, want %s there %v", when, text, objects.GetObjects(), err, k.Object, allowed)
		}
		_, id, _ := strings.Cut(k.Object, ":")
		users, err := w.fga.ListUsers(w.t.Context(), &openfgav1.ListUsersRequest{StoreId: w.store, Object: &openfgav1.Object{Type: typ, Id: id},
			Relation: k.Relation, UserFilters: []*openfgav1.UserTypeFilter{{Type: "user"}}})
		listed := false
		for _, u := range users.GetUsers() {
			listed = listed || u.GetObject().GetId() == user
		}
		if err != nil || listed != allowed {
			w.t.Errorf("%s: list users of %s: got %v, %v, want %s there %v", when, text, users.GetUsers(), err, user, allowed)
		}
		x, err := ostiaryv1.NewOstiaryServiceClient(w.conn).Explain(w.t.Context(), &ostiaryv1.ExplainRequest{StoreId: w.store,
			TupleKey: &ostiaryv1.TupleKey{User: k.User, Relation: k.Relation, Object: k.Object}})
		if err != nil || (x.GetOutcome() == ostiaryv1.Outcome_OUTCOME_ALLOWED) != allowed {
			w.t.Errorf("%s: explain %s: got %v, %v, want %v", when, text, x.GetOutcome(), err, allowed)
		}
	}
}

func contains(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

// Deactivation denies by direct grants of applications too, is reversible, and deletion is for ever.
// IDENTITY g.0 rules 1 and 2, g.5.
func TestSubjectGate(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann := w.user("ann")
	g, err := w.directory.CreateGroup(w.ctx, identity.GroupInput{DisplayName: "g"}, []string{ann})
	if err != nil {
		t.Fatal(err)
	}
	group := "group:acme/" + g.ID
	if err := w.write("document:direct#viewer@user:"+ann, "document:bygroup#viewer@"+group+"#member", "document:all#viewer@user:*"); err != nil {
		t.Fatal(err)
	}
	direct, byGroup, all := "document:direct#viewer", "document:bygroup#viewer", "document:all#viewer"
	w.wantChecks("active", ann, map[string]bool{direct: true, byGroup: true, group + "#member": true, "organization:acme#member": true})
	if got, err := w.check("", all+"@user:"+ann); err != nil || !got {
		t.Errorf("a wildcard: %v, %v", got, err)
	}
	w.setActive(ann, false)
	denied := map[string]bool{direct: false, byGroup: false, group + "#member": false, group + "#assigned": false,
		"organization:acme#member": false, "organization:acme#directory_member": false}
	w.wantChecks("disabled", ann, denied)
	if got, err := w.check("", all+"@user:"+ann); err != nil || got {
		t.Errorf("a wildcard for a disabled person: %v, %v", got, err)
	}
	w.setActive(ann, true)
	w.wantChecks("active again", ann, map[string]bool{direct: true, byGroup: true, group + "#member": true})
	if _, err := w.service.BlockUser(w.admin, w.store, "acme", ann); err != nil {
		t.Fatal(err)
	}
	w.wantChecks("blocked", ann, denied)
	if _, err := w.service.UnblockUser(w.admin, w.store, "acme", ann); err != nil {
		t.Fatal(err)
	}
	w.wantChecks("unblocked", ann, map[string]bool{direct: true, byGroup: true})
	if _, err := w.directory.DeleteUser(w.ctx, ann, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.write("document:direct#viewer@user:" + ann); err != nil {
		t.Fatal(err)
	}
	w.wantChecks("deleted, and granted again by an application", ann, map[string]bool{direct: false, byGroup: false, group + "#member": false})
}

// Tried: disabled in one organization, enabled in another, and an object linked to both. IDENTITY g.0 rule 3.
func TestGateOfEachOrganization(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	w.organization("partner")
	ann := w.user("ann")
	if _, err := w.service.AddMember(w.admin, w.store, "partner", ann); err != nil {
		t.Fatal(err)
	}
	u := "@user:" + ann
	if err := w.write(
		"document:ours#viewer"+u, "document:ours#organization@organization:acme",
		"document:theirs#viewer"+u, "document:theirs#organization@organization:partner",
		"document:both#viewer"+u, "document:both#organization@organization:acme", "document:both#organization@organization:partner",
		"document:nobodys#viewer"+u,
	); err != nil {
		t.Fatal(err)
	}
	w.wantChecks("active", ann, map[string]bool{"document:ours#viewer": true, "document:theirs#viewer": true,
		"document:both#viewer": true, "document:nobodys#viewer": true, "organization:partner#member": true})
	w.setActive(ann, false)
	w.wantChecks("disabled in acme", ann, map[string]bool{"document:ours#viewer": false, "document:theirs#viewer": true,
		"document:both#viewer": false, "document:nobodys#viewer": false, "organization:partner#member": true, "organization:acme#member": false})
	// A contextual tuple does not make the object another organization's.
	if got, err := w.check("", "document:nobodys#viewer"+u, "document:nobodys#organization@organization:partner"); err != nil || got {
		t.Errorf("an organization in a contextual tuple: %v, %v", got, err)
	}
}

// Identity relations are refused as plain tuples and as contextual ones, present or absent. IDENTITY g.0 rule 1.
func TestIdentityRelationsAreNotWritten(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann := w.user("ann")
	g, err := w.directory.CreateGroup(w.ctx, identity.GroupInput{DisplayName: "g"}, []string{ann})
	if err != nil {
		t.Fatal(err)
	}
	group := "group:acme/" + g.ID
	for _, tuple := range []string{
		"organization:acme#enabled@user:*", "organization:acme#enabled@user:bob", "organization:acme#enabled@user:" + ann,
		"organization:acme#directory_member@user:bob", "organization:acme#live@session:s#subject", "organization:acme#invited@user:bob",
		group + "#assigned@user:bob", group + "#assigned@user:" + ann, group + "#organization@organization:partner",
		"role:acme/r#direct@user:bob", "role:acme/r#organization@organization:acme", "entitlement:acme/e#direct@user:bob", "session:s#subject@user:bob",
		"session:s#organization@organization:acme",
	} {
		err := w.write(tuple)
		if code := status.Code(err); code != codes.Code(openfgav1.ErrorCode_validation_error) || !strings.Contains(err.Error(), "written by identity providers") {
			t.Errorf("write %s: %v", tuple, err)
		}
		if allowed, err := w.check("", "document:1#viewer@user:bob", tuple); status.Code(err) != codes.Code(openfgav1.ErrorCode_invalid_tuple) || allowed {
			t.Errorf("contextual %s: %v, %v", tuple, allowed, err)
		}
	}
	// What a connection owns is not deleted by Write.
	k := tupleKeyOf(t, group+"#assigned@user:"+ann)
	_, err = w.fga.Write(t.Context(), &openfgav1.WriteRequest{StoreId: w.store, Deletes: &openfgav1.WriteRequestDeletes{
		TupleKeys: []*openfgav1.TupleKeyWithoutCondition{{User: k.User, Relation: k.Relation, Object: k.Object}}}})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "scim:") {
		t.Errorf("delete: %v", err)
	}
	if err := w.write("organization:acme#auditor@user:"+ann, "organization:acme#admin@"+group+"#member"); err != nil {
		t.Errorf("relations of the application: %v", err)
	}
	// A store without organizations is as ever.
	other, err := w.fga.CreateStore(t.Context(), &openfgav1.CreateStoreRequest{Name: "other"})
	if err != nil {
		t.Fatal(err)
	}
	w.store = other.GetId()
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	if err := w.write("organization:acme#enabled@user:bob"); err != nil {
		t.Errorf("in a store without organizations: %v", err)
	}
	if _, err := w.service.CreateOrganization(w.admin, w.store, "acme", "Acme"); err == nil {
		t.Error("made an organization over tuples of an application")
	}
}

// cutOff is a backend that has not heard from the rest of its cluster for longer than is asked for.
type cutOff struct{ backend }

func (b cutOff) View(ctx context.Context, f ostiary.Freshness) (api.View, error) {
	if f.MaxStaleness > 0 && f.MaxStaleness <= 10*time.Second && !f.Linearizable {
		return nil, ostiary.ErrStale
	}
	return b.backend.View(ctx, f)
}

// A node that is cut off does not go on letting people in who were deactivated elsewhere: it says that it
// cannot answer. IDENTITY g.0 rule 16.
func TestGateOfNodeThatIsCutOff(t *testing.T) {
	w := newGateWorldOn(t, start(t, func(o *api.Options) { o.Backend = cutOff{o.Backend.(backend)} }))
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.check("", "document:1#viewer@user:ann"); err != nil {
		t.Errorf("in a store without organizations: %v", err)
	}
	w.open()
	if _, err := w.check("", "document:1#viewer@user:ann"); status.Code(err) != codes.Unavailable {
		t.Errorf("in a store with organizations: %v", err)
	}
	k := tupleKeyOf(t, "document:1#viewer@user:ann")
	_, err := w.fga.Check(t.Context(), &openfgav1.CheckRequest{StoreId: w.store, Consistency: openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY,
		TupleKey: &openfgav1.CheckRequestTupleKey{User: k.User, Relation: k.Relation, Object: k.Object}})
	if err != nil {
		t.Errorf("linearizable: %v", err)
	}
	// It may also have missed that somebody was deleted, who is denied for ever.
	past := metadata.AppendToOutgoingContext(t.Context(), "ostiary-as-of", string(ostiary.NewToken(w.harness.store.ClusterID(), w.newest(t))))
	_, err = w.fga.Check(past, &openfgav1.CheckRequest{StoreId: w.store,
		TupleKey: &openfgav1.CheckRequestTupleKey{User: k.User, Relation: k.Relation, Object: k.Object}})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("of the past: %v", err)
	}
}

// Models that let people around the gate are refused, and older ones that do so are not asked. IDENTITY g.0
// rules 1 and 18.
func TestModelsMustPassTheGate(t *testing.T) {
	w := newGateWorld(t)
	leak := []string{"define member: assigned and enabled from organization", "define member: assigned"}
	old, err := w.model(leak...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.CreateOrganization(w.admin, w.store, "acme", "Acme"); err == nil || !strings.Contains(err.Error(), "group#member") {
		t.Fatalf("the first organization under a model that leaks: %v", err)
	}
	good, err := w.model()
	if err != nil {
		t.Fatal(err)
	}
	w.open()
	for name, replace := range map[string][]string{
		"members":       leak,
		"support agent": {"define support_agent: [user with in_window] and enabled", "define support_agent: [user with in_window]"},
	} {
		_, err := w.model(replace...)
		if status.Code(err) != codes.Code(openfgav1.ErrorCode_invalid_authorization_model) || !strings.Contains(err.Error(), "not enabled") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.check(old, "document:1#viewer@user:ann"); status.Code(err) != codes.Code(openfgav1.ErrorCode_invalid_authorization_model) {
		t.Errorf("a question that names the older model: %v", err)
	}
	if _, err := w.check(good, "document:1#viewer@user:ann"); err != nil {
		t.Errorf("a question that names a good model: %v", err)
	}
}

// A Check flips in the revision in which the change is acknowledged. (Issue 6.)
func TestCheckFlipsAtOnce(t *testing.T) {
	w := newGateWorld(t)
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	ann := w.user("ann")
	if err := w.write("document:1#viewer@user:" + ann); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		active := i%2 == 1
		w.setActive(ann, active)
		if got, err := w.check("", "document:1#viewer@user:"+ann); err != nil || got != active {
			t.Fatalf("change %d: got %v, %v, want %v", i, got, err, active)
		}
	}
	// Lists of a person who is disabled are cut where the gate has taken its part away, and not before.
	var texts []string
	for i := range 30 {
		texts = append(texts, fmt.Sprintf("document:a%02d#viewer@user:%s", i, ann))
	}
	if err := w.write(append(texts, "document:z#viewer@user:"+ann, "document:z#organization@organization:partner")...); err != nil {
		t.Fatal(err)
	}
	w.setActive(ann, false)
	w.wantChecks("disabled", ann, map[string]bool{"document:z#viewer": true, "document:a00#viewer": false})
}
