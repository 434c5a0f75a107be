package identity

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// Finding is one place where what is stored of an organization does not agree with itself.
type Finding struct {
	// Subject is what it is about: a tuple with its owner, or a resource.
	Subject string
	Reason  string
}

// Verification is what Verify has found.
type Verification struct {
	Revision ostiary.Revision
	Findings []Finding // at most MaxFindings
	More     int       // findings beyond
	// What was compared.
	Users, Groups, Members, Roles, Tuples int
}

// MaxFindings bounds the findings that Verify lists.
const MaxFindings = 1_000

// Verify compares the resources of an organization with the tuples and gates that belong to them, both ways,
// at one revision: what a resource says and no tuple holds, what a tuple holds and no resource says, and what
// names people and groups that are gone. It reads every tuple of the store and every resource of the
// organization.
func (s *Service) Verify(ctx context.Context, store, organization string) (Verification, error) {
	x, err := s.secret(ctx)
	if err != nil {
		return Verification{}, err
	}
	v, err := s.backend.View(ctx, ostiary.Freshness{Linearizable: true})
	if err != nil {
		return Verification{}, err
	}
	defer v.Close()
	if err := storeExists(v, store); err != nil {
		return Verification{}, err
	}
	if _, _, err := readOrganization(v, store, organization); err != nil {
		return Verification{}, err
	}
	f := &verifier{
		view: v, store: store, organization: organization, secrets: x,
		expected: map[grantOf]bool{}, found: Verification{Revision: v.Revision()}, gone: map[ostiary.SubjectRef]string{},
	}
	for _, step := range []func(context.Context) error{f.connections, f.members, f.roles, f.sessions, f.tuples} {
		if err := step(ctx); err != nil {
			return Verification{}, err
		}
	}
	missing := slices.SortedFunc(maps.Keys(f.expected), func(a, b grantOf) int {
		return cmp.Or(a.tuple.Compare(b.tuple), strings.Compare(a.owner, b.owner))
	})
	for _, g := range missing {
		f.report(f.spell(g), "a resource says so, and it is not there")
	}
	return f.found, nil
}

// grantOf is one owner's grant of one tuple.
type grantOf struct {
	tuple ostiary.Tuple
	owner string
}

// spell returns a grant as the model of the store calls it.
func (f *verifier) spell(g grantOf) string {
	return spelled(f.view, f.store, g.tuple) + " of " + g.owner
}

type verifier struct {
	view         View
	store        string
	organization string
	secrets      *secrets
	// expected holds what the resources say that must be there, until it is found.
	expected map[grantOf]bool
	found    Verification
	// catalogue is read once somebody has something of it; given says of what was asked whether it is in it.
	catalogue *Catalogue
	given     map[string]bool
	gone      map[ostiary.SubjectRef]string // why a subject is gone; empty where it is not
}

func (f *verifier) report(subject, format string, args ...any) {
	if len(f.found.Findings) == MaxFindings {
		f.found.More++
		return
	}
	f.found.Findings = append(f.found.Findings, Finding{Subject: subject, Reason: fmt.Sprintf(format, args...)})
}

func (f *verifier) expect(c ostiary.TupleChange) {
	f.expected[grantOf{c.Tuple, c.Grant.Owner}] = true
}

// connections expects what the users and groups of each connection say, members excepted, of which the
// tuples are all there is.
func (f *verifier) connections(ctx context.Context) error {
	for d, err := range ostiary.EachDocument(ctx, f.view, connections, "") {
		if err != nil {
			return err
		}
		c, err := decodeConnection(d)
		if err != nil {
			return err
		}
		if c.Store != f.store || c.Organization != f.organization {
			continue
		}
		v := &DirectoryView{view: f.view, connection: c, secrets: f.secrets}
		for u, err := range v.Users(ctx, "") {
			if err == nil {
				err = f.user(ctx, v, u)
			}
			if err != nil {
				return err
			}
		}
		for d, err := range ostiary.EachDocument(ctx, f.view, subjectsKey(c.ID, "").Collection, "") {
			if err == nil {
				err = f.subjects(v, d)
			}
			if err != nil {
				return err
			}
		}
		for g, err := range v.Groups(ctx, "") {
			if err != nil {
				return err
			}
			f.found.Groups++
			f.expect(touch(f.store, v.groupObject(g.ID), gate.InOrganization,
				ostiary.SubjectRef{Type: gate.Organization, ID: c.Organization}, c.owner(g.ID, "organization")))
		}
	}
	return nil
}

func (f *verifier) user(ctx context.Context, v *DirectoryView, u User) error {
	f.found.Users++
	c, object, subject := v.connection, organizationObject(v.connection.Organization), userSubject(u.ID)
	f.expect(touch(f.store, object, gate.DirectoryMember, subject, c.owner(u.ID, "user")))
	if u.Active {
		f.expect(touch(f.store, object, gate.Enabled, subject, c.owner(u.ID, "active")))
	}
	if err := f.assignments(ctx, v, u); err != nil {
		return err
	}
	g, err := readGate(f.view, f.store, u.ID)
	if err != nil {
		return err
	}
	disabled := g.state(c.Organization).DisabledBy == c.ID
	switch {
	case g.deleted():
		f.report("user "+u.ID, "is there, and its gate says that it was deleted")
	case u.Active && disabled:
		f.report("user "+u.ID, "is active, and its gate says that it is disabled")
	case !u.Active && !disabled:
		f.report("user "+u.ID, "is not active, and its gate does not say so")
	}
	return nil
}

// members expects what members without a connection have.
func (f *verifier) members(ctx context.Context) error {
	for d, err := range ostiary.EachDocument(ctx, f.view, membersOf(f.store, f.organization), "") {
		if err != nil {
			return err
		}
		f.found.Members++
		user, owner, object := d.Key.Key, memberOwner(f.organization, d.Key.Key), organizationObject(f.organization)
		f.expect(touch(f.store, object, gate.DirectoryMember, userSubject(user), owner))
		f.expect(touch(f.store, object, gate.Enabled, userSubject(user), owner))
	}
	return nil
}

func (f *verifier) roles(context.Context) error {
	all, err := readRoles(f.view, f.store, f.organization)
	for _, r := range all {
		f.found.Roles++
		f.expect(touch(f.store, roleObject(f.organization, r.ID), gate.InOrganization,
			ostiary.SubjectRef{Type: gate.Organization, ID: f.organization}, memberOwner(f.organization, r.ID)))
	}
	return err
}

// tuples looks at every tuple of the store.
func (f *verifier) tuples(ctx context.Context) error {
	for t, err := range f.view.Tuples(ctx, ostiary.Filter{Store: f.store}, nil) {
		if err != nil {
			return err
		}
		f.found.Tuples++
		why, err := f.whyGone(ctx, t.Subject)
		if err != nil {
			return err
		}
		if why != "" {
			f.report(spelled(f.view, f.store, t.Tuple), "its subject %s", why)
		}
		if !gate.Default().IsManaged(t.Object.Type, t.Relation) {
			if err := f.assigned(t); err != nil {
				return err
			}
			continue
		}
		if !f.isOurs(t.Object) {
			continue
		}
		for _, g := range t.Grants {
			if err := f.grant(grantOf{t.Tuple, g.Owner}); err != nil {
				return err
			}
		}
	}
	return nil
}

// isOurs reports whether an object is of the organization, by its id.
func (f *verifier) isOurs(o ostiary.ObjectRef) bool {
	if o.Type == gate.Organization {
		return o.ID == f.organization
	}
	return strings.HasPrefix(o.ID, f.organization+"/")
}

// grant judges a grant of an identity relation of the organization: some resource must say it.
func (f *verifier) grant(g grantOf) error {
	if f.expected[g] {
		delete(f.expected, g)
		return nil
	}
	connection, resource, attribute, ok := splitOwner(g.owner)
	if ok && attribute == "members" && g.tuple.Relation == gate.Assigned && memberOf(ostiary.SubjectRef{ID: g.tuple.Object.ID}) == resource {
		_, there, err := f.view.Document(groupKey(connection, resource))
		if err != nil || there {
			return err
		}
		f.report(f.spell(g), "its group is gone")
		return nil
	}
	f.report(f.spell(g), "no resource says so")
	return nil
}

// splitOwner takes the owner of a connection's grant apart.
func splitOwner(owner string) (connection, resource, attribute string, ok bool) {
	rest, ok := strings.CutPrefix(owner, "scim:")
	parts := strings.SplitN(rest, "/", 3)
	if !ok || len(parts) != 3 {
		return "", "", "", false
	}
	return parts[0], parts[1], parts[2], true
}

// whyGone says why the person, or the group of this organization, that a subject names is gone; empty where
// it is not.
func (f *verifier) whyGone(ctx context.Context, s ostiary.SubjectRef) (string, error) {
	if why, known := f.gone[s]; known {
		return why, nil
	}
	why := ""
	switch {
	case s.Type == gate.User && !s.IsUserset() && hasKind(s.ID, kindUser):
		g, err := GateOf(f.view, f.store, s.ID)
		if err != nil {
			return "", err
		}
		if g.Deleted {
			why = "was deleted"
		}
	case s.Type == gate.Session && f.isOurs(s.Object()):
		var err error
		if why, err = f.whySessionGone(s); err != nil {
			return "", err
		}
	case s.Type == gate.Group && f.isOurs(s.Object()) && hasKind(memberOf(s), kindGroup):
		why = "is no group of the organization"
		object := ostiary.Filter{Store: f.store, Object: s.Object(), Relation: gate.InOrganization}
		for _, err := range f.view.Tuples(ctx, object, nil) {
			if err != nil {
				return "", err
			}
			why = ""
			break
		}
	}
	if len(f.gone) < maxGoneKept {
		f.gone[s] = why
	}
	return why, nil
}

// maxGoneKept bounds the subjects that Verify remembers.
const maxGoneKept = 100_000
