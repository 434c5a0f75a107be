package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary/api"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/fakeidp"
)

// offboarding is a cluster with an organization whose people come from a fake identity provider.
type offboarding struct {
	t          *testing.T
	nodes      []*offboardingNode
	store      string // its id
	connection string
	idp        *fakeidp.Provider
	now        func() time.Time // the identity provider's clock
	figures    offboardingFigures
}

// offboardingNode is one node and the clients that ask it.
type offboardingNode struct {
	server, url string
	fga         openfgav1.OpenFGAServiceClient
	sessions    ostiaryv1.SessionServiceClient
	scim        *fakeidp.SCIM
}

// hired is a person.
type hired struct {
	id, externalID, email string
	ended                 time.Time // when the answer came by which access ended last, by the provider's clock
}

// offboardingApplication is what the fake identity provider names in revocations.
const offboardingApplication = "0oa1"

// newOffboarding runs a cluster in this process, in which each node's clock is ahead of this machine's by so much.
func newOffboarding(t *testing.T, clocks []time.Duration) *offboarding {
	t.Helper()
	var addresses []string
	var nodes []*offboardingNode
	for _, ahead := range clocks {
		flags := clusterFlags{}
		if len(clocks) > 1 {
			flags.addr, flags.join = freeAddress(t), slices.Clone(addresses)
			addresses = append(addresses, flags.addr)
		}
		options, err := flags.judge(true)
		if err != nil {
			t.Fatal(err)
		}
		if ahead != 0 || slices.Max(clocks) != 0 {
			options.MaxClockDrift = -1 // nobody looks: what revocations promise must hold without
		}
		options.Clock = func() time.Time { return time.Now().Add(ahead) }
		server, url := startNodeHTTP(t, api.Anonymous(), func(o *nodeOptions) {
			o.cluster = options
			if reachable(o); len(nodes) > 0 {
				o.authzenBaseURL = nodes[0].url // a cluster has one URL
			}
		})
		nodes = append(nodes, &offboardingNode{server: server, url: url})
	}
	return newOffboardingOn(t, nodes, slices.Max(clocks))
}

// newOffboardingOn fills the organization on nodes that run, with a provider whose clock is ahead by so much. The
// public URL of all is that of the first.
func newOffboardingOn(t *testing.T, nodes []*offboardingNode, ahead time.Duration) *offboarding {
	t.Helper()
	w := &offboarding{t: t, nodes: nodes, now: func() time.Time { return time.Now().Add(ahead) }}
	var err error
	if w.idp, err = fakeidp.New(fakeidp.Options{Issuer: "https://acme.okta.test", Now: w.now}); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		conn, err := grpc.NewClient(n.server, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		n.fga, n.sessions = openfgav1.NewOpenFGAServiceClient(conn), ostiaryv1.NewSessionServiceClient(conn)
	}
	folder := filepath.Join(t.TempDir(), "model")
	w.run("org", "init", folder)
	w.store = strings.TrimSpace(w.run("store", "create", "acme"))
	app := filepath.Join(folder, "app.fga")
	text, err := os.ReadFile(app)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(app, append(text, "    define can_view: viewer and live from organization\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("model", "write", filepath.Join(folder, "fga.mod"), w.inStore())
	w.run("org", "create", "Acme", "--id", "acme", w.inStore())
	w.run("tuple", "write", "document:1#organization@organization:acme", w.inStore())
	w.run("session", "subjects", "on", w.inStore())
	var made struct{ ID, Secret string }
	if err := json.Unmarshal([]byte(w.run("connection", "create", "acme", "--kind", "okta", w.inStore(), "--output", "json")), &made); err != nil {
		t.Fatal(err)
	}
	w.connection = made.ID
	for _, n := range nodes {
		n.scim = &fakeidp.SCIM{URL: n.url + "/scim/v2/" + made.ID, Token: made.Secret}
	}
	keys := write(t, "keys.json", string(w.idp.KeySet()))
	w.run("connection", "gtr", "set", made.ID, "--issuer", w.idp.Issuer(), "--subject", offboardingApplication, "--jwks", keys, w.inStore())
	w.run("connection", "oidc", "set", made.ID, "--issuer", w.idp.Issuer(), "--client-id", offboardingApplication, "--subject-claim", "sub", "--jwks", keys, w.inStore())
	for _, n := range nodes { // it has heard of the connection, and no node's time is behind any longer
		err := patiently(t.Context(), func() error {
			_, err := n.scim.Find(t.Context(), "nobody")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.runAt(n, "tuple", "write", "document:"+strings.ReplaceAll(n.server, ":", ".")+"#organization@organization:acme", w.inStore())
	}
	return w
}

func (w *offboarding) inStore() string { return "--store=" + w.store }

// run runs a command line against the first node.
func (w *offboarding) run(args ...string) string {
	w.t.Helper()
	return w.runAt(w.nodes[0], args...)
}

func (w *offboarding) runAt(n *offboardingNode, args ...string) string {
	w.t.Helper()
	return newCLI(w.t, n.server).must(args...)
}

// hire provisions a person, who may view a document.
func (w *offboarding) hire(name string) *hired {
	w.t.Helper()
	p := &hired{externalID: "00u-" + name, email: name + "@acme.test"}
	err := patiently(w.t.Context(), func() (err error) {
		p.id, _, err = w.nodes[0].scim.Create(w.t.Context(), fakeidp.Person{UserName: p.email, ExternalID: p.externalID, GivenName: name})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.run("tuple", "write", "document:1#viewer@user:"+p.id, w.inStore())
	return p
}

// logIn reports a session of a person who has authenticated at a time, and returns its id and a token of then.
func (w *offboarding) logIn(ctx context.Context, n *offboardingNode, p *hired, auth time.Time) (session, token string, err error) {
	var header metadata.MD
	made, err := n.sessions.CreateSession(ctx, &ostiaryv1.CreateSessionRequest{StoreId: w.store, Session: &ostiaryv1.Session{
		OrganizationId: "acme", UserId: p.id, ClientId: "portal", AuthTime: timestamppb.New(auth)}}, grpc.Header(&header))
	if err != nil {
		return "", "", fmt.Errorf("log %s in at %s: %w", p.id, n.server, err)
	}
	return made.GetSession().GetId(), first(header.Get(headerToken)), nil
}

// showIDToken logs in who shows an ID token.
func (w *offboarding) showIDToken(ctx context.Context, n *offboardingNode, text string) (session, token string, err error) {
	var header metadata.MD
	made, err := n.sessions.CreateSessionFromIDToken(ctx, &ostiaryv1.CreateSessionFromIDTokenRequest{
		StoreId: w.store, ConnectionId: w.connection, IdToken: text, ClientId: "portal"}, grpc.Header(&header))
	if err != nil {
		return "", "", fmt.Errorf("log in by an ID token at %s: %w", n.server, err)
	}
	return made.GetSession().GetId(), first(header.Get(headerToken)), nil
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// freshness is what a check asks of the answer.
type freshness struct {
	higher bool
	token  string // empty: none
}

// check asks a node, again where it cannot answer now.
func (n *offboardingNode) check(ctx context.Context, store, relation, subject string, f freshness) (allowed bool, err error) {
	request := &openfgav1.CheckRequest{StoreId: store,
		TupleKey: &openfgav1.CheckRequestTupleKey{Object: "document:1", Relation: relation, User: subject}}
	if f.higher {
		request.Consistency = openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
	}
	if f.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, headerAtLeast, f.token)
	}
	err = patiently(ctx, func() error {
		answer, err := n.fga.Check(ctx, request)
		allowed = answer.GetAllowed()
		return err
	})
	if err != nil {
		err = fmt.Errorf("check %s of %s at %s: %w", relation, subject, n.server, err)
	}
	return allowed, err
}

// asked is what a check asks of document:1.
type asked struct{ relation, subject string }

// everywhere asks every node by all that is fresh, one question after the other, and returns an error where one does
// not answer as wanted.
func (w *offboarding) everywhere(ctx context.Context, want bool, token string, questions ...asked) error {
	return w.each(token, func(n *offboardingNode, f freshness) error {
		for _, q := range questions {
			allowed, err := n.check(ctx, w.store, q.relation, q.subject, f)
			if err == nil && allowed != want {
				err = fmt.Errorf("check %s of %s at %s (%+v): allowed %t, want %t", q.relation, q.subject, n.server, f, allowed, want)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// allAtOnce is everywhere with all questions in one request to each node.
func (w *offboarding) allAtOnce(ctx context.Context, want bool, token string, questions ...asked) error {
	return w.each(token, func(n *offboardingNode, f freshness) error {
		answers, err := n.batch(ctx, w.store, f, questions)
		if err != nil {
			return err
		}
		for i, q := range questions {
			answer := answers[fmt.Sprint(i)]
			if answer.GetError() != nil || answer.GetAllowed() != want {
				return fmt.Errorf("check %s of %s at %s (%+v, in a batch): %v, want %t", q.relation, q.subject, n.server, f, answer, want)
			}
		}
		return nil
	})
}

// each calls f for every node and all that is fresh, at once.
func (w *offboarding) each(token string, f func(*offboardingNode, freshness) error) error {
	failed := make(chan error, 2*len(w.nodes))
	for _, n := range w.nodes {
		for _, fresh := range []freshness{{higher: true}, {token: token}} {
			go func() { failed <- f(n, fresh) }()
		}
	}
	var errs []error
	for range cap(failed) {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

// batch asks a node questions in one request, again where it cannot answer now.
func (n *offboardingNode) batch(ctx context.Context, store string, f freshness, questions []asked) (answers map[string]*openfgav1.BatchCheckSingleResult, err error) {
	request := &openfgav1.BatchCheckRequest{StoreId: store}
	for i, q := range questions {
		request.Checks = append(request.Checks, &openfgav1.BatchCheckItem{CorrelationId: fmt.Sprint(i),
			TupleKey: &openfgav1.CheckRequestTupleKey{Object: "document:1", Relation: q.relation, User: q.subject}})
	}
	if f.higher {
		request.Consistency = openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY
	}
	if f.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, headerAtLeast, f.token)
	}
	err = patiently(ctx, func() error {
		answer, err := n.fga.BatchCheck(ctx, request)
		answers = answer.GetResult()
		return err
	})
	if err != nil {
		err = fmt.Errorf("ask %s %d questions: %w", n.server, len(questions), err)
	}
	return answers, err
}

// patiently repeats f while its error is one that passes.
func patiently(ctx context.Context, f func() error) error {
	for deadline := time.Now().Add(clusterPatience); ; time.Sleep(time.Millisecond) {
		err := f()
		if err == nil || !passes(err) || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
	}
}

// passes reports whether an error is one of a moment: without a leader, at a node that has not heard yet, or of a
// provider that asks too often.
func passes(err error) bool {
	var answered *fakeidp.StatusError
	if errors.As(err, &answered) {
		return slices.Contains([]int{http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusUnauthorized}, answered.Status)
	}
	return slices.Contains([]codes.Code{codes.Unavailable, codes.Aborted, codes.ResourceExhausted,
		codes.Code(openfgav1.InternalErrorCode_unavailable)}, status.Code(unwrapped(err)))
}

// unwrapped returns what of an error holds a gRPC status.
func unwrapped(err error) error {
	var s interface{ GRPCStatus() *status.Status }
	if errors.As(err, &s) {
		return s.GRPCStatus().Err()
	}
	return err
}
