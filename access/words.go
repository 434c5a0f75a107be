package access

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/ostiary/ostiary"
)

// Role is what somebody is to a target. An administrator is a writer too, and a writer a reader.
type Role string

// The roles. They are the names of relations of access.fga.
const (
	Reader        Role = "reader"
	Writer        Role = "writer"
	Administrator Role = "administrator"
)

// Roles are all roles, from the least to the greatest.
func Roles() []Role { return []Role{Reader, Writer, Administrator} }

// ParseRole returns the role of a name.
func ParseRole(name string) (Role, error) {
	for _, r := range Roles() {
		if name == string(r) {
			return r, nil
		}
	}
	return "", fmt.Errorf("role %.100q is none of reader, writer, administrator: %w", name, ostiary.ErrTupleInvalid)
}

// Target is what a role is about: the cluster (the zero value), a store, or an organization of a store. What
// somebody is to the cluster holds for all stores, and what to a store for all its organizations.
type Target struct {
	Store        string
	Organization string
}

// String returns "cluster", "store:S" or "organization:S/O".
func (t Target) String() string {
	switch {
	case t.Store == "":
		return "cluster"
	case t.Organization == "":
		return "store:" + t.Store
	}
	return "organization:" + t.Store + "/" + t.Organization
}

// The forms of ids. What has another form names nothing that exists.
var (
	storeID        = regexp.MustCompile(`^[0-9A-Z]{26}$`)
	organizationID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
)

// Judge says what is wrong with a target.
func (t Target) Judge() error {
	switch {
	case t.Store == "" && t.Organization != "":
		return fmt.Errorf("the organization %.100q is named without its store: %w", t.Organization, ostiary.ErrTupleInvalid)
	case t.Store != "" && !storeID.MatchString(t.Store):
		return fmt.Errorf("the id of a store is not %.100q: %w", t.Store, ostiary.ErrTupleInvalid)
	case t.Organization != "" && !organizationID.MatchString(t.Organization):
		return fmt.Errorf("the id of an organization is not %.100q: %w", t.Organization, ostiary.ErrTupleInvalid)
	}
	return nil
}

// known returns the target, or the next wider one where its id cannot be one: then only who may do it to all
// of them learns that there is no such.
func (t Target) known() Target {
	if !storeID.MatchString(t.Store) {
		return Target{}
	}
	if t.Organization != "" && !organizationID.MatchString(t.Organization) {
		return Target{Store: t.Store}
	}
	return t
}

var cluster = ostiary.ObjectRef{Type: "cluster", ID: "this"}

func (t Target) object() ostiary.ObjectRef {
	switch {
	case t.Store == "":
		return cluster
	case t.Organization == "":
		return ostiary.ObjectRef{Type: "store", ID: t.Store}
	}
	return ostiary.ObjectRef{Type: "organization", ID: t.Store + "/" + t.Organization}
}

// targetOf is the inverse of object.
func targetOf(o ostiary.ObjectRef) Target {
	switch o.Type {
	case "store":
		return Target{Store: o.ID}
	case "organization":
		store, organization, _ := strings.Cut(o.ID, "/")
		return Target{Store: store, Organization: organization}
	}
	return Target{}
}

// links are the tuples that say what a target is part of.
func (t Target) links() []ostiary.Edge {
	var all []ostiary.Edge
	link := func(from ostiary.ObjectRef, relation string, to ostiary.ObjectRef) {
		all = append(all, ostiary.Edge{Tuple: ostiary.Tuple{Object: from, Relation: relation,
			Subject: ostiary.SubjectRef{Type: to.Type, ID: to.ID}}})
	}
	if t.Store != "" {
		link(Target{Store: t.Store}.object(), "cluster", cluster)
	}
	if t.Organization != "" {
		link(t.object(), "store", Target{Store: t.Store}.object())
	}
	return all
}

// The kinds of principals that can be granted something.
var kinds = []string{"preshared", "oidc", "mtls"}

// ParsePrincipal reads "preshared:NAME", "oidc:ISSUER#SUBJECT" or "mtls:NAME".
func ParsePrincipal(text string) (ostiary.Principal, error) {
	for _, kind := range kinds {
		name, ok := strings.CutPrefix(text, kind+":")
		if !ok || name == "" {
			continue
		}
		p := ostiary.Principal{Kind: kind, Name: name}
		if n := len(subjectOf(p).String()); n > ostiary.MaxSubjectBytes {
			return p, fmt.Errorf("the principal %.100q is too long by %d bytes: %w", text, n-ostiary.MaxSubjectBytes, ostiary.ErrTupleInvalid)
		}
		return p, nil
	}
	return ostiary.Principal{}, fmt.Errorf("principal %.100q is none of preshared:NAME, oidc:ISSUER#SUBJECT, mtls:NAME: %w", text, ostiary.ErrTupleInvalid)
}

// subjectOf returns the subject of tuples that stands for a principal. Names may hold anything, so that all
// but letters, digits and -._ is escaped: no two principals share a subject, and none is a wildcard.
func subjectOf(p ostiary.Principal) ostiary.SubjectRef {
	id := escape(p.Kind)
	if p.Name != "" {
		id += "/" + escape(p.Name)
	}
	return ostiary.SubjectRef{Type: "principal", ID: id}
}

// principalOf is the inverse of subjectOf.
func principalOf(s ostiary.SubjectRef) ostiary.Principal {
	kind, name, _ := strings.Cut(s.ID, "/")
	return ostiary.Principal{Kind: unescape(kind), Name: unescape(name)}
}

const hexDigits = "0123456789ABCDEF"

func escape(text string) string {
	var to strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
			to.WriteByte(c)
		default:
			to.WriteByte('%')
			to.WriteByte(hexDigits[c>>4])
			to.WriteByte(hexDigits[c&15])
		}
	}
	return to.String()
}

// unescape is the inverse of escape.
func unescape(text string) string {
	var to strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			high, low := strings.IndexByte(hexDigits, text[i+1]), strings.IndexByte(hexDigits, text[i+2])
			if high >= 0 && low >= 0 {
				to.WriteByte(byte(high<<4 | low))
				i += 2
				continue
			}
		}
		to.WriteByte(text[i])
	}
	return to.String()
}
