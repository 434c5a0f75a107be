package identity

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// User is a person whom a connection manages.
type User struct {
	ID            string // ours, for ever
	Version       ostiary.Revision
	CreatedNanos  int64
	ModifiedNanos int64
	UserInput
}

// UserInput is what an identity provider says of a person.
type UserInput struct {
	UserName   string // required; unique in the connection, whatever the case of letters
	ExternalID string // unique in the connection, exactly; may be empty
	Active     bool
	Emails     []string // to be found by
	// Roles and Entitlements are ids or values of the organization's catalogue, and ids once stored.
	Roles, Entitlements []string
	// Body is the rest of the resource, in whatever form. It is sealed and not looked into.
	Body []byte
}

// Bounds on what one resource may hold.
const (
	maxKeyBytes     = 1 << 10   // of one name, external id or e-mail
	maxEmails       = 100       // of a user
	maxAssignments  = 1_000     // roles of a user; entitlements likewise
	maxResourceBody = 256 << 10 // bytes
)

// userBody is the document of a user.
type userBody struct {
	form
	CreatedNanos  int64  `json:"created"`
	ModifiedNanos int64  `json:"modified"`
	Active        bool   `json:"active"`
	Sealed        []byte `json:"sealed"` // a sealedUser
}

// sealedUser is the part of a user that the person's own key seals.
type sealedUser struct {
	UserName     string   `json:"user_name"`
	ExternalID   string   `json:"external_id,omitempty"`
	Emails       []string `json:"emails,omitempty"`
	Roles        []string `json:"roles,omitempty"`
	Entitlements []string `json:"entitlements,omitempty"`
	Body         []byte   `json:"body,omitempty"`
}

// managedBody is the document that says who manages a person. It is made and deleted with the person. In
// between nothing in it changes; AddMember writes it again, so that a deletion of the person waits for it.
type managedBody struct {
	form
	Connection   string `json:"connection"`
	Organization string `json:"organization"`
	Key          []byte `json:"key"` // that seals the person's resource, wrapped
}

// normal returns the input as it is stored, and refuses what cannot be.
func (in UserInput) normal() (UserInput, error) {
	switch {
	case strings.TrimSpace(in.UserName) == "":
		return in, invalid("userName is empty")
	case len(in.Emails) > maxEmails:
		return in, invalid("the user has %d e-mails, and may have %d", len(in.Emails), maxEmails)
	case len(in.Roles) > maxAssignments || len(in.Entitlements) > maxAssignments:
		return in, invalid("the user has %d roles and %d entitlements, and may have %d of each",
			len(in.Roles), len(in.Entitlements), maxAssignments)
	case len(in.Body) > maxResourceBody:
		return in, fmt.Errorf("the user has %d bytes, and may have %d: %w", len(in.Body), maxResourceBody, ostiary.ErrTooBroad)
	}
	for _, text := range slices.Concat([]string{in.UserName, in.ExternalID}, in.Emails) {
		if err := judgeKey(text); err != nil {
			return in, err
		}
	}
	in.Emails = distinct(in.Emails)
	in.Roles, in.Entitlements = distinct(in.Roles), distinct(in.Entitlements)
	return in, nil
}

// judgeKey refuses what nothing can be found by.
func judgeKey(text string) error {
	if len(text) > maxKeyBytes || !utf8.ValidString(text) {
		return invalid("a name, external id or e-mail of %d bytes is too long (%d) or not UTF-8", len(text), maxKeyBytes)
	}
	return nil
}

// distinct returns the texts that are not empty, each once, in their order; nil where there are none.
func distinct(texts []string) []string {
	var kept []string
	for _, text := range texts {
		if text != "" && !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	return kept
}

func (in UserInput) equal(other UserInput) bool {
	return in.UserName == other.UserName && in.ExternalID == other.ExternalID && in.Active == other.Active &&
		slices.Equal(in.Emails, other.Emails) && slices.Equal(in.Roles, other.Roles) &&
		slices.Equal(in.Entitlements, other.Entitlements) && bytes.Equal(in.Body, other.Body)
}

func (in UserInput) links() []link {
	links := []link{{KeyUserName, in.UserName}}
	if in.ExternalID != "" {
		links = append(links, link{KeyExternalID, in.ExternalID})
	}
	for _, email := range in.Emails {
		links = append(links, link{KeyEmail, email})
	}
	return links
}

const resourceUser = "user"

// storedUser is a user with the documents that it was read from.
type storedUser struct {
	User
	document ostiary.Document
	managed  ostiary.Document
	key      []byte
}

// user returns a user of the connection.
func (v *DirectoryView) user(id string) (*storedUser, error) {
	if !hasKind(id, kindUser) {
		return nil, notFound("user", id)
	}
	d, there, err := v.view.Document(userKey(v.connection.ID, id))
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, notFound("user", id)
	}
	return v.openUser(d)
}

// openUser reads a user's document. One whose key is gone was deleted after the view's revision.
func (v *DirectoryView) openUser(d ostiary.Document) (*storedUser, error) {
	id := d.Key.Key
	managed, there, err := v.view.Document(managedKey(v.connection.Store, id))
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, notFound("user", id)
	}
	m, err := decode[managedBody](managed)
	if err != nil {
		return nil, err
	}
	body, err := decode[userBody](d)
	if err != nil {
		return nil, err
	}
	key, err := open(v.secrets.wrap, v.connection.Store+"/"+id, m.Key)
	if err != nil {
		return nil, err
	}
	text, err := open(newAEAD(key), v.connection.ID+"/"+id, body.Sealed)
	if err != nil {
		return nil, err
	}
	var sealed sealedUser
	if err := json.Unmarshal(text, &sealed); err != nil {
		return nil, fmt.Errorf("decode user %s: %v: %w", id, err, ostiary.ErrCorrupt)
	}
	return &storedUser{document: d, managed: managed, key: key, User: User{
		ID: id, Version: d.Version, CreatedNanos: body.CreatedNanos, ModifiedNanos: body.ModifiedNanos,
		UserInput: UserInput{
			UserName: sealed.UserName, ExternalID: sealed.ExternalID, Active: body.Active, Emails: sealed.Emails,
			Roles: sealed.Roles, Entitlements: sealed.Entitlements, Body: sealed.Body,
		},
	}}, nil
}

// sealUser returns the change that stores a user.
func (v *DirectoryView) sealUser(u User, key []byte) ostiary.DocumentChange {
	text := encode(sealedUser{u.UserName, u.ExternalID, u.Emails, u.Roles, u.Entitlements, u.Body})
	return put(userKey(v.connection.ID, u.ID), userBody{
		form{bodyForm}, u.CreatedNanos, u.ModifiedNanos, u.Active, seal(newAEAD(key), v.connection.ID+"/"+u.ID, text)})
}

// User returns a user of the connection.
func (v *DirectoryView) User(ctx context.Context, id string) (User, error) {
	u, err := v.user(id)
	if err != nil {
		return User{}, err
	}
	return u.User, ctx.Err()
}

// UsersBy returns the users that have a value, which is exact and reads as many documents as there are.
func (v *DirectoryView) UsersBy(ctx context.Context, key Key, value string) ([]User, error) {
	ids, err := v.find(resourceUser, key, value)
	if err != nil {
		return nil, err
	}
	users := make([]User, 0, len(ids))
	for _, id := range ids {
		u, err := v.User(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("follow the link of a %s: %w", key, err)
		}
		users = append(users, u)
	}
	return users, nil
}

// Users returns the users of the connection after one, by id, which is about the order in which they were
// made. A view of an older revision leaves out those who were deleted since: their keys are gone.
func (v *DirectoryView) Users(ctx context.Context, after string) iter.Seq2[User, error] {
	return func(yield func(User, error) bool) {
		for d, err := range ostiary.EachDocument(ctx, v.view, usersOf(v.connection.ID), after) {
			var u *storedUser
			if err == nil {
				u, err = v.openUser(d)
			}
			if errors.Is(err, ostiary.ErrNotFound) {
				continue
			}
			if err != nil {
				yield(User{}, err)
				return
			}
			if !yield(u.User, nil) {
				return
			}
		}
	}
}

// CountUsers returns how many users the connection has.
func (v *DirectoryView) CountUsers(context.Context) (int, error) {
	return v.view.CountDocuments(usersOf(v.connection.ID))
}

// CreateUser makes a user with a new id. A user name or external id that is taken is ErrExists.
func (d *Directory) CreateUser(ctx context.Context, in UserInput) (User, error) {
	in, err := in.normal()
	if err != nil {
		return User{}, err
	}
	u := User{UserInput: in}
	row := d.audit("user.create", "")
	receipt, err := d.change(about(ctx, row), func(v *DirectoryView, m *ostiary.Mutation) (err error) {
		if v.connection.stopped() {
			return v.connection.errPaused()
		}
		if u.ID, err = newID(kindUser, m.TimeNanos); err != nil {
			return err
		}
		if err := noteProvisioned(v.view, m, v.connection.ID); err != nil {
			return err
		}
		row.resource, u.UserInput = u.ID, in
		return v.create(ctx, m, &u)
	})
	u.Version = receipt.Revision
	return u, err
}

// create makes a new user part of a mutation.
func (v *DirectoryView) create(ctx context.Context, m *ostiary.Mutation, u *User) error {
	u.CreatedNanos, u.ModifiedNanos = m.TimeNanos, m.TimeNanos
	if err := v.resolve(ctx, m, UserInput{}, &u.UserInput); err != nil {
		return err
	}
	key := make([]byte, keyBytes)
	rand.Read(key) // never fails
	c := v.connection
	managed := managedKey(c.Store, u.ID)
	m.Preconditions = append(m.Preconditions, absent(managed))
	m.Documents = append(m.Documents, v.sealUser(*u, key), put(managed, managedBody{
		form{bodyForm}, c.ID, c.Organization, seal(v.secrets.wrap, c.Store+"/"+u.ID, key)}))
	if err := v.relink(m, resourceUser, u.ID, nil, u.links()); err != nil {
		return err
	}
	m.Tuples = append(m.Tuples, touch(c.Store, organizationObject(c.Organization), gate.DirectoryMember,
		userSubject(u.ID), c.owner(u.ID, "user")))
	if err := v.assign(m, u.ID, UserInput{}, u.UserInput); err != nil {
		return err
	}
	g, err := readGate(v.view, c.Store, u.ID)
	if err != nil {
		return err
	}
	if g.there {
		return fmt.Errorf("the id %s was given before: %w", u.ID, ostiary.ErrExists) // chance does not bring it about
	}
	m.Preconditions = append(m.Preconditions, at(g.document))
	return v.activate(ctx, m, g, u.ID, u.Active)
}

// activate enables or disables a person in the connection's organization: one tuple, and the gate.
func (v *DirectoryView) activate(ctx context.Context, m *ostiary.Mutation, g *gateChange, id string, active bool) error {
	c := v.connection
	state := g.state(c.Organization)
	object, subject, owner := organizationObject(c.Organization), userSubject(id), c.owner(id, "active")
	if active {
		if state.DisabledBy != "" && state.BlockedNanos == 0 {
			if err := tellUser(v.view, m, c.Store, c.Organization, id, EventUserEnabled, ReasonReactivated); err != nil {
				return err
			}
		}
		state.DisabledBy = ""
		m.Tuples = append(m.Tuples, touch(c.Store, object, gate.Enabled, subject, owner))
	} else {
		state.DisabledBy = c.ID
		if err := tellUser(v.view, m, c.Store, c.Organization, id, EventUserDisabled, ReasonDeactivated); err != nil {
			return err
		}
		m.Tuples = append(m.Tuples, release(c.Store, object, gate.Enabled, subject, owner))
		if _, err := revoke(ctx, v.view, m, c.Store, id, c.Organization, ReasonDeactivated); err != nil {
			return err
		}
	}
	g.set(c.Organization, state)
	g.join(m)
	return nil
}

// assign makes the changes of roles and entitlements, each with an owner of its own.
func (v *DirectoryView) assign(m *ostiary.Mutation, id string, from, to UserInput) error {
	change := func(attribute string, from, to []string) error {
		for _, role := range slices.Concat(to, from) {
			op := touch
			switch has, gets := slices.Contains(from, role), slices.Contains(to, role); {
			case has && gets:
				continue
			case has:
				op = release
			}
			c, err := v.assignment(op, attribute, role, id)
			if err != nil {
				return err
			}
			m.Tuples = append(m.Tuples, c)
		}
		return nil
	}
	if err := change("roles", from.Roles, to.Roles); err != nil {
		return err
	}
	return change("entitlements", from.Entitlements, to.Entitlements)
}

// assignment is what one role or entitlement means to tuples.
func (v *DirectoryView) assignment(
	op func(store string, o ostiary.ObjectRef, relation string, s ostiary.SubjectRef, owner string) ostiary.TupleChange,
	attribute, role, user string,
) (ostiary.TupleChange, error) {
	object, relation := roleObject(v.connection.Organization, role), gate.Direct
	if a, ok := parseAssigned(role); ok {
		w, err := wordsOf(v.view, v.connection.Store)
		if err != nil {
			return ostiary.TupleChange{}, err
		}
		object, relation = a.in(w)
	}
	return op(v.connection.Store, object, relation, userSubject(user), v.connection.owner(user, attribute+"/"+role)), nil
}

// ChangeUser changes a user to what change makes of what is stored, and returns it. Where change makes the
// same of it, nothing is committed. It may be called several times. A version that is not 0 must be the
// stored one, else the error is ErrPrecondition.
func (d *Directory) ChangeUser(
	ctx context.Context, id string, version ostiary.Revision, change func(User) (UserInput, error),
) (User, error) {
	defer d.turn(id)()
	var u User
	receipt, err := d.change(about(ctx, d.audit("user.change", id)), func(v *DirectoryView, m *ostiary.Mutation) error {
		old, err := v.user(id)
		if err != nil {
			return err
		}
		u = old.User
		if err := judgeVersion(version, old.Version); err != nil {
			return err
		}
		in, err := change(old.User)
		if err != nil {
			return err
		}
		if in, err = in.normal(); err != nil {
			return err
		}
		if err := v.resolve(ctx, m, old.UserInput, &in); err != nil {
			return err
		}
		if in.equal(old.UserInput) {
			return nil
		}
		if v.connection.stopped() {
			if in.Active || !old.Active {
				return v.connection.errPaused()
			}
			in = old.UserInput
			in.Active = false
		}
		u.UserInput, u.ModifiedNanos, u.Version = in, m.TimeNanos, 0
		m.Preconditions = append(m.Preconditions, at(old.document), at(old.managed))
		m.Documents = append(m.Documents, v.sealUser(u, old.key))
		if err := v.relink(m, resourceUser, id, old.links(), in.links()); err != nil {
			return err
		}
		if in.ExternalID != old.ExternalID { // by it a login may have found the person
			if err := v.unlinkSubjects(m, id); err != nil {
				return err
			}
		}
		if err := v.assign(m, id, old.UserInput, in); err != nil {
			return err
		}
		if in.Active == old.Active {
			return nil
		}
		g, err := readGate(v.view, v.connection.Store, id)
		if err != nil {
			return err
		}
		if in.Active {
			m.Documents = append(m.Documents, remove(heldKey(v.connection.ID, id)))
		}
		return v.activate(ctx, m, g, id, in.Active)
	})
	if u.Version == 0 {
		u.Version = receipt.Revision
	}
	return u, err
}
