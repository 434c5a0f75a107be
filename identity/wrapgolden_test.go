package identity

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ostiary/ostiary"
)

// goldenKey and goldenBody were written by the first release that wraps: what is stored must stay readable.
const (
	goldenKey  = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	goldenBody = `{"form":1,"key":"a977ca1d6969cc9a","sealed":"RVJ8FW0pUJHyNWMv54glpW7zyjOBONMOooY8KC2YWGOtkJdoUJFTXqZqPfOLRu6gtdpPXdB4SOQzV6zBBsYYGD9nB1iKMt0NAbmlgnHSACI1nyq4j1GneSG8NzQ="}`
)

func goldenSecret() []byte {
	secret := make([]byte, secretBytes)
	for i := range secret {
		secret[i] = byte(255 - i)
	}
	return secret
}

func keysOf(t *testing.T, lines ...string) *Keys {
	t.Helper()
	k, err := ParseKeys([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWrapGolden(t *testing.T) {
	k := keysOf(t, goldenKey)
	d := ostiary.Document{Key: secretsKey, Body: []byte(goldenBody)}
	secret, current, err := k.unwrap(d)
	if err != nil || !current || !bytes.Equal(secret, goldenSecret()) {
		t.Fatalf("got %x, %v, %v; a new one is %s", secret, current, err, k.wrap(goldenSecret()))
	}
	other := strings.Repeat("ab", keyBytes)
	if secret, current, err = keysOf(t, other, goldenKey).unwrap(d); err != nil || current || !bytes.Equal(secret, goldenSecret()) {
		t.Errorf("as the second key: got %x, %v, %v", secret, current, err)
	}
	for name, k := range map[string]*Keys{"no key": nil, "another key": keysOf(t, other)} {
		if _, _, err := k.unwrap(d); !errors.Is(err, ErrLocked) || !errors.Is(err, ostiary.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	// Each byte counts: of the sealed text, and of what says by which key.
	for i := range goldenBody {
		body := []byte(goldenBody)
		body[i] ^= 1
		secret, _, err := k.unwrap(ostiary.Document{Key: secretsKey, Body: body})
		if err == nil && !bytes.Equal(secret, goldenSecret()) {
			t.Errorf("byte %d altered: got %x", i, secret)
		}
	}
	if a, b := k.wrap(goldenSecret()), k.wrap(goldenSecret()); bytes.Equal(a, b) {
		t.Error("the same twice: the nonce is not drawn")
	}
}

func TestWrapWithoutKeys(t *testing.T) {
	var none *Keys
	body := none.wrap(goldenSecret())
	secret, current, err := none.unwrap(ostiary.Document{Key: secretsKey, Body: body})
	if err != nil || !current || !bytes.Equal(secret, goldenSecret()) {
		t.Errorf("got %x, %v, %v", secret, current, err)
	}
	if _, current, err := keysOf(t, goldenKey).unwrap(ostiary.Document{Key: secretsKey, Body: body}); err != nil || current {
		t.Errorf("a key and a secret that is not wrapped: got %v, %v", current, err)
	}
	for _, n := range []int{0, 1, secretBytes - 1, secretBytes + 1} {
		if _, _, err := none.unwrap(ostiary.Document{Key: secretsKey, Body: make([]byte, n)}); !errors.Is(err, ostiary.ErrCorrupt) {
			t.Errorf("%d bytes: got %v", n, err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	raw, err := hex.DecodeString(goldenKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, line := range map[string]string{
		"hex": goldenKey, "upper case": strings.ToUpper(goldenKey), "base64": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"base64 without padding": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
		"a comment and spaces":   "# new\n\n  " + goldenKey + " \r\n",
	} {
		if k, err := ParseKeys([]byte(line)); err != nil || len(k.all) != 1 || !bytes.Equal(k.all[0].bytes, raw) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	two := keysOf(t, goldenKey, strings.Repeat("ab", keyBytes))
	if len(two.all) != 2 || two.all[0].id == two.all[1].id {
		t.Errorf("got %v", two.all)
	}
	for name, text := range map[string]string{
		"nothing": "", "comments alone": "# none\n", "short": goldenKey[2:], "long": goldenKey + "ab", "no hex": "x" + goldenKey[1:],
		"twice": goldenKey + "\n" + goldenKey, "many": strings.Join(slices.Collect(func(yield func(string) bool) {
			for i := range maxKeys + 1 {
				if !yield(hex.EncodeToString(bytes.Repeat([]byte{byte(i)}, keyBytes))) {
					return
				}
			}
		}), "\n"),
	} {
		if _, err := ParseKeys([]byte(text)); err == nil || strings.Contains(err.Error(), goldenKey[8:24]) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
