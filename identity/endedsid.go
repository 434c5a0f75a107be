package identity

import (
	"slices"
	"time"

	"github.com/ostiary/ostiary"
)

// endedSIDsOf keeps, by organization and keyed hash, which sessions of identity providers have ended of which nothing
// was known: nobody logs in by one later, be it that the login was under way. Those who are known have it among their
// logins.
func endedSIDsOf(store string) string { return "ended-sid/" + store }

// endedSIDKept is how long it is kept: longer than what shows such a session is good for, as an ID token.
const endedSIDKept = 24 * time.Hour

type endedSIDBody struct {
	form
	EndedNanos int64 `json:"ended"`
}

func endedSIDKey(x *secrets, store, organization, issuer, sid string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: endedSIDsOf(store), Key: organization + "/" + x.sidPrefix(store, issuer, sid)}
}

// noteEndedSIDs makes it part of a mutation that sessions of an identity provider have ended, and forgets a few of
// those that ended long ago, so that as many are kept as end in endedSIDKept.
func (s *Service) noteEndedSIDs(v View, m *ostiary.Mutation, store string, keys ...ostiary.DocumentKey) error {
	c, _ := s.collected.LoadOrStore(endedSIDsOf(store), &sessionCursor{})
	docs, err := c.(*sessionCursor).next(v, endedSIDsOf(store))
	if err != nil {
		return err
	}
	for _, d := range docs {
		body, err := decode[endedSIDBody](d)
		if err != nil {
			return err
		}
		if !slices.Contains(keys, d.Key) && m.TimeNanos-body.EndedNanos > int64(endedSIDKept) {
			m.Documents = append(m.Documents, remove(d.Key))
		}
	}
	for _, key := range keys {
		m.Documents = append(m.Documents, put(key, endedSIDBody{form{bodyForm}, m.TimeNanos}))
	}
	return nil
}

// judgeEndedSID refuses a login by a session of an identity provider that has ended. The mutation rests on it.
func (l *login) judgeEndedSID() error {
	if l.sid == "" {
		return nil
	}
	key := ostiary.DocumentKey{Collection: endedSIDsOf(l.store), Key: l.Organization + "/" + l.sid}
	d, there, err := l.view.Document(key)
	if err != nil {
		return err
	}
	d.Key = key
	l.m.Preconditions = append(l.m.Preconditions, at(d))
	if there {
		return refuseLogin(RefusedReauthenticate, "that session of the identity provider has ended: authenticate again")
	}
	return nil
}
