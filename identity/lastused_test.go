package identity_test

import (
	"testing"
	"time"

	"github.com/ostiary/ostiary/identity"
)

// A token's use is noted again after a minute, by whichever node, and forgotten with the token.
func TestTokenUseIsCoarse(t *testing.T) {
	w := newWorld(t)
	clock := &clocked{backend{w.raft}, w.raft.Now()}
	first, second := identity.New(clock, identity.Options{}), identity.New(clock, identity.Options{})
	use := func(s *identity.Service, want int) {
		t.Helper()
		before := w.revision()
		ctx, d, err := s.Directory(t.Context(), w.connection.ID, w.bearer)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Used(ctx); err != nil {
			t.Fatal(err)
		}
		if n := int(w.revision() - before); n != want {
			t.Errorf("%d revisions, not %d", n, want)
		}
	}
	use(first, 1)
	use(first, 0)
	use(second, 0) // finds what the other node has noted
	clock.nanos += int64(time.Minute)
	use(second, 1)
	use(first, 0)
	clock.nanos += int64(time.Minute)
	use(first, 1)
	tokens, err := first.Tokens(w.ctx(), store, w.connection.ID)
	if err != nil || tokens[0].UsedNanos != clock.nanos {
		t.Fatalf("got %+v, %v", tokens, err)
	}
	must(t)(first.RevokeToken(w.ctx(), store, w.connection.ID, tokens[0].ID))
	if docs, err := w.view().Documents("token-use/"+w.connection.ID, "", 10, false); err != nil || len(docs) != 0 {
		t.Errorf("%d uses are left, %v", len(docs), err)
	}
}
