package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

func wantCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if status.Code(err) != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// A session from its report to its revocation, over gRPC.
func TestSessionService(t *testing.T) {
	w, ann := newSessionWorld(t)
	c := ostiaryv1.NewSessionServiceClient(w.conn)
	ctx := t.Context()
	auth := timestamppb.New(time.Now().Add(-time.Minute))
	create := func(s *ostiaryv1.Session) (*ostiaryv1.Session, error) {
		made, err := c.CreateSession(ctx, &ostiaryv1.CreateSessionRequest{StoreId: w.store, Session: s})
		return made.GetSession(), err
	}
	first, err := create(&ostiaryv1.Session{OrganizationId: "acme", UserId: ann, ClientId: "portal", Issuer: "https://acme.okta.test", Sid: "1",
		Acr: "urn:mfa", Amr: []string{"otp"}, AuthTime: auth, DeviceId: "d"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first.GetId(), "acme/s") || !first.GetAuthTime().AsTime().Equal(auth.AsTime()) || first.GetLayer() != "app" || first.GetSid() != "1" {
		t.Errorf("made %v", first)
	}
	second, err := create(&ostiaryv1.Session{OrganizationId: "acme", UserId: ann, ParentId: first.GetId()})
	if err != nil {
		t.Fatal(err)
	}
	_, err = create(&ostiaryv1.Session{OrganizationId: "acme", UserId: ann, Id: "acme/mine"})
	wantCode(t, "an id of the caller's", err, codes.InvalidArgument)
	_, err = create(nil)
	wantCode(t, "no session", err, codes.InvalidArgument)
	_, err = create(&ostiaryv1.Session{OrganizationId: "none", UserId: ann})
	wantCode(t, "an unknown organization", err, codes.NotFound)
	_, err = create(&ostiaryv1.Session{OrganizationId: "acme", UserId: "nobody"})
	wantCode(t, "nobody", err, codes.FailedPrecondition)

	page, err := c.ListSessions(ctx, &ostiaryv1.ListSessionsRequest{StoreId: w.store, Filter: &ostiaryv1.SessionFilter{UserId: ann}, PageSize: 1})
	if err != nil || len(page.GetSessions()) != 1 || page.GetNextPageToken() == "" {
		t.Fatalf("first page: %v, %v", page, err)
	}
	rest, err := c.ListSessions(ctx, &ostiaryv1.ListSessionsRequest{StoreId: w.store, Filter: &ostiaryv1.SessionFilter{UserId: ann}, PageToken: page.GetNextPageToken()})
	if err != nil || len(rest.GetSessions()) != 1 || rest.GetNextPageToken() != "" || rest.GetSessions()[0].GetId() == page.GetSessions()[0].GetId() {
		t.Errorf("second page: %v, %v", rest, err)
	}
	_, err = c.ListSessions(ctx, &ostiaryv1.ListSessionsRequest{StoreId: w.store, PageToken: page.GetNextPageToken()})
	wantCode(t, "the page of another list", err, codes.InvalidArgument)

	later := timestamppb.New(first.GetExpiresAt().AsTime().Add(time.Hour))
	touched, err := c.TouchSession(ctx, &ostiaryv1.TouchSessionRequest{StoreId: w.store, Id: first.GetId(), ExpiresAt: later})
	if err != nil || !touched.GetSession().GetExpiresAt().AsTime().Equal(later.AsTime()) {
		t.Errorf("touch: %v, %v", touched, err)
	}
	counted, err := c.DeleteSessions(ctx, &ostiaryv1.DeleteSessionsRequest{StoreId: w.store, Filter: &ostiaryv1.SessionFilter{ClientId: "portal"}, DryRun: true})
	if err != nil || counted.GetEnded() != 2 {
		t.Errorf("dry run: %v, %v", counted, err)
	}
	_, err = c.DeleteSessions(ctx, &ostiaryv1.DeleteSessionsRequest{StoreId: w.store})
	wantCode(t, "deletion of everything", err, codes.InvalidArgument)
	deleted, err := c.DeleteSession(ctx, &ostiaryv1.DeleteSessionRequest{StoreId: w.store, Id: second.GetId()})
	if err != nil || deleted.GetEnded() != 1 {
		t.Errorf("deletion: %v, %v", deleted, err)
	}
	_, err = c.GetSession(ctx, &ostiaryv1.GetSessionRequest{StoreId: w.store, Id: second.GetId()})
	wantCode(t, "a session that has ended", err, codes.NotFound)
	revoked, err := c.RevokeSessions(ctx, &ostiaryv1.RevokeSessionsRequest{StoreId: w.store, UserId: ann, OrganizationId: "acme", Reason: "test"})
	if err != nil || revoked.GetEnded() != 1 {
		t.Errorf("revocation: %v, %v", revoked, err)
	}
	_, err = create(&ostiaryv1.Session{OrganizationId: "acme", UserId: ann, AuthTime: auth})
	wantCode(t, "a login of before the revocation", err, codes.FailedPrecondition)
	on, err := c.GetSessionSubjects(ctx, &ostiaryv1.GetSessionSubjectsRequest{StoreId: w.store})
	if err != nil || !on.GetOn() {
		t.Errorf("session subjects: %v, %v", on, err)
	}
}

// The same over HTTP, where the id of a session has a slash.
func TestSessionsOverHTTP(t *testing.T) {
	w, ann := newSessionWorld(t)
	ask := func(method, path, body string, want int) map[string]any {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, w.base+"/ostiary/v1/stores/"+w.store+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%s %s: %d %s, %v, want %d", method, path, resp.StatusCode, text, err, want)
		}
		var answer map[string]any
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatal(err)
		}
		return answer
	}
	made := ask("POST", "/sessions", `{"organization_id":"acme","user_id":"`+ann+`","acr":"urn:mfa"}`, http.StatusOK)
	id, _ := made["session"].(map[string]any)["id"].(string)
	got := ask("GET", "/sessions/"+id, "", http.StatusOK)
	if got["session"].(map[string]any)["acr"] != "urn:mfa" {
		t.Errorf("got %v", got)
	}
	if all := ask("GET", "/sessions?filter.user_id="+ann, "", http.StatusOK)["sessions"].([]any); len(all) != 1 {
		t.Errorf("listed %v", all)
	}
	ask("POST", "/sessions/"+id+"/touch", "{}", http.StatusOK)
	ask("DELETE", "/sessions/"+id, "", http.StatusOK)
	ask("GET", "/sessions/"+id, "", http.StatusNotFound)
	if n := ask("POST", "/session-revocations", `{"user_id":"`+ann+`","organization_id":"acme"}`, http.StatusOK)["ended"]; n != "0" {
		t.Errorf("revoked %v", n)
	}
	ask("POST", "/sessions", `{"organization_id":"acme","user_id":"`+ann+`"}`, http.StatusBadRequest)
}
