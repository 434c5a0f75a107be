package storage

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/ostiary/ostiary"
)

// TestKeysAreForgotten: the oldest go first, a few for each new one, when they are too many or too old.
func TestKeysAreForgotten(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	s.applier.memory.max, s.applier.memory.age = 5, 100
	write := func(nanos int64, key string) {
		m := &ostiary.Mutation{TimeNanos: nanos}
		m.Once(key, nil)
		mustApply(t, s, m)
	}
	wantKnown := func(what string, keys ...string) {
		t.Helper()
		v := viewOf(t, s)
		want := map[string]bool{}
		for _, k := range keys {
			want[k] = true
		}
		for i := range 20 {
			key := fmt.Sprint(i)
			if _, ok, err := v.Remembered(ostiary.Principal{}, key); err != nil || ok != want[key] {
				t.Errorf("%s: key %s is known: %v, %v", what, key, ok, err)
			}
		}
		if err := v.Verify(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for i := range 5 {
		write(int64(i), fmt.Sprint(i))
	}
	wantKnown("as many as are kept", "0", "1", "2", "3", "4")
	write(5, "5")
	wantKnown("one more", "1", "2", "3", "4", "5")
	write(200, "6")
	wantKnown("all others are old, and no more than so many are forgotten at once", "5", "6")
	write(200, "7")
	wantKnown("the next forgets the rest", "6", "7")
}

func TestKeysThatCannotBeStored(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	whole := ostiary.Mutation{Documents: []ostiary.DocumentChange{{Key: ostiary.DocumentKey{Collection: "c", Key: "k"}}}}
	whole.Once("k", nil)
	for name, spoil := range map[string]func(*ostiary.Mutation){
		"no digest":        func(m *ostiary.Mutation) { m.IdempotencyKey = "k" },
		"empty":            func(m *ostiary.Mutation) { m.Once("", nil) },
		"NUL in the key":   func(m *ostiary.Mutation) { m.Once("a\x00b", nil) },
		"NUL in the name":  func(m *ostiary.Mutation) { m.Principal.Name = "a\x00b" },
		"an older release": func(m *ostiary.Mutation) { m.MinVersion = 1 },
		"part of a digest": func(m *ostiary.Mutation) { m.IdempotencyKey = m.IdempotencyKey[:5] },
	} {
		m := whole
		spoil(&m)
		if out := applyOne(t, s, &m); !errors.Is(out.Err, errInvalid) {
			t.Errorf("%s: got %+v, want it refused", name, out)
		}
	}
}
