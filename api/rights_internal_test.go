package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	authzenv1 "github.com/openfga/api/proto/authzen/v1"
	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/access"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
	"github.com/ostiary/ostiary/raftstore"
	"github.com/ostiary/ostiary/storage"
)

var update = flag.Bool("update", false, "write testdata/callers.txt anew")

type testBackend struct{ *raftstore.Store }

func (b testBackend) View(ctx context.Context, f ostiary.Freshness) (View, error) {
	v, err := b.Store.View(ctx, f)
	if err != nil {
		return nil, err
	}
	return testView{v}, nil
}

type testView struct{ *storage.View }

func (v testView) Reader(store string, nowNanos int64) engine.Reader {
	return v.View.Reader(store, nowNanos)
}

// callers are the principals of the table, by their key: what each was granted.
type caller struct {
	column string
	key    string // of authorization; empty: none is sent
	role   access.Role
	target string // "", "cluster", "store", "other store", "organization", "other organization"
	// certificate is the name in that of the connection; empty: it has none
	certificate string
}

var callers = []caller{
	{column: "no key"},
	{column: "wrong key", key: "a key that nobody has"},
	{column: "no grant", key: "key-of-no-grant-0"},
	{column: "bootstrap credential", key: access.BootstrapPrefix + "that-was-never-made"},
	{column: "org reader", key: "key-of-org-reader", role: access.Reader, target: "organization"},
	{column: "org writer", key: "key-of-org-writer", role: access.Writer, target: "organization"},
	{column: "org admin", key: "key-of-org-admin-", role: access.Administrator, target: "organization"},
	{column: "other org admin", key: "key-of-other-organization", role: access.Administrator, target: "other organization"},
	{column: "store reader", key: "key-of-store-reader", role: access.Reader, target: "store"},
	{column: "store writer", key: "key-of-store-writer", role: access.Writer, target: "store"},
	{column: "store admin", key: "key-of-store-admin", role: access.Administrator, target: "store"},
	{column: "other store admin", key: "key-of-other-store", role: access.Administrator, target: "other store"},
	{column: "cluster reader", key: "key-of-cluster-reader", role: access.Reader, target: "cluster"},
	{column: "cluster writer", key: "key-of-cluster-writer", role: access.Writer, target: "cluster"},
	{column: "cluster admin", key: "key-of-cluster-admin", role: access.Administrator, target: "cluster"},
	{column: "certificate without grant", certificate: "nobody"},
	{column: "certificate of store reader", role: access.Reader, target: "store", certificate: "reader"},
	{column: "certificate of cluster admin", role: access.Administrator, target: "cluster", certificate: "admin"},
	{column: "certificate and key", key: "key-of-cluster-admin", certificate: "admin"},
}

// guarded is a server with access control, and what its callers were granted.
type guarded struct {
	*Server
	store, connection string
	shown             map[string]*tls.ConnectionState // by the names in certificates
}

const guardedOrganization = "acme"

func newGuarded(t testing.TB) *guarded {
	t.Helper()
	store, err := raftstore.Open(t.Context(), raftstore.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	var keys strings.Builder
	for i, c := range callers {
		if c.key != "" && i > 1 && c.certificate == "" {
			fmt.Fprintf(&keys, "%s %s\n", strings.ReplaceAll(c.column, " ", "-"), c.key)
		}
	}
	authenticator, err := NewNamedKeys([]byte(keys.String()))
	if err != nil {
		t.Fatal(err)
	}
	issued := newCertified(t)
	pool := issued.pool()
	s, err := NewServer(Options{Backend: testBackend{store}, Engine: engine.New(engine.Options{}), Authenticator: authenticator, AccessControl: true,
		TLS: TLS{ClientCAs: func() *x509.CertPool { return pool }}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := ostiary.WithPrincipal(t.Context(), ostiary.Principal{Kind: "internal", Name: "test"})
	targets := map[string]access.Target{"cluster": {}}
	g := &guarded{Server: s, shown: map[string]*tls.ConnectionState{}}
	for _, c := range callers {
		if c.certificate != "" {
			g.shown[c.certificate] = issued.connection(c.certificate)
		}
	}
	for _, name := range []string{"store", "other store"} {
		made, err := s.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		targets[name] = access.Target{Store: made.GetId()}
	}
	g.store = targets["store"].Store
	for name, id := range map[string]string{"organization": guardedOrganization, "other organization": "globex"} {
		if _, err := s.identity.CreateOrganization(ctx, g.store, id, name); err != nil {
			t.Fatal(err)
		}
		targets[name] = access.Target{Store: g.store, Organization: id}
	}
	connection, err := s.identity.CreateConnection(ctx, identity.Connection{
		Store: g.store, Organization: guardedOrganization, Name: "okta", Kind: identity.KindOkta})
	if err != nil {
		t.Fatal(err)
	}
	g.connection = connection.ID
	for _, c := range callers {
		if c.target == "" {
			continue
		}
		p := ostiary.Principal{Kind: "preshared", Name: strings.ReplaceAll(c.column, " ", "-")}
		if c.certificate != "" {
			p = ostiary.Principal{Kind: "mtls", Name: c.certificate}
		}
		grant := access.Grant{Principal: p, Role: c.role, Target: targets[c.target]}
		if _, err := s.access.Grant(ctx, grant, true); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// method is one that the server serves.
type method struct {
	name   string // as gRPC has it
	stream bool
	input  protoreflect.MessageDescriptor
}

// methods are those that are registered, sorted.
func (g *guarded) methods(t *testing.T) []method {
	t.Helper()
	server := g.newGRPCServer()
	defer server.Stop()
	var all []method
	for service, info := range server.GetServiceInfo() {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range info.Methods {
			input := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(m.Name)).Input()
			all = append(all, method{"/" + service + "/" + m.Name, m.IsClientStream || m.IsServerStream, input})
		}
	}
	slices.SortFunc(all, func(a, b method) int { return strings.Compare(a.name, b.name) })
	return all
}

// request returns a request that names the store, the organization, and the connection wherever it can name one.
func (g *guarded) request(t *testing.T, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	typ, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		t.Fatal(err)
	}
	m := typ.New()
	set := func(m protoreflect.Message, name, value string) {
		if f := m.Descriptor().Fields().ByName(protoreflect.Name(name)); f != nil && f.Kind() == protoreflect.StringKind && !f.IsList() {
			m.Set(f, protoreflect.ValueOfString(value))
		}
	}
	id := guardedOrganization
	switch name := string(d.Name()); {
	case strings.Contains(name, "Session"):
		id = guardedOrganization + "/s01aryz6s41tsv4rrffq69g5fav"
	case strings.Contains(name, "Connection"), strings.Contains(name, "Guard"), strings.Contains(name, "Held"):
		id = g.connection
	}
	set(m, "id", id)
	set(m, "store_id", g.store)
	set(m, "organization_id", guardedOrganization)
	set(m, "connection_id", g.connection)
	for _, name := range []protoreflect.Name{"session", "filter", "grant", "target"} {
		f := d.Fields().ByName(name)
		if f == nil || f.Message() == nil || f.IsMap() || f.IsList() {
			continue
		}
		part := m.Mutable(f).Message()
		if name == "grant" {
			part = part.Mutable(part.Descriptor().Fields().ByName("target")).Message()
		}
		set(part, "store_id", g.store)
		set(part, "organization_id", guardedOrganization)
	}
	return m.Interface()
}

// TestEveryMethodHasItsRight: a method that was added says what its callers need.
func TestEveryMethodHasItsRight(t *testing.T) {
	g := newGuarded(t)
	registered := map[string]bool{}
	for _, m := range g.methods(t) {
		registered[m.name] = true
		if _, ok := rights[m.name]; !ok {
			t.Errorf("nothing says what callers of %s need: add a line to rights in api/rights.go, such as\n\t"+
				"…_FullMethodName: reads(ofStore), // or writes, governs; ofOrganization, ofConnection, ofCluster\n"+
				"and then run: go test ./api -run TestCallers -update", m.name)
		}
	}
	for name := range rights {
		if !registered[name] {
			t.Errorf("rights in api/rights.go has a line for %s, which no server serves: delete it", name)
		}
	}
}

// heard is a stream that asks once and keeps no answer.
type heard struct {
	grpc.ServerStream
	ctx context.Context
	req proto.Message
}

func (h heard) Context() context.Context   { return h.ctx }
func (heard) SetHeader(metadata.MD) error  { return nil }
func (heard) SendHeader(metadata.MD) error { return nil }
func (h heard) SendMsg(any) error          { return nil }
func (h heard) RecvMsg(m any) error        { proto.Merge(m.(proto.Message), h.req); return nil }

// outcome asks as a caller, and says what became of it: "-" for one who is nobody, "x" for one who may not, and "+" where
// the handler runs.
func (g *guarded) outcome(t *testing.T, m method, c caller) string {
	t.Helper()
	req := g.request(t, m.input)
	md := metadata.MD{}
	if c.key != "" {
		md.Set("authorization", "Bearer "+c.key)
	}
	ran := false
	var err error
	connected := t.Context()
	if shown := g.shown[c.certificate]; shown != nil {
		connected = context.WithValue(connected, connectionKey{}, shown)
	}
	if m.stream {
		ctx := metadata.NewIncomingContext(connected, md)
		err = g.interceptStream(nil, heard{ctx: ctx, req: req}, &grpc.StreamServerInfo{FullMethod: m.name},
			func(_ any, s grpc.ServerStream) error {
				if err := s.RecvMsg(req.ProtoReflect().New().Interface()); err != nil && status.Code(err) != codes.InvalidArgument {
					return err
				}
				ran = true
				return nil
			})
	} else {
		_, _, err = g.unary(connected, sentIn(md), m.name, req, func(context.Context, any) (any, error) {
			ran = true
			return nil, nil
		})
	}
	switch code := canonicalCode(status.Code(err)); {
	case ran, code == codes.InvalidArgument: // fields are judged once the caller may ask
		return "+"
	case code == codes.Unauthenticated:
		return "-"
	case code == codes.PermissionDenied:
		return "x"
	default:
		t.Fatalf("%s as %q: %v", m.name, c.column, err)
		return ""
	}
}

// TestCallers holds what each caller may do of each method against testdata/callers.txt.
func TestCallers(t *testing.T) {
	g := newGuarded(t)
	var table strings.Builder
	table.WriteString("# Who may call what: - is not authenticated, x is refused, + is served. Written by\n" +
		"# go test ./api -run TestCallers -update, and to be read line by line when it changes.\n#\n# The columns, from the left:\n")
	for _, c := range callers {
		fmt.Fprintf(&table, "#   %s\n", c.column)
	}
	column := map[string]int{}
	for i, c := range callers {
		column[c.column] = i
	}
	for _, m := range g.methods(t) {
		if _, ok := rights[m.name]; !ok {
			continue // TestEveryMethodHasItsRight says so
		}
		row := make([]string, len(callers))
		for i, c := range callers {
			row[i] = g.outcome(t, m, c)
		}
		fmt.Fprintf(&table, "%s  %s\n", strings.Join(row, " "), m.name)
		if rights[m.name].open {
			continue
		}
		if got, want := row[column["bootstrap credential"]] == "+", rights[m.name].claim; got != want {
			t.Errorf("%s: a bootstrap credential opens it: %v, want %v", m.name, got, want)
		}
		if row[column["no key"]] != "-" || row[column["wrong key"]] != "-" || row[column["certificate and key"]] != "-" || row[column["no grant"]] != "x" {
			t.Errorf("%s: somebody without a key, or without a grant, or with two names, is not refused", m.name)
		}
		for certificate, key := range map[string]string{"certificate without grant": "no grant", "certificate of store reader": "store reader", "certificate of cluster admin": "cluster admin"} {
			if row[column[certificate]] != row[column[key]] {
				t.Errorf("%s: %s and %s differ", m.name, certificate, key)
			}
		}
		if row[column["cluster admin"]] != "+" && !rights[m.name].claim {
			t.Errorf("%s: an administrator of the cluster is refused", m.name)
		}
		// Who has a greater role, or a wider target, may do at least as much.
		for _, order := range [][]string{{"org reader", "org writer", "org admin", "store admin", "cluster admin"},
			{"org reader", "store reader", "cluster reader"}, {"org writer", "store writer", "cluster writer"},
			{"store reader", "store writer", "store admin"}, {"cluster reader", "cluster writer", "cluster admin"}} {
			for i := 1; i < len(order); i++ {
				if row[column[order[i-1]]] == "+" && row[column[order[i]]] != "+" {
					t.Errorf("%s: %s may, and %s may not", m.name, order[i-1], order[i])
				}
			}
		}
		for _, other := range []string{"other store admin", "other org admin"} {
			if row[column[other]] == "+" && rights[m.name].of != nil {
				t.Errorf("%s: %s may", m.name, other)
			}
		}
	}
	path := filepath.Join("testdata", "callers.txt")
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
		t.Errorf("who may call what has changed: look at the difference to testdata/callers.txt that\n"+
			"\tgo test ./api -run TestCallers -update\nmakes, and commit it where it is meant.%s", difference(string(want), got))
	}
}

// difference lists the lines that only one of two texts has.
func difference(was, is string) string {
	var text strings.Builder
	only := func(sign, of, other string) {
		for line := range strings.Lines(of) {
			if !strings.Contains(other, line) {
				text.WriteString("\n" + sign + " " + strings.TrimSpace(line))
			}
		}
	}
	only("-", was, is)
	only("+", is, was)
	return text.String()
}

// TestCallersOverTheWire: who is nobody, or was granted nothing, is refused by every method and route of a server that
// listens, and changes nothing.
func TestCallersOverTheWire(t *testing.T) {
	g := newGuarded(t)
	grpcAddr, base := g.listen(t)
	conn, err := grpc.NewClient(grpcAddr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer http.DefaultClient.CloseIdleConnections()
	before := g.revision(t)
	routes := httpRoutes(t)
	for _, m := range g.methods(t) {
		if rights[m.name].open {
			continue
		}
		for _, c := range callers[:3] {
			wantCode, wantStatus := codes.Unauthenticated, http.StatusUnauthorized
			if c.column == "no grant" {
				wantCode, wantStatus = codes.PermissionDenied, http.StatusForbidden
			}
			if got := canonicalCode(status.Code(g.callGRPC(t, conn, m, c))); got != wantCode {
				t.Errorf("%s over gRPC with %s: got %s, want %s", m.name, c.column, got, wantCode)
			}
			for _, route := range routes[m.name] {
				if got := callHTTP(t, base, route, c); got != wantStatus {
					t.Errorf("%s with %s: got %d, want %d", route, c.column, got, wantStatus)
				}
			}
		}
		delete(routes, m.name)
	}
	for name, of := range routes {
		t.Errorf("%v lead to %s, which is not registered", of, name)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := callHTTP(t, base, "GET "+path, callers[0]); got != http.StatusOK {
			t.Errorf("%s without a key: got %d", path, got)
		}
	}
	if after := g.revision(t); after != before {
		t.Errorf("callers who may do nothing changed something: revision %d became %d", before, after)
	}
}

func (g *guarded) revision(t *testing.T) ostiary.Revision {
	t.Helper()
	v, err := g.backend.View(t.Context(), ostiary.Freshness{})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	return v.Revision()
}

// listen serves until the test ends.
func (g *guarded) listen(t *testing.T) (grpcAddr, base string) {
	t.Helper()
	grpcListener, httpListener := loopback(t), loopback(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Serve(ctx, grpcListener, httpListener); err != nil {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return grpcListener.Addr().String(), "http://" + httpListener.Addr().String()
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (g *guarded) callGRPC(t *testing.T, conn *grpc.ClientConn, m method, c caller) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if c.key != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.key)
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, m.name)
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.SendMsg(g.request(t, m.input)) // an error is told by RecvMsg
	_ = stream.CloseSend()
	return stream.RecvMsg(&openfgav1.WriteResponse{})
}

func callHTTP(t *testing.T, base, route string, c caller) int {
	t.Helper()
	verb, path, _ := strings.Cut(route, " ")
	body := http.NoBody
	req, err := http.NewRequestWithContext(t.Context(), verb, base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if verb == http.MethodPost || verb == http.MethodPut || verb == http.MethodPatch {
		req, err = http.NewRequestWithContext(t.Context(), verb, base+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
	}
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

var pathVariable = regexp.MustCompile(`\{(\w+)(?:=([^}]*))?\}`)

// httpRoutes are the routes of the HTTP surface by the method that they lead to: those of OpenFGA and AuthZEN stand in
// their descriptors, ours in proto/http.yaml.
func httpRoutes(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	add := func(method string, rule *annotations.HttpRule) {
		for _, r := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			for verb, path := range map[string]string{"GET": r.GetGet(), "POST": r.GetPost(), "PUT": r.GetPut(),
				"DELETE": r.GetDelete(), "PATCH": r.GetPatch()} {
				if path == "" {
					continue
				}
				path = pathVariable.ReplaceAllStringFunc(path, func(variable string) string {
					if form := pathVariable.FindStringSubmatch(variable)[2]; form != "" {
						return strings.ReplaceAll(form, "*", "acme")
					}
					return "acme"
				})
				all[method] = append(all[method], verb+" "+path)
			}
		}
	}
	for _, services := range []protoreflect.ServiceDescriptors{
		openfgav1.File_openfga_v1_openfga_service_proto.Services(), authzenv1.File_authzen_v1_authzen_service_proto.Services(),
	} {
		for i := range services.Len() {
			for j := range services.Get(i).Methods().Len() {
				m := services.Get(i).Methods().Get(j)
				if rule, ok := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule); ok && rule != nil {
					add(fmt.Sprintf("/%s/%s", services.Get(i).FullName(), m.Name()), rule)
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join("proto", "http.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var ours struct {
		HTTP struct {
			Rules []struct{ Selector, Get, Post, Put, Delete, Patch string }
		}
	}
	if err := yaml.Unmarshal(text, &ours); err != nil {
		t.Fatal(err)
	}
	for _, r := range ours.HTTP.Rules {
		i := strings.LastIndex(r.Selector, ".")
		rule := &annotations.HttpRule{}
		switch {
		case r.Get != "":
			rule.Pattern = &annotations.HttpRule_Get{Get: r.Get}
		case r.Post != "":
			rule.Pattern = &annotations.HttpRule_Post{Post: r.Post}
		case r.Put != "":
			rule.Pattern = &annotations.HttpRule_Put{Put: r.Put}
		case r.Delete != "":
			rule.Pattern = &annotations.HttpRule_Delete{Delete: r.Delete}
		case r.Patch != "":
			rule.Pattern = &annotations.HttpRule_Patch{Patch: r.Patch}
		}
		add("/"+r.Selector[:i]+"/"+r.Selector[i+1:], rule)
	}
	if len(all) < 40 {
		t.Fatalf("only %d methods have routes: they were not found", len(all))
	}
	return all
}

// What an organization's administrator does is not to be felt in another organization of the store.
func TestRightsOverOtherOrganizations(t *testing.T) {
	g := newGuarded(t)
	ctx := ostiary.WithPrincipal(t.Context(), ostiary.Principal{Kind: "internal", Name: "test"})
	_, token, err := g.identity.CreateToken(ctx, g.store, g.connection, identity.Token{Name: "t"})
	if err != nil {
		t.Fatal(err)
	}
	scim, directory, err := g.identity.Directory(t.Context(), g.connection, "Bearer "+token)
	if err != nil {
		t.Fatal(err)
	}
	ann, err := directory.CreateUser(scim, identity.UserInput{UserName: "ann", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method, caller string
		req            any
		allowed        bool
	}{
		{ostiaryv1.IdentityService_VerifyDomain_FullMethodName, "org-admin", &ostiaryv1.VerifyDomainRequest{StoreId: g.store, OrganizationId: "acme", Name: "a.test"}, true},
		{ostiaryv1.IdentityService_VerifyDomain_FullMethodName, "org-admin", &ostiaryv1.VerifyDomainRequest{StoreId: g.store, OrganizationId: "acme", Name: "a.test", Confirm: true}, false},
		{ostiaryv1.IdentityService_VerifyDomain_FullMethodName, "store-admin", &ostiaryv1.VerifyDomainRequest{StoreId: g.store, OrganizationId: "acme", Name: "a.test", Confirm: true}, true},
		{ostiaryv1.IdentityService_SetSignalPolicy_FullMethodName, "org-admin", &ostiaryv1.SetSignalPolicyRequest{StoreId: g.store, ConnectionId: g.connection, Policy: map[string]string{"session-revoked": "audit"}}, true},
		{ostiaryv1.IdentityService_SetSignalPolicy_FullMethodName, "org-admin", &ostiaryv1.SetSignalPolicyRequest{StoreId: g.store, ConnectionId: g.connection, Policy: map[string]string{"device-compliance-change": "mark-device"}}, false},
		{ostiaryv1.IdentityService_SetSignalPolicy_FullMethodName, "store-admin", &ostiaryv1.SetSignalPolicyRequest{StoreId: g.store, ConnectionId: g.connection, Policy: map[string]string{"device-compliance-change": "mark-device"}}, true},
		{ostiaryv1.IdentityService_AddMember_FullMethodName, "other-org-admin", &ostiaryv1.AddMemberRequest{StoreId: g.store, OrganizationId: "globex", UserId: "bob"}, true},
		{ostiaryv1.IdentityService_AddMember_FullMethodName, "other-org-admin", &ostiaryv1.AddMemberRequest{StoreId: g.store, OrganizationId: "globex", UserId: ann.ID}, false},
		{ostiaryv1.IdentityService_AddMember_FullMethodName, "store-writer", &ostiaryv1.AddMemberRequest{StoreId: g.store, OrganizationId: "globex", UserId: ann.ID}, true},
	} {
		as := ostiary.WithPrincipal(t.Context(), ostiary.Principal{Kind: "preshared", Name: test.caller})
		if err := g.authorize(as, test.method, test.req); (err == nil) != test.allowed {
			t.Errorf("%s by %s of %v: %v, want it allowed %v", test.method, test.caller, test.req, err, test.allowed)
		}
	}
}
