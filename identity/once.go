package identity

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/ostiary/ostiary"
)

// shownOnce makes m a mutation for which something is shown that is good for one body: a JWT or token of a kind, by the
// name that its maker has given to it. What was shown before with the same body changes nothing; with another, orReplayed
// says so.
func shownOnce(m *ostiary.Mutation, kind, name string, body []byte) {
	sum := sha256.Sum256([]byte(name)) // a key has no room for every name
	m.Once(kind+":"+base64.RawURLEncoding.EncodeToString(sum[:]), body)
}

// orReplayed returns ErrReplayed for the error of a mutation of shownOnce that was shown before with another body.
func orReplayed(err error) error {
	if errors.Is(err, ostiary.ErrConflict) {
		return ErrReplayed
	}
	return err
}

// noteUse makes it part of a mutation that a document says when something was last used. It is a tokenUseBody.
func noteUse(m *ostiary.Mutation, key ostiary.DocumentKey) {
	m.Documents = append(m.Documents, put(key, tokenUseBody{form{bodyForm}, m.TimeNanos}))
}
