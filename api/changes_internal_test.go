package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/access"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/audit"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/outbox"
)

// change is a request that changes something. Changes are made in their order, so that each finds what it needs.
type change struct {
	method  string
	request string                                 // JSON, in which $name is what was kept of an earlier answer
	keep    string                                 // "path.in.answer=name", with spaces between
	before  func(context.Context, *changing) error // makes what no method does
}

// changing is a server in which changes are made, and what was kept of its answers.
type changing struct {
	*guarded
	kept map[string]string
}

// silent are the methods that need the right of a writer or an administrator, and change nothing.
var silent = map[string]string{
	ostiaryv1.OstiaryService_CreateBackup_FullMethodName:     "reads everything that there is",
	ostiaryv1.AccessService_ListAccess_FullMethodName:        "shows who may do what",
	ostiaryv1.AccessService_ExplainAccess_FullMethodName:     "shows why a caller may do something",
	ostiaryv1.AccessService_ListAccessChanges_FullMethodName: "shows who gave and took roles",
	ostiaryv1.AuditService_ListAudit_FullMethodName:          "shows the audit",
	ostiaryv1.AuditService_TailAudit_FullMethodName:          "shows the audit as it grows",
	ostiaryv1.AuditService_GetAuditHead_FullMethodName:       "shows the head of the audit",
}

const aSession = `"session":{"organization_id":"acme","user_id":"ann","client_id":"portal","auth_time":"$now"}`

var changes = []change{
	{method: openfgav1.OpenFGAService_CreateStore_FullMethodName, request: `{"name":"Changed"}`, keep: "id=store"},
	{method: openfgav1.OpenFGAService_UpdateStore_FullMethodName, request: `{"store_id":"$store","name":"Changed again"}`},
	{method: openfgav1.OpenFGAService_WriteAuthorizationModel_FullMethodName, request: `$model`, keep: "authorization_model_id=model_id"},
	{method: ostiaryv1.IdentityService_SetMapping_FullMethodName, request: `{"store_id":"$store","yaml":"group: {type: team}"}`},
	{method: openfgav1.OpenFGAService_WriteAssertions_FullMethodName, request: `{"store_id":"$store","authorization_model_id":"$model_id",
		"assertions":[{"tuple_key":{"object":"doc:1","relation":"viewer","user":"user:ann"},"expectation":true}]}`},
	{method: openfgav1.OpenFGAService_Write_FullMethodName, request: `{"store_id":"$store","writes":{"tuple_keys":[
		{"object":"doc:1","relation":"viewer","user":"user:ann"},{"object":"doc:2","relation":"viewer","user":"user:ann"}]}}`},
	{method: ostiaryv1.TupleService_DeleteTuples_FullMethodName, request: `{"store_id":"$store","filter":{"object":"doc:1"}}`},
	{method: ostiaryv1.StoreAdminService_SetStoreQuota_FullMethodName, request: `{"store_id":"$store","max_tuples":1000,"request_rate":1000}`},

	{method: ostiaryv1.AccessService_GrantAccess_FullMethodName, request: `{"grant":{"principal":"preshared:shop","role":"ACCESS_ROLE_READER","target":{"store_id":"$store"}}}`},
	{method: ostiaryv1.AccessService_RevokeAccess_FullMethodName, request: `{"grant":{"principal":"preshared:shop","role":"ACCESS_ROLE_READER","target":{"store_id":"$store"}}}`},

	{method: ostiaryv1.IdentityService_CreateOrganization_FullMethodName, request: `{"store_id":"$store","id":"acme","name":"Acme"}`},
	{method: ostiaryv1.IdentityService_AddMember_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","user_id":"ann"}`},
	{method: ostiaryv1.IdentityService_BlockUser_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","user_id":"ann"}`},
	{method: ostiaryv1.IdentityService_UnblockUser_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","user_id":"ann"}`},
	{method: ostiaryv1.IdentityService_CreateRole_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","value":"clerk"}`},
	{method: ostiaryv1.IdentityService_AddDomain_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","name":"acme.test"}`},
	{method: ostiaryv1.IdentityService_VerifyDomain_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","name":"acme.test","confirm":true}`},
	{method: ostiaryv1.IdentityService_RemoveDomain_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","name":"acme.test"}`},
	{method: ostiaryv1.IdentityService_TurnGateOff_FullMethodName, request: `{"store_id":"$store","reason":"a trial"}`},
	{method: ostiaryv1.IdentityService_TurnGateOn_FullMethodName, request: `{"store_id":"$store"}`},

	{method: ostiaryv1.IdentityService_CreateConnection_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","name":"Okta","kind":"okta"}`,
		keep: "connection.id=connection"},
	{method: ostiaryv1.IdentityService_UpdateConnection_FullMethodName,
		request: `{"store_id":"$store","id":"$connection","users":{"minimum":1,"percent":1},"members":{"minimum":1,"percent":1}}`},
	{method: ostiaryv1.IdentityService_ConfirmHeld_FullMethodName, request: `{"store_id":"$store","id":"$connection","dismiss":true}`, before: holdDeletion},
	{method: ostiaryv1.IdentityService_CreateToken_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection","name":"first"}`, keep: "token.id=token"},
	{method: ostiaryv1.IdentityService_RevokeToken_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection","id":"$token"}`},
	{method: ostiaryv1.IdentityService_CreateClient_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection","name":"first","method":"client_secret"}`,
		keep: "client.id=client"},
	{method: ostiaryv1.IdentityService_DeleteClient_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection","id":"$client"}`},
	{method: ostiaryv1.IdentityService_SetRevoker_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection",
		"revoker":{"issuer":"https://acme.okta.test","subject":"0oa1","jwks_uri":"https://acme.okta.test/keys"}}`},
	{method: ostiaryv1.IdentityService_SetSignalSource_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection",
		"source":{"issuer":"https://acme.okta.test","audience":["https://us.test"],"jwks_uri":"https://acme.okta.test/keys"}}`},
	{method: ostiaryv1.IdentityService_SetSignalPolicy_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection","policy":{"session-revoked":"audit"}}`},
	{method: ostiaryv1.IdentityService_ClearSignalSource_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection"}`},
	{method: ostiaryv1.IdentityService_SetOIDCIssuer_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection",
		"oidc_issuer":{"issuer":"https://acme.okta.test","client_ids":["portal"],"jwks_uri":"https://acme.okta.test/keys","subject_claim":"sub"}}`},
	{method: ostiaryv1.SessionService_CreateSessionFromIDToken_FullMethodName,
		request: `{"store_id":"$store","connection_id":"$connection","id_token":"of somebody","client_id":"portal"}`, before: judgeAnyToken},
	{method: ostiaryv1.IdentityService_ClearOIDCIssuer_FullMethodName, request: `{"store_id":"$store","connection_id":"$connection"}`},
	{method: ostiaryv1.IdentityService_PauseConnection_FullMethodName, request: `{"store_id":"$store","id":"$connection","reason":"a trial"}`},
	{method: ostiaryv1.IdentityService_ResumeConnection_FullMethodName, request: `{"store_id":"$store","id":"$connection"}`},

	{method: ostiaryv1.SessionService_SetSessionSubjects_FullMethodName, request: `{"store_id":"$store","on":true}`},
	{method: ostiaryv1.SessionService_CreateSession_FullMethodName, request: `{"store_id":"$store",` + aSession + `}`, keep: "session.id=session"},
	{method: ostiaryv1.SessionService_TouchSession_FullMethodName, request: `{"store_id":"$store","id":"$session","expires_at":"$tomorrow"}`},
	{method: ostiaryv1.SessionService_DeleteSession_FullMethodName, request: `{"store_id":"$store","id":"$session"}`},
	{method: ostiaryv1.SessionService_CreateSession_FullMethodName, request: `{"store_id":"$store",` + aSession + `}`},
	{method: ostiaryv1.SessionService_DeleteSessions_FullMethodName, request: `{"store_id":"$store","filter":{"organization_id":"acme","user_id":"ann"}}`},

	{method: ostiaryv1.OutboxService_CreateApplication_FullMethodName,
		request: `{"store_id":"$store","application":{"client_id":"portal","name":"Portal","backchannel_logout_uri":"https://portal.test/logout"}}`},
	{method: ostiaryv1.OutboxService_UpdateApplication_FullMethodName,
		request: `{"store_id":"$store","application":{"client_id":"portal","name":"Shop","backchannel_logout_uri":"https://portal.test/logout"}}`},
	{method: ostiaryv1.OutboxService_DeleteApplication_FullMethodName, request: `{"store_id":"$store","client_id":"portal"}`},
	{method: ostiaryv1.OutboxService_CreateWebhook_FullMethodName,
		request: `{"store_id":"$store","webhook":{"name":"Desk","url":"https://hooks.test/1","organization_id":"acme"}}`, keep: "webhook.id=webhook"},
	{method: ostiaryv1.OutboxService_UpdateWebhook_FullMethodName,
		request: `{"store_id":"$store","webhook":{"id":"$webhook","name":"Desk","url":"https://hooks.test/2","organization_id":"acme"}}`},
	{method: ostiaryv1.OutboxService_RotateWebhookSecret_FullMethodName, request: `{"store_id":"$store","id":"$webhook"}`},
	{method: ostiaryv1.OutboxService_EndWebhookRotation_FullMethodName, request: `{"store_id":"$store","id":"$webhook"}`},
	{method: ostiaryv1.SessionService_CreateSession_FullMethodName, request: `{"store_id":"$store",` + aSession + `}`},
	{method: ostiaryv1.SessionService_RevokeSessions_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","user_id":"ann","reason":"a trial"}`},
	{method: ostiaryv1.OutboxService_RetryDeadLetters_FullMethodName, request: `{"store_id":"$store"}`, before: refuseDeliveries},
	{method: ostiaryv1.OutboxService_DropDeadLetters_FullMethodName, request: `{"store_id":"$store"}`, before: refuseDeliveries},
	{method: ostiaryv1.OutboxService_DeleteWebhook_FullMethodName, request: `{"store_id":"$store","id":"$webhook"}`},

	{method: ostiaryv1.SigningKeyService_RotateSigningKey_FullMethodName, request: `{"store_id":"$store","algorithm":"ES256","now":true}`, keep: "key.id=key"},
	{method: ostiaryv1.SigningKeyService_RetireSigningKey_FullMethodName, request: `{"store_id":"$store","id":"$key"}`},

	{method: ostiaryv1.StreamService_CreateStreamReceiver_FullMethodName, request: `{"store_id":"$store","receiver":{"name":"Monitor"}}`,
		keep: "receiver.id=receiver client_id=stream_client"},
	{method: ostiaryv1.StreamService_SetStreamStatus_FullMethodName, request: `{"store_id":"$store","id":"$stream","status":"paused","reason":"a trial"}`, before: createStream},
	{method: ostiaryv1.StreamService_DeleteStreamReceiver_FullMethodName, request: `{"store_id":"$store","id":"$receiver"}`},

	{method: ostiaryv1.IdentityService_DeleteConnection_FullMethodName, request: `{"store_id":"$store","id":"$connection","with_people":true}`},
	{method: ostiaryv1.IdentityService_RemoveMember_FullMethodName, request: `{"store_id":"$store","organization_id":"acme","user_id":"ann"}`},
	{method: ostiaryv1.IdentityService_DeleteOrganization_FullMethodName, request: `{"store_id":"$store","id":"acme"}`},
	{method: openfgav1.OpenFGAService_DeleteStore_FullMethodName, request: `{"store_id":"$store"}`},
	{method: ostiaryv1.StoreAdminService_UndeleteStore_FullMethodName, request: `{"store_id":"$store","trust_connections":true}`},

	{method: ostiaryv1.AccessService_ClaimCluster_FullMethodName, request: `{"principal":"preshared:first"}`, before: dismissAdministrators},
}

// TestEveryChangeIsAudited: what each method leaves in the audit stands in testdata/changes.txt, and one that may
// change something without leaving it there is not to be had.
func TestEveryChangeIsAudited(t *testing.T) {
	c := newChanging(t)
	address, _ := c.listen(t)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var table strings.Builder
	table.WriteString("# What each method that changes something leaves in the audit: + and - are tuples, p and d are documents that were\n" +
		"# put and deleted. Written by\n# go test ./api -run TestEveryChangeIsAudited -update, and to be read line by line when it changes.\n")
	shown := map[string]bool{}
	for _, one := range changes {
		rows := c.make(t, conn, one)
		if len(rows) == 0 {
			t.Errorf("%s changes something, or should have, and left no row in the audit", one.method)
		}
		shown[one.method] = true
		fmt.Fprintf(&table, "\n%s\n", one.method)
		shownRows := make([]string, len(rows))
		for i, e := range rows {
			shownRows[i] = c.shown(e)
		}
		slices.Sort(shownRows) // which of two people goes first is a matter of their ids
		table.WriteString(strings.Join(shownRows, ""))
	}
	for name, needed := range rights {
		mayChange := needed.claim || needed.role == access.Writer || needed.role == access.Administrator
		switch why := silent[name]; {
		case mayChange && !shown[name] && why == "":
			t.Errorf("nothing shows what %s leaves in the audit: add a request for it to changes in api/changes_internal_test.go and run\n"+
				"\tgo test ./api -run TestEveryChangeIsAudited -update\nor, where it changes nothing, a line to silent that says why", name)
		case shown[name] && (why != "" || !mayChange):
			t.Errorf("%s changes something: it is not silent, and who may call it must be at least a writer", name)
		}
	}
	for name := range silent {
		if _, ok := rights[name]; !ok {
			t.Errorf("silent in api/changes_internal_test.go has a line for %s, which no server serves: delete it", name)
		}
	}
	path := filepath.Join("testdata", "changes.txt")
	if *update {
		if err := os.WriteFile(path, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := table.String(); got != string(want) {
		t.Errorf("what changes leave in the audit has changed: look at the difference to testdata/changes.txt that\n"+
			"\tgo test ./api -run TestEveryChangeIsAudited -update\nmakes, and commit it where it is meant.%s", difference(string(want), got))
	}
}

// TestReadersChangeNothing: a method that needs no more than the right of a reader, and one that is silent, moves no
// revision.
func TestReadersChangeNothing(t *testing.T) {
	g := newGuarded(t)
	ctx := ostiary.WithPrincipal(t.Context(), ostiary.Principal{Kind: "internal", Name: "test"})
	if _, err := g.identity.Verify(ctx, g.store, guardedOrganization); err != nil {
		t.Fatal(err) // what first needs the secret of the cluster makes it
	}
	address, _ := g.listen(t)
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	administrator := callers[slices.IndexFunc(callers, func(c caller) bool { return c.column == "cluster admin" })]
	for _, m := range g.methods(t) {
		r := rights[m.name]
		if silent[m.name] == "" && (r.open || r.claim || r.role != access.Reader && r.of != nil) {
			continue
		}
		before := g.revision(t)
		_ = g.callGRPC(t, conn, m, administrator) // some are refused: the request is not whole
		if after := g.revision(t); after != before {
			t.Errorf("%s changes something, and readers may call it: revision %d became %d", m.name, before, after)
		}
	}
}

func newChanging(t *testing.T) *changing {
	t.Helper()
	c := &changing{newGuarded(t), map[string]string{"tomorrow": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)}}
	c.authzenBaseURL, c.storeRetention = "https://authz.test", time.Hour
	m, err := dsl.CompileModules("fga.mod", []byte("schema: '1.2'\ncontents:\n  - identity.fga\n  - app.fga\n"),
		fstest.MapFS{"identity.fga": {Data: []byte(identity.Module())}, "app.fga": {Data: []byte(changedModule)}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := dsl.JSON(m)
	if err != nil {
		t.Fatal(err)
	}
	c.kept["model"] = strings.Replace(string(text), "{", `{"store_id":"$store",`, 1)
	return c
}

const changedModule = `module app

type doc
  relations
    define viewer: [user]

type team
  relations
    define organization: [organization]
    define assigned: [user, team#member]
    define member: assigned and enabled from organization
`

var keptName = regexp.MustCompile(`\$[a-z_]+`)

func (c *changing) filled(text string) string {
	c.kept["now"] = time.Unix(0, c.backend.Now()).UTC().Format(time.RFC3339Nano)
	for keptName.MatchString(text) {
		text = keptName.ReplaceAllStringFunc(text, func(name string) string { return c.kept[name[1:]] })
	}
	return text
}

// make makes a change, and returns the rows that it left.
func (c *changing) make(t *testing.T, conn *grpc.ClientConn, one change) (rows []audit.Entry) {
	t.Helper()
	key := "key-of-cluster-admin"
	if one.before != nil {
		if err := one.before(ostiary.WithPrincipal(t.Context(), ostiary.Principal{Kind: "internal", Name: "test"}), c); err != nil {
			t.Fatalf("before %s: %v", one.method, err)
		}
	}
	if rights[one.method].claim {
		key = c.kept["credential"]
	}
	request, answer := messages(t, one.method)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: one.method == openfgav1.OpenFGAService_WriteAuthorizationModel_FullMethodName}).
		Unmarshal([]byte(c.filled(one.request)), request); err != nil {
		t.Fatalf("%s: %v", one.method, err)
	}
	before := c.revision(t)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+key, headerRequestID, "of-the-test")
	if err := conn.Invoke(ctx, one.method, request, answer); err != nil {
		t.Fatalf("%s: %v", one.method, err)
	}
	c.keep(t, one, answer)
	v, err := c.backend.(noticing).Backend.(testBackend).Store.View(t.Context(), ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for row, err := range v.AuditRows(t.Context(), audit.Place{Revision: before, Kind: audit.Change}, false) {
		if err != nil {
			t.Fatal(err)
		}
		e, err := audit.Decode(row.Key, row.Value)
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Method != one.method: // work of the server's own
		case e.Principal.Kind == "", e.RequestID != "of-the-test", !strings.HasPrefix(e.Origin, "127.0.0.1:"), e.TimeNanos == 0, len(e.Items) == 0:
			t.Errorf("%s left a row that does not say who did what by which request: %.500s", one.method, fmt.Sprintf("%+v", e))
		default:
			rows = append(rows, e)
		}
	}
	return rows
}

// messages returns an empty request and an empty answer of a method.
func messages(t *testing.T, method string) (request, answer proto.Message) {
	t.Helper()
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		t.Fatal(err)
	}
	empty := func(d protoreflect.MessageDescriptor) proto.Message {
		typ, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
		if err != nil {
			t.Fatal(err)
		}
		return typ.New().Interface()
	}
	return empty(d.(protoreflect.MethodDescriptor).Input()), empty(d.(protoreflect.MethodDescriptor).Output())
}

func (c *changing) keep(t *testing.T, one change, answer proto.Message) {
	t.Helper()
	text, err := (protojson.MarshalOptions{UseProtoNames: true}).Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range strings.Fields(one.keep) {
		path, name, _ := strings.Cut(what, "=")
		var at any
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&at); err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq(path, ".") {
			parts, _ := at.(map[string]any)
			at = parts[part]
		}
		value, ok := at.(string)
		if !ok || value == "" {
			t.Fatalf("%s: the answer has no %s: %s", one.method, path, text)
		}
		c.kept[name] = value
	}
}

var (
	idText = regexp.MustCompile(`(?i)[a-z]?[0-7][0-9a-hjkmnp-tv-z]{25}`)
	// digits are those of a hash, or of a name that nobody is to read.
	digits = regexp.MustCompile(`\b[0-9a-f]{32,}\b|[0-9A-Za-z_-]{43}`)
)

// shown is a row as the table has it.
func (c *changing) shown(e audit.Entry) string {
	items := make([]string, len(e.Items))
	for i, item := range e.Items {
		items[i] = "    " + c.named(item.String()) + "\n"
	}
	slices.Sort(items)
	return fmt.Sprintf("  by %s, about %s\n%s", e.Principal, cmp.Or(c.named(e.Store), "the cluster"), strings.Join(slices.Compact(items), ""))
}

// named replaces what differs from run to run.
func (c *changing) named(text string) string {
	for name, value := range c.kept {
		if len(value) >= 26 && !strings.Contains(value, "{") {
			text = strings.ReplaceAll(text, value, "<"+name+">")
		}
	}
	return idText.ReplaceAllString(digits.ReplaceAllString(text, "<digits>"), "<id>")
}

// holdDeletion lets the guard of the connection hold a deletion.
func holdDeletion(ctx context.Context, c *changing) error {
	store, connection := c.kept["store"], c.kept["connection"]
	_, token, err := c.identity.CreateToken(ctx, store, connection, identity.Token{Name: "of the provider"})
	if err != nil {
		return err
	}
	ctx, directory, err := c.identity.Directory(ctx, connection, "Bearer "+token)
	if err != nil {
		return err
	}
	for i := range 3 {
		u, err := directory.CreateUser(ctx, identity.UserInput{UserName: fmt.Sprintf("user%d", i), ExternalID: fmt.Sprint("00u", i), Active: true})
		if err != nil {
			return err
		}
		if i == 2 {
			break // who can log in
		}
		if _, err := directory.DeleteUser(ctx, u.ID, 0); (err == nil) != (i == 0) {
			return fmt.Errorf("deletion %d: %v", i+1, err)
		}
	}
	return nil
}

// anyToken takes every ID token for one of the person 00u2.
type anyToken struct{}

func (anyToken) Verify(_ context.Context, o identity.OIDCIssuer, _, _ string) (identity.Assertion, error) {
	return identity.Assertion{Connection: o.Connection, Setting: o.Version, Issuer: o.Issuer, Subject: "00u2", Claimed: "00u2", Client: o.ClientIDs[0],
		IssuedNanos: time.Now().UnixNano()}, nil
}

func judgeAnyToken(_ context.Context, c *changing) error {
	c.idTokens = anyToken{} // no request reads it meanwhile
	return nil
}

// refused is a kind of delivery, of which each is refused for good.
type refused struct{ outbox.Webhooks }

func (r *refused) Send(context.Context, outbox.Delivery) error {
	return &outbox.Refusal{Reason: "status 410", Permanent: true}
}

// refuseDeliveries works until what waits to be told is a dead letter.
func refuseDeliveries(ctx context.Context, c *changing) error {
	patient, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	working, stop := context.WithCancel(patient)
	done := make(chan struct{})
	go func() {
		defer close(done)
		outbox.New(outbox.Options{Backend: identityBackend{c.backend}, Identity: c.identity, Leads: func() bool { return true },
			Kinds: []outbox.Kind{&refused{outbox.Webhooks{Identity: c.identity, Cluster: c.backend.ClusterID, Now: c.backend.Now}}}}).Run(working)
	}()
	defer func() { stop(); <-done }()
	for {
		var dead []outbox.Letter
		err := c.identity.ReadStore(patient, c.kept["store"], func(v identity.View) (err error) {
			dead, err = outbox.Letters(v, c.kept["store"], outbox.Filter{}, "", 1)
			return err
		})
		if err != nil || len(dead) > 0 {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-patient.Done():
			return fmt.Errorf("there is no dead letter: %w", patient.Err())
		}
	}
}

// createStream makes a stream, as its receiver does.
func createStream(ctx context.Context, c *changing) error {
	client, _, err := c.identity.Client(ctx, c.kept["stream_client"])
	if err != nil {
		return err
	}
	token, err := c.identity.IssueToken(ctx, client, client.Scopes, "")
	if err != nil {
		return err
	}
	ctx, receiver, err := c.identity.StreamCallerOf(ctx, c.kept["store"], "Bearer "+token)
	if err != nil {
		return err
	}
	stream, err := receiver.CreateStream(ctx, identity.StreamConfiguration{Algorithm: "ES256"}, identity.StreamDelivery{})
	c.kept["stream"] = stream.ID
	return err
}

// dismissAdministrators takes every role away, also the last administrator's, which nothing else can, and makes a
// credential for the next.
func dismissAdministrators(ctx context.Context, c *changing) (err error) {
	v, err := c.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return err
	}
	defer v.Close()
	m := &ostiary.Mutation{TimeNanos: c.backend.Now(), Principal: ostiary.Principal{Kind: "internal", Name: "test"}}
	for held, err := range v.Tuples(ctx, ostiary.Filter{Store: identity.SystemStore}, nil) {
		if err != nil {
			return err
		}
		for _, grant := range held.Grants {
			m.Tuples = append(m.Tuples, ostiary.TupleChange{Op: ostiary.TupleDelete, Store: identity.SystemStore, Tuple: held.Tuple,
				Grant: ostiary.Grant{Owner: grant.Owner}})
		}
	}
	if _, err := c.backend.Propose(ctx, m); err != nil {
		return err
	}
	c.kept["credential"], err = c.access.NewBootstrap(ctx)
	return err
}
