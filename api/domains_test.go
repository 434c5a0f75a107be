package api_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// An organization's domain is added, verified by DNS, and found; over HTTP too.
func TestDomains(t *testing.T) {
	var records atomic.Value // of []string
	records.Store([]string{})
	w := newGateWorldOn(t, start(t, func(o *api.Options) {
		o.LookUpTXT = func(_ context.Context, name string) ([]string, error) {
			if name != "_ostiary-challenge.example.com." {
				t.Errorf("looked up %q", name)
			}
			return records.Load().([]string), nil
		}
	}))
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	admin, ctx := ostiaryv1.NewIdentityServiceClient(w.conn), t.Context()
	added, err := admin.AddDomain(ctx, &ostiaryv1.AddDomainRequest{StoreId: w.store, OrganizationId: "acme", Name: "Example.com"})
	if err != nil || added.GetDomain().GetName() != "example.com" || added.GetDomain().GetVerifiedAt() != nil {
		t.Fatalf("got %v, %v", added, err)
	}
	verify := &ostiaryv1.VerifyDomainRequest{StoreId: w.store, OrganizationId: "acme", Name: "example.com"}
	if _, err := admin.VerifyDomain(ctx, verify); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), added.GetDomain().GetRecordText()) {
		t.Errorf("without the record: %v", err)
	}
	if a := w.raw(t, http.MethodGet, "/discovery?email=ann@example.com", nil); a.status != http.StatusNotFound {
		t.Errorf("not verified, and found: %+v", a)
	}
	records.Store([]string{added.GetDomain().GetRecordText()})
	verified, err := admin.VerifyDomain(ctx, verify)
	if err != nil || verified.GetDomain().GetVerifiedAt() == nil || verified.GetDomain().GetConfirmed() || verified.GetDomain().GetVerifiedBy() == "" {
		t.Errorf("got %v, %v", verified, err)
	}
	all, err := admin.ListDomains(ctx, &ostiaryv1.ListDomainsRequest{StoreId: w.store, OrganizationId: "acme"})
	if err != nil || len(all.GetDomains()) != 1 || all.GetDomains()[0].GetName() != "example.com" {
		t.Errorf("got %v, %v", all, err)
	}
	for _, path := range []string{"/discovery?email=ann@example.com", "/discovery?email=nobody%40EXAMPLE.com&store_id=" + w.store} {
		a := w.raw(t, http.MethodGet, path, nil)
		if a.status != http.StatusOK || a.text(t, "store_id") != w.store || a.text(t, "organization_id") != "acme" || len(a.list(t, "connections")) != 1 {
			t.Errorf("%s: got %+v", path, a)
		}
	}
	for path, want := range map[string]int{
		"/discovery": http.StatusBadRequest, "/discovery?email=example.com": http.StatusBadRequest, "/discovery?email=ann@example.org": http.StatusNotFound,
		"/discovery?email=ann@example.com&store_id=01JZ00000000000000000000ZZ": http.StatusNotFound,
	} {
		if a := w.raw(t, http.MethodGet, path, nil); a.status != want {
			t.Errorf("%s: got %+v, want %d", path, a, want)
		}
	}
	if _, err := admin.RemoveDomain(ctx, &ostiaryv1.RemoveDomainRequest{StoreId: w.store, OrganizationId: "acme", Name: "example.com"}); err != nil {
		t.Error(err)
	}
	if _, err := admin.Discover(ctx, &ostiaryv1.DiscoverRequest{StoreId: w.store, Email: "ann@example.com"}); status.Code(err) != codes.NotFound {
		t.Errorf("removed, and found: %v", err)
	}
}

// Whoever asks too often must wait, and is told how long.
func TestDiscoveryRate(t *testing.T) {
	w := newGateWorldOn(t, start(t, func(o *api.Options) { o.Limits.MaxDiscoveries = 1 }))
	admin := ostiaryv1.NewIdentityServiceClient(w.conn)
	request := &ostiaryv1.DiscoverRequest{StoreId: w.store, Email: "ann@example.com"}
	var header metadata.MD
	var err error
	for range 100 { // two are let through at once, and one a second
		if _, err = admin.Discover(t.Context(), request, grpc.Header(&header)); status.Code(err) != codes.NotFound {
			break
		}
	}
	if status.Code(err) != codes.ResourceExhausted || !slices.Equal(header.Get("retry-after"), []string{"1"}) {
		t.Errorf("got %v with %v", err, header)
	}
	for range 100 {
		response, text := w.send(t, http.MethodGet, "/discovery?email=ann@example.com", nil)
		if response.StatusCode == http.StatusNotFound {
			continue
		}
		if response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") != "1" {
			t.Errorf("got %d with %v: %s", response.StatusCode, response.Header, text)
		}
		return
	}
	t.Error("nobody had to wait over HTTP")
}

func TestDiscoveryIsAuthenticated(t *testing.T) {
	keys, err := api.PresharedKeys("secret")
	if err != nil {
		t.Fatal(err)
	}
	h := start(t, func(o *api.Options) { o.Authenticator = keys })
	if a := h.raw(t, http.MethodGet, "/discovery?email=ann@example.com", nil); a.status != http.StatusUnauthorized {
		t.Errorf("got %+v", a)
	}
	if a := h.raw(t, http.MethodGet, "/discovery?email=ann@example.com", nil, "authorization", "Bearer secret"); a.status != http.StatusNotFound {
		t.Errorf("with the key: got %+v", a)
	}
}

// The gate of a store is turned off over the API, and shown.
func TestGateService(t *testing.T) {
	w := newGateWorld(t)
	admin, ctx := ostiaryv1.NewIdentityServiceClient(w.conn), t.Context()
	get, off := &ostiaryv1.GetGateRequest{StoreId: w.store}, &ostiaryv1.TurnGateOffRequest{StoreId: w.store, Reason: "Moving to Okta"}
	if _, err := admin.GetGate(ctx, get); status.Code(err) != codes.NotFound {
		t.Errorf("of a store without organizations: %v", err)
	}
	if _, err := admin.TurnGateOff(ctx, off); status.Code(err) != codes.NotFound {
		t.Errorf("turned off without organizations: %v", err)
	}
	list := &ostiaryv1.ListOrganizationsRequest{StoreId: w.store}
	if all, err := admin.ListOrganizations(ctx, list); err != nil || all.GetGateOff() != nil {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := w.model(); err != nil {
		t.Fatal(err)
	}
	w.open()
	if got, err := admin.GetGate(ctx, get); err != nil || got.GetOff() != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := admin.TurnGateOff(ctx, &ostiaryv1.TurnGateOffRequest{StoreId: w.store}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("turned off without a reason: %v", err)
	}
	turned, err := admin.TurnGateOff(ctx, off)
	if err != nil || turned.GetOff().GetReason() != "Moving to Okta" || turned.GetOff().GetBy() == "" || turned.GetOff().GetSince() == nil {
		t.Fatalf("got %v, %v", turned, err)
	}
	if all, err := admin.ListOrganizations(ctx, list); err != nil || all.GetGateOff().GetReason() != "Moving to Okta" {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := admin.TurnGateOn(ctx, &ostiaryv1.TurnGateOnRequest{StoreId: w.store}); err != nil {
		t.Error(err)
	}
	if got, err := admin.GetGate(ctx, get); err != nil || got.GetOff() != nil {
		t.Errorf("turned on, got %v, %v", got, err)
	}
}
