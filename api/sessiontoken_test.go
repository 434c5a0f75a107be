package api_test

import (
	"testing"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
)

// The sid of a session that is a token is the token: whoever read it could act as the person.
func TestTokensOfSessionsAreNotShown(t *testing.T) {
	w, ann := newSessionWorld(t)
	c := ostiaryv1.NewSessionServiceClient(w.conn)
	for _, layer := range []string{"refresh_token", "api_token", "pat"} {
		made, err := c.CreateSession(t.Context(), &ostiaryv1.CreateSessionRequest{StoreId: w.store, Session: &ostiaryv1.Session{
			OrganizationId: "acme", UserId: ann, Layer: layer, Issuer: "https://acme.okta.test", Sid: "the-" + layer}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.GetSession(t.Context(), &ostiaryv1.GetSessionRequest{StoreId: w.store, Id: made.GetSession().GetId()})
		if err != nil {
			t.Fatal(err)
		}
		touched, err := c.TouchSession(t.Context(), &ostiaryv1.TouchSessionRequest{StoreId: w.store, Id: made.GetSession().GetId()})
		if err != nil {
			t.Fatal(err)
		}
		found, err := c.ListSessions(t.Context(), &ostiaryv1.ListSessionsRequest{StoreId: w.store, Filter: &ostiaryv1.SessionFilter{
			Issuer: "https://acme.okta.test", Sid: "the-" + layer}})
		if err != nil || len(found.GetSessions()) != 1 {
			t.Fatalf("by its token: %v, %v", found, err)
		}
		for _, s := range append(found.GetSessions(), made.GetSession(), got.GetSession(), touched.GetSession()) {
			if s.GetSid() != "" || s.GetIssuer() == "" {
				t.Errorf("layer %s: the sid %q is shown, of issuer %q", layer, s.GetSid(), s.GetIssuer())
			}
		}
	}
}
