package api

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/identity"
)

// unknownStore is the id of a store that there is not.
const unknownStore = "01ARYZ6S41TSV4RRFFQ69G5FAV"

// fillings are values with which requests get by the rules for their fields, by the names of these.
func (g *guarded) fillings() map[string]string {
	return map[string]string{
		"organization_id": guardedOrganization, "connection_id": g.connection, "user_id": "anne", "name": "name.example", "reason": "why",
		"email": "anne@acme.example", "principal": "preshared:x", "client_id": "portal", "status": "paused", "algorithm": "ES256",
		"authorization_model_id": unknownStore, "relation": "viewer", "object": "doc:1", "user": "user:anne", "type": "doc",
	}
}

// bodies are requests, in JSON, for which fillings do not do. STORE and CONNECTION stand for what is asked about.
var bodies = map[string]string{
	"ActionSearch":   `{"subject": {"type": "user", "id": "anne"}, "resource": {"type": "doc", "id": "1"}}`,
	"Evaluation":     `{"subject": {"type": "user", "id": "anne"}, "resource": {"type": "doc", "id": "1"}, "action": {"name": "viewer"}}`,
	"Evaluations":    `{"subject": {"type": "user", "id": "anne"}, "resource": {"type": "doc", "id": "1"}, "action": {"name": "viewer"}}`,
	"ResourceSearch": `{"subject": {"type": "user", "id": "anne"}, "resource": {"type": "doc"}, "action": {"name": "viewer"}}`,
	"SubjectSearch":  `{"subject": {"type": "user"}, "resource": {"type": "doc", "id": "1"}, "action": {"name": "viewer"}}`,

	"BatchCheck":              `{"checks": [{"tuple_key": {"user": "user:anne", "relation": "viewer", "object": "doc:1"}, "correlation_id": "1"}]}`,
	"SetStoreQuota":           `{"max_tuples": 5}`,
	"ListUsers":               `{"object": {"type": "doc", "id": "1"}, "relation": "viewer", "user_filters": [{"type": "user"}]}`,
	"ReadAuthorizationModel":  `{"id": "01ARYZ6S41TSV4RRFFQ69G5FAV"}`,
	"Write":                   `{"writes": {"tuple_keys": [{"user": "principal:preshared:x", "relation": "administrator", "object": "cluster:it"}]}}`,
	"WriteAuthorizationModel": `{"schema_version": "1.1", "type_definitions": [{"type": "user"}]}`,

	"ExplainAccess": `{"principal": "preshared:x", "role": "ACCESS_ROLE_READER", "target": {"store_id": "STORE"}}`,
	"GrantAccess":   `{"grant": {"principal": "preshared:x", "role": "ACCESS_ROLE_READER", "target": {"store_id": "STORE"}}}`,
	"RevokeAccess":  `{"grant": {"principal": "preshared:x", "role": "ACCESS_ROLE_READER", "target": {"store_id": "STORE"}}}`,
	"ListAccess":    `{"target": {"store_id": "STORE"}}`,

	"CreateOrganization": `{"id": "acme", "name": "ACME"}`,
	"CreateClient":       `{"connection_id": "CONNECTION", "name": "x", "method": "client_secret"}`,
	"CreateConnection":   `{"organization_id": "acme", "name": "x", "kind": "okta"}`,
	"CreateRole":         `{"organization_id": "acme", "value": "x"}`,
	"SetOIDCIssuer":      `{"connection_id": "CONNECTION", "oidc_issuer": {"issuer": "https://idp.example", "client_ids": ["x"]}}`,
	"SetRevoker":         `{"connection_id": "CONNECTION", "revoker": {"issuer": "https://idp.example", "subject": "x"}}`,
	"SetSignalSource":    `{"connection_id": "CONNECTION", "source": {"issuer": "https://idp.example", "audience": ["x"]}}`,

	"CreateApplication":    `{"application": {"client_id": "portal", "name": "x"}}`,
	"UpdateApplication":    `{"application": {"client_id": "portal", "name": "x"}}`,
	"CreateWebhook":        `{"webhook": {"name": "x", "url": "https://x.example"}}`,
	"UpdateWebhook":        `{"webhook": {"id": "w01aryz6s41tsv4rrffq69g5fav", "name": "x", "url": "https://x.example"}}`,
	"CreateStreamReceiver": `{"receiver": {"name": "x"}}`,

	"CreateSession":  `{"session": {"organization_id": "acme", "user_id": "anne"}}`,
	"DeleteSessions": `{"filter": {"user_id": "anne"}}`,
	"TouchSession":   `{"id": "acme/s01aryz6s41tsv4rrffq69g5fav", "expires_at": "2030-01-01T00:00:00Z"}`,
	"DeleteTuples":   `{"filter": {"object": "cluster:it"}}`,
}

// about returns a request that names a store, or nil where there is no field for one.
func (g *guarded) about(t *testing.T, m method, store string) proto.Message {
	t.Helper()
	typ, err := protoregistry.GlobalTypes.FindMessageByName(m.input.FullName())
	if err != nil {
		t.Fatal(err)
	}
	req := typ.New()
	_, name, _ := strings.Cut(strings.TrimPrefix(m.name, "/"), "/")
	if body, ok := bodies[name]; ok {
		text := strings.NewReplacer("STORE", store, "CONNECTION", g.connection).Replace(body)
		if err := protojson.Unmarshal([]byte(text), req.Interface()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if !fill(req, store, g.fillings(), bodies[name] != "") {
		return nil
	}
	return req.Interface()
}

// fill says something in every field that fillings know and that is empty, and names the store wherever one can be.
func fill(m protoreflect.Message, store string, fillings map[string]string, given bool) (named bool) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch name := string(f.Name()); {
		case name == "store_id" || name == "store":
			m.Set(f, protoreflect.ValueOfString(store))
			named = true
		case f.Message() != nil && (name == "target" || name == "grant"):
			named = fill(m.Mutable(f).Message(), store, fillings, given) || named
		case given || f.IsMap() || f.IsList():
		case name == "tuple_key":
			named = fill(m.Mutable(f).Message(), store, fillings, false) || named
		case f.Kind() == protoreflect.StringKind && fillings[name] != "":
			m.Set(f, protoreflect.ValueOfString(fillings[name]))
		}
	}
	return named
}

// storeless are the methods that ask about no store.
var storeless = []string{"Check", "List", "Watch", "ServerReflectionInfo", "CreateStore", "ListStores", "ListDeletedStores", "ListStoreQuotas", "ClaimCluster", "CreateBackup", "GetAuditHead"}

// indifferent are the methods that succeed for a store that there is not: it is deleted, and has no grants, and nobody
// has a role in it but by the cluster.
var indifferent = []string{"DeleteStore", "ListAccess", "ListAccessChanges", "RevokeAccess", "ExplainAccess", "GetConfiguration"}

// trails are the methods that show the rows of the audit: also those about stores that there are no more, and about the
// server's own, which an administrator of the cluster sees without naming it too.
var trails = []string{"ListAudit", "TailAudit"}

// TestSystemStoreIsNobodys: whatever an administrator of the cluster asks about the store of the server's own is
// refused as for a store that there is not, or for what is no id of one; nothing is changed.
func TestSystemStoreIsNobodys(t *testing.T) {
	g := newGuarded(t)
	g.authzenBaseURL = "https://authz.example"
	admin := callers[slices.IndexFunc(callers, func(c caller) bool { return c.column == "cluster admin" })]
	grpcAddr, base := g.listen(t)
	conn, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer http.DefaultClient.CloseIdleConnections()
	routes := httpRoutes(t)
	for _, m := range g.methods(t) {
		name := m.name[strings.LastIndex(m.name, "/")+1:]
		unknown, system := g.about(t, m, unknownStore), g.about(t, m, identity.SystemStore)
		if unknown == nil {
			if !slices.Contains(storeless, name) {
				t.Errorf("%s: no field names a store: say in storeless that it asks about none", m.name)
			}
			continue
		}
		if slices.Contains(trails, name) {
			continue
		}
		// The request gets by all other rules, or what follows would show nothing.
		want := status.Convert(ask(t, conn, m, admin, unknown))
		if canonicalCode(want.Code()) != codes.NotFound && !slices.Contains(indifferent, name) {
			t.Errorf("%s of a store that there is not: %v %q: say in bodies what gets by the rules for its fields", m.name, want.Code(), want.Message())
		}
		before := g.revision(t)
		got := status.Convert(ask(t, conn, m, admin, system))
		noID := got.Code() == codes.InvalidArgument && (strings.Contains(got.Message(), "StoreId") || strings.Contains(got.Message(), `"system"`))
		if canonicalCode(got.Code()) != codes.NotFound && !noID {
			t.Errorf("%s of the store %s: %v %q", m.name, identity.SystemStore, got.Code(), got.Message())
		}
		for _, route := range routes[m.name] {
			route = strings.ReplaceAll(route, "/stores/acme", "/stores/"+identity.SystemStore)
			if strings.HasPrefix(route, "GET /ostiary/v1/access/") {
				route += "?target.store_id=" + identity.SystemStore
			}
			if got, answer := g.askHTTP(t, base, route, admin, system); got != http.StatusNotFound && got != http.StatusBadRequest {
				t.Errorf("%s: %d %s", route, got, answer)
			}
		}
		if after := g.revision(t); after != before {
			t.Errorf("%s of the store %s changed something: revision %d became %d", m.name, identity.SystemStore, before, after)
		}
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+admin.key)
	for _, name := range []string{"", identity.SystemStore} {
		all, err := openfgav1.NewOpenFGAServiceClient(conn).ListStores(ctx, &openfgav1.ListStoresRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if (len(all.GetStores()) == 0) != (name != "") {
			t.Errorf("stores by the name %q: %v", name, all.GetStores())
		}
		for _, one := range all.GetStores() {
			if one.GetId() == identity.SystemStore {
				t.Errorf("it is listed: %v", one)
			}
		}
	}
}

// askHTTP sends a request over HTTP, and returns the status and the text of the answer.
func (g *guarded) askHTTP(t *testing.T, base, route string, c caller, req proto.Message) (int, string) {
	t.Helper()
	verb, path, _ := strings.Cut(route, " ")
	var body io.Reader = http.NoBody
	if verb == http.MethodPost || verb == http.MethodPut || verb == http.MethodPatch {
		text, err := protojson.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		body = strings.NewReader(string(text))
	}
	r, err := http.NewRequestWithContext(t.Context(), verb, base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// ask sends a request over gRPC, and returns what became of it.
func ask(t *testing.T, conn *grpc.ClientConn, m method, c caller, req proto.Message) error {
	t.Helper()
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+c.key))
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, m.name)
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.SendMsg(req) // an error is told by RecvMsg
	_ = stream.CloseSend()
	return stream.RecvMsg(&openfgav1.WriteResponse{})
}
