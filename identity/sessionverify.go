package identity

import (
	"context"
	"strings"

	"github.com/ostiary/ostiary"
)

// sessions expects the tuples of the organization's sessions. One whose person was logged out since needs none:
// its document goes with later logins.
func (f *verifier) sessions(ctx context.Context) error {
	prefix := f.organization + "/"
	floor, _, err := floorOf(f.view, f.store)
	if err != nil {
		return err
	}
	for d, err := range ostiary.EachDocument(ctx, f.view, sessionsOf(f.store), prefix) {
		if err != nil {
			return err
		}
		if !strings.HasPrefix(d.Key.Key, prefix) {
			return nil
		}
		t, err := decodeSession(d)
		if err != nil {
			return err
		}
		l, err := readLogins(f.view, f.store, t.User)
		if err != nil {
			return err
		}
		held, err := t.isHeld(ctx, f.view, f.store, 0)
		if err != nil {
			return err
		}
		if mark := max(floor, l.watermark(f.organization)); !held && mark != 0 && t.AuthNanos <= mark {
			continue
		}
		for _, c := range t.tuples(f.store) {
			f.expect(c)
		}
	}
	return nil
}

// whySessionGone says why a session of the organization that a tuple names is gone; empty where it is not.
func (f *verifier) whySessionGone(s ostiary.SubjectRef) (string, error) {
	_, there, err := readSession(f.view, f.store, s.ID)
	if err != nil || there {
		return "", err
	}
	return "is no session of the organization", nil
}
