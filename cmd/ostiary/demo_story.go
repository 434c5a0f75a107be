package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/fakeidp"
)

// What the story is about.
const (
	storyOrganization = "acme"
	storyClient       = "portal"
	storyDocument     = "document:roadmap"
	storyModel        = "    define can_view: viewer and live from organization\n"
	storySession      = 8 * time.Hour // until the provider wants to be asked again
)

// storyWorld is where the story plays.
type storyWorld struct {
	sessions ostiaryv1.SessionServiceClient
	admin    ostiaryv1.IdentityServiceClient
	idp      *fakeidp.Provider
	scim     *fakeidp.SCIM
	store    string // its id
	revokeAt string // URL

	connection string
	user       string // the person's id
	session    string // the newest
	idToken    string // the newest
	token      string // of the newest answer
	party      *storyParty
}

// prepare makes a store with an organization, whose people come from a fake identity provider.
func (s *story) prepare(ctx context.Context) error {
	s.sessions, s.admin = ostiaryv1.NewSessionServiceClient(s.c.conn), ostiaryv1.NewIdentityServiceClient(s.c.conn)
	return s.step(whoServer, "a store, a model, an organization, a connection", func() (string, error) {
		var err error
		if s.idp, err = fakeidp.New(fakeidp.Options{Issuer: "https://acme.okta.test"}); err != nil {
			return "", err
		}
		if err := s.writeModel(ctx); err != nil {
			return "", err
		}
		if _, err := s.admin.CreateOrganization(ctx, &ostiaryv1.CreateOrganizationRequest{StoreId: s.store, Id: storyOrganization, Name: "Acme"}); err != nil {
			return "", fmt.Errorf("create the organization: %w", err)
		}
		if _, err := s.sessions.SetSessionSubjects(ctx, &ostiaryv1.SetSessionSubjectsRequest{StoreId: s.store, On: true}); err != nil {
			return "", fmt.Errorf("let sessions stand for their people: %w", err)
		}
		connection, err := s.connect(ctx)
		return "connection " + connection, err
	})
}

// writeModel creates the store and writes the model of organizations with a document that wants a live session.
func (s *story) writeModel(ctx context.Context) error {
	folder, err := os.MkdirTemp("", "ostiary-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if _, err := writeModules(folder); err != nil {
		return fmt.Errorf("write the model: %w", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "app.fga"), []byte(moduleStart+storyModel), 0o600); err != nil {
		return fmt.Errorf("write the model: %w", err)
	}
	m, err := s.a.compileFile(filepath.Join(folder, "fga.mod"))
	if err != nil {
		return err
	}
	request, err := writeModelRequest(m)
	if err != nil {
		return err
	}
	store, err := s.c.fga.CreateStore(ctx, &openfgav1.CreateStoreRequest{Name: "offboarding demo"})
	if err != nil {
		return fmt.Errorf("create a store: %w", err)
	}
	s.store, request.StoreId = store.GetId(), store.GetId()
	if _, err := s.c.fga.WriteAuthorizationModel(ctx, request); err != nil {
		return fmt.Errorf("write the model: %w", err)
	}
	return nil
}

// connect makes a connection for the provider and says by what its requests are known.
func (s *story) connect(ctx context.Context) (string, error) {
	made, err := s.admin.CreateConnection(ctx, &ostiaryv1.CreateConnectionRequest{StoreId: s.store, OrganizationId: storyOrganization, Name: "trial", Kind: "okta"})
	if err != nil {
		return "", fmt.Errorf("create a connection: %w", err)
	}
	connection := made.GetConnection().GetId()
	s.connection = connection
	token, err := s.admin.CreateToken(ctx, &ostiaryv1.CreateTokenRequest{StoreId: s.store, ConnectionId: connection, Name: "trial"})
	if err != nil {
		return "", fmt.Errorf("create a token: %w", err)
	}
	set, err := s.admin.SetRevoker(ctx, &ostiaryv1.SetRevokerRequest{StoreId: s.store, ConnectionId: connection, Revoker: &ostiaryv1.Revoker{
		Issuer: s.idp.Issuer(), Subject: storyClient, Jwks: string(s.idp.KeySet())}})
	if err != nil {
		return "", fmt.Errorf("say who may log people out: %w", err)
	}
	_, err = s.admin.SetOIDCIssuer(ctx, &ostiaryv1.SetOIDCIssuerRequest{StoreId: s.store, ConnectionId: connection, OidcIssuer: &ostiaryv1.OIDCIssuer{
		Issuer: s.idp.Issuer(), ClientIds: []string{storyClient}, Jwks: string(s.idp.KeySet()), SubjectClaim: "sub"}})
	if err != nil {
		return "", fmt.Errorf("say who signs ID tokens: %w", err)
	}
	s.revokeAt = set.GetEndpointUrl()
	url := made.GetConnection().GetScimUrl()
	if s.revokeAt == "" || strings.HasPrefix(url, "/") {
		return "", errors.New("the server does not know its own URL: start it with --public-url, or with --dev")
	}
	s.scim = &fakeidp.SCIM{URL: url, Token: token.GetSecret()}
	return connection, s.register(ctx, strings.TrimSuffix(s.revokeAt, "/gtr/"+connection))
}

// clear deletes the store.
func (s *story) clear(ctx context.Context) error {
	if _, err := s.c.fga.DeleteStore(ctx, &openfgav1.DeleteStoreRequest{StoreId: s.store}); err != nil {
		return fmt.Errorf("delete the store %s of the demo: %w", s.store, err)
	}
	return nil
}

// check asks at the newest token and at higher consistency, and wants the same answer of both.
func (s *story) check(ctx context.Context, relation, subject string, want bool) error {
	word := map[bool]string{true: "allowed", false: "denied"}
	shown := "the person"
	if strings.HasPrefix(subject, "session:") {
		shown = "the session"
	}
	return s.step(whoPortal, fmt.Sprintf("check %s#%s of %s", storyDocument, relation, shown), func() (string, error) {
		result := ""
		for _, higher := range []bool{false, true} {
			request := &openfgav1.CheckRequest{StoreId: s.store,
				TupleKey: &openfgav1.CheckRequestTupleKey{Object: storyDocument, Relation: relation, User: subject}}
			asked := ctx
			if higher {
				request.Consistency = openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
			} else if s.token != "" {
				asked = metadata.AppendToOutgoingContext(ctx, headerAtLeast, s.token)
			}
			var header metadata.MD
			answer, err := s.c.fga.Check(asked, request, grpc.Header(&header))
			if err != nil {
				return "", err
			}
			result = word[answer.GetAllowed()]
			if reasons := header.Get("ostiary-reason"); len(reasons) > 0 {
				result += " (" + strings.Join(reasons, ", ") + ")"
			}
			if answer.GetAllowed() != want {
				return "", fmt.Errorf("%s, and should be %s", result, word[want])
			}
		}
		return result, nil
	})
}

// doors checks both ways in: by this session, and by any session of the person.
func (s *story) doors(ctx context.Context, open bool) error {
	if err := s.check(ctx, "viewer", "session:"+s.session, open); err != nil {
		return err
	}
	return s.check(ctx, "can_view", "user:"+s.user, open)
}

// provision creates the person, and gives a document to view.
func (s *story) provision(ctx context.Context) error {
	err := s.step(whoProvider, "provision "+storyPerson.UserName+" over SCIM", func() (string, error) {
		id, answer, err := s.scim.Create(ctx, storyPerson)
		s.user, s.token = id, answer.Header.Get(headerToken)
		return fmt.Sprint(answer.Status, ", ", id), err
	})
	if err != nil {
		return err
	}
	err = s.step(whoPortal, "let the person view "+storyDocument, func() (string, error) {
		var header metadata.MD
		_, err := s.c.fga.Write(ctx, &openfgav1.WriteRequest{StoreId: s.store, Writes: &openfgav1.WriteRequestWrites{TupleKeys: []*openfgav1.TupleKey{
			{Object: storyDocument, Relation: "organization", User: "organization:" + storyOrganization},
			{Object: storyDocument, Relation: "viewer", User: "user:" + s.user},
		}}}, grpc.Header(&header))
		s.token = strings.Join(header.Get(headerToken), "")
		return "2 tuples", err
	})
	if err != nil {
		return err
	}
	return s.check(ctx, "can_view", "user:"+s.user, false) // nobody has logged in yet
}

// authenticate lets the person authenticate at the provider now, which gives out an ID token.
func (s *story) authenticate() (err error) {
	s.idToken, err = s.idp.IDToken(fakeidp.Login{Subject: storyPerson.ExternalID, ClientID: storyClient, SID: "102" + time.Now().Format("150405.000"),
		ACR: "urn:okta:loa:2fa:any", AMR: []string{"pwd", "otp"}, SessionExpiry: time.Now().Add(storySession)})
	return err
}

// report shows the server the newest ID token.
func (s *story) report(ctx context.Context) (*ostiaryv1.Session, error) {
	var header metadata.MD
	made, err := s.sessions.CreateSessionFromIDToken(ctx, &ostiaryv1.CreateSessionFromIDTokenRequest{
		StoreId: s.store, ConnectionId: s.connection, IdToken: s.idToken, ClientId: storyClient}, grpc.Header(&header))
	if err == nil {
		s.token = strings.Join(header.Get(headerToken), "")
	}
	return made.GetSession(), err
}

// logIn logs the person in, and sees that the doors are open.
func (s *story) logIn(ctx context.Context) error {
	err := s.step(whoPortal, "log the person in by an ID token", func() (string, error) {
		made, err := s.report(ctx)
		s.session = made.GetId()
		return "session " + s.session, err
	})
	if err != nil {
		return err
	}
	return s.doors(ctx, true)
}

func (s *story) logInFirst(ctx context.Context) error {
	if err := s.authenticate(); err != nil {
		return err
	}
	return s.logIn(ctx)
}

// logInAgain waits until a login is later than what ended the sessions, and logs the person in.
func (s *story) logInAgain(ctx context.Context) error {
	err := s.step(whoProvider, "the person authenticates again, in the next second", func() (string, error) {
		wait := time.NewTimer(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		return time.Now().UTC().Format(time.TimeOnly), s.authenticate()
	})
	if err != nil {
		return err
	}
	return s.logIn(ctx)
}

// refuseLogin sees that what was asserted last logs nobody in.
func (s *story) refuseLogin(ctx context.Context) error {
	return s.step(whoPortal, "log the person in by the ID token of before", func() (string, error) {
		made, err := s.report(ctx)
		var refused *serverError
		switch {
		case err == nil:
			return "", fmt.Errorf("let in with the session %s", made.GetId())
		case errors.As(err, &refused) && refused.code == codes.PermissionDenied:
			return "refused", nil
		}
		return "", err
	})
}

// revoke logs the person out, as Okta's Universal Logout does.
func (s *story) revoke(ctx context.Context) error {
	err := s.step(whoProvider, "revoke: Global Token Revocation, as Okta sends it", func() (string, error) {
		answer, err := s.idp.Revoke(ctx, nil, s.revokeAt, storyClient, fakeidp.IssuerSubject(s.idp.Issuer(), storyPerson.ExternalID))
		if err != nil {
			return "", err
		}
		s.token = answer.Header.Get(headerToken)
		return fmt.Sprint(answer.Status), answer.Want("revoke", http.StatusNoContent)
	})
	if err != nil {
		return err
	}
	if err := s.doors(ctx, false); err != nil {
		return err
	}
	if err := s.refuseLogin(ctx); err != nil {
		return err
	}
	return s.awaitLogout(ctx)
}

// deactivate takes the person's access away.
func (s *story) deactivate(ctx context.Context) error {
	if err := s.setActive(ctx, "deactivate the person over SCIM", false); err != nil {
		return err
	}
	if err := s.doors(ctx, false); err != nil {
		return err
	}
	if err := s.check(ctx, "viewer", "user:"+s.user, false); err != nil { // also what the application gave
		return err
	}
	if err := s.refuseLogin(ctx); err != nil {
		return err
	}
	return s.awaitLogout(ctx)
}

// reactivate gives it back, and no session.
func (s *story) reactivate(ctx context.Context) error {
	if err := s.setActive(ctx, "reactivate the person over SCIM", true); err != nil {
		return err
	}
	if err := s.check(ctx, "viewer", "user:"+s.user, true); err != nil {
		return err
	}
	if err := s.doors(ctx, false); err != nil {
		return err
	}
	if err := s.refuseLogin(ctx); err != nil {
		return err
	}
	return s.logInAgain(ctx)
}

func (s *story) setActive(ctx context.Context, what string, active bool) error {
	return s.step(whoProvider, what, func() (string, error) {
		answer, err := s.scim.SetActive(ctx, s.user, active)
		s.token = answer.Header.Get(headerToken)
		return fmt.Sprint(answer.Status), err
	})
}
