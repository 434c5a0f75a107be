package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// callersAB knows two callers by their keys.
func callersAB(t *testing.T) func(*api.Options) {
	keys, err := api.PresharedKeys("a", "b")
	if err != nil {
		t.Fatal(err)
	}
	return func(o *api.Options) { o.Authenticator = keys }
}

func as(ctx context.Context, key string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
}

// follow follows the audit, and returns how it goes: nil once a first row has come.
func follow(ctx context.Context, h *harness) error {
	stream, err := ostiaryv1.NewAuditServiceClient(h.conn).TailAudit(ctx, &ostiaryv1.TailAuditRequest{})
	if err != nil {
		return err
	}
	_, err = stream.Recv()
	return err
}

// untilFree calls ask until it is not refused for a bound.
func untilFree(t *testing.T, ask func() error) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := ask()
		if err == nil {
			return
		}
		if status.Code(err) != codes.ResourceExhausted || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestFollowsOfOneCaller: who follows the audit as often as one may leaves room for others.
func TestFollowsOfOneCaller(t *testing.T) {
	h := start(t, callersAB(t))
	if _, err := openfgav1.NewOpenFGAServiceClient(h.conn).CreateStore(as(t.Context(), "a"), &openfgav1.CreateStoreRequest{Name: "tests"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(as(t.Context(), "a"))
	defer cancel()
	for i := range 4 {
		if err := follow(ctx, h); err != nil {
			t.Fatalf("follow %d: %v", i, err)
		}
	}
	if err := follow(ctx, h); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "end one") {
		t.Errorf("a fifth follow of one caller: %v", err)
	}
	if err := follow(as(t.Context(), "b"), h); err != nil {
		t.Errorf("another caller: %v", err)
	}
	cancel()
	untilFree(t, func() error { return follow(as(t.Context(), "a"), h) })
}

// listOverHTTP asks for a streamed list.
func listOverHTTP(t *testing.T, h *harness, store, key string) (httpStatus int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+"/stores/"+store+"/streamed-list-objects",
		strings.NewReader(`{"type":"doc","relation":"viewer","user":"user:ann"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// TestStreamsOfOneCaller: a caller has so many streams open, of all methods and surfaces together, and others are not
// in the way.
func TestStreamsOfOneCaller(t *testing.T) {
	h := start(t, callersAB(t), func(o *api.Options) { o.Limits.MaxStreamsPerCaller = 2 })
	client := openfgav1.NewOpenFGAServiceClient(h.conn)
	made, err := client.CreateStore(as(t.Context(), "a"), &openfgav1.CreateStoreRequest{Name: "tests"})
	if err != nil {
		t.Fatal(err)
	}
	list := func(key string) error {
		stream, err := client.StreamedListObjects(as(t.Context(), key), &openfgav1.StreamedListObjectsRequest{StoreId: made.GetId(), Type: "doc", Relation: "viewer", User: "user:ann"})
		if err != nil {
			return err
		}
		if _, err = stream.Recv(); status.Code(err) == codes.Code(openfgav1.ErrorCode_latest_authorization_model_not_found) {
			return nil // it was judged: there is no model
		}
		return err
	}
	overHTTP := func(key string) (int, string) { return listOverHTTP(t, h, made.GetId(), key) }
	ctx, cancel := context.WithCancel(as(t.Context(), "a"))
	defer cancel()
	for range 2 {
		if err := follow(ctx, h); err != nil {
			t.Fatal(err)
		}
	}
	if err := list("a"); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "--max-streams-per-caller") {
		t.Errorf("a third stream: %v", err)
	}
	if code, body := overHTTP("a"); code != http.StatusTooManyRequests || !strings.Contains(body, "--max-streams-per-caller") {
		t.Errorf("a third stream over HTTP: %d %s", code, body)
	}
	if err := list("b"); err != nil {
		t.Errorf("another caller: %v", err)
	}
	if code, body := overHTTP("b"); strings.Contains(body, "--max-streams-per-caller") {
		t.Errorf("another caller over HTTP: %d %s", code, body)
	}
	if _, err := client.ListStores(as(t.Context(), "a"), &openfgav1.ListStoresRequest{}); err != nil {
		t.Errorf("a request that is no stream: %v", err)
	}
	cancel()
	untilFree(t, func() error { return list("a") })
}

// TestStreamsOfOneAddress: where callers have no names those of one address are one, over gRPC and HTTP.
func TestStreamsOfOneAddress(t *testing.T) {
	h := start(t, func(o *api.Options) { o.Limits.MaxStreamsPerCaller = 1 })
	store, _ := h.surfaces()[0].newStore(t, testModel)
	if err := follow(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if code, body := listOverHTTP(t, h, store, ""); code != http.StatusTooManyRequests {
		t.Errorf("a second stream of one address: %d %s", code, body)
	}
}

// TestStreamsAreOpenWhileTheyAreSent: a list over HTTP, of which its caller has not read all, is open, and no longer.
func TestStreamsAreOpenWhileTheyAreSent(t *testing.T) {
	h := start(t, func(o *api.Options) { o.Limits.MaxStreamsPerCaller = 1 })
	store, _ := h.surfaces()[0].newStore(t, testModel)
	pad := strings.Repeat("x", 190)
	h.fill(t, store, 50_000, func(i int) ostiary.Tuple {
		return ostiary.Tuple{
			Object: ostiary.ObjectRef{Type: "doc", ID: fmt.Sprintf("%d%s", i, pad)}, Relation: "viewer",
			Subject: ostiary.SubjectRef{Type: "user", ID: "ann"},
		}
	})
	list := func(user string) (*http.Response, error) {
		return http.Post(h.base+"/stores/"+store+"/streamed-list-objects", "application/json", strings.NewReader(`{"type":"doc","relation":"viewer","user":"`+user+`"}`))
	}
	resp, err := list("user:ann")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := resp.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	second := func() error {
		resp, err := list("user:nobody")
		if err != nil {
			return err
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusTooManyRequests {
			return status.Error(codes.ResourceExhausted, resp.Status)
		}
		return nil
	}
	if err := second(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a second stream while the first is sent: %v", err)
	}
	resp.Body.Close()
	untilFree(t, second)
}

// TestBlastRadiusOfOneCaller: one caller has two at once worked out, and others are not in the way.
func TestBlastRadiusOfOneCaller(t *testing.T) {
	under, release := make(chan struct{}), make(chan struct{})
	var blocking atomic.Bool
	h := start(t, callersAB(t), func(o *api.Options) {
		o.Limits.RequestTimeout = time.Minute
		o.Backend = trouble{o.Backend, func(ctx context.Context) error {
			if !blocking.Load() {
				return nil
			}
			select {
			case under <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case <-release:
			case <-ctx.Done():
			}
			return ctx.Err()
		}}
	})
	client := openfgav1.NewOpenFGAServiceClient(h.conn)
	made, err := client.CreateStore(as(t.Context(), "a"), &openfgav1.CreateStoreRequest{Name: "tests"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetStore(as(t.Context(), "a"), &openfgav1.GetStoreRequest{StoreId: made.GetId()}); err != nil {
		t.Fatal(err) // from here on it is known to have no rate, and the handler's view is the first
	}
	ask := func(key string) error {
		ctx, cancel := context.WithTimeout(as(t.Context(), key), 30*time.Second)
		defer cancel()
		_, err := ostiaryv1.NewBlastRadiusServiceClient(h.conn).BlastRadius(ctx, &ostiaryv1.BlastRadiusRequest{StoreId: made.GetId()})
		return err
	}
	blocking.Store(true)
	ended := make(chan error, 3)
	for _, key := range []string{"a", "a", "b"} {
		go func() { ended <- ask(key) }()
		<-under
	}
	if err := ask("a"); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "2 requests of BlastRadius") {
		t.Errorf("a third of one caller: %v", err)
	}
	blocking.Store(false)
	close(release)
	for range 3 {
		if err := <-ended; status.Code(err) == codes.ResourceExhausted {
			t.Errorf("one within the bound: %v", err)
		}
	}
	if err := ask("a"); status.Code(err) == codes.ResourceExhausted {
		t.Errorf("after the others have ended: %v", err)
	}
}
