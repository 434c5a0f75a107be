package api

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/condition"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
)

// In a store that says so (identity.SetSessionSubjects), a question about a session is one about the session's
// person, at the revision of the question, as long as the session lives; with what is known of the session as
// parameters of conditions. A session opens what belongs to its own organization, or to none (docs/sessions.md).

// The reasons that an answer gives in the header ostiary-reason.
const (
	reasonSessionInactive = "session_inactive"
	reasonSubjectDisabled = "subject_disabled"
	reasonStepUp          = "step_up_required"
)

// The parameters of conditions that a session binds.
const (
	boundACR          = "acr"
	boundAMR          = "amr"
	boundAuthTime     = "auth_time"
	boundDevice       = "device"
	boundOrganization = "organization"
)

var (
	boundNames = []string{boundACR, boundAMR, boundAuthTime, boundDevice, boundOrganization}
	// assuranceNames are those that authenticating again can change.
	assuranceNames = []string{boundACR, boundAMR, boundAuthTime}
)

// through is the session that a question names. The zero through is none.
type through struct {
	session identity.Session
	named   bool // a session is named
	live    bool
}

// ended reports whether a session is named that has ended, or never was.
func (t through) ended() bool { return t.named && !t.live }

// sessionOf returns the session that a subject names, where the store lets sessions be subjects.
func (q *question) sessionOf(ctx context.Context, s ostiary.SubjectRef) (through, error) {
	if !q.gated || !q.gate.SessionSubjects() || s.Type != q.names.Session.Type || s.IsUserset() || s.IsWildcard() {
		return through{}, nil
	}
	found, live, err := identity.SessionAt(ctx, q.view, q.store, s.ID, q.nowNanos)
	if err == nil && live && q.continued {
		_, live, err = identity.SessionAt(ctx, q.present, q.store, s.ID, max(q.nowNanos, q.presentNanos))
	}
	return through{session: found, named: true, live: live}, err
}

// subject returns the person of the session.
func (t through) subject(q *question) ostiary.SubjectRef {
	return ostiary.SubjectRef{Type: q.names.User, ID: t.session.User}
}

// bind returns the context of a question with what is known of the session. Where the caller says otherwise, or
// says what the server does not know, the question is refused.
func (t through) bind(q *question, caller map[string]any) (map[string]any, error) {
	bound := t.bound()
	for _, name := range boundNames {
		if said, there := caller[name]; there && !reflect.DeepEqual(said, bound[name]) {
			return nil, refuse(codeValidation, "the context says what the session says otherwise: leave %q out", name)
		}
	}
	if len(q.model.Model.Conditions) == 0 && len(caller) == 0 {
		return nil, nil // nothing asks for it, and questions without a context share more
	}
	for name, value := range caller {
		bound[name] = value
	}
	return bound, nil
}

func (t through) bound() map[string]any {
	methods := make([]any, len(t.session.AMR))
	for i, method := range t.session.AMR {
		methods[i] = method
	}
	bound := map[string]any{
		boundACR: t.session.ACR, boundAMR: methods, boundDevice: t.session.Device, boundOrganization: t.session.Organization,
	}
	if t.session.AuthNanos != 0 {
		bound[boundAuthTime] = time.Unix(0, t.session.AuthNanos).UTC().Format(time.RFC3339Nano)
	}
	return bound
}

// opens reports whether the session opens an object: one of its own organization, or of none. One of several
// others is not of none.
func (q *question) opens(ctx context.Context, t through, o ostiary.ObjectRef) (bool, error) {
	organization, err := q.organizationOf(ctx, o)
	if err != nil || organization != "" {
		return organization == t.session.Organization, err
	}
	none := true
	for stored, err := range q.view.Tuples(ctx, ostiary.Filter{Store: q.store, Object: o, Relation: q.names.Belonging(o.Type)}, nil) {
		if err != nil {
			return false, err
		}
		if _, live := stored.Edge(q.nowNanos); !live || stored.Subject.Type != q.names.Organization.Type {
			continue
		}
		if stored.Subject == (ostiary.SubjectRef{Type: q.names.Organization.Type, ID: t.session.Organization}) {
			return true, nil
		}
		none = false
	}
	return none, nil
}

// enter puts the person of the session that a check names into its place, and reports false where the session
// does not open the object.
func (q *question) enter(ctx context.Context, query *engine.CheckQuery) (t through, open bool, err error) {
	t, err = q.sessionOf(ctx, query.Subject)
	if err != nil || !t.named || t.ended() {
		return t, !t.named, err
	}
	if query.Context, err = t.bind(q, query.Context); err != nil {
		return t, false, err
	}
	query.Subject = t.subject(q)
	open, err = q.opens(ctx, t, query.Object)
	return t, open, err
}

// decide answers a check: through the session that it names, and behind the gate.
func (q *question) decide(
	ctx context.Context, query engine.CheckQuery, check func(engine.CheckQuery) (ostiary.Decision, error),
) (ostiary.Decision, error) {
	t, open, err := q.enter(ctx, &query)
	if err != nil {
		return ostiary.Denied, err
	}
	if !open {
		callOf(ctx).because(reasonSessionInactive)
		return ostiary.Denied, nil
	}
	denied, err := q.denies(ctx, query.Subject, query.Object)
	if err != nil {
		return ostiary.Denied, err
	}
	if denied {
		callOf(ctx).because(reasonSubjectDisabled)
		return ostiary.Denied, nil
	}
	d, err := check(query)
	if !t.named || err == nil && d == ostiary.Allowed {
		return d, err
	}
	return q.stepUp(ctx, query, err, check)
}

// stepUp returns the denial of a check through a session, or its error, and says where authenticating again
// might change it: without the session's assurance it could not be told.
func (q *question) stepUp(
	ctx context.Context, query engine.CheckQuery, err error, check func(engine.CheckQuery) (ostiary.Decision, error),
) (ostiary.Decision, error) {
	if err != nil {
		if !lacksAssurance(err) {
			return ostiary.Denied, err
		}
		callOf(ctx).because(reasonStepUp)
		return ostiary.Denied, nil
	}
	if !asksAssurance(q.model.Model) {
		return ostiary.Denied, nil
	}
	context := map[string]any{}
	for name, value := range query.Context {
		if !slices.Contains(assuranceNames, name) {
			context[name] = value
		}
	}
	query.Context = context
	if _, err := check(query); lacksAssurance(err) {
		callOf(ctx).because(reasonStepUp)
	}
	return ostiary.Denied, nil
}

// lacksAssurance reports whether an answer depends on a parameter that says how somebody has authenticated.
func lacksAssurance(err error) bool {
	var missing *condition.MissingError
	if !errors.As(err, &missing) {
		return false
	}
	return !slices.ContainsFunc(missing.Names, func(name string) bool { return !slices.Contains(assuranceNames, name) })
}

// asksAssurance reports whether a condition of the model has such a parameter.
func asksAssurance(m *model.Model) bool {
	return slices.ContainsFunc(m.Conditions, func(c *model.Condition) bool {
		return slices.ContainsFunc(c.Parameters, func(p model.Parameter) bool { return slices.Contains(assuranceNames, p.Name) })
	})
}

// opened returns those of the objects that the session opens.
func (q *question) opened(ctx context.Context, t through, objects []ostiary.ObjectRef) ([]ostiary.ObjectRef, error) {
	if !t.named {
		return objects, nil
	}
	opened := objects[:0]
	for _, o := range objects {
		open, err := q.opens(ctx, t, o)
		if err != nil {
			return nil, err
		}
		if open {
			opened = append(opened, o)
		}
	}
	return opened, nil
}

// behindSession explains a check that the session which it names denies.
func behindSession(query engine.CheckQuery, t through) *engine.Explanation {
	note := query.Subject.String() + " has ended, or never was"
	if t.live {
		note = "the session is of organization " + t.session.Organization + ", and opens nothing of another"
	}
	return &engine.Explanation{
		Outcome: engine.OutcomeDenied, Kind: engine.KindRelation, Object: query.Object.String(), Relation: query.Relation, Note: note,
	}
}

// because notes why an answer is no.
func (c *call) because(reason string) {
	c.deciding.because(reason)
	if !slices.Contains(c.reasons, reason) {
		c.reasons = append(c.reasons, reason)
	}
}

func (c *call) reasonText() string {
	slices.Sort(c.reasons)
	return strings.Join(c.reasons, ",")
}
