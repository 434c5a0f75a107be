package identity

import (
	"fmt"
	"slices"

	"github.com/ostiary/ostiary"
)

// keyIssuerSubject is what an OpenID provider calls a person: its issuer and the sub, exactly.
const keyIssuerSubject Key = "iss_sub"

// maxSubjectLinks bounds how many names providers have for one person: sub may be another for each application.
const maxSubjectLinks = 50

// subjectsBody lists the links by which a person is found as a provider's subject, so that they end with the person.
type subjectsBody struct {
	form
	Links []string `json:"links"`
	// At says of each link, in their order, when the authentication was that made it. Where it is shorter, long ago.
	At []int64 `json:"at,omitempty"`
	// Made: a login has made the person.
	Made bool `json:"made,omitempty"`
}

func subjectsKey(connection, user string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: "subject-of/" + connection, Key: user}
}

// subjects is that document, as part of a change.
type subjects struct {
	document ostiary.Document
	there    bool
	body     subjectsBody
}

func readSubjects(v Documents, connection, user string) (*subjects, error) {
	key := subjectsKey(connection, user)
	d, there, err := v.Document(key)
	if err != nil {
		return nil, err
	}
	s := &subjects{document: d, there: there, body: subjectsBody{form: form{bodyForm}}}
	s.document.Key = key
	if there {
		s.body, err = decode[subjectsBody](d)
	}
	return s, err
}

// subjectLink is the key of the link of a provider's subject.
func (v *DirectoryView) subjectLink(issuer, subject string) ostiary.DocumentKey {
	return v.secrets.linkTo(v.connection.ID, resourceUser, keyIssuerSubject, issuer+"\x00"+subject, "")
}

// subjectOf returns whom a provider's subject is linked to, empty where it is to nobody, with the link.
func (v *DirectoryView) subjectOf(issuer, subject string) (string, ostiary.Document, error) {
	key := v.subjectLink(issuer, subject)
	d, _, err := v.view.Document(key)
	d.Key = key
	return string(d.Body), d, err
}

// linkSubject links a provider's subject, which was nobody's, to a person who has authenticated at a time.
func (v *DirectoryView) linkSubject(m *ostiary.Mutation, link ostiary.Document, user string, nanos int64, made bool) error {
	s, err := readSubjects(v.view, v.connection.ID, user)
	if err != nil {
		return err
	}
	if len(s.body.Links) >= maxSubjectLinks {
		return fmt.Errorf("a person has %d subjects of the OpenID provider, and may have %d: %w", len(s.body.Links), maxSubjectLinks, ostiary.ErrTooBroad)
	}
	s.body.At = append(s.body.times(), nanos)
	s.body.Links, s.body.Made = append(s.body.Links, link.Key.Key), s.body.Made || made
	m.Preconditions = append(m.Preconditions, at(link), at(s.document))
	m.Documents = append(m.Documents, ostiary.DocumentChange{Key: link.Key, Body: []byte(user)}, put(s.document.Key, s.body))
	return nil
}

// times returns when each link was made.
func (b subjectsBody) times() []int64 {
	return append(slices.Clone(b.At), make([]int64, len(b.Links)-len(b.At))...)
}

// unlinkSubjects ends the links of a person, and those that are being made.
func (v *DirectoryView) unlinkSubjects(m *ostiary.Mutation, user string) error {
	s, err := readSubjects(v.view, v.connection.ID, user)
	if err != nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, at(s.document))
	if !s.there {
		return nil
	}
	for _, key := range s.body.Links {
		m.Documents = append(m.Documents, remove(ostiary.DocumentKey{Collection: v.subjectLink("", "").Collection, Key: key}))
	}
	m.Documents = append(m.Documents, remove(s.document.Key))
	return nil
}

// unlinkSubjectsBefore ends those links of a person that were made by an authentication of before a time. Nobody logs in
// by them who has authenticated before it. What says that a login has made the person stays.
func (v *DirectoryView) unlinkSubjectsBefore(m *ostiary.Mutation, user string, nanos int64) error {
	s, err := readSubjects(v.view, v.connection.ID, user)
	if err != nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, at(s.document))
	left := subjectsBody{form: form{bodyForm}, Made: s.body.Made}
	for i, began := range s.body.times() {
		key := s.body.Links[i]
		if began-signalSkew > nanos {
			left.Links, left.At = append(left.Links, key), append(left.At, began)
			continue
		}
		gone, body, err := v.goneSubject(key)
		if err != nil {
			return err
		}
		m.Preconditions = append(m.Preconditions, at(gone))
		m.Documents = append(m.Documents, remove(ostiary.DocumentKey{Collection: v.subjectLink("", "").Collection, Key: key}),
			put(gone.Key, goneSubjectBody{form{bodyForm}, max(body.DeletedNanos, nanos)}))
	}
	switch {
	case len(left.Links) == len(s.body.Links):
	case len(left.Links) == 0 && !left.Made:
		m.Documents = append(m.Documents, remove(s.document.Key))
	default:
		m.Documents = append(m.Documents, put(s.document.Key, left))
	}
	return nil
}

// goneSubjectsOf keeps when people were deleted or unlinked whom a login had found, by the links that found them, for
// ever: nobody logs in as the same subject who has authenticated before.
func goneSubjectsOf(connection string) string { return "subject-gone/" + connection }

type goneSubjectBody struct {
	form
	DeletedNanos int64 `json:"deleted"`
}

// burySubjects is unlinkSubjects of a person who is deleted, and whom nobody logs in as by what was so until a time.
func (v *DirectoryView) burySubjects(m *ostiary.Mutation, user string, nanos int64) error {
	s, err := readSubjects(v.view, v.connection.ID, user)
	if err != nil {
		return err
	}
	for _, key := range s.body.Links {
		m.Documents = append(m.Documents, put(ostiary.DocumentKey{Collection: goneSubjectsOf(v.connection.ID), Key: key},
			goneSubjectBody{form{bodyForm}, nanos}))
	}
	return v.unlinkSubjects(m, user)
}

// judgeGone refuses an assertion whose subject was a person who was deleted since the authentication. The mutation
// rests on it.
func (v *DirectoryView) judgeGone(m *ostiary.Mutation, a Assertion) error {
	d, body, err := v.goneSubject(v.subjectLink(a.Issuer, a.Subject).Key)
	if err != nil {
		return err
	}
	m.Preconditions = append(m.Preconditions, at(d))
	if d.Version != 0 && a.AuthNanos <= body.DeletedNanos {
		return refuseLogin(RefusedReauthenticate, "the person of the ID token was deleted, or called otherwise, at %s: authenticate again, with an auth_time after it", timeText(body.DeletedNanos))
	}
	return nil
}

// goneSubject returns when who was found by a link was deleted or unlinked. Version 0: that never was.
func (v *DirectoryView) goneSubject(link string) (d ostiary.Document, body goneSubjectBody, err error) {
	key := ostiary.DocumentKey{Collection: goneSubjectsOf(v.connection.ID), Key: link}
	d, there, err := v.view.Document(key)
	d.Key = key
	if err == nil && there {
		body, err = decode[goneSubjectBody](d)
	}
	return d, body, err
}

// subjects reports links of the connection's people that lead elsewhere, and those of people who are gone.
func (f *verifier) subjects(v *DirectoryView, d ostiary.Document) error {
	body, err := decode[subjectsBody](d)
	if err != nil {
		return err
	}
	user := d.Key.Key
	if _, there, err := f.view.Document(userKey(v.connection.ID, user)); err != nil {
		return err
	} else if !there {
		f.report("user "+user, "is gone, and what its OpenID provider calls it is there")
	}
	for _, key := range slices.Sorted(slices.Values(body.Links)) {
		link, there, err := f.view.Document(ostiary.DocumentKey{Collection: v.subjectLink("", "").Collection, Key: key})
		if err != nil {
			return err
		}
		if !there || string(link.Body) != user {
			f.report("user "+user, "has a link of its OpenID provider that does not lead to it")
		}
	}
	return nil
}
