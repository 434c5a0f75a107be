package api

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	openfgav1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/grpc/codes"

	"github.com/ostiary/ostiary"
	ostiaryv1 "github.com/ostiary/ostiary/api/gen/ostiary/v1"
	"github.com/ostiary/ostiary/dsl"
	"github.com/ostiary/ostiary/dsl/model"
	"github.com/ostiary/ostiary/engine"
	"github.com/ostiary/ostiary/identity"
)

// blastRadiusService answers ostiary.v1.BlastRadiusService.
type blastRadiusService struct {
	ostiaryv1.UnsafeBlastRadiusServiceServer
	server *Server
}

const (
	defaultBlastShifts = 1000
	maxBlastTuples     = 100 // written and deleted by a request
	maxEndedSessions   = 1000
	// maxBlasts is how many are worked out at once, maxBlastsPerCaller how many of them for one caller: each may hold
	// a million tuples.
	maxBlasts          = 8
	maxBlastsPerCaller = 2
)

// blastChange is what a request would change, in the view of its question.
type blastChange struct {
	*question
	before, after engine.World
	put           []ostiary.Edge
	gone          []ostiary.Tuple
	sessions      []string
	person        ostiary.SubjectRef // whose gate may change; zero: nobody's
	gateAfter     identity.Gate
}

// BlastRadius says who would gain and lose what by a change.
func (b *blastRadiusService) BlastRadius(ctx context.Context, req *ostiaryv1.BlastRadiusRequest) (*ostiaryv1.BlastRadiusResponse, error) {
	s := b.server
	leave, err := s.blasts.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	query, err := blastQuery(ctx, req)
	if err != nil {
		return nil, err
	}
	preference, err := preferenceOf(req.GetConsistency())
	if err != nil {
		return nil, err
	}
	q, err := s.ask(ctx, preference, req.GetStoreId(), req.GetAuthorizationModelId())
	if err != nil {
		return nil, err
	}
	defer q.close()
	c, err := s.blastChange(ctx, q, req)
	if err != nil {
		return nil, err
	}
	work := s.paced(ctx, req.GetStoreId())
	defer work.end()
	for _, e := range c.put {
		query.Changed = append(query.Changed, e.Tuple)
	}
	query.Changed = append(query.Changed, c.gone...)
	query.Tuples = q.tuples(work)
	found, err := s.engine.BlastRadius(work, c.before, c.after, query)
	if err != nil {
		return nil, err
	}
	if err := s.behindGates(work, c, found, query); err != nil {
		return nil, err
	}
	return c.answer(found), nil
}

// blastQuery returns the question of a request, without the change.
func blastQuery(ctx context.Context, req *ostiaryv1.BlastRadiusRequest) (engine.BlastQuery, error) {
	q := engine.BlastQuery{SubjectTypes: req.GetUserTypes(), Context: valuesOf(req.GetContext()), MaxTime: engine.DefaultMaxBlastTime}
	for _, text := range req.GetRelations() {
		typ, relation, ok := strings.Cut(text, "#")
		if !ok || typ == "" || relation == "" {
			return q, refuse(codes.InvalidArgument, "relations: %.100q is not of the form type#relation", text)
		}
		q.Relations = append(q.Relations, engine.RelationRef{Type: typ, Relation: relation})
	}
	q.MaxShifts = int(cmp.Or(req.GetMaxShifts(), defaultBlastShifts))
	if q.MaxShifts > engine.DefaultMaxBlastShifts {
		return q, refuse(codes.InvalidArgument, "max_shifts is %d: it must be at most %d", q.MaxShifts, engine.DefaultMaxBlastShifts)
	}
	if deadline, ok := ctx.Deadline(); ok { // what was found is to be sent in time
		q.MaxTime = max(time.Millisecond, min(q.MaxTime, time.Until(deadline)*3/4))
	}
	return q, nil
}

// blastChange thinks the change of a request through.
func (s *Server) blastChange(ctx context.Context, q *question, req *ostiaryv1.BlastRadiusRequest) (*blastChange, error) {
	c := &blastChange{question: q, before: engine.World{Plan: q.model.Plan, Reader: q.reader}}
	c.after = c.before
	w := q.whatIf()
	var err error
	switch change := req.GetChange().(type) {
	case *ostiaryv1.BlastRadiusRequest_Model:
		c.after.Plan, err = s.candidate(q, change.Model)
	case *ostiaryv1.BlastRadiusRequest_Tuples:
		err = s.thinkTuples(ctx, w, change.Tuples)
	case *ostiaryv1.BlastRadiusRequest_DeleteFilter:
		var f ostiary.Filter
		if f, err = tupleFilter(q.store, change.DeleteFilter); err == nil {
			err = w.removeAll(ctx, f)
		}
	case *ostiaryv1.BlastRadiusRequest_User:
		err = s.thinkUser(ctx, c, w, change.User)
	default:
		err = refuse(codes.InvalidArgument, "which change? set one of model, tuples, delete_filter and user")
	}
	if err != nil {
		return nil, err
	}
	c.put, c.gone = w.change()
	c.sessions = w.sessionsEnded(c.gone)
	// The reader of the question belongs to the world before, one goroutine as both.
	c.after.Reader = engine.Changed(q.view.Reader(q.store, q.nowNanos), c.put, c.gone)
	return c, nil
}

// candidate compiles another model, which the store must be able to take.
func (s *Server) candidate(q *question, text string) (*engine.Plan, error) {
	if len(text) > s.limits.MaxModelBytes {
		return nil, refuse(codes.InvalidArgument, "model exceeds size limit: %d bytes vs %d bytes", len(text), s.limits.MaxModelBytes)
	}
	var m *model.Model
	var err error
	if json.Valid([]byte(text)) {
		m, err = dsl.CompileJSON(modelFile, []byte(text))
	} else {
		m, err = dsl.Compile(modelFile, []byte(text))
	}
	if err != nil {
		return nil, refuse(codes.InvalidArgument, "the model would be refused: %v", err)
	}
	if n := len(m.Types); n > s.limits.MaxTypesPerModel {
		return nil, refuse(codes.InvalidArgument, "the model has %d types: it must have at most %d", n, s.limits.MaxTypesPerModel)
	}
	if q.gated {
		mapping, stored, err := identity.MappingOf(q.view, q.store)
		if err != nil {
			return nil, err
		}
		if err := judgeGatedModel(mapping, stored, m); err != nil {
			return nil, err
		}
	}
	return engine.Compile(m), nil
}

// thinkTuples thinks tuples through that come and go.
func (s *Server) thinkTuples(ctx context.Context, w *whatIf, change *ostiaryv1.BlastRadiusTuples) error {
	if n := len(change.GetWrites()) + len(change.GetDeletes()); n == 0 || n > maxBlastTuples {
		return refuse(codes.InvalidArgument, "tuples: %d are written and deleted: it must be 1 to %d", n, maxBlastTuples)
	}
	for _, k := range change.GetDeletes() {
		t, err := parseTuple(k)
		if err != nil {
			return refuse(codes.InvalidArgument, "tuples: %v", err)
		}
		if _, err := w.load(ctx, t); err != nil {
			return err
		}
		if !w.edges[t] {
			return refuse(codes.FailedPrecondition, "tuples: %s is not there to be deleted", t)
		}
		if err := w.remove(ctx, t, ""); err != nil {
			return err
		}
	}
	for _, k := range change.GetWrites() {
		wire := &openfgav1.TupleKey{User: k.GetKey().GetUser(), Relation: k.GetKey().GetRelation(), Object: k.GetKey().GetObject()}
		if k.GetCondition() != "" {
			wire.Condition = &openfgav1.RelationshipCondition{Name: k.GetCondition(), Context: k.GetContext()}
		}
		t, g, err := s.fittingTuple(w.model, wire)
		if err != nil {
			return refuse(codes.InvalidArgument, "tuples: %s would be refused: %v", keyWords(wire), err)
		}
		stored, err := w.load(ctx, t)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(stored.Grants, func(x ostiary.Grant) bool { return x.Owner == ostiary.OwnerAPI && x.Live(w.nowNanos) }) {
			return refuse(codes.FailedPrecondition, "tuples: %s is there already", t)
		}
		g.Owner = ostiary.OwnerAPI
		if err := w.grant(ctx, t, g); err != nil {
			return err
		}
	}
	return nil
}

// thinkUser thinks through what happens to a person.
func (s *Server) thinkUser(ctx context.Context, c *blastChange, w *whatIf, change *ostiaryv1.BlastRadiusUser) error {
	organization, user := change.GetOrganizationId(), change.GetUserId()
	if !c.gated {
		return refuse(codes.InvalidArgument, "user: the store has no organizations")
	}
	if organization == "" || user == "" {
		return refuse(codes.InvalidArgument, "user: name organization_id and user_id")
	}
	c.person = ostiary.SubjectRef{Type: c.names.User, ID: user}
	block := func(x *identity.Service) error {
		_, err := x.BlockUser(carry(ctx), c.store, organization, user)
		return err
	}
	do := block
	switch change.GetChange() {
	case ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_DEACTIVATE, ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_DELETE,
		ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_BLOCK:
	case ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_UNBLOCK:
		do = func(x *identity.Service) error {
			_, err := x.UnblockUser(carry(ctx), c.store, organization, user)
			return err
		}
	case ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_REVOKE_SESSIONS:
		do = func(x *identity.Service) error {
			_, err := x.RevokeSessions(carry(ctx), c.store, user, organization, "")
			return err
		}
	default:
		return refuse(codes.InvalidArgument, "user: change %d is not known", change.GetChange())
	}
	m, err := s.identity.Foresee(ctx, c.view, c.nowNanos, do)
	if err != nil {
		return err
	}
	changed := documentsAfter{View: c.view, documents: map[ostiary.DocumentKey]ostiary.DocumentChange{}}
	if m != nil {
		if err := w.apply(ctx, m); err != nil {
			return err
		}
		for _, d := range m.Documents {
			changed.documents[d.Key] = d
		}
	}
	if c.gateAfter, err = c.gate.Of(changed, c.store, user); err != nil {
		return err
	}
	switch change.GetChange() {
	case ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_DEACTIVATE:
		if c.names.Organization.Enabled == "" {
			return nil
		}
		return w.remove(ctx, ostiary.Tuple{Object: ostiary.ObjectRef{Type: c.names.Organization.Type, ID: organization},
			Relation: c.names.Organization.Enabled, Subject: c.person}, "")
	case ostiaryv1.BlastRadiusUserChange_BLAST_RADIUS_USER_CHANGE_DELETE:
		c.gateAfter.Deleted = true
		return w.removeAll(ctx, ostiary.Filter{Store: c.store, Subject: c.person})
	}
	return nil
}

// documentsAfter is a view with changed documents, for who reads them one by one.
type documentsAfter struct {
	View
	documents map[ostiary.DocumentKey]ostiary.DocumentChange
}

func (v documentsAfter) Document(key ostiary.DocumentKey) (ostiary.Document, bool, error) {
	c, changed := v.documents[key]
	if !changed {
		return v.View.Document(key)
	}
	return ostiary.Document{Key: key, Body: c.Body}, !c.Delete, nil
}

// behindGates leaves of what tuples say what counts behind the gates of people, and adds what the gate of one person
// gives or takes.
func (s *Server) behindGates(ctx context.Context, c *blastChange, found *engine.Blast, query engine.BlastQuery) error {
	if !c.gated {
		return nil
	}
	moved := map[ostiary.ObjectRef]bool{} // objects that would belong to another organization
	for _, t := range query.Changed {
		if t.Relation == c.names.Belonging(t.Object.Type) && !c.belongsByID(t.Object) && slices.ContainsFunc(found.Relations,
			func(r engine.RelationRef) bool { return r.Type == t.Object.Type }) {
			moved[t.Object] = true
		}
	}
	gates := map[ostiary.SubjectRef]identity.Gate{}
	kept := found.Shifts[:0]
	for _, shift := range found.Shifts {
		if shift.Subject == c.person || shift.Subject.Type == c.names.Session.Type && c.gate.SessionSubjects() {
			continue
		}
		g, known := gates[shift.Subject]
		if !known {
			var err error
			if g, err = c.gateOf(shift.Subject); err != nil {
				return err
			}
			gates[shift.Subject] = g
		}
		if moved[shift.Object] && !g.IsOpen() {
			found.Truncated = cmp.Or(found.Truncated, "organizations")
			continue
		}
		passes, err := c.passes(ctx, g, shift.Object)
		if err != nil {
			return err
		}
		if passes {
			kept = append(kept, shift)
		}
	}
	found.Shifts = kept
	if len(moved) > 0 { // others, who are closed out, may come in without a change of tuples about them
		found.Truncated = cmp.Or(found.Truncated, "organizations")
	}
	if c.person == (ostiary.SubjectRef{}) || len(query.SubjectTypes) > 0 && !slices.Contains(query.SubjectTypes, c.person.Type) {
		return nil
	}
	return s.personShifts(ctx, c, found, query)
}

// personShifts adds what the person of a change gains and loses, behind the gate before and after.
func (s *Server) personShifts(ctx context.Context, c *blastChange, found *engine.Blast, query engine.BlastQuery) error {
	gateBefore, err := c.gateOf(c.person)
	if err != nil {
		return err
	}
	for _, r := range found.Relations {
		before, told, err := s.allowedTo(ctx, c.question, c.before, gateBefore, r, c.person, query.Context)
		if err != nil {
			return err
		}
		after, toldAfter, err := s.allowedTo(ctx, c.question, c.after, c.gateAfter, r, c.person, query.Context)
		if err != nil {
			return err
		}
		if !told || !toldAfter {
			found.Truncated = cmp.Or(found.Truncated, "conditions")
			continue
		}
		for o := range before {
			if !after[o] {
				found.Shifts = append(found.Shifts, engine.Shift{Tuple: ostiary.Tuple{Object: o, Relation: r.Relation, Subject: c.person}})
			}
		}
		for o := range after {
			if !before[o] {
				found.Shifts = append(found.Shifts, engine.Shift{Tuple: ostiary.Tuple{Object: o, Relation: r.Relation, Subject: c.person}, Gained: true})
			}
		}
	}
	slices.SortFunc(found.Shifts, func(x, y engine.Shift) int { return x.Compare(y.Tuple) })
	if len(found.Shifts) > query.MaxShifts {
		found.Shifts, found.Truncated = found.Shifts[:query.MaxShifts], cmp.Or(found.Truncated, "shifts")
	}
	return nil
}

// answer is what was found as it is sent.
func (c *blastChange) answer(found *engine.Blast) *ostiaryv1.BlastRadiusResponse {
	if len(c.sessions) > maxEndedSessions {
		found.Truncated = cmp.Or(found.Truncated, "sessions")
	}
	resp := &ostiaryv1.BlastRadiusResponse{
		Truncated: found.Truncated, Objects: uint64(found.Objects), Users: uint64(found.Subjects),
		Written: uint64(len(c.put)), Deleted: uint64(len(c.gone)), EndedSessions: c.sessions[:min(len(c.sessions), maxEndedSessions)],
		Revision: uint64(c.view.Revision()), AuthorizationModelId: c.model.ID,
	}
	for _, r := range found.Relations {
		resp.Relations = append(resp.Relations, r.String())
	}
	for _, shift := range found.Shifts {
		wire := &ostiaryv1.BlastRadiusShift{Effect: ostiaryv1.BlastRadiusEffect_BLAST_RADIUS_EFFECT_LOST,
			Key: &ostiaryv1.TupleKey{User: shift.Subject.String(), Relation: shift.Relation, Object: shift.Object.String()}}
		switch {
		case shift.Undecided:
			wire.Effect = ostiaryv1.BlastRadiusEffect_BLAST_RADIUS_EFFECT_UNDECIDED
			resp.Undecided++
		case shift.Gained:
			wire.Effect = ostiaryv1.BlastRadiusEffect_BLAST_RADIUS_EFFECT_GAINED
			resp.Gained++
		default:
			resp.Lost++
		}
		resp.Shifts = append(resp.Shifts, wire)
	}
	return resp
}
