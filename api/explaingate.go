package api

import (
	"context"
	"slices"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/engine"
)

// maxExplainedOrganizations bounds the organizations that an explanation names of those that close a person out.
const maxExplainedOrganizations = 100

// explainGate says what stands before the tuples of a check; nil where nothing could. query is named with the person
// in the place of the session t, which opens the object or not.
func (q *question) explainGate(ctx context.Context, named, query engine.CheckQuery, t through, open bool) (*ostiaryv1.ExplainGate, error) {
	s := query.Subject
	if !q.gated || !t.named && (s.Type != q.names.User || s.IsUserset() || s.IsWildcard()) {
		return nil, nil
	}
	gate := &ostiaryv1.ExplainGate{SessionInactive: !open}
	if t.named {
		gate.Session = named.Subject.String()
	}
	if t.ended() {
		return gate, nil // whose it was is nobody's business
	}
	gate.User = s.String()
	g, err := q.gateOf(s)
	if err != nil {
		return nil, err
	}
	if gate.OrganizationId, err = q.organizationOf(ctx, query.Object); err != nil {
		return nil, err
	}
	gate.Deleted, gate.Waiting = g.Deleted, g.Waiting
	gate.ClosedOrganizationIds = g.Organizations[:min(len(g.Organizations), maxExplainedOrganizations)]
	gate.Open = open && !g.Closed(gate.OrganizationId)
	gate.Tuples, err = q.enablingTuples(ctx, s, gate.ClosedOrganizationIds)
	return gate, err
}

// enablingTuples returns the tuples by which a person is enabled in organizations, and whether they are there.
func (q *question) enablingTuples(ctx context.Context, s ostiary.SubjectRef, organizations []string) ([]*ostiaryv1.ExplainGateTuple, error) {
	if q.names.Organization.Enabled == "" || len(organizations) == 0 {
		return nil, nil
	}
	var tuples []ostiary.Tuple
	for _, organization := range organizations {
		tuples = append(tuples, ostiary.Tuple{Object: ostiary.ObjectRef{Type: q.names.Organization.Type, ID: organization},
			Relation: q.names.Organization.Enabled, Subject: s})
	}
	slices.SortFunc(tuples, ostiary.Tuple.Compare)
	wire := make([]*ostiaryv1.ExplainGateTuple, len(tuples))
	for i, t := range tuples {
		wire[i] = &ostiaryv1.ExplainGateTuple{Tuple: t.String()}
	}
	err := q.view.LookUp(ctx, q.store, tuples, func(i int, t ostiary.StoredTuple) bool {
		_, wire[i].Present = t.Edge(q.nowNanos)
		return true
	})
	return wire, err
}
