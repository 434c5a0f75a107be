package api

import (
	"errors"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
	"github.com/ostiary/ostiary/identity"
)

// TestKeysAreRefusedInPlainWords: keys of a client that do not do are an invalid argument, without the words of
// sentinels that speak of tuples.
func TestKeysAreRefusedInPlainWords(t *testing.T) {
	for _, c := range []identity.Client{{Keys: []byte("no JSON")}, {KeysURL: "nowhere"}, {Issuer: "ftp://idp.example.com"}} {
		err := judgeKeys(c)
		if !errors.Is(err, ostiary.ErrTupleInvalid) || strings.Contains(err.Error(), "invalid tuple") || strings.HasSuffix(err.Error(), "invalid") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
