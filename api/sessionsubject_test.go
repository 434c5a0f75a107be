package api_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/identity"
)

// sessionConditions ask how somebody has authenticated, and with what.
const sessionConditions = `condition strong(acr: string) {
  acr == "urn:mfa"
}

condition recent(auth_time: timestamp, not_before: timestamp) {
  auth_time > not_before
}

condition of_device(device: string, wanted: string) {
  device == wanted
}

condition by_otp(amr: list<string>) {
  "otp" in amr
}

condition in_window(`

// newSessionWorld is a gated store in which sessions are subjects, with a person of organization acme.
func newSessionWorld(t *testing.T) (*gateWorld, string) {
	t.Helper()
	w := newGateWorld(t)
	if _, err := w.model("condition in_window(", sessionConditions,
		"type device\n", `type vault
  relations
    define organization: [organization]
    define opener: [user with strong, user with recent, user with of_device, user with by_otp, user]
    define blocked: [user]
    define can_open: opener but not blocked

type device
`); err != nil {
		t.Fatal(err)
	}
	w.open()
	if _, err := w.service.SetSessionSubjects(w.admin, w.store, true); err != nil {
		t.Fatal(err)
	}
	return w, w.user("ann")
}

func (w *gateWorld) logIn(in identity.SessionInput) string {
	w.t.Helper()
	if in.Organization == "" {
		in.Organization = "acme"
	}
	s, err := w.service.CreateSession(w.admin, w.store, in)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.ID
}

func (w *gateWorld) grant(object, relation, user, condition string, values map[string]any) {
	w.t.Helper()
	k := &openfgav1.TupleKey{Object: object, Relation: relation, User: user}
	if condition != "" {
		context, err := structpb.NewStruct(values)
		if err != nil {
			w.t.Fatal(err)
		}
		k.Condition = &openfgav1.RelationshipCondition{Name: condition, Context: context}
	}
	_, err := w.fga.Write(w.t.Context(), &openfgav1.WriteRequest{StoreId: w.store, Writes: &openfgav1.WriteRequestWrites{TupleKeys: []*openfgav1.TupleKey{k}}})
	if err != nil {
		w.t.Fatalf("grant %s#%s@%s: %v", object, relation, user, err)
	}
}

// ask answers a check, with the reason that the answer gives.
func (w *gateWorld) ask(user, relation, object string, values map[string]any) (bool, string, error) {
	w.t.Helper()
	context, err := structpb.NewStruct(values)
	if err != nil {
		w.t.Fatal(err)
	}
	if values == nil {
		context = nil
	}
	check := func() (bool, string, error) {
		var header metadata.MD
		answer, err := w.fga.Check(w.t.Context(), &openfgav1.CheckRequest{StoreId: w.store, Context: context,
			TupleKey: &openfgav1.CheckRequestTupleKey{User: user, Relation: relation, Object: object}}, grpc.Header(&header))
		return answer.GetAllowed(), strings.Join(header.Get("ostiary-reason"), " "), err
	}
	allowed, reason, err := check()
	x, explainErr := ostiaryv1.NewOstiaryServiceClient(w.conn).Explain(w.t.Context(), &ostiaryv1.ExplainRequest{StoreId: w.store, Context: context,
		TupleKey: &ostiaryv1.TupleKey{User: user, Relation: relation, Object: object}})
	if again, why, _ := check(); again == allowed && why == reason { // no session has ended meanwhile
		w.compareExplained(allowed, reason, err, x, explainErr)
	}
	return allowed, reason, err
}

// compareExplained requires that an explanation comes to what a check came to.
func (w *gateWorld) compareExplained(allowed bool, reason string, err error, x *ostiaryv1.ExplainResponse, explainErr error) {
	w.t.Helper()
	switch {
	case err != nil:
		if explainErr == nil && x.GetOutcome() != ostiaryv1.Outcome_OUTCOME_ERROR {
			w.t.Errorf("a check fails with %v, and is explained as %v", err, x)
		}
	case explainErr != nil || x.GetReason() != reason || x.GetOutcome() != x.GetRoot().GetOutcome() ||
		(x.GetOutcome() == ostiaryv1.Outcome_OUTCOME_ALLOWED) != allowed || (x.GetOutcome() == ostiaryv1.Outcome_OUTCOME_DENIED) == allowed:
		w.t.Errorf("a check comes to %v for %q, and is explained as %v, %v", allowed, reason, x, explainErr)
	}
}

func (w *gateWorld) wantAnswer(user, object string, allowed bool, reason string) {
	w.t.Helper()
	got, why, err := w.ask(user, "can_open", object, nil)
	if err != nil || got != allowed || why != reason {
		w.t.Errorf("%s can open %s: %v for %q, %v; want %v for %q", user, object, got, why, err, allowed, reason)
	}
}

// IDENTITY g.0 rule 15: what the server binds wins over the caller's context, and a conflict is an error.
func TestRule15Bound(t *testing.T) {
	w, ann := newSessionWorld(t)
	now := time.Now()
	w.grant("vault:strong", "opener", "user:"+ann, "strong", nil)
	w.grant("vault:recent", "opener", "user:"+ann, "recent", map[string]any{"not_before": now.Add(-time.Hour).Format(time.RFC3339)})
	w.grant("vault:device", "opener", "user:"+ann, "of_device", map[string]any{"wanted": "d-1"})
	w.grant("vault:otp", "opener", "user:"+ann, "by_otp", nil)
	strong := "session:" + w.logIn(identity.SessionInput{User: ann, ACR: "urn:mfa", AMR: []string{"pwd", "otp"}, Device: "d-1", AuthNanos: now.UnixNano()})
	weak := "session:" + w.logIn(identity.SessionInput{User: ann, ACR: "urn:pwd", AMR: []string{"pwd"}, Device: "d-2", AuthNanos: now.Add(-2 * time.Hour).UnixNano()})
	bare := "session:" + w.logIn(identity.SessionInput{User: ann})
	for _, object := range []string{"vault:strong", "vault:recent", "vault:device", "vault:otp"} {
		reason := "step_up_required"
		if object == "vault:device" {
			reason = "" // no authentication gives another device
		}
		w.wantAnswer(strong, object, true, "")
		w.wantAnswer(weak, object, false, reason)
		w.wantAnswer(bare, object, false, reason)
	}
	w.wantAnswer(weak, "vault:none", false, "")
	for _, test := range []struct {
		session, name string
		value         any
		refused       bool
	}{
		{weak, "acr", "urn:mfa", true},
		{bare, "acr", "urn:mfa", true}, // what the server does not know, the caller does not say
		{bare, "auth_time", now.Format(time.RFC3339), true},
		{weak, "device", "d-1", true},
		{weak, "organization", "beta", true},
		{weak, "amr", []any{"otp"}, true},
		{strong, "acr", "urn:mfa", false},
		{strong, "amr", []any{"pwd", "otp"}, false},
		{strong, "other", "x", false},
	} {
		_, _, err := w.ask(test.session, "can_open", "vault:strong", map[string]any{test.name: test.value})
		if refused := status.Code(err) == codes.Code(openfgav1.ErrorCode_validation_error); refused != test.refused || err != nil && !refused {
			t.Errorf("%s said of the session: %v, want refused %v", test.name, err, test.refused)
		}
	}
	// What belongs to another organization takes a session of it.
	w.organization("beta")
	w.grant("vault:beta", "organization", "organization:beta", "", nil)
	w.grant("vault:beta", "opener", "user:"+ann, "", nil)
	w.wantAnswer("user:"+ann, "vault:beta", true, "")
	w.wantAnswer(strong, "vault:beta", false, "session_inactive")
}

func TestSessionSubjectEnds(t *testing.T) {
	w, ann := newSessionWorld(t)
	w.grant("vault:1", "opener", "user:"+ann, "", nil)
	first, second := w.logIn(identity.SessionInput{User: ann}), w.logInFor(ann, 50*time.Millisecond)
	w.wantAnswer("session:"+first, "vault:1", true, "")
	before := w.header(t)
	if _, _, err := w.service.DeleteSession(w.admin, w.store, first); err != nil {
		t.Fatal(err)
	}
	w.wantAnswer("session:"+first, "vault:1", false, "session_inactive")
	w.wantAnswer("session:acme/s01m824qgqx05kcwex3kxbcecwz", "vault:1", false, "session_inactive")
	w.wantAnswer("session:made-up", "vault:1", false, "session_inactive")
	past := metadata.AppendToOutgoingContext(t.Context(), "ostiary-as-of", before)
	answer, err := w.fga.Check(past, &openfgav1.CheckRequest{StoreId: w.store,
		TupleKey: &openfgav1.CheckRequestTupleKey{User: "session:" + first, Relation: "can_open", Object: "vault:1"}})
	if err != nil || !answer.GetAllowed() {
		t.Errorf("a session that lived then, asked about then: %v, %v", answer, err)
	}
	for allowed := true; allowed; {
		if allowed, _, err = w.ask("session:"+second, "can_open", "vault:1", nil); err != nil {
			t.Fatal(err)
		}
	}
	w.wantAnswer("session:"+second, "vault:1", false, "session_inactive")

	third := "session:" + w.logIn(identity.SessionInput{User: ann})
	w.wantAnswer(third, "vault:1", true, "")
	w.setActive(ann, false)
	w.wantAnswer(third, "vault:1", false, "session_inactive")
	w.wantAnswer("user:"+ann, "vault:1", false, "subject_disabled")
	explained, err := ostiaryv1.NewOstiaryServiceClient(w.conn).Explain(t.Context(), &ostiaryv1.ExplainRequest{
		StoreId: w.store, TupleKey: &ostiaryv1.TupleKey{User: third, Relation: "can_open", Object: "vault:1"}})
	if err != nil || explained.GetOutcome() != ostiaryv1.Outcome_OUTCOME_DENIED {
		t.Errorf("explanation: %v, %v", explained, err)
	}
}

// logInFor makes a session that lives for a while, which is longer where the machine is slow.
func (w *gateWorld) logInFor(user string, life time.Duration) string {
	w.t.Helper()
	for {
		s, err := w.service.CreateSession(w.admin, w.store,
			identity.SessionInput{Organization: "acme", User: user, ExpiresNanos: time.Now().Add(life).UnixNano()})
		if err == nil {
			return s.ID
		}
		if !errors.Is(err, ostiary.ErrTupleInvalid) || life > time.Minute {
			w.t.Fatal(err)
		}
		life *= 2 // it would have ended before it was made
	}
}

// header returns the token of now.
func (w *gateWorld) header(t *testing.T) string {
	t.Helper()
	var header metadata.MD
	if _, err := w.fga.Check(t.Context(), &openfgav1.CheckRequest{StoreId: w.store,
		TupleKey: &openfgav1.CheckRequestTupleKey{User: "user:x", Relation: "can_open", Object: "vault:1"}}, grpc.Header(&header)); err != nil {
		t.Fatal(err)
	}
	return header.Get("ostiary-token")[0]
}

// Sessions are subjects only where the store says so.
func TestSessionSubjectsAreOptional(t *testing.T) {
	w, ann := newSessionWorld(t)
	w.grant("vault:1", "opener", "user:"+ann, "", nil)
	session := "session:" + w.logIn(identity.SessionInput{User: ann})
	w.wantAnswer(session, "vault:1", true, "")
	if _, err := w.service.SetSessionSubjects(w.admin, w.store, false); err != nil {
		t.Fatal(err)
	}
	w.wantAnswer(session, "vault:1", false, "")
	w.wantAnswer("session:made-up", "vault:1", false, "")
}

// A check of a live session is the check of its person, in every form of question.
func TestSessionIsItsPerson(t *testing.T) {
	w, ann := newSessionWorld(t)
	bob := w.user("bob")
	random := rand.New(rand.NewPCG(1, 2))
	sessions := map[string]string{}
	for _, user := range []string{ann, bob} {
		sessions[user] = "session:" + w.logIn(identity.SessionInput{User: user, ACR: "urn:mfa", Device: "d"})
	}
	objects := []string{}
	for i := range 12 {
		object := fmt.Sprintf("vault:%d", i)
		objects = append(objects, object)
		for _, user := range []string{ann, bob} {
			for _, relation := range []string{"opener", "blocked"} {
				if random.IntN(2) == 0 {
					w.grant(object, relation, "user:"+user, "", nil)
				}
			}
		}
	}
	for _, user := range []string{ann, bob} {
		items := []*openfgav1.BatchCheckItem{}
		want := []string{}
		for i, object := range objects {
			allowed, _, err := w.ask("user:"+user, "can_open", object, nil)
			if err != nil {
				t.Fatal(err)
			}
			w.wantAnswer(sessions[user], object, allowed, "")
			if allowed {
				want = append(want, object)
			}
			items = append(items, &openfgav1.BatchCheckItem{CorrelationId: fmt.Sprint(i),
				TupleKey: &openfgav1.CheckRequestTupleKey{User: sessions[user], Relation: "can_open", Object: object}})
		}
		slices.Sort(want)
		batch, err := w.fga.BatchCheck(t.Context(), &openfgav1.BatchCheckRequest{StoreId: w.store, Checks: items})
		if err != nil {
			t.Fatal(err)
		}
		for i, object := range objects {
			if got := batch.GetResult()[fmt.Sprint(i)]; got.GetError() != nil || got.GetAllowed() != slices.Contains(want, object) {
				t.Errorf("batch, %s: %v", object, got)
			}
		}
		list := func() []string {
			t.Helper()
			found, err := w.fga.ListObjects(t.Context(), &openfgav1.ListObjectsRequest{StoreId: w.store, User: sessions[user], Relation: "can_open", Type: "vault"})
			if err != nil {
				t.Fatal(err)
			}
			return found.GetObjects()
		}
		if got := list(); !slices.Equal(got, want) {
			t.Errorf("list: got %q, want %q", got, want)
		}
		if _, err := w.service.RevokeSessions(w.admin, w.store, user, "acme", "test"); err != nil {
			t.Fatal(err)
		}
		if got := list(); len(got) > 0 {
			t.Errorf("list of a session that has ended: %q", got)
		}
	}
	_, err := w.fga.ListUsers(t.Context(), &openfgav1.ListUsersRequest{StoreId: w.store, Relation: "can_open",
		Object: &openfgav1.Object{Type: "vault", Id: "1"}, UserFilters: []*openfgav1.UserTypeFilter{{Type: "session"}}})
	if status.Code(err) != codes.Code(openfgav1.ErrorCode_validation_error) {
		t.Errorf("list of sessions: %v", err)
	}
}

// What belongs to several organizations is not of none: a session of another opens nothing of it.
func TestSessionAndSeveralOrganizations(t *testing.T) {
	w, ann := newSessionWorld(t)
	w.organization("beta")
	w.organization("gamma")
	s := "session:" + w.logIn(identity.SessionInput{User: ann})
	for object, organizations := range map[string][]string{"vault:none": nil, "vault:own": {"acme"}, "vault:shared": {"acme", "beta"},
		"vault:other": {"beta"}, "vault:others": {"beta", "gamma"}} {
		for _, o := range organizations {
			w.grant(object, "organization", "organization:"+o, "", nil)
		}
		w.grant(object, "opener", "user:"+ann, "", nil)
		allowed, reason := true, ""
		if strings.HasPrefix(object, "vault:other") {
			allowed, reason = false, "session_inactive"
		}
		w.wantAnswer(s, object, allowed, reason)
	}
}
