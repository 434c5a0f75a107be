package api_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/audit"
)

// auditedServer is a server with a store and some changes.
func auditedServer(t *testing.T) (h *harness, service ostiaryv1.AuditServiceClient, store string) {
	t.Helper()
	h = start(t)
	ctx := t.Context()
	fga := openfgav1.NewOpenFGAServiceClient(h.conn)
	made, err := fga.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	store = made.GetId()
	_, err = fga.WriteAuthorizationModel(ctx, &openfgav1.WriteAuthorizationModelRequest{StoreId: store, SchemaVersion: "1.1", TypeDefinitions: []*openfgav1.TypeDefinition{
		{Type: "user"},
		{Type: "doc", Relations: map[string]*openfgav1.Userset{"viewer": {Userset: &openfgav1.Userset_This{This: &openfgav1.DirectUserset{}}}},
			Metadata: &openfgav1.Metadata{Relations: map[string]*openfgav1.RelationMetadata{"viewer": {DirectlyRelatedUserTypes: []*openfgav1.RelationReference{{Type: "user"}}}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", "2", "3"} {
		writeDoc(t, h, store, id)
	}
	return h, ostiaryv1.NewAuditServiceClient(h.conn), store
}

func writeDoc(t *testing.T, h *harness, store, id string) {
	t.Helper()
	_, err := openfgav1.NewOpenFGAServiceClient(h.conn).Write(t.Context(), &openfgav1.WriteRequest{StoreId: store, Writes: &openfgav1.WriteRequestWrites{
		TupleKeys: []*openfgav1.TupleKey{{Object: "doc:" + id, Relation: "viewer", User: "user:ann"}}}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestListAudit(t *testing.T) {
	h, service, store := auditedServer(t)
	ctx := t.Context()
	all, err := service.ListAudit(ctx, &ostiaryv1.ListAuditRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(all.GetEntries()); n < 6 || all.GetEntries()[n-1].GetKind() != "beginning" {
		t.Fatalf("%d entries, the last of kind %q", n, all.GetEntries()[n-1].GetKind())
	}
	newest := all.GetEntries()[0]
	if newest.GetMethod() != "/openfga.v1.OpenFGAService/Write" || newest.GetStoreId() != store || newest.GetPrincipal() != "anonymous" ||
		newest.GetRequestId() == "" || !strings.HasPrefix(newest.GetOrigin(), "127.0.0.1:") || newest.GetTuplesWritten() != 1 ||
		newest.GetItems()[0].GetName() != "doc:3#viewer@user:ann" || newest.GetTime().AsTime().Before(time.Now().Add(-time.Hour)) {
		t.Errorf("newest entry is %v", newest)
	}
	for name, test := range map[string]struct {
		store  string
		filter *ostiaryv1.AuditFilter
		want   int
	}{
		"store":         {store, nil, 5},
		"other store":   {"01M824QGQX05KCWEX3KXBCECWZ", nil, 0},
		"method":        {"", &ostiaryv1.AuditFilter{Method: "Write"}, 3},
		"whole method":  {"", &ostiaryv1.AuditFilter{Method: "/openfga.v1.OpenFGAService/CreateStore"}, 1},
		"request":       {"", &ostiaryv1.AuditFilter{RequestId: newest.GetRequestId()}, 1},
		"item":          {"", &ostiaryv1.AuditFilter{Item: "doc:2#"}, 1},
		"principal":     {store, &ostiaryv1.AuditFilter{Principal: "preshared:nobody"}, 0},
		"after":         {"", &ostiaryv1.AuditFilter{AfterRevision: newest.GetRevision() - 1}, 1},
		"up to":         {store, &ostiaryv1.AuditFilter{UpToRevision: newest.GetRevision() - 1}, 4},
		"since the end": {"", &ostiaryv1.AuditFilter{Since: timestamppb.New(newest.GetTime().AsTime().Add(time.Nanosecond))}, 0},
		"until the end": {store, &ostiaryv1.AuditFilter{Until: newest.GetTime()}, 4},
	} {
		got, err := service.ListAudit(ctx, &ostiaryv1.ListAuditRequest{StoreId: test.store, Filter: test.filter})
		if err != nil || len(got.GetEntries()) != test.want || got.GetNextPageToken() != "" {
			t.Errorf("%s: %d entries, not %d, %v", name, len(got.GetEntries()), test.want, err)
		}
	}
	// Pages join to the whole.
	var paged []string
	for token := ""; ; {
		page, err := service.ListAudit(ctx, &ostiaryv1.ListAuditRequest{StoreId: store, PageSize: 2, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.GetEntries() {
			paged = append(paged, e.GetHash())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if len(paged) != 5 {
		t.Errorf("pages have %d entries, not 5", len(paged))
	}
	for _, wrong := range []*ostiaryv1.ListAuditRequest{
		{PageSize: -1}, {PageSize: 1001}, {PageToken: "x"}, {Filter: &ostiaryv1.AuditFilter{AfterRevision: 5, UpToRevision: 4}},
		{Filter: &ostiaryv1.AuditFilter{Since: &timestamppb.Timestamp{Nanos: -1}}}, {Filter: &ostiaryv1.AuditFilter{Until: &timestamppb.Timestamp{Seconds: 1 << 40}}},
	} {
		if _, err := service.ListAudit(ctx, wrong); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	// HTTP says the same.
	resp, err := http.Get(h.base + "/ostiary/v1/audit?store_id=" + store + "&filter.method=Write")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || strings.Count(string(body), `"hash"`) != 3 {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
}

// TestTailAudit: a client who follows gets every row once, verifies the chain by them, and goes on after what it had.
func TestTailAudit(t *testing.T) {
	h, service, store := auditedServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := service.TailAudit(ctx, &ostiaryv1.TailAuditRequest{Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	var chain audit.Chain
	next := func() {
		t.Helper()
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := chain.Add(m.GetKey(), m.GetValue()); err != nil {
			t.Fatal(err)
		}
	}
	upTo := func() (head string) {
		t.Helper()
		newest, err := service.GetAuditHead(ctx, &ostiaryv1.GetAuditHeadRequest{})
		if err != nil || newest.GetHead() == "" {
			t.Fatal(newest, err)
		}
		for last, _ := chain.Head(); last.String() != newest.GetHead(); last, _ = chain.Head() {
			next()
		}
		return newest.GetHead()
	}
	first := upTo()
	writeDoc(t, h, store, "4")
	upTo()
	cancel()
	// A second client goes on after what the first one had, and ends with what is there.
	stream, err = service.TailAudit(t.Context(), &ostiaryv1.TailAuditRequest{After: first, Once: true, Filter: &ostiaryv1.AuditFilter{Method: "Write"}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.Recv()
	if err != nil || m.GetEntry().GetItems()[0].GetName() != "doc:4#viewer@user:ann" {
		t.Errorf("%v, %v", m, err)
	}
	if m, err := stream.Recv(); err != io.EOF {
		t.Errorf("%v, %v", m, err)
	}
	forged := first[:len(first)-1] + "x"
	other := strings.TrimSuffix(first, first[len(first)-1:]) + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(first, "0")]
	for head, want := range map[string]codes.Code{forged: codes.InvalidArgument, other: codes.OutOfRange} {
		stream, err := service.TailAudit(t.Context(), &ostiaryv1.TailAuditRequest{After: head, Once: true})
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != want {
			t.Errorf("after %q: %v, not %s", head, err, want)
		}
	}
}

// What a path holds is the caller's: a row never has it in other than characters that can be read, so that nobody makes
// the audit unreadable, and never names a person.
func TestAuditTakesNoTextAsItComes(t *testing.T) {
	h, service, store := auditedServer(t)
	for _, method := range []string{"GET /scim/v2/\xff\n\x1b[31m", "GET /\u202e\x00", strings.Repeat("\xff", 300)} {
		ctx := ostiary.WithCall(t.Context(), &ostiary.Call{Method: method, Origin: "\xfe\x1b", Store: store})
		m := &ostiary.Mutation{TimeNanos: h.store.Now(), Principal: ostiary.Principal{Kind: "scim", Name: "\xff"},
			Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "trial", Key: "\xff"}, Body: []byte("1")}}}
		if _, err := h.store.Propose(ctx, m); err != nil {
			t.Fatal(err)
		}
		all, err := service.ListAudit(t.Context(), &ostiaryv1.ListAuditRequest{PageSize: 1})
		if err != nil {
			t.Fatalf("%q makes the audit unreadable: %v", method, err)
		}
		e := all.GetEntries()[0]
		if text := e.GetMethod() + e.GetOrigin(); e.GetDocumentsPut() != 1 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q is in the row as %q", method, text)
		}
	}
}
