package identity

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ostiary/ostiary"
)

// When a token was used last is noted once a minute at most, in a document of its own: the token's is what
// each change rests on.

type tokenUseBody struct {
	form
	UsedNanos int64 `json:"used"`
}

func tokenUsesOf(connection string) string { return "token-use/" + connection }

func tokenUseKey(connection, hash string) ostiary.DocumentKey {
	return ostiary.DocumentKey{Collection: tokenUsesOf(connection), Key: hash}
}

const (
	usePeriod = int64(time.Minute)
	// maxUsesKept bounds the tokens of which a node remembers what it noted.
	maxUsesKept = 20_000
)

// tokenUses remembers what this node has noted, so that few requests look.
type tokenUses struct {
	mu    sync.Mutex
	noted map[ostiary.DocumentKey]int64
}

// claim reports whether the caller is the one to note a use, and remembers that it is noted.
func (u *tokenUses) claim(key ostiary.DocumentKey, nowNanos int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, known := u.noted[key]; known && nowNanos-last < usePeriod {
		return false
	}
	if len(u.noted) >= maxUsesKept || u.noted == nil {
		u.noted = map[ostiary.DocumentKey]int64{}
	}
	u.noted[key] = nowNanos
	return true
}

// release gives a claim back that came to nothing.
func (u *tokenUses) release(key ostiary.DocumentKey) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.noted, key)
}

// useKey returns the document of the use of the Directory's token; false where it was opened by something else,
// whose use is noted elsewhere.
func (d *Directory) useKey() (ostiary.DocumentKey, bool) {
	return tokenUseKey(d.connection.ID, d.token.key.Key), d.token.key.Collection == tokensOf(d.connection.ID)
}

// use makes the note that the token was used part of a mutation, unless another node has noted it.
func use(v View, m *ostiary.Mutation, key ostiary.DocumentKey) error {
	d, there, err := v.Document(key)
	if err != nil {
		return err
	}
	if there {
		body, err := decode[tokenUseBody](d)
		if err != nil || m.TimeNanos-body.UsedNanos < usePeriod {
			return err
		}
	}
	noteUse(m, key)
	return nil
}

// Used notes that the token of a Directory was used, where that is due and no change has noted it.
func (d *Directory) Used(ctx context.Context) error {
	key, ok := d.useKey()
	if !ok || !d.service.uses.claim(key, d.service.backend.Now()) {
		return nil
	}
	principal, _ := ostiary.PrincipalOf(ctx)
	m := &ostiary.Mutation{TimeNanos: d.service.backend.Now(), Principal: principal, RequestID: requestOf(ctx).id()}
	v, err := d.service.backend.View(ctx, ostiary.Freshness{})
	if err != nil {
		return err
	}
	defer v.Close()
	if err := d.restOnToken(v, m); err != nil {
		return err
	}
	if err := use(v, m, key); err != nil || len(m.Documents) == 0 {
		return err
	}
	_, err = d.service.backend.Propose(ctx, m)
	if errors.Is(err, ostiary.ErrPrecondition) {
		return nil // the token was revoked meanwhile
	}
	return err
}
