package api

import (
	"context"
	"fmt"
	"strings"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
)

// The subject gate of stores with organizations: a person who is disabled, blocked or deleted is denied
// before anything is evaluated, so that grants that an application made directly are denied too
// (docs/adr/0009-identity-state.md). A question about a set or a wildcard is about no one person, and passes.

// maxGateStaleness bounds how old the view of a question may be in a store with organizations: a node that is
// cut off from its cluster must not go on letting people in who were deactivated elsewhere. IDENTITY g.0
// rule 16.
const maxGateStaleness = 10 * time.Second

// judgeGateAge refuses a question of a node that may have missed deactivations for too long. A linearizable
// view has missed nothing, and of one of the past seePresent judges what must be known of now.
func (s *Server) judgeGateAge(ctx context.Context, at moment, c openfgav1.ConsistencyPreference) error {
	if at != (moment{}) || c == openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY {
		return nil
	}
	v, err := s.backend.View(ctx, ostiary.Freshness{MaxStaleness: maxGateStaleness})
	if err != nil {
		return err
	}
	v.Close()
	return nil
}

// gateOf returns what stands against the subject of a question, which is nothing where the store has no
// organizations.
func (q *question) gateOf(s ostiary.SubjectRef) (identity.Gate, error) {
	return q.gateBy(s, func(user string) (identity.Gate, error) { return q.gate.Of(q.view, q.store, user) },
		func(user string) (identity.Gate, error) { return q.gateNow.Of(q.present, q.store, user) })
}

// gateBy is gateOf by what reads the gates of people: in the view, and in the present where there is one.
func (q *question) gateBy(s ostiary.SubjectRef, read, readNow func(user string) (identity.Gate, error)) (identity.Gate, error) {
	if !q.gated || s.Type != q.names.User || s.IsUserset() || s.IsWildcard() {
		return identity.Gate{}, nil
	}
	g, err := read(s.ID)
	if err != nil || q.present == nil {
		return g, err
	}
	now, err := readNow(s.ID)
	if q.continued {
		return g.With(now), err
	}
	g.Deleted, g.Waiting = g.Deleted || now.Deleted, g.Waiting || now.Waiting
	return g, err
}

// seePresent gives a question that is asked of another view than the newest what it must know of now. A
// question about the past is answered as it was then for who has been disabled since, but who has been
// deleted is denied for ever, and who waits for as long. A later page of a list is about now, whatever its
// revision: who has been disabled since its first page is denied too.
func (s *Server) seePresent(ctx context.Context, q *question, at moment, c openfgav1.ConsistencyPreference) error {
	v, err := s.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return err
	}
	on, _, err := identity.HasOrganizations(v, q.store)
	if err == nil && on && (at.continued || c != openfgav1.ConsistencyPreference_HIGHER_CONSISTENCY) {
		v.Close()
		if v, err = s.backend.View(ctx, ostiary.Freshness{MaxStaleness: maxGateStaleness}); err != nil {
			return err
		}
	}
	if err != nil || !on {
		v.Close()
		return err
	}
	if q.gateNow, err = identity.StoreGateOf(v, q.store); err != nil {
		v.Close()
		return err
	}
	if !q.gated { // it had no organizations then
		mapping, _, err := identity.MappingOf(v, q.store)
		if err != nil {
			v.Close()
			return err
		}
		q.names = &mapping.Names
	}
	q.gated, q.present, q.continued, q.presentNanos = true, v, at.continued, s.backend.Now()
	return nil
}

// errLoggedOut refuses a later page of a list about a person who was logged out since the first.
var errLoggedOut = &refusal{code: codePageToken, cause: ostiary.ErrTokenInvalid,
	text: "the person was logged out since the first page: begin the list again, without a continuation"}

// judgeContinued refuses a later page of a list about a person who was logged out since the first: what rests on a
// session (live) was true then. A list about a session ends with the session.
func (q *question) judgeContinued(s ostiary.SubjectRef) error {
	if !q.continued || s.Type != q.names.User || s.IsUserset() || s.IsWildcard() {
		return nil
	}
	since, err := identity.LoggedOutBetween(q.view, q.present, q.store, s.ID)
	if err == nil && since {
		err = errLoggedOut
	}
	return err
}

// denies reports whether the gate denies a subject an object.
func (q *question) denies(ctx context.Context, s ostiary.SubjectRef, o ostiary.ObjectRef) (bool, error) {
	g, err := q.gateOf(s)
	if err != nil || g.IsOpen() {
		return false, err
	}
	return q.closes(ctx, g, o)
}

// checkIn answers a check in a batch.
func (q *question) checkIn(ctx context.Context, batch *engine.Batch, query engine.CheckQuery) (ostiary.Decision, error) {
	return q.decide(ctx, query, func(query engine.CheckQuery) (ostiary.Decision, error) { return batch.Check(ctx, query) })
}

// behindGate explains a check that the gate denies, whatever the tuples say; nil where the gate does not.
func (q *question) behindGate(ctx context.Context, query engine.CheckQuery) (*engine.Explanation, error) {
	g, err := q.gateOf(query.Subject)
	if err != nil || g.IsOpen() {
		return nil, err
	}
	x := &engine.Explanation{
		Outcome: engine.OutcomeDenied, Kind: engine.KindRelation, Object: query.Object.String(), Relation: query.Relation,
	}
	switch {
	case g.Deleted:
		x.Note = fmt.Sprintf("%s was deleted, and is denied for ever", query.Subject)
		return x, nil
	case g.Waiting:
		x.Note = fmt.Sprintf("%s waits: the identity provider that manages the person has not synchronized since a restore", query.Subject)
		return x, nil
	}
	organization, err := q.organizationOf(ctx, query.Object)
	switch {
	case err != nil || !g.Closed(organization):
		return nil, err
	case organization == "":
		x.Note = fmt.Sprintf("%s is disabled or blocked in %s, and %s belongs to no organization, or to several",
			query.Subject, strings.Join(g.Organizations, ", "), query.Object)
	default:
		x.Note = fmt.Sprintf("%s is disabled or blocked in %s, to which %s belongs", query.Subject, organization, query.Object)
	}
	return x, nil
}

// closes reports whether a gate that is not open denies an object: each organization's gate counts for what
// belongs to it alone.
func (q *question) closes(ctx context.Context, g identity.Gate, o ostiary.ObjectRef) (bool, error) {
	if g.Deleted || g.Waiting {
		return true, nil
	}
	organization, err := q.organizationOf(ctx, o)
	return g.Closed(organization), err
}

// organizationOf returns the organization that an object belongs to, as stored: contextual tuples do not
// count. It is empty where there is none, or several.
func (q *question) organizationOf(ctx context.Context, o ostiary.ObjectRef) (string, error) {
	if o.Type == q.names.Organization.Type {
		return o.ID, nil
	}
	if q.names.IsWithin(o.Type) {
		if organization, _, ok := strings.Cut(o.ID, "/"); ok {
			return organization, nil
		}
	}
	found := ""
	for t, err := range q.view.Tuples(ctx, ostiary.Filter{Store: q.store, Object: o, Relation: q.names.Belonging(o.Type)}, nil) {
		if err != nil {
			return "", err
		}
		e, live := t.Edge(q.nowNanos)
		s := t.Subject
		switch {
		case !live:
		case len(e.Conditions) > 0 || s.Type != q.names.Organization.Type || s.IsUserset() || s.IsWildcard() || found != "":
			return "", nil
		default:
			found = s.ID
		}
	}
	return found, nil
}

// unlimited is the limit of a list of which the gate may take something away: it must not be cut before.
const unlimited = 0

// passingObjects returns those of the objects that the gate of a subject does not deny.
func (q *question) passingObjects(ctx context.Context, g identity.Gate, objects []ostiary.ObjectRef) ([]ostiary.ObjectRef, error) {
	if g.IsOpen() {
		return objects, nil
	}
	passing := objects[:0]
	for _, o := range objects {
		closed, err := q.closes(ctx, g, o)
		if err != nil {
			return nil, err
		}
		if !closed {
			passing = append(passing, o)
		}
	}
	return passing, nil
}

// passingUsers returns those of the users whose gate does not deny an object. A wildcard among them stays:
// it says nothing of one person.
func (q *question) passingUsers(ctx context.Context, users []ostiary.SubjectRef, o ostiary.ObjectRef) ([]ostiary.SubjectRef, error) {
	if !q.gated {
		return users, nil
	}
	read, readNow := q.gate.Reader(q.view, q.store), q.gateNow.Reader(q.present, q.store)
	passing, organization, known := users[:0], "", false
	for _, u := range users {
		g, err := q.gateBy(u, read.Of, readNow.Of)
		if err == nil && !known && !g.IsOpen() {
			organization, err = q.organizationOf(ctx, o)
			known = true
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if !g.Closed(organization) {
			passing = append(passing, u)
		}
	}
	return passing, nil
}

// managedTuple returns the fault of a tuple that identity mutations alone may write.
func managedTuple(n *gate.Names, t ostiary.Tuple) error {
	if !n.IsManaged(t.Object.Type, t.Relation) {
		return nil
	}
	return unfit("the relation '%s#%s' is written by identity providers and by the commands for organizations, and by nobody else",
		t.Object.Type, t.Relation)
}

// judgeManaged refuses writes of tuples that identity mutations alone may write, in a store with
// organizations. In another, the mutation rests on its having none.
func judgeManaged(v View, n *gate.Names, store string, m *ostiary.Mutation) error {
	for i := range m.Tuples {
		c := &m.Tuples[i]
		fault := managedTuple(n, c.Tuple)
		if fault == nil || c.Op == ostiary.TupleDelete {
			continue
		}
		on, d, err := identity.HasOrganizations(v, store)
		if err != nil {
			return err
		}
		if on {
			return &refusal{code: codeValidation, cause: fault, text: fmt.Sprintf("Invalid tuple '%s'. Reason: %v", c.Tuple, fault)}
		}
		m.Preconditions = append(m.Preconditions, identity.GateMoves(d))
		return nil
	}
	return nil
}

// Identity returns the service that changes what is known of people, over the server's backend.
func (s *Server) Identity() *identity.Service { return s.identity }

// identityBackend is the backend as package identity knows it.
type identityBackend struct{ Backend }

func (b identityBackend) View(ctx context.Context, f ostiary.Freshness) (identity.View, error) {
	return b.Backend.View(ctx, f)
}
