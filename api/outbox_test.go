package api_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// Applications and webhooks, from the first to one that is deleted, over gRPC and HTTP.
func TestOutboxService(t *testing.T) {
	w, _ := newSessionWorld(t)
	c := ostiaryv1.NewOutboxServiceClient(w.conn)
	ctx := t.Context()
	portal := &ostiaryv1.Application{
		ClientId: "portal", Name: "Portal", BackchannelLogoutUri: "https://portal.example/logout",
		RevocationEndpoint: "https://op.example/revoke",
	}
	create := &ostiaryv1.CreateApplicationRequest{StoreId: w.store, Application: portal}
	_, err := c.CreateApplication(ctx, create)
	wantCode(t, "a revocation endpoint without a secret", err, codes.InvalidArgument)
	create.RevocationClientSecret = "hush-hush"
	made, err := c.CreateApplication(ctx, create)
	if err != nil || made.GetApplication().GetRevocationMethod() != "client_secret_basic" || made.GetApplication().GetRevocationClientId() != "portal" {
		t.Fatalf("got %v, %v", made, err)
	}
	_, err = c.CreateApplication(ctx, create)
	wantCode(t, "a second one", err, codes.AlreadyExists)
	update := &ostiaryv1.UpdateApplicationRequest{StoreId: w.store, Application: portal}
	updated, err := c.UpdateApplication(ctx, update)
	if err != nil || !updated.GetApplication().GetHasSecret() {
		t.Errorf("an update without a secret: %v, %v", updated, err)
	}
	portal.RevocationEndpoint = "https://elsewhere.example/revoke"
	_, err = c.UpdateApplication(ctx, update)
	wantCode(t, "another endpoint for the old secret", err, codes.InvalidArgument)
	for _, wrong := range []string{"ftp://portal.example", "https://user:pass@portal.example", "https://portal.example/#x", "/logout", "https://"} {
		_, err := c.CreateApplication(ctx, &ostiaryv1.CreateApplicationRequest{StoreId: w.store, Application: &ostiaryv1.Application{
			ClientId: "wrong", Name: "Wrong", BackchannelLogoutUri: wrong}})
		wantCode(t, wrong, err, codes.InvalidArgument)
		if strings.Contains(err.Error(), "pass") {
			t.Errorf("the error repeats a password: %v", err)
		}
	}
	for path, want := range map[string]int{"applications/portal": 200, "applications/nobody": 404, "applications": 200, "outbox": 200,
		"outbox/deliveries": 200, "outbox/dead-letters": 200, "webhooks": 200, "webhooks/w01m824qgqx05kcwex3kxbcecwz": 404} {
		resp, body := w.send(t, http.MethodGet, "/ostiary/v1/stores/"+w.store+"/"+path, nil)
		if resp.StatusCode != want || strings.Contains(string(body), "hush-hush") {
			t.Errorf("GET %s: %d %s", path, resp.StatusCode, body)
		}
	}
	list, err := c.ListApplications(ctx, &ostiaryv1.ListApplicationsRequest{StoreId: w.store, PageSize: 1})
	if err != nil || len(list.GetApplications()) != 1 || list.GetNextPageToken() != "" {
		t.Errorf("got %v, %v", list, err)
	}

	hook := &ostiaryv1.Webhook{Name: "Audit", Url: "https://hooks.example/x", OrganizationId: "acme", Events: []string{"session.revoked"}}
	hooked, err := c.CreateWebhook(ctx, &ostiaryv1.CreateWebhookRequest{StoreId: w.store, Webhook: hook})
	if err != nil || !strings.HasPrefix(hooked.GetSecret(), "whsec_") || hooked.GetWebhook().GetSecrets() != 1 {
		t.Fatalf("got %v, %v", hooked, err)
	}
	hook.Events = []string{"session.forgotten"}
	_, err = c.CreateWebhook(ctx, &ostiaryv1.CreateWebhookRequest{StoreId: w.store, Webhook: hook})
	wantCode(t, "an unknown event", err, codes.InvalidArgument)
	hook.Events, hook.OrganizationId = nil, "nowhere"
	_, err = c.CreateWebhook(ctx, &ostiaryv1.CreateWebhookRequest{StoreId: w.store, Webhook: hook})
	wantCode(t, "an unknown organization", err, codes.NotFound)
	id := hooked.GetWebhook().GetId()
	second, err := c.RotateWebhookSecret(ctx, &ostiaryv1.RotateWebhookSecretRequest{StoreId: w.store, Id: id})
	if err != nil || second.GetSecret() == hooked.GetSecret() {
		t.Errorf("got %v, %v", second, err)
	}
	_, err = c.RotateWebhookSecret(ctx, &ostiaryv1.RotateWebhookSecretRequest{StoreId: w.store, Id: id})
	wantCode(t, "a third secret", err, codes.AlreadyExists)
	if _, err := c.EndWebhookRotation(ctx, &ostiaryv1.EndWebhookRotationRequest{StoreId: w.store, Id: id}); err != nil {
		t.Error(err)
	}
	hook.Id, hook.OrganizationId, hook.Url = id, "", "https://hooks.example/y"
	if _, err := c.UpdateWebhook(ctx, &ostiaryv1.UpdateWebhookRequest{StoreId: w.store, Webhook: hook}); err != nil {
		t.Error(err)
	}
	got, err := c.GetWebhook(ctx, &ostiaryv1.GetWebhookRequest{StoreId: w.store, Id: id})
	if err != nil || got.GetWebhook().GetUrl() != hook.GetUrl() || got.GetWebhook().GetSecrets() != 1 || got.GetWebhook().GetOrganizationId() != "" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, deletion := range []func() error{
		func() error {
			_, err := c.DeleteWebhook(ctx, &ostiaryv1.DeleteWebhookRequest{StoreId: w.store, Id: id})
			return err
		},
		func() error {
			_, err := c.DeleteApplication(ctx, &ostiaryv1.DeleteApplicationRequest{StoreId: w.store, ClientId: "portal"})
			return err
		},
	} {
		if err := deletion(); err != nil {
			t.Error(err)
		}
		wantCode(t, "deleted twice", deletion(), codes.NotFound)
	}
	retried, err := c.RetryDeadLetters(ctx, &ostiaryv1.RetryDeadLettersRequest{StoreId: w.store})
	if err != nil || retried.GetRetried() != 0 {
		t.Errorf("got %v, %v", retried, err)
	}
	dropped, err := c.DropDeadLetters(ctx, &ostiaryv1.DropDeadLettersRequest{StoreId: w.store, Target: "webhook/" + id})
	if err != nil || dropped.GetDropped() != 0 {
		t.Errorf("got %v, %v", dropped, err)
	}
	_, err = c.GetOutbox(ctx, &ostiaryv1.GetOutboxRequest{StoreId: "01M824QGQX05KCWEX3KXBCECWZ"})
	wantCode(t, "no such store", err, codes.NotFound)
}
