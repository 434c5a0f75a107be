package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

// A file of keys is read or refused, and no error shows a key.
func FuzzParseKeys(f *testing.F) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, keyBytes))
	f.Add(key)
	f.Add("# new\n" + strings.Repeat("0a", keyBytes) + "\n\n" + key + "\n")
	f.Add(key + "\n" + key)
	f.Add("short")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := ParseKeys([]byte(text))
		if (keys == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", text, keys, err)
		}
		if err == nil && (len(keys.all) == 0 || len(keys.all) > maxKeys) {
			t.Errorf("%q has %d keys", text, len(keys.all))
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); err != nil && len(line) >= 16 && strings.Contains(err.Error(), line) && !strings.Contains("make one with 'openssl rand -base64 32'", line) {
				t.Errorf("the error shows the line %q: %v", line, err)
			}
		}
	})
}

// However an access token is bent, it says something only where this cluster has made it.
func FuzzAccessToken(f *testing.F) {
	x := &secrets{hash: bytes.Repeat([]byte{9}, 32)}
	made := func(x *secrets) string {
		body := encode(accessBody{form: form{bodyForm}, Connection: "c01"})
		return accessPrefix + base64.RawURLEncoding.EncodeToString(append(body, x.accessMAC(body)...))
	}
	good := made(x)
	f.Add(made(&secrets{hash: bytes.Repeat([]byte{8}, 32)}))
	f.Add(strings.TrimPrefix(good, accessPrefix) + "A")
	f.Add(accessPrefix)
	f.Add(good[:len(good)-2])
	f.Fuzz(func(t *testing.T, text string) {
		body, err := x.openAccess(text)
		if err != nil && !errors.Is(err, ErrUnauthenticated) {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && strings.TrimPrefix(text, accessPrefix) != strings.TrimPrefix(good, accessPrefix) {
			t.Errorf("%q says %+v", text, body)
		}
	})
}
