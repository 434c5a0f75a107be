package identity

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// withSessions ends the sessions that an event is about, or forgets how their people have authenticated: a session
// that is named; those of a person on a device; those of a device; or all of a person's, in which case nobody logs
// in either who has authenticated before the event.
func (r *reception) withSessions(action string) error {
	e := newEnds(r.view.view, r.view.connection.Store, r.m)
	e.reason = ReasonRequested
	named, unknown, err := r.gatherNamed(e)
	if err != nil {
		return err
	}
	none := SignalMissed
	switch {
	case named && action == SignalEndSessions:
		if err := e.endSIDs(); err != nil {
			return err
		}
	case !named:
		if none, err = r.gatherOfPeople(e, action); err != nil {
			return err
		}
	}
	if err := e.descend(r.ctx, 0); err != nil {
		return err
	}
	if len(e.sessions) > endedAtOnce && len(r.done.People) == 0 {
		// They are of a device or a session. What is about people is never refused.
		return fmt.Errorf("the event is about %d sessions, and at most %d may end at once: %w", len(e.sessions), endedAtOnce, ostiary.ErrTooBroad)
	}
	for _, t := range e.sessions {
		if !slices.Contains(r.done.People, t.User) {
			r.done.People = append(r.done.People, t.User)
		}
	}
	if r.done.Did = action; len(r.done.People) == 0 {
		if r.done.Did = none; none == SignalMissed && action == SignalEndSessions && !r.late {
			return r.noteEnded(unknown)
		}
		return nil
	}
	if err := e.restOnLogins(); err != nil {
		return err
	}
	if action == SignalStepUp {
		e.forgetAssurance()
		return nil
	}
	r.done.Sessions += len(e.sessions)
	return e.end(noneGone)
}

// forgetAssurance makes it part of the mutation that nobody knows any more how the people of the sessions have
// authenticated: conditions on that deny.
func (e *ends) forgetAssurance() {
	for _, t := range e.sessions {
		t.body.ACR, t.body.AMR = "", nil
		e.m.Preconditions = append(e.m.Preconditions, at(t.document))
		e.m.Documents = append(e.m.Documents, put(t.document.Key, t.body))
	}
}

// sidOf is what an identity provider calls a session.
type sidOf struct{ issuer, sid string }

// gatherNamed adds the sessions that an event names by themselves: by our id, or by what an issuer calls them. It
// reports whether the event is about such alone, and where it ends one of which nothing is known, how issuers may call
// that.
func (r *reception) gatherNamed(e *ends) (alone bool, unknown []sidOf, err error) {
	id, part := r.principal("session", r.signal.Session), r.signal.Session.Format != ""
	revoked := r.signal.Event == "session-revoked" || r.signal.Event == "sessions-revoked"
	if id.Format == "" && revoked && r.signal.Subject.Format == FormatOpaque {
		id = r.signal.Subject // which may be a person too
	}
	if id.Format == "" {
		return false, nil, nil
	}
	var people []namedUser
	protected := false
	if r.signal.User.Format != "" {
		var none string
		if people, none, err = r.people(true); err != nil {
			return false, nil, err
		}
		protected = len(people) == 0 && none == SignalProtected
	}
	sids, known := r.sidsOf(id), false
	err = r.addNamed(e, id, sids, func(t *storedSession) bool {
		known = true
		return t.Organization == r.view.connection.Organization && !slices.Contains(r.protected, t.User) &&
			(len(people) == 0 || slices.ContainsFunc(people, func(u namedUser) bool { return u.id == t.User }))
	})
	if revoked && !known && !protected {
		unknown = sids
	}
	return part || len(e.sessions) > 0, unknown, err
}

// flat returns the identifiers of which one consists. Aliases of aliases are none.
func (id SubjectID) flat() []SubjectID {
	if id.Format != FormatAliases {
		return []SubjectID{id}
	}
	return slices.DeleteFunc(slices.Clone(id.Aliases), func(a SubjectID) bool { return a.Format == FormatAliases })
}

// sidsOf returns how the issuers of the connection's people may call the session of an identifier.
func (r *reception) sidsOf(id SubjectID) (all []sidOf) {
	issuers := []string{r.source.Issuer, r.source.SubjectIssuer}
	for _, one := range id.flat() {
		switch {
		case one.Format == FormatIssuerSubject && one.Subject != "" && slices.Contains(issuers, one.Issuer):
			all = append(all, sidOf{one.Issuer, one.Subject})
		case one.Format == FormatOpaque && one.ID != "":
			for _, issuer := range issuers {
				all = append(all, sidOf{issuer, one.ID})
			}
		}
	}
	all = slices.DeleteFunc(all, func(o sidOf) bool { return o.issuer == "" })
	slices.SortFunc(all, func(a, b sidOf) int { return cmp.Or(cmp.Compare(a.issuer, b.issuer), cmp.Compare(a.sid, b.sid)) })
	return slices.Compact(all)
}

// addNamed adds the sessions of an identifier: by our id, and by what issuers call them.
func (r *reception) addNamed(e *ends, id SubjectID, sids []sidOf, wanted func(*storedSession) bool) error {
	for _, one := range id.flat() {
		if one.Format != FormatOpaque {
			continue
		}
		t, there, err := readSession(r.view.view, e.store, one.ID)
		if err == nil && there && wanted(t) {
			err = e.add(t.ID)
		}
		if err != nil {
			return err
		}
	}
	for _, o := range sids {
		f := SessionFilter{Organization: r.view.connection.Organization, Issuer: o.issuer, SID: o.sid}
		for t, err := range f.sessions(r.ctx, r.view.view, r.view.secrets, e.store, "") {
			if err == nil && wanted(t) {
				err = e.add(t.ID)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// noteEnded makes it part of the mutation that nobody logs in by these sessions of identity providers.
func (r *reception) noteEnded(sids []sidOf) error {
	if len(sids) == 0 {
		return nil
	}
	c, keys := r.view.connection, make([]ostiary.DocumentKey, len(sids))
	for i, o := range sids {
		keys[i] = endedSIDKey(r.view.secrets, c.Store, c.Organization, o.issuer, o.sid)
	}
	r.noted = true
	return r.service.noteEndedSIDs(r.view.view, r.m, c.Store, keys...)
}

// gatherOfPeople adds the sessions of before the event of the people whom it names, or of a device. Where it names
// nobody it returns why.
func (r *reception) gatherOfPeople(e *ends, action string) (none string, err error) {
	c, device := r.view.connection, r.principal("device", r.signal.Device)
	onDevice := SessionFilter{Organization: c.Organization, Device: device.ID}
	if device.Format != "" && (device.Format != FormatOpaque || device.ID == "") {
		return SignalMissed, nil // a device that nobody here calls so
	}
	people, none, err := r.people(true)
	if err != nil {
		return none, err
	}
	if device.Format != "" && r.principal("user", r.signal.User).Format == "" {
		return SignalMissed, r.addBefore(e, onDevice)
	}
	for _, u := range people {
		r.m.Preconditions = append(r.m.Preconditions, at(u.managed))
		switch {
		case device.Format != "":
			onDevice.User = u.id
			err = r.addBefore(e, onDevice)
		case action == SignalStepUp:
			err = r.addBefore(e, SessionFilter{Organization: c.Organization, User: u.id})
		default:
			err = r.addOfPerson(e, u.id)
		}
		if err != nil {
			return none, err
		}
		r.done.People = append(r.done.People, u.id)
	}
	return none, nil
}

// addBefore adds the sessions that a filter selects and that have begun before the event.
func (r *reception) addBefore(e *ends, f SessionFilter) error {
	for t, err := range f.sessions(r.ctx, r.view.view, r.view.secrets, e.store, "") {
		if err == nil && t.precedes(r.signal.EventNanos) && !slices.Contains(r.protected, t.User) {
			err = e.add(t.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addOfPerson adds the sessions of a person from before the event, those too in which the person acts for another,
// and lets nobody log in as the person who has authenticated before it. Where they are more than can be read at once
// all of the person's end, also those that are newer.
func (r *reception) addOfPerson(e *ends, user string) error {
	c := r.view.connection
	filter := ostiary.Filter{Store: c.Store, Subject: userSubject(user), ObjectType: gate.Session}
	from := len(e.sessions)
	for t, err := range r.view.view.Tuples(r.ctx, filter, nil) {
		if err != nil {
			return err
		}
		one, there, err := readSession(r.view.view, c.Store, t.Object.ID)
		if err != nil {
			return err
		}
		of := t.Relation == sessionActor || t.Relation == sessionSubject && there && one.Organization == c.Organization
		if !there || !of || !one.precedes(r.signal.EventNanos) {
			continue
		}
		if len(e.sessions) >= endedAtOnce {
			e.sessions = e.sessions[:from]
			all, err := revoke(r.ctx, r.view.view, r.m, c.Store, user, c.Organization, ReasonRequested)
			if err != nil {
				return err
			}
			r.done.Sessions += len(all.sessions) + all.unread
			return nil
		}
		if err := e.add(one.ID); err != nil {
			return err
		}
	}
	l, err := readLogins(r.view.view, c.Store, user)
	if err != nil {
		return err
	}
	if l.body.RevokedBefore == nil {
		l.body.RevokedBefore = map[string]int64{}
	}
	l.body.RevokedBefore[c.Organization] = max(l.body.RevokedBefore[c.Organization], r.signal.EventNanos)
	l.body.RevokedNanos, l.body.Reason = max(l.body.RevokedNanos, r.signal.EventNanos), ReasonRequested
	l.join(r.m)
	return nil
}

// withAccount disables, enables, deletes or unlinks the person whom an event names. Where that is by an address
// alone, or means several people, their sessions end, if the event takes something away, and no more.
func (r *reception) withAccount(action string) error {
	people, _, err := r.people(false)
	switch {
	case err != nil:
		return err
	case len(people) == 1:
		r.done.Did, r.done.People = action, []string{people[0].id}
		return r.change(people[0].id, action)
	case action == SignalEnable:
		r.done.Did = SignalMissed
		return nil
	}
	return r.withSessions(SignalEndSessions)
}

// accountSkew is how far the clock of a provider may be behind where an event is compared with the making of a person.
const accountSkew = 5 * signalSkew

// change changes the account of a person.
func (r *reception) change(id, action string) error {
	v, m := r.view, r.m
	old, err := v.user(id)
	if err != nil {
		return err
	}
	if r.signal.EventNanos < old.CreatedNanos-accountSkew {
		r.done.Did = SignalStale // it is about who had the name before
		return nil
	}
	if action == SignalUnlink {
		return r.unlink(old)
	}
	key := signalUserKey(v.connection.ID, id)
	before, _, err := v.view.Document(key)
	if err != nil {
		return err
	}
	// A person whom SCIM has changed since the signal that disabled is as SCIM says.
	if action == SignalEnable && (old.Active || before.Version != old.Version || v.connection.stopped()) {
		r.done.Did = SignalStale
		return nil
	}
	counts, err := r.newer(key, action != SignalEnable)
	if err != nil || !counts {
		return err
	}
	if action == SignalDelete {
		return r.delete(old)
	}
	if action == SignalDisable && !old.Active && before.Version == old.Version {
		// Told again: the person stays one whom a signal has disabled.
		m.Preconditions = append(m.Preconditions, at(old.document), at(old.managed))
		m.Documents = append(m.Documents, v.sealUser(old.User, old.key))
		return nil
	}
	return v.setActive(r.ctx, m, old, action == SignalEnable)
}

// unlink ends the sessions of a person from before the event, and by what the provider has called the person until then:
// the subjects of ID tokens, and the externalId of a person whom a login has made. What SCIM has said stays.
func (r *reception) unlink(old *storedUser) error {
	v, m := r.view, r.m
	e := newEnds(v.view, v.connection.Store, m)
	e.reason = ReasonRequested
	if err := r.addOfPerson(e, old.ID); err != nil {
		return err
	}
	if err := e.descend(r.ctx, 0); err != nil {
		return err
	}
	if err := e.restOnLogins(); err != nil {
		return err
	}
	r.done.Sessions += len(e.sessions)
	if err := e.end(noneGone); err != nil {
		return err
	}
	s, err := readSubjects(v.view, v.connection.ID, old.ID)
	if err != nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, at(old.document), at(old.managed))
	if u := old.User; s.body.Made && u.ExternalID != "" && !slices.ContainsFunc(s.body.times(), func(began int64) bool { return began-signalSkew > r.signal.EventNanos }) {
		u.ExternalID, u.ModifiedNanos = "", m.TimeNanos
		m.Documents = append(m.Documents, v.sealUser(u, old.key))
		if err := v.relink(m, resourceUser, u.ID, old.links(), u.links()); err != nil {
			return err
		}
	}
	return v.unlinkSubjectsBefore(m, old.ID, r.signal.EventNanos)
}

// delete deletes a person, or where the mass guard holds that, or the connection is paused, deactivates the person.
func (r *reception) delete(old *storedUser) error {
	held := r.view.connection.stopped()
	if !held {
		var err error
		if held, err = r.view.holdsDelete(r.m); err != nil {
			return err
		}
	}
	if held {
		r.done.Did = SignalDisable
		return r.view.hold(r.ctx, r.m, old)
	}
	return r.view.bury(r.ctx, r.m, old)
}

// setActive makes it part of a mutation that a person is active, or is not.
func (v *DirectoryView) setActive(ctx context.Context, m *ostiary.Mutation, old *storedUser, active bool) error {
	if old.Active == active {
		return nil
	}
	g, err := readGate(v.view, v.connection.Store, old.ID)
	if err != nil {
		return err
	}
	u := old.User
	u.Active, u.ModifiedNanos = active, m.TimeNanos
	m.Preconditions = append(m.Preconditions, at(old.document), at(old.managed))
	m.Documents = append(m.Documents, v.sealUser(u, old.key))
	return v.activate(ctx, m, g, u.ID, active)
}
