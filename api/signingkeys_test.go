package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"google.golang.org/grpc/codes"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// The keys of a store, from the first to one that is taken away, over gRPC and HTTP.
func TestSigningKeyService(t *testing.T) {
	w, _ := newSessionWorld(t)
	c := ostiaryv1.NewSigningKeyServiceClient(w.conn)
	ctx := t.Context()
	list := func() *ostiaryv1.ListSigningKeysResponse {
		t.Helper()
		keys, err := c.ListSigningKeys(ctx, &ostiaryv1.ListSigningKeysRequest{StoreId: w.store})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	if got := list(); len(got.GetKeys()) != 0 {
		t.Errorf("a store that has never signed: %v", got)
	}
	rotate := func(now bool) (*ostiaryv1.SigningKey, error) {
		made, err := c.RotateSigningKey(ctx, &ostiaryv1.RotateSigningKeyRequest{StoreId: w.store, Algorithm: "ES256", Now: now})
		return made.GetKey(), err
	}
	first, err := rotate(false)
	if err != nil || first.GetState() != "active" {
		t.Fatalf("got %v, %v", first, err)
	}
	next, err := rotate(false)
	if err != nil || next.GetState() != "next" || !next.GetActiveAt().AsTime().After(next.GetCreatedAt().AsTime()) {
		t.Fatalf("got %v, %v", next, err)
	}
	_, err = rotate(false)
	wantCode(t, "a second next key", err, codes.InvalidArgument)
	retired, err := c.RetireSigningKey(ctx, &ostiaryv1.RetireSigningKeyRequest{StoreId: w.store, Id: first.GetId()})
	if err != nil || retired.GetSigns().GetId() != next.GetId() {
		t.Errorf("got %v, %v", retired, err)
	}
	_, err = c.RetireSigningKey(ctx, &ostiaryv1.RetireSigningKeyRequest{StoreId: w.store, Id: first.GetId()})
	wantCode(t, "a key that has gone", err, codes.NotFound)
	_, err = c.ListSigningKeys(ctx, &ostiaryv1.ListSigningKeysRequest{StoreId: "01M824QGQX05KCWEX3KXBCECWZ"})
	wantCode(t, "no such store", err, codes.NotFound)

	resp, body := w.send(t, http.MethodGet, "/ostiary/v1/stores/"+w.store+"/signing-keys", nil)
	var got struct {
		Keys []struct{ ID, State, JWK string }
	}
	if err := json.Unmarshal(body, &got); err != nil || resp.StatusCode != http.StatusOK || len(got.Keys) != 1 || got.Keys[0].ID != next.GetId() {
		t.Errorf("over HTTP: %d %s", resp.StatusCode, body)
	}
	var jwk map[string]string
	if err := json.Unmarshal([]byte(got.Keys[0].JWK), &jwk); err != nil || jwk["d"] != "" || jwk["kid"] != next.GetId() {
		t.Errorf("got %v, %v", jwk, err)
	}
}
