package workload

import (
	"sync"

	"github.com/ostiary/ostiary"
)

const idpModel = `model
  schema 1.1
type user
type client
type organization
  relations
    define enabled: [user, client, user:*]
    define directory_member: [user]
    define member: directory_member and enabled
    define owner: [user] and enabled
    define admin: ([user, group#member] and enabled) or owner
    define live: [session#subject] and enabled
type group
  relations
    define organization: [organization]
    define assigned: [user, group#member]
    define member: assigned and enabled from organization
type role
  relations
    define organization: [organization]
    define direct: [user, client, group#member, role#assignee]
    define assignee: direct and enabled from organization
type entitlement
  relations
    define organization: [organization]
    define direct: [user, group#member, role#assignee]
    define holder: direct and enabled from organization
type session
  relations
    define subject: [user, user with not_expired]
    define organization: [organization]
type document
  relations
    define organization: [organization]
    define viewer: [user, user:*, group#member, role#assignee, entitlement#holder]
    define editor: [user, group#member, role#assignee]
    define can_view: (viewer or editor) and live from organization
    define can_edit: editor and live from organization
condition not_expired(current_time: timestamp, expires_at: timestamp) {
  current_time < expires_at
}
`

// idp is what an identity provider fills. At Mid it has 50 organizations of 2,000 users, one user in 10
// disabled: still in every group, without the enabled tuple that every permission asks for. One user in
// 2 has a session, one session in 10 of those has expired. An organization has 40 groups in a tree of
// fan-out 4, every user in two; ten roles, each for two groups, and one user in 4 with one of their own;
// five entitlements for a role each; and 1,000 documents with a group as editor, and as viewers a
// group, one in 4 a role, one in 5 an entitlement, one in 2 a user. Everything is asked of a user, who may act
// only while enabled and in a session.
//
// One more organization, the last, has no directory: enabled is user:*, its users sign in to 16 shared
// sessions, its 100 documents are for everybody with a session, and it has one group, of its admins, and
// one role. New people can be let in there with one tuple, which Revocable needs.
type idp struct {
	oneStore
	unnamed
	users, organizations, groups, documents int

	disabled, session, expired source
	groupOf, hasRole, roleOf   source
	roleGroup, entitlementRole source
	owner                      source
	viewerGroup, editorGroup   source
	viewerRole, viewerHolder   source
	viewerUser                 source
	sessions                   func() int
}

const (
	idpDisabledIn = 10
	idpSessionIn  = 2
	idpExpiredIn  = 10

	idpGroups       = 40 // of an organization
	idpMemberships  = 2
	idpFanOut       = 4
	idpRoles        = 10 // of an organization
	idpRoleGroups   = 2
	idpRoleIn       = 4
	idpEntitlements = 5 // of an organization

	idpViewerRoleIn   = 4
	idpViewerHolderIn = 5
	idpViewerUserIn   = 2

	idpSharedSessions  = 16
	idpSharedDocuments = 100
)

func newIdP(scale string, seed uint64) shape {
	n, s := hundredths(scale), source(seed).aspect("idp")
	w := &idp{
		users: 1_000 * n, organizations: max(2, n/2),
		disabled: s.aspect("disabled"), session: s.aspect("session"), expired: s.aspect("expired"),
		groupOf: s.aspect("group of"), hasRole: s.aspect("has role"), roleOf: s.aspect("role of"),
		roleGroup: s.aspect("role group"), entitlementRole: s.aspect("entitlement role"),
		owner: s.aspect("owner"), viewerGroup: s.aspect("viewer group"), editorGroup: s.aspect("editor group"),
		viewerRole: s.aspect("viewer role"), viewerHolder: s.aspect("viewer holder"), viewerUser: s.aspect("viewer user"),
	}
	w.groups, w.documents = idpGroups*w.organizations, 1_000*w.organizations
	w.sessions = sync.OnceValue(func() int {
		sessions := 0
		for u := range w.users {
			if w.signedIn(u) {
				sessions++
			}
		}
		return sessions
	})
	return w
}

func (w *idp) model() string { return idpModel }

func (w *idp) size(int) int {
	o := w.organizations
	return w.users + w.users - w.disabled.count(w.users, idpDisabledIn) + // directory and enabled
		3*w.sessions() +
		idpMemberships*w.users + w.hasRole.count(w.users, idpRoleIn) +
		o + // owners
		w.groups + w.groups - o + // the organization of each, and groups in groups
		idpRoles*o*(1+idpRoleGroups) + 2*idpEntitlements*o +
		3*w.documents + w.viewerRole.count(w.documents, idpViewerRoleIn) +
		w.viewerHolder.count(w.documents, idpViewerHolderIn) + w.viewerUser.count(w.documents, idpViewerUserIn) +
		4 + idpSharedSessions + 2*idpSharedDocuments
}

// organization returns where a user is; so too for documents.
func (w *idp) organization(i int) int { return i % w.organizations }

func (w *idp) enabled(user int) bool { return !w.disabled.oneIn(user, idpDisabledIn) }

// signedIn reports whether a user has a session, which a disabled one never has.
func (w *idp) signedIn(user int) bool { return w.session.oneIn(user, idpSessionIn) && w.enabled(user) }

// inGroups returns the groups of a user.
func (w *idp) inGroups(buf []int, user int) []int {
	buf = w.groupOf.distinct(buf, user, idpMemberships, idpGroups)
	for i := range buf {
		buf[i] += idpGroups * w.organization(user)
	}
	return buf
}

// oneOf returns one of the k groups, roles or entitlements of an organization.
func oneOf(s source, i, organization, k int) int { return organization*k + s.below(i, 1, k) }

func (w *idp) until(user int) ostiary.Grant {
	if w.expired.oneIn(user, idpExpiredIn) {
		return when("not_expired", `{"expires_at":"2026-01-01T00:00:00Z"}`)
	}
	return when("not_expired", `{"expires_at":"2027-01-01T00:00:00Z"}`)
}

// idpContext is the context of every question. Its time is the middle of 2026.
var idpContext = map[string]any{"current_time": "2026-07-01T12:00:00Z"}

func (w *idp) tuples(_ int, out *emitter) {
	for u := 0; u < w.users && !out.done; u++ {
		w.user(u, out)
	}
	for o := 0; o < w.organizations && !out.done; o++ {
		w.catalogue(o, out)
	}
	for d := 0; d < w.documents && !out.done; d++ {
		w.document(d, out)
	}
	last := object("organization", w.organizations)
	out.add(last, "enabled", everybody("user"))
	out.add(last, "admin", members("group", w.groups, "member"))
	out.add(object("group", w.groups), "organization", plain(last))
	out.add(object("role", idpRoles*w.organizations), "organization", plain(last))
	for s := w.users; s < w.users+idpSharedSessions; s++ {
		out.add(last, "live", members("session", s, "subject"))
	}
	for d := w.documents; d < w.documents+idpSharedDocuments; d++ {
		out.add(object("document", d), "organization", plain(last))
		out.add(object("document", d), "viewer", everybody("user"))
	}
}

func (w *idp) user(u int, out *emitter) {
	o := w.organization(u)
	organization, user := object("organization", o), subject("user", u)
	out.add(organization, "directory_member", user)
	if w.enabled(u) {
		out.add(organization, "enabled", user)
	}
	if w.signedIn(u) {
		session := object("session", u)
		out.edge(conditional(session, "subject", user, w.until(u)))
		out.add(session, "organization", plain(organization))
		out.add(organization, "live", of(session, "subject"))
	}
	for _, g := range w.inGroups(nil, u) {
		out.add(object("group", g), "assigned", user)
	}
	if w.hasRole.oneIn(u, idpRoleIn) {
		out.add(object("role", oneOf(w.roleOf, u, o, idpRoles)), "direct", user)
	}
}

// catalogue makes what an organization has beside users and documents.
func (w *idp) catalogue(o int, out *emitter) {
	organization := plain(object("organization", o))
	owner := o + w.organizations*w.owner.below(o, 0, w.users/w.organizations)
	out.add(organization.Object(), "owner", subject("user", owner))
	for k := range idpGroups {
		group := object("group", o*idpGroups+k)
		out.add(group, "organization", organization)
		if k > 0 {
			out.add(object("group", o*idpGroups+(k-1)/idpFanOut), "assigned", of(group, "member"))
		}
	}
	for k := range idpRoles {
		role := object("role", o*idpRoles+k)
		out.add(role, "organization", organization)
		for _, g := range w.roleGroup.distinct(nil, o*idpRoles+k, idpRoleGroups, idpGroups) {
			out.add(role, "direct", members("group", o*idpGroups+g, "member"))
		}
	}
	for k := range idpEntitlements {
		entitlement := object("entitlement", o*idpEntitlements+k)
		out.add(entitlement, "organization", organization)
		role := oneOf(w.entitlementRole, o*idpEntitlements+k, o, idpRoles)
		out.add(entitlement, "direct", members("role", role, "assignee"))
	}
}

func (w *idp) document(d int, out *emitter) {
	o, document := w.organization(d), object("document", d)
	out.add(document, "organization", subject("organization", o))
	out.add(document, "editor", members("group", oneOf(w.editorGroup, d, o, idpGroups), "member"))
	out.add(document, "viewer", members("group", oneOf(w.viewerGroup, d, o, idpGroups), "member"))
	if w.viewerRole.oneIn(d, idpViewerRoleIn) {
		out.add(document, "viewer", members("role", oneOf(w.viewerRole, d, o, idpRoles), "assignee"))
	}
	if w.viewerHolder.oneIn(d, idpViewerHolderIn) {
		out.add(document, "viewer", members("entitlement", oneOf(w.viewerHolder, d, o, idpEntitlements), "holder"))
	}
	if w.viewerUser.oneIn(d, idpViewerUserIn) {
		out.add(document, "viewer", subject("user", w.viewerOf(d)))
	}
}

// viewerOf returns the user who views a document by name.
func (w *idp) viewerOf(document int) int {
	o := w.organization(document)
	return o + w.organizations*w.viewerUser.below(document, 1, w.users/w.organizations)
}

// check asks three times in four for a document of the user's organization.
func (w *idp) check(q *Questions) Question {
	user, document := q.key(w.users), q.key(w.documents)
	if q.chance(3, 4) {
		document = w.organization(user) + w.organizations*q.key(w.documents/w.organizations)
	}
	relation := "can_view"
	if q.chance(1, 3) {
		relation = "can_edit"
	}
	return Question{Object: object("document", document), Relation: relation, Subject: subject("user", user), Context: idpContext}
}

func (w *idp) listObjects(q *Questions) Question {
	return Question{Object: ostiary.ObjectRef{Type: "document"}, Relation: "can_view", Subject: subject("user", q.key(w.users)), Context: idpContext}
}

func (w *idp) listUsers(q *Questions) Question {
	return Question{Object: object("document", q.key(w.documents)), Relation: "can_view", Subject: ostiary.SubjectRef{Type: "user"}, Context: idpContext}
}

func (w *idp) newTuple(q *Questions, f fresh) (int, ostiary.Edge) {
	user := q.key(w.users)
	switch f.turn % 4 {
	case 0: // somebody joins a group
		return 0, edge(object("group", q.key(w.groups)), "assigned", f.subject("user"))
	case 1: // a user signs in
		return 0, conditional(f.object("session"), "subject", subject("user", user), w.until(user))
	case 2: // somebody joins an organization
		return 0, edge(object("organization", w.organization(user)), "directory_member", f.subject("user"))
	}
	return 0, edge(f.object("document"), "viewer", subject("user", user))
}

func (w *idp) revocable(q *Questions, f fresh) (int, ostiary.Edge, Question) {
	last, user := object("organization", w.organizations), f.subject("user")
	ask := func(o ostiary.ObjectRef, relation string, s ostiary.SubjectRef) Question {
		return Question{Object: o, Relation: relation, Subject: s, Context: idpContext}
	}
	switch f.turn % 4 {
	case 0: // somebody signs in
		session := object("session", w.users+q.key(idpSharedSessions))
		document := object("document", w.documents+q.key(idpSharedDocuments))
		grant := conditional(session, "subject", user, when("not_expired", `{"expires_at":"2027-01-01T00:00:00Z"}`))
		return 0, grant, ask(document, "can_view", user)
	case 1: // somebody joins the organization
		return 0, edge(last, "directory_member", user), ask(last, "member", user)
	case 2: // somebody joins the group of its admins
		return 0, edge(object("group", w.groups), "assigned", user), ask(last, "admin", user)
	}
	// somebody is given the role there
	role := object("role", idpRoles*w.organizations)
	return 0, edge(role, "direct", user), ask(role, "assignee", user)
}
