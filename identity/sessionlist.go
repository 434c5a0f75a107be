package identity

import (
	"context"
	"iter"
	"strings"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/dsl/gate"
)

// SessionFilter selects sessions that have all that it names. The zero filter selects all.
type SessionFilter struct {
	Organization, User, Actor, Client, Device, Parent string
	// SID is of an identity provider's session; with it goes its Issuer.
	Connection, Issuer, SID string
}

// judge refuses a filter that would select nothing by mistake.
func (f SessionFilter) judge() error {
	if f.SID != "" && f.Issuer == "" {
		return invalid("a sid means something by its issuer alone: name it too")
	}
	return nil
}

// matches reports whether a session has what the filter names, but for the SID.
func (f SessionFilter) matches(t *storedSession) bool {
	for _, pair := range [][2]string{
		{f.Organization, t.Organization}, {f.User, t.User}, {f.Actor, t.Actor}, {f.Client, t.Client},
		{f.Device, t.Device}, {f.Parent, t.Parent}, {f.Connection, t.Connection}, {f.Issuer, t.Issuer},
	} {
		if pair[0] != "" && pair[0] != pair[1] {
			return false
		}
	}
	return true
}

// sessions returns the sessions of a store that the filter selects, by id, after one. It reads by the
// narrowest index that the filter names.
func (f SessionFilter) sessions(ctx context.Context, v View, x *secrets, store, after string) iter.Seq2[*storedSession, error] {
	return func(yield func(*storedSession, error) bool) {
		for id, err := range f.ids(ctx, v, x, store, after) {
			var t *storedSession
			there := false
			if err == nil {
				t, there, err = readSession(v, store, id)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if there && f.matches(t) && !yield(t, nil) {
				return
			}
		}
	}
}

func (f SessionFilter) ids(ctx context.Context, v View, x *secrets, store, after string) iter.Seq2[string, error] {
	switch {
	case f.SID != "":
		prefix := x.sidPrefix(store, f.Issuer, f.SID)
		return keysBetween(ctx, v, sessionLinksOf(store), prefix, after)
	case f.Parent != "":
		return idsNaming(ctx, v, store, ostiary.SubjectRef{Type: gate.Session, ID: f.Parent}, sessionParent, after)
	case f.User != "":
		return idsNaming(ctx, v, store, userSubject(f.User), sessionSubject, after)
	case f.Actor != "":
		return idsNaming(ctx, v, store, userSubject(f.Actor), sessionActor, after)
	case f.Device != "":
		return idsNaming(ctx, v, store, ostiary.SubjectRef{Type: typeDevice, ID: f.Device}, sessionDevice, after)
	case f.Client != "":
		return idsNaming(ctx, v, store, ostiary.SubjectRef{Type: gate.Client, ID: f.Client}, sessionClient, after)
	case f.Organization != "":
		prefix := f.Organization + "/"
		return prefixed(prefix, keysBetween(ctx, v, sessionsOf(store), prefix, strings.TrimPrefix(after, prefix)))
	}
	return keysBetween(ctx, v, sessionsOf(store), "", after)
}

// idsNaming returns the ids of the sessions that name a subject, after one.
func idsNaming(ctx context.Context, v View, store string, s ostiary.SubjectRef, relation, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var last *ostiary.Tuple
		if after != "" {
			last = &ostiary.Tuple{Object: sessionObject(after), Relation: relation, Subject: s}
		}
		filter := ostiary.Filter{Store: store, Subject: s, ObjectType: gate.Session, Relation: relation}
		for t, err := range v.Tuples(ctx, filter, last) {
			if !yield(t.Object.ID, err) || err != nil {
				return
			}
		}
	}
}

// keysBetween returns what follows a prefix in the keys of a collection, after one.
func keysBetween(ctx context.Context, v View, collection, prefix, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for d, err := range ostiary.EachDocument(ctx, v, collection, prefix+after) {
			if err != nil {
				yield("", err)
				return
			}
			rest, ours := strings.CutPrefix(d.Key.Key, prefix)
			if !ours || !yield(rest, nil) {
				return
			}
		}
	}
}

func prefixed(prefix string, ids iter.Seq2[string, error]) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for id, err := range ids {
			if !yield(prefix+id, err) {
				return
			}
		}
	}
}

// Sessions returns up to limit sessions that have not ended, by id, after one.
func (s *Service) Sessions(ctx context.Context, store string, f SessionFilter, after string, limit int) (all []Session, err error) {
	if err := f.judge(); err != nil {
		return nil, err
	}
	x, err := s.secret(ctx)
	if err != nil {
		return nil, err
	}
	now := s.backend.Now()
	err = s.read(ctx, func(v View) error {
		if err := storeExists(v, store); err != nil {
			return err
		}
		for t, err := range f.sessions(ctx, v, x, store, after) {
			if err != nil {
				return err
			}
			if t, live, err := liveSession(ctx, v, store, t.ID, now); err != nil {
				return err
			} else if live {
				if err := t.unseal(x, store); err != nil {
					return err
				}
				all = append(all, t.Session)
			}
			if len(all) >= limit {
				return nil
			}
		}
		return nil
	})
	return all, err
}
